"""Describes an image by its text and the classifier's words. Also reads the text of pages."""

import re
from io import BytesIO

from PIL import Image, UnidentifiedImageError

from chalicelib.errors import BadFile
from chalicelib.providers import Analysis, AnalysisRequest
from local.models.classifier import Guess, ImageClassifier
from local.models.ocr import ReadText, TextReader
from local.models.picture import Look, look_at
from local.models.words import Words, detect_language

_PROVIDER = "local"
_MODEL = f"{TextReader.model}+{ImageClassifier.model}"
_PAPERS = {
    "invoice": r"\binvoice\b|\brechnung\b|\bfacture\b|\bfactura\b",
    "receipt": r"\breceipt\b|\bkassenbon\b|\bcash\b.*\bchange\b",
    "letter": r"\bdear\b|\bsincerely\b|\bregards\b|\bsehr geehrte",
}


class ImageAnalyzer:
    def __init__(self, *, reader: TextReader, classifier: ImageClassifier, words: Words) -> None:
        self._reader, self._classifier, self._words = reader, classifier, words

    def analyze(self, request: AnalysisRequest) -> Analysis:
        """Return the analysis. Raise BadFile if the preview cannot be decoded, ValueError if there is none."""
        if request.preview_jpeg is None:
            raise ValueError("an image's analysis needs its preview")
        image = _decode(request.preview_jpeg)
        read, look = self._reader.read(image), look_at(image)
        category = categorize(read, look)
        # What pictures of paper and screens are about is their text.
        seen = self._classifier.classify(image) if category in ("photograph", "drawing") else None
        guesses = seen.guesses if seen else []
        words = self._words.keywords(read.text, limit=8) if category not in ("photograph", "drawing") else []
        return Analysis(
            category=category,
            summary=_summary(category, read, look, guesses),
            labels=_labels(category, look, guesses, [*words, *_name_words(request.name, self._words)]),
            text_in_image=read.text,
            language=detect_language(read.text) or (request.language_hint if read.text else None),
            provider=_PROVIDER,
            model=_MODEL,
            picture=seen.vector if seen else (),
            picture_model=ImageClassifier.vector_model if seen else "",
        )

    def read_page(self, page_jpeg: bytes) -> str:
        """Return the text on a page. Raise BadFile if its picture cannot be decoded."""
        return self._reader.read(_decode(page_jpeg)).text


def _decode(jpeg: bytes) -> Image.Image:
    try:
        image = Image.open(BytesIO(jpeg))
        image.load()
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise BadFile("The picture cannot be decoded.", code="undecodable") from error
    return image


def categorize(read: ReadText, look: Look) -> str:
    """Return invoice, receipt, letter, document, screenshot, drawing or photograph."""
    if read.line_count >= 5 and read.area_share >= 0.05:
        for category, pattern in _PAPERS.items():
            if re.search(pattern, read.text, re.IGNORECASE | re.DOTALL):
                return category
        return "document" if look.is_paper or look.flat_share < 0.5 else "screenshot"
    return "drawing" if look.flat_share > 0.75 and look.brightness > 0.3 else "photograph"


def _summary(category: str, read: ReadText, look: Look, guesses: list[Guess]) -> str:
    """Return a summary in words that may be searched for.

    It has no figures, colours or format: "landscape" and "white wine" would find every picture that is wide or white.
    The text in the picture is indexed by itself.
    """
    parts = [f"{'An' if category[0] in 'aeiou' else 'A'} {category}."]
    if guesses:
        parts.append(f"It seems to show: {', '.join(guess.word for guess in guesses)}.")
    if look.is_dark:
        parts.append("It is dark.")
    if read.text:
        first_line = read.text.partition("\n")[0][:100]
        parts.append(f"Its text begins: {first_line}")
    return " ".join(parts)


def _labels(category: str, look: Look, guesses: list[Guess], words: list[str]) -> tuple[str, ...]:
    labels = [category, *(guess.word for guess in guesses), *(["dark"] if look.is_dark else []), *words]
    return tuple(dict.fromkeys(labels))[:32]


def _name_words(name: str, words: Words) -> list[str]:
    """Return the common words in a file's name, which its owner chose."""
    stem = name.rsplit("/", 1)[-1].rsplit(".", 1)[0].lower()
    return [word for word in re.findall(r"[^\W\d_]{4,}", stem) if words.knows(word)]
