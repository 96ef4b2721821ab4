"""Moves the search index to this release's model, when an earlier release has made it with another one.

Searches use the earlier vectors until each chunk has a new one: both models are configured meanwhile, and new files get
vectors of both. It is the move that docs/models.md describes, with an operator's steps made here.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from chalicelib.errors import Conflict
from chalicelib.ops.search.generations import Wanted, begin_as, promote
from chalicelib.stores.accounts import users
from chalicelib.stores.postgres.postgres import OperatorsDatabase
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import generations
from chalicelib.stores.work import tasks
from local.children import Say

EARLIER = {("all-MiniLM-L6-v2", 384)}  # models that the local server still has
_ASK_AGAIN_S = 1.0


def find_earlier_model(admin_url: str) -> tuple[str, int] | None:
    """Return (model, dimensions) of the live index if an earlier release made it."""
    with _operators(admin_url) as db:
        live = db.transact_as_operator(generations.find_live_model)
    return live if live in EARLIER else None


def settings_of_move(settings: Mapping[str, str], earlier: tuple[str, int] | None) -> dict[str, str]:
    """Return what is to be set beside `settings` while the index moves away from `earlier`; {} if it does not move."""
    if earlier is None or earlier == _model_of(settings) or "NEXT_EMBEDDING_MODEL" in settings:
        return {}
    return {
        "NEXT_EMBEDDING_PROVIDER": "openai",
        "NEXT_EMBEDDING_MODEL": earlier[0],
        "NEXT_EMBEDDING_DIMENSIONS": str(earlier[1]),
        "NEXT_EMBEDDINGS_URL": settings["EMBEDDINGS_URL"],
    }


def move_index(
    admin_url: str, settings: Mapping[str, str], *, say: Say, is_over: threading.Event
) -> threading.Thread | None:
    """Fill the set of the settings' model and make it the live one, in a thread; return None if nothing is to move.

    `settings` are those of a stack that was started with settings_of_move. When the stack is stopped before the end,
    its next start goes on there.
    """
    if (
        settings.get("NEXT_EMBEDDING_MODEL"),
        int(settings.get("NEXT_EMBEDDING_DIMENSIONS") or 0),
    ) not in EARLIER:
        return None
    model, dimensions = _model_of(settings)
    wanted = [Wanted(model=model, dimensions=dimensions)]
    user_id = settings["ANONYMOUS_USER"]

    def begin(tx: Tx) -> str:
        users.ensure(tx, user_id)
        return begin_as(tx, user_id, wanted)[0]

    def move() -> None:
        with _operators(admin_url) as db:
            while not is_over.is_set():
                run_id = db.transact_as_operator(begin)
                while _is_running(db, user_id, run_id):
                    if is_over.wait(_ASK_AGAIN_S):
                        return
                try:
                    promote(wanted, db=db)
                except Conflict:  # a file has come that an earlier worker embedded
                    is_over.wait(_ASK_AGAIN_S)
                    continue
                say(f"the search index has moved to {model}")
                return

    say(f"the search index moves to {model}; searches use the earlier one meanwhile")
    thread = threading.Thread(target=move, daemon=True, name="index-move")
    thread.start()
    return thread


def _is_running(db: OperatorsDatabase, user_id: str, run_id: str) -> bool:
    run = db.transact_as_operator(lambda tx: tasks.get_run(tx, user_id, run_id))
    return run.state in ("ready", "running")


def _model_of(settings: Mapping[str, str]) -> tuple[str, int]:
    return settings.get("EMBEDDING_MODEL", ""), int(settings.get("EMBEDDING_DIMENSIONS") or 0)


@contextmanager
def _operators(admin_url: str) -> Iterator[OperatorsDatabase]:
    db = OperatorsDatabase(admin_url, max_size=1)
    try:
        yield db
    finally:
        db.close()
