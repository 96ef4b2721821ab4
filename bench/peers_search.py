"""Other engines' search among one tenant's chunks, beside the app's own: the same texts, vectors and queries.

bm25s has words alone, chroma and bare pgvector (HNSW, no tenants, no words) vectors alone, LanceDB both. Each builds
its index in a process of its own and answers every query once to warm up; then the mean CPU of a query counts, that of
its Postgres included.
"""

import json
import random
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import psycopg2

from bench.figures import note
from bench.search import DIMENSIONS, WEIGHTS, WORDS, RandomEmbedder, database, fill
from bench.server import cpu_s, server_of
from chalicelib.model.search.filters import Filters
from chalicelib.model.search.listing import Cut
from chalicelib.ops.search.search import search_items

CHUNKS, QUERIES, ROUNDS, DEPTH = 2_000, 20, 10, 10
SHARED = """
import json, os, sys, time
import numpy as np
folder, url, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
data = json.load(open(folder + "/data.json"))
texts, queries = data["texts"], data["queries"]
vectors, asked = np.load(folder + "/vectors.npy"), np.load(folder + "/asked.npy")
def server_s():
    return 0.0
def measure(search):
    for query, vector in zip(queries, asked):
        search(query, vector)
    began = time.process_time() + server_s()
    for _ in range(rounds):
        for query, vector in zip(queries, asked):
            search(query, vector)
    print((time.process_time() + server_s() - began) * 1000 / rounds / len(queries))
"""
ENGINES = {
    "bm25s": """
import bm25s
index = bm25s.BM25()
index.index(bm25s.tokenize(texts, stopwords=None, show_progress=False), show_progress=False)
def search(query, vector):
    tokens = bm25s.tokenize([query], stopwords=None, show_progress=False)
    return index.retrieve(tokens, k=10, show_progress=False)
""",
    "chroma": """
import chromadb
client = chromadb.PersistentClient(folder + "/chroma", chromadb.Settings(anonymized_telemetry=False))
chunks = client.create_collection("chunks", metadata={"hnsw:space": "cosine"}, embedding_function=None)
for at in range(0, len(texts), 1000):
    rows = range(at, min(at + 1000, len(texts)))
    chunks.add(ids=[str(n) for n in rows], documents=[texts[n] for n in rows], embeddings=vectors[rows.start:rows.stop])
def search(query, vector):
    return chunks.query(query_embeddings=[vector], n_results=10)
""",
    "LanceDB": """
import lancedb
table = lancedb.connect(folder + "/lance").create_table(
    "chunks", [{"id": n, "text": t, "vector": v} for n, (t, v) in enumerate(zip(texts, vectors))])
table.create_fts_index("text")
def search(query, vector):
    return table.search(query_type="hybrid").vector(vector).text(query).limit(10).to_list()
""",
    "pgvector": """
import psycopg2
from pgvector.psycopg2 import register_vector
connection = psycopg2.connect(url)
connection.autocommit = True
cursor = connection.cursor()
register_vector(connection)
cursor.execute(f"CREATE UNLOGGED TABLE peer (id int, v vector({vectors.shape[1]}))")
for n, v in enumerate(vectors):
    cursor.execute("INSERT INTO peer VALUES (%s, %s)", (n, v))
cursor.execute("CREATE INDEX ON peer USING hnsw (v vector_cosine_ops)")
def server_s():
    with open(f"/proc/{connection.info.backend_pid}/stat") as file:
        return sum(map(int, file.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")
def search(query, vector):
    cursor.execute("SELECT id FROM peer ORDER BY v <=> %s LIMIT 10", (vector,))
    return cursor.fetchall()
""",
}


def measure(python: Path) -> bool:
    """Print the engines' CPU beside ours. Return whether ours is as good as stated."""
    draw = random.Random(11)  # noqa: S311  repeatable, not secret
    queries = [" ".join(draw.choices(WORDS, WEIGHTS, k=8)) for _ in range(QUERIES)]
    with database() as (db, _, admin_url), tempfile.TemporaryDirectory() as folder:
        embedder = RandomEmbedder()
        fill(db, "big", CHUNKS, embedder, random.Random(7))  # noqa: S311
        _analyze(admin_url)
        texts = db.transact(
            "big", lambda tx: [row["text"] for row in tx.all("SELECT text FROM chunks ORDER BY id")]
        )
        (Path(folder) / "data.json").write_text(json.dumps({"texts": texts, "queries": queries}))
        for name, count in (("vectors", CHUNKS), ("asked", QUERIES)):
            found = np.array(RandomEmbedder().embed(["x"] * count, timeout_s=1), dtype=np.float32)
            np.save(Path(folder) / f"{name}.npy", found)

        took = {name: _run(python, name, program, folder, admin_url) for name, program in ENGINES.items()}
        cut = Cut(limit=DEPTH, include_weaker=True)

        def ours() -> None:
            for query in queries:
                search_items("big", query, filters=Filters(), cut=cut, db=db, embedder=embedder)

        ours()
        server = server_of(admin_url)
        began = time.process_time() + cpu_s(server)
        for _ in range(ROUNDS):
            ours()
        mine = (time.process_time() + cpu_s(server) - began) * 1000 / ROUNDS / QUERIES
    print(
        f"search among {CHUNKS:,} chunks of {DIMENSIONS} dimensions: ours {mine:.1f} CPU ms, words and vectors"
    )
    for name, ms in took.items():
        print(f"  {name:10} {ms:5.1f} ms" if ms else f"  {name:10} is left out")
    hybrid = took["LanceDB"]
    return not hybrid or note("peers.search", mine / hybrid)


def _analyze(url: str) -> None:
    """Have Postgres count the rows, as its own process does within a minute."""
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    connection.close()


def _run(python: Path, name: str, program: str, folder: str, url: str) -> float | None:
    command = [str(python), "-c", SHARED + program + "\nmeasure(search)", folder, url, str(ROUNDS)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        text = error.stderr if isinstance(error.stderr, str) else str(error)
        print(f"{name} does not run: {text.splitlines()[-1]}")
        return None
    return float(ran.stdout.splitlines()[-1])
