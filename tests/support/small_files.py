"""Small files for the decoder, and bounds that a test reaches in a moment."""

import io

from PIL import Image

from chalicelib.model.ingest.files import FileLimits

# Bounds that a test can reach in a moment; what is not under test stays far from them.
LIMITS = FileLimits(
    max_bytes=1_000_000,
    max_pixels=30_000_000,
    max_pages=5,
    max_text_chars=500,
    memory_bytes=200 * 1024 * 1024,
    timeout_s=10,
)


def encode(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def make_pdf(*contents: str, media_box: str = "0 0 200 100", extra: str = "", resources: str = "") -> bytes:
    """Return one page a content stream, in Helvetica. No cross-reference table: readers rebuild it."""
    count = len(contents)
    kids = " ".join(f"{10 + 2 * index} 0 R" for index in range(count))
    parts = [
        "%PDF-1.4\n1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj",
        f"2 0 obj <</Type/Pages/Count {count}/Kids[{kids}]/MediaBox[{media_box}]>> endobj",
        "3 0 obj <</Type/Font/Subtype/Type1/BaseFont/Helvetica>> endobj",
        "4 0 obj <</Title(A \\(small\\) title\\000)>> endobj",
        extra,
    ]
    for index, content in enumerate(contents):
        page = 10 + 2 * index
        fonts = f"/Resources<</Font<</F 3 0 R>>{resources}>>"
        parts.append(f"{page} 0 obj <</Type/Page/Parent 2 0 R/Contents {page + 1} 0 R{fonts}>> endobj")
        parts.append(f"{page + 1} 0 obj <</Length {len(content)}>> stream\n{content}\nendstream endobj")
    return "\n".join([*parts, "trailer <</Root 1 0 R/Info 4 0 R>>", "%%EOF"]).encode()


def text_at(text: str) -> str:
    return f"BT /F 12 Tf 10 50 Td ({text}) Tj ET"


def make_slow_pdf() -> bytes:
    """Ten forms, each drawing the next one ten times."""
    forms = [
        f"{100 + level} 0 obj <</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Length {6 * 10}"
        f"/Resources<</XObject<</N {101 + level} 0 R>>>>>> stream\n{'/N Do ' * 10}\nendstream endobj"
        for level in range(10)
    ]
    leaf = "110 0 obj <</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Length 12>> stream\n0 0 1 1 re f\n"
    leaf += "endstream endobj"
    return make_pdf("/N Do", extra="\n".join([*forms, leaf]), resources="/XObject<</N 100 0 R>>")


RED = Image.new("RGB", (40, 20), "red")
NOISE = Image.effect_noise((300, 200), 80).convert("RGB")
