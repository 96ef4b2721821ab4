"""Put back a line of an export that is no item: a collection, a conversation, a concept, an exercise with its history.

What is there stays as it is; import_places says what is the same as a row that is here.
"""

from collections.abc import Callable, Mapping

from chalicelib.errors import BadFile
from chalicelib.model.jobs.imports import bad_line, check_times
from chalicelib.ops.jobs.import_places import Line, items_here, known_id, other_id, place, placed, texts
from chalicelib.ops.jobs.import_reviews import import_deck, import_reviews, import_settings
from chalicelib.ops.jobs.import_zip import Lines
from chalicelib.stores.accounts import users
from chalicelib.stores.jobs import files, imports
from chalicelib.stores.postgres.tx import Tx


def import_lines(tx: Tx, user_id: str, name: str, lines: Lines) -> int:
    """Put back the lines of the entry `name`; return how many rows are new. Raise BadFile; then nothing may be kept."""
    users.ensure(tx, user_id)
    put_back, new = IMPORTS[name.partition("/")[0]], 0
    try:
        for raw in lines:
            line = lines.decode(raw, Line)
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
    collection_id, is_there = (there, True) if there else place(tx, user_id, "collections", line)
    if not is_there:
        imports.insert_rows(tx, user_id, "collections", [{**line, "id": collection_id}])
    ids = list(items_here(tx, user_id, line).values())
    return int(not is_there) + files.add_to_collection(tx, user_id, collection_id, ids)


def _concept(tx: Tx, user_id: str, line: Line) -> int:
    if imports.match_concepts(tx, user_id, [line["phrase"]]):
        return 0
    concept_id, is_there = place(tx, user_id, "concepts", line)
    if not is_there:
        imports.insert_rows(tx, user_id, "concepts", [{**line, "id": concept_id}])
    return int(not is_there)


def _conversation(tx: Tx, user_id: str, line: Line) -> int:
    """A conversation that is there is not touched: its user may have gone on with it."""
    conversation_id, is_there = place(tx, user_id, "conversations", line)
    if is_there:
        return 0
    imports.insert_rows(tx, user_id, "conversations", [{**line, "id": conversation_id}])
    messages: list[Line] = line["messages"]
    taken = imports.find_taken(tx, user_id, "messages", [known_id(each["id"]) for each in messages])
    new_ids = {
        each["id"]: other_id(conversation_id, each["id"]) if known_id(each["id"]) in taken else each["id"]
        for each in messages
    }
    by_name = imports.match_collections(tx, user_id, texts(line["collections"].values()))
    collections = {old: by_name.get(name) for old, name in line["collections"].items()}
    bounds = items_here(tx, user_id, line)
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
    imports.insert_rows(tx, user_id, "citations", placed(tx, user_id, cited))
    return 1


def _exercise(tx: Tx, user_id: str, line: Line) -> int:
    concept_id = imports.match_concepts(tx, user_id, [line["concept"]]).get(line["concept"])
    if concept_id is None:
        raise ValueError("its concept was not imported.")
    exercise_id, is_there = place(tx, user_id, "exercises", line)
    if not is_there:
        row = {**line, "id": exercise_id, "concept_id": concept_id}
        imports.insert_rows(tx, user_id, "exercises", placed(tx, user_id, [row]))
    new = int(not is_there)
    for evaluation in line["evaluations"]:
        new += _evaluation(tx, user_id, evaluation, exercise_id)
    return new + import_reviews(tx, user_id, line, exercise_id)


def _evaluation(tx: Tx, user_id: str, line: Line, exercise_id: str) -> int:
    evaluation_id, is_there = place(tx, user_id, "evaluations", line, at="evaluated_at")
    if is_there:
        return 0
    of = {"exercise_id": exercise_id}
    imports.insert_rows(tx, user_id, "evaluations", [{**line, **of, "id": evaluation_id}])
    if remediation := line["remediation"]:
        remediation_id, is_there = place(tx, user_id, "remediations", remediation)
        if not is_there:
            row = {**remediation, **of, "id": remediation_id, "evaluation_id": evaluation_id}
            imports.insert_rows(tx, user_id, "remediations", [row])
    return 1


IMPORTS: Mapping[str, Callable[[Tx, str, Line], int]] = {
    "collections": _collection,
    "conversations": _conversation,
    "concepts": _concept,
    "review_settings": import_settings,
    "exercises": _exercise,
    "decks": import_deck,
}
