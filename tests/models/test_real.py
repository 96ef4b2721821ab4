"""The same questions to the real services, where a key is there; the run says which were skipped, and why.

They cost less than a cent. Bedrock is asked with AWS credentials when BEDROCK_TEST_REGION names a region.
"""

import io
import os
from typing import Any

import pytest
from PIL import Image, ImageDraw

from chalicelib.providers import AnalysisRequest, Pictured, Usage
from chalicelib.settings import Settings
from chalicelib.settings.models import choose_models
from chalicelib.wiring.models import make_analyzer, make_chat, make_embedder, make_reranker
from tests.support.settings import SETTINGS

pytestmark = pytest.mark.slow
# The setting of each role that chooses a vendor, and what must be set for it.
WRITING = {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY", "bedrock": "BEDROCK_TEST_REGION"}
EMBEDDING = {"voyage": "VOYAGE_API_KEY", "openai": "OPENAI_API_KEY", "bedrock": "BEDROCK_TEST_REGION"}
SEEING = {"voyage": "VOYAGE_API_KEY", "bedrock": "BEDROCK_TEST_REGION"}
RERANKING = {"voyage": "VOYAGE_API_KEY", "cohere": "RERANK_API_KEY", "bedrock": "BEDROCK_TEST_REGION"}


def settings_for(variable: str, vendor: str, needed: str) -> Settings:
    if not os.environ.get(needed):
        pytest.skip(f"{vendor} was not asked: {needed} is not set")
    given = {name: os.environ[name] for name in (needed,) if name.endswith("_KEY")}
    region = os.environ.get("BEDROCK_TEST_REGION", "us-east-1")
    env = {**SETTINGS, **given, "AWS_REGION": region, variable: vendor}
    assert choose_models(env, local=False, region=region)
    return Settings.from_env(env)


def picture() -> bytes:
    image = Image.new("RGB", (600, 200), "white")
    ImageDraw.Draw(image).text((20, 60), "HARBOUR OFFICE OPEN", fill="black", font_size=48)
    out = io.BytesIO()
    image.save(out, "JPEG")
    return out.getvalue()


@pytest.mark.parametrize("vendor", WRITING)
def test_an_image_is_described_and_read(vendor: str) -> None:
    analyzer = make_analyzer(settings_for("ANALYZER_PROVIDER", vendor, WRITING[vendor]))
    request = AnalysisRequest(
        kind="image", name="sign.jpg", media_type="image/jpeg", preview_jpeg=picture(), text=""
    )
    spent = list[Usage]()
    analysis = analyzer.analyze(request, timeout_s=60, spend=spent.append)
    assert "harbour" in analysis.text_in_image.lower() and analysis.summary
    assert "harbour" in analyzer.read_page(picture(), timeout_s=60, spend=spent.append).lower()
    assert all(usage.input_tokens > 50 and usage.output_tokens > 0 for usage in spent)


@pytest.mark.parametrize("vendor", WRITING)
def test_a_question_is_answered_in_the_form_that_is_asked_for(vendor: str) -> None:
    from chalicelib.model.prompts import QUESTION, REWRITING

    chat = make_chat(settings_for("CHAT_PROVIDER", vendor, WRITING[vendor]))
    given: dict[str, Any] = {"schema": QUESTION, "max_tokens": 256, "timeout_s": 60}
    answer = chat.complete(REWRITING, '{"history": [], "question": "Is it open?"}', **given)
    assert "open" in answer.value["question"].lower()


@pytest.mark.parametrize("vendor", EMBEDDING)
def test_the_nearer_text_is_nearer(vendor: str) -> None:
    embedder = make_embedder(settings_for("EMBEDDING_PROVIDER", vendor, EMBEDDING[vendor]))
    texts = ["Irrigate vegetables early in the day.", "The treaty was signed in 1648."]
    near, far = embedder.embed(texts, timeout_s=60)
    (query,) = embedder.embed(["When should I water tomatoes?"], purpose="query", timeout_s=60)
    products = [sum(a * b for a, b in zip(query, vector, strict=True)) for vector in (near, far)]
    assert products[0] > products[1]


@pytest.mark.parametrize("vendor", SEEING)
def test_a_picture_is_nearer_to_what_it_shows(vendor: str) -> None:
    pictures = make_embedder(settings_for("PICTURE_EMBEDDING_PROVIDER", vendor, SEEING[vendor])).pictures
    assert pictures is not None
    (shown,) = pictures.embed([Pictured(text="", jpeg=picture())], timeout_s=60)
    texts = ["a sign of a harbour office", "a cat on a wall"]
    near, far = pictures.embed(texts, purpose="query", timeout_s=60)
    products = [sum(a * b for a, b in zip(shown, vector, strict=True)) for vector in (near, far)]
    assert products[0] > products[1]


@pytest.mark.parametrize("vendor", RERANKING)
def test_the_better_document_scores_higher(vendor: str) -> None:
    reranker = make_reranker(settings_for("RERANK_PROVIDER", vendor, RERANKING[vendor]))
    texts = ["The treaty was signed in 1648.", "Water tomatoes in the morning."]
    worse, better = reranker.rerank("When should I water tomatoes?", texts, timeout_s=60)
    assert better > worse
