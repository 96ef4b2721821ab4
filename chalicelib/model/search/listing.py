"""Cuts the ranking of a search into pages of a list: by item or by page, with a cursor that holds its place."""

import hashlib
from typing import Any, Literal

from msgspec import Struct, json

from chalicelib.errors import InvalidInput
from chalicelib.model.paging import decode_json, encode_json

Group = Literal["item", "page"]
Key = tuple[str, int]  # (item id, page number)
MAX_OFFSET = 10_000


class Place(Struct, frozen=True, kw_only=True):
    """The end of a page of a list: so many hits came before, and `last` was the last of them."""

    offset: int
    last: Key


class Cut(Struct, frozen=True, kw_only=True):
    """The part of a ranking that is wanted: `limit` hits after `after`, one for each item or each page.

    `include_weaker`: also matches that are not relevant, only the best there are.
    """

    limit: int
    group: Group = "item"
    include_weaker: bool = False
    after: Place | None = None

    def start(self, keys: list[Key]) -> int:
        """Return where the part begins in the hits with these keys.

        That is behind the last hit that was shown, also if other hits came or went meanwhile. If it is gone itself, it
        is after as many hits as were shown.
        """
        if self.after is None:
            return 0
        last = self.after.last if self.group == "page" else self.after.last[0]
        found = (n for n, key in enumerate(keys, start=1) if last in (key, key[0]))
        return next(found, self.after.offset)


def fingerprint(*parts: Any) -> str:
    """Return a short text that differs between searches: what is asked of whom, how it is filtered and grouped."""
    return hashlib.sha256(json.encode(parts)).hexdigest()[:16]


def encode_place(place: Place, search: str) -> str:
    """Return the cursor of the page after `place`. `search` is the search's fingerprint."""
    return encode_json([search, place.offset, *place.last])


def decode_place(cursor: str, search: str) -> Place:
    """Return the place of a cursor. Raise InvalidInput if it was not made by encode_place, or for another search."""
    try:
        made_for, offset, item_id, page = decode_json(cursor)
        if not (isinstance(made_for, str) and isinstance(item_id, str)):
            raise ValueError(cursor)
        if not (type(offset) is type(page) is int and 0 < offset <= MAX_OFFSET and page > 0):
            raise ValueError(cursor)
    except (ValueError, TypeError) as error:
        raise InvalidInput(
            "This is not a cursor of a search; use `next` of the answer before, or leave `after` out.",
            field="after",
        ) from error
    if made_for != search:
        raise InvalidInput(
            "This cursor belongs to another search; send the same query, filters, mode, group and include_weaker as"
            " before, or leave `after` out.",
            field="after",
        )
    return Place(offset=offset, last=(item_id, page))
