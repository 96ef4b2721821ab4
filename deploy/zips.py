"""Checks the Lambda zip, compiles its code, and makes it reproducible."""

import re
import subprocess
import tempfile
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from deploy.elf import loaded_part
from deploy.empty_library import empty_library

LIMIT_BYTES, UNZIPPED_LIMIT_BYTES = 15_000_000, 40_000_000
OWN = ("app.py", "chalicelib")
# Parts of Pillow that nothing here opens: AVIF, colour profiles, fonts, Tk. cffi's compiler, with its C parser: the
# bindings of argon2 are compiled, and need _cffi_backend alone. PyYAML's C, as genanki reads no YAML of ours. Type
# stubs. The libraries that only these, or only EMPTIED ones, load.
UNUSED = re.compile(
    r"PIL/_(avif|imagingcms|imagingft|imagingtk)\."
    r"|(pillow|Pillow)\.libs/lib(avif|lcms2|freetype|harfbuzz|brotli\w*|png16|zstd|lzma|Xau)-"
    r"|psycopg2_binary\.libs/lib(krb5(support)?|k5crypto|com_err|keyutils|selinux|pcre|sasl2|crypt|lber)-"
    r"|(cffi|pycparser)(-[\d.]+\.dist-info)?/"
    r"|yaml/_yaml\."
    r"|.*\.pyi$"
)
# Libraries that others are linked with and that nothing here uses, with what their functions return then: HEIC's
# encoder, TIFF, JPEG 2000, pictures of a screen, directories, and Kerberos, which says that it has no credential.
EMPTIED: Mapping[str, int] = {
    "libx265": 0,
    "libtiff": 0,
    "libopenjp2": 0,
    "libxcb": 0,
    "libldap": 0,
    "libgssapi_krb5": 0xD0000,  # GSS_S_FAILURE
}
# Pillow asks for these texts when it is imported.
VERSIONS = ("TIFFGetVersion", "opj_version")
LIBRARY = re.compile(r".*\.so(\.|$)")
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
    """Make the zip ready for Lambda: add bytecode, leave out what is UNUSED, make libraries smaller, sort the files.

    Equal content makes an equal file. Lambda's disk is read-only: without bytecode, which Python uses without checking
    the source, each cold start would compile everything again: importing all dependencies takes 300 ms, with bytecode
    150 ms. Of libraries the bytecode is enough; the app's own sources are there for the lines of a traceback. `python`
    must have the version that the zip runs on.
    """
    with tempfile.TemporaryDirectory() as directory:
        with zipfile.ZipFile(path) as package:
            package.extractall(directory, [name for name in package.namelist() if not UNUSED.match(name)])
        make_libraries_smaller(Path(directory))
        _compile(Path(directory), python)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
            for file in sorted(Path(directory).rglob("*")):
                if file.is_file():
                    entry = zipfile.ZipInfo(file.relative_to(directory).as_posix())
                    entry.external_attr = 0o644 << 16  # readable by all: Lambda runs as another user
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    package.writestr(entry, file.read_bytes())


def _compile(directory: Path, python: Path) -> None:
    """Compile all sources, the libraries' to files that need no source, and delete these sources."""
    of_libraries = [
        file for file in directory.rglob("*.py") if file.relative_to(directory).parts[0] not in OWN
    ]
    compile_all = [str(python), "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    compile_all += ["-s", str(directory), "-p", "/var/task"]
    own = [directory / name for name in OWN]
    subprocess.run([*compile_all, *filter(Path.exists, own)], check=True)
    listed = "\n".join(map(str, of_libraries))
    subprocess.run([*compile_all, "-b", "-i", "-"], input=listed, text=True, check=True)
    for file in of_libraries:
        file.unlink()


def make_libraries_smaller(directory: Path) -> None:
    """Empty the libraries that are EMPTIED, and take off all others what the linker does not load."""
    libraries = {file: file.read_bytes() for file in directory.rglob("*") if LIBRARY.match(file.name)}
    for file, library in libraries.items():
        base = file.name.partition("-")[0]
        if base in EMPTIED:
            others = [other for at, other in libraries.items() if at != file]
            smaller = empty_library(library, others, soname=file.name, returns=EMPTIED[base], texts=VERSIONS)
        else:
            smaller = loaded_part(library)
        file.write_bytes(smaller)


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
