"""Measures what the search leaves out as not relevant: `python -m bench.relevance FOLDER FOLDER [...]`.

Folders as for bench.retrieval. Each set's documents are asked its own queries, and those of every other set, which
nothing in them answers. `--documents` and `--queries` take a part of a set: the judged documents of these queries
first.

It measures the local model. With `--configured` it measures the embedder that the environment chooses
(EMBEDDING_PROVIDER and its key, or EMBEDDINGS_URL), and each text is sent there. A bound between the nearest hits of
foreign queries and those of own ones belongs into chalicelib/model/search/embedding_models.py.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.corpus import USER, Document, KeptEmbedder, Qrels, database, load, read_lines, read_qrels
from chalicelib import wiring
from chalicelib.model.search.filters import Filters
from chalicelib.model.search.listing import Cut
from chalicelib.model.search.ranking import RELEVANT
from chalicelib.ops.search.search import search_items
from chalicelib.stores.postgres.postgres import Database
from local.models.text_models import MODEL

AT = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A part of a test set."""

    name: str
    documents: list[Document]
    queries: list[tuple[str, str]]
    qrels: Qrels


def read_part(folder: Path, *, documents: int, queries: int) -> Part:
    qrels = read_qrels(folder / "qrels.tsv")
    asked = [(row["_id"], row["text"]) for row in read_lines(folder / "queries.jsonl") if row["_id"] in qrels]
    step = max(1, len(asked) // queries)
    asked = asked[::step][:queries]
    judged = {document_id for query_id, _ in asked for document_id in qrels[query_id]}
    rows = sorted(read_lines(folder / "corpus.jsonl"), key=lambda row: row["_id"] not in judged)
    texts = [Document(id=row["_id"], text=f"{row['title']}\n\n{row['text']}".strip()) for row in rows]
    return Part(name=folder.name, documents=texts[:documents], queries=asked, qrels=qrels)


def measure(part: Part, others: list[Part], *, db: Database, embedder: KeptEmbedder) -> None:
    nearest: list[float] = []

    def hits(query: str) -> list[tuple[str, bool]]:
        cut = Cut(limit=AT, include_weaker=True)
        found = search_items(USER, query, filters=Filters(), cut=cut, db=db, embedder=embedder).hits
        nearest.append(max((hit.rank.semantic_score or 0.0 for hit in found), default=0.0))
        return [(hit.passage.item_id, (hit.relevance or 0.0) >= RELEVANT) for hit in found]

    own = [(hits(text), part.qrels[query_id]) for query_id, text in part.queries]
    shown = [(kept, grades.get(item, 0) > 0) for found, grades in own for item, kept in found]
    good, kept = sum(is_good for _, is_good in shown), sum(is_kept for is_kept, _ in shown)
    both = sum(is_kept and is_good for is_kept, is_good in shown)
    print(
        f"  {part.name:14} own queries: {_share(sum(any(k for _, k in found) for found, _ in own), len(own))} keep a"
        f" hit, {_share(both, good)} of the judged hits are kept; of the hits {_share(good, len(shown))} are judged"
        f" relevant, of the kept ones {_share(both, kept)}; {kept / len(own):.1f} of {len(shown) / len(own):.1f} kept"
    )
    print_nearest(nearest)
    for other in others:
        nearest.clear()
        found = [hits(text) for _, text in other.queries]
        answered = sum(any(is_kept for _, is_kept in each) for each in found)
        many = sum(is_kept for each in found for _, is_kept in each) / len(found)
        print(
            f"  {part.name:14} asked {other.name}: {_share(answered, len(found))} keep a hit, {many:.2f} kept"
        )
        print_nearest(nearest)


def print_nearest(cosines: list[float]) -> None:
    shown = (f"{percent}% {np.percentile(cosines, percent):.2f}" for percent in (1, 5, 50, 95, 99))
    print(f"  {'':14} cosine of the nearest hit: {', '.join(shown)}")


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def main() -> None:
    assert __doc__
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=100_000)
    parser.add_argument("--configured", action="store_true")
    given = parser.parse_args()
    configured = wiring.embedder() if given.configured else None
    model = configured.model if configured else MODEL
    parts = [read_part(each, documents=given.documents, queries=given.queries) for each in given.folders]
    for part in parts:
        others = [other for other in parts if other is not part]
        with database() as db:
            file = Path(".local/bench") / f"{part.name}-relevance-{model.replace('/', '-')}.npz"
            embedder = KeptEmbedder(file, model=model, embedder=configured)
            load(part.documents, db=db, embedder=embedder)
            measure(part, others, db=db, embedder=embedder)
            embedder.keep()


if __name__ == "__main__":
    main()
