"""Checks that the parts this app cannot work without respond right now."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chalicelib.errors import CollectionsError
from chalicelib.model.work.tasks import QUEUES

if TYPE_CHECKING:
    from chalicelib.stores.aws.dynamodb import Tables
    from chalicelib.stores.aws.queues import Queues
    from chalicelib.stores.postgres.postgres import Database


def check_parts(*, db: "Database", tables: "Tables", names: Sequence[str]) -> dict[str, str]:
    """The word ok, or the error's code, for the database and for DynamoDB."""
    return {"database": _check_database(db), "dynamodb": _check_tables(tables, names)}


def _check_database(db: "Database") -> str:
    try:
        db.ping()
    except CollectionsError as error:
        return error.code
    return "ok"


def _check_tables(tables: "Tables", names: Sequence[str]) -> str:
    try:
        for name in names:
            tables.require(name)
    except CollectionsError as error:
        return error.code
    return "ok"


def check_queues(queues: "Queues") -> dict[str, str]:
    """The word ok, or the error's code, for each queue of work; with it how many messages wait."""
    found = {}
    for name in QUEUES:
        try:
            found[f"queue {name}"] = f"ok, {queues.count(name)} waiting"
        except CollectionsError as error:
            found[f"queue {name}"] = error.code
    return found
