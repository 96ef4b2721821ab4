"""Calls of models: what was used, for whom, and what it cost."""

from datetime import date
from decimal import Decimal
from typing import Literal

from msgspec import Struct

Grouping = Literal["day", "model", "operation", "item", "user"]
Operation = Literal[
    "analyze", "read_page", "embed", "rerank", "chat", "exercise", "grading", "judging", "repair"
]


class Usage(Struct, frozen=True, kw_only=True):
    """The units that one call used, as the provider reported it; 0 where it reports nothing.

    The counts of tokens do not overlap: `input_tokens` were neither read from the provider's cache (`cached_tokens`)
    nor written to it, for five minutes (`cache_write_tokens`) or for an hour (`cache_write_1h_tokens`). `pixels` are
    those of pictures that are charged by size and not as tokens; `pictures` are charged by number, and only their cost
    is kept. `is_repair`: it asked for the form of an answer to be mended. `is_local`: a server of one's own was asked,
    without a key, so that nobody charges for it.
    """

    provider: str
    model: str
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    pixels: int = 0
    pictures: int = 0
    is_repair: bool = False
    is_local: bool = False

    @property
    def prompt_tokens(self) -> int:
        """Return all tokens that the model was sent."""
        written = self.cache_write_tokens + self.cache_write_1h_tokens
        return self.input_tokens + self.cached_tokens + written


class Owner(Struct, frozen=True, kw_only=True):
    """The user for whom a call was made, and the item, run, message or exercise that needed it, if any."""

    user_id: str
    item_id: str | None = None
    run_id: str | None = None
    message_id: str | None = None
    exercise_id: str | None = None


class Call(Struct, frozen=True, kw_only=True):
    """A call that was answered. `cost_usd` is None when the model has no price; `price_since` dates the price."""

    operation: Operation
    usage: Usage
    cost_usd: Decimal | None
    price_since: date | None
    latency_ms: int


class Spent(Struct, frozen=True, kw_only=True):
    """The sum of calls. `unpriced_calls` are those whose model has no price: their cost is not in the sum."""

    cost_usd: Decimal
    calls: int
    unpriced_calls: int


class Sums(Spent, frozen=True, kw_only=True):
    """The sums of many calls: of their tokens too, none of which is counted twice, and the mean of their latencies."""

    input_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    output_tokens: int
    pixels: int
    latency_ms: int


class Group(Sums, frozen=True, kw_only=True):
    """The sums of a day in UTC ("2026-11-26"), a model ("anthropic/claude-haiku-5-5"), an operation, an item or a user.

    The key is "" for calls that were made for no item.
    """

    key: str
