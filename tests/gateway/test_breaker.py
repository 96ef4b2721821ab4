"""The retry budget and the circuit breaker by themselves, with a clock that the test moves."""

import random

import pytest

from chalicelib.model.gateway.breaker import (
    COOLDOWN_S,
    COUNTED_OF_ONE,
    MAX_CALLERS,
    MIN_FAILURES,
    PROBE_MAX_S,
    WINDOW_S,
    Breaker,
    Breakers,
    RetryBudget,
)


def opened(breaker: Breaker, now: float) -> None:
    for _ in range(MIN_FAILURES):
        ticket = breaker.admit(now)
        assert ticket is not None
        breaker.record(ticket, now, failed=True)
    assert breaker.admit(now) is None


# The machines by themselves


@pytest.mark.parametrize("seed", range(20))
def test_the_budget_never_lets_more_than_a_tenth_through(seed: int) -> None:
    dice = random.Random(seed)
    budget, requests, retries = RetryBudget(), 0, 0
    for _ in range(5000):
        if dice.random() < 0.5:
            budget.deposit()
            requests += 1
        else:
            retries += budget.withdraw()
        assert retries <= requests / 10
    assert retries >= requests / 10 - 2, "and what is paid for is given"


def test_a_quiet_time_saves_up_ten_retries_at_most() -> None:
    budget = RetryBudget()
    for _ in range(10_000):
        budget.deposit()
    assert sum(budget.withdraw() for _ in range(1000)) == 10


def test_closed_until_there_are_enough_failures_of_late() -> None:
    breaker = Breaker()
    for number in range(MIN_FAILURES - 1):
        breaker.record(0, float(number), failed=True)
    breaker.record(0, WINDOW_S + MIN_FAILURES, failed=True)
    assert breaker.admit(WINDOW_S + MIN_FAILURES) is not None, "the first ones are too long ago"


def test_a_few_failures_among_many_answers_open_nothing() -> None:
    breaker = Breaker()
    for number in range(300):
        breaker.record(0, number / 100, failed=number % 3 == 0)
    assert breaker.admit(3.0) is not None
    for _ in range(60):
        breaker.record(0, 3.0, failed=True)
    assert breaker.admit(3.0) is None


def test_half_open_lets_exactly_one_through_and_its_success_closes() -> None:
    breaker = Breaker()
    opened(breaker, 0.0)
    assert breaker.admit(COOLDOWN_S - 0.01) is None
    assert 0 < breaker.wait_s(1.0) <= COOLDOWN_S
    tickets = [breaker.admit(COOLDOWN_S) for _ in range(10)]
    assert [ticket is None for ticket in tickets] == [False] + [True] * 9
    breaker.record(tickets[0] or 0, COOLDOWN_S + 1, failed=False)
    assert all(breaker.admit(COOLDOWN_S + 1) is not None for _ in range(10))


def test_a_failed_probe_opens_again() -> None:
    breaker = Breaker()
    opened(breaker, 0.0)
    probe = breaker.admit(COOLDOWN_S)
    breaker.record(probe or 0, COOLDOWN_S + 1, failed=True)
    assert breaker.admit(2 * COOLDOWN_S) is None
    assert breaker.admit(2 * COOLDOWN_S + 1) is not None


def test_what_was_asked_before_it_opened_does_not_close_it() -> None:
    breaker = Breaker()
    late = breaker.admit(0.0)
    opened(breaker, 0.0)
    breaker.record(late or 0, 1.0, failed=False)
    assert breaker.admit(1.0) is None
    assert breaker.admit(COOLDOWN_S) is not None
    breaker.record(late or 0, COOLDOWN_S, failed=False)
    assert breaker.admit(COOLDOWN_S) is None, "the probe is still under way"


def test_a_probe_whose_process_froze_does_not_block_for_ever() -> None:
    breaker = Breaker()
    opened(breaker, 0.0)
    frozen = breaker.admit(COOLDOWN_S)
    assert breaker.admit(COOLDOWN_S + PROBE_MAX_S - 0.01) is None
    assert breaker.admit(COOLDOWN_S + PROBE_MAX_S) is not None
    breaker.record(frozen or 0, COOLDOWN_S + PROBE_MAX_S, failed=False)
    assert breaker.admit(COOLDOWN_S + PROBE_MAX_S) is None, "its word counts no more"


def fail(breakers: Breakers, caller: str, now: float, times: int = 1) -> None:
    for _ in range(times):
        if tickets := breakers.admit(caller, now):
            breakers.record(caller, tickets, now, failed=True)


def rested_for_all(now: float = 0.0) -> Breakers:
    breakers = Breakers()
    for caller in ("a", "b", "c"):
        fail(breakers, caller, now, COUNTED_OF_ONE)
    assert breakers.admit("d", now) is None
    return breakers


def test_one_caller_rests_nobody_but_himself() -> None:
    breakers = Breakers()
    for number in range(200):
        fail(breakers, "a", number / 10)
    assert breakers.admit("a", 20.0) is None
    assert breakers.admit("b", 20.0) is not None
    fail(breakers, "b", 20.0, MIN_FAILURES)
    assert breakers.admit("b", 20.0) is None
    assert breakers.admit("c", 20.0) is not None, "nor do two"


def test_three_callers_failures_rest_all() -> None:
    breakers = rested_for_all()
    assert breakers.admit("d", COOLDOWN_S - 0.01) is None
    assert 0 < breakers.wait_s("d", 1.0) <= COOLDOWN_S
    assert breakers.admit("d", COOLDOWN_S) is not None


def test_three_callers_failures_rest_nobody_while_others_get_answers() -> None:
    breakers = Breakers()
    for _ in range(3 * COUNTED_OF_ONE + 1):
        tickets = breakers.admit("d", 0.0)
        assert tickets
        breakers.record("d", tickets, 0.0, failed=False)
    for caller in ("a", "b", "c"):
        fail(breakers, caller, 0.0, COUNTED_OF_ONE)
    assert breakers.admit("d", 0.0) is not None


def test_a_caller_whose_probe_failed_rests_and_the_next_probe_is_anothers() -> None:
    breakers = rested_for_all()
    fail(breakers, "a", COOLDOWN_S)
    assert breakers.admit("a", COOLDOWN_S) is None
    tickets = breakers.admit("d", COOLDOWN_S)
    assert tickets and breakers.admit("e", COOLDOWN_S) is None, "one at a time"
    breakers.record("d", tickets, COOLDOWN_S, failed=False)
    assert breakers.admit("e", COOLDOWN_S) is not None
    assert breakers.admit("a", COOLDOWN_S) is None
    assert breakers.admit("a", 2 * COOLDOWN_S) is not None


def test_three_callers_failed_probes_rest_all_again() -> None:
    breakers = rested_for_all()
    for caller in ("a", "b"):
        fail(breakers, caller, COOLDOWN_S)
    for later in (2, 3, 4):
        fail(breakers, "a", later * COOLDOWN_S)
    assert breakers.wait_s("d", 4 * COOLDOWN_S) == 0, "and one caller's do not, however many"
    fail(breakers, "c", 4 * COOLDOWN_S)
    assert breakers.wait_s("d", 4 * COOLDOWN_S) == COOLDOWN_S


def test_so_many_callers_are_remembered() -> None:
    breakers = Breakers()
    fail(breakers, "a", 0.0, MIN_FAILURES)
    for number in range(MAX_CALLERS - 1):
        breakers.admit(f"b{number}", 0.0)
    assert breakers.admit("a", 0.0) is None
    for number in range(3 * MAX_CALLERS):
        breakers.admit(f"c{number}", 0.0)
    assert len(breakers._own) == MAX_CALLERS
