"""Uses of the app that together call every route, function and AWS operation of it."""

import json
from datetime import UTC, datetime, timedelta

import app
from tests.meta.every_use_of_work import (
    PDF,
    pdf,
    use_backfill,
    use_exercises,
    use_jobs,
    use_reviews,
    use_webhooks,
)
from tests.support.emulated import BUCKET
from tests.support.library_api import send_part
from tests.support.long_pdf import make_long_pdf
from tests.support.mailbox import link_of_latest_mail
from tests.support.recording import Recorded
from tests.support.scans import scanned_pdf
from tests.support.world import World, jpeg

CONSOLE = "http://127.0.0.1:8000"


def statuses(world: World) -> dict[str, str]:
    return dict(world.sql("SELECT id, status FROM items"))


def use_pipeline(world: Recorded) -> None:
    """Images and documents, known bytes, an object and a preview that are gone; each stage's work in two calls."""
    world.ingest("alice/garden.jpg", jpeg())
    world.ingest("alice/copy.jpg", jpeg())
    world.ingest("alice/guide.pdf", PDF)
    gone = world.put("alice/gone.jpg", jpeg("blue"))
    world.remove("alice/gone.jpg")
    world.run(gone)
    world.step(world.put("alice/blank.jpg", jpeg("white")))
    world.remove(world.item("blank")["preview_key"])
    world.run()
    world.step(world.put("alice/slow.jpg", jpeg("green")))
    world.step()
    world.step(remaining_s=1.0)
    world.run()
    world.step(world.put("alice/long.pdf", make_long_pdf([*[""] * 500, "The end."])), remaining_s=6.5)
    world.run()
    world.step(world.put("alice/scan.pdf", scanned_pdf([(1, ""), (2, "")])))
    world.step(remaining_s=20.0)
    world.run()
    ready = dict.fromkeys(("garden", "guide", "slow", "long", "scan"), "READY")
    assert statuses(world) == ready | {"blank": "FAILED"}


def use_hand_made_events(world: Recorded) -> None:
    """ImageProcessed for objects that nobody has processed: the analyzer does it itself."""
    world.put("alice/by-hand.jpg", jpeg("yellow"))
    world.put("alice/by-hand-too.pdf", pdf("by hand"))
    for name in ("by-hand.jpg", "by-hand-too.pdf", "never-was.jpg"):
        detail = {"item_id": name.partition(".")[0], "user_id": "alice", "bucket": BUCKET}
        event = {"detail-type": "ImageProcessed", "detail": {**detail, "original_key": f"alice/{name}"}}
        world.run(event)
    assert (statuses(world)["by-hand"], statuses(world)["by-hand-too"]) == ("READY", "READY")
    assert "never-was" not in statuses(world)


def use_api(world: Recorded) -> None:
    """Every route that app.py serves, with an answer of success."""
    new = {"filename": "new.jpg", "content_type": "image/jpeg", "size_bytes": 9}
    upload = json.loads(world.request("POST", "/api/v1/uploads", new))
    world.request("GET", "/api/v1/uploads/{upload_id}", upload_id=upload["id"])
    world.request("DELETE", "/api/v1/uploads/{upload_id}", upload_id=upload["id"])
    use_uploads_in_parts(world)
    world.request("POST", "/api/v1/search", {"query": "garden"})
    for path in ("/", "/health", "/health/live", "/health/ready", "/api/v1/openapi.json", "/api/v1/items"):
        world.request("GET", path)
    for path in ("/metrics", "/api/v1/usage", "/api/v1/usage/stage"):
        world.request("GET", path)
    use_documents(world)
    use_conversations(world)
    for part in ("", "/thumbnail", "/download", "/chunks", "/timeline", "/dependents", "/similar"):
        world.request("GET", "/api/v1/items/{item_id}" + part, item_id="garden")
    world.request("POST", "/api/v1/items/{item_id}/reprocess", item_id="garden")
    world.remove("alice/garden.jpg")
    world.request("DELETE", "/api/v1/items/{item_id}", item_id="garden")
    use_webhooks(world)
    use_jobs(world)
    use_backfill(world)
    use_exercises(world)
    use_reviews(world)
    use_failures(world)
    use_accounts(world)
    for method in app.app.routes["/{proxy+}"].keys() - {"OPTIONS"}:
        world.request(method, "/{proxy+}", **{"proxy+": "products"})
    served = {(method, path) for path, methods in app.app.routes.items() for method in methods}
    # HEAD does what GET does, but on the gateway's paths.
    alike = {(method, path) for method, path in served if method == "HEAD" and path != "/{proxy+}"}
    assert world.routes == {(method, path) for method, path in served - alike if method != "OPTIONS"}


def use_uploads_in_parts(world: Recorded) -> None:
    """One is sent, resumed and completed, one given up, one forgotten."""
    new = {"filename": "new.pdf", "content_type": "application/pdf", "size_bytes": 10}
    sent, given_up, _forgotten = (json.loads(world.request("POST", "/api/v1/uploads", new)) for _ in range(3))
    etag = send_part(sent["parts"][0]["url"], b"x" * 10)
    one = "/api/v1/uploads/{upload_id}"
    world.request("POST", one + "/parts", upload_id=sent["id"])
    world.request("POST", one + "/complete", {"parts": [{"number": 1, "etag": etag}]}, upload_id=sent["id"])
    world.request("DELETE", one, upload_id=given_up["id"])


def use_documents(world: Recorded) -> None:
    """One is sent, looked at, put into a collection with an image, taken out and deleted."""
    of_a_pdf = {"Content-Type": "application/pdf"}
    sent = world.request(
        "POST", "/api/v1/documents", pdf("sent"), query="?filename=sent.pdf", headers=of_a_pdf
    )
    world.request("GET", "/api/v1/documents/by-hash/{file_hash}", file_hash=json.loads(sent)["file_hash"])
    for path in ("", "/{document_id}", "/{document_id}/file"):
        world.request("GET", "/api/v1/documents" + path, document_id="guide")
    for part in ("", "/image", "/thumbnail"):
        world.request("GET", "/api/v1/documents/{document_id}/pages/{n}" + part, document_id="guide", n="1")
    made = json.loads(world.request("POST", "/api/v1/collections", {"name": "Garden"}))
    world.request("GET", "/api/v1/collections")
    one, both = "/api/v1/collections/{collection_id}", {"item_ids": ["guide", "garden"]}
    world.request("POST", one + "/items", both, collection_id=made["id"])
    for part in ("", "/items"):
        world.request("GET", one + part, collection_id=made["id"])
    world.request("PATCH", one, {"name": "Balcony"}, collection_id=made["id"])
    world.request("DELETE", one + "/items/{item_id}", collection_id=made["id"], item_id="guide")
    world.request("DELETE", one, collection_id=made["id"])
    world.request("DELETE", "/api/v1/documents/{document_id}", document_id="sent")


def use_conversations(world: Recorded) -> None:
    """A question answered at once, one by the runner, one cancelled; a run whose event the bus did not get."""
    talk = json.loads(world.request("POST", "/api/v1/conversations", {}))["id"]
    one, later = "/api/v1/conversations/{conversation_id}", {"Prefer": "respond-async"}
    runs = []
    for headers in ({}, *[later] * 8):  # more than may be worked on at once, so that the runner wakes some
        asked = world.request(
            "POST", one + "/messages", {"content": "Tomatoes?"}, headers=headers, conversation_id=talk
        )
        runs.append(json.loads(asked)["id"])
    world.request("POST", "/api/v1/runs/{run_id}/cancel", run_id=runs[2])
    world.sql(f"UPDATE tasks SET woken_at = NULL WHERE run_id = '{runs[3]}'")
    world.invoke("relay", {})
    assert world.sql(f"SELECT woken_at IS NOT NULL FROM tasks WHERE run_id = '{runs[3]}'") == [(True,)]
    world.run()
    world.request("GET", "/api/v1/runs")
    for part in ("", "/timeline"):
        world.request("GET", "/api/v1/runs/{run_id}" + part, run_id=runs[1])
    for part in ("", "/messages", "/export"):
        world.request("GET", one + part, conversation_id=talk)
    world.request("GET", "/api/v1/conversations")
    world.request("PATCH", one, {"title": "Tomatoes"}, conversation_id=talk)
    world.request("DELETE", one, conversation_id=talk)


def use_failures(world: Recorded) -> None:
    """A dead letter of an object we never heard of, so that redriving has it processed; a bad file."""
    world.put("alice/given-up.jpg", jpeg("purple"))
    detail = {"bucket": {"name": BUCKET}, "object": {"key": "alice/given-up.jpg"}}
    lost = {"requestPayload": {"detail-type": "Object Created", "detail": detail}}
    record = {"messageId": "m-0", "receiptHandle": "r-0", "body": json.dumps(lost)}
    world.invoke("dead_letters", {"Records": [record]})
    listed = json.loads(world.request("GET", "/api/v1/failures"))["data"]
    letter = next(failure for failure in listed if failure["kind"] == "dead_letter")
    world.request("POST", "/api/v1/failures/{failure_id}/redrive", failure_id=letter["id"])
    world.request("POST", "/api/v1/failures/redrive", {"kind": "item"})
    world.request("GET", "/api/v1/audit")
    world.sql("DELETE FROM dead_letters")


def use_accounts(world: Recorded) -> None:
    """Register, sign in, list, make and revoke a key, sign out, and come back by mail."""
    login = {"email": "ann@example.org", "password": "a password that is long"}
    world.request("GET", "/api/v1/registration")
    world.request("POST", "/api/v1/registration", {"email": login["email"]})
    proof = {"token": link_of_latest_mail("register", CONSOLE), "password": login["password"]}
    world.request("POST", "/api/v1/accounts", proof)
    tokens = json.loads(world.request("POST", "/api/v1/sessions", login))
    body = {"refresh_token": tokens["refresh_token"]}
    tokens = json.loads(world.request("POST", "/api/v1/sessions/refresh", body))
    signed_in = {"Authorization": f"Bearer {tokens['access_token']}"}
    for path in ("/api/v1/sessions", "/api/v1/me", "/api/v1/api-keys"):
        world.request("GET", path, headers=signed_in)
    ann = json.loads(world.request("GET", "/api/v1/me", headers=signed_in))["id"]
    # For the sweeper, after the account's end:
    world.put(f"{ann}/own.jpg", jpeg("white"))
    world.aws.client("s3").create_multipart_upload(Bucket=BUCKET, Key=f"{ann}/parts.pdf")
    world.request("PATCH", "/api/v1/me", {"name": "Ann"}, headers=signed_in)
    key = json.loads(
        world.request("POST", "/api/v1/api-keys", {"name": "k", "scopes": ["read"]}, headers=signed_in)
    )
    world.request("DELETE", "/api/v1/api-keys/{key_id}", headers=signed_in, key_id=key["id"])
    world.request("DELETE", "/api/v1/sessions/current", headers=signed_in)
    tokens = json.loads(world.request("POST", "/api/v1/sessions", login))
    signed_in = {"Authorization": f"Bearer {tokens['access_token']}"}
    world.request("POST", "/api/v1/invitations", {"email": "bob@example.org"})
    change = {"email": "new@example.org", "current_password": login["password"]}
    world.request("POST", "/api/v1/me/email", change, headers=signed_in)
    world.request("POST", "/api/v1/verifications", {"token": link_of_latest_mail("address", CONSOLE)})
    world.request("DELETE", "/api/v1/sessions", headers=signed_in)
    world.request("POST", "/api/v1/password-resets", {"email": "new@example.org"})
    proof = {"token": link_of_latest_mail("reset", CONSOLE), "password": "an altogether new one"}
    world.request("POST", "/api/v1/password", proof)
    tokens = json.loads(
        world.request("POST", "/api/v1/sessions", {"email": "new@example.org", "password": proof["password"]})
    )
    signed_in = {"Authorization": f"Bearer {tokens['access_token']}"}
    end = {"current_password": proof["password"]}
    receipt = json.loads(world.request("DELETE", "/api/v1/me", end, headers=signed_in))
    world.request("GET", "/api/v1/account-deletions/{deletion_id}", deletion_id=receipt["id"])


def use_what_heals(world: Recorded) -> None:
    """Lost objects, wake-ups lost before each stage, objects to delete, events that the bus did not take."""
    world.step(world.put("alice/awaits-analysis.jpg", jpeg("pink")))
    world.step(world.put("alice/awaits-analysis-too.pdf", pdf("awaits")))
    world.step(world.put("alice/awaits-embedding.jpg", jpeg("black")))
    world.step()
    world.put("alice/unheard-of.jpg", jpeg("gray"))
    world.sql("UPDATE uploads SET expires_at = now() - interval '2 hours' WHERE multipart_id IS NOT NULL")
    later = {"time": (datetime.now(UTC) + timedelta(minutes=5)).isoformat()}
    world.invoke("sweeper", later)
    world.messages()
    world.sql("UPDATE tasks SET woken_at = now() - interval '10 min'")
    world.sql("INSERT INTO object_deletions SELECT user_id, key, etag FROM uploads WHERE item_id = 'slow'")
    world.sql("INSERT INTO object_deletions (user_id, key) VALUES ('alice', E'alice/not in XML \\x01')")
    world.sql("DELETE FROM items WHERE id = 'slow'")
    world.put("alice/unheard-of-too.jpg", jpeg("brown"))
    world.invoke("sweeper", later)
    assert "alice/slow.jpg" not in world.objects()
    world.invoke("relay", {})
    assert len(world.messages()) >= 4
    world.sql("UPDATE outbox SET published_at = NULL, locked_until = NULL, due_at = now()")
    world.invoke("relay", {})
    assert world.sql("SELECT count(*) FROM outbox WHERE published_at IS NULL") == [(0,)]
    letter = {"requestPayload": world.published()[-1]}
    record = {"messageId": "m-1", "receiptHandle": "r-1", "body": json.dumps(letter)}
    world.invoke("dead_letters", {"Records": [record]})
    assert world.sql("SELECT count(*) FROM dead_letters") == [(1,)]
