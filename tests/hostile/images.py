"""Images that lie, explode or end too soon. Every function answers file names with their bytes."""

import io
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

Files = dict[str, bytes]
EXIF_STRING, EXIF_RATIONAL = 2, 5
_FLUSHED_ZEROS = 1_000_000


def zeros(size_bytes: int) -> bytes:
    """Return a zlib stream that inflates to about so many zero bytes, made without deflating them all."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    # After a full flush a block leans on nothing before it, so that it can be repeated.
    block = deflate.compress(bytes(_FLUSHED_ZEROS)) + deflate.flush(zlib.Z_FULL_FLUSH)
    count = max(1, size_bytes // _FLUSHED_ZEROS)
    adler32 = (count * _FLUSHED_ZEROS % 65521) << 16 | 1
    return b"\x78\xda" + block * count + b"\x03\x00" + adler32.to_bytes(4, "big")


def encode(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def plain(format: str = "JPEG", size: tuple[int, int] = (96, 64)) -> bytes:
    return encode(Image.linear_gradient("L").resize(size).convert("RGB"), format)


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def header(width: int, height: int, depth: int, color: int, interlace: int) -> bytes:
    return struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace)


def png(
    width: int,
    height: int,
    *,
    depth: int = 1,
    color: int = 0,
    data: bytes | None = None,
    extra: bytes = b"",
    interlace: int = 0,
) -> bytes:
    """Return a PNG of these dimensions; without `data` as many zeros as its pixels take."""
    if data is None:
        samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
        data = zeros(height * (1 + (width * depth * samples + 7) // 8) + _FLUSHED_ZEROS)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header(width, height, depth, color, interlace))
    return start + extra + chunk(b"IDAT", data) + chunk(b"IEND")


def pngs() -> Files:
    small = zlib.compress(bytes(2 * 8))
    text = b"key\0\0" + zeros(200_000_000)
    frames = chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)) + b"".join(
        chunk(b"fcTL", struct.pack(">IIIIIHHBB", n, 8, 8, 0, 0, 1, 1, 0, 0)) for n in range(2000)
    )
    return {
        "bomb-169mp.png": png(13_000, 13_000),
        "bomb-in-budget.png": png(9_999, 10_000),
        "bomb-64-bit.png": png(5_000, 5_000, depth=16, color=6),
        "bomb-interlaced.png": png(5_000, 5_000, depth=8, color=6, interlace=1),
        "needle.png": png(1, 20_000_000, depth=8),
        "largest.png": png(2**31 - 1, 2**31 - 1, data=small),
        "no-pixels.png": png(0, 0, data=small),
        "overflow.png": png(65_536, 65_537, data=small),
        "no-data.png": png(8, 8, data=b""),
        "data-bomb.png": png(8, 8, data=zeros(1_000_000_000)),
        "text-bomb.png": png(8, 8, data=small, extra=chunk(b"zTXt", text)),
        "profile-bomb.png": png(8, 8, data=small, extra=chunk(b"iCCP", b"x\0\0" + zeros(900_000_000))),
        "profile-of-9-mb.png": png(
            8, 8, data=small, extra=chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(9_000_000)))
        ),
        "texts.png": png(8, 8, data=small, extra=chunk(b"tEXt", b"key\0" + b"x" * 900_000) * 5),
        "chunks.png": png(8, 8, data=small, extra=chunk(b"tEXt", b"k\0") * 50_000),
        "unknown-critical.png": png(8, 8, data=small, extra=chunk(b"QQQQ", b"?")),
        "negative-length.png": png(8, 8, data=small, extra=b"\xff\xff\xff\xfftEXt"),
        "animated.png": png(8, 8, data=small, extra=frames),
        "palette-missing.png": png(8, 8, depth=8, color=3, data=zlib.compress(bytes(72))),
        "transparency-short.png": png(8, 8, data=small, extra=chunk(b"tRNS", b"")),
        "exif-garbage.png": png(8, 8, data=small, extra=chunk(b"eXIf", b"II*\0\xff\xff\xff\xff")),
        "color-type.png": png(8, 8, data=small).replace(b"\x01\0\0\0\0", b"\x07\x09\0\0\0", 1),
        "two-headers.png": png(8, 8, data=small, extra=chunk(b"IHDR", header(60_000, 60_000, 16, 6, 0))),
    }


def gif(
    width: int, height: int, frame: tuple[int, int, int, int], *, code_size: int = 2, count: int = 1
) -> bytes:
    """Return a GIF whose `count` frames claim to be at (left, top) and (width, height)."""
    one = b"," + struct.pack("<HHHHB", *frame, 0) + bytes([code_size]) + b"\x02\x4c\x01\0"
    return (
        b"GIF89a"
        + struct.pack("<HHBBB", width, height, 0x80, 0, 0)
        + b"\0\0\0\xff\xff\xff"
        + one * count
        + b";"
    )


def gifs() -> Files:
    comment = b"!\xfe" + (b"\xff" + b"c" * 255) * 20_000 + b"\0"
    return {
        "bomb.gif": gif(65_535, 65_535, (0, 0, 65_535, 65_535)),
        "frame-beyond-screen.gif": gif(1, 1, (0, 0, 50_000, 50_000)),
        "frame-outside.gif": gif(10, 10, (60_000, 60_000, 10, 10)),
        "no-size.gif": gif(0, 0, (0, 0, 0, 0)),
        "code-size.gif": gif(10, 10, (0, 0, 10, 10), code_size=255),
        "frames.gif": gif(9_000, 9_000, (0, 0, 9_000, 9_000), count=3_000),
        "comment.gif": plain("GIF")[:-1] + comment + b";",
        "extension-without-end.gif": gif(10, 10, (0, 0, 10, 10))[:-1] + b"!\xff\x0bNETSCAPE2.0\xff",
        "script.gif": b"GIF89a/*" + plain("GIF")[8:] + b"*/=1;alert(1)",
    }


def webps() -> Files:
    small = plain("WEBP")
    extended = b"VP8X" + struct.pack("<II", 10, 0x02) + b"\xff\xff\xff" * 2
    frame = (
        b"ANMF"
        + struct.pack("<I", 16 + len(small) - 12)
        + bytes(6)
        + b"\xff\xff\xff" * 2
        + bytes(4)
        + small[12:]
    )
    frames = [Image.new("RGB", (64, 64), (n, 0, 0)) for n in range(120)]
    animated = extended + b"ANIM" + struct.pack("<IIH", 6, 0, 0) + frame * 50
    return {
        "canvas.webp": b"RIFF" + struct.pack("<I", 4 + len(animated)) + b"WEBP" + animated,
        "size-lies-high.webp": small[:4] + b"\xff\xff\xff\xff" + small[8:],
        "size-lies-low.webp": small[:4] + bytes(4) + small[8:],
        "chunk-size.webp": small[:16] + b"\xff\xff\xff\x7f" + small[20:],
        "many-frames.webp": encode(frames[0], "WEBP", save_all=True, append_images=frames[1:]),
        "lossless-bomb.webp": b"RIFF\x16\0\0\0WEBPVP8L\x0a\0\0\0\x2f\xff\xff\xff\x0f" + bytes(5),
    }


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(data) + 2).to_bytes(2, "big") + data


def resized(jpeg: bytes, width: int, height: int) -> bytes:
    """Return the JPEG with other dimensions in its frame header than it has."""
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", height, width) + jpeg[at + 4 :]


def jpegs() -> Files:
    small = plain()
    inner = b"II*\0\x08\0\0\0\x01\0\x00\x01\x04\0\xff\xff\xff\xff\0\0\0\0\x08\0\0\0"
    return {
        "bomb.jpg": resized(small, 65_535, 65_535),
        "largest-taken.jpg": resized(small, 10_000, 10_000),
        "no-height.jpg": resized(small, 96, 0),
        "comments-of-10-mb.jpg": small[:2] + segment(0xFE, b"c" * 65_000) * 160 + small[2:],
        "profiles.jpg": small[:2]
        + b"".join(segment(0xE2, b"ICC_PROFILE\0" + bytes([n, 60]) + bytes(65_000)) for n in range(1, 61))
        + small[2:],
        "pictures-in-it.jpg": small[:2] + segment(0xE2, b"MPF\0" + inner) + small[2:],
        "no-tables.jpg": small[:2] + small[small.index(b"\xff\xc0") :],
        "only-markers.jpg": b"\xff\xd8" + b"\xff\xd9" * 1000,
        "never-ends.jpg": b"\xff\xd8" + b"\xff" * 500_000,
        "twelve-bits.jpg": small.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c", 1),
        "components.jpg": small.replace(b"\x03\x01\x22\x00", b"\xff\x01\x22\x00", 1),
        "adobe.jpg": small[:2] + segment(0xEE, b"Adobe\0\x64\0\0\0\0\xff") + small[2:],
        "scans.jpg": scans(30),
        "exif-of-another-world.jpg": small[:2] + segment(0xE1, b"Exif\0\0" + inner) + small[2:],
    }


def scans(count: int) -> bytes:
    """Return a progressive JPEG whose last scan comes again and again: every pixel is visited once more by each."""
    whole = encode(Image.new("L", (4_000, 4_000), 7), "JPEG", progressive=True)
    return whole[:-2] + whole[whole.rindex(b"\xff\xda") : -2] * count + whole[-2:]


def ifd(*entries: tuple[int, int, int, bytes], next_at: int = 0) -> bytes:
    """Return an image file directory of (tag, type, count, value of four bytes)."""
    fields = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    return struct.pack("<H", len(entries)) + fields + struct.pack("<I", next_at)


def with_exif(raw: bytes) -> bytes:
    jpeg = plain()
    return jpeg[:2] + segment(0xE1, b"Exif\0\0" + raw) + jpeg[2:]


def text_exif(tag: int, text: bytes) -> bytes:
    return b"II*\0\x08\0\0\0" + ifd((tag, EXIF_STRING, len(text), struct.pack("<I", 26))) + text


def dated_exif(text: bytes) -> bytes:
    inner = ifd((36867, EXIF_STRING, len(text), struct.pack("<I", 44)))
    return b"II*\0\x08\0\0\0" + ifd((34665, 4, 1, struct.pack("<I", 26))) + inner + text


def placed_exif(*parts: tuple[int, int]) -> bytes:
    """Return a position of the same degrees, minutes and seconds, as fractions, north and east."""
    values = b"".join(struct.pack("<II", *part) for part in parts)
    entries = [(tag, EXIF_STRING, 2, ref) for tag, ref in ((1, b"N\0\0\0"), (3, b"E\0\0\0"))]
    entries[1:1] = [(2, EXIF_RATIONAL, len(parts), struct.pack("<I", 80))]
    entries.append((4, EXIF_RATIONAL, len(parts), struct.pack("<I", 80)))
    inner = ifd(*entries)
    return b"II*\0\x08\0\0\0" + ifd((34853, 4, 1, struct.pack("<I", 26))) + inner + values


def exifs() -> Files:
    loop = b"II*\0\x08\0\0\0" + ifd((34665, 4, 1, struct.pack("<I", 8)), next_at=8)
    deep = (
        b"II*\0\x08\0\0\0"
        + ifd((34665, 4, 1, struct.pack("<I", 26)))
        + ifd((40965, 4, 1, struct.pack("<I", 26)))
    )
    found = {
        "loop": loop,
        "deep": deep,
        "empty": b"",
        "short": b"II*\0",
        "motorola": b"MM\0*\0\0\0\x08\xff\xff",
    }
    found["huge-count"] = b"II*\0\x08\0\0\0" + ifd((272, EXIF_STRING, 2**32 - 1, bytes(4)))
    for value in (0, 9, 255, 65_535):
        found[f"orientation-{value}"] = b"II*\0\x08\0\0\0" + ifd((274, 3, 1, struct.pack("<HH", value, 0)))
    found["orientation-text"] = text_exif(274, b"upside down\0")
    for name, text in HOSTILE_TEXTS.items():
        found[f"camera-{name}"] = text_exif(272, text)
    dates = (b"0000:00:00 00:00:00", b"0000:01:01 00:00:00", b"9999:12:31 23:59:60", b"2024:02:30 10:00:00")
    for number, date in enumerate((*dates, b"0001:01:01 00:00:00", b"2024:01:01\x0010:00:00", b"\xff" * 19)):
        found[f"date-{number}"] = dated_exif(date + b"\0")
    places = ([(1, 0)] * 3, [(0, 0)] * 3, [(2**32 - 1, 1)] * 3, [(180, 1)], [(1, 1)] * 2, [])
    for number, parts in enumerate(places):
        found[f"place-{number}"] = placed_exif(*parts)
    return {f"exif-{name}.jpg": with_exif(raw) for name, raw in found.items()}


HOSTILE_TEXTS = {
    "nul": b"ACME\0\0Cam\0era",
    "not-utf-8": b"\xff\xfe\x80\xc3(\xed\xa0\x80",
    "surrogate": "cam\ud800era".encode("utf-8", "surrogatepass"),
    "bidi": "\u202eevil\u2066\u200f".encode(),
    "markup": b"<script>alert(1)</script>'; DROP TABLE items; --",
    "controls": bytes(range(1, 32)) + b"\x7f\x1b[31m",
    "long": b"x" * 60_000,
}


def animations() -> Iterator[tuple[str, bytes]]:
    frames = [Image.new("P", (32, 32), n) for n in range(256)]
    yield "frames.apng", encode(frames[0], "PNG", save_all=True, append_images=frames[1:])
    yield "real-frames.gif", encode(frames[0], "GIF", save_all=True, append_images=frames[1:])


def all_images() -> Files:
    return {**pngs(), **gifs(), **webps(), **jpegs(), **exifs(), **dict(animations())}
