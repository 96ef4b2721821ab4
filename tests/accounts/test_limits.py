"""Limits: GCRA's arithmetic over any schedule, who is held to what, and what the edge answers."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.model.accounts.limits import (
    LET_THROUGH_UNCOUNTED,
    MICROSECONDS,
    Admission,
    Limit,
    account_limits,
    address_key,
    address_limits,
    admitted,
    caller_limits,
    find_refusal,
)
from chalicelib.settings import InvalidSetting, Settings
from chalicelib.settings.rates import RATE_LIMITS
from tests.support.rates import ENVIRONMENT, RATES

NOW = 1_790_000_000 * MICROSECONDS


class Bucket:
    """The limits over TATs kept here."""

    def __init__(self, *limits: Limit) -> None:
        self.limits = limits
        self.tats: dict[str, int] = {}

    def take(self, now_us: int) -> Admission:
        refusal = find_refusal(self.limits, self.tats, now_us)
        if refusal:
            return refusal
        self.tats = {
            limit.counter: limit.next_tat_us(self.tats.get(limit.counter, 0), now_us) for limit in self.limits
        }
        return admitted(self.limits, self.tats, now_us)


def limit(quota: int, window_s: int, name: str = "x") -> Limit:
    return Limit(name=name, quota=quota, window_s=window_s)


def schedule(rng: random.Random, requests: int) -> Iterator[int]:
    """Times of requests: at once, a bit later, after a rest."""
    now_us = NOW
    for _ in range(requests):
        now_us += rng.choice((0, 0, rng.randrange(1, 200_000), rng.randrange(1, 3 * MICROSECONDS)))
        yield now_us


def test_a_limit_is_never_faster_than_declared() -> None:
    for quota in range(1, 200):
        assert 0 <= limit(quota, 1).interval_us * quota - MICROSECONDS < quota


@pytest.mark.parametrize("seed", range(20))
def test_no_window_has_more_than_the_burst_and_the_rate_and_none_is_wasted(seed: int) -> None:
    rng = random.Random(seed)
    one = limit(rng.randrange(1, 12), rng.randrange(1, 6))
    bucket = Bucket(one)
    taken = [now for now in schedule(rng, 200) if bucket.take(now).admitted]
    for first, start in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= one.quota + (taken[last] - start) / one.interval_us
    # Asked without end, the bucket gives all of it: the bound above is not kept by stinginess.
    bucket = Bucket(one)
    grains = range(NOW, NOW + 10 * MICROSECONDS, 10_000)
    took = sum(bucket.take(now).admitted for now in grains for _ in range(one.quota))
    assert took == one.quota + (grains[-1] - NOW) // one.interval_us


@pytest.mark.parametrize("seed", range(20))
def test_a_refusal_uses_nothing_up_and_says_exactly_when_to_come_again(seed: int) -> None:
    rng = random.Random(seed)
    bucket = Bucket(limit(rng.randrange(1, 9), 2, "burst"), limit(rng.randrange(5, 30), 40, "sustained"))
    refused = 0
    for now in schedule(rng, 300):
        before = dict(bucket.tats)
        answer = bucket.take(now)
        if answer.admitted:
            assert answer.retry_after_us == 0
            continue
        refused += 1
        assert bucket.tats == before
        at = now + answer.retry_after_us
        assert find_refusal(bucket.limits, bucket.tats, at) is None
        early = find_refusal(bucket.limits, bucket.tats, at - 1)
        assert early is not None
        assert early.retry_after_us == 1
        assert all(state.remaining == 0 for state in answer.states)
        assert max(state.more_us for state in answer.states) == answer.retry_after_us
    assert refused > 20


@pytest.mark.parametrize("seed", range(10))
def test_what_remains_is_what_would_be_admitted_and_more_comes_when_it_is_said(seed: int) -> None:
    rng = random.Random(seed)
    bucket = Bucket(limit(rng.randrange(1, 9), rng.randrange(1, 9)))
    for now in schedule(rng, 100):
        (state,) = bucket.take(now).states
        assert count(bucket, now) == state.remaining
        assert count(bucket, now + state.more_us) == state.remaining + 1
        assert count(bucket, now + state.more_us - 1) == state.remaining


def count(bucket: Bucket, now_us: int) -> int:
    """Return the number of requests that a copy of the bucket admits at once."""
    copy = Bucket(*bucket.limits)
    copy.tats = dict(bucket.tats)
    taken = 0
    while copy.take(now_us).admitted:
        taken += 1
    return taken


def test_one_limit_of_two_that_refuses_spares_the_other() -> None:
    bucket = Bucket(limit(2, 1, "burst"), limit(100, 3600, "sustained"))
    answers = [bucket.take(NOW) for _ in range(50)]
    assert [answer.admitted for answer in answers] == [True, True] + [False] * 48
    assert [state.limit.name for state in answers[-1].states] == ["burst"]
    (_, sustained) = bucket.take(NOW + MICROSECONDS).states
    assert sustained.remaining == 97


def test_who_is_held_to_what() -> None:
    def held(limits: tuple[Limit, ...]) -> dict[str, tuple[int, int]]:
        return {each.name: (each.quota, each.window_s) for each in limits}

    address = {"address-burst": (4, 2), "address-sustained": (40, 60)}
    assert held(address_limits(RATES, "plain")) == held(address_limits(RATES, "costly")) == address
    login = {"login-burst": (3, 60), "login-sustained": (9, 3600)}
    assert held(address_limits(RATES, "login")) == address | login
    assert held(account_limits(RATES)) == {"account-burst": (2, 60), "account-sustained": (8, 3600)}
    team = {"user-burst": (50, 1), "user-sustained": (500, 60)}
    assert held(caller_limits(RATES, "team", "plain")) == team
    costly = {"costly-burst": (20, 10), "costly-sustained": (60, 60)}
    assert held(caller_limits(RATES, "team", "costly")) == team | costly
    assert caller_limits(RATES, "unheard-of", "costly") == caller_limits(RATES, "free", "costly")


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "address:192.0.2.1"),
        ("::ffff:192.0.2.1", "address:192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "address:2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "address:2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "address:2001:db8:1:3::/64"),
        ("fe80::1%eth0", "address:fe80::/64"),
        ("", "address:unknown"),
        ("192.0.2.1, 198.51.100.7", "address:unknown"),
    ],
)
def test_an_address_is_known_by_what_one_customer_has(address: str, key: str) -> None:
    assert address_key(address) == key


def test_an_operator_changes_what_he_names() -> None:
    rates = Settings.from_env({**ENVIRONMENT, "RATE_LIMITS": '{"user.team": "9/2m 70/1d"}'}).rates
    assert rates["user.team"] == ((9, 120), (70, 86400))
    assert rates["address"] == ((400, 20), (20000, 3600))
    local = Settings.from_env({**ENVIRONMENT, "ENVIRONMENT": "local"}).rates
    assert (local.keys(), min(quota for pair in local.values() for quota, _ in pair)) == (
        rates.keys(),
        100000,
    )


@pytest.mark.parametrize(
    "value",
    [
        *("{", "[]", '"x"', '{"user.gold": "1/1s 1/1s"}', '{"address": null}', '{"address": "1/1s"}'),
        *(
            f'{{"address": "{text}"}}'
            for text in ("0/1s 1/1s", "1/0s 1/1s", "1/1s 1/2d", "1/1w 1/1s", "1/1s 1/1s x")
        ),
    ],
)
def test_a_wrong_limit_is_refused_at_start_by_the_variables_name(value: str) -> None:
    with pytest.raises(InvalidSetting, match=r"^RATE_LIMITS: must be "):
        Settings.from_env({**ENVIRONMENT, "RATE_LIMITS": value})


def test_the_document_says_what_holds() -> None:
    text = (Path(__file__).parents[2] / "docs" / "limits.md").read_text()
    told: dict[str, str] = {}
    for names, bursts, sustained in re.findall(
        r"^\| (`.+`) \| .* \| ([\w/, ]+) \| ([\w/, ]+) \|$", text, re.MULTILINE
    ):
        for name, burst, all_day in zip(
            re.findall(r"`([\w.]+)`", names), bursts.split(", "), sustained.split(", "), strict=True
        ):
            told[name] = f"{burst} {all_day}"
    assert told == RATE_LIMITS
    away = dict(re.findall(r"^\| `(plain|costly|login)` \| .* \| (let through|503)", text, re.MULTILINE))
    assert away == {cost: "let through" if let else "503" for cost, let in LET_THROUGH_UNCOUNTED.items()}
