"""The sample document whose pages are drawn."""

from pathlib import Path

from chalicelib import wiring

SAMPLES = Path(__file__).parents[2] / "samples"
PDF = (SAMPLES / "balcony-tomatoes.pdf").read_bytes()
PATH = "/api/v1/documents/guide"


def kept() -> list[Path]:
    return sorted(Path(wiring.local_copies()._folder.name).iterdir())
