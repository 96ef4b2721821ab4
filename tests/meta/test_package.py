"""The package of the Lambda functions holds the whole app and nothing else, and runs by itself."""

import json
import platform
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from deploy import terraform, zips
from deploy.package import build_terraform, find_python, make_environment
from deploy.policies import CONSUMERS, FUNCTIONS, ROOT, lambda_name
from tests.support.heif_files import plain_heic


@pytest.fixture
def names(package: Path) -> set[str]:
    return names_in(package)


def names_in(package: Path) -> set[str]:
    with zipfile.ZipFile(package / "deployment.zip") as zipped:
        return set(zipped.namelist())


@pytest.mark.slow
def test_the_zip_is_small(whole: Path) -> None:
    assert (whole / "deployment.zip").stat().st_size <= zips.LIMIT_BYTES
    with zipfile.ZipFile(whole / "deployment.zip") as zipped:
        assert sum(entry.file_size for entry in zipped.infolist()) <= zips.UNZIPPED_LIMIT_BYTES


def test_the_zip_holds_the_whole_app(names: set[str]) -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "chalicelib").rglob("*") if path.is_file()}
    ours = {"app.py", *(name for name in files if "__pycache__" not in name)}
    assert ours - names == set()


@pytest.mark.slow
def test_the_zip_with_its_libraries_holds_no_tests_docs_secrets_nor_stale_caches(whole: Path) -> None:
    test_the_zip_holds_no_tests_docs_secrets_nor_stale_caches(names_in(whole))


def test_the_zip_holds_no_tests_docs_secrets_nor_stale_caches(names: set[str]) -> None:
    bytecode = {name for name in names if name.endswith(".pyc")}
    sources = {name for name in names if name.endswith(".py")}
    assert [name for name in names - bytecode if zips.UNWANTED.search(name)] == []
    cached = {
        re.sub(r"__pycache__/(.*)\.cpython-\d+\.pyc", r"\1.py", name)
        for name in bytecode
        if "__pycache__" in name
    }
    assert cached == sources == {name for name in sources if name.split("/")[0] in zips.OWN}


def test_unwanted_files_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "some.zip"
    bad = [
        "tests/test_a.py",
        "local/x.py",
        "lib/docs/a.md",
        "a/__pycache__/b.cpython-311.pyc",
        ".env",
        "a.pem",
    ]
    with zipfile.ZipFile(path, "w") as zipped:
        for name in [*bad, "app.py", "chalicelib/console/index.html", "chalicelib/stores/library/items.sql"]:
            zipped.writestr(name, "")
    assert zips.unwanted(path) == bad


@pytest.mark.slow
def test_wheels_and_functions_agree_on_the_version_of_python(whole: Path, resources: dict[str, Any]) -> None:
    runtimes = {
        each["Properties"]["Runtime"] for each in resources.values() if "Runtime" in each["Properties"]
    }
    libraries = {
        found[0]
        for name in names_in(whole)
        if (found := re.search(r"cpython-\d+(?=-x86_64-linux-gnu\.so)", name))
    }
    assert runtimes in ({"python3.13"}, {"python3.12"})
    assert libraries == {runtime.replace("python3.", "cpython-3") for runtime in runtimes}


@pytest.mark.slow
def test_the_app_can_be_packaged_for_terraform(tmp_path: Path) -> None:
    zipped = build_terraform("dev", tmp_path / "dev")
    assert zipped.stat().st_size <= zips.LIMIT_BYTES
    text = (tmp_path / "dev" / "chalice.tf.json").read_text()
    assert not re.search(r"(?<!\$)\$\{aws:", text), "Terraform would read IAM's variables as its own"
    assert "null_data_source" not in text, "nothing uses it, and it wants a provider of its own"
    assert json.loads(text)["terraform"]["required_version"] == ">= 1.4", "Chalice forbids it"
    is_valid, told = terraform.validate(tmp_path / "dev")
    assert is_valid, told
    made = json.loads(text)["resource"]
    assert {each["function_name"] for each in made["aws_lambda_function"].values()} == {
        lambda_name(function, "dev") for function in FUNCTIONS
    }
    assert len(made["aws_lambda_event_source_mapping"]) == len(CONSUMERS)
    assert len(made["aws_cloudwatch_event_rule"]) == 3


@pytest.mark.slow
@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="the package's libraries are for Linux on x86_64",
)
def test_the_zip_runs_by_itself(whole: Path, tmp_path: Path) -> None:
    """Nothing but the zip's content and the standard library; botocore is Lambda's own and comes late."""
    with zipfile.ZipFile(whole / "deployment.zip") as zipped:
        zipped.extractall(tmp_path)
    dependencies = "psycopg2, pgvector, PIL.Image, pillow_heif, pypdfium2"
    code = f"""import io, sys; sys.path.insert(0, '.'); import app, {dependencies}
for format in ("JPEG", "PNG", "WEBP", "GIF", "BMP"):
    PIL.Image.new("RGB", (99, 99)).save(into := io.BytesIO(), format); PIL.Image.open(into).load()
pillow_heif.register_heif_opener(thumbnails=False, decode_threads=1)
assert PIL.Image.open("made.heic").convert("RGB").getpixel((50, 50))[0] > 200
try: PIL.Image.new("RGB", (99, 99)).save(io.BytesIO(), "HEIF")
except RuntimeError as error: assert "x265" in str(error)
from argon2 import PasswordHasher; PasswordHasher().hash("a password")"""
    (tmp_path / "made.heic").write_bytes(plain_heic((99, 99)))
    command = [make_environment(find_python()), "-I", "-S", "-B", "-c", code]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
