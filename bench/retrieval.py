"""Prints how well search finds what it should: nDCG@10 and recall of the app's own search, beside its parts.

python -m bench.retrieval FOLDER [FOLDER ...]

A folder holds corpus.jsonl (_id, title, text), queries.jsonl (_id, text) and qrels.tsv (query,
document, grade). Every document becomes an item of one page and goes through the app's chunking,
index and search, in a Postgres of its own. Vectors are kept in .local/bench for the next run.
"""

import argparse
import hashlib
import json
import math
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chalicelib.model import ranking
from chalicelib.model.chunking import chunk_pages
from chalicelib.model.files import Page
from chalicelib.model.items import parse_key
from chalicelib.model.pipeline import ItemRef
from chalicelib.ops.search import search_items
from chalicelib.stores import chunks, index, items, search, users
from chalicelib.stores.migrate import migrate, set_app_password
from chalicelib.stores.postgres import Database
from chalicelib.stores.search import Filters
from chalicelib.stores.tx import Tx
from local.models.minilm import MiniLM
from local.postgres import start_postgres, stop_postgres

USER = "bench"
DEPTH = 100
Qrels = dict[str, dict[str, int]]
System = Callable[[str], list[str]]
TS_RANK_CD = """
    SELECT item_id FROM (
        SELECT item_id, max(ts_rank_cd(to_tsvector('english', text), q)) AS rank
        FROM chunks, websearch_to_tsquery('english', %(query)s) q
        WHERE user_id = %(user_id)s AND to_tsvector('english', text) @@ q GROUP BY item_id
    ) ranked ORDER BY rank DESC, item_id LIMIT %(limit)s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """Form feeds in its text part pages."""

    id: str
    text: str


class KeptEmbedder:
    """The local model behind the app's Protocol, each vector computed once and kept in a file."""

    model = "all-MiniLM-L6-v2"
    dimensions = 384

    def __init__(self, file: Path) -> None:
        self._file = file
        self._model = MiniLM()
        self._known: dict[str, np.ndarray] = {}
        if file.exists():
            with np.load(file) as kept:
                self._known = dict(zip(kept["keys"].tolist(), kept["vectors"], strict=True))
        self._kept = len(self._known)

    def embed(self, texts: Sequence[str], *, timeout_s: float) -> list[list[float]]:
        keys = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
        if new:
            self._known |= dict(zip(new, self._model.encode(list(new.values())), strict=True))
        return [self._known[key].tolist() for key in keys]

    def keep(self) -> None:
        if len(self._known) == self._kept:
            return
        self._kept = len(self._known)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(self._file, keys=np.array(list(self._known)), vectors=np.stack(list(self._known.values())))


def load(documents: Sequence[Document], *, db: Database, embedder: KeptEmbedder) -> None:
    """Index the documents as the pipeline does, in transactions of fifty; their vectors are kept."""

    def write(tx: Tx, document: Document) -> None:
        users.ensure(tx, USER)
        set_id = index.ensure_set(tx, model=embedder.model, dimensions=embedder.dimensions)
        ref = ItemRef(user_id=USER, item_id=items.insert(tx, parse_key(f"{USER}/{document.id}"), etag=None))
        items.set_status(tx, ref, "READY")
        chunks.insert(tx, ref, "text", chunk_pages(_pages(document.text)))
        rows = chunks.list_unembedded(tx, ref, set_id=set_id, after=0, limit=10_000)
        vectors = embedder.embed([row["text"] for row in rows], timeout_s=60)
        index.add_vectors(tx, USER, set_id=set_id, ids=[row["id"] for row in rows], vectors=vectors)
        index.add_item(tx, ref)

    for start in range(0, len(documents), 50):
        some = documents[start : start + 50]
        # All at once, so that the model gets full batches, and no transaction waits for it.
        drafts = (draft for document in some for draft in chunk_pages(_pages(document.text)))
        embedder.embed([draft.text for draft in drafts], timeout_s=60)
        embedder.keep()
        db.transact(USER, lambda tx, some=some: [write(tx, document) for document in some])  # type: ignore[misc]
        print(f"\r  indexed {start + len(some):,} of {len(documents):,}", end="", flush=True)
    print()


def systems(db: Database, embedder: KeptEmbedder) -> dict[str, System]:
    """The app's search, its two halves alone, and what Postgres offers by itself."""

    def fused(query: str) -> list[str]:
        answer = search_items(USER, query, filters=Filters(), limit=DEPTH, db=db, embedder=embedder)
        return [hit.passage["item_id"] for hit in answer.hits]

    def half(query: str, *, lexical: bool) -> list[str]:
        def read(tx: Tx) -> list[str]:
            scope = search.find_scope(tx, USER)
            assert scope is not None
            if lexical:
                pages = search.list_lexical(tx, scope, query, filters=Filters(), depth=DEPTH)
                return [item_id for item_id, _ in pages]
            vector = embedder.embed([query], timeout_s=60)[0]
            rows = search.list_semantic(tx, scope, vector, filters=Filters(), depth=ranking.NEAREST_CHUNKS)
            return list(dict.fromkeys(row["item_id"] for row in rows))[:DEPTH]

        return db.transact(USER, read)

    def plain(query: str) -> list[str]:
        rows = db.transact(USER, lambda tx: tx.all(TS_RANK_CD, query=query, user_id=USER, limit=DEPTH))
        return [row["item_id"] for row in rows]

    return {
        "hybrid (the app's search)": fused,
        "BM25 alone": lambda query: half(query, lexical=True),
        "vectors alone": lambda query: half(query, lexical=False),
        "plain ts_rank_cd": plain,
    }


def ndcg(found: Sequence[str], grades: dict[str, int], *, at: int = 10) -> float:
    """Normalised discounted cumulative gain, linear gain (as trec_eval's ndcg_cut)."""

    def dcg(gains: Iterable[int]) -> float:
        return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))

    ideal = dcg(sorted(grades.values(), reverse=True)[:at])
    return dcg(grades.get(document, 0) for document in found[:at]) / ideal if ideal else 0.0


def recall(found: Sequence[str], grades: dict[str, int], *, at: int) -> float:
    relevant = {document for document, grade in grades.items() if grade > 0}
    return len(relevant.intersection(found[:at])) / len(relevant) if relevant else 0.0


def measure(folder: Path, *, db: Database, embedder: KeptEmbedder) -> None:
    documents = [
        Document(id=row["_id"], text=f"{row['title']}\n\n{row['text']}".strip())
        for row in read_lines(folder / "corpus.jsonl")
    ]
    load(documents, db=db, embedder=embedder)
    qrels = read_qrels(folder / "qrels.tsv")
    queries = [
        (row["_id"], row["text"]) for row in read_lines(folder / "queries.jsonl") if row["_id"] in qrels
    ]
    print(f"  {'':28}nDCG@10  recall@10  recall@100  ms a query")
    for name, system in systems(db, embedder).items():
        start = time.perf_counter()
        found = [(system(text), qrels[query_id]) for query_id, text in queries]
        each_ms = (time.perf_counter() - start) * 1000 / len(queries)
        means = [
            sum(scores) / len(found)
            for scores in (
                [ndcg(hits, grades) for hits, grades in found],
                [recall(hits, grades, at=10) for hits, grades in found],
                [recall(hits, grades, at=100) for hits, grades in found],
            )
        ]
        print(f"  {name:28}{means[0]:7.3f}  {means[1]:9.3f}  {means[2]:10.3f}  {each_ms:10.1f}")


def read_lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def read_qrels(path: Path) -> Qrels:
    qrels: Qrels = defaultdict(dict)
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        query_id, document_id, grade = line.split("\t")
        qrels[query_id][document_id] = int(grade)
    return dict(qrels)


def _pages(text: str) -> list[Page]:
    return [Page(number=number, text=page) for number, page in enumerate(text.split("\f"), 1)]


@contextmanager
def database() -> Iterator[Database]:
    """An empty migrated database, gone afterwards."""
    with tempfile.TemporaryDirectory() as state:
        url = start_postgres(Path(state), 0, fsync=False)
        try:
            migrate(url)
            set_app_password(url, "bench")
            db = Database(url.replace("//postgres@", "//collections_app:bench@"), max_size=2, timeout_s=300)
            yield db
            db.close()
        finally:
            stop_postgres(Path(state))


def main() -> None:
    assert __doc__
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    for folder in parser.parse_args().folders:
        print(folder.name)
        with database() as db:
            measure(folder, db=db, embedder=KeptEmbedder(Path(".local/bench") / f"{folder.name}.npz"))


if __name__ == "__main__":
    main()
