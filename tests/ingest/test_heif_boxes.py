"""HEIC files that were cut off, are of another codec, or lie about themselves."""

import io
import random
from collections.abc import Iterator

import pytest

from chalicelib.errors import BadFile
from chalicelib.model.ingest.files import FileLimits
from chalicelib.providers.ingest.decoder import Decoder
from chalicelib.providers.ingest.heif_boxes import check_heif
from tests.support import heif_files
from tests.support.heif_files import FTYP, PRIMARY, box, by_hand, dimg, full, heic, iinf, iloc, meta, number

LIMITS = FileLimits(timeout_s=10)
FORMS = {
    "version 0": by_hand(version=0),
    "version 1": by_hand(version=1),
    "version 2": by_hand(version=2),
    "64 bits": by_hand(wide=True),
    "64 bits, version 0": by_hand(version=0, wide=True),
    "long box": by_hand(mdat_size=1),
    "to the end of the file": by_hand(mdat_size=0),
    "meta last": by_hand(meta_first=False),
}


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    decoder = Decoder(limits=LIMITS)
    yield decoder
    decoder.close()


def verdict(content: bytes) -> str | None:
    """Return the reason that the boxes give, None when they have nothing against the file."""
    try:
        check_heif(io.BytesIO(content), LIMITS)
    except BadFile as refused:
        return refused.code
    except ValueError:
        return "corrupt"
    return None


def ending(decoder: Decoder, path: str) -> str | None:
    try:
        decoder.decode(path)
    except BadFile as refused:
        return refused.code
    return None


def refusal(decoder: Decoder, path: str) -> BadFile:
    with pytest.raises(BadFile) as refused:
        decoder.decode(path)
    return refused.value


@pytest.mark.parametrize("tile_size", [0, 128])
def test_a_whole_picture_is_read_and_a_cut_one_is_truncated(decoder, save, tile_size):
    content = heic(tile_size)
    assert decoder.decode(save(content)).width_px == 600
    lengths = [
        12,
        16,
        30,
        100,
        *range(len(content) // 40, len(content), len(content) // 40),
        len(content) - 1,
    ]
    found = {length: refusal(decoder, save(content[:length])).code for length in lengths}
    assert found == dict.fromkeys(lengths, "truncated")


@pytest.mark.parametrize("form", FORMS)
def test_a_file_is_cut_wherever_it_is_cut(form):
    content = FORMS[form]
    assert verdict(content) is None
    cuts = {length: verdict(content[:length]) for length in range(len(content))}
    # Without a single byte of the first box it is no HEIC, and nobody asks.
    assert {length: found for length, found in cuts.items() if found != "truncated" and length >= 12} == {}


def test_an_item_that_ends_beyond_the_file_is_missing_although_the_boxes_are_whole():
    boxes = [FTYP, box(b"mdat", b"12345678"), meta(PRIMARY, iinf({1: b"hvc1"}), iloc({1: [(32, 40)]}))]
    assert verdict(b"".join(boxes)) is None
    boxes[2] = meta(PRIMARY, iinf({1: b"hvc1"}), iloc({1: [(32, 4000)]}))
    assert verdict(b"".join(boxes)) == "truncated"


def test_a_picture_whose_end_was_reserved_and_never_written_is_truncated(decoder, save):
    """As some programs leave it whose copying was stopped: all bytes are there, and all behind some point are 0."""
    for content in (heic(0), heic(128)):
        for length in (len(content) // 2, len(content) * 3 // 4, len(content) - 16):
            reserved = content[:length] + bytes(len(content) - length)
            assert refusal(decoder, save(reserved)).code == "truncated"


def test_a_few_zeros_behind_an_image_are_no_damage():
    assert verdict(by_hand()[:-2] + bytes(2)) is None


def test_an_item_in_idat_is_measured_by_its_own_box():
    inside = iloc({1: [(9_000, 9_000)]}, method=1)
    assert verdict(FTYP + meta(PRIMARY, iinf({1: b"hvc1"}), inside, box(b"idat", bytes(8)))) is None


def test_what_was_appended_to_a_file_does_not_count():
    content = by_hand()
    for appended in (b"\0", b"\n", b"SEFT\0\0\0", b"and this is no box at all", b"\0\0\0\1", b"\0\0\0\2free"):
        assert verdict(content + appended) is None, appended


@pytest.mark.parametrize(
    ("types", "references", "named"),
    [
        ({1: b"av01"}, b"", "an AV1 image"),
        ({1: b"jpeg", 2: b"hvc1"}, b"", "a JPEG image"),
        ({1: b"grid", 7: b"av01"}, dimg(1, 7), "an AV1 image"),
        ({1: b"iden", 7: b"grid", 9: b"unci"}, dimg(1, 7) + dimg(7, 9), "an uncompressed image"),
        ({1: b"?{0}"}, b"", "an unknown codec"),
    ],
)
@pytest.mark.parametrize("version", [2, 3])
def test_another_codec_is_named(types, references, named, version):
    if references.count(b"iref") > 1:  # of two boxes one
        references = full(b"iref", *(each[12:] for each in (dimg(1, 7), dimg(7, 9))))
    with pytest.raises(BadFile) as refused:
        check_heif(io.BytesIO(FTYP + meta(PRIMARY, iinf(types, version=version), references)), LIMITS)
    assert (refused.value.code, named in refused.value.message) == ("unsupported_format", True)


def test_a_video_without_a_still_image_is_named():
    with pytest.raises(BadFile) as refused:
        check_heif(io.BytesIO(FTYP + box(b"moov", bytes(9)) + box(b"mdat", bytes(9))), LIMITS)
    assert (refused.value.code, "a video" in refused.value.message) == ("unsupported_format", True)


def test_a_codec_that_is_not_built_in_did_not_crash_the_reader(decoder, save):
    refused = refusal(decoder, save(heif_files.avif_as_heif()))
    assert (refused.code, "AV1" in refused.message) == ("unsupported_format", True)


def test_memory_that_libheif_is_refused_is_no_damage(save):
    decoder = Decoder(limits=FileLimits(memory_bytes=48 * 1024 * 1024))
    assert refusal(decoder, save(heif_files.plain_heic((3000, 3000)))).code == "too_much_memory"
    decoder.close()


def many(kind: bytes, count: int) -> bytes:
    return box(kind) * count


LIES = {
    "four billion items": meta(full(b"iloc", b"\x44\0" + b"\xff" * 4, bytes(100), version=2)),
    "extents without size": meta(
        full(b"iloc", b"\0\0" + b"\xff" * 2, b"\0\1\0\0\0\0\xff\xff" * 60_000, version=1)
    ),
    "a table without end": full(b"meta", box(b"iloc", bytes(2_000_000))),
    "numbers of 15 bytes": meta(full(b"iloc", b"\xff\xff\0\1", bytes(100))),
    "a table of version 9": meta(full(b"iloc", b"\x44\0\0\0", version=9)),
    "an empty table": meta(box(b"iloc")),
    "an empty meta": box(b"meta"),
    "a box beyond its own": meta(box(b"iloc", size=99)),
    "beyond 64 bits": meta(PRIMARY, iinf({1: b"hvc1"}), iloc({1: [(0, 2**64 - 1)]}, wide=True)),
    "no primary": meta(iinf({1: b"av01"})),
    "a primary cut off": meta(full(b"pitm", b"\0"), iinf({1: b"av01"})),
    "an entry cut off": meta(PRIMARY, full(b"iinf", number(1, 2), full(b"infe", b"\0", version=2))),
    "made of itself": meta(PRIMARY, iinf({1: b"grid"}), dimg(1, 1)),
    "made of each other": meta(
        PRIMARY, iinf({1: b"grid", 2: b"grid"}), full(b"iref", dimg(1, 2)[12:], dimg(2, 1)[12:])
    ),
    "made of nothing": meta(PRIMARY, iinf({1: b"grid"}), dimg(1)),
    "too many boxes": many(b"free", 5_000),
    "too many boxes inside": meta(many(b"free", 5_000)),
    "too many items": meta(PRIMARY, full(b"iinf", number(1, 2), many(b"infe", 5_000))),
    "a box of one byte": b"\0\0\0\1free",
    "a box of three": b"\0\0\0\3free" * 9,
}
CORRUPT = {
    "four billion items",
    "a table without end",
    "numbers of 15 bytes",
    "a table of version 9",
    "an empty table",
    "a box beyond its own",
    "too many boxes",
    "too many boxes inside",
    "too many items",
    "a primary cut off",
    "an entry cut off",
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_found_out_or_left_to_the_decoder(decoder, save, lie):
    content = FTYP + LIES[lie] + box(b"mdat", bytes(99))
    assert ending(decoder, save(content)) in ("corrupt", "truncated", "unsupported_format")
    assert (verdict(content) == "corrupt") >= (lie in CORRUPT)


def test_no_more_of_a_table_is_read_than_its_bound():
    class Counting(io.BytesIO):
        most = 0

        def read(self, size: int | None = -1) -> bytes:
            content = super().read(size)
            self.most = max(self.most, len(content))
            return content

    file = Counting(FTYP + meta(box(b"iloc", bytes(3_000_000))))
    with pytest.raises(ValueError, match="a table"):
        check_heif(file, LIMITS)
    assert file.most <= 16


def test_altered_boxes_raise_nothing_unforeseen():
    chance = random.Random(7)
    for content in FORMS.values():
        for _ in range(400):
            altered = bytearray(content)
            for _ in range(chance.choice((1, 2, 5, 20))):
                altered[chance.randrange(len(altered))] = chance.choice(
                    (0, 1, 2, 4, 127, 255, chance.randrange(256))
                )
            assert verdict(bytes(altered)) in (None, "corrupt", "truncated", "unsupported_format")


def test_altered_pictures_end_with_a_reason(decoder, save):
    chance = random.Random(5)
    for turn in range(40):
        altered = bytearray(heic(128))
        for _ in range(chance.choice((1, 3, 10))):
            altered[chance.randrange(chance.choice((1500, len(altered))))] ^= 1 << chance.randrange(8)
        assert ending(decoder, save(bytes(altered))) != "decoder_crashed", turn
