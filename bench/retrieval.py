"""Measures the quality of search: nDCG@10 and recall of the app's search and of its parts.

python -m bench.retrieval FOLDER [FOLDER ...] [--peer bm25s] [--queries N] [--without-passages]

A folder holds corpus.jsonl (_id, title, text), queries.jsonl (_id, text) and qrels.tsv (query,
document, grade). Every document becomes an item of one page and goes through the app's chunking,
index and search, in a separate Postgres, with each of the local models. Vectors are kept in
.local/bench for the next run. A peer is a library that is installed beside; it gets the same texts.
Then passages in long documents are measured: see bench.passages. At the end all nDCG@10 are printed
as the table of docs/search.md.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bench import passages
from bench.corpus import USER, Document, KeptEmbedder, database, load, read_lines, read_qrels
from chalicelib.model.search import ranking
from chalicelib.model.search.filters import Filters
from chalicelib.model.search.lexical import for_tsvector
from chalicelib.model.search.listing import Cut
from chalicelib.ops.search.search import search_items
from chalicelib.stores.postgres.postgres import Database
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import lookup as search
from chalicelib.stores.search.lookup import SearchScope
from local.models import minilm
from local.models.text_models import MODEL

DEPTH = 100
System = Callable[[str], list[str]]
TS_RANK_CD = """
    SELECT item_id FROM (
        SELECT item_id, max(ts_rank_cd(to_tsvector('english', text), q)) AS rank
        FROM chunks, websearch_to_tsquery('english', %(query)s) q
        WHERE user_id = %(user_id)s AND to_tsvector('english', text) @@ q GROUP BY item_id
    ) ranked ORDER BY rank DESC, item_id LIMIT %(limit)s
"""


def systems(db: Database, embedder: KeptEmbedder) -> dict[str, System]:
    """Return the systems to compare: the app's search, each of its two halves, and Postgres' own ranking."""

    def fused(query: str) -> list[str]:
        answer = search_items(
            USER,
            query,
            filters=Filters(),
            cut=Cut(limit=DEPTH, include_weaker=True),
            db=db,
            embedder=embedder,
        )
        return [hit.passage.item_id for hit in answer.hits]

    def lexical(query: str) -> list[str]:
        def read(tx: Tx, scope: SearchScope) -> list[str]:
            pages = search.list_lexical(tx, scope, for_tsvector(query), filters=Filters(), depth=DEPTH)
            return [item_id for item_id, _ in pages]

        return _read(db, read)

    def semantic(query: str) -> list[str]:
        vector = embedder.embed([query], purpose="query", timeout_s=60)[0]

        def read(tx: Tx, scope: SearchScope) -> list[str]:
            near = search.list_semantic(tx, scope, vector, filters=Filters(), depth=ranking.NEAREST_CHUNKS)
            return list(dict.fromkeys(chunk.item_id for chunk in near))[:DEPTH]

        return _read(db, read)

    def plain(query: str) -> list[str]:
        rows = db.transact(USER, lambda tx: tx.all(TS_RANK_CD, query=query, user_id=USER, limit=DEPTH))
        return [row["item_id"] for row in rows]

    of_model = {f"search, {embedder.model}": fused, f"vectors, {embedder.model}": semantic}
    return {**of_model, "BM25": lexical, "ts_rank_cd": plain} if embedder.model == MODEL else of_model


def _read(db: Database, work: Callable[[Tx, SearchScope], list[str]]) -> list[str]:
    def read(tx: Tx) -> list[str]:
        scope = search.find_scope(tx, USER)
        assert scope is not None
        return work(tx, scope)

    return db.transact(USER, read)


def bm25s_system(documents: Sequence[Document]) -> System:
    """Return BM25 of the library bm25s, with its own defaults: k1 1.5, b 0.75, English stop words, no stemming."""
    import bm25s

    index = bm25s.BM25()
    index.index(bm25s.tokenize([document.text for document in documents], show_progress=False))

    def find(query: str) -> list[str]:
        tokens = bm25s.tokenize(query, show_progress=False)
        found, _ = index.retrieve(tokens, k=min(DEPTH, len(documents)), show_progress=False)
        return [documents[place].id for place in found[0]]

    return find


PEERS = {"bm25s": bm25s_system}


def ndcg(found: Sequence[str], grades: dict[str, int], *, at: int = 10) -> float:
    """Return the normalised discounted cumulative gain with linear gain, as trec_eval's ndcg_cut."""

    def dcg(gains: Iterable[int]) -> float:
        return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))

    ideal = dcg(sorted(grades.values(), reverse=True)[:at])
    return dcg(grades.get(document, 0) for document in found[:at]) / ideal if ideal else 0.0


def recall(found: Sequence[str], grades: dict[str, int], *, at: int) -> float:
    relevant = {document for document, grade in grades.items() if grade > 0}
    return len(relevant.intersection(found[:at])) / len(relevant) if relevant else 0.0


def read_folder(folder: Path) -> tuple[list[Document], list[tuple[str, dict[str, int]]]]:
    """Return the documents, and (text, grades by document) of each query."""
    documents = [
        Document(id=row["_id"], text=f"{row['title']}\n\n{row['text']}".strip())
        for row in read_lines(folder / "corpus.jsonl")
    ]
    qrels = read_qrels(folder / "qrels.tsv")
    rows = read_lines(folder / "queries.jsonl")
    return documents, [(row["text"], qrels[row["_id"]]) for row in rows if row["_id"] in qrels]


def measure(folder: Path, peers: Sequence[str], *, most: int | None) -> dict[str, float]:
    """Print the figures of all systems, of at most `most` queries; return each one's nDCG@10."""
    documents, queries = read_folder(folder)
    queries = queries[:: max(1, len(queries) // most)] if most else queries
    print(f"  {'':28}nDCG@10  recall@10  recall@100  ms a query")
    scores = {}
    for name in peers:
        scores[name] = _score(name, PEERS[name](documents), queries)
    for model in (MODEL, minilm.MODEL):
        with database() as db:
            kept = KeptEmbedder(Path(".local/bench") / f"{folder.name}-{model}.npz", model=model)
            load(documents, db=db, embedder=kept)
            for name, system in systems(db, kept).items():
                scores[name] = _score(name, system, queries)
            kept.keep()
    return scores


def _score(name: str, system: System, queries: Sequence[tuple[str, dict[str, int]]]) -> float:
    start = time.perf_counter()
    found = [(system(text), grades) for text, grades in queries]
    each_ms = (time.perf_counter() - start) * 1000 / len(queries)
    gain, first, deep = (
        sum(scores) / len(found)
        for scores in (
            [ndcg(hits, grades) for hits, grades in found],
            [recall(hits, grades, at=10) for hits, grades in found],
            [recall(hits, grades, at=100) for hits, grades in found],
        )
    )
    print(f"  {name:28}{gain:7.3f}  {first:9.3f}  {deep:10.3f}  {each_ms:10.1f}", flush=True)
    return gain


def print_table(scores: dict[str, dict[str, float]]) -> None:
    """Print nDCG@10 as Markdown: a row a set, a column a system."""
    names = list(dict.fromkeys(name for each in scores.values() for name in each))
    print(f"\n| nDCG@10 | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for folder, each in scores.items():
        print(f"| {folder} | {' | '.join(f'{each[name]:.3f}' for name in names)} |")


def main() -> None:
    assert __doc__
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--peer", action="append", default=[], choices=sorted(PEERS))
    parser.add_argument("--without-passages", action="store_true")
    parser.add_argument("--queries", type=int, metavar="N", help="about so many of each set, evenly spread")
    arguments = parser.parse_args()
    scores = {}
    for folder in arguments.folders:
        print(folder.name)
        scores[folder.name] = measure(folder, arguments.peer, most=arguments.queries)
        if not arguments.without_passages:
            with database() as db:
                kept = KeptEmbedder(Path(".local/bench") / f"{folder.name}-long-{MODEL}.npz")
                passages.measure(folder, db=db, embedder=kept)
    print_table(scores)


if __name__ == "__main__":
    main()
