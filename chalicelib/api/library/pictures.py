"""Paths of the pictures of a passage: its page, small and full size, or its image."""

from urllib.parse import quote

from msgspec import Struct

from chalicelib.model.ingest.files import Kind


class Pictures(Struct, frozen=True, kw_only=True):
    """Paths of this API; null where there is nothing to see."""

    thumbnail_url: str | None = None
    page_url: str | None = None
    page_image_url: str | None = None


def pictures_of(
    item_id: str, kind: Kind | None, page: int, *, source: str, span: tuple[int, int]
) -> Pictures:
    """Return what shows a passage: `span` of the page's text is marked where the PDF itself has that text.

    `kind` is None for an item that is gone. The first page's thumbnail is the item's, which is kept; others are drawn.
    """
    if kind is None:
        return Pictures()
    escaped = quote(item_id, safe="")
    stored = f"/api/v1/items/{escaped}/thumbnail"
    if kind == "image":
        return Pictures(thumbnail_url=stored)
    page_url = f"/api/v1/documents/{escaped}/pages/{page}"
    # What was read from a picture has no place on the page that could be marked.
    marked = f"?highlight={span[0]}-{span[1]}" if source == "text" else ""
    return Pictures(
        thumbnail_url=stored if page == 1 else f"{page_url}/thumbnail",
        page_url=page_url,
        page_image_url=f"{page_url}/image{marked}",
    )
