"""A month's budget for models is reserved before a call, settled after it, warned of, and waited for."""

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest

from chalicelib.errors import BudgetSpent, Unavailable
from chalicelib.model import prompts
from chalicelib.model.usage.budgets import Budgets
from chalicelib.model.usage.usage import Owner, Usage
from chalicelib.ops.usage.meter import Meter
from chalicelib.ops.usage.metered import MeteredChat
from chalicelib.providers.models.anthropic_messages import AnthropicMessages
from chalicelib.providers.models.chat import HostedChat
from chalicelib.settings import InvalidSetting
from chalicelib.settings.budgets import budgets
from chalicelib.stores.postgres.postgres import Database
from chalicelib.stores.usage import spending
from tests.models.making import KEY, providers
from tests.support.databases import execute, rows
from tests.support.model_server import ModelServer, Reply

# An answer of the server costs Haiku's ONE. It may cost MOST: 1,000 tokens of prompt, 9 + 8,192 of output.
ONE, MOST = Decimal("0.00000279"), Decimal("0.0042005")
USED = Usage(provider="anthropic", model="claude-haiku-5-5", input_tokens=1_000, output_tokens=8_201)


def limited(user: str | Decimal | None, stage: str | Decimal | None = None) -> Budgets:
    amounts = {"user.free": user, "stage": stage}
    return {whose: None if amount is None else Decimal(amount) for whose, amount in amounts.items()}


def chat(server: ModelServer, db: Database, held: Budgets, user: str = "alice") -> MeteredChat:
    writer = AnthropicMessages(base_url=server.url, api_key=KEY, model="claude-haiku-5-5")
    meter = Meter(Owner(user_id=user), db=db, budgets=held)
    return MeteredChat(HostedChat(providers(writer)), meter)


def ask(model: MeteredChat) -> Any:
    return model.complete("", "", schema=prompts.QUESTION, max_tokens=9, timeout_s=9).value


def spent(url: str, table: str = "spending") -> tuple[Decimal, Decimal]:
    ((spent_usd, reserved_usd),) = rows(url, f"SELECT spent_usd, reserved_usd FROM {table}")
    return spent_usd, reserved_usd


def test_reserved_before_and_settled_after(server: ModelServer, db: Database, admin_url: str) -> None:
    during = []

    def value(asked: Any) -> Any:
        during.append((spent(admin_url), spent(admin_url, "stage_spending")))
        return {"question": "Is it so?"}

    server.value = value
    ask(chat(server, db, limited(MOST)))
    assert during == [((0, MOST), (0, MOST))]
    assert spent(admin_url) == spent(admin_url, "stage_spending") == (ONE, 0)
    assert rows(admin_url, "SELECT count(*) FROM reservations") == [(0,)]


@pytest.mark.parametrize(
    "held", [limited(4 * MOST), limited(None, 4 * MOST)], ids=["a user's", "the stage's"]
)
def test_calls_at_once_do_not_overspend_together(
    server: ModelServer, db: Database, admin_url: str, held: Budgets
) -> None:
    """Twelve begin together where four have room: the server answers none before all have asked or were refused."""
    together, all_told = Barrier(12), Barrier(12)

    def value(asked: Any) -> Any:
        all_told.wait(30)
        return {"question": "Is it so?"}

    def one(number: int) -> bool:
        model = chat(server, db, held, user="alice" if held["stage"] is None else f"user{number}")
        together.wait(30)
        try:
            ask(model)
        except BudgetSpent:
            all_told.wait(30)
            return False
        return True

    server.value = value
    with ThreadPoolExecutor(12) as pool:
        answered = list(pool.map(one, range(12)))
    assert answered.count(True) == len(server.asked) == 4
    assert spent(admin_url, "stage_spending") == (4 * ONE, 0)


def test_what_was_reserved_is_free_again_when_no_answer_comes(
    server: ModelServer, db: Database, admin_url: str
) -> None:
    server.script.append(Reply(503, {}, headers={"x-should-retry": "false"}))
    with pytest.raises(Unavailable):
        ask(chat(server, db, limited(MOST)))
    assert spent(admin_url) == (0, 0)
    ask(chat(server, db, limited(MOST)))


def test_a_budget_that_is_spent_says_so(server: ModelServer, db: Database) -> None:
    ask(chat(server, db, limited(MOST)))
    with pytest.raises(BudgetSpent, match=r"^Your budget of 0\.0042005 US dollars a month") as refused:
        ask(chat(server, db, limited(MOST)))
    assert re.search(r"anew on 20\d\d-\d\d-01; the operator can raise it \(BUDGETS\)", refused.value.message)
    assert len(server.asked) == 1
    ask(chat(server, db, limited(MOST), user="bob"))
    with pytest.raises(BudgetSpent, match=r"^The budget of all users together of 0\.0042005 US dollars"):
        ask(chat(server, db, limited(None, MOST)))


def test_the_month_turns(server: ModelServer, db: Database, admin_url: str) -> None:
    ask(chat(server, db, limited(MOST)))
    for table in ("spending", "stage_spending"):
        execute(admin_url, f"UPDATE {table} SET month = month - interval '1 month'")
    ask(chat(server, db, limited(MOST, MOST)))


def test_what_a_process_that_died_has_reserved_is_freed_by_the_sweep(
    server: ModelServer, db: Database, admin_url: str
) -> None:
    held = limited(MOST, MOST)
    Meter(Owner(user_id="alice"), db=db, budgets=held).reserve([USED])
    with pytest.raises(BudgetSpent):
        ask(chat(server, db, held))
    assert db.transact_as_system(lambda tx: spending.free_expired(tx, limit=9)) == 0, "it may still come"
    execute(admin_url, "UPDATE reservations SET expires_at = now() - interval '1 second'")
    assert db.transact_as_system(lambda tx: spending.free_expired(tx, limit=9)) == 1
    assert spent(admin_url) == spent(admin_url, "stage_spending") == (0, 0)
    ask(chat(server, db, held))


def test_a_call_that_outlives_its_reservation_counts_once(
    server: ModelServer, db: Database, admin_url: str
) -> None:
    def value(asked: Any) -> Any:
        execute(admin_url, "UPDATE reservations SET expires_at = now() - interval '1 second'")
        db.transact_as_system(lambda tx: spending.free_expired(tx, limit=9))
        return {"question": "Is it so?"}

    server.value = value
    ask(chat(server, db, limited(MOST)))
    assert spent(admin_url) == spent(admin_url, "stage_spending") == (ONE, 0)


def test_four_fifths_are_warned_of_once(
    server: ModelServer, db: Database, admin_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    ask(chat(server, db, limited(1)))
    execute(admin_url, f"UPDATE spending SET spent_usd = 0.8 - 2 * {ONE}")
    with caplog.at_level(logging.WARNING, "collections.usage"):
        said = []
        for _ in range(3):
            ask(chat(server, db, limited(1)))
            said.append([record.message for record in caplog.records])
    assert said == [
        [],
        ["four fifths of the user's budget are spent"],
        ["four fifths of the user's budget are spent"],
    ]


def test_budgets_are_read_from_their_variable() -> None:
    assert budgets({}, "BUDGETS", local=False) == {
        "user.free": Decimal(5),
        "user.team": Decimal(50),
        "stage": Decimal(200),
    }
    assert set(budgets({}, "BUDGETS", local=True).values()) == {None}
    given = {"BUDGETS": '{"user.free": 0.1, "user.team": null, "stage": "1000.50"}'}
    assert budgets(given, "BUDGETS", local=False) == {
        "user.free": Decimal("0.1"),
        "user.team": None,
        "stage": Decimal("1000.50"),
    }


@pytest.mark.parametrize(
    "text",
    [
        "5",
        "{",
        '{"user.gold": "1"}',
        '{"stage": "-1"}',
        '{"stage": "much"}',
        '{"stage": 1e30}',
        '{"stage": true}',
    ],
)
def test_budgets_that_are_none_are_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidSetting, match=r"^BUDGETS: must be such as"):
        budgets({"BUDGETS": text}, "BUDGETS", local=False)
