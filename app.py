"""Every way in, on one page: the REST routes, the events, the schedules, the dead letters.

Event handlers are declared here and not in blueprints: Chalice would give those a handler
string that never loads this file on Lambda.
"""

import os
from functools import cache
from typing import Any

from chalicelib import wiring
from chalicelib.api.accounts import api_keys, me, proofs, registration, sessions
from chalicelib.api.accounts.identity import identify
from chalicelib.api.accounts.limits import admit_address, admit_caller
from chalicelib.api.chat import conversations, runs
from chalicelib.api.console import console
from chalicelib.api.gateway import gateway
from chalicelib.api.http.entry import App
from chalicelib.api.http.openapi import documented
from chalicelib.api.http.routes import Edge
from chalicelib.api.library import collections, dependents, documents, items, uploads
from chalicelib.api.operations import failures, health
from chalicelib.api.search import search
from chalicelib.events import handlers
from chalicelib.settings import VERSION

# Chalice loads the stage's variables before this file.
STAGE = os.environ.get("ENVIRONMENT", "local")


@cache
def edge() -> Edge:
    return Edge(
        identify=identify,
        cors_origins=wiring.settings().cors_origins,
        admit_address=admit_address,
        admit_caller=admit_caller,
    )


app = App(app_name="collections", edge=edge)
for module in (health, items, dependents, documents, collections, uploads, search, conversations, runs):
    app.add(module.routes)
for module in (failures, registration, proofs, sessions, me, api_keys):
    app.add(module.routes)
app.add(console(wiring.storage_origins))
app.add(documented(app.declared, version=VERSION))
app.pass_on(gateway(wiring.upstreams))


@app.on_cw_event(
    {
        "source": ["aws.s3", "collections.sweeper"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": [{"prefix": f"collections-images-{STAGE}-"}]},
            "object": {"key": [{"anything-but": {"prefix": "_derived/"}}]},
        },
    },
    name="image_processor",
)
def on_object_created(event: Any) -> None:
    handlers.object_created(event.to_dict(), event.context)


@app.on_cw_event(
    {
        "source": ["collections.imageprocessor", "collections.documentprocessor"],
        "detail-type": ["ImageProcessed", "DocumentProcessed"],
    },
    name="analyzer",
)
def on_item_processed(event: Any) -> None:
    handlers.item_processed(event.to_dict(), event.context)


@app.on_cw_event({"source": ["collections.analyzer"], "detail-type": ["AnalysisComplete"]}, name="embedder")
def on_analysis_complete(event: Any) -> None:
    handlers.analysis_complete(event.to_dict(), event.context)


@app.on_cw_event({"source": ["collections.api"], "detail-type": ["RunQueued"]}, name="runner")
def on_run_queued(event: Any) -> None:
    handlers.run_queued(event.to_dict(), event.context)


@app.schedule("rate(1 minute)", name="relay")
def on_minute_passed(event: Any) -> None:
    handlers.minute_passed()


@app.schedule("rate(5 minutes)", name="sweeper")
def on_five_minutes_passed(event: Any) -> None:
    handlers.five_minutes_passed(event.to_dict())


@app.on_sqs_message(
    queue=os.environ.get("DEAD_LETTER_QUEUE", "collections-dead-letters"), batch_size=10, name="dead_letters"
)
def on_dead_letter(event: Any) -> None:
    for record in event:
        handlers.dead_letter(record.to_dict()["messageId"], record.body)
