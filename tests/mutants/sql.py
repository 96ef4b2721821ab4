"""Operations on a named statement of a .sql file, or on a migration, which has no names and never changes.

drop TOKENS             remove these tokens, whatever white space is between them
always-true TOKENS      put true in place of the condition that has these tokens: all between AND, OR, WHERE and
                        their like, or what is in its parentheses; always-false
"""

import re
from collections.abc import Callable
from itertools import takewhile

_TOKEN = re.compile(r"%\(\w+\)s|::|\w+|<=|>=|<>|->>|->|\S")
_COMMENT = re.compile(r"--[^\n]*")
_CLAUSES = (
    "where on having when then else end order group limit for returning union join left cross as using select"
)
_AROUND = frozenset({"and", "or", ",", ";", *_CLAUSES.split()})


def mutated_sql(source: str, name: str, operation: str, argument: str) -> str:
    """Return the file with the operation done. Raise ValueError unless the tokens are there exactly once."""
    start, end = _statement(source, name) if name else (0, len(source))
    tokens = _tokens(source, start, end)
    wanted = [token.lower() for token in _TOKEN.findall(argument)]
    texts = [text.lower() for text, *_ in tokens]
    found = [at for at in range(len(texts)) if texts[at : at + len(wanted)] == wanted]
    if len(found) != 1:
        raise ValueError(f"it fits {len(found)} places")
    first, last = found[0], found[0] + len(wanted) - 1
    if operation != "drop":
        first, last = _condition(texts, first, last)
    put = {"drop": "", "always-true": "true", "always-false": "false"}[operation]
    return source[: tokens[first][1]] + put + source[tokens[last][2] :]


def _statement(source: str, name: str) -> tuple[int, int]:
    heads = list(re.finditer(r"^-- :name (\w+)(?: prepared)?\s*$", source, re.MULTILINE))
    ends = [head.start() for head in heads[1:]] + [len(source)]
    found = [(head.end(), end) for head, end in zip(heads, ends, strict=True) if head[1] == name]
    if len(found) != 1:
        raise ValueError(f"{len(found)} statements {name}")
    return found[0]


def _tokens(source: str, start: int, end: int) -> list[tuple[str, int, int]]:
    """(token, its start, its end), comments left out."""
    blank = _COMMENT.sub(lambda comment: " " * len(comment[0]), source[:end])
    return [(match[0], match.start(), match.end()) for match in _TOKEN.finditer(blank, start)]


def _condition(texts: list[str], first: int, last: int) -> tuple[int, int]:
    """Return the first and last token of the whole condition around these."""
    before = list(takewhile(_inside("(", ")", _AROUND | {"not"}), reversed(texts[:first])))
    after = list(takewhile(_inside(")", "(", _AROUND), texts[last + 1 :]))
    return first - len(before), last + len(after)


def _inside(closing: str, opening: str, around: frozenset[str]) -> Callable[[str], bool]:
    """Return what tells, token by token away from the condition's middle, whether the condition goes on."""
    depth = 0

    def goes_on(text: str) -> bool:
        nonlocal depth
        if depth == 0 and (text == closing or text in around):
            return False
        depth += (text == opening) - (text == closing)
        return True

    return goes_on
