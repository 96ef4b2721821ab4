"""Put back a line of an export that is no item: a collection, a conversation, a concept, an exercise with its history.

What is there stays as it is. A row is the same one if it has the same id and was made at the same time; if only the id
is the same, the new row gets another id, always the same one, and what refers to it follows. Items are found by their
bytes, collections and concepts by name.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import msgspec

from chalicelib.errors import BadFile
from chalicelib.model.jobs.imports import bad_line, check_times
from chalicelib.ops.jobs.import_zip import Lines
from chalicelib.stores.accounts import users
from chalicelib.stores.jobs import files, imports
from chalicelib.stores.jobs.imports import Table
from chalicelib.stores.postgres.tx import Tx

Line = dict[str, Any]


def import_lines(tx: Tx, user_id: str, name: str, lines: Lines) -> int:
    """Put back the lines of the entry `name`; return how many rows are new. Raise BadFile; then nothing may be kept."""
    users.ensure(tx, user_id)
    put_back, new = IMPORTS[name.partition("/")[0]], 0
    try:
        for raw in lines:
            line = lines.decode(raw, dict[str, Any])
            check_times(line)
            new += put_back(tx, user_id, line)
    except BadFile as error:
        raise bad_line(name, error.message) if error.code == "bad_line" else error from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise bad_line(name, f"{type(error).__name__}: {error}") from error
    return new


def _collection(tx: Tx, user_id: str, line: Line) -> int:
    """A collection of this name gets the items as well."""
    there = imports.match_collections(tx, user_id, [line["name"]]).get(line["name"])
    collection_id, is_there = (there, True) if there else _place(tx, user_id, "collections", line)
    if not is_there:
        imports.insert_rows(tx, user_id, "collections", [{**line, "id": collection_id}])
    ids = list(_items(tx, user_id, line).values())
    return int(not is_there) + files.add_to_collection(tx, user_id, collection_id, ids)


def _concept(tx: Tx, user_id: str, line: Line) -> int:
    if imports.match_concepts(tx, user_id, [line["phrase"]]):
        return 0
    concept_id, is_there = _place(tx, user_id, "concepts", line)
    if not is_there:
        imports.insert_rows(tx, user_id, "concepts", [{**line, "id": concept_id}])
    return int(not is_there)


def _conversation(tx: Tx, user_id: str, line: Line) -> int:
    """A conversation that is there is not touched: its user may have gone on with it."""
    conversation_id, is_there = _place(tx, user_id, "conversations", line)
    if is_there:
        return 0
    imports.insert_rows(tx, user_id, "conversations", [{**line, "id": conversation_id}])
    messages: list[Line] = line["messages"]
    taken = imports.find_taken(tx, user_id, "messages", [_uuid(each["id"]) for each in messages])
    new_ids = {
        each["id"]: _other(conversation_id, each["id"]) if _uuid(each["id"]) in taken else each["id"]
        for each in messages
    }
    by_name = imports.match_collections(tx, user_id, _texts(line["collections"].values()))
    collections = {old: by_name.get(name) for old, name in line["collections"].items()}
    bounds = _items(tx, user_id, line)
    rows = [
        {
            **each,
            "id": new_ids[each["id"]],
            "conversation_id": conversation_id,
            "reply_to": new_ids.get(each["reply_to"], each["reply_to"]),
            "collection_id": collections.get(each["collection_id"]) or each["collection_id"],
            "item_ids": each["item_ids"] and [bounds.get(item_id, item_id) for item_id in each["item_ids"]],
        }
        for each in messages
    ]
    imports.insert_rows(tx, user_id, "messages", rows)
    cited = [
        {**citation, "message_id": new_ids[each["id"]]} for each in messages for citation in each["citations"]
    ]
    imports.insert_rows(tx, user_id, "citations", _placed(tx, user_id, cited))
    return 1


def _exercise(tx: Tx, user_id: str, line: Line) -> int:
    concept_id = imports.match_concepts(tx, user_id, [line["concept"]]).get(line["concept"])
    if concept_id is None:
        raise ValueError("its concept was not imported.")
    exercise_id, is_there = _place(tx, user_id, "exercises", line)
    if not is_there:
        row = {**line, "id": exercise_id, "concept_id": concept_id}
        imports.insert_rows(tx, user_id, "exercises", _placed(tx, user_id, [row]))
    new = int(not is_there)
    for evaluation in line["evaluations"]:
        new += _evaluation(tx, user_id, evaluation, exercise_id)
    return new


def _evaluation(tx: Tx, user_id: str, line: Line, exercise_id: str) -> int:
    evaluation_id, is_there = _place(tx, user_id, "evaluations", line, at="evaluated_at")
    if is_there:
        return 0
    of = {"exercise_id": exercise_id}
    imports.insert_rows(tx, user_id, "evaluations", [{**line, **of, "id": evaluation_id}])
    if remediation := line["remediation"]:
        remediation_id, is_there = _place(tx, user_id, "remediations", remediation)
        if not is_there:
            row = {**remediation, **of, "id": remediation_id, "evaluation_id": evaluation_id}
            imports.insert_rows(tx, user_id, "remediations", [row])
    return 1


IMPORTS: Mapping[str, Callable[[Tx, str, Line], int]] = {
    "collections": _collection,
    "conversations": _conversation,
    "concepts": _concept,
    "exercises": _exercise,
}


def _place(tx: Tx, user_id: str, table: Table, line: Line, *, at: str = "created_at") -> tuple[str, bool]:
    """Return the id that the row has here, and whether it is there already."""
    known, moment = _uuid(line["id"]), msgspec.convert(line[at], datetime, strict=False)
    other = _other(known, line[at])
    taken = imports.find_taken(tx, user_id, table, [known, other])
    if known not in taken:
        return known, False
    return (known, True) if taken[known] == moment else (other, other in taken)


def _placed(tx: Tx, user_id: str, quotes: Sequence[Line]) -> list[Line]:
    """Return rows that quote an item with the id that the item has here; one that is not here stays unknown."""
    here = imports.match_items(tx, user_id, _texts(quote["item_sha256"] for quote in quotes))
    return [{**quote, "item_id": here.get(quote["item_sha256"] or "", quote["item_id"])} for quote in quotes]


def _items(tx: Tx, user_id: str, line: Line) -> dict[str, str]:
    """Return the ids that the line's items have here, by those that they had."""
    here = imports.match_items(tx, user_id, _texts(line["items"].values()))
    return {old: here[sha256] for old, sha256 in line["items"].items() if sha256 in here}


def _texts(values: Any) -> list[str]:
    return [value for value in values if isinstance(value, str)]


def _uuid(text: str) -> str:
    return str(UUID(text))


def _other(text: str, salt: str) -> str:
    return str(uuid5(UUID(text), salt))
