"""Prices of models, in US dollars. This is the only place with prices.

A price that changes is a new row with the date from which it holds; the old row stays. What was spent is stored with
its cost, so that no change here changes the past. A model without a row is "unpriced": its calls have no cost, not the
cost 0. List prices in the standard tier, without taxes, discounts and free allowances, as they were in November 2026;
`source` is the page that publishes them. What they were compared with, and which were not, is in docs/models.md.
"""

from datetime import date
from decimal import Decimal

from msgspec import Struct

_CLAUDE = "https://platform.claude.com/docs/en/about-claude/pricing"
_OPENAI = "https://developers.openai.com/api/docs/pricing"
_VOYAGE = "https://docs.voyageai.com/docs/pricing"
_BEDROCK = "https://aws.amazon.com/bedrock/pricing/"
_COHERE = "https://cohere.com/pricing"


class Price(Struct, frozen=True, kw_only=True):
    """The price of each of `models` from the day `since`, for prompts of at most `up_to` tokens (None: of any length).

    `input`, `cached`, `cache_write_5m`, `cache_write_1h` and `output` are dollars for a million tokens, `pixels` for a
    billion pixels, `picture` for one picture of whatever size, `call` for one call. The provider keeps what is written
    to its cache for five minutes or an hour after the last use. None: the provider has no such price.
    """

    provider: str
    models: tuple[str, ...]
    since: date
    source: str
    up_to: int | None = None
    input: Decimal | None = None
    cached: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    output: Decimal | None = None
    pixels: Decimal | None = None
    picture: Decimal | None = None
    call: Decimal | None = None


def _claude(model: str, since: date, texts: str, *, up_to: int | None = None) -> Price:
    """Return a price of Anthropic's; `texts` are input, cache write for 5 minutes and 1 hour, cache read, output."""
    input_, write_5m, write_1h, cached, output = map(Decimal, texts.split())
    return Price(
        provider="anthropic",
        models=(model,),
        since=since,
        source=_CLAUDE,
        up_to=up_to,
        input=input_,
        cached=cached,
        cache_write_5m=write_5m,
        cache_write_1h=write_1h,
        output=output,
    )


def _openai(
    model: str, since: date, input_: str, cached: str | None = None, output: str | None = None
) -> Price:
    return Price(
        provider="openai",
        models=(model,),
        since=since,
        source=_OPENAI,
        input=Decimal(input_),
        cached=Decimal(cached) if cached else None,
        output=Decimal(output) if output else None,
    )


def _nova(models: tuple[str, ...], input_: str, cached: str, output: str) -> Price:
    return Price(
        provider="bedrock",
        models=models,
        since=date(2025, 12, 2),
        source=_BEDROCK,
        input=Decimal(input_),
        cached=Decimal(cached),
        output=Decimal(output),
    )


def _by_input(provider: str, models: tuple[str, ...], since: date, source: str, input_: str) -> Price:
    return Price(provider=provider, models=models, since=since, source=source, input=Decimal(input_))


def _by_call(provider: str, model: str, since: date, source: str, call: str) -> Price:
    return Price(provider=provider, models=(model,), since=since, source=source, call=Decimal(call))


_NOVA = "amazon.nova-2-lite-v1:0"
PRICES: tuple[Price, ...] = (
    _claude("claude-haiku-5-5", date(2026, 10, 7), "0.10 0.125 0.20 0.01 0.50", up_to=100_000),
    _claude("claude-haiku-5-5", date(2026, 10, 7), "0.50 0.625 1.00 0.05 2.50"),
    _claude("claude-sonnet-5-5", date(2026, 9, 28), "2 2.50 4 0.20 10"),
    _claude("claude-sonnet-5-5", date(2026, 10, 7), "2 2.50 4 0.10 10"),
    _claude("claude-sonnet-5", date(2026, 6, 30), "2 2.50 4 0.20 10"),
    _claude("claude-haiku-4-5", date(2025, 10, 15), "1 1.25 2 0.10 5"),
    _openai("gpt-5.4-mini", date(2026, 3, 17), "0.75", "0.075", "4.50"),
    _openai("gpt-5.4-nano", date(2026, 3, 17), "0.20", "0.02", "1.25"),
    _openai("gpt-4o", date(2024, 10, 2), "2.50", "1.25", "10"),
    _openai("gpt-4o-mini", date(2024, 10, 2), "0.15", "0.075", "0.60"),
    _openai("text-embedding-3-small", date(2024, 1, 25), "0.02"),
    _openai("text-embedding-3-large", date(2024, 1, 25), "0.13"),
    _nova((_NOVA, f"global.{_NOVA}"), "0.30", "0.075", "2.50"),
    _nova(tuple(f"{area}.{_NOVA}" for area in ("us", "eu", "jp")), "0.33", "0.0825", "2.75"),
    _by_input("bedrock", ("amazon.titan-embed-text-v2:0",), date(2024, 4, 30), _BEDROCK, "0.02"),
    Price(
        provider="bedrock",
        models=("amazon.titan-embed-image-v1",),
        since=date(2023, 11, 29),
        source=_BEDROCK,
        input=Decimal("0.80"),
        picture=Decimal("0.00006"),
    ),
    _by_input("bedrock", ("cohere.embed-v4:0",), date(2025, 10, 1), _BEDROCK, "0.12"),
    _by_input(
        "bedrock",
        ("cohere.embed-english-v3", "cohere.embed-multilingual-v3"),
        date(2023, 11, 28),
        _BEDROCK,
        "0.10",
    ),
    # A search of at most 100 documents; the app sends 50 at most.
    _by_call("bedrock", "cohere.rerank-v3-5:0", date(2024, 12, 2), _BEDROCK, "0.002"),
    _by_call("bedrock", "amazon.rerank-v1:0", date(2024, 12, 2), _BEDROCK, "0.001"),
    _by_call("cohere", "rerank-v3.5", date(2024, 12, 2), _COHERE, "0.002"),
    _by_input("voyage", ("voyage-4-large",), date(2026, 1, 15), _VOYAGE, "0.12"),
    _by_input("voyage", ("voyage-4", "voyage-3.5"), date(2025, 5, 20), _VOYAGE, "0.06"),
    _by_input("voyage", ("voyage-4-lite", "voyage-3.5-lite"), date(2025, 5, 20), _VOYAGE, "0.02"),
    _by_input("voyage", ("rerank-2.5",), date(2025, 8, 11), _VOYAGE, "0.05"),
    _by_input("voyage", ("rerank-2.5-lite",), date(2025, 8, 11), _VOYAGE, "0.02"),
    Price(
        provider="voyage",
        models=("voyage-multimodal-3.5",),
        since=date(2026, 1, 15),
        source=_VOYAGE,
        input=Decimal("0.12"),
        pixels=Decimal("0.60"),
    ),
)
