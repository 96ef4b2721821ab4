import io
import os
import subprocess
import sys

import pytest
from PIL import Image

from chalicelib.errors import BadFile, InvalidInput, NotFound, Unavailable
from chalicelib.model.ingest.files import REASONS, FileLimits, ReadBounds
from chalicelib.providers.ingest.decode_pdf import clean_page_text
from chalicelib.providers.ingest.decoder import Decoder
from tests.support.processes import ROOT
from tests.support.small_files import RED, encode, make_pdf, make_slow_pdf, text_at


@pytest.mark.parametrize(
    ("image", "format", "media_type"),
    [
        (RED, "JPEG", "image/jpeg"),
        (RED, "PNG", "image/png"),
        (RED, "WEBP", "image/webp"),
        (RED, "GIF", "image/gif"),
        (RED, "HEIF", "image/heic"),
        (RED.convert("CMYK"), "JPEG", "image/jpeg"),
        (RED.quantize(4), "PNG", "image/png"),
        (RED.convert("RGBA"), "PNG", "image/png"),
    ],
)
def test_every_format_and_mode_ends_as_rgb_jpeg(decoder, save, image, format, media_type):
    if format == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    found = decoder.decode(save(encode(image, format), "image.bin"))
    assert (found.kind, found.media_type, found.width_px, found.height_px) == ("image", media_type, 40, 20)
    for jpeg in (found.thumbnail_jpeg, found.preview_jpeg):
        decoded = Image.open(io.BytesIO(jpeg))
        red, green, blue = decoded.getpixel((20, 10))
        assert (decoded.format, decoded.mode, decoded.size) == ("JPEG", "RGB", (40, 20))
        assert red > 200
        assert green < 60
        assert blue < 60


@pytest.mark.parametrize(
    ("image", "grey"),
    [
        (Image.new("RGBA", (8, 8), (0, 0, 0, 0)), 255),  # transparent: white shows through
        (Image.new("I;16", (8, 8), 257 * 100), 100),
        (Image.new("1", (8, 8), 0), 0),
    ],
)
def test_transparency_sixteen_bits_and_one_bit_keep_their_grey(decoder, save, image, grey):
    found = decoder.decode(save(encode(image, "PNG")))
    assert Image.open(io.BytesIO(found.preview_jpeg)).getpixel((4, 4)) == pytest.approx((grey,) * 3, abs=2)


@pytest.mark.parametrize("size", [(4000, 3000), (4032, 3024), (2500, 40), (5000, 20), (30, 2100), (6001, 50)])
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_pictures_are_bounded_and_keep_their_shape(decoder, save, size, format):
    found = decoder.decode(save(encode(Image.new("L", size, 90), format)))
    preview, thumbnail = (Image.open(io.BytesIO(jpeg)) for jpeg in (found.preview_jpeg, found.thumbnail_jpeg))
    assert (found.width_px, found.height_px) == size
    assert 1500 <= max(preview.size) <= 2000
    assert max(thumbnail.size) == 512
    assert preview.width / preview.height == pytest.approx(size[0] / size[1], rel=0.1)


def test_orientation_date_camera_and_place_come_from_exif(decoder, save):
    image = Image.new("RGB", (60, 30), "blue")
    image.paste("red", (0, 0, 60, 15))  # red above blue as stored
    exif = Image.Exif()
    exif[274], exif[271], exif[272] = 6, "ACME\0", "Snap\x01 1"  # to be shown turned clockwise
    exif.get_ifd(34665).update({36867: "2024:02:29 10:11:12", 36881: "+02:00"})
    exif.get_ifd(34853).update({1: "S", 2: (33.0, 51.0, 36.0), 3: "E", 4: (151.0, 12.0, 40.0)})
    found = decoder.decode(save(encode(image, "JPEG", exif=exif)))
    preview = Image.open(io.BytesIO(found.preview_jpeg))
    assert (found.width_px, found.height_px) == preview.size == (30, 60)
    assert preview.getpixel((27, 30))[0] > 200
    assert preview.getpixel((3, 30))[2] > 200
    assert (found.taken_at, found.camera) == ("2024-02-29T10:11:12+02:00", "ACME Snap 1")
    assert (found.latitude, found.longitude) == pytest.approx((-33.86, 151.2111111))
    assert not preview.getexif()
    assert b"ACME" not in found.preview_jpeg + found.thumbnail_jpeg


def test_broken_exif_is_absent_and_not_an_error(decoder, save):
    exif = Image.Exif()
    exif[274], exif[272] = 77, "X" * 999
    exif.get_ifd(34665).update({36867: "2024:13:45 99:99:99"})
    exif.get_ifd(34853).update({1: "N", 2: (91.0, 0.0, 0.0), 3: "E", 4: (1.0, 0.0, 0.0)})
    for raw in (exif.tobytes(), b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" + os.urandom(200)):
        found = decoder.decode(save(encode(RED, "JPEG", exif=raw)))
        assert (found.width_px, found.taken_at, found.latitude, found.longitude) == (40, None, None, None)
        assert len(found.camera or "") <= 200


def test_pdf_gives_text_title_and_a_picture(decoder, save):
    found = decoder.decode(save(make_pdf(text_at("First page"), "", text_at("Third page")), "a.pdf"))
    assert (found.kind, found.page_count, found.title) == ("pdf", 3, "A (small) title")
    assert [page.text for page in found.pages] == ["First page", "", "Third page"]
    assert [page.number for page in found.pages] == [1, 2, 3]
    preview = Image.open(io.BytesIO(found.preview_jpeg))
    assert preview.size == (found.width_px, found.height_px) == (800, 400)
    assert preview.getextrema()[0][0] < 60  # something was drawn
    assert max(Image.open(io.BytesIO(found.thumbnail_jpeg)).size) == 512


def test_a_huge_page_has_a_bounded_picture(decoder, save):
    found = decoder.decode(save(make_pdf(text_at("x"), media_box="0 0 14400 14400")))
    assert (found.width_px, found.height_px) == (2000, 2000)


def test_a_page_is_rendered_at_the_width_asked_for(decoder, save):
    path = save(make_pdf(text_at("One"), text_at("Two")))
    assert Image.open(io.BytesIO(decoder.render_page(path, 2, width_px=640))).size == (640, 320)
    with pytest.raises(NotFound):
        decoder.render_page(path, 3, width_px=640)
    with pytest.raises(InvalidInput):
        decoder.render_page(path, 1, width_px=4001)
    tall = save(make_pdf("", media_box="0 0 10 10000"))
    assert Image.open(io.BytesIO(decoder.render_page(tall, 1, width_px=1000))).size == (4, 4000)


def test_page_text_is_cleaned():
    assert (
        clean_page_text("\ttrans\x02late\r\nit\x00 com\ufffe\r\npile\ud800 a\fb\r")
        == "translate\nit compile ab"
    )


def test_every_reason_is_a_sentence_and_importing_the_decoder_loads_no_library():
    assert all(sentence[0].isupper() and sentence.endswith(".") for sentence in REASONS.values())
    code = "import sys, chalicelib.providers.ingest.decoder; sys.exit(bool({'PIL', 'pypdfium2'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_a_document_is_read_in_batches(decoder, save):
    path = save(make_pdf(*[text_at(f"Page {n}") for n in range(1, 6)]))
    bounds = {"pages": ReadBounds(pages=2), "size": ReadBounds(text_size=7), "time": ReadBounds(seconds=-1)}
    read = {name: decoder.decode(path, bounds=each) for name, each in bounds.items()}
    assert {name: (len(found.pages), found.page_count) for name, found in read.items()} == {
        "pages": (2, 5),
        "size": (2, 5),
        "time": (1, 5),
    }
    pages = decoder.read_pages(path, 4, text_size_left=12, bounds=ReadBounds())
    assert [(page.number, page.text) for page in pages] == [(4, "Page 4"), (5, "Page 5")]
    for first, left, code in ((4, 11, "text_too_large"), (6, 100, "corrupt")):
        with pytest.raises(BadFile) as refused:
            decoder.read_pages(path, first, text_size_left=left, bounds=ReadBounds())
        assert refused.value.code == code


def test_a_reader_that_had_too_little_time_blames_no_file(save):
    slow, decoder = save(make_slow_pdf()), Decoder(limits=FileLimits())
    for timeout_s in (0.5, -1.0):
        with pytest.raises(Unavailable) as refused:
            decoder.decode(slow, timeout_s=timeout_s)
        assert refused.value.code == "out_of_time"
    decoder.close()
