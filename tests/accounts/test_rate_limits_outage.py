"""Rate limits while DynamoDB fails, throttles a key, or is slow."""

import logging

import pytest

from chalicelib.errors import Unavailable
from chalicelib.model.accounts.limits import MICROSECONDS
from chalicelib.stores.accounts.rate_limits import THROTTLED_US
from chalicelib.stores.aws.dynamodb import FAILURES_UNTIL_AWAY
from tests.support.counted_limits import (
    BURST,
    NOW,
    PAUSE_US,
    Counted,
    answering,
    impatient,
    row,
    while_asked,
)
from tests.support.emulated import Emulated
from tests.support.tcp_proxy import tcp_proxy


def test_a_request_whose_answer_got_lost_is_counted_once(aws: Emulated, key: str) -> None:
    """botocore sends it again; the row tells that it has been counted."""
    with tcp_proxy(aws.emulator.port) as proxy:
        store = Counted(impatient(proxy.port, attempts=2))
        for n in range(BURST.quota):
            proxy.when(b"UpdateItem", "reset")
            assert store.take(key, BURST, now_us=NOW).admitted
            assert row(aws, key)["user-burst-1s"] == str(NOW + (n + 1) * BURST.interval_us)
        assert not store.take(key, BURST, now_us=NOW).admitted


def test_a_key_that_dynamodb_throttles_is_refused_and_the_others_are_not(store: Counted, key: str) -> None:
    """A hot partition takes 1,000 writes a second: to let more through would be to give way to force."""
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
