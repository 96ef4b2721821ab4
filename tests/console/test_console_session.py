"""The console's sign-in, on the app itself: tabs of tests/console/console_page.js against the API over HTTP."""

import json
import re
import subprocess
from collections.abc import Iterator
from time import time
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.model.accounts.passwords import MIN_CHARS
from chalicelib.model.accounts.tokens import ACCESS_TOKEN_S, make_access_token
from deploy.policies import ROOT
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, People
from tests.support.processes import needs_node
from tests.support.served import Served, served_app
from tests.support.world import jpeg

pytestmark = needs_node
NOTHING = {"email": "", "password": "", "above": ""}
FORM = {"form": "Sign in", "items": 0, "who": "", "offered": ["other"], "wrong": NOTHING, "focus": "email"}
INSIDE = {"form": None, "who": "ann@example.org", "offered": ["pick", "sign-out"]}


@pytest.fixture
def served(people: People) -> Iterator[Served]:
    with served_app() as served:
        yield served


def browse(served: Served, what: str, kept: dict[str, Any] | None = None) -> Any:
    """Return what the tabs of a browser show after these actions."""
    script = ["node", "tests/console/console_session.js", f"{served.url}/", what, json.dumps(kept)]
    ran = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def part(seen: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    return {name: sorted(seen[name]) if name == "offered" else seen[name] for name in names}


def signed_in(people: People, *, expired: bool = False) -> dict[str, Any]:
    """Ann's tokens; an expired access token is as good as any until somebody asks with it."""
    tokens = people.join("ann@example.org")
    if not expired:
        return tokens
    user_id = people.me(tokens["access_token"]).body["id"]
    then_s, session_id = int(time()) - ACCESS_TOKEN_S - 1, tokens["session_id"]
    old = make_access_token(wiring.signing(), user_id=user_id, session_id=session_id, now_s=then_s)
    return {**tokens, "access_token": old}


def test_whoever_signs_in_stays_so_and_their_tokens_are_in_no_url(people: People, served: Served):
    people.register("ann@example.org")
    seen = browse(served, "signIn")
    assert part(seen["wall"], FORM) == FORM
    wrong, malformed = seen["wrong"], seen["malformed"]
    assert wrong["wrong"] == {**NOTHING, "above": "The address or the password is wrong."}
    assert malformed["wrong"]["email"] == "email must be an email address, such as ann@example.org."
    assert (malformed["wrong"]["above"], malformed["focus"]) == ("", "email")
    assert part(seen["inside"], INSIDE) == part(seen["again"], INSIDE) == INSIDE
    assert seen["told"] is False


def test_an_account_is_made_and_signed_in_to(people: People, served: Served):
    people.register("ann@example.org")
    seen = browse(served, "create")
    assert (seen["offered"]["form"], seen["offered"]["autocomplete"]) == ("Create account", "new-password")
    assert f"password must have at least {MIN_CHARS} characters." == seen["short"]["wrong"]["password"]
    assert (seen["offered"]["minLength"], seen["short"]["focus"]) == (MIN_CHARS, "password")
    assert seen["taken"]["form"] == "Sign in"
    assert seen["taken"]["wrong"]["above"] == "This address has an account already, and another password."
    assert seen["inside"]["who"] == "new@example.org"
    assert people.log_in("ann@example.org", PASSWORD).status == 201


def test_an_account_is_asked_for_by_mail_and_made_by_its_link(
    people: People, mailbox: Mailbox, served: Served
):
    seen = browse(served, "mail", {"button": "other", "email": "ann@example.org"})
    assert (seen["form"]["form"], seen["form"]["fields"]) == ("Create account", ["email"])
    assert seen["form"]["button"] == "Send a link"
    assert seen["after"]["said"] == "Check your mail: a link is on its way to ann@example.org."
    link = {"hash": f"#/register/{mailbox.link('register')}", "password": PASSWORD}
    seen = browse(served, "link", link)
    assert (seen["page"]["form"], seen["page"]["fields"]) == ("Choose a password", ["password"])
    assert part(seen["after"], INSIDE) == INSIDE
    # The token leaves the address bar, stands in no URL, and is sent when somebody presses the button only.
    assert (seen["page"]["hash"], seen["told"], set(seen["unasked"])) == ("", False, {"GET"})
    again = browse(served, "link", link)
    assert again["after"]["wrong"]["above"].startswith("This link was used")
    assert (again["back"]["form"], again["back"]["offered"]) == ("Sign in", ["other", "lost"])


def test_a_forgotten_password_is_chosen_anew(people: People, mailbox: Mailbox, served: Served):
    mailbox.join("ann@example.org")
    seen = browse(served, "mail", {"button": "lost", "email": "ann@example.org"})
    assert (seen["form"]["form"], seen["form"]["fields"]) == ("Forgotten password", ["email"])
    assert seen["after"]["said"].startswith("Check your mail")
    link = {"hash": f"#/reset/{mailbox.link('reset')}", "password": "short"}
    seen = browse(served, "link", link)
    assert "at least" in seen["after"]["wrong"]["password"]
    seen = browse(served, "link", {**link, "password": "an altogether new one"})
    assert seen["page"]["form"] == "Choose a new password"
    assert part(seen["after"], INSIDE) == INSIDE
    assert people.log_in("ann@example.org", "an altogether new one").status == 201


def test_an_invitation_opens_a_page_of_its_own(people: People, mailbox: Mailbox, served: Served):
    people.set(REGISTRATION_OPEN=None)
    url = wiring.links().make("invite", email="ann@example.org", now_s=int(time()))
    seen = browse(served, "link", {"hash": url[url.index("#") :], "password": PASSWORD})
    assert seen["page"]["form"].startswith("You are invited")
    assert part(seen["after"], INSIDE) == INSIDE


def test_a_new_address_is_confirmed(people: People, mailbox: Mailbox, served: Served):
    tokens = mailbox.join("ann@example.org")
    body = {"email": "new@example.org", "current_password": PASSWORD}
    people("POST", "/api/v1/me/email", body, token=tokens["access_token"])
    link = {**tokens, "hash": f"#/address/{mailbox.link('address')}", "password": ""}
    seen = browse(served, "link", link)
    assert (seen["page"]["form"], seen["page"]["fields"]) == ("Confirm your address", [])
    assert seen["after"]["notice"] == "Sign in with new@example.org from now on."
    assert seen["after"]["who"] == "new@example.org"


def test_where_registration_is_closed_no_account_is_offered(people: People, served: Served):
    people.register("ann@example.org")
    people.set(REGISTRATION_OPEN=None)
    assert browse(served, "signIn")["wall"]["offered"] == []


def test_calls_at_once_in_all_tabs_share_one_refresh(people: People, served: Served):
    seen = browse(served, "refresh", signed_in(people, expired=True))
    assert (seen["statuses"], seen["refreshes"]) == ([200] * 6, 1)
    assert (seen["isNew"], seen["isSame"], seen["stayed"], seen["lives"]) == (True, True, True, 200)


def test_a_session_that_is_over_leaves_the_form_and_nothing_else(people: People, served: Served):
    tokens = signed_in(people)
    people.world.ingest(f"{people.me(tokens['access_token']).body['id']}/ann-secret.jpg", jpeg())
    seen = browse(served, "refused", tokens)
    assert (seen["ended"], seen["before"]["items"]) == (204, 1)
    assert "ann-secret" in seen["before"]["texts"]
    for tab in (seen["after"], seen["other"]):
        assert part(tab, FORM) == FORM
        assert "ann" not in tab["texts"].lower()
    assert seen["kept"] is None


def test_a_refresh_without_an_answer_signs_nobody_out(people: People, served: Served):
    seen = browse(served, "unanswered", signed_in(people, expired=True))
    assert seen["away"]["notice"] == "The server answered 503. Trying again…"
    assert (seen["away"]["isKept"], seen["back"]["notice"], seen["back"]["who"]) == (
        True,
        "",
        "ann@example.org",
    )


def test_a_refresh_that_comes_too_late_brings_nobody_back(people: People, served: Served):
    ben = people.join("ben@example.org")
    seen = browse(served, "meanwhile", {**signed_in(people, expired=True), "ben": ben})
    assert seen["who"] == "ben@example.org"
    assert "ann" not in seen["texts"].lower()


def test_signing_out_ends_the_session_and_clears_all_tabs(people: People, served: Served):
    tokens = signed_in(people)
    people.world.ingest(f"{people.me(tokens['access_token']).body['id']}/ann-secret.jpg", jpeg())
    seen = browse(served, "signOut", tokens)
    assert "ann-secret" in seen["inside"]["texts"]
    for tab in (seen["after"], seen["other"]):
        assert part(tab, FORM) == FORM
        assert "ann" not in tab["texts"].lower()
    assert (seen["kept"], seen["lives"]) == (None, 401)


def test_after_too_many_tries_the_form_waits_as_long_as_it_is_told(people: People, served: Served):
    people.register("ann@example.org")
    people.set(RATE_LIMITS=json.dumps({"account": "2/10s 900/1h"}))
    seen = browse(served, "tooMany")
    told = re.search(r"Try again in ([1-5]) s\.$", seen["held"]["wrong"]["above"])
    assert told
    assert (seen["meanwhile"]["sent"], seen["meanwhile"]["wrong"]) == (0, seen["held"]["wrong"])
    assert seen["waitedMs"] > 1000 * int(told[1]) - 500
    assert part(seen["inside"], INSIDE) == INSIDE


def test_pictures_and_files_are_fetched_as_their_owner(people: People, served: Served):
    tokens = signed_in(people)
    body = jpeg()
    people.world.ingest(f"{people.me(tokens['access_token']).body['id']}/photo.jpg", body)
    (item,) = people("GET", "/api/v1/items", token=tokens["access_token"]).body["data"]
    assert people("GET", item["thumbnail_url"]).status == 401
    seen = browse(served, "pictures", {**tokens, "item": item["id"]})
    assert (seen["kind"], seen["isLetGo"]) == (True, True)
    assert "X-Amz-Signature" in seen["saved"] and tokens["access_token"] not in seen["saved"]


def test_the_anonymous_user_is_offered_to_sign_in(people: People, served: Served):
    people.register("ann@example.org")
    people.set(ANONYMOUS_USER="alice")
    seen = browse(served, "anonymous")
    outside = {"form": None, "who": "", "offered": ["pick", "sign-in"]}
    assert part(seen["before"], outside) == part(seen["after"], outside) == outside
    assert (seen["form"]["form"], seen["form"]["focus"]) == ("Sign in", "email")
    assert part(seen["inside"], INSIDE) == INSIDE
