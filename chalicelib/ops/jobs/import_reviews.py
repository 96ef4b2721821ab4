"""Put back how a user practises: decks, the log of reviews, when each exercise is due, and the settings of reviews."""

import msgspec

from chalicelib.model.jobs.imports import CardLine, SettingsLine
from chalicelib.model.practice.reviews import EARLIEST
from chalicelib.ops.jobs.import_places import Line, known_id, other_id, place, places, time_of
from chalicelib.stores.jobs import imports
from chalicelib.stores.postgres.tx import Tx


def import_settings(tx: Tx, user_id: str, line: Line) -> int:
    """Settings that are there stay."""
    return imports.restore_settings(tx, user_id, msgspec.convert(line, SettingsLine))


def import_reviews(tx: Tx, user_id: str, line: Line, exercise_id: str) -> int:
    """Add the reviews of an exercise that are not there, and its card; a card with reviews is planned anew instead."""
    rows = [
        {**each, "id": known_id(each["id"]), "exercise_id": exercise_id} for each in line.get("reviews") or ()
    ]
    if any(time_of(row["reviewed_at"]) < EARLIEST for row in rows):
        raise ValueError(f"a review is from before {EARLIEST.date()}.")
    if exercise_id != known_id(line["id"]):
        rows = [{**row, "id": other_id(row["id"], exercise_id)} for row in rows]
    there = imports.find_reviews(tx, user_id, exercise_id, [row["id"] for row in rows])
    times = set(there.values())
    new = [row for row in rows if row["id"] not in there and time_of(row["reviewed_at"]) not in times]
    imports.insert_rows(tx, user_id, "reviews", new)
    count = len(new)
    if card := line.get("card"):
        count += imports.restore_card(tx, user_id, exercise_id, msgspec.convert(card, CardLine))
        imports.outdate_card(tx, user_id, exercise_id)
    return count


def import_deck(tx: Tx, user_id: str, line: Line) -> int:
    """A deck of this name gets the exercises as well."""
    there = imports.match_decks(tx, user_id, [line["name"]]).get(line["name"])
    deck_id, is_there = (there, True) if there else place(tx, user_id, "decks", line)
    if not is_there:
        imports.insert_rows(tx, user_id, "decks", [{**line, "id": deck_id}])
    found = places(tx, user_id, "exercises", line["exercises"])
    added = {
        exercise_id: time_of(each["added_at"])
        for (exercise_id, is_known), each in zip(found, line["exercises"], strict=True)
        if is_known
    }
    return int(not is_there) + imports.add_to_deck(tx, user_id, deck_id, added)
