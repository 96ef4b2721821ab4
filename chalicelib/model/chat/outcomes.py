"""What can become of a question."""

from typing import Literal

Outcome = Literal["answered", "nothing_relevant", "nothing_verified", "refused"]
# What is said where there is no answer.
SAID: dict[Outcome, str] = {
    "nothing_relevant": "I found nothing in your items that answers this.",
    "nothing_verified": "I found something that may bear on this, but no answer that its words bear out.",
    "refused": "The model declined to answer this.",
}
