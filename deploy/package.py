"""Builds the Lambda package of a stage and its template: `python -m deploy.package --stage dev`.

The package is made with a Python that Lambda accepts (3.13, 3.12, 3.14). It can differ from the Python that runs this:
Chalice writes the version of its own Python into the template and fetches wheels for it.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy import overlay, provisioned, terraform, zips
from deploy.policies import ROOT, STAGES

VERSIONS = ("3.13", "3.12", "3.14")
MISSING = """No Python 3.12, 3.13 or 3.14 was found, and AWS Lambda accepts no new functions for older versions.
Install one (apt-get install python3.13 python3.13-venv, pyenv install 3.13, uv python install 3.13)
or name it: LAMBDA_PYTHON=/path/to/python3.13 make package"""


class CannotPackage(Exception):
    """The package cannot be made, or must not be deployed. The message says what to do."""


def find_python() -> Path:
    """Return a Python that Lambda accepts, that runs and can make environments. Raise CannotPackage if none does."""
    for candidate in candidates():
        found = shutil.which(candidate)
        if found and version_of(found) in VERSIONS:
            return Path(found)
    raise CannotPackage(MISSING)


def candidates() -> Iterator[str]:
    """Yield the Pythons to try: LAMBDA_PYTHON, then the newest on the path or in the folders of pyenv and uv."""
    yield from filter(None, [os.environ.get("LAMBDA_PYTHON")])
    for version in VERSIONS:
        yield f"python{version}"
        for place in (".pyenv/versions/", ".local/share/uv/python/cpython-"):
            yield from sorted(map(str, Path.home().glob(f"{place}{version}*/bin/python")), reverse=True)
    yield from (sys.executable, "python3")


def version_of(python: str) -> str:
    """Return the version of a Python, such as "3.13", or "" if it does not run, like some of pyenv's shims."""
    code = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    ran = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return ran.stdout.strip()


def make_environment(python: Path) -> Path:
    """Return the Python of .venv-package, which has Chalice and the app's dependencies. It is made if missing."""
    lines = (ROOT / "requirements-dev.txt").read_text().splitlines()
    wanted = [line for line in lines if line.startswith(("chalice==", "boto3=="))]
    requirements = ROOT / "requirements.txt"
    key = hashlib.sha256(f"{python}{wanted}{requirements.read_text()}".encode()).hexdigest()[:16]
    home = ROOT / ".venv-package"
    inside = home / "bin" / "python"
    if not (home / key).exists():
        subprocess.run([python, "-m", "venv", "--clear", home], check=True)
        pip = [str(inside), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *wanted, "-r", str(requirements)], check=True)
        (home / key).touch()
    return inside


def stage_sources(to: Path) -> None:
    """Copy the files that a package is made from to the directory `to`, and no others."""
    shutil.rmtree(to, ignore_errors=True)
    caches = shutil.ignore_patterns("__pycache__", "*.pyc", ".*_cache")
    shutil.copytree(ROOT / "chalicelib", to / "chalicelib", ignore=caches)
    (to / ".chalice").mkdir()
    for file in ["app.py", "requirements.txt", ".chalice/config.json"]:
        shutil.copy(ROOT / file, to / file)
    for policy in (ROOT / ".chalice").glob("policy-*.json"):
        shutil.copy(policy, to / ".chalice")


def build(stage: str, to: Path) -> Path:
    """Write sam.json and deployment.zip to the directory `to`. Return the zip's path. Raise CannotPackage."""
    python = make_environment(find_python())
    sources = to.with_name(f"{to.name}-sources")
    stage_sources(sources)
    run_chalice(stage, sources, to, python)
    package = to / "deployment.zip"
    if names := zips.unwanted(package):
        raise CannotPackage(f"These must not be in the package: {', '.join(names)}")
    zips.compile_zip(package, python)
    finish_template(to / "sam.json", code_hash=hashlib.sha256(package.read_bytes()).hexdigest())
    return package


def build_template(stage: str, to: Path) -> dict[str, Any]:
    """Write the stage's sam.json alone, without its dependencies, to be checked. Return it. Raise CannotPackage."""
    sources = to.with_name(f"{to.name}-sources")
    stage_sources(sources)
    (sources / "requirements.txt").write_text("")
    run_chalice(stage, sources, to, make_environment(find_python()))
    return finish_template(to / "sam.json", code_hash="0" * 64)


def build_terraform(stage: str, to: Path, *, has_libraries: bool = True) -> Path:
    """Write chalice.tf.json and deployment.zip to the directory `to`. Return the zip's path. Raise CannotPackage.

    Without libraries it is only good to be checked. Chalice cannot say in Terraform how long logs are kept, nor what
    the overlay adds: add these to your own files.
    """
    python = make_environment(find_python())
    sources = to.with_name(f"{to.name}-sources")
    stage_sources(sources)
    if not has_libraries:
        (sources / "requirements.txt").write_text("")
    config = sources / ".chalice" / "config.json"
    settings = json.loads(config.read_text())
    settings["stages"][stage].pop("log_retention_in_days", None)
    config.write_text(json.dumps(settings))
    run_chalice(stage, sources, to, python, "--pkg-format", "terraform")
    terraform.finish(to / "chalice.tf.json")
    zips.compile_zip(to / "deployment.zip", python)
    return to / "deployment.zip"


def run_chalice(stage: str, sources: Path, to: Path, python: Path, *flags: str) -> None:
    """Run `chalice package`, with the overlay unless there are flags. Raise CannotPackage."""
    extras = sources / "overlay.json"
    extras.write_text(json.dumps(overlay.template(stage)))
    shutil.rmtree(to, ignore_errors=True)
    chalice = [str(python), "-c", "from chalice.cli import main; main()"]
    flags = flags or ("--merge-template", str(extras))
    command = [*chalice, "package", "--stage", stage, *flags, str(to)]
    # Chalice needs a region for its client, but makes no call.
    env = {"AWS_DEFAULT_REGION": "us-east-1", **os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(command, cwd=sources, env=env, capture_output=True, text=True, check=False)
    # If Chalice finds no wheel of a dependency, it leaves it out, prints a message and exits with 0.
    # So it does for what it cannot write in Terraform.
    if (
        ran.returncode
        or "Could not install" in ran.stdout + ran.stderr
        or not (to / "deployment.zip").exists()
    ):
        raise CannotPackage(f"chalice package failed:\n{ran.stdout}{ran.stderr}")


def finish_template(path: Path, *, code_hash: str) -> dict[str, Any]:
    """Add to Chalice's template what depends on the code. Return it."""
    template: dict[str, Any] = json.loads(path.read_text())
    provisioned.add(template, code_hash=code_hash)
    path.write_text(json.dumps(template, indent=2))
    return template


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", choices=STAGES, default="dev")
    parser.add_argument("--find-python", action="store_true", help="print the Python it would use")
    parser.add_argument("--pkg-format", choices=("cloudformation", "terraform"), default="cloudformation")
    arguments = parser.parse_args()
    try:
        if arguments.find_python:
            print(find_python())
            return
        if arguments.pkg_format == "terraform":
            package = build_terraform(arguments.stage, ROOT / "build" / f"terraform-{arguments.stage}")
        else:
            package = build(arguments.stage, ROOT / "build" / f"package-{arguments.stage}")
    except CannotPackage as error:
        sys.exit(str(error))
    for name, size_bytes in zips.weights(package):
        print(f"{size_bytes / 1e6:8.2f} MB  {name}")
    size_bytes = package.stat().st_size
    print(f"{size_bytes / 1e6:8.2f} MB  {package.relative_to(ROOT)} (at most {zips.LIMIT_BYTES / 1e6:.0f})")
    if size_bytes > zips.LIMIT_BYTES:
        sys.exit("The package is too large.")


if __name__ == "__main__":
    main()
