"""Every way in, on one page: the REST routes, the events, the queues, the schedules, the dead letters.

Event handlers are declared here and not in blueprints: Chalice would give those a handler
string that never loads this file on Lambda.
"""

import os
import sys
from functools import cache
from importlib.util import find_spec
from typing import Any

from chalicelib import loading, wiring
from chalicelib.api.accounts import api_keys, deletions, me, proofs, registration, sessions
from chalicelib.api.accounts.identity import identify
from chalicelib.api.accounts.limits import admit_address, admit_caller, refuse_address
from chalicelib.api.chat import conversations
from chalicelib.api.console import console
from chalicelib.api.gateway import gateway
from chalicelib.api.http.entry import App
from chalicelib.api.http.openapi import documented
from chalicelib.api.http.routes import Edge
from chalicelib.api.jobs import jobs, run_files, runs
from chalicelib.api.library import collections, dependents, documents, items, uploads
from chalicelib.api.operations import audit, failures, health, metrics
from chalicelib.api.practice import concepts, decks, exercises, reviews
from chalicelib.api.search import search
from chalicelib.api.usage import usage
from chalicelib.api.warming import warm_up
from chalicelib.api.webhooks import deliveries, webhooks
from chalicelib.events import handlers
from chalicelib.settings import VERSION

# Plain `chalice local`, in this folder. Chalice imports only this file, and on Lambda there is no chalice.cli.
if "chalice.cli" in sys.modules and find_spec("local"):
    from local import route_matching

    route_matching.install()

# Lambda's variable, in the API's function: its init phase has more CPU than its calls, and no client waits for it.
if os.environ.get("_HANDLER") == "app.app":
    warm_up()

# Chalice loads the stage's variables before this file.
STAGE = os.environ.get("ENVIRONMENT", "local")
# An account's id follows, so that a stage dev has nothing of the bucket of a stage dev-x.
OWN_BUCKETS: list[Any] = [{"prefix": f"collections-images-{STAGE}-{digit}"} for digit in range(10)]
if named := os.environ.get("IMAGES_BUCKET"):  # docs/deploying.md: a bucket that is there already
    OWN_BUCKETS.append(named)
# How often work is looked for that no message and no event has told of. Each look wakes a database that has paused,
# which a database of dev does when nobody is connected for ten minutes.
RELAYED = "rate(1 hour)" if STAGE == "dev" else "rate(1 minute)"
SWEPT = "rate(1 hour)" if STAGE == "dev" else "rate(5 minutes)"


@cache
def edge() -> Edge:
    return Edge(
        identify=identify,
        cors_origins=lambda: wiring.settings().cors_origins,
        admit_address=admit_address,
        admit_caller=admit_caller,
        keep=audit.keep,
        refuse_address=refuse_address,
    )


app = App(app_name="collections", edge=edge, invocation=wiring.invocation)
for module in (health, items, dependents, documents, collections, uploads, search, conversations):
    app.add(module.routes)
for module in (jobs, runs, run_files):
    app.add(module.routes)
for module in (exercises, concepts, decks, reviews):
    app.add(module.routes)
for module in (
    metrics,
    failures,
    audit,
    usage,
    registration,
    proofs,
    sessions,
    me,
    deletions,
    api_keys,
    webhooks,
    deliveries,
):
    app.add(module.routes)
app.add(console(wiring.storage_origins))
app.add(documented(app.declared, version=VERSION))
app.pass_on(gateway(wiring.upstreams))


@app.middleware("all")
def renew_settings(event: Any, get_response: Any) -> Any:
    wiring.renew_settings()
    return get_response(event)


@app.on_cw_event(
    {
        "$or": [
            {
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {
                    "bucket": {"name": OWN_BUCKETS},
                    "object": {"key": [{"anything-but": {"prefix": "_derived/"}}]},
                },
            },
            # Those that others send: the app marks its own. Other stages' buckets are theirs.
            {
                "source": [
                    "collections.imageprocessor",
                    "collections.documentprocessor",
                    "collections.analyzer",
                ],
                "detail-type": ["ImageProcessed", "DocumentProcessed", "AnalysisComplete"],
                "detail": {
                    "is_queued": [{"exists": False}],
                    "bucket": [*OWN_BUCKETS, {"anything-but": {"prefix": "collections-images-"}}],
                },
            },
        ]
    },
    name="dispatcher",
)
def on_event_received(event: Any) -> None:
    handlers.event_received(event.to_dict(), event.context)


# The bucket was there before, and EventBridge hears nothing of it. `chalice package` refuses this decorator.
if os.environ.get("S3_EVENTS") == "direct":

    @app.on_s3_event(bucket=os.environ["IMAGES_BUCKET"], events=["s3:ObjectCreated:*"], name="arrivals")
    def on_object_created(event: Any) -> None:
        handlers.objects_created(event.to_dict(), event.context)


# A message a call, so that one that fails is the only one that comes again.
def work_of(queue: str, function: str, *, at_once: int) -> Any:
    return app.on_sqs_message(
        queue=f"collections-{STAGE}-{queue}", batch_size=1, name=function, maximum_concurrency=at_once
    )


@work_of("process", "ImageProcessorLambda", at_once=20)
def on_process_woken(event: Any) -> None:
    handlers.tasks_woken(event.to_dict(), event.context)


@work_of("analyze", "AnalyzerLambda", at_once=20)
def on_analyze_woken(event: Any) -> None:
    handlers.tasks_woken(event.to_dict(), event.context)


@work_of("embed", "EmbedderLambda", at_once=20)
def on_embed_woken(event: Any) -> None:
    handlers.tasks_woken(event.to_dict(), event.context)


@work_of("run", "RunnerLambda", at_once=20)
def on_run_woken(event: Any) -> None:
    handlers.tasks_woken(event.to_dict(), event.context)


@app.schedule(RELAYED, name="relay")
def on_minute_passed(event: Any) -> None:
    handlers.minute_passed()


@app.schedule(SWEPT, name="sweeper")
def on_five_minutes_passed(event: Any) -> None:
    handlers.five_minutes_passed(event.to_dict())


@app.on_sqs_message(queue=f"collections-{STAGE}-dead-letters", batch_size=10, name="dead_letters")
def on_dead_letter(event: Any) -> None:
    for record in event:
        handlers.dead_letter(record.to_dict()["messageId"], record.body)


@app.lambda_function(name="operate")
def operate(event: Any, context: Any) -> dict[str, Any]:
    # It needs the database's driver at import, which the other functions load only when they need it.
    from chalicelib.events import operating

    return operating.operate(event, context)


loading.end()
