"""The kinds of tasks, and the op that does each: a new kind is an entry here and its policy in model/work/tasks.py."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache

from chalicelib import wiring
from chalicelib.model.ingest.files import FileLimits
from chalicelib.model.jobs.kinds import JobKind
from chalicelib.model.jobs.runs import Run
from chalicelib.model.usage.usage import Owner
from chalicelib.model.work.tasks import Claim, Kind
from chalicelib.ops.chat import ask
from chalicelib.ops.chat.answer import Models
from chalicelib.ops.ingest import analyze, embed, ingest
from chalicelib.ops.jobs.backfill_steps import backfill_steps, stop_listing
from chalicelib.ops.jobs.drive import Steps, drive_run
from chalicelib.ops.jobs.entries import LastArchive
from chalicelib.ops.jobs.export_steps import export_steps
from chalicelib.ops.jobs.file_steps import file_steps
from chalicelib.ops.jobs.import_steps import import_steps
from chalicelib.ops.jobs.reembed_steps import reembed_steps
from chalicelib.ops.practice.anki_import_steps import anki_import_steps
from chalicelib.ops.practice.anki_steps import anki_steps
from chalicelib.ops.practice.exercise_steps import exercise_steps
from chalicelib.ops.practice.review_steps import review_steps
from chalicelib.ops.search.reembed import reembed
from chalicelib.ops.usage.meter import Meter
from chalicelib.ops.usage.metered import MeteredAnalyzer, MeteredChat, MeteredEmbedder
from chalicelib.ops.webhooks.deliver import deliver_event
from chalicelib.ops.work.engine import Finish, Later, Work
from chalicelib.ops.work.stages import WriteResults, stage_work

TimeLeft = Callable[[], float]


def work_of(kind: Kind, time_left_s: TimeLeft) -> Work:
    """Return the work of a task of this kind, for a worker that has so much time left."""
    if kind in STAGES:
        return stage_work(
            lambda claim: STAGES[kind](claim, time_left_s), bucket=wiring.settings().images_bucket
        )
    return lambda claim: RUNS[kind](claim, time_left_s)


def _process(claim: Claim, time_left_s: TimeLeft) -> WriteResults | None:
    return ingest.process_item(
        claim,
        db=wiring.pipeline_database(),
        blobs=wiring.blobs(),
        reader=wiring.decoder(),
        limits=_limits(),
        time_left_s=time_left_s,
    )


def _analyze(claim: Claim, time_left_s: TimeLeft) -> WriteResults | None:
    return analyze.analyze_item(
        claim,
        db=wiring.pipeline_database(),
        blobs=wiring.blobs(),
        copies=wiring.local_copies(),
        render=wiring.decoder().render_page,
        analyzer=MeteredAnalyzer(wiring.analyzer(), _meter(_owner_of_stage(claim))),
        limits=_limits(),
        time_left_s=time_left_s,
        begins_pictures=wiring.settings().models.picture_embedder is None,
    )


def _embed(claim: Claim, time_left_s: TimeLeft) -> WriteResults | None:
    return embed.embed_item(
        claim,
        db=wiring.pipeline_database(),
        embedder=MeteredEmbedder(wiring.embedder(), _meter(_owner_of_stage(claim))),
        read_preview=_read_preview,
        time_left_s=time_left_s,
    )


def _answer(claim: Claim, time_left_s: TimeLeft) -> Finish:
    models = Models(
        embedder=wiring.embedder(),
        reranker=wiring.reranker(),
        chat=wiring.chat_model(),
        judge=wiring.judge(),
    )
    return ask.work_out_answer(
        claim,
        db=wiring.pipeline_database(),
        models=models.metered(_meter(ask.owner_of_answer(claim.user_id, claim.run))),
        time_left_s=time_left_s,
    )


def _reembed(claim: Claim, time_left_s: TimeLeft) -> Finish | None:
    return reembed(
        claim,
        db=wiring.pipeline_database(),
        embedder=MeteredEmbedder(wiring.embedder(), _meter(_owner_of_run(claim))),
        read_preview=_read_preview,
        time_left_s=time_left_s,
    )


def _webhook(claim: Claim, time_left_s: TimeLeft) -> Finish:
    return deliver_event(
        claim,
        db=wiring.pipeline_database(),
        send=wiring.webhook_sender().send,
        clock=_now,
        time_left_s=time_left_s,
    )


def _job(claim: Claim, time_left_s: TimeLeft) -> Finish | Later | None:
    return drive_run(
        claim,
        lambda kind: STEPS[kind](),
        stop=_stop,
        db=wiring.pipeline_database(),
        blobs=wiring.blobs(),
        queues=wiring.queues(),
        time_left_s=time_left_s,
    )


def _stop(run: Run) -> None:
    if run.kind == "backfill":
        stop_listing(run, executions=wiring.executions())


def _reembed_steps() -> Steps:
    return reembed_steps(
        db=wiring.pipeline_database(),
        embedder_of=lambda claim: MeteredEmbedder(wiring.embedder(), _meter(_owner_of_run(claim))),
        read_preview=_read_preview,
    )


def _read_preview(key: str) -> bytes:
    """Return an image's preview, for a model that sees pictures; few stages have one, and so need the bucket here."""
    return wiring.blobs().get(key)


def _owner_of_run(claim: Claim) -> Owner:
    return Owner(user_id=claim.user_id, run_id=claim.run)


def _export_steps() -> Steps:
    return export_steps(db=wiring.pipeline_database(), blobs=wiring.blobs())


def _anki_steps() -> Steps:
    return anki_steps(
        db=wiring.pipeline_database(),
        blobs=wiring.blobs(),
        copies=wiring.local_copies(),
        render=wiring.decoder().render_page,
        console_url=wiring.settings().console_url,
    )


def _anki_import_steps() -> Steps:
    return anki_import_steps(
        db=wiring.pipeline_database(), blobs=wiring.blobs(), read=wiring.deck_reader(), clock=_now
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _review_steps() -> Steps:
    return review_steps(db=wiring.pipeline_database())


@cache
def _last_archive() -> LastArchive:
    return LastArchive()


def _exercise_steps() -> Steps:
    def models_of(claim: Claim, exercise_id: str) -> tuple[MeteredEmbedder, MeteredChat | None]:
        meter = _meter(Owner(user_id=claim.user_id, run_id=claim.run, exercise_id=exercise_id))
        chat = wiring.chat_model()
        writer = MeteredChat(chat, meter, "exercise") if chat else None
        return MeteredEmbedder(wiring.embedder(), meter), writer

    return exercise_steps(db=wiring.pipeline_database(), models_of=models_of)


def _import_steps() -> Steps:
    embedder = wiring.embedder()
    return import_steps(
        db=wiring.pipeline_database(),
        blobs=wiring.blobs(),
        queues=wiring.queues(),
        last_archive=_last_archive(),
        models=[(each.model, each.dimensions) for each in (embedder, embedder.next) if each],
        limits=_limits(),
        storage_gb=wiring.settings().storage_gb,
    )


def _file_steps() -> Steps:
    return file_steps(
        db=wiring.pipeline_database(),
        blobs=wiring.blobs(),
        last_archive=_last_archive(),
        max_file_bytes=_limits().max_bytes,
        storage_gb=wiring.settings().storage_gb,
    )


def _backfill_steps() -> Steps:
    return backfill_steps(
        _file_steps(), db=wiring.pipeline_database(), blobs=wiring.blobs(), executions=wiring.executions()
    )


def _owner_of_stage(claim: Claim) -> Owner:
    return Owner(user_id=claim.user_id, item_id=claim.item_id, run_id=claim.part_of)


def _meter(owner: Owner) -> Meter:
    return Meter(owner, db=wiring.pipeline_database(), budgets=wiring.settings().budgets)


def _limits() -> FileLimits:
    return FileLimits(max_bytes=wiring.settings().upload_max_bytes)


STAGES: Mapping[str, Callable[[Claim, TimeLeft], WriteResults | None]] = {
    "process": _process,
    "analyze": _analyze,
    "embed": _embed,
}
RUNS: Mapping[str, Callable[[Claim, TimeLeft], Finish | Later | None]] = {
    "answer": _answer,
    "job": _job,
    "reembed": _reembed,
    "webhook": _webhook,
}
STEPS: Mapping[JobKind, Callable[[], Steps]] = {
    "anki_export": _anki_steps,
    "anki_import": _anki_import_steps,
    "backfill": _backfill_steps,
    "exercises": _exercise_steps,
    "export": _export_steps,
    "import": _import_steps,
    "ingest": _file_steps,
    "plan_reviews": _review_steps,
    "zip_import": _file_steps,
    "reembed": _reembed_steps,
    "reprocess": _file_steps,
}
