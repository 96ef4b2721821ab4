"""Cost of a call: the price of its day times the tokens used. Exact, in decimals."""

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from chalicelib.model.usage.prices import PRICES, Price
from chalicelib.model.usage.usage import Usage

_MILLION, _BILLION = Decimal(10**6), Decimal(10**9)
_DATED = re.compile(r"-20\d\d-?\d\d-?\d\d\Z")  # a snapshot costs what its model costs


def find_price(usage: Usage, on: date, prices: Sequence[Price] = PRICES) -> Price | None:
    """Return the price of the model that holds on that day for a prompt of this length; None if there is none."""
    name = usage.model.rpartition("/")[2]  # of an ARN, the profile's id
    names = {name, _DATED.sub("", name)}
    known = [
        price
        for price in prices
        if price.provider == usage.provider and price.since <= on and names & set(price.models)
    ]
    newest = max((price.since for price in known), default=None)
    bands = [
        price
        for price in known
        if price.since == newest and (price.up_to is None or usage.prompt_tokens <= price.up_to)
    ]
    return min(bands, key=lambda price: price.up_to or float("inf"), default=None)


def cost_of(usage: Usage, price: Price | None) -> Decimal | None:
    """Return the cost in dollars; None without a price for all that was used. What is local costs 0."""
    if usage.is_local:
        return Decimal(0)
    if price is None:
        return None
    used = (
        (usage.input_tokens, price.input, _MILLION),
        (usage.cached_tokens, price.cached, _MILLION),
        (usage.cache_write_tokens, price.cache_write_5m, _MILLION),
        (usage.cache_write_1h_tokens, price.cache_write_1h, _MILLION),
        (usage.output_tokens, price.output, _MILLION),
        # By size or by number, whichever the provider charges.
        (0 if price.picture else usage.pixels, price.pixels, _BILLION),
        (usage.pictures if price.picture else 0, price.picture, Decimal(1)),
    )
    cost = price.call or Decimal(0)
    if price.call is None and any(count and rate is None for count, rate, _ in used):
        return None
    return cost + sum(count * rate / unit for count, rate, unit in used if rate is not None)
