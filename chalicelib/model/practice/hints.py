"""Hints of an exercise, from the faintest to the plainest, and what in it is the learner's own."""

from collections.abc import Sequence

from chalicelib.model.practice.exercises import GAP, Draft
from chalicelib.model.practice.wording import read_words


def hints_of(draft: Draft) -> list[str]:
    """Return three hints. None has the whole key."""
    excerpt = draft.excerpt
    where = f"Look at {excerpt.item_name}, page {excerpt.page}." if excerpt.item_id else "Look at your text."
    return [where, _shape(draft), _opening(draft)]


def personalization_of(draft: Draft, interests: Sequence[str], life_category: str) -> str:
    """Return which interests of the learner the quoted text names. It claims no other link to them."""
    said = {word.stem for word in read_words(draft.quote)}
    met = [interest for interest in interests if said & {word.stem for word in read_words(interest)}]
    named = (
        f"your own document {draft.excerpt.item_name}" if draft.excerpt.item_id else "the text that you gave"
    )
    source = f"From {named}, for your {life_category} goals."
    return f"{source} It touches your interest in {', '.join(met)}." if met else source


def _shape(draft: Draft) -> str:
    if draft.kind == "ordered_steps":
        return f"There are {len(draft.options)} steps."
    if draft.options:
        return f"It begins with “{draft.key[0]}”." if len(draft.key) > 1 else "It is one character long."
    if draft.kind in ("cloze", "image_question"):
        return f"It has {len(draft.key)} characters and begins with “{draft.key[0]}”."
    return f"The reference answer has {len(draft.key.split())} words."


def _opening(draft: Draft) -> str:
    """Return the beginning of the key: half a sentence, the first step, or the first half of a word."""
    if draft.kind == "ordered_steps":
        return f"It begins with: {draft.key.splitlines()[0]}"
    if draft.kind == "short_answer":
        words = draft.key.split()
        return f"The reference answer begins: {' '.join(words[: len(words) // 2])} …"
    begins = f"It begins with “{draft.key[: len(draft.key) // 2]}”"
    return f"{begins}, where the sentence has {GAP}." if GAP in draft.question else f"{begins}."
