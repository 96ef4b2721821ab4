"""Each benchmark finds what it imports from the app, and tells its options. A run takes seconds to minutes."""

import sys
from importlib import import_module
from pkgutil import walk_packages

import pytest

import bench

MODULES = [module.name for module in walk_packages(bench.__path__, "bench.")]


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_can_be_imported_and_tells_its_options(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = import_module(name)
    if hasattr(module, "argparse"):
        monkeypatch.setattr(sys, "argv", [name, "--help"])
        with pytest.raises(SystemExit) as ended:
            module.main()
        assert ended.value.code == 0 and "usage:" in capsys.readouterr().out
