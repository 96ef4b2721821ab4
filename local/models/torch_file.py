"""Reads the tensors of a `.pth` file without torch, and without running code that a pickle may name."""

import hashlib
import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES: dict[str, np.dtype[Any]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


def read_tensors(path: Path, *, sha256: str) -> dict[str, NDArray[Any]]:
    """Return all tensors, by name, of a state dict that was saved by torch before 1.6.

    Raise ValueError for any other file, and for a file with another hash. The format has pickles of a magic number, a
    version, sizes, the dict, and the keys of the storages. Then comes each storage: an int64 count and its
    little-endian values.
    """
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{path.name} is not the expected file: its hash differs")
    with io.BytesIO(content) as file:
        storages: dict[str, NDArray[Any]] = {}
        if _unpickle(file, {}) != _MAGIC:
            raise ValueError(f"{path.name} is not a torch file of the old format")
        _unpickle(file, {}), _unpickle(file, {})
        dtypes: dict[str, np.dtype[Any]] = {}
        tensors = _unpickle(file, dtypes)
        for key in _unpickle(file, {}):
            count = int.from_bytes(file.read(8), "little")
            storages[key] = np.frombuffer(file.read(count * dtypes[key].itemsize), dtypes[key])
    return {name: tensor.read(storages) for name, tensor in tensors.items()}


class _Tensor:
    def __init__(
        self, key: str, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
    ) -> None:
        self._key, self._offset, self._shape, self._strides = key, offset, shape, strides

    def read(self, storages: dict[str, NDArray[Any]]) -> NDArray[Any]:
        values = storages[self._key][self._offset :]
        strides = [step * values.itemsize for step in self._strides]
        return np.ascontiguousarray(np.lib.stride_tricks.as_strided(values, self._shape, strides))


class _Unpickler(pickle.Unpickler):
    """An unpickler that builds only dicts, lists and tensors. It raises ValueError for any other class."""

    def __init__(self, file: BinaryIO, dtypes: dict[str, np.dtype[Any]]) -> None:
        super().__init__(file)
        self._dtypes = dtypes

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor
        if module == "torch" and name in _DTYPES:
            return lambda: name
        raise ValueError(f"a torch file may not name {module}.{name}")

    def persistent_load(self, pid: Any) -> str:
        _, storage_class, key, *_ = pid
        self._dtypes[key] = _DTYPES[storage_class()]
        return str(key)


def _unpickle(file: BinaryIO, dtypes: dict[str, np.dtype[Any]]) -> Any:
    return _Unpickler(file, dtypes).load()
