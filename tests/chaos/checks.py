"""Checks of what must be true when all is over, and the figures of a run."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from chalicelib.model.ingest.files import REASONS
from chalicelib.model.library.items import DERIVED_PREFIX
from tests.chaos.ground import Ground
from tests.chaos.uploads import Upload

MOST_PROVIDER_CALLS = 1.05
MOST_MESSAGES = 1.3
LEAST_COUNTED = 200  # a crash repeats what is under way, however small the run
OF_AN_ITEM = ("tasks", "analyses", "chunks", "outbox", "item_events")

# Each answers rows only where something is wrong.
WRONG = {
    "tasks that are not over": "SELECT user_id, item_id, stage, state FROM tasks WHERE state IN ('ready', 'running')",
    "events that did not go out": "SELECT item_id, detail_type FROM outbox WHERE published_at IS NULL",
    "objects still to be deleted": "SELECT key FROM object_deletions",
    "items that failed without a reason": """SELECT user_id, id FROM items
        WHERE status = 'FAILED' AND (failure_code IS NULL OR coalesce(failure_message, '') = '')""",
    "items without exactly one analysis, the current one": """SELECT i.user_id, i.id, count(a.id) FROM items i
        LEFT JOIN analyses a ON a.user_id = i.user_id AND a.item_id = i.id WHERE i.status = 'READY'
        GROUP BY 1, 2 HAVING count(a.id) <> 1 OR count(a.id) FILTER (WHERE a.is_current) <> 1""",
    "items without chunks": """SELECT i.user_id, i.id FROM items i WHERE i.status = 'READY'
        AND NOT EXISTS (SELECT FROM chunks c WHERE c.user_id = i.user_id AND c.item_id = i.id)""",
    "chunks without exactly one vector": """SELECT c.item_id, c.id, count(v.chunk_id) FROM chunks c
        LEFT JOIN vectors v ON v.chunk_id = c.id GROUP BY 1, 2 HAVING count(v.chunk_id) <> 1""",
    "stages finished more than once": """SELECT item_id, stage, count(*) FROM item_events
        WHERE event = 'finished' GROUP BY user_id, item_id, stage HAVING count(*) > 1""",
    "stages of READY items that were not finished": """SELECT i.id FROM items i LEFT JOIN tasks t
        ON t.user_id = i.user_id AND t.item_id = i.id AND t.state = 'done'
        WHERE i.status = 'READY' GROUP BY i.user_id, i.id HAVING count(t.stage) <> 3""",
    "document frequencies that are not the postings'": """SELECT * FROM term_df FULL JOIN
        (SELECT owner, term, count(*) AS found FROM postings GROUP BY 1, 2) p USING (owner, term)
        WHERE n IS DISTINCT FROM found""",
    "lengths that are not the postings'": """SELECT s.owner, s.total_length, sum(p.tf) FROM corpus_stats s
        LEFT JOIN postings p USING (owner) GROUP BY 1, 2 HAVING s.total_length <> coalesce(sum(p.tf), 0)""",
    "page counts that are not the pages'": """SELECT s.owner, s.pages, count(p.id) FROM corpus_stats s
        JOIN users u ON u.number = s.owner LEFT JOIN pages p ON p.user_id = u.id
        GROUP BY 1, 2 HAVING s.pages <> count(p.id)""",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """`wrong` is empty when all is well."""

    title: str
    figures: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        width = max(map(len, self.figures), default=0)
        lines = [self.title, *(f"  {name:<{width}}  {value}" for name, value in self.figures.items())]
        return "\n".join([*lines, *(f"  WRONG: {each}" for each in self.wrong)])


def timeline(ground: Ground, key: str) -> str:
    """Return what happened to the item of this upload, in order."""
    events = ground.sql(
        "SELECT e.event, e.stage, e.attempt, e.at::time(1) FROM item_events e"
        f" JOIN uploads u USING (user_id, item_id) WHERE u.key = '{key}' ORDER BY e.id"
    )
    return "; ".join(" ".join(str(part) for part in event if part is not None) for event in events)


def all_about(ground: Ground, item: tuple[str, str] | None) -> list[Any]:
    """All rows of one user's item, to be compared; none when there is no item.

    Whether a task has a message is left out: any worker of the user may send one.
    """
    if item is None:
        return []
    where = f"WHERE user_id = '{item[0]}' AND "
    rows = ground.sql(f"SELECT to_jsonb(i) FROM items i {where} id = '{item[1]}'")
    for table in OF_AN_ITEM:
        rows += ground.sql(
            f"SELECT to_jsonb(t) - 'woken_at' AS row FROM {table} t {where} item_id = '{item[1]}' ORDER BY 1"
        )
    vectors = "SELECT v.chunk_id FROM vectors v JOIN chunks c ON c.id = v.chunk_id"
    return rows + ground.sql(f"{vectors} {where} item_id = '{item[1]}' ORDER BY 1")


def find_wrong_rows(ground: Ground) -> list[str]:
    found = []
    for what, statement in WRONG.items():
        if rows := ground.sql(statement):
            found.append(f"{len(rows)} {what}, such as {rows[0]}")
    return found


def find_wrong_items(ground: Ground, uploads: Iterable[Upload]) -> list[str]:
    """Every upload is an item's, the same bytes the same item's, and it ended as it should."""
    rows = ground.sql(
        "SELECT u.key, i.user_id || ' ' || i.sha256, i.user_id || '/' || i.id, i.status, i.failure_code"
        " FROM uploads u JOIN items i ON i.user_id = u.user_id AND i.id = u.item_id"
    )
    found = {key: rest for key, *rest in rows}
    item_of: dict[str, str] = {}
    wrong = []
    for upload in uploads:
        piece, item, status, reason = found.get(upload.key, (None, "", "none", None))
        if status != upload.ends or (status == "FAILED" and reason not in REASONS):
            wrong.append(f"{upload.key} is {status} {reason or ''}, not {upload.ends}")
        elif piece != upload.piece or item_of.setdefault(upload.piece, item) != item:
            wrong.append(f"{upload.key} is not one item with the same bytes")
    ((items,),) = ground.sql("SELECT count(*) FROM items")
    if not wrong and items != len(item_of):
        wrong.append(f"{items} items of {len(item_of)} different files")
    return wrong


def find_wrong_objects(ground: Ground, uploads: Iterable[Upload]) -> list[str]:
    """The bucket holds the uploads, each item's two pictures, and nothing else."""
    kept = ground.sql("SELECT unnest(ARRAY[thumbnail_key, preview_key]) FROM items WHERE kind IS NOT NULL")
    wanted = {upload.key for upload in uploads} | {key for (key,) in kept}
    objects = ground.objects()
    wrong = [f"{key} is missing" for key in wanted - objects]
    return wrong + [f"{key} is nobody's" for key in objects - wanted if key.startswith(DERIVED_PREFIX)]


def compare(name: str, done: int, needed: int, most: float) -> tuple[dict[str, str], list[str]]:
    """(a figure, a complaint when too much was done)."""
    said = f"{done} / {needed} = {done / max(1, needed):.3f} (at most {most})"
    spare = (most - 1) * max(needed, LEAST_COUNTED)
    return {name: said}, [f"{name}: {said}"] if done > needed + spare else []


def count_calls(ground: Ground) -> tuple[dict[str, str], list[str]]:
    """Compare the calls of providers with what there was to ask: one analysis an item, one vector a chunk."""
    ((analyses, chunks),) = ground.sql(
        "SELECT (SELECT count(*) FROM analyses), (SELECT count(*) FROM chunks)"
    )
    said, wrong = compare(
        "analyses asked for / items", len(ground.providers.analyzed), analyses, MOST_PROVIDER_CALLS
    )
    more, too = compare(
        "texts embedded / chunks", len(ground.providers.embedded), chunks, MOST_PROVIDER_CALLS
    )
    return said | more, wrong + too


def count_messages(ground: Ground) -> tuple[dict[str, str], list[str]]:
    """Compare the messages that the queues were sent with the tasks that were ever woken."""
    ((tasks,),) = ground.sql("SELECT count(*) FROM tasks WHERE attempt > 0 OR woken_at IS NOT NULL")
    sent = sum(queue.sent for queue in ground.queues.values())
    return compare("messages / tasks", sent, tasks, MOST_MESSAGES)
