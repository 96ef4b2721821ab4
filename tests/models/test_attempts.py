"""The providers of a role are asked within a deadline, with waits, fallbacks in order, and rests."""

from collections.abc import Callable

import pytest

from chalicelib.errors import BadFile, Misconfigured, ModelRefused, Throttled, Unavailable
from chalicelib.model.gateway.breaker import COOLDOWN_S, MIN_FAILURES
from chalicelib.providers import Usage
from chalicelib.providers.models.attempts import MAX_CALLS, Calls, Providers
from chalicelib.providers.models.chat import HostedChat
from chalicelib.providers.models.embedder import HostedEmbedder
from tests.models.making import EMBEDDERS, WRITERS, ask, providers
from tests.models.test_conformance import ERRORS
from tests.models.written import VALUE
from tests.support.model_server import Hang, ModelServer, Reply, anthropic_message


class Time:
    """A clock that moves only when somebody sleeps or a call takes its time."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def away(*, retry_after_s: float | None = None) -> Unavailable:
    error = Throttled("Slow down.", retry_after_s=retry_after_s)
    error.at_once = True
    return error


def asking(time: Time, *names: str) -> Providers[str]:
    return Providers(names, clock=time.clock, sleep=time.sleep)


def failing(
    time: Time, error: Exception, took_s: float = 0.0
) -> tuple[Callable[[str, Calls], str], list[tuple[str, float]]]:
    """Calls that take `took_s` each and fail, and what was asked: who, with how much time."""
    asked = list[tuple[str, float]]()

    def fail(name: str, calls: Calls) -> str:
        asked.append((name, round(calls.begin(), 3)))
        time.now += took_s
        raise error

    return fail, asked


def test_each_call_gets_the_time_that_is_left() -> None:
    time = Time()
    fail, asked = failing(time, away(retry_after_s=10), took_s=5)
    with pytest.raises(Throttled):
        asking(time, "only").ask(fail, timeout_s=100)
    assert asked == [("only", 100.0), ("only", 85.0), ("only", 70.0)]
    assert MAX_CALLS == 3


def test_no_wait_outlasts_the_deadline() -> None:
    time = Time()
    fail, asked = failing(time, away(retry_after_s=10), took_s=5)
    with pytest.raises(Throttled):
        asking(time, "only").ask(fail, timeout_s=16)
    assert asked == [("only", 16.0)], "1 s would have been left for another call"


def test_without_time_nobody_is_asked() -> None:
    time = Time()
    fail, asked = failing(time, away())
    with pytest.raises(Unavailable) as raised:
        asking(time, "only").ask(fail, timeout_s=0)
    assert (raised.value.code, asked) == ("no_time_left", [])


@pytest.mark.parametrize("error", [away(), Unavailable("no"), Misconfigured("our key")])
def test_the_next_provider_is_asked_when_one_is_away(error: Unavailable) -> None:
    time = Time()
    fail, asked = failing(time, error)

    def first_fails(name: str, calls: Calls) -> str:
        return fail(name, calls) if name == "first" else f"{name} within {calls.begin():.0f} s"

    assert asking(time, "first", "second").ask(first_fails, timeout_s=60) == "second within 60 s"
    assert asked == [("first", 30.0)], "half of the time is kept for the second"
    assert time.now == 1_000.0, "nobody waited"


@pytest.mark.parametrize("error", [ModelRefused("no"), BadFile("no")])
def test_no_other_provider_is_asked_for_what_one_refuses(error: Exception) -> None:
    fail, asked = failing(Time(), error)
    with pytest.raises(type(error)):
        asking(Time(), "first", "second").ask(fail, timeout_s=60)
    assert [name for name, _ in asked] == ["first"]


def test_all_providers_together_are_asked_three_times() -> None:
    time = Time()
    fail, asked = failing(time, away())
    with pytest.raises(Throttled):
        asking(time, "first", "second").ask(fail, timeout_s=60)
    assert [name for name, _ in asked] == ["first", "second", "second"]


def test_one_that_keeps_failing_is_given_a_rest_and_tried_again() -> None:
    time = Time()
    both = asking(time, "first")
    fail, asked = failing(time, away(retry_after_s=99))
    for _ in range(MIN_FAILURES):
        with pytest.raises(Throttled):
            both.ask(fail, timeout_s=9)
    with pytest.raises(Unavailable) as raised:
        both.ask(fail, timeout_s=9)
    assert (raised.value.code, raised.value.retry_after_s) == ("provider_resting", COOLDOWN_S)
    assert len(asked) == MIN_FAILURES
    time.now += COOLDOWN_S
    assert both.ask(lambda name, calls: name, timeout_s=9) == "first"
    assert both.ask(lambda name, calls: name, timeout_s=9) == "first"


def test_a_resting_provider_is_passed_over() -> None:
    time = Time()
    two = asking(time, "first", "second")
    fail, asked = failing(time, away())

    def first_fails(name: str, calls: Calls) -> str:
        return fail(name, calls) if name == "first" else name

    for _ in range(2 * MIN_FAILURES):
        assert two.ask(first_fails, timeout_s=60) == "second"
    assert len(asked) == MIN_FAILURES


def test_our_own_mistakes_rest_nobody() -> None:
    time = Time()
    one = asking(time, "only")
    fail, asked = failing(time, Misconfigured("our key"))
    for _ in range(3 * MIN_FAILURES):
        with pytest.raises(Misconfigured):
            one.ask(fail, timeout_s=9)
    assert len(asked) == 3 * MIN_FAILURES


def test_the_answer_says_which_provider_gave_it(server: ModelServer) -> None:
    server.script.append(ERRORS["anthropic"]["overloaded"])
    chat = HostedChat(providers(*(vendor.make(server.url) for vendor in WRITERS)))
    spent = list[Usage]()
    schema = {"title": "question", "type": "object", "properties": {"question": {"type": "string"}}}
    answer = chat.complete("", "", schema=schema, max_tokens=9, timeout_s=30, spend=spent.append)
    assert (chat.provider, chat.model) == ("anthropic", "claude-of-the-tests")
    assert (answer.provider, answer.model, answer.value) == ("openai", "gpt-of-the-tests", VALUE)
    assert [usage.provider for usage in spent] == ["openai"]


def test_a_provider_that_hangs_leaves_time_for_the_next(server: ModelServer) -> None:
    server.script.append(Hang())
    two = providers(WRITERS[0].make(server.url), WRITERS[2].make(server.url))
    assert ask("writer", two, timeout_s=4.0) == VALUE
    assert [asked.path for asked in server.asked] == ["/v1/messages", "/model/eu.maker.model-v1:0/converse"]


def test_a_repair_is_one_of_the_three_calls(server: ModelServer) -> None:
    busy = ERRORS["anthropic"]["overloaded"]
    server.script.extend([busy, busy, Reply(body=anthropic_message({"question": 7}))])
    with pytest.raises(Unavailable) as raised:
        WRITERS[0].ask(server.url)
    assert (raised.value.code, len(server.asked)) == ("no_time_left", 3)


def test_each_batch_of_texts_is_an_attempt_of_its_own(server: ModelServer) -> None:
    server.script.extend([ERRORS["voyage"]["overloaded"]] * 2)
    titan = next(each for each in EMBEDDERS if each.name == "titan")
    embedder = HostedEmbedder(providers(titan.make(server.url)), dimensions=2)
    assert len(embedder.embed(["a", "b"], timeout_s=30)) == 2
    assert len(server.asked) == 4
