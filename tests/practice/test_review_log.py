"""The log of reviews in JSON lines: read in pages, sent back, and what of it is refused."""

import json
from typing import Any

from tests.practice.conftest import make_exercises
from tests.support.talking import Talk

LOG = "/api/v1/reviews/log"
NDJSON = "application/x-ndjson"


def send(talk: Talk, body: bytes, *, content_type: str = NDJSON) -> tuple[int, Any]:
    answer = talk.client.http.request("POST", LOG, headers={"Content-Type": content_type}, body=body)
    return answer.status_code, json.loads(answer.body)


def lines(*rows: dict[str, Any]) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def row(exercise: str, day: int = 1, **more: Any) -> dict[str, Any]:
    return {"exercise_id": exercise, "rating": 3, "reviewed_at": f"2026-01-{day:02}T10:00:00Z", **more}


def test_a_log_goes_out_and_comes_in_again(talk: Talk) -> None:
    first, second = make_exercises(talk, 2)
    sent = lines(*(row(first, day) for day in (1, 2, 9)), row(second, 4, rating=1, duration_ms=900))
    status, taken = send(talk, sent)
    assert (status, taken["new"], taken["known"], taken["refused"]) == (200, 4, 0, [])
    before = talk.world.sql("SELECT * FROM cards ORDER BY exercise_id")
    found, path = "", f"{LOG}?limit=3"
    while path:
        reply = talk.client.http.get(path)
        assert reply.headers["Content-Type"] == NDJSON
        found += reply.body.decode()
        path = reply.headers.get("Link", "<>").partition("<")[2].partition(">")[0]
    read = [json.loads(line) for line in found.splitlines()]
    assert [(each["exercise_id"], each["rating"]) for each in read] == [
        (first, 3),
        (first, 3),
        (second, 1),
        (first, 3),
    ]
    assert [each["duration_ms"] for each in read] == [None, None, 900, None]
    assert send(talk, found.encode())[1] | {"object": 0} == {
        "object": 0,
        "new": 0,
        "known": 4,
        "refused_count": 0,
        "refused": [],
    }
    assert talk.world.sql("SELECT * FROM cards ORDER BY exercise_id") == before
    talk.world.sql("DELETE FROM reviews; DELETE FROM cards")
    assert send(talk, found.encode())[1]["new"] == 4
    after = talk.world.sql("SELECT stability, due_at FROM cards ORDER BY exercise_id")
    assert after == [(each[2], each[6]) for each in before]


def test_a_line_that_is_wrong_is_left_out_and_named(talk: Talk) -> None:
    (mine,), (theirs,) = make_exercises(talk, 1), make_exercises(talk, 1, user="bob")
    good = json.dumps(row(mine)).encode()
    wrong = [
        b"\xff\xfe",
        b"[" * 100_000,
        b"[" * 1900,
        b"null",
        b'{"exercise_id": 7}',
        lines(row(mine, rating=9)),
        lines(row(mine, rating="3")),
        lines(row(mine, reviewed_at="2026-01-01")),
        lines(row(mine, reviewed_at="2999-01-01T00:00:00Z")),
        lines(row(mine, reviewed_at="0001-01-01T00:00:00+14:00")),
        lines(row(mine, duration_ms=10**30)),
        lines(row(mine, surprise=1)),
        lines(row(mine, exercise_id="\x00")),
        lines(row(theirs)),
        lines(row("00000000-0000-4000-8000-000000000000")),
    ]
    status, taken = send(talk, b"\n".join([b"", *wrong, good, b""]))
    assert (status, taken["new"], taken["refused_count"]) == (200, 1, len(wrong))
    assert [each["line"] for each in taken["refused"]] == list(range(2, 2 + len(wrong)))
    assert all(len(each["message"]) < 300 for each in taken["refused"])
    assert "rating" in taken["refused"][5]["message"] and "2,000 bytes" in taken["refused"][1]["message"]
    assert talk.world.sql("SELECT user_id FROM reviews") == [("alice",)]


def test_what_is_too_long_or_no_log_is_refused_as_a_whole(talk: Talk) -> None:
    assert send(talk, b"\n" * 20_001)[1]["code"] == "too_many_lines"
    assert send(talk, b"x" * 4_000_001)[0] == 413
    assert send(talk, b"{}", content_type="application/json")[0] == 415
    (exercise,) = make_exercises(talk, 1)
    assert send(talk, lines(row(exercise)))[1]["new"] == 1
