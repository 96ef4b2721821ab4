"""The local models on text: languages, glued words, keywords, summaries."""

import pytest

from chalicelib.providers import AnalysisRequest
from local.models.document_analyzer import DocumentAnalyzer, categorize, split_sentences
from local.models.minilm import MiniLM, model_folder
from local.models.text_models import English
from local.models.words import Words, detect_language


@pytest.fixture(scope="module")
def words() -> Words:
    return Words(model_folder())


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The cat sat on the mat and it was not amused by that.", "en"),
        ("Der Hund liegt auf dem Sofa und die Katze ist nicht da.", "de"),
        ("Le chat est dans la maison et il ne sort pas avec nous.", "fr"),
        ("これは日本語の文章です。", "ja"),
        ("这是一个中文句子。", "zh"),
        ("7731 84.50 XK-9", None),
        ("", None),
    ],
)
def test_language_is_told_by_script_or_little_words(text: str, language: str | None) -> None:
    assert detect_language(text) == language


def test_keywords_are_frequent_here_and_rare_elsewhere(words: Words) -> None:
    text = "The tomato needs water. A tomato in a pot needs compost, and compost needs time."
    assert words.keywords(text, limit=2) == ["compost", "tomato"]
    assert "with" not in words.keywords("with with with stone", limit=5)


def test_sentences_leave_headings_out_and_cross_line_ends() -> None:
    text = (
        "3 Trains and flights\nDistances of less than six hundred kilometres are always travelled\n"
        "by train. First class is allowed on journeys of more than three hours.\n7 Expenses\n"
    )
    assert split_sentences(text) == [
        "Distances of less than six hundred kilometres are always travelled by train.",
        "First class is allowed on journeys of more than three hours.",
    ]


def test_categories_come_from_telling_words() -> None:
    assert categorize("Travel policy. This policy applies to all employees.") == "policy"
    assert categorize("Invoice number 7") == "invoice"
    assert categorize("Once upon a time") == "document"


def test_a_documents_summary_is_made_of_its_own_sentences(words: Words) -> None:
    sentences = [
        "Tomatoes on a balcony need at least six hours of sun on a clear day.",
        "A tomato plant in full growth drinks two or three litres of water a day.",
        "Water your tomato plants in the morning and at the foot of the plant.",
        "The parliament of a distant country voted on a tariff for imported steel.",
        "Tomato plants are fed once a week when the first tomatoes have appeared.",
    ]
    request = AnalysisRequest(
        kind="pdf", name="a.pdf", media_type="application/pdf", preview_jpeg=None, text="\n".join(sentences)
    )
    analysis = DocumentAnalyzer(embedder=English(MiniLM()), words=words).analyze(request)
    chosen = [sentence for sentence in sentences if sentence in analysis.summary]
    assert len(chosen) == 3
    assert analysis.summary == " ".join(chosen)
    assert sentences[3] not in chosen
    assert analysis.language == "en"
    assert "tomato" in analysis.labels
