"""Imports go one way: the parts, and what each may import, as a table."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Each part of the app and the parts it may import. "providers" are the Protocols alone; their
# implementations, "providers.*", are known to wiring and to each other.
ALLOWED = {
    "app": {"api", "events", "loading", "logs", "settings", "wiring"},
    "api": {"ops", "model", "errors", "logs", "tracing", "metrics", "settings", "wiring", "patterns"},
    "events": {"ops", "model", "errors", "logs", "tracing", "settings", "wiring"},
    "wiring": {
        "model",
        "errors",
        "logs",
        "metrics",
        "tracing",
        "settings",
        "stores",
        "providers",
        "providers.*",
    },
    "ops": {"model", "stores", "providers", "errors", "logs", "metrics", "tracing", "patterns"},
    "stores": {"model", "errors", "patterns"},
    "providers": {"model", "errors"},
    "providers.*": {"providers", "model", "errors", "metrics", "tracing", "patterns"},
    "model": {"errors", "patterns"},
    "settings": {"errors", "patterns"},
    "logs": {"model", "patterns"},
    "metrics": set(),
    "tracing": {"patterns"},
    "errors": set(),
    "loading": set(),
    "patterns": set(),
}
# Within a layer, the subjects that a subject may import. Modules of a layer that stand in no folder serve all subjects.
SUBJECTS = {
    "api": {
        "http": set(),
        "accounts": {"http"},
        "library": {"http", "usage"},
        "search": {"http", "library"},
        "chat": {"http", "library", "search"},
        "jobs": {"chat", "http", "library"},
        "practice": {"chat", "http", "library", "search"},
        "operations": {"http"},
        "usage": {"http"},
        "webhooks": {"http"},
    },
    "ops": {
        "accounts": set(),
        "work": set(),
        "ingest": {"usage", "work"},
        "library": {"ingest", "usage"},
        "search": {"work"},
        "chat": {"search", "usage", "work"},
        "jobs": {"ingest", "search", "usage", "work"},
        "operations": {"accounts", "ingest", "jobs", "search", "work"},
        "practice": {"jobs", "search"},
        "usage": set(),
        "webhooks": {"work"},
    },
    "model": {
        "library": set(),
        "work": {"library"},
        "accounts": {"library"},
        "ingest": set(),
        "search": {"ingest"},
        "chat": {"ingest", "search"},
        "jobs": {"practice", "work"},
        "practice": {"chat", "ingest", "search"},
        "gateway": set(),
        "usage": set(),
        "webhooks": {"gateway"},
    },
    "stores": {
        "postgres": set(),
        "aws": set(),
        "accounts": {"aws", "postgres"},
        "library": {"postgres"},
        "ingest": {"postgres"},
        "search": {"postgres"},
        "chat": {"postgres"},
        "jobs": {"postgres"},
        "practice": {"postgres"},
        "work": {"postgres"},
        "operations": {"postgres", "work"},
        "usage": {"postgres"},
        "webhooks": {"postgres"},
    },
    "providers": {
        "http": set(),
        "accounts": {"http"},
        "gateway": {"http"},
        "ingest": set(),
        "models": {"http"},
        "practice": set(),
        "tracing": {"http"},
        "webhooks": {"http"},
    },
}
NOT_SHIPPED = {"local", "bench", "tests", "deploy", "cli"}
HEAVY = [
    *("boto3", "botocore", "psycopg2", "PIL", "numpy", "pypdfium2", "pillow_heif", "h11"),
    *("openai", "anthropic", "voyageai", "cohere", "litellm", "fsrs_rs_python", "genanki", "sqlite3"),
]
SHIPPED = [ROOT / "app.py", *sorted((ROOT / "chalicelib").rglob("*.py"))]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[str]:
    """Yield every module that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{path}:{node.lineno}: write the whole module name"
            assert not node.level, f"{path}:{node.lineno}: write the whole module name"
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                yield below if is_module(below) else node.module


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or path.is_dir()


def part(module: str) -> str:
    """Return the row of ALLOWED that a module of the app belongs to."""
    names = module.split(".")
    if names[0] == "app":
        return "app"
    if names[1:2] == ["providers"] and len(names) > 2:
        return "providers.*"
    return names[1] if len(names) > 1 else "errors"


@pytest.mark.parametrize("path", SHIPPED, ids=module_name)
def test_a_module_imports_only_what_its_part_may(path: Path) -> None:
    here = part(module_name(path))
    ours = {name for name in imported(path) if name.split(".")[0] in {"app", "chalicelib"}}
    assert {name for name in ours if part(name) not in ALLOWED[here] | {here}} == set()


def subject(module: str) -> tuple[str, str]:
    """Return (layer, subject) of a module; the subject is "" for a module that stands in no folder."""
    names = [*module.split("."), "", ""]
    is_folder = (ROOT / "chalicelib" / names[1] / names[2]).is_dir()
    return names[1], names[2] if is_folder else ""


@pytest.mark.parametrize("layer", SUBJECTS)
def test_a_subject_imports_only_what_its_layer_allows(layer: str) -> None:
    folders = {
        path.name for path in (ROOT / "chalicelib" / layer).iterdir() if (path / "__init__.py").exists()
    }
    assert folders == SUBJECTS[layer].keys()
    wrong = []
    for path in sorted((ROOT / "chalicelib" / layer).rglob("*.py")):
        here = subject(module_name(path))[1]
        allowed = {here, "", *SUBJECTS[layer].get(here, folders)}
        for name in imported(path):
            there_layer, there = subject(name)
            if name.startswith("chalicelib.") and there_layer == layer and there not in allowed:
                wrong.append((module_name(path), name))
    assert wrong == []


def test_nothing_shipped_imports_what_is_not() -> None:
    found = {(module_name(path), name) for path in SHIPPED for name in imported(path)}
    # For plain `chalice local`; test_importing_the_app_loads_nothing_heavy has no chalice.cli, and Lambda has none.
    only = {("app", "local.route_matching")}
    assert {(path, name) for path, name in found if name.split(".")[0] in NOT_SHIPPED} == only


def test_only_the_providers_package_defines_protocols() -> None:
    def is_protocol(node: ast.AST) -> bool:
        return isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(base) for base in node.bases)

    defining = {module_name(p) for p in SHIPPED if any(map(is_protocol, ast.walk(ast.parse(p.read_text()))))}
    assert defining == {"chalicelib.providers"}


# What a start does not need, although it is small: each of these took 1 to 10 ms.
LATE = [
    *("argparse", "asyncio", "concurrent", "difflib", "email", "html", "subprocess", "tempfile", "zipfile"),
    *("argon2", "cronsim", "idna", "jwt", "linkify_it", "markdown_it", "pgvector", "precis_i18n"),
]
IMPORT = """
import re, sys
import chalice, msgspec  # which may compile patterns
compiled, compile = [], re.compile
def counted(pattern, flags=0):
    compiled.append(pattern)
    return compile(pattern, flags)
re.compile = counted
import app
loaded = [n for n, m in sys.modules.items() if n.startswith(OURS) and not hasattr(m, "__path__")]
print([n for n in loaded if type(sys.modules[n]).__name__ != "_Unloaded"])
print(compiled)
print(sorted(set(HEAVY) & set(sys.modules)))
"""


def test_importing_the_app_loads_nothing_heavy_no_op_and_no_store_and_compiles_no_pattern() -> None:
    ours = ("chalicelib.ops.", "chalicelib.stores.", "chalicelib.events.handlers")
    code = f"HEAVY = {HEAVY + LATE}\nOURS = {ours}\n{IMPORT}"
    ran = subprocess.run([sys.executable, "-B", "-c", code], cwd=ROOT, capture_output=True, text=True)
    # An op's names may be used inside functions only: chalicelib/__init__.py. For patterns see chalicelib/patterns.py.
    assert (ran.returncode, ran.stdout.splitlines(), ran.stderr) == (0, ["[]"] * 3, "")


COLLECTED = """
import gc, sys
looks = []
gc.callbacks.append(lambda phase, info: "chalicelib.wiring" in sys.modules and looks.append(phase))
import app
print(looks, gc.isenabled(), gc.get_freeze_count() > 10_000)
"""


def test_no_garbage_is_looked_for_while_the_app_is_loaded() -> None:
    ran = subprocess.run([sys.executable, "-B", "-c", COLLECTED], cwd=ROOT, capture_output=True, text=True)
    assert ran.stdout == "[] True True\n", ran.stderr


LIVE = """
import os, sys
for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "VOYAGE_API_KEY"):
    os.environ[name] = "key of the tests"
os.environ |= {"DATABASE_URL": "postgresql://", "IMAGES_BUCKET": "b", "SESSION_SECRET": "s" * 32}
from chalice.test import Client  # which brings botocore
from tempfile import mkdtemp
before = set(sys.modules)
import app
with Client(app.app, project_dir=mkdtemp()) as client:
    answer = client.http.get("/health/live")
assert answer.status_code == 200, answer.body
loaded = {name.partition(".")[0] for name in set(sys.modules) - before} & set(HEAVY)
print(*sorted(loaded), *sorted(name for name in sys.modules if name.startswith("chalicelib.providers.models")))
"""


def test_asking_whether_it_lives_loads_nothing_heavy_and_no_model() -> None:
    code = f"HEAVY = {HEAVY}\n{LIVE}"
    ran = subprocess.run([sys.executable, "-B", "-c", code], cwd=ROOT, capture_output=True, text=True)
    *_, last = ran.stdout.splitlines() or [ran.stderr]  # the metrics of the request are before it
    assert (ran.returncode, last.split()) == (0, []), ran.stderr


WARM = """
import os, sys
os.environ |= {"_HANDLER": HANDLER, "AWS_DEFAULT_REGION": "eu-west-1"}
import app
from chalicelib.wiring import clients
import chalicelib.ops.accounts.sessions as sessions
print(type(sessions).__name__, clients.dynamodb.is_made(), "psycopg2" in sys.modules)
"""


def test_the_apis_function_warms_up_in_lambdas_init_phase_and_no_other_process_does() -> None:
    for handler, expected in (
        ("app.app", "module True True"),
        ("app.on_embed_woken", "_Unloaded False False"),
    ):
        code = f"HANDLER = {handler!r}\n{WARM}"
        ran = subprocess.run([sys.executable, "-B", "-c", code], cwd=ROOT, capture_output=True, text=True)
        assert (ran.stdout.strip(), ran.stderr) == (expected, ""), handler
