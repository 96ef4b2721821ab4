"""Rate limits are exact in DynamoDB, whoever asks at once."""

import itertools
import random

import pytest

from chalicelib.model.accounts.limits import MICROSECONDS, Limit
from chalicelib.stores.accounts.rate_limits import REMEMBERED_KEYS
from tests.support.counted_limits import (
    BURST,
    COSTLY,
    NOW,
    SUSTAINED,
    TABLE,
    Counted,
    answering,
    counted_store,
    row,
    while_asked,
)
from tests.support.emulated import Emulated


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
