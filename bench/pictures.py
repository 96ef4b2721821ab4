"""Measures which pictures are called similar: `python -m bench.pictures FOLDER`.

The folder has photographs whose names begin with what they show: "cat--on-a-wall.jpg". Precision at 3: how many of the
three nearest show the same, by the classifier's vectors and by the captions, over all that have three of their kind.
"""

import argparse
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chalicelib.providers import AnalysisRequest
from local.models.classifier import ImageClassifier
from local.models.image_analyzer import ImageAnalyzer
from local.models.minilm import MiniLM, model_folder
from local.models.ocr import TextReader
from local.models.words import Words

_SIDE_PX = 1000


def precision(likeness: NDArray[np.floating], kinds: list[str], *, at: int = 3) -> tuple[float, int]:
    """Return the mean precision, and over how many pictures it is taken."""
    shares = []
    for place, kind in enumerate(kinds):
        order = [int(other) for other in np.argsort(-likeness[place]) if other != place]
        if kinds.count(kind) > at:
            shares.append(sum(kinds[other] == kind for other in order[:at]) / at)
    return sum(shares) / len(shares), len(shares)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure which pictures are called similar.")
    parser.add_argument("folder", type=Path)
    paths = sorted(each for each in parser.parse_args().folder.iterdir() if "--" in each.name)
    analyzer = ImageAnalyzer(reader=TextReader(), classifier=ImageClassifier(), words=Words(model_folder()))
    captions, vectors = list[str](), list[NDArray[np.floating]]()
    for number, path in enumerate(paths):
        image, jpeg = Image.open(path).convert("RGB"), BytesIO()
        image.thumbnail((_SIDE_PX, _SIDE_PX))
        image.save(jpeg, "JPEG")
        analysis = analyzer.analyze(
            AnalysisRequest(
                kind="image",
                name=f"{number}.jpg",
                media_type="image/jpeg",
                preview_jpeg=jpeg.getvalue(),
                text="",
            )
        )
        captions.append("\n".join([analysis.summary, *analysis.labels]))
        vectors.append(np.array(analysis.picture or np.zeros(1)))
    kinds = [path.name.partition("--")[0] for path in paths]
    size = max(vector.size for vector in vectors)
    shown = np.stack([np.resize(vector, size) if vector.any() else np.zeros(size) for vector in vectors])
    texts = MiniLM().encode(captions)
    for name, likeness in (("what they show", shown @ shown.T), ("captions", texts @ texts.T)):
        share, count = precision(likeness, kinds)
        print(f"{name:16} precision@3 {share:.3f} over {count} photographs")


if __name__ == "__main__":
    main()
