"""The analyzer of hosted models: what it sends of an image, a document and a page."""

import io
import json

import pytest
from PIL import Image

from chalicelib.errors import BadFile
from chalicelib.model import prompts
from chalicelib.providers import Analysis, AnalysisRequest
from tests.models.making import WRITERS, Vendor
from tests.models.written import (
    ANALYSIS,
    MADE,
    analyzer,
    every_writer,
    image,
    jpeg,
    picture_sent,
    system_sent,
    text_sent,
)
from tests.support.model_server import (
    ModelServer,
    Reply,
)


@every_writer
def test_an_image_is_described(server: ModelServer, vendor: Vendor) -> None:
    server.value = lambda asked: ANALYSIS
    small = jpeg()
    analysis = analyzer(server, vendor).analyze(image(small), timeout_s=9)
    assert analysis == Analysis(
        category="photograph",
        summary="A cat on a wall.",
        labels=("cat", "wall"),
        text_in_image="",
        language=None,
        provider=vendor.name,
        model=vendor.make(server.url).model,
    )
    (asked,) = server.asked
    assert (picture_sent(asked), text_sent(asked)) == (small, '{"name": "cat.jpg"}')
    assert system_sent(asked) == prompts.ANALYZING_IMAGE


@every_writer
def test_a_picture_is_sent_in_the_size_the_model_looks_at(server: ModelServer, vendor: Vendor) -> None:
    server.value = lambda asked: ANALYSIS
    analyzer(server, vendor).analyze(image(jpeg(2000, 2500)), timeout_s=9)
    writer = vendor.make(server.url)
    width, height = Image.open(io.BytesIO(picture_sent(server.asked[0]) or b"")).size
    assert max(width, height) <= writer.max_px and width * height <= writer.max_pixels
    assert width / height == pytest.approx(0.8, abs=0.01)
    assert max(width, height) > 0.9 * writer.max_px or width * height > 0.98 * writer.max_pixels


@every_writer
def test_what_a_repair_of_an_image_sends_is_no_image(server: ModelServer, vendor: Vendor) -> None:
    server.value = lambda asked: ANALYSIS
    server.script.append(Reply(body=MADE[vendor.name]({**ANALYSIS, "labels": "cat"})))
    assert analyzer(server, vendor).analyze(image(jpeg()), timeout_s=9).labels == ("cat", "wall")
    assert picture_sent(server.asked[1]) is None


@every_writer
def test_a_document_is_described_by_its_text(server: ModelServer, vendor: Vendor) -> None:
    server.value = lambda asked: ANALYSIS
    for text in ("The harbour office is open. " * 30, "Scan"):
        request = AnalysisRequest(
            kind="pdf", name="a.pdf", media_type="application/pdf", preview_jpeg=jpeg(), text=text
        )
        analyzer(server, vendor).analyze(request, timeout_s=9)
    long, short = server.asked
    assert (picture_sent(long), picture_sent(short) is not None) == (None, True)
    assert json.loads(text_sent(long)) == {"name": "a.pdf", "text": "The harbour office is open. " * 30}
    assert system_sent(long) == system_sent(short) == prompts.ANALYZING_DOCUMENT


@every_writer
def test_a_page_is_read(server: ModelServer, vendor: Vendor) -> None:
    server.value = lambda asked: {"text": "\0 One line.\nAnother. \n"}
    assert analyzer(server, vendor).read_page(jpeg(), timeout_s=9) == "One line.\nAnother."
    assert system_sent(server.asked[0]) == prompts.READING_PAGE
    server.value = lambda asked: {"text": "x" * 200_000}
    assert len(analyzer(server, vendor).read_page(jpeg(), timeout_s=9)) == 100_000


def test_a_preview_that_is_no_picture_is_a_bad_file(server: ModelServer) -> None:
    with pytest.raises(BadFile):
        analyzer(server, WRITERS[0]).read_page(b"no picture", timeout_s=9)
    assert server.asked == []
