"""Runs sentence encoders of the BERT family with onnxruntime: 384-dimensional vectors without torch.

The architecture is BERT (Devlin et al. 2018) with twelve heads, mean pooling and L2 norm. The graph uses onnxruntime's
own operators for attention, GELU (the exact one) and layer norm with a residual, and MatMulNBits for weights of 4
bits, which is as exact as float32: a text takes a quarter of the CPU time that the same took in numpy.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from local.models.onnx_graph import CONTRIBUTED, Graph

Floats = NDArray[np.float32]

DIMENSIONS = 384
HEADS = 12
# A block of 32 weights: their scale, and 4 bits each; the low halves of the bytes are the first sixteen.
BLOCK = np.dtype([("scale", "<f2"), ("pairs", "u1", 16)])
_BLOCK_SIZE = 32
_EPSILON = 1e-12
_WORKERS = 2


class Bert:
    """An encoder: the ids of a text's tokens to its vector. It is thread-safe.

    `weights` have the names of Hugging Face's BertModel; those of linear layers are float32, (out, in), or BLOCK,
    (out, in / 32). `words` returns the embedding of each token id, shape (tokens, 384).
    """

    def __init__(
        self,
        weights: Mapping[str, NDArray[Any]],
        *,
        words: Callable[[Sequence[int]], Floats],
        layers: int,
    ) -> None:
        self._words = words
        # There is only one segment, so its embedding is a constant that is added to the positions.
        segment = weights["embeddings.token_type_embeddings.weight"][0]
        self._positions = weights["embeddings.position_embeddings.weight"] + segment
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        model = _Network(weights).model(layers)
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="bert")

    def encode(self, ids: Sequence[list[int]]) -> Floats:
        """Return one L2-normalised row per text, shape (n, 384). `ids` are its tokens with those at its ends."""
        rows = list(self._pool.map(self._encode_one, ids))
        return np.stack(rows) if rows else np.empty((0, DIMENSIONS), np.float32)

    def _encode_one(self, ids: list[int]) -> Floats:
        given = {"words": self._words(ids)[None], "positions": self._positions[None, : len(ids)]}
        vector = self._session.run(None, given)[0][0]
        return np.asarray(vector / np.linalg.norm(vector))


class _Network:
    """The graph: "words" and "positions", both (1, tokens, 384), to the mean of the last layer, (1, 384)."""

    def __init__(self, weights: Mapping[str, NDArray[Any]]) -> None:
        self._weights = weights
        self._graph = Graph()

    def model(self, layers: int) -> bytes:
        last = self._norm("words", "positions", "embeddings.LayerNorm")
        for number in range(layers):
            last = self._layer(last, f"encoder.layer.{number}.")
        mean = self._graph.node("ReduceMean", last, axes=(1,), keepdims=0)
        shape = (1, 0, DIMENSIONS)
        return self._graph.model(inputs={"words": shape, "positions": shape}, output_name=mean)

    def _layer(self, last: str, name: str) -> str:
        parts = [f"{name}attention.self.{part}" for part in ("query", "key", "value")]
        split = self._graph.nodes("Split", self._product(last, *parts), outputs=3, axis=2)
        biases = self._graph.weight(np.concatenate([self._weights[f"{part}.bias"] for part in parts]))
        attended = self._own("MultiHeadAttention", *split, biases, num_heads=HEADS)
        dense = f"{name}attention.output.dense"
        last = self._norm(self._product(attended, dense), last, f"{name}attention.output.LayerNorm", dense)
        grown = f"{name}intermediate.dense"
        grown = self._own("BiasGelu", self._product(last, grown), self._constant(f"{grown}.bias"))
        dense = f"{name}output.dense"
        return self._norm(self._product(grown, dense), last, f"{name}output.LayerNorm", dense)

    def _norm(self, value: str, residual: str, name: str, dense: str | None = None) -> str:
        """Return the layer norm of value + residual, and of the bias of `dense` if it is given."""
        biases = [self._constant(f"{dense}.bias")] if dense else []
        scale, shift = self._constant(f"{name}.weight"), self._constant(f"{name}.bias")
        return self._own("SkipLayerNormalization", value, residual, scale, shift, *biases, epsilon=_EPSILON)

    def _product(self, value: str, *names: str) -> str:
        """Return value @ weight.T for the weights of these linear layers, one beside the other."""
        weight = np.concatenate([self._weights[f"{name}.weight"] for name in names])
        if weight.dtype != BLOCK:
            return self._graph.node("MatMul", value, self._graph.weight(weight.T))
        scales = self._graph.weight(weight["scale"].astype(np.float32).reshape(-1))
        size, rows = weight.shape[1] * _BLOCK_SIZE, weight.shape[0]
        given = value, self._graph.weight(_in_pairs(weight["pairs"])), scales
        return self._own("MatMulNBits", *given, K=size, N=rows, bits=4, block_size=_BLOCK_SIZE)

    def _own(self, operator: str, *inputs: str, **attributes: int | float) -> str:
        return self._graph.node(operator, *inputs, domain=CONTRIBUTED, **attributes)

    def _constant(self, name: str) -> str:
        return self._graph.weight(self._weights[name])


def expand(blocks: NDArray[Any]) -> Floats:
    """Return the float32 of rows of BLOCK: shape (rows, blocks) -> (rows, 32 * blocks)."""
    values = np.concatenate([blocks["pairs"] & 15, blocks["pairs"] >> 4], axis=-1).astype(np.float32)
    values -= 8
    values *= blocks["scale"][..., None].astype(np.float32)
    return values.reshape(len(blocks), -1)


def _in_pairs(pairs: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the bytes with neighbours in one byte, as MatMulNBits has them."""
    halves = np.concatenate([pairs & 15, pairs >> 4], axis=-1)
    return np.asarray(halves[..., 0::2] | halves[..., 1::2] << 4)
