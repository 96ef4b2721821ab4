"""Cuts analyses to what is kept, and removes characters that cannot be stored."""

import math
from collections.abc import Mapping
from typing import Any

from chalicelib.model.text import UNSTORABLE
from chalicelib.providers import Analysis

_MAX_CATEGORY, _MAX_SUMMARY, _MAX_LABEL, _MAX_LABELS, _MAX_TEXT = 64, 2_000, 64, 32, 1_000_000
_MAX_DIMENSIONS = 2_000
_MAX_PAGE_TEXT = 100_000  # a newspaper's page has 30,000 characters


def bounded_analysis(answer: Mapping[str, Any], *, provider: Any, model: Any) -> Analysis:
    """Return the analysis in an answer. Raises ValueError for a field that is no text."""
    labels = answer.get("labels")
    if not isinstance(labels, list):
        raise ValueError("an analysis without a list of labels")
    clean = (_text(label, "label", _MAX_LABEL) for label in labels)
    language = answer.get("language")
    return Analysis(
        category=_text(answer.get("category"), "category", _MAX_CATEGORY) or "other",
        summary=_text(answer.get("summary"), "summary", _MAX_SUMMARY),
        labels=tuple(dict.fromkeys(label for label in clean if label))[:_MAX_LABELS],
        text_in_image=_text(answer.get("text_in_image"), "text_in_image", _MAX_TEXT),
        language=None if language is None else _text(language, "language", 16) or None,
        provider=_text(provider, "provider", 64),
        model=_text(model, "model", 128),
        picture=_vector(answer.get("picture") or []),
        picture_model=_text(answer.get("picture_model") or "", "picture_model", 128),
    )


def bounded_page(answer: Mapping[str, Any]) -> str:
    """Return the text of a page in an answer. Raises ValueError when it is no text."""
    return _text(answer.get("text"), "text", _MAX_PAGE_TEXT)


def _vector(value: object) -> tuple[float, ...]:
    """Return a vector of length 1, () for an empty one. Raise ValueError for anything else than finite numbers."""
    if not isinstance(value, list | tuple) or len(value) > _MAX_DIMENSIONS:
        raise ValueError("something whose picture is no vector")
    if not all(isinstance(each, int | float) and math.isfinite(each) for each in value):
        raise ValueError("something whose picture is not of finite numbers")
    length = math.sqrt(math.fsum(each * each for each in value))
    return tuple(each / length for each in value) if length else ()


def _text(value: object, field: str, max_chars: int) -> str:
    if not isinstance(value, str):
        raise ValueError(f"something whose {field} is not text")
    return UNSTORABLE.sub("", value)[:max_chars].strip()
