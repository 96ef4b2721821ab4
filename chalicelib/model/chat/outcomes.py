"""Outcomes of a question, and the text shown instead of an answer."""

from typing import Literal

Outcome = Literal["answered", "nothing_certain", "nothing_relevant", "nothing_verified", "refused"]
# The text shown if there is no answer.
TEXT_WITHOUT_ANSWER: dict[Outcome, str] = {
    "nothing_certain": "I found no sentence that surely answers this. It may be in one of these places.",
    "nothing_relevant": "I found nothing in your items that answers this.",
    "nothing_verified": "I found something that may bear on this, but no answer that it confirms word for word.",
    "refused": "The model declined to answer this.",
}
