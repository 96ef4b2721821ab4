"""The embedding models of the local server, by name.

`MODEL` is two models in one vector: all-MiniLM-L6-v2, which reads English, beside multilingual-e5-small. A cosine of
two such vectors is the weighted mean of both models' cosines. In English both together find more than either does
alone. Queries in other languages have e5's half only, so that they are not compared by what MiniLM cannot read.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from chalicelib.model.search.language import language_of
from chalicelib.providers import Purpose
from local.models import minilm
from local.models.bert import DIMENSIONS, Floats
from local.models.e5 import E5
from local.models.minilm import MiniLM

MODEL = "minilm-e5-small"
_E5_SHARE = 0.5  # of the cosine (docs/search.md)


class TextModel(Protocol):
    def count_tokens(self, texts: Sequence[str]) -> list[int]: ...
    def encode(self, texts: Sequence[str], *, purpose: Purpose) -> Floats:
        """Return one L2-normalised row per text."""


class English:
    """MiniLM alone: stacks whose index it made search with it until all is embedded again."""

    def __init__(self, model: MiniLM) -> None:
        self._model = model
        self.count_tokens = model.count_tokens

    def encode(self, texts: Sequence[str], *, purpose: Purpose) -> Floats:
        """Return vectors of 384 dimensions, the same for both purposes."""
        return self._model.encode(texts)


class Both:
    """Both models side by side, 768 dimensions."""

    def __init__(self, english: MiniLM, multilingual: E5) -> None:
        self._english, self._multilingual = english, multilingual
        self.count_tokens = multilingual.count_tokens

    def encode(self, texts: Sequence[str], *, purpose: Purpose) -> Floats:
        """Return vectors of 768 dimensions."""
        vectors = np.zeros((len(texts), 2 * DIMENSIONS), np.float32)
        vectors[:, DIMENSIONS:] = self._multilingual.encode(texts, purpose=purpose)
        both = [
            n for n, text in enumerate(texts) if purpose == "document" or language_of(text) in ("en", None)
        ]
        vectors[both] *= np.float32(_E5_SHARE**0.5)
        english = self._english.encode([texts[n] for n in both])
        vectors[both, :DIMENSIONS] = english * np.float32((1 - _E5_SHARE) ** 0.5)
        return vectors


def load_text_models() -> Mapping[str, TextModel]:
    """Load the models; see MiniLM and E5 for what is raised."""
    english = MiniLM()
    return {MODEL: Both(english, E5()), minilm.MODEL: English(english)}
