"""Operator's actions on generations of the search index: estimate, begin, list, promote, go back."""

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import uuid4

from chalicelib.errors import Conflict, InvalidInput, NotFound
from chalicelib.model.usage.costs import cost_of, find_price
from chalicelib.model.usage.usage import Usage
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import generations, index
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import OperatorsDatabase

COMMANDS = {
    "estimate-reembed": "print how much text NEXT_EMBEDDING_MODEL would embed again, and about what it costs",
    "reembed": "begin to fill NEXT_EMBEDDING_MODEL's set beside the live one, as a run of this administrator",
    "generations": "print all generations of the search index",
    "promote": "make the generation that was built last the live one, in one transaction",
    "drop-retired": "delete the vectors of generations that are not live any more; there is no rollback then",
    "rollback": "make the generation that was live before the live one again, in one transaction",
}
CHARS_A_TOKEN = 4


def run_command(
    command: str,
    email: str,
    *,
    provider: str,
    model: str,
    dimensions: int,
    today: date,
    db: "OperatorsDatabase",
) -> str:
    """Run one of COMMANDS. Return the text to print. `provider`, `model` and `dimensions` are those to embed with next.

    Raise InvalidInput where a model is needed and none is configured; Conflict; NotFound.
    """
    if command == "generations":
        return (
            "\n".join(map(_line, db.transact_as_operator(generations.list_all))) or "nothing is embedded yet"
        )
    if command == "promote":
        return f"generation {promote(model, dimensions, db=db)} is live"
    if command == "rollback":
        return f"generation {roll_back(db=db)} is live again"
    if command == "drop-retired":
        return drop_retired(db=db)
    if not model:
        raise InvalidInput("NEXT_EMBEDDING_MODEL: must be set, to the model to embed with next")
    if command == "estimate-reembed":
        return estimate(provider, model, dimensions, today=today, db=db)
    return begin(email, model=model, dimensions=dimensions, db=db)


def estimate(provider: str, model: str, dimensions: int, *, today: date, db: "OperatorsDatabase") -> str:
    """Return what is still to be embedded, and about what that costs at the provider's list price."""

    def measure(tx: Tx) -> generations.Remaining:
        return generations.measure(tx, index.ensure_set(tx, model=model, dimensions=dimensions))

    left = db.transact_as_operator(measure)
    usage = Usage(provider=provider, model=model, input_tokens=left.chars // CHARS_A_TOKEN)
    cost: Decimal | None = cost_of(usage, find_price(usage, today))
    price = f"about {cost:.2f} US dollars" if cost is not None else "no list price is known"
    tokens = f"about {usage.input_tokens} tokens"
    return f"{left.chunks} chunks of {left.users} users, {tokens}, with {model} ({dimensions}): {price}"


def begin(email: str, *, model: str, dimensions: int, db: "OperatorsDatabase") -> str:
    """Make a run of this administrator that fills the model's set. The relay has it woken within a minute."""

    def make(tx: Tx) -> tuple[str, int]:
        user_id = generations.find_admin(tx, email)
        if user_id is None:
            raise NotFound(f"{email} is not an administrator.")
        return begin_as(tx, user_id, model=model, dimensions=dimensions)

    run_id, generation_id = db.transact_as_operator(make)
    return f"run {run_id} of {email} fills generation {generation_id}"


def begin_as(tx: Tx, user_id: str, *, model: str, dimensions: int) -> tuple[str, int]:
    """Make a run of this user that fills the model's set; return the ids of the run and of the generation."""
    run_id = str(uuid4())
    generation_id = generations.begin(tx, index.ensure_set(tx, model=model, dimensions=dimensions))
    given = {"generation_id": generation_id, "model": model, "dimensions": dimensions}
    tasks.insert_run(tx, user_id, run_id, kind="reembed", input=given)
    return run_id, generation_id


def promote(model: str, dimensions: int, *, db: "OperatorsDatabase") -> int:
    """Make the newest generation that is being built the live one; return its id. Raise Conflict while it has gaps.

    A set that a job has filled is made a generation first; `model` is "" when no next one is configured.
    """

    def change(tx: Tx) -> int:
        if model and generations.find_live_model(tx) != (model, dimensions):
            generations.begin(tx, index.ensure_set(tx, model=model, dimensions=dimensions))
        building = [each.id for each in generations.list_all(tx) if each.state == "building"]
        if not building:
            raise Conflict("No generation is being built; run reembed first.")
        generations.promote(tx, building[-1])
        return building[-1]

    return db.transact_as_operator(change)


def roll_back(*, db: "OperatorsDatabase") -> int:
    """Make the generation that was live before the live one again; return its id. Raise Conflict."""

    def change(tx: Tx) -> int:
        previous = generations.find_previous(tx)
        if previous is None:
            raise Conflict("There is no earlier generation.")
        generations.promote(tx, previous)
        return previous

    return db.transact_as_operator(change)


def drop_retired(*, db: "OperatorsDatabase") -> str:
    """Delete the vectors of retired generations; return what was deleted."""
    dropped = db.transact_as_operator(generations.drop_retired)
    lines = [f"{each.model} ({each.dimensions}): {each.bytes:,} bytes are free" for each in dropped]
    return "\n".join(lines) or "no generation is retired"


def _line(generation: generations.Generation) -> str:
    since = f", live since {generation.promoted_at:%Y-%m-%d %H:%M:%S}" if generation.state == "live" else ""
    return f"{generation.id} {generation.state}: {generation.sets}{since}"
