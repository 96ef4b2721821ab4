"""Makes pictures as small as a model looks at: the provider would shrink a larger one, and it takes longer to send."""

import io
import math

from chalicelib.errors import BadFile


def fit_picture(jpeg: bytes, *, max_px: int, max_pixels: int) -> bytes:
    """Return the JPEG, smaller if a side or the area is over its bound. It is one of the app's own previews.

    Raises BadFile when it is no picture.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            width, height = image.size
            scale = min(max_px / max(width, height), math.sqrt(max_pixels / (width * height)))
            if scale >= 1:
                return jpeg
            size = max(1, int(width * scale)), max(1, int(height * scale))
            smaller = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadFile("The preview of this file cannot be read.", code="preview_unreadable") from error
    out = io.BytesIO()
    smaller.save(out, "JPEG", quality=90)
    return out.getvalue()
