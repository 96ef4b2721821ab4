"""The operator's command: administrators, and links where no mail is sent."""

import os
import subprocess
import sys
from dataclasses import dataclass
from time import time
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.errors import Misconfigured
from chalicelib.model.accounts.signed_links import Links
from chalicelib.ops.accounts import operate
from chalicelib.stores.postgres.postgres import Database, OperatorsDatabase
from deploy.operate import main
from deploy.policies import ROOT
from tests.support.people import PASSWORD, People

CONSOLE = "https://app.example.org/dev"


@dataclass
class Operator:
    people: People
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str, **variables: str | None) -> tuple[int, str, str]:
        """Return the exit code, and what was printed, to stdout and stderr."""
        env: dict[str, Any] = {
            "MIGRATION_DATABASE_URL": self.people.world.admin_url,
            "SESSION_SECRET": wiring.settings().session_secret,
            "CONSOLE_URL": f"{CONSOLE}/",
            **variables,
        }
        self.capsys.readouterr()
        code = main(arguments, {name: value for name, value in env.items() if value is not None})
        printed = self.capsys.readouterr()
        return code, printed.out.strip(), printed.err.strip()


@pytest.fixture
def operator(people: People, capsys: pytest.CaptureFixture[str]) -> Operator:
    """The operator of a stage that sends no mail, and knows of no console."""
    people.set(ENVIRONMENT="dev", REGISTRATION_OPEN=None)
    return Operator(people, capsys)


def join(people: People, email: str) -> dict[str, Any]:
    """Insert an account and sign in; return the tokens."""
    people.set(ENVIRONMENT="local", REGISTRATION_OPEN="true")
    people.register(email)
    people.set(ENVIRONMENT="dev", REGISTRATION_OPEN=None)
    tokens: dict[str, Any] = people.log_in(email).body
    return tokens


def test_an_administrator_is_made_and_unmade_and_it_counts_at_once(
    people: People, operator: Operator
) -> None:
    token = join(people, "Ann@example.org")["access_token"]
    join(people, "bob@example.org")
    assert operator("list-admins") == (0, "nobody", "")
    assert operator("make-admin", "ann@example.org") == (0, "ann@example.org is an administrator", "")
    assert operator("make-admin", "ann@example.org")[0] == 0, "again is no error"
    assert (people.me(token).body["role"], people("GET", "/api/v1/failures", token=token).status) == (
        "admin",
        200,
    )
    assert operator("list-admins") == (0, "Ann@example.org", "")
    assert operator("revoke-admin", "ann@example.org") == (0, "ann@example.org is not an administrator", "")
    assert (people.me(token).body["role"], people("GET", "/api/v1/failures", token=token).status) == (
        "user",
        403,
    )


@pytest.mark.parametrize("command", ["make-admin", "revoke-admin", "reset-link"])
def test_an_address_without_an_account_is_told(operator: Operator, command: str) -> None:
    assert operator(command, "nobody@example.org") == (1, "", "nobody@example.org has no account.")


def test_an_invitation_and_a_reset_are_links_that_are_good_once(people: People, operator: Operator) -> None:
    code, url, _ = operator("invite", "ann@example.org")
    assert code == 0 and url.startswith(f"{CONSOLE}/#/invite/")
    body = {"token": url.rpartition("/")[2], "password": PASSWORD}
    assert people("POST", "/api/v1/accounts", body).status == 201
    assert people("POST", "/api/v1/accounts", body).code == "link_used"
    assert operator("invite", "ANN@example.org")[0] == 1
    code, url, _ = operator("reset-link", "ANN@example.org")
    assert code == 0 and url.startswith(f"{CONSOLE}/#/reset/")
    body = {"token": url.rpartition("/")[2], "password": "an altogether new one"}
    assert people("POST", "/api/v1/password", body).body["email"] == "ann@example.org"
    assert people.log_in("ann@example.org", "an altogether new one").status == 201
    people.world.sql("UPDATE accounts SET disabled_at = now()")
    assert operator("reset-link", "ann@example.org") == (1, "", "The account of ann@example.org is disabled.")


@pytest.mark.parametrize("missing", ["MIGRATION_DATABASE_URL", "SESSION_SECRET", "CONSOLE_URL"])
def test_a_missing_variable_is_named(operator: Operator, missing: str) -> None:
    code, _, error = operator("invite", "ann@example.org", **{missing: None})
    assert (code, error) == (2, f"{missing}: must be set")


def test_a_short_secret_and_a_database_that_is_away_are_told(operator: Operator) -> None:
    code, _, error = operator("invite", "ann@example.org", SESSION_SECRET="short")
    assert code == 2 and error.startswith("SESSION_SECRET: ") and "short" not in error
    code, _, error = operator("list-admins", MIGRATION_DATABASE_URL="postgresql://o:hunter2@127.0.0.1:1/x")
    assert (code, error) == (3, "The database is not available; try again soon.")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--help"], 0, "make-admin"),
        (["invite", "--help"], 0, "EMAIL"),
        ([], 2, "COMMAND"),
        (["make-admin"], 2, "EMAIL"),
        (["promote", "ann@example.org"], 2, "invalid choice"),
        (["invite", "x<ann@example.org>"], 2, "is not a mail address"),
        (["list-admins"], 2, "MIGRATION_DATABASE_URL: must be set"),
    ],
)
def test_the_command_explains_itself(arguments: list[str], code: int, says: str) -> None:
    env = {name: value for name, value in os.environ.items() if name != "MIGRATION_DATABASE_URL"}
    command = [sys.executable, "-m", "deploy.operate", *arguments]
    ran = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == code
    assert says in ran.stdout + ran.stderr


def test_the_app_itself_can_make_no_administrator(people: People) -> None:
    """Its role is no member of the operator's, and it refuses to run as one that is."""
    people.join("ann@example.org")
    as_app = OperatorsDatabase(wiring.settings().database_url, max_size=1)
    with pytest.raises(Exception, match="permission denied"):
        operate.make_admin("ann@example.org", db=as_app)
    as_app.close()
    with pytest.raises(Misconfigured):
        Database(people.world.admin_url, max_size=1).transact("ann", lambda tx: tx.one("SELECT 1"))
    assert operate.list_admins(db=OperatorsDatabase(people.world.admin_url, max_size=1)) == []


def test_the_owner_need_be_no_superuser(people: People) -> None:
    """On AWS the owner is under the policies too, and a member of collections_operator."""
    people.join("ann@example.org")
    people.world.sql(
        "CREATE ROLE other_owner LOGIN PASSWORD 'x' IN ROLE collections_operator;"
        "GRANT SELECT, UPDATE ON accounts TO other_owner"
    )
    try:
        url = people.world.admin_url.replace("//postgres@", "//other_owner:x@")
        db = OperatorsDatabase(url, max_size=1)
        operate.make_admin("ann@example.org", db=db)
        assert [each.email for each in operate.list_admins(db=db)] == ["ann@example.org"]
        links = Links(secrets=("s" * 32,), console_url=CONSOLE)
        assert operate.reset_link("ann@example.org", now_s=int(time()), db=db, links=links)
        db.close()
    finally:
        people.world.sql("DROP OWNED BY other_owner; DROP ROLE other_owner")
