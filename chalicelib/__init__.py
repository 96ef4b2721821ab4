"""The app. Its ops are loaded when they are first used: a request for one subject does not wait for the others' code.

`from chalicelib.ops.library import browse` gives a module that runs its code when one of its names is asked for;
`from chalicelib.ops.library.browse import list_items` asks for one at once. Python 3.15 has `lazy import` for this.
"""

import sys
import threading
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from os.path import isfile
from types import ModuleType
from typing import Any

LAZY = ("chalicelib.ops.", "chalicelib.events.handlers", "chalicelib.api.http.examples")
_loading = threading.RLock()
_begun: set[ModuleType] = set()


class _Unloaded(ModuleType):
    def __getattribute__(self, name: str) -> Any:
        # The import system itself asks for __spec__ and the like.
        if not name.startswith("__"):
            _load(self)
        return ModuleType.__getattribute__(self, name)


class _Later(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        module.__class__ = _Unloaded


class _Finder:
    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: object = None) -> ModuleSpec | None:
        """Return None for what is loaded at once: other modules, and packages."""
        if path is None or not name.startswith(LAZY):
            return None
        file = f"{path[0]}/{name.rpartition('.')[2]}.py"
        return spec_from_file_location(name, file, loader=_Later(name, file)) if isfile(file) else None


def _load(module: ModuleType) -> None:
    """Run the module's code. Other threads wait; code that fails runs again at the next use.

    No thread waits for another that waits for it: nothing below the ops uses them while it is imported.
    """
    with _loading:
        if type(module) is not _Unloaded or module in _begun:
            return
        _begun.add(module)  # the code may use its own module
        try:
            SourceFileLoader.exec_module(module.__loader__, module)  # type: ignore[arg-type]  # it is _Later
            module.__class__ = ModuleType  # type: ignore[assignment]
        finally:
            _begun.remove(module)


sys.meta_path.insert(0, _Finder)
