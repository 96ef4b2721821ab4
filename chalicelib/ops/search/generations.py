"""Operator's actions on generations of the search index: estimate, begin, list, promote, go back."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import uuid4

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.errors import Conflict, InvalidInput, NotFound
from chalicelib.model.usage.costs import cost_of, find_price
from chalicelib.model.usage.usage import Usage
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import generations, index
from chalicelib.stores.search.index import SET_KINDS, SetKind
from chalicelib.stores.work import tasks

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import OperatorsDatabase

COMMANDS = {
    "estimate-reembed": "print what the next models, of texts and of pictures, would embed, and about what it costs",
    "reembed": "begin to fill their sets beside the live ones, as a run of this administrator",
    "generations": "print all generations of the search index",
    "promote": "make the generation that was built last the live one, in one transaction",
    "drop-retired": "delete the vectors of generations that are not live any more; there is no rollback then",
    "rollback": "make the generation that was live before the live one again, in one transaction",
}
CHARS_A_TOKEN = 4
PIXELS_A_PICTURE = 2_000_000  # of a photograph; no more are sent


class Wanted(Struct, frozen=True, kw_only=True):
    """A model that is to have a set of all texts, or of all pictures."""

    kind: SetKind = "text"
    provider: str = ""
    model: str
    dimensions: int


def run_command(
    command: str, email: str, *, wanted: Sequence[Wanted], today: date, db: "OperatorsDatabase"
) -> str:
    """Run one of COMMANDS. Return the text to print. `wanted` are the models to embed with next.

    Raise InvalidInput where a model is needed and none is configured; Conflict; NotFound.
    """
    if command == "generations":
        return (
            "\n".join(map(_line, db.transact_as_operator(generations.list_all))) or "nothing is embedded yet"
        )
    if command == "promote":
        return f"generation {promote(wanted, db=db)} is live"
    if command == "rollback":
        return f"generation {roll_back(db=db)} is live again"
    if command == "drop-retired":
        return drop_retired(db=db)
    if not wanted:
        raise InvalidInput("NEXT_EMBEDDING_MODEL: must be set, to the model to embed with next")
    if command == "estimate-reembed":
        return "\n".join(estimate(each, today=today, db=db) for each in wanted)
    return begin(email, wanted, db=db)


def estimate(wanted: Wanted, *, today: date, db: "OperatorsDatabase") -> str:
    """Return what is still to be embedded, and about what that costs at the provider's list price."""
    usage = Usage(provider=wanted.provider, model=wanted.model)
    if wanted.kind == "picture":
        images = db.transact_as_operator(lambda tx: generations.measure_pictures(tx, _ensure(tx, wanted)))
        usage = replace(usage, pictures=images, pixels=images * PIXELS_A_PICTURE)
        what = f"{images} images"
    else:
        left = db.transact_as_operator(lambda tx: generations.measure(tx, _ensure(tx, wanted)))
        usage = replace(usage, input_tokens=left.chars // CHARS_A_TOKEN)
        what = f"{left.chunks} chunks of {left.users} users, about {usage.input_tokens} tokens,"
    cost: Decimal | None = cost_of(usage, find_price(usage, today))
    price = f"about {cost:.2f} US dollars" if cost is not None else "no list price is known"
    return f"{what} with {wanted.model} ({wanted.dimensions}): {price}"


def begin(email: str, wanted: Sequence[Wanted], *, db: "OperatorsDatabase") -> str:
    """Make a run of this administrator that fills the models' sets. The relay has it woken within a minute."""

    def make(tx: Tx) -> tuple[str, int | None]:
        user_id = generations.find_admin(tx, email)
        if user_id is None:
            raise NotFound(f"{email} is not an administrator.")
        return begin_as(tx, user_id, wanted)

    run_id, generation_id = db.transact_as_operator(make)
    what = f"generation {generation_id}" if generation_id else "the gaps of the live generation"
    return f"run {run_id} of {email} fills {what}"


def begin_as(tx: Tx, user_id: str, wanted: Sequence[Wanted]) -> tuple[str, int | None]:
    """Make a run of this user that fills the models' sets.

    Return the ids of the run, and of the generation: None if all these sets are live, and only have gaps.
    """
    run_id, generation_id = str(uuid4()), _begin_generation(tx, wanted)
    texts = next((each for each in wanted if each.kind == "text"), None)
    given = {
        "generation_id": generation_id,
        "model": texts.model if texts else None,
        "dimensions": texts.dimensions if texts else 0,
    }
    tasks.insert_run(tx, user_id, run_id, kind="reembed", input=given)
    return run_id, generation_id


def promote(wanted: Sequence[Wanted], *, db: "OperatorsDatabase") -> int:
    """Make the newest generation that is being built the live one; return its id. Raise Conflict while it has gaps.

    Sets that a job has filled are made a generation first; `wanted` has the models that are configured beside the
    live ones.
    """

    def change(tx: Tx) -> int:
        generation_id = _begin_generation(tx, wanted)
        if generation_id is not None:
            generations.promote(tx, generation_id)
            return generation_id
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


def check_pictures(wanted: Sequence[Wanted], *, db: "OperatorsDatabase") -> dict[str, str]:
    """Return "ok", or what is to be done, for the model of pictures, if there is one."""
    models = [(each.model, each.dimensions) for each in wanted if each.kind == "picture"]
    if not models:
        return {}
    live = db.transact_as_operator(lambda tx: index.find_live(tx, "picture"))
    if live is None or (live.model, live.dimensions) in models:
        return {"pictures": "ok"}
    return {"pictures": f"searches do not use {models[0][0]}: run reembed, then promote"}


def _begin_generation(tx: Tx, wanted: Sequence[Wanted]) -> int | None:
    """Return the generation that has the models' sets; None if these are live."""
    sets = [_ensure(tx, each) for each in wanted]
    live = {found.id for kind in SET_KINDS if (found := index.find_live(tx, kind))}
    return generations.begin(tx, sets) if set(sets) - live else None


def _ensure(tx: Tx, wanted: Wanted) -> int:
    return index.ensure_set(tx, model=wanted.model, dimensions=wanted.dimensions, kind=wanted.kind)


def drop_retired(*, db: "OperatorsDatabase") -> str:
    """Delete the vectors of retired generations; return what was deleted."""
    dropped = db.transact_as_operator(generations.drop_retired)
    lines = [f"{each.model} ({each.dimensions}): {each.bytes:,} bytes are free" for each in dropped]
    return "\n".join(lines) or "no generation is retired"


def _line(generation: generations.Generation) -> str:
    since = f", live since {generation.promoted_at:%Y-%m-%d %H:%M:%S}" if generation.state == "live" else ""
    return f"{generation.id} {generation.state}: {generation.sets}{since}"
