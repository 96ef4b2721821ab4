"""Rate limits: exact in DynamoDB whoever asks at once, applied to every route, and what happens while it is away."""

import itertools
import json
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from chalicelib.errors import Unavailable
from chalicelib.model.accounts.limits import MICROSECONDS, Limit
from chalicelib.stores.accounts.rate_limits import REMEMBERED_KEYS, THROTTLED_US
from chalicelib.stores.aws.dynamodb import FAILURES_UNTIL_AWAY
from tests.support.counted_limits import (
    BURST,
    COSTLY,
    NOW,
    PAUSE_US,
    SUSTAINED,
    TABLE,
    Counted,
    counted_store,
    impatient,
    row,
)
from tests.support.emulated import Emulated
from tests.support.tcp_proxy import tcp_proxy


@pytest.fixture
def store(aws: Emulated) -> Counted:
    return counted_store(aws.emulator.port)


@pytest.fixture
def another(aws: Emulated) -> Counted:
    return counted_store(aws.emulator.port)


@pytest.mark.parametrize("seed", range(6))
def test_the_store_decides_as_the_arithmetic_does_whoever_is_asked(
    store: Counted, another: Counted, key: str, seed: int
) -> None:
    """Two processes in turn, with memories that lag behind, against the TATs of a single bucket."""
    rng = random.Random(seed)
    now, tats = NOW, dict.fromkeys((BURST.counter, SUSTAINED.counter, COSTLY.counter), 0)
    refused = 0
    for _ in range(60):
        now += rng.choice((0, 0, 0, rng.randrange(400_000), rng.randrange(20 * MICROSECONDS)))
        limits = rng.choice(((BURST, SUSTAINED), (BURST, SUSTAINED, COSTLY)))
        wait_us = max(limit.wait_us(tats[limit.counter], now) for limit in limits)
        answer = rng.choice((store, another)).take(key, *limits, now_us=now)
        assert answer.admitted == (wait_us == 0)
        assert (answer.retry_after_us > 0, answer.retry_after_us <= wait_us) == (wait_us > 0, True)
        refused += not answer.admitted
        if answer.admitted:
            tats |= {limit.counter: limit.next_tat_us(tats[limit.counter], now) for limit in limits}
            remaining = {each.limit.name: each.remaining for each in answer.states}
            assert remaining == {limit.name: limit.remaining(tats[limit.counter], now) for limit in limits}
    assert 5 < refused < 55


def test_a_row_holds_the_tats_and_ends_after_all_of_them(aws: Emulated, store: Counted, key: str) -> None:
    for _ in range(3):
        store.take(key, BURST, SUSTAINED, now_us=NOW)
    assert {name: value for name, value in row(aws, key).items() if name != "taken_by"} == {
        "id": key,
        "user-burst-1s": str(NOW + 3 * BURST.interval_us),
        "user-sustained-60s": str(NOW + 3 * SUSTAINED.interval_us),
        "expires_at": str(NOW // MICROSECONDS + 24 * 3600 + 3600),
    }


def test_a_limit_that_is_changed_does_not_refuse_for_the_old_ones_sake(store: Counted, key: str) -> None:
    """A plan that went up, a setting that was changed: what is used of an hour stands in no minute's way."""
    hourly = Limit(name="user-sustained", quota=10, window_s=3600)
    for _ in range(10):
        store.take(key, hourly, now_us=NOW)
    assert not store.take(key, hourly, now_us=NOW).admitted
    more = Limit(name="user-sustained", quota=20, window_s=3600)
    assert store.take(key, more, now_us=NOW).retry_after_us == more.interval_us
    assert store.take(key, SUSTAINED, now_us=NOW).admitted


def test_one_that_refuses_spares_the_others_in_the_table_too(
    aws: Emulated, store: Counted, another: Counted, key: str
) -> None:
    for _ in range(2):
        store.take(key, BURST, SUSTAINED, COSTLY, now_us=NOW)
    before = row(aws, key)
    # `another` has not seen the row: it is the table that refuses.
    assert not another.take(key, BURST, SUSTAINED, COSTLY, now_us=NOW).admitted
    assert (another.writes > 0, row(aws, key)) == (True, before)
    assert another.take(key, BURST, SUSTAINED, now_us=NOW).admitted


def test_time_that_has_gone_by_is_no_credit(store: Counted, key: str) -> None:
    store.take(key, BURST, SUSTAINED, now_us=NOW)
    later = NOW + 3600 * MICROSECONDS
    taken = [store.take(key, BURST, SUSTAINED, now_us=later).admitted for _ in range(20)]
    assert sum(taken) == BURST.quota


def test_a_stale_memory_gives_no_credit_either(
    aws: Emulated, store: Counted, another: Counted, key: str
) -> None:
    """`store` takes the limit for busy; another process's clock, or its row's end, made it idle."""
    for _ in range(3):
        store.take(key, BURST, now_us=NOW)
    aws.client("dynamodb").delete_item(TableName=TABLE, Key={"id": {"S": key}})
    assert store.take(key, BURST, now_us=NOW).admitted
    assert row(aws, key)["user-burst-1s"] == str(NOW + BURST.interval_us)


def test_what_is_known_to_be_refused_is_refused_without_asking_until_its_time(
    store: Counted, another: Counted, key: str
) -> None:
    while another.take(key, BURST, now_us=NOW).admitted:
        pass
    assert not store.take(key, BURST, now_us=NOW).admitted
    known = store.writes
    for late_us in (0, 1, BURST.interval_us - 1):
        answer = store.take(key, BURST, now_us=NOW + late_us)
        assert (answer.admitted, answer.retry_after_us) == (False, BURST.interval_us - late_us)
    assert store.writes == known
    assert store.take(key, BURST, now_us=NOW + BURST.interval_us).admitted


def test_an_admission_costs_one_write(store: Counted, key: str) -> None:
    """One process alone, with limits that are idle or busy and change from request to request."""
    plain, costly = (BURST, SUSTAINED), (BURST, SUSTAINED, COSTLY)
    times_s = (0, 0, 0.5, 0.5, 8, 8, 99, 99)
    for n, (time_s, limits) in enumerate(zip(times_s, itertools.cycle((costly, plain)), strict=False)):
        assert store.take(key, *limits, now_us=NOW + int(time_s * MICROSECONDS)).admitted
        assert store.writes == n + 1


def test_a_request_whose_answer_got_lost_is_counted_once(aws: Emulated, key: str) -> None:
    """botocore sends it again; the row tells that it has been counted."""
    with tcp_proxy(aws.emulator.port) as proxy:
        store = Counted(impatient(proxy.port, attempts=2))
        for n in range(BURST.quota):
            proxy.when(b"UpdateItem", "reset")
            assert store.take(key, BURST, now_us=NOW).admitted
            assert row(aws, key)["user-burst-1s"] == str(NOW + (n + 1) * BURST.interval_us)
        assert not store.take(key, BURST, now_us=NOW).admitted


@contextmanager
def answering(store: Counted, status: int, body: dict[str, Any]) -> Iterator[list[int]]:
    """DynamoDB gives this answer; a number is added for each time it is asked."""
    asked: list[int] = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        asked.append(1)
        raw = SimpleNamespace(stream=lambda: iter([json.dumps(body).encode()]))
        return AWSResponse(request.url, status, {}, raw)

    events = store.dynamodb.meta.events
    events.register_first("before-send.dynamodb.UpdateItem", answer)
    yield asked
    events.unregister("before-send.dynamodb.UpdateItem", answer)


def test_the_memory_is_bounded() -> None:
    """The owner of a /48 can send from 65,536 counted addresses."""
    store = counted_store(1)
    full = {"id": {"S": "x"}, "user-burst-1s": {"N": str(NOW + 2 * MICROSECONDS)}}
    with answering(store, 400, {"__type": "#ConditionalCheckFailedException", "Item": full}) as asked:
        for number in range(REMEMBERED_KEYS + 1):
            assert not store.take(f"address:{number}", BURST, now_us=NOW).admitted
        assert len(asked) == REMEMBERED_KEYS + 1
        for number in (REMEMBERED_KEYS, 1):
            store.take(f"address:{number}", BURST, now_us=NOW)
        assert len(asked) == REMEMBERED_KEYS + 1, "still known"
        store.take("address:0", BURST, now_us=NOW)
        assert len(asked) == REMEMBERED_KEYS + 2, "forgotten, and so asked for"


def test_a_key_that_dynamodb_throttles_is_refused_and_the_others_are_not(store: Counted, key: str) -> None:
    """It takes 1,000 writes a second: to let them through would be to give way to force."""
    store.take(key, BURST, now_us=NOW - 3600 * MICROSECONDS)
    with answering(store, 400, {"__type": "#ThrottlingException", "message": "slow down"}) as asked:
        answer = store.take(key, BURST, now_us=NOW)
        assert (answer.admitted, answer.retry_after_us) == (False, THROTTLED_US)
        assert not store.take(key, BURST, now_us=NOW + THROTTLED_US - 1).admitted
        assert len(asked) == 1, "not asked again in the meantime"
        assert not store.take("user:other", BURST, now_us=NOW).admitted
        assert len(asked) == 2, "nothing is paused for the others"
    # What was taken for used up was not: its true count goes on, and the hour in between is no credit.
    taken = [store.take(key, BURST, now_us=NOW + THROTTLED_US).admitted for _ in range(20)]
    assert sum(taken) == BURST.quota


@contextmanager
def while_asked(store: Counted, happens: Any) -> Iterator[None]:
    """Something happens once, after the next update left the process and before DynamoDB has it."""
    done: list[bool] = []

    def happen(**_: Any) -> None:
        if not done:
            done.append(True)
            happens()

    events = store.dynamodb.meta.events
    events.register_first("before-send.dynamodb.UpdateItem", happen)
    yield
    events.unregister("before-send.dynamodb.UpdateItem", happen)
    assert done


def test_a_request_that_was_overtaken_is_judged_by_the_time_it_is_then(
    aws: Emulated, store: Counted, another: Counted, key: str
) -> None:
    """On a laptop: 100,000 in 1 s, a slow table, and one that came two seconds later was counted first."""
    roomy = Limit(name="user-burst", quota=100_000, window_s=1)
    later = NOW + 2 * MICROSECONDS

    def overtake() -> None:
        assert another.take(key, roomy, now_us=later).admitted
        store.now_us = later

    with while_asked(store, overtake):
        answer = store.take(key, roomy, now_us=NOW)
    assert (answer.admitted, answer.states[0].remaining) == (True, 99_998)
    assert row(aws, key)["user-burst-1s"] == str(later + 2 * roomy.interval_us)


def test_the_time_a_request_takes_is_no_credit(
    aws: Emulated, store: Counted, another: Counted, key: str
) -> None:
    """One whose second update is sent long after the first gets no more than one that came then."""

    def overtake() -> None:
        while another.take(key, BURST, now_us=NOW + 1).admitted:
            pass
        store.now_us = NOW + 3600 * MICROSECONDS

    with while_asked(store, overtake):
        assert store.take(key, BURST, now_us=NOW).admitted
    taken = [store.take(key, BURST, now_us=store.now_us).admitted for _ in range(20)]
    assert sum(taken) in (BURST.quota - 1, BURST.quota)


AWAY = {"__type": "#InternalServerError", "message": "away"}


def fails(store: Counted, key: str, now_us: int) -> None:
    with pytest.raises(Unavailable):
        store.take(key, BURST, now_us=now_us)


def test_one_call_that_fails_does_not_refuse_the_others(store: Counted, key: str) -> None:
    for n in range(3 * FAILURES_UNTIL_AWAY):
        with answering(store, 500, AWAY):
            for _ in range(FAILURES_UNTIL_AWAY - 1):
                fails(store, key, NOW)
        assert store.take(f"{key}:{n}", BURST, now_us=NOW).admitted


def test_calls_that_fail_at_the_same_time_are_one_failure(store: Counted, key: str) -> None:
    """DynamoDB stood still for a moment: all that waited for it ran out of time together."""

    def another_fails(left: int) -> None:
        if left:
            with while_asked(store, lambda: another_fails(left - 1)):
                fails(store, f"{key}:{left}", NOW)

    with answering(store, 500, AWAY):
        another_fails(4 * FAILURES_UNTIL_AWAY)
    assert store.take(key, BURST, now_us=NOW).admitted


def test_a_wrong_request_is_no_absence(store: Counted, key: str) -> None:
    """DynamoDB answered: a table that is not there, a permission that lacks, are not known better by waiting."""
    with answering(store, 400, {"__type": "#ResourceNotFoundException", "message": "no table"}) as asked:
        for _ in range(3 * FAILURES_UNTIL_AWAY):
            fails(store, key, NOW)
    assert len(asked) == 3 * FAILURES_UNTIL_AWAY
    assert store.take(key, BURST, now_us=NOW).admitted


def test_while_dynamodb_is_away_one_request_in_five_seconds_asks(
    store: Counted, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    with answering(store, 500, AWAY) as asked:

        def asks_at(now_us: int) -> bool:
            before = len(asked)
            fails(store, key, now_us)
            return len(asked) > before

        assert [asks_at(NOW) for _ in range(FAILURES_UNTIL_AWAY + 2)] == [True] * FAILURES_UNTIL_AWAY + [
            False
        ] * 2
        assert [asks_at(NOW + late_us) for late_us in (1, PAUSE_US - 1)] == [False, False]
        assert [asks_at(NOW + PAUSE_US + late_us) for late_us in (0, 1)] == [True, False]
        asking: list[bool] = []
        with while_asked(store, lambda: asking.append(asks_at(NOW + 2 * PAUSE_US))):
            assert asks_at(NOW + 2 * PAUSE_US)
        assert asking == [False], "one asks, and the others do not wait for it"
        assert [asks_at(NOW + seconds * MICROSECONDS) for seconds in (30, 54, 61)] == [True] * 3
    away = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(away) == 2, "one a minute"


def test_when_dynamodb_is_back_it_is_asked_again(aws: Emulated, key: str) -> None:
    with tcp_proxy(aws.emulator.port) as proxy:
        behind = Counted(impatient(proxy.port, read_s=2))
        assert behind.take(key, BURST, now_us=NOW).admitted
        for number, mood in enumerate(("refuse", "hang")):
            now = NOW + number * 60 * MICROSECONDS
            proxy.be(mood)  # type: ignore[arg-type]
            for _ in range(FAILURES_UNTIL_AWAY):
                fails(behind, key, now)
            proxy.be("pass")
            fails(behind, key, now)
            assert behind.take(key, BURST, now_us=now + PAUSE_US).admitted
            assert behind.take(key, BURST, now_us=now + PAUSE_US).admitted
