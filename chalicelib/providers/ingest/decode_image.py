"""Decodes images to previews and reads their EXIF. It reads hostile bytes, so it runs in the decoder's child only."""

import io
import math
import re
import struct
from contextlib import nullcontext
from datetime import datetime
from typing import IO, Any

from PIL import GifImagePlugin, Image, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin

from chalicelib.model.ingest.files import DecodedFile, FileLimits, bad_file
from chalicelib.providers.ingest.heif_boxes import check_heif

try:
    from pillow_heif import register_heif_opener
except ImportError:  # optional: without it HEIC is an unsupported format
    HEIC_READABLE = False
else:
    # An embedded thumbnail does not prove that the image itself is complete.
    register_heif_opener(thumbnails=False, decode_threads=1)
    HEIC_READABLE = True

PREVIEW_PX = 2000
THUMBNAIL_PX = 512
_MIN_DIVIDED_PX = 1500

# A large profile or text does not damage a picture. The plugin still accepts at most 64 MB of them in total.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY

# The plugins are named, so that they are loaded once before a fork and not for each file.
_PLUGINS = (GifImagePlugin, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin)
_FORMAT_OF_MEDIA_TYPE = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/heic": "HEIF",
}
_TRANSPOSE_OF_ORIENTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Errors that Pillow's parsers raise for damaged bytes.
_UNREADABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)


def decode_image(file: str | IO[bytes], *, media_type: str, limits: FileLimits) -> DecodedFile:
    """Decode the first frame once, upright, to a preview and a thumbnail. Raise BadFile.

    The number of pixels is checked before any is decoded. The file is read to its end, so that a truncated one is
    noticed even if the preview needs only a part of it. A HEIC file's boxes are checked first.
    """
    if media_type == "image/heic" and not HEIC_READABLE:
        raise bad_file("unsupported_format", limits)
    Image.MAX_IMAGE_PIXELS = limits.max_pixels
    try:
        with open(file, "rb") if isinstance(file, str) else nullcontext(file) as opened:
            if media_type == "image/heic":
                check_heif(opened, limits)
            with Image.open(opened, formats=[_FORMAT_OF_MEDIA_TYPE[media_type]]) as image:
                return _decode_opened(image, media_type=media_type, limits=limits)
    except Image.DecompressionBombError:
        raise bad_file("too_many_pixels", limits) from None
    except MemoryError:
        raise bad_file("too_much_memory", limits) from None
    except _UNREADABLE as error:
        raise bad_file(_reason(error), limits) from error


def _reason(error: Exception) -> str:
    """Return the reason code for a parser's error. libheif raises RuntimeError if it gets no memory."""
    if isinstance(error, RuntimeError) and "memory" in str(error).lower():
        return "too_much_memory"
    return "truncated" if "truncated" in str(error) else "corrupt"


def _decode_opened(image: Image.Image, *, media_type: str, limits: FileLimits) -> DecodedFile:
    width_px, height_px = image.size
    if width_px * height_px > limits.max_pixels:
        raise bad_file("too_many_pixels", limits)
    preview = _load_reduced(image)
    exif = _read_exif(image)  # after the pixels: for some formats it would load them, and hide an error
    orientation = exif.get("orientation", 1)
    if orientation in _TRANSPOSE_OF_ORIENTATION:
        preview = preview.transpose(_TRANSPOSE_OF_ORIENTATION[orientation])
        if orientation >= 5:
            width_px, height_px = height_px, width_px
    preview = _to_rgb(preview)
    return DecodedFile(
        kind="image",
        media_type=media_type,
        width_px=width_px,
        height_px=height_px,
        page_count=1,
        pages=(),
        thumbnail_jpeg=to_jpeg(to_thumbnail(preview)),
        preview_jpeg=to_jpeg(preview),
        taken_at=exif.get("taken_at"),
        camera=exif.get("camera"),
        latitude=exif.get("latitude"),
        longitude=exif.get("longitude"),
        title=None,
    )


def _load_reduced(image: Image.Image) -> Image.Image:
    """Load all pixels and return the image with at most about PREVIEW_PX on the long edge.

    If enough pixels remain to read small print, the size is divided by a whole number: this takes a tenth of the time
    of resampling, and a JPEG can even be loaded faster at that size.
    """
    long_edge = max(image.size)
    divisor = math.ceil(long_edge / PREVIEW_PX)
    if divisor > 1 and long_edge / divisor < _MIN_DIVIDED_PX:
        divisor -= 1
    power_of_two = divisor & -divisor
    image.draft(None, (image.width // power_of_two, image.height // power_of_two))
    image.load()
    divisor //= round(long_edge / max(image.size))
    image = _to_plain_mode(image)
    return _fit(image.reduce(divisor) if divisor > 1 else image, PREVIEW_PX)


def _fit(image: Image.Image, long_edge_px: int) -> Image.Image:
    """Return the image, resampled if its long edge has more pixels than that."""
    scale = long_edge_px / max(image.size)
    if scale >= 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.HAMMING, reducing_gap=1.0)


def _to_plain_mode(image: Image.Image) -> Image.Image:
    """Return the image in a mode that can be averaged: no palette, no single bits, transparency as a channel."""
    if image.mode == "1":
        return image.convert("L")
    if image.mode.startswith("I"):
        return image.convert("I")
    if image.has_transparency_data and image.mode != "RGBA":
        return image.convert("RGBA")
    return image.convert("RGB") if image.mode == "P" else image


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return the image on white, without an alpha channel, in eight bits."""
    if image.mode == "RGBA":
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        return white
    if image.mode == "I":  # 16 bits of grey, which convert() would clip
        return image.point(lambda value: value * (1 / 257)).convert("L").convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")  # convert() would copy it


def to_thumbnail(preview: Image.Image) -> Image.Image:
    """Return the image at no more than THUMBNAIL_PX on the long edge."""
    return _fit(preview, THUMBNAIL_PX)


def to_jpeg(image: Image.Image, *, quality: int = 85) -> bytes:
    """Return a JPEG of the pixels only: no EXIF, no comment, no profile."""
    image.info.clear()
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _read_exif(image: Image.Image) -> dict[str, Any]:
    """Return orientation, taken_at, camera, latitude and longitude, each only if it is readable."""
    found: dict[str, Any] = {}
    for read in (_read_camera_and_orientation, _read_taken_at, _read_position):
        try:
            found |= read(image.getexif())
        except _UNREADABLE:
            continue  # an image with broken EXIF is still good
    return found


def _read_camera_and_orientation(exif: Image.Exif) -> dict[str, Any]:
    make, model = (clean_text(exif.get(tag), max_chars=100) or "" for tag in (271, 272))
    camera = model if model.lower().startswith(make.lower()) else f"{make} {model}".strip()
    orientation = exif.get(274)
    return {"orientation": orientation if isinstance(orientation, int) else 1, "camera": camera or None}


def _read_taken_at(exif: Image.Exif) -> dict[str, Any]:
    details = exif.get_ifd(34665)
    written = clean_text(details.get(36867), max_chars=30) or ""
    taken_at = datetime.strptime(written, "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007  cameras keep local time
    offset = clean_text(details.get(36881), max_chars=10) or ""
    is_offset = re.fullmatch(r"[+-](0\d|1[0-4]):[0-5]\d", offset)
    return {"taken_at": taken_at.isoformat() + (offset if is_offset else "")}


def _read_position(exif: Image.Exif) -> dict[str, Any]:
    gps = exif.get_ifd(34853)
    latitude = _degrees(gps[2], ref=gps.get(1), negative="S", limit=90)
    longitude = _degrees(gps[4], ref=gps.get(3), negative="W", limit=180)
    return {"latitude": latitude, "longitude": longitude}


def _degrees(parts: Any, *, ref: Any, negative: str, limit: int) -> float:
    """Return degrees, minutes and seconds as decimal degrees. Raise ValueError if this is no position on earth."""
    values = [float(part) for part in parts]
    degrees: float = sum(value / 60**power for power, value in enumerate(values[:3]))
    if not all(map(math.isfinite, values)) or min(values) < 0 or degrees > limit:
        raise ValueError("not a position")
    return round(-degrees if str(ref).strip("\0 ").upper() == negative else degrees, 7)


def clean_text(value: Any, *, max_chars: int) -> str | None:
    """Return the value as one line without control characters and lone surrogates; None if it is empty or no text."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if not isinstance(text, str):
        return None
    printable = "".join(c if c.isprintable() else " " for c in text[: max_chars * 4])
    return " ".join(printable.split())[:max_chars].rstrip() or None
