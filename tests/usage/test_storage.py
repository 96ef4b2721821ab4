"""A user's storage is counted from the announcement on, exactly, however many announce at once."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.errors import TooLarge
from chalicelib.model.ingest.uploads import StoredUpload
from chalicelib.model.usage.budgets import bytes_limit_of
from chalicelib.ops.ingest.uploads import announce_upload
from chalicelib.stores.usage import storage
from tests.support.library_api import upload
from tests.support.people import Reply
from tests.support.running import Runner, zipped
from tests.support.small_files import make_pdf
from tests.support.talking import Talk
from tests.support.world import World, jpeg

UPLOADS = "/api/v1/uploads"
PDF = make_pdf("BT /F 12 Tf 10 50 Td (One page) Tj ET")


def limit(talk: Talk, **bytes_: int) -> None:
    given = {f"user.{plan}": f"{count / 10**9:.6f}" for plan, count in bytes_.items()}
    talk.monkeypatch.setenv("STORAGE_GB", json.dumps(given))
    wiring.settings.forget()


def announce(talk: Talk, size_bytes: int, name: str = "a.jpg", **headers: str) -> Reply:
    new = {"filename": name, "content_type": "image/jpeg", "size_bytes": size_bytes}
    return talk("POST", UPLOADS, new, **headers)


def stored(talk: Talk) -> dict[str, Any]:
    found: dict[str, Any] = talk("GET", "/api/v1/usage").body["storage"]
    return found


def test_files_and_what_is_made_of_them_are_counted(talk: Talk) -> None:
    assert stored(talk) == {"used_bytes": 0, "limit_bytes": None}
    picture = jpeg(size=(900, 700))
    form = announce(talk, len(picture)).body
    assert stored(talk)["used_bytes"] == len(picture), "it is on its way"
    upload(form, picture)
    talk.world.run(talk.world.put(form["key"], picture))
    made = sum(
        found["Size"]
        for found in talk.world.aws.client("s3").list_objects_v2(Bucket=wiring.settings().images_bucket)[
            "Contents"
        ]
    )
    assert stored(talk)["used_bytes"] == made > len(picture)
    talk.world.put("alice/copy.jpg", picture)
    talk.world.ingest("alice/copy.jpg", picture)
    assert stored(talk)["used_bytes"] == made + len(picture), "a copy is an object too"
    (item,) = [row["id"] for row in talk("GET", "/api/v1/items").body["data"]]
    assert talk("DELETE", f"/api/v1/items/{item}").status == 204
    assert stored(talk)["used_bytes"] == 0


def test_what_has_no_room_is_refused_and_the_limit_is_named(talk: Talk) -> None:
    limit(talk, free=5_000)
    assert announce(talk, 3_000).status == 201
    refused = announce(talk, 2_001, "b.jpg")
    assert (refused.status, refused.code, refused.body["field"]) == (413, "storage_full", "size_bytes")
    assert refused.body["detail"].startswith(
        "Of your 5,000 bytes of storage 2,000 are left, and this file has 2,001."
    )
    assert announce(talk, 2_000, "c.jpg").status == 201
    headers = {"Content-Type": "application/pdf"}
    sent = talk.client.http.request("POST", "/api/v1/documents?filename=a.pdf", headers=headers, body=PDF)
    assert (sent.status_code, json.loads(sent.body)["code"]) == (413, "storage_full")
    assert stored(talk) == {"used_bytes": 5_000, "limit_bytes": 5_000}
    talk.be("bob")
    assert announce(talk, 5_000).status == 201


def test_bytes_that_are_there_already_need_no_room(talk: Talk) -> None:
    talk.world.ingest("alice/a.jpg", jpeg())
    limit(talk, free=1_000)
    new = {"filename": "b.jpg", "content_type": "image/jpeg", "size_bytes": 9_999}
    known = talk("POST", UPLOADS, {**new, "sha256": hashlib.sha256(jpeg()).hexdigest()})
    assert (known.status, known.body["item"]["id"]) == (200, "a")


def test_an_upload_that_was_given_up_makes_room(talk: Talk) -> None:
    limit(talk, free=5_000)
    given_up = announce(talk, 5_000).body["id"]
    assert announce(talk, 1, "b.jpg").status == 413
    assert talk("DELETE", f"{UPLOADS}/{given_up}").status == 204
    expired = announce(talk, 5_000, "c.jpg")
    talk.world.sql("UPDATE uploads SET expires_at = now() - interval '2 hours'")
    talk.world.sweep()
    assert expired.status == announce(talk, 5_000, "d.jpg").status == 201


def test_the_same_announcement_again_counts_once(talk: Talk) -> None:
    limit(talk, free=5_000)
    first = announce(talk, 5_000, Idempotency_Key="k")
    assert announce(talk, 5_000, Idempotency_Key="k").body["id"] == first.body["id"]
    assert announced(talk.world, "same").id == announced(talk.world, "same").id


def announced(world: World, folder: str, size_bytes: int = 0) -> StoredUpload:
    """Announce a file as the API does, with 10,000 bytes of room."""
    found, _ = announce_upload(
        "carol",
        folder=folder,
        filename="a.jpg",
        content_type="image/jpeg",
        size_bytes=size_bytes or 10_000,
        sha256=None,
        max_bytes=10**9,
        max_stored_bytes=10_000,
        ttl_s=900,
        db=world.db,
        blobs=wiring.blobs(),
    )
    assert found
    return found.upload


def test_who_announce_at_once_stay_within_the_limit_together(world: World) -> None:
    def one(number: int) -> bool:
        try:
            announced(world, f"folder{number}", 3_000)
        except TooLarge:
            return False
        return True

    with ThreadPoolExecutor(5) as pool:
        assert sum(pool.map(one, range(12))) == 3
    assert world.db.transact("carol", lambda tx: storage.sum_bytes(tx, "carol")) == 9_000


def test_a_plan_has_its_own_limit(talk: Talk) -> None:
    limit(talk, free=5_000, team=7_000)
    limits = [bytes_limit_of(wiring.settings().storage_gb, plan) for plan in ("free", "team", "unknown")]
    assert limits == [5_000, 7_000, 5_000]


def test_the_files_of_a_job_are_counted_too(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of an archive that has no room is refused in its line; a file alone fails its run."""
    pictures = [(f"{color}.jpg", jpeg(color)) for color in ("red", "green", "blue")]
    size = max(len(picture) for _, picture in pictures)
    monkeypatch.setenv("STORAGE_GB", json.dumps({"user.free": f"{(2 * size + 10) / 10**9:.6f}"}))
    wiring.settings.forget()
    several = runner.begin()
    runner.give(several, zipped(pictures), filename="all.zip")
    outcomes = sorted(str(code) for _, code in runner.outcomes(several).values())
    assert "storage_full" in outcomes and outcomes.count("None") >= 1
    alone = runner.begin()
    runner.give(alone, jpeg("white"))
    assert runner.run(alone)["error"]["code"] == "storage_full"
