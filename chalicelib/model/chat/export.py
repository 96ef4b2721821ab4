"""Write a conversation as Markdown, its citations as footnotes. All text of it is escaped: none of it is markup."""

import re
from collections.abc import Sequence

from chalicelib.model.chat.messages import CitedMessage, StoredCitation

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!|~^$:@=/])")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_SPEAKER = {"user": "You", "assistant": "Answer"}


def as_markdown(title: str, messages: Sequence[CitedMessage]) -> str:
    """Return the messages in order; the sentences of an answer have the numbers of their footnotes."""
    parts = [f"# {_plain(title) or 'Conversation'}"]
    notes = list[str]()
    for cited in messages:
        message, citations = cited.message, cited.citations
        first = len(notes) + 1
        notes += [_footnote(number, each) for number, each in enumerate(citations, first)]
        said = _with_references(message.content, citations, first)
        parts.append(f"**{_SPEAKER[message.role]}** ({message.created_at:%Y-%m-%d %H:%M} UTC)\n\n{said}")
    return "\n\n".join([*parts, *notes]) + "\n"


def _with_references(content: str, citations: Sequence[StoredCitation], first: int) -> str:
    text, at = "", 0
    for number, citation in enumerate(citations, first):
        text += _escaped(content[at : citation.answer_end]) + f"[^{number}]"
        at = max(at, citation.answer_end)
    return text + _escaped(content[at:])


def _footnote(number: int, citation: StoredCitation) -> str:
    where = _plain(citation.item_name) + ("" if citation.kind == "image" else f", page {citation.page}")
    stale = " (changed or deleted since)" if citation.stale else ""
    return f"[^{number}]: {where}: “{_plain(citation.quote)}”{stale}"


def _plain(text: str) -> str:
    """Return the escaped text on one line."""
    return _escaped(" ".join(text.split()))


def _escaped(text: str) -> str:
    """Return the text with its line breaks, escaped: no markup, no HTML, nothing that becomes a link."""
    lines = text.splitlines()
    lines = [line.strip() for line in lines] if len(lines) > 1 else [text]
    return _MARKUP.sub(r"\\\1", "\n".join(lines)).translate(_ENTITIES)
