"""The deletion of an account: everything of the user goes, nothing of another's, whatever is cut off in between."""

from datetime import UTC, datetime, timedelta
from time import time
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib import wiring
from chalicelib.errors import NotFound, Unavailable
from chalicelib.ops.accounts import delete
from chalicelib.stores.accounts import users
from chalicelib.stores.aws.blobs import Blobs
from tests.support.emulated import BUCKET
from tests.support.issuer import Issuer, jwk, sign
from tests.support.people import PASSWORD, People, Reply
from tests.support.talking import document
from tests.support.world import jpeg

NOW = datetime.now(UTC)
LATER = NOW + timedelta(hours=2)


def end(people: People, token: str) -> Reply:
    return people("DELETE", "/api/v1/me", {"current_password": PASSWORD}, token=token)


def go_on(people: People, now: datetime = LATER) -> int:
    return delete.go_on_deleting(db=people.world.db, blobs=wiring.blobs(), now=now)


def furnish(people: People, email: str) -> tuple[str, str]:
    """Make an account with something of most kinds. Return (its user's id, a token)."""
    token = people.join(email)["access_token"]
    user_id = people.me(token).body["id"]
    people.world.ingest(f"{user_id}/a.jpg", jpeg())
    people.world.ingest(f"{user_id}/b.pdf", document("Peaches ripen in July."))
    people.key(token, "read")
    assert people("POST", "/api/v1/collections", {"name": "fruit"}, token=token).status == 201
    assert people("POST", "/api/v1/decks", {"name": "fruit"}, token=token).status == 201
    assert people("PATCH", "/api/v1/reviews/settings", {"new_a_day": 5}, token=token).status == 200
    hook = {"url": "https://hooks.invalid/", "events": ["item.ready"]}
    assert people("POST", "/api/v1/webhooks", hook, token=token).status == 201
    assert people("POST", "/api/v1/jobs", {"name": "n", "description": "d"}, token=token).status == 201
    talk = people("POST", "/api/v1/conversations", {"title": "talk"}, token=token).body["id"]
    asked = people(
        "POST", f"/api/v1/conversations/{talk}/messages", {"content": "When do peaches ripen?"}, token=token
    )
    assert asked.status == 201, asked
    people.world.sql(
        f"INSERT INTO object_deletions (user_id, key) VALUES ('{user_id}', '{user_id}/gone.jpg')"
    )
    return user_id, token


def rows_of(people: People, user_id: str, number: int) -> dict[str, int]:
    """Count the user's rows in every table of the catalogue that has a user_id or an owner, and in users."""
    columns = people.world.sql(
        "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace"
        " AND a.attname IN ('user_id', 'owner') AND NOT a.attisdropped"
    )
    assert len(columns) > 30
    counts = {
        table: people.world.sql(
            f"SELECT count(*) FROM {table} WHERE {column} = "
            + (f"'{user_id}'" if column == "user_id" else str(number))
        )[0][0]
        for table, column in columns
    }
    counts["users"] = people.world.sql(f"SELECT count(*) FROM users WHERE id = '{user_id}'")[0][0]
    return {table: count for table, count in counts.items() if count}


def versions_of(people: People, user_id: str) -> list[str]:
    listed = people.world.aws.client("s3").list_object_versions(Bucket=BUCKET)
    found = [*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())]
    return [each["Key"] for each in found if user_id in each["Key"].split("/")]


def number_of(people: People, user_id: str) -> int:
    return int(people.world.sql(f"SELECT number FROM users WHERE id = '{user_id}'")[0][0])


def test_everything_of_the_user_goes_and_nothing_of_anothers(people: People) -> None:
    ann, token = furnish(people, "ann@example.org")
    bob, bobs_token = furnish(people, "bob@example.org")
    s3 = people.world.aws.client("s3")
    s3.create_multipart_upload(Bucket=BUCKET, Key=f"{ann}/parts.pdf")
    numbers = {user: number_of(people, user) for user in (ann, bob)}
    before = rows_of(people, bob, numbers[bob]), versions_of(people, bob)
    had = rows_of(people, ann, numbers[ann])
    assert {"items", "term_df", "corpus_stats", "vectors", "messages", "object_deletions"} <= had.keys()
    assert {"decks", "review_settings"} <= had.keys()

    reply = end(people, token)
    assert (reply.status, reply.body["state"]) == (202, "deleting")
    assert reply.body["counts"]["items"] == 2 and reply.body["counts"]["sessions"] == 1
    assert people.me(token).status == 401
    assert go_on(people) == 1
    assert rows_of(people, ann, numbers[ann]) == {} and versions_of(people, ann) == []
    assert not s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads")
    assert [row["user_id"]["S"] for row in people.sessions()] == [bob]
    assert (rows_of(people, bob, numbers[bob]), versions_of(people, bob)) == before
    assert people.me(bobs_token).status == 200

    receipt = people("GET", reply.headers["Location"])
    assert (receipt.status, receipt.body["state"]) == (200, "deleted")
    assert receipt.body["objects"] >= 5 and receipt.body["counts"] == reply.body["counts"]
    stored = people.world.sql("SELECT row_to_json(d)::text FROM account_deletions d")[0][0]
    assert ann not in stored and "ann@" not in stored
    assert go_on(people) == 0, "it has ended"
    assert people.register("ann@example.org").status == 202, "the address is free again"
    assert people.log_in("ann@example.org").status == 201


def test_every_credential_is_refused_at_once(people: People) -> None:
    tokens = people.join("ann@example.org")
    other, key = people.log_in("ann@example.org").body, people.key(tokens["access_token"], "read", "account")
    assert end(people, tokens["access_token"]).status == 202
    for token in (tokens["access_token"], other["access_token"], key):
        assert people.me(token).status == 401
    assert people.refresh(other["refresh_token"]).status == 401
    assert people.log_in("ann@example.org").status == 401
    assert people.sessions() == []
    table = wiring.settings().rate_limits_table
    counted = people.world.aws.client("dynamodb").scan(TableName=table)["Items"]
    assert not [row for row in counted if row["id"]["S"].startswith("user:")]


def test_the_password_is_asked_for(people: People) -> None:
    token = people.join("ann@example.org")["access_token"]
    missing = people("DELETE", "/api/v1/me", {}, token=token)
    wrong = people("DELETE", "/api/v1/me", {"current_password": "another password"}, token=token)
    assert (missing.status, missing.body["errors"][0]["field"]) == (400, "current_password")
    assert (wrong.status, wrong.code) == (400, "wrong_password")
    assert people.me(token).status == 200
    people.set(ANONYMOUS_USER="demo")
    assert people("DELETE", "/api/v1/me", {}).code == "no_account"


class Cut(Blobs):
    """A bucket that is away after some calls."""

    left = 0

    def delete_versions(self, prefix: str) -> int:
        if self.left == 0:
            raise Unavailable("cut off")
        self.left -= 1
        return super().delete_versions(prefix)


def test_a_deletion_that_is_cut_off_anywhere_goes_on_and_ends(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, token = furnish(people, "ann@example.org")
    number = number_of(people, ann)
    assert end(people, token).status == 202
    monkeypatch.setattr(delete, "ITEMS_PER_TRANSACTION", 1)
    monkeypatch.setattr(delete, "ITEMS_PER_SWEEP", 1)
    assert go_on(people) == 0, "one item a sweep"
    assert go_on(people) == 0
    cut = Cut(people.world.aws.client("s3"), bucket=BUCKET)
    for calls in range(3):
        cut.left = calls
        with pytest.raises(Unavailable):
            delete.go_on_deleting(db=people.world.db, blobs=cut, now=LATER)
    assert go_on(people) == 1
    assert rows_of(people, ann, number) == {} and versions_of(people, ann) == []


def test_late_events_and_objects_do_not_bring_the_user_back(
    people: People, capsys: pytest.CaptureFixture[str]
) -> None:
    ann, token = furnish(people, "ann@example.org")
    number = number_of(people, ann)
    late = people.world.put(f"{ann}/late.jpg", jpeg("blue"))
    reply = end(people, token)
    people.world.step()  # a worker's message comes late
    assert go_on(people, NOW) == 0, "a form for an upload may still be good"
    people.world.aws.client("s3").put_object(Bucket=BUCKET, Key=f"{ann}/later.jpg", Body=jpeg("red"))
    assert people("GET", reply.headers["Location"]).body["state"] == "deleting"
    for _ in range(2):  # before the end, and after it
        people.world.deliver(late)  # S3's event, and nobody's failure
        with pytest.raises(NotFound):
            people.world.db.transact(ann, lambda tx: users.ensure(tx, ann))
        go_on(people)
        assert rows_of(people, ann, number) == {} and versions_of(people, ann) == []
    assert people.world.sql("SELECT count(*) FROM dead_letters") == [(0,)]
    lines = [line for line in capsys.readouterr().err.splitlines() if "deleted account" in line]
    assert len(lines) == 2 and not any(ann in line for line in lines)


def test_a_receipt_that_is_not_there(people: People) -> None:
    nobody: Any = "00000000-0000-4000-8000-000000000000"
    assert people("GET", f"/api/v1/account-deletions/{nobody}").code == "no_deletion"
    assert people("GET", "/api/v1/account-deletions/x").status == 404


@mock_aws
def test_every_version_below_the_prefix_goes_and_no_other() -> None:
    """In a bucket of plain moto: that of the local stack keeps one version."""
    s3 = boto3.client("s3", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    s3.create_bucket(Bucket="plain")
    s3.put_bucket_versioning(Bucket="plain", VersioningConfiguration={"Status": "Enabled"})
    for key in ("ann/a", "ann/a", "ann/b", "ann2/a", "_derived/ann/a"):
        s3.put_object(Bucket="plain", Key=key, Body=b"x")
    s3.delete_object(Bucket="plain", Key="ann/a")
    blobs = Blobs(s3, bucket="plain")
    assert (blobs.delete_versions("ann/"), blobs.delete_versions("ann/")) == (4, 0)
    listed = s3.list_object_versions(Bucket="plain")
    assert [each["Key"] for each in listed["Versions"]] == ["_derived/ann/a", "ann2/a"]
    assert "DeleteMarkers" not in listed


def test_a_user_of_an_outside_issuer_signs_in_again_and_may_come_back_empty(
    trusting: People, issuer: Issuer
) -> None:
    people = trusting
    issuer.serve(jwk("k1"))
    for stale in ({}, {"auth_time": int(time()) - 601}):
        token = sign("k1", issuer.claims(**stale))
        assert people.me(token).status == 200
        assert people("DELETE", "/api/v1/me", {}, token=token).code == "sign_in_again"
    token = sign("k1", issuer.claims(auth_time=int(time())))
    assert people("DELETE", "/api/v1/me", {}, token=token).status == 202
    assert people.me(token).status == 401
    assert go_on(people) == 1
    assert people.me(token).status == 200
    assert people("GET", "/api/v1/items", token=token).body["data"] == []
