"""Checks the Lambda zip, compiles its code, and makes it reproducible."""

import re
import subprocess
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

from deploy.hollow import hollow

LIMIT_BYTES = 20_000_000
# Parts of Pillow that nothing here opens, and the libraries that only they load: AVIF, colour profiles, fonts, Tk.
# cffi's compiler, with its C parser: argon2's bindings are compiled, and need _cffi_backend alone. PyYAML's C, as
# genanki reads no YAML of ours. Type stubs.
UNUSED = re.compile(
    r"PIL/_(avif|imagingcms|imagingft|imagingtk)\."
    r"|(pillow|Pillow)\.libs/lib(avif|lcms2|freetype|harfbuzz|brotli\w*|png16)-"
    r"|(cffi|pycparser)(-[\d.]+\.dist-info)?/"
    r"|yaml/_yaml\."
    r"|.*\.pyi$"
)
# The encoder of pillow-heif, which must be there for the decoder to load, and how the names begin that it looks up.
HOLLOWED, LOOKED_UP = re.compile(r"pillow_heif\.libs/libx265-"), b"x265_"
# Names that must not be in the zip: tests, docs, caches, secrets, and code that does not run on Lambda.
UNWANTED = re.compile(
    r"(^|/)(tests?|docs?|__pycache__|\.git|\.venv|\.local|\.chalice)/"
    r"|^(local|bench|samples|deploy)/"
    r"|\.(pyc|pyo|pem|key|env|sqlite3?|log)$|(^|/)\.env[^/]*$"
)


def unwanted(path: Path) -> list[str]:
    """Return the names in a zip that must not be deployed. Call it before compile_zip, which adds caches."""
    with zipfile.ZipFile(path) as package:
        return [name for name in package.namelist() if UNWANTED.search(name)]


def compile_zip(path: Path, python: Path) -> None:
    """Add bytecode that Python uses without checking the source, leave out what is UNUSED or HOLLOWED, sort the files.

    Equal content makes an equal file. Lambda's disk is read-only. Without bytecode each cold start would compile
    everything again: importing all dependencies takes 300 ms, with bytecode 150 ms. `python` must have the version that
    the zip runs on.
    """
    compile_all = [str(python), "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    with tempfile.TemporaryDirectory() as directory:
        with zipfile.ZipFile(path) as package:
            package.extractall(directory, [name for name in package.namelist() if not UNUSED.match(name)])
            for name in filter(HOLLOWED.match, package.namelist()):
                Path(directory, name).write_bytes(hollow(package.read(name), keep=LOOKED_UP))
        subprocess.run([*compile_all, "-s", directory, "-p", "/var/task", directory], check=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
            for file in sorted(Path(directory).rglob("*")):
                if file.is_file():
                    entry = zipfile.ZipInfo(file.relative_to(directory).as_posix())
                    entry.external_attr = 0o644 << 16  # readable by all: Lambda runs as another user
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    package.writestr(entry, file.read_bytes())


def weights(path: Path) -> list[tuple[str, int]]:
    """Return (dependency or own package, compressed bytes), the largest first."""
    sizes: Counter[str] = Counter()
    with zipfile.ZipFile(path) as package:
        owners = distributions(package)
        for entry in package.infolist():
            top = entry.filename.split("/")[0]
            sizes[owners.get(entry.filename, owners.get(top, top))] += entry.compress_size
    return sizes.most_common()


def distributions(package: zipfile.ZipFile) -> dict[str, str]:
    """Return the distribution of each file and top-level name, from the RECORD of each wheel."""
    owners: dict[str, str] = {}
    for record in package.namelist():
        if record.endswith(".dist-info/RECORD"):
            distribution = record.split("-")[0]
            for line in package.read(record).decode().splitlines():
                name = line.split(",")[0]
                owners |= {name: distribution, name.split("/")[0]: distribution}
    return owners
