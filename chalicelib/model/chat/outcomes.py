"""Outcomes of a question."""

from typing import Literal

Outcome = Literal["answered", "nothing_relevant", "nothing_verified", "refused"]
# The content of a message without an answer.
SAID: dict[Outcome, str] = {
    "nothing_relevant": "I found nothing in your items that answers this.",
    "nothing_verified": "I found something that may bear on this, but no answer that its words bear out.",
    "refused": "The model declined to answer this.",
}
