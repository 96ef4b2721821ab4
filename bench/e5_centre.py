"""Makes local/models/e5_centre.npy: what the vectors of multilingual-e5-small have in common, on average.

python -m bench.e5_centre FOLDER [FOLDER ...]

Each folder (of the form that bench.retrieval takes) stands for a language: the mean of 100 of its queries and 100 of
its texts. local/models/e5_sentences.txt stands for all other languages. The centre is the mean of these means.
"""

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.corpus import read_lines, read_qrels
from local.models.e5 import CENTRE_FILE, E5

SAMPLE, MOST_CHARS = 100, 600
SENTENCES = CENTRE_FILE.with_name("e5_sentences.txt")


def sample(texts: Sequence[str]) -> list[str]:
    by_hash = sorted(set(texts), key=lambda text: hashlib.sha256(text.encode()).digest())
    return [text[:MOST_CHARS] for text in by_hash[:SAMPLE]]


def main() -> None:
    assert __doc__
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    lines = SENTENCES.read_text("utf-8").splitlines()
    sentences = [line for line in lines if not line.startswith("#")]
    pairs = [(sentences, sentences)]
    for folder in parser.parse_args().folders:
        asked = read_qrels(folder / "qrels.tsv")
        queries = [row["text"] for row in read_lines(folder / "queries.jsonl") if row["_id"] in asked]
        pairs.append((sample(queries), sample([row["text"] for row in read_lines(folder / "corpus.jsonl")])))
    model = E5()
    means = [
        np.concatenate(
            [model.encode_raw(queries, purpose="query"), model.encode_raw(texts, purpose="document")]
        ).mean(axis=0)
        for queries, texts in pairs
    ]
    np.save(CENTRE_FILE, np.mean(means, axis=0).astype(np.float32))
    print(f"{CENTRE_FILE}: the mean of {len(means)} means")


if __name__ == "__main__":
    main()
