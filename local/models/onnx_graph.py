"""Writes an ONNX model as bytes, without a library: a network needs about a dozen protobuf fields.

Field numbers are those of onnx.proto3 (ONNX IR version 8, operator set 13).
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Attribute = int | float | str | Sequence[int]
CONTRIBUTED = "com.microsoft"  # operators that onnxruntime has beside ONNX's own
_FLOAT32, _UINT8 = 1, 2


class Graph:
    """An ONNX graph under construction. `model` returns the bytes that onnxruntime loads."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._weights: list[bytes] = []
        self._count = 0

    def weight(self, values: NDArray[Any]) -> str:
        """Add a constant and return its name. uint8 stays as it is, all else becomes float32."""
        name = self._new_name()
        dims = b"".join(_int(1, size) for size in values.shape)
        kind, dtype = (_UINT8, "u1") if values.dtype == np.uint8 else (_FLOAT32, "<f4")
        raw = np.ascontiguousarray(values, dtype).tobytes()
        self._weights.append(_bytes(5, dims + _int(2, kind) + _bytes(8, name.encode()) + _bytes(9, raw)))
        return name

    def node(self, operator: str, *inputs: str, domain: str = "", **attributes: Attribute) -> str:
        """Add a node and return the name of its only output."""
        return self.nodes(operator, *inputs, outputs=1, domain=domain, **attributes)[0]

    def nodes(
        self, operator: str, *inputs: str, outputs: int, domain: str = "", **attributes: Attribute
    ) -> list[str]:
        """Add a node and return the names of its outputs."""
        names = [self._new_name() for _ in range(outputs)]
        body = b"".join(_bytes(1, name.encode()) for name in inputs)
        body += b"".join(_bytes(2, name.encode()) for name in names) + _bytes(4, operator.encode())
        body += b"".join(_bytes(5, _attribute(name, value)) for name, value in attributes.items())
        self._nodes.append(_bytes(1, body + _bytes(7, domain.encode())))
        return names

    def model(self, *, inputs: Mapping[str, Sequence[int]], output_name: str) -> bytes:
        """Return the serialised model. `inputs` have names and shapes; a dimension of 0 is variable."""
        graph = b"".join(self._nodes) + _bytes(2, b"network") + b"".join(self._weights)
        graph += b"".join(_bytes(11, _value(name, shape)) for name, shape in inputs.items())
        graph += _bytes(12, _value(output_name, (0, 0)))
        contributed = _bytes(8, _bytes(1, CONTRIBUTED.encode()) + _int(2, 1))
        return _int(1, 8) + _bytes(7, graph) + _bytes(8, _int(2, 13)) + contributed

    def _new_name(self) -> str:
        self._count += 1
        return f"v{self._count}"


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _int(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _attribute(name: str, value: Attribute) -> bytes:
    head = _bytes(1, name.encode())
    if isinstance(value, int):
        return head + _int(3, value) + _int(20, 2)
    if isinstance(value, float):
        return head + _varint(2 << 3 | 5) + struct.pack("<f", value) + _int(20, 1)
    if isinstance(value, str):
        return head + _bytes(4, value.encode()) + _int(20, 3)
    return head + b"".join(_int(8, item) for item in value) + _int(20, 7)


def _value(name: str, shape: Sequence[int]) -> bytes:
    dims = b"".join(_bytes(1, _int(1, size) if size else _bytes(2, b"n")) for size in shape)
    tensor = _int(1, 1) + _bytes(2, dims)
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, tensor))
