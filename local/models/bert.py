"""Runs sentence encoders of the BERT family with numpy: 384-dimensional vectors without torch.

The architecture is BERT (Devlin et al. 2018) with twelve heads, mean pooling and L2 norm.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

DIMENSIONS = 384

_HEADS, _HEAD_SIZE = 12, 32
_BATCH_TOKENS = 1024
_WORKERS = 2
_CACHED_VALUES = 32 * 1024  # a block of GELU's input and its temporary arrays fit into the L2 cache
Words = Callable[[NDArray[np.intp]], Floats]


class Bert:
    """An encoder: ids of tokens to a vector a text. It is thread-safe.

    `weights` have the names of Hugging Face's BertModel. `words` returns the embedding of each token id, shape
    (..., 384).
    """

    def __init__(self, weights: Mapping[str, Floats], *, words: Words, layers: int, max_tokens: int) -> None:
        self._words = words
        # There is only one segment, so its embedding is a constant that is added to the positions.
        self._positions = (
            weights["embeddings.position_embeddings.weight"][:max_tokens]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = (weights["embeddings.LayerNorm.weight"], weights["embeddings.LayerNorm.bias"])
        self._layers = [_Layer(weights, f"encoder.layer.{i}.") for i in range(layers)]
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="bert")

    def encode(self, ids: Sequence[list[int]]) -> Floats:
        """Return one L2-normalised row per text, shape (n, 384). `ids` are its tokens with those at its ends."""
        vectors = np.empty((len(ids), DIMENSIONS), np.float32)
        batches = list(_batches(ids))
        results = self._pool.map(lambda rows: self._forward([ids[i] for i in rows]), batches)
        for rows, result in zip(batches, results, strict=True):
            vectors[rows] = result
        return vectors

    def _forward(self, ids: list[list[int]]) -> Floats:
        lengths = np.array([len(i) for i in ids])
        longest = int(lengths.max())
        padded = np.zeros((len(ids), longest), np.intp)
        for row, tokens in zip(padded, ids, strict=True):
            row[: len(tokens)] = tokens
        mask = (np.arange(longest) < lengths[:, None]).astype(np.float32)
        x = _layer_norm(self._words(padded) + self._positions[:longest], *self._norm)
        penalty = ((mask - 1) * np.float32(1e9))[:, None, None, :] if lengths.min() < longest else None
        for layer in self._layers:
            x = layer(x, penalty)
        mean = (mask[:, None, :] @ x)[:, 0, :] / lengths[:, None].astype(np.float32)
        return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True))


class _Layer:
    """A transformer layer: (texts, tokens, 384) -> the same shape."""

    def __init__(self, weights: Mapping[str, Floats], prefix: str) -> None:
        def linear(name: str) -> tuple[Floats, Floats]:
            return weights[f"{prefix}{name}.weight"].T, weights[f"{prefix}{name}.bias"]

        def norm(name: str) -> tuple[Floats, Floats]:
            return weights[f"{prefix}{name}.LayerNorm.weight"], weights[f"{prefix}{name}.LayerNorm.bias"]

        parts = [linear(f"attention.self.{part}") for part in ("query", "key", "value")]
        self._qkv = np.concatenate([w for w, _ in parts], axis=1), np.concatenate([b for _, b in parts])
        scale = np.float32(_HEAD_SIZE**-0.5)
        for array in self._qkv:
            array[..., :DIMENSIONS] *= scale
        self._out, self._out_norm = linear("attention.output.dense"), norm("attention.output")
        self._up, self._down = linear("intermediate.dense"), linear("output.dense")
        self._norm = norm("output")

    def __call__(self, x: Floats, penalty: Floats | None) -> Floats:
        attended = _linear(self._attend(x, penalty), *self._out)
        attended += x
        x = _layer_norm(attended, *self._out_norm)
        grown = _linear(x, *self._up)
        _gelu_in_place(grown.reshape(-1))
        shrunk = _linear(grown, *self._down)
        shrunk += x
        return _layer_norm(shrunk, *self._norm)

    def _attend(self, x: Floats, penalty: Floats | None) -> Floats:
        texts, tokens, _ = x.shape
        qkv = _linear(x, *self._qkv).reshape(texts, tokens, 3, _HEADS, _HEAD_SIZE)
        query, key, value = qkv.transpose(2, 0, 3, 1, 4)
        weights = query @ key.swapaxes(-1, -2)
        if penalty is not None:
            weights += penalty
        weights -= weights.max(axis=-1, keepdims=True)
        np.exp(weights, out=weights)
        weights /= weights.sum(axis=-1, keepdims=True)
        return np.asarray((weights @ value).swapaxes(1, 2).reshape(texts, tokens, DIMENSIONS))


def _batches(ids: Sequence[list[int]]) -> Iterator[list[int]]:
    """Yield groups of indexes of similar length. With padding, a group has at most _BATCH_TOKENS tokens."""
    group: list[int] = []
    for index in sorted(range(len(ids)), key=lambda i: len(ids[i])):
        if group and (len(group) + 1) * len(ids[index]) > _BATCH_TOKENS:
            yield group
            group = []
        group.append(index)
    if group:
        yield group


def _linear(x: Floats, weight: Floats, bias: Floats) -> Floats:
    """Return x @ weight + bias, as one matrix product over all tokens of all texts."""
    flat = x.reshape(-1, x.shape[-1]) @ weight
    flat += bias
    return flat.reshape(*x.shape[:-1], -1)


def _layer_norm(x: Floats, weight: Floats, bias: Floats) -> Floats:
    x = x - x.mean(axis=-1, keepdims=True)
    variance = np.einsum("...i,...i->...", x, x)[..., None] / np.float32(x.shape[-1])
    x /= np.sqrt(variance + np.float32(1e-12))
    x *= weight
    x += bias
    return x


def _gelu_in_place(values: Floats) -> None:
    """Replace each value x of a flat array by x * Phi(x), in single precision, exact to 2e-6."""
    for start in range(0, len(values), _CACHED_VALUES):
        block = values[start : start + _CACHED_VALUES]
        erf = _erf(block * np.float32(0.5**0.5))
        erf += np.float32(1)
        erf *= np.float32(0.5)
        block *= erf


# Rational approximation of erf on [-4, 4] in single precision (Eigen, generic_fast_erf_float).
_ERF_ODD = (
    -2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05,
    -7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02,
)  # fmt: skip
_ERF_EVEN = (
    -1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03,
    -1.42647390514189e-02,
)  # fmt: skip


def _erf(x: Floats) -> Floats:
    x = np.clip(x, np.float32(-4), np.float32(4))
    square = x * x
    result = _polynomial(_ERF_ODD, square)
    result *= x
    result /= _polynomial(_ERF_EVEN, square)
    return result


def _polynomial(coefficients: Sequence[float], x: Floats) -> Floats:
    total = x * np.float32(coefficients[0])
    for coefficient in coefficients[1:-1]:
        total += np.float32(coefficient)
        total *= x
    total += np.float32(coefficients[-1])
    return total
