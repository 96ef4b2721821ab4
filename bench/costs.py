"""Table of docs/models.md: the cost of a thousand images, documents and questions with each vendor's default models.

Run `python -m bench.costs --write` to write it there. Tokens are estimated as below; prices and arithmetic are those of
the ledger (model/usage).
"""

import json
import re
import sys
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

from msgspec import Struct

from chalicelib.model import prompts
from chalicelib.model.ingest.chunking import estimate_tokens
from chalicelib.model.usage.costs import cost_of, find_price
from chalicelib.model.usage.usage import Usage
from chalicelib.settings.roles import ANALYZER, CHAT, EMBEDDING, NOVA, PICTURES

DOCS = Path(__file__).parents[1] / "docs" / "models.md"
BEGIN, END = "<!-- costs: python -m bench.costs --write -->", "<!-- end of costs -->"
PRICES_OF = date(2026, 11, 26)
THOUSAND = 1000
# Estimates. A page has 500 tokens; a caption 100; a summary with labels, or an answer with quotes, 300.
PAGE, CAPTION, WRITTEN, QUERY = 500, 100, 300, 20
JUDGED, VERDICTS = 400, 60  # an answer with its quotes and the question; what is said of its sentences
OPENING, PASSAGES = 2_000, 3_000  # what of a document its description is made of; what an answer is made of
PAGES = 10
PIXELS = 2_000_000  # the most that is sent to be embedded


class Vendor(Struct, frozen=True, kw_only=True):
    """The provider of each role, and how many tokens it counts for a picture in the size that it is sent.

    `pictures` makes vectors of them, where one is asked; of OpenAI's models none does.
    """

    name: str
    writer: str
    embedder: str
    picture_tokens: int
    pictures: str | None = None


VENDORS = (
    # A token for 750 pixels of 1,150,000.
    Vendor(
        name="Anthropic, Voyage",
        writer="anthropic",
        embedder="voyage",
        picture_tokens=1_533,
        pictures="voyage",
    ),
    # At most 1,536 patches of 32 pixels, times 1.62 for a mini.
    Vendor(name="OpenAI", writer="openai", embedder="openai", picture_tokens=2_488),
    # AWS tells 2,600 for 1,300 pixels by 1,300, the largest in its table.
    Vendor(name="Bedrock", writer="bedrock", embedder="bedrock", picture_tokens=2_600, pictures="bedrock"),
)


def costs_of(vendor: Vendor) -> Mapping[str, Decimal]:
    """Return the dollars for one of each; "pictures" only where the vendor has a model that sees them."""
    picture = vendor.picture_tokens
    page = _written(vendor, ANALYZER.defaults, prompts.READING_PAGE, prompts.PAGE, picture, PAGE)
    document = _written(
        vendor, ANALYZER.defaults, prompts.ANALYZING_DOCUMENT, prompts.ANALYSIS, OPENING, WRITTEN
    ) + _embedded(vendor, PAGES * PAGE)
    question = _written(vendor, CHAT.defaults, prompts.ANSWERING, prompts.ANSWER, PASSAGES, WRITTEN)
    judged = _written(vendor, CHAT.defaults, prompts.JUDGING, prompts.VERDICTS, JUDGED, VERDICTS)
    asked = question + _embedded(vendor, QUERY)
    image = _written(
        vendor, ANALYZER.defaults, prompts.ANALYZING_IMAGE, prompts.ANALYSIS, picture, WRITTEN
    ) + _embedded(vendor, CAPTION)
    return {
        "images": image,
        **({"pictures": image + _seen(vendor.pictures)} if vendor.pictures else {}),
        "documents": document,
        "scans": document + PAGES * page,
        "questions": asked,
        "judged": asked + judged,
    }


def _written(
    vendor: Vendor,
    models: Mapping[str, str],
    system: str,
    schema: Mapping[str, object],
    prompt: int,
    answer: int,
) -> Decimal:
    fixed = estimate_tokens(system) + estimate_tokens(json.dumps(schema))
    model = _model(models[vendor.writer])
    return _cost(
        Usage(provider=vendor.writer, model=model, input_tokens=fixed + prompt, output_tokens=answer)
    )


def _embedded(vendor: Vendor, tokens: int) -> Decimal:
    model = EMBEDDING.defaults[vendor.embedder]
    return _cost(Usage(provider=vendor.embedder, model=model, input_tokens=tokens))


def _seen(provider: str) -> Decimal:
    model = PICTURES.defaults[provider]
    return _cost(Usage(provider=provider, model=model, pictures=1, pixels=PIXELS))


def _model(name: str) -> str:
    """Return the model as it is asked: Nova through a profile, the dearer ones in this table."""
    return f"us.{name}" if name == NOVA else name


def _cost(usage: Usage) -> Decimal:
    cost = cost_of(usage, find_price(usage, PRICES_OF))
    assert cost is not None, usage
    return cost


def table() -> str:
    """Return the table in Markdown, in US dollars for a thousand of each."""
    rows = [
        "| 1,000 of | " + " | ".join(vendor.name for vendor in VENDORS) + " |",
        "|---|" + "---|" * len(VENDORS),
    ]
    names = {
        "images": "images",
        "pictures": "images, with `PICTURE_EMBEDDING_PROVIDER` set to the same vendor",
        "documents": f"documents with text, of {PAGES} pages",
        "scans": f"scanned documents, of {PAGES} pages",
        "questions": "questions",
        "judged": "questions, with `JUDGE_ANSWERS=true`",
    }
    found = [costs_of(vendor) for vendor in VENDORS]
    for key, name in names.items():
        cells = [f"{costs[key] * THOUSAND:.2f}" if key in costs else "" for costs in found]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def document() -> str:
    """Return docs/models.md with the table as it is now."""
    text = DOCS.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    return pattern.sub(f"{BEGIN}\n{table()}\n{END}", text)


if __name__ == "__main__":
    if "--write" in sys.argv:
        DOCS.write_text(document(), encoding="utf-8")
    else:
        print(table())
