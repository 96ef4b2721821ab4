"""Webhooks as their user makes, reads, changes and deletes them."""

import pytest

from chalicelib.errors import InvalidInput
from chalicelib.model.webhooks.webhooks import check_url
from chalicelib.ops.webhooks.webhooks import MAX_SECRETS, MAX_WEBHOOKS
from tests.webhooks.conftest import Hooks


def test_a_webhook_is_made_read_changed_listed_and_deleted(hooks: Hooks) -> None:
    hook = hooks.make("item.ready", "item.ready", description="mine")
    assert hook["secret"].startswith("whsec_") and hook["events"] == ["item.ready"]
    shown = {name: value for name, value in hook.items() if name != "secret"}
    assert hooks("GET", f"/{hook['id']}").body == shown
    other = hooks.make("run.failed")
    page = hooks("GET", "?limit=1").body
    assert page["data"][0]["id"] == other["id"] and page["has_more"]
    (last,) = hooks("GET", f"?limit=1&after={page['next']}").body["data"]
    assert last == shown
    changed = hooks("PATCH", f"/{hook['id']}", {"events": ["run.failed"], "description": ""}).body
    assert (changed["events"], changed["description"], changed["url"]) == (["run.failed"], "", hook["url"])
    assert hooks("DELETE", f"/{hook['id']}").status == 204
    assert hooks("DELETE", f"/{hook['id']}").status == hooks("GET", f"/{hook['id']}").status == 404


def test_no_answer_has_a_secret_twice(hooks: Hooks) -> None:
    hook = hooks.make()
    rotated = hooks("POST", f"/{hook['id']}/secret", {}).body["secret"]
    hooks("POST", f"/{hook['id']}/test")
    hooks.talk.world.run()
    answers = [hooks("GET", path).body for path in ("", f"/{hook['id']}", f"/{hook['id']}/deliveries")]
    kept = hooks.talk.world.sql("SELECT coalesce(string_agg(body, ''), '') FROM idempotency_keys")
    for secret in (hook["secret"], rotated):
        assert secret not in str(answers) and secret not in str(kept)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://example.org/",
            "ftp://example.org/",
            "https://",
            "https://user:x@example.org/",
            "example.org",
        ),
        *(
            "https://example.org/#part",
            "https://example.org/a b",
            "https://exämple.org/",
            "https://10.0.0.1/",
        ),
        *("https://169.254.169.254/latest", "https://[::1]/", "https://127.0.0.1/", "https://example.org:x/"),
    ],
)
def test_where_no_webhook_may_lead(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_url(url, is_local=False)
    assert refused.value.field == "url"


def test_where_a_webhook_may_lead() -> None:
    check_url("https://example.org:8443/a?b=c", is_local=False)
    check_url("http://127.0.0.1:9000/", is_local=True)


def test_mistakes_are_named(hooks: Hooks) -> None:
    good = {"url": "https://example.org/", "events": ["item.ready"]}
    for wrong, field in (
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"events": []}, "events"),
        ({"events": ["item.moved"]}, "events[0]"),
        ({"description": "x" * 501}, "description"),
    ):
        reply = hooks("POST", "", {**good, **wrong})
        assert reply.status == 400 and reply.body["errors"][0]["field"] == field, reply
    hook = hooks.make()
    assert hooks("PATCH", f"/{hook['id']}", {"url": "https://[::ffff:10.0.0.1]/"}).status == 400
    assert hooks("POST", f"/{hook['id']}/secret", {"keep_old_hours": 169}).status == 400
    assert hooks("GET", "?after=x").status == 400


def test_there_are_bounds(hooks: Hooks) -> None:
    made = [hooks.make() for _ in range(MAX_WEBHOOKS)]
    reply = hooks("POST", "", {"url": hooks.receiver.url, "events": ["item.ready"]})
    assert (reply.status, reply.code) == (409, "too_many_webhooks")
    path = f"/{made[0]['id']}/secret"
    codes = [hooks("POST", path, {}).status for _ in range(MAX_SECRETS)]
    assert codes == [200] * (MAX_SECRETS - 1) + [409]
    assert hooks("POST", path, {"keep_old_hours": 0}).status == 200


def test_anothers_webhook_is_as_missing_as_what_never_was(hooks: Hooks) -> None:
    hook = hooks.make()
    sent = hooks("POST", f"/{hook['id']}/test").body
    hooks.talk.be("bob")
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"enabled": False}),
        ("DELETE", "", None),
        ("POST", "/secret", {}),
        ("POST", "/test", None),
        ("GET", "/deliveries", None),
        ("POST", f"/deliveries/{sent['id']}/redeliver", None),
    ):
        assert hooks(method, f"/{hook['id']}{path}", body).status == 404, (method, path)
    mine = hooks.make()
    assert hooks("POST", f"/{mine['id']}/deliveries/{sent['id']}/redeliver").status == 404
