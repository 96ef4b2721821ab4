"""Measures the quality of search: nDCG@10 and recall of the app's search and of its parts.

python -m bench.retrieval FOLDER [FOLDER ...]

A folder holds corpus.jsonl (_id, title, text), queries.jsonl (_id, text) and qrels.tsv (query,
document, grade). Every document becomes an item of one page and goes through the app's chunking,
index and search, in a separate Postgres. Vectors are kept in .local/bench for the next run.
Then passages in long documents are measured: see bench.passages.
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
from chalicelib.model.search.listing import Cut
from chalicelib.ops.search.search import search_items
from chalicelib.stores.postgres.postgres import Database
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import lookup as search

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

    def half(query: str, *, lexical: bool) -> list[str]:
        def read(tx: Tx) -> list[str]:
            scope = search.find_scope(tx, USER)
            assert scope is not None
            if lexical:
                pages = search.list_lexical(tx, scope, query, filters=Filters(), depth=DEPTH)
                return [item_id for item_id, _ in pages]
            vector = embedder.embed([query], timeout_s=60)[0]
            near = search.list_semantic(tx, scope, vector, filters=Filters(), depth=ranking.NEAREST_CHUNKS)
            return list(dict.fromkeys(chunk.item_id for chunk in near))[:DEPTH]

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
    """Return the normalised discounted cumulative gain with linear gain, as trec_eval's ndcg_cut."""

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


def main() -> None:
    assert __doc__
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    for folder in parser.parse_args().folders:
        print(folder.name)
        for what, kept in ((measure, folder.name), (passages.measure, f"{folder.name}-long")):
            with database() as db:
                what(folder, db=db, embedder=KeptEmbedder(Path(".local/bench") / f"{kept}.npz"))


if __name__ == "__main__":
    main()
