"""The routes of app.py: what each is sent, and what its response may tell.

The routes are read from the app. A route that the tables below do not cover fails the tests: add its path parameter to
`Hall.make_ids` and `MISSING`, and its body to `BODIES`.
"""

import itertools
import re
from collections.abc import Callable
from typing import Any

import app
from chalicelib.api.http.routes import Route
from tests.support.people import PASSWORD

Ids = dict[str, str]
_numbers = itertools.count()
NEW = {"content_type": "image/jpeg", "size_bytes": 9}
MISSING: Ids = {
    "item_id": "never-was",
    "upload_id": "00000000-0000-4000-8000-000000000000",
    "part_etag": "0" * 32,
    "failure_id": "task-999999999",
    "sha256": "0" * 64,
    "key_id": "00000000-0000-4000-8000-000000000000",
    "email": "never-was@example.org",
    "other_email": "never-was@example.org",
    "document_id": "never-was",
    "file_hash": "0" * 64,
    "n": "1",
    "collection_id": "00000000-0000-4000-8000-000000000000",
    "conversation_id": "00000000-0000-4000-8000-000000000000",
    "run_id": "00000000-0000-4000-8000-000000000000",
    "open_run_id": "00000000-0000-4000-8000-000000000000",
    "job_id": "00000000-0000-4000-8000-000000000000",
    "idle_job_id": "00000000-0000-4000-8000-000000000000",
    "name": "results.jsonl",
    "deck_name": "never was",
    "exercise_id": "00000000-0000-4000-8000-000000000000",
    "evaluation_id": "00000000-0000-4000-8000-000000000000",
    "concept_id": "00000000-0000-4000-8000-000000000000",
    "deck_id": "00000000-0000-4000-8000-000000000000",
    "webhook_id": "00000000-0000-4000-8000-000000000000",
    "delivery_id": "00000000-0000-4000-8000-000000000000",
    "deletion_id": "00000000-0000-4000-8000-000000000000",
}
PRACTISED = "wear of a bicycle chain"
CHAIN = """A bicycle chain wears out after about 3000 kilometres of riding in rain. Mechanics measure the wear of a
chain with a gauge between two rivets. A worn chain damages the sprockets of the cassette within a season. Riders clean
the links with a brush and degrease the rollers with paraffin. Dry wax keeps dust away from the pins of the bicycle
chain. Shops replace the chainring together with every third chain. Tandems carry longer chains than racing bicycles."""
BODIES: dict[tuple[str, str], Callable[[Ids], list[Any]]] = {
    ("POST", "/api/v1/search"): lambda ids: [
        {"query": ids["item_id"], "include_weaker": True},
        {"item_id": ids["item_id"]},
        {"query": "it shows", "filters": {"item_ids": [ids["item_id"]]}, "include_weaker": True},
        {
            "query": "it shows",
            "filters": {"collection_id": ids["collection_id"]},
            "include_weaker": True,
            "facets": True,
        },
    ],
    ("POST", "/api/v1/uploads"): lambda ids: [
        {**NEW, "filename": "new.jpg"},
        {**NEW, "filename": "new.jpg", "sha256": ids["sha256"]},
    ],
    ("POST", "/api/v1/uploads/{upload_id}/complete"): lambda ids: [
        {"parts": [{"number": 1, "etag": ids["part_etag"]}]}
    ],
    ("POST", "/api/v1/jobs"): lambda ids: [
        {"name": "new"},
        {"name": "new", "collection_id": ids["collection_id"]},
    ],
    ("PATCH", "/api/v1/jobs/{job_id}"): lambda ids: [{"description": "new"}],
    ("POST", "/api/v1/runs"): lambda ids: [{"job_id": ids["job_id"]}],
    ("PATCH", "/api/v1/runs/{run_id}"): lambda ids: [{"max_cost_usd": 5}],
    ("POST", "/api/v1/runs/cancel"): lambda ids: [{"filter": {"job_id": ids["job_id"], "state": "failed"}}],
    ("POST", "/api/v1/runs/retry"): lambda ids: [{"filter": {"job_id": ids["job_id"], "state": "failed"}}],
    ("POST", "/api/v1/runs/{run_id}/upload-complete"): lambda ids: [
        {"parts": [{"number": 1, "etag": "0" * 32}]}
    ],
    ("POST", "/api/v1/failures/redrive"): lambda ids: [{"item_id": ids["item_id"]}],
    ("POST", "/api/v1/registration"): lambda ids: [{"email": ids["email"], "password": "a password"}],
    ("POST", "/api/v1/accounts"): lambda ids: [{"token": ids["email"], "password": "a password"}],
    ("POST", "/api/v1/password"): lambda ids: [{"token": ids["email"], "password": "a password"}],
    ("POST", "/api/v1/verifications"): lambda ids: [{"token": ids["email"]}],
    ("POST", "/api/v1/password-resets"): lambda ids: [{"email": ids["email"]}],
    ("POST", "/api/v1/invitations"): lambda ids: [{"email": ids["email"]}],
    ("POST", "/api/v1/me/email"): lambda ids: [{"email": ids["other_email"], "current_password": PASSWORD}],
    ("POST", "/api/v1/sessions"): lambda ids: [{"email": ids["email"], "password": "a password"}],
    ("POST", "/api/v1/sessions/refresh"): lambda ids: [{"refresh_token": ids["email"]}],
    ("POST", "/api/v1/api-keys"): lambda ids: [{"name": "new", "scopes": ["read"]}],
    ("PATCH", "/api/v1/me"): lambda ids: [{}],
    ("DELETE", "/api/v1/me"): lambda ids: [{"current_password": PASSWORD}],
    ("POST", "/api/v1/webhooks"): lambda ids: [{"url": "https://hooks.invalid/", "events": ["run.failed"]}],
    ("PATCH", "/api/v1/webhooks/{webhook_id}"): lambda ids: [{"enabled": True}],
    ("POST", "/api/v1/webhooks/{webhook_id}/deliveries/redeliver"): lambda ids: [
        {"filter": {"event": "webhook.test"}}
    ],
    ("POST", "/api/v1/webhooks/{webhook_id}/secret"): lambda ids: [{"keep_old_hours": 0}],
    ("POST", "/api/v1/documents"): lambda ids: [f"%PDF-1.4 new {next(_numbers)}".encode()],
    ("POST", "/api/v1/collections"): lambda ids: [{"name": f"new {next(_numbers)}"}],
    ("PATCH", "/api/v1/collections/{collection_id}"): lambda ids: [{"description": "new"}],
    ("POST", "/api/v1/collections/{collection_id}/items"): lambda ids: [{"item_ids": [ids["item_id"]]}],
    ("POST", "/api/exercise/generate"): lambda ids: [
        {"concept_id": ids["concept_id"], "student_id": "s", "collection_id": ids["collection_id"]},
        {"concept_id": PRACTISED, "student_id": "s", "collection_id": ids["collection_id"]},
        {"concept_id": PRACTISED, "student_id": "t", "previous_exercise_id": ids["exercise_id"]},
    ],
    ("POST", "/api/exercise/evaluate"): lambda ids: [
        {"exercise_id": ids["exercise_id"], "student_id": "s", "response_text": "nothing"}
    ],
    ("POST", "/api/exercise/remediate"): lambda ids: [{"evaluation_id": ids["evaluation_id"]}],
    ("PATCH", "/api/v1/exercises/{exercise_id}"): lambda ids: [{"report": "wrong"}],
    ("POST", "/api/v1/decks"): lambda ids: [{"name": f"new {next(_numbers)}"}],
    ("PATCH", "/api/v1/decks/{deck_id}"): lambda ids: [{"name": f"{ids['deck_name']} {next(_numbers)}"}],
    ("POST", "/api/v1/decks/{deck_id}/exercises"): lambda ids: [{"exercise_ids": [ids["exercise_id"]]}],
    ("POST", "/api/v1/reviews"): lambda ids: [{"exercise_id": ids["exercise_id"], "rating": 3}],
    ("PATCH", "/api/v1/reviews/settings"): lambda ids: [{"new_a_day": 10}],
    ("POST", "/api/v1/reviews/log"): lambda ids: [b'{"exercise_id": "none"}'],
    ("POST", "/api/v1/conversations"): lambda ids: [{"title": "new"}],
    ("PATCH", "/api/v1/conversations/{conversation_id}"): lambda ids: [{"title": ""}],
    ("POST", "/api/v1/conversations/{conversation_id}/messages"): lambda ids: [
        {"content": ids["item_id"]},
        {"content": ids["item_id"], "item_ids": [ids["item_id"]]},
        {"content": ids["item_id"], "collection_id": ids["collection_id"]},
    ],
}
# What these routes need is not what the others need.
OTHERS = {
    ("DELETE", "/api/v1/jobs/{job_id}"): {"job_id": "idle_job_id"},
    ("PATCH", "/api/v1/runs/{run_id}"): {"run_id": "open_run_id"},
    ("GET", "/api/v1/runs/{run_id}/upload-url"): {"run_id": "open_run_id"},
}
QUERIES = {
    ("POST", "/api/v1/documents"): "?filename=new.pdf",
    ("GET", "/api/v1/usage"): "?group_by=item",
    ("GET", "/api/v1/reviews/due"): "?until=2999-01-01T00:00:00Z",
}
# A new key says nothing of whose it is, nor do a new document, a new collection and a picture.
SILENT = {("POST", "/api/v1/api-keys"), ("POST", "/api/v1/documents"), ("POST", "/api/v1/collections")}
SILENT |= {
    ("GET", f"/api/v1/documents/{{document_id}}/pages/{{n}}/{part}") for part in ("image", "thumbnail")
}
SILENT |= {("POST", "/api/v1/conversations"), ("GET", "/api/v1/runs/{run_id}/timeline")}
SILENT |= {("POST", "/api/v1/webhooks")}
SILENT |= {("POST", "/api/v1/jobs"), ("POST", "/api/v1/runs"), ("POST", "/api/v1/runs/{run_id}/retry")}
SILENT |= {("POST", "/api/v1/runs/cancel"), ("POST", "/api/v1/runs/retry")}
# A grade names the key, not whose exercise it is.
SILENT |= {("POST", "/api/exercise/evaluate")}
# Numbers and dates, a new deck, and a review of an exercise that is named by its id.
SILENT |= {("GET", f"/api/v1/reviews/{part}") for part in ("forecast", "streak", "settings", "log")}
SILENT |= {("PATCH", "/api/v1/reviews/settings"), ("POST", "/api/v1/reviews/log")}
SILENT |= {("POST", "/api/v1/reviews"), ("POST", "/api/v1/decks")}
# A mail is on its way: to whom it went says nothing of who has the address.
SILENT |= {("POST", "/api/v1/me/email")}
# Open to everybody, and nobody's in particular; all others want to know who asks.
PUBLIC = {
    "GET /",
    "GET /api/v1/account-deletions/{deletion_id}",
    "GET /api/v1/openapi.json",
    "GET /health",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
}
PUBLIC |= {"GET /api/v1/registration", "POST /api/v1/registration"}
PUBLIC |= {"POST /api/v1/sessions", "POST /api/v1/sessions/refresh"}
PUBLIC |= {f"POST /api/v1/{name}" for name in ("accounts", "password", "password-resets", "verifications")}
END = ("DELETE", "/api/v1/me")
# Deletions last, the innermost first: what they delete is asked for by the others. The account's end is the last.
ROUTES = sorted(
    app.app.declared,
    key=lambda r: (
        (r.method, r.path) == END,
        r.method == "DELETE",
        (r.method == "DELETE") * -r.path.count("/"),
        r.path,
        r.method,
    ),
)
# The account's end names nobody else's things, and its user could not ask a second time.
PRIVATE = [
    route for route in ROUTES if not route.public and not route.admin and (route.method, route.path) != END
]


def requests(route: Route, ids: Ids) -> list[tuple[Ids, Any]]:
    """Return what to send to a route about these things: (path parameters, body), sometimes several."""
    others = OTHERS.get((route.method, route.path), {})
    path = {name: ids[others.get(name, name)] for name in re.findall(r"\{(\w+)\}", route.path)}
    takes_body = route.body or route.raw
    return [(path, body) for body in (BODIES[route.method, route.path](ids) if takes_body else [None])]
