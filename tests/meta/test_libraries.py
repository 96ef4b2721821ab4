"""Libraries of the Lambda package: smaller, or empty, and still linked with each other."""

import ctypes
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import PIL
import pytest

from deploy import elf, zips
from deploy.empty_library import empty_library

pytestmark = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="the package's libraries are for Linux on x86_64",
)
SITE = Path(PIL.__file__).parents[1]
USED = """import io, sys; sys.path.insert(0, '.'); import PIL.Image, psycopg2
assert PIL.__file__.startswith(sys.argv[1]) and psycopg2.__file__.startswith(sys.argv[1])
for format in ("JPEG", "PNG", "WEBP", "GIF"):
    PIL.Image.new("RGB", (99, 99)).save(into := io.BytesIO(), format); PIL.Image.open(into).load()
for format, options in (("TIFF", {"compression": "tiff_lzw"}), ("JPEG2000", {})):
    try: PIL.Image.new("RGB", (9, 9)).save(io.BytesIO(), format, **options)
    except (OSError, RuntimeError): continue
    raise AssertionError(format)
for mode, said in (("prefer", "refused"), ("require", "no credential cache")):
    try: psycopg2.connect(f"postgresql://u@127.0.0.1:1/d?gssencmode={mode}")
    except psycopg2.OperationalError as error: assert said in str(error), error"""


def found(pattern: str) -> Path:
    (path,) = SITE.glob(pattern)
    return path


def test_what_is_linked_with_smaller_and_empty_libraries_works(tmp_path: Path) -> None:
    """Kerberos that must be used is refused, and is passed over if it need not be."""
    for name in ("PIL", "pillow.libs", "psycopg2", "psycopg2_binary.libs"):
        shutil.copytree(SITE / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in [path for path in tmp_path.rglob("*") if path.is_file()]:
        if zips.UNUSED.match(file.relative_to(tmp_path).as_posix()):
            file.unlink()
    before = sum(path.stat().st_size for path in tmp_path.rglob("*.so*"))
    zips.make_libraries_smaller(tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.so*")) < 0.9 * before
    command = [sys.executable, "-I", "-B", "-c", USED, str(tmp_path)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_an_empty_library_has_the_names_that_are_looked_up_and_no_others(tmp_path: Path) -> None:
    tiff, imaging = found("pillow.libs/libtiff-*"), found("PIL/_imaging.*.so")
    made = tmp_path / tiff.name
    made.write_bytes(
        empty_library(
            tiff.read_bytes(), [imaging.read_bytes()], soname=tiff.name, returns=77, texts=zips.VERSIONS
        )
    )
    assert made.stat().st_size < 10_000
    library = ctypes.CDLL(str(made))
    assert library.TIFFClientOpen() == 77
    library.TIFFGetVersion.restype = ctypes.c_char_p
    assert library.TIFFGetVersion() == b""
    assert not hasattr(library, "TIFFReadRGBAImage")


def test_the_symbols_of_a_library_have_their_versions() -> None:
    tiff = {symbol.name: symbol for symbol in elf.symbols(found("pillow.libs/libtiff-*").read_bytes())}
    assert tiff["TIFFClose"].is_defined and tiff["TIFFClose"].version == "LIBTIFF_4.0"
    assert not tiff["jpeg_read_header"].is_defined


def test_what_is_no_library_of_lambdas_machines_is_refused() -> None:
    for strange in (b"", b"MZ" + bytes(99), elf.ELF_64 + bytes(99)):
        for smaller in (elf.loaded_part, lambda library: empty_library(library, [library], soname="x")):
            with pytest.raises(ValueError, match="no ELF library"):
                smaller(strange.ljust(20, b"\0"))
