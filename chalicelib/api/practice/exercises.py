"""Routes of exercises: generate, evaluate, remediate; list, read, report, retire and delete them."""

from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import msgspec
from msgspec import UNSET

from chalicelib import wiring
from chalicelib.api.chat.runs import Run, run_of
from chalicelib.api.http.routes import ListQuery, Request, Response, Routes
from chalicelib.api.practice.exercise_requests import (
    ExerciseChanges,
    ListExercises,
    NewEvaluation,
    NewExercise,
    NewRemediation,
    wanted_of,
)
from chalicelib.api.practice.shapes import (
    EvaluatedAnswer,
    EvaluationList,
    Exercise,
    ExerciseList,
    GeneratedExercise,
    Hint,
    RemediatedGap,
    evaluation_of,
    exercise_of,
    remediation_of,
)
from chalicelib.errors import BudgetSpent, Conflict, NotFound
from chalicelib.model.jobs.kinds import ExercisesParameters
from chalicelib.model.jobs.runs import DEFAULT_EXPIRES_S
from chalicelib.model.usage.usage import Operation, Owner
from chalicelib.ops.jobs import jobs, runs
from chalicelib.ops.practice import edit, evaluate, generate, manage, remediate
from chalicelib.ops.usage import meter as meters
from chalicelib.ops.usage import metered

routes = Routes("exercises")
ANSWER_WITHIN_S = 22.0  # API Gateway gives up after 29 s; what the model leaves is made in the rest
MAX_AT_ONCE = 10  # exercises of a request; more are made by a run
MESSAGES = {
    "complete": "You have mastered this exercise.",
    "continue": "Well done; the next exercise will make it stick.",
    "remediate": "POST /api/exercise/remediate explains the first gap.",
}


@routes.post(
    "/api/exercise/generate",
    body=NewExercise,
    returns=GeneratedExercise,
    also={202: Run},
    errors=(BudgetSpent, Conflict, NotFound),
    keyed=True,
    may_run=True,
    cost="costly",
    summary="Generate exercises from your documents; the same request gets the same ones for 24 hours.",
)
def generate_exercise(request: Request) -> Response | GeneratedExercise:
    wanted = wanted_of(request.body)
    if request.body.count > MAX_AT_ONCE or _prefers_async(request):
        return _begin_run(request)
    made = generate.generate_exercises(
        request.user_id,
        str(request.creation_id),
        wanted,
        db=wiring.database(),
        time_left_s=_time_left(),
        **_models(request, "exercise", exercise_id=str(request.creation_id)),
    )
    shown = [exercise_of(each, cached=n < made.cached) for n, each in enumerate(made.exercises)]
    return GeneratedExercise(
        exercise=shown[0], exercises=shown, refused=made.refused, message=_message(made, request.body.count)
    )


def _begin_run(request: Request) -> Response:
    """Make a job of these exercises and begin its run. Both have the id of what the request creates."""
    body: NewExercise = request.body
    made_id, db = str(request.creation_id), wiring.database()
    given = msgspec.to_builtins(body)
    names = ExercisesParameters.__struct_fields__
    about = body.concept_id or (body.title if body.text else "documents")
    fields = jobs.JobFields(
        name=f"Exercises: {about}"[:200],
        parameters={name: given[name] for name in names if given[name] is not None},
        collection_id=body.collection_id,
    )
    now = datetime.now(UTC)
    job = jobs.create_job(
        request.user_id, made_id, kind="exercises", given=fields, is_admin=False, now=now, db=db
    )
    run = runs.begin_run(
        request.user_id,
        made_id,
        job.id,
        max_cost_usd=None,
        expires_s=DEFAULT_EXPIRES_S,
        db=db,
        queues=wiring.queues(),
    )
    return Response(run_of(run), status=202, headers={"Location": f"/api/v1/runs/{run.id}"})


def _prefers_async(request: Request) -> bool:
    given = request.headers.get("prefer", "").split(",")
    return any(each.partition(";")[0].strip().lower() == "respond-async" for each in given)


def _message(made: "generate.Generated", count: int) -> str:
    if made.cached == len(made.exercises) == count:
        return "You asked for the same within the last 24 hours: this is from the cache."
    found = len(made.exercises)
    if found < count:
        return f"{found} of {count}: no other draft passed the checks."
    return "The exercise is new." if count == 1 else f"{found} exercises; {found - made.cached} are new."


@routes.post(
    "/api/exercise/evaluate",
    body=NewEvaluation,
    returns=EvaluatedAnswer,
    errors=(BudgetSpent, NotFound),
    keyed=True,
    cost="costly",
    summary="Evaluate an answer: what is right, what is missing, and what to do next.",
)
def evaluate_answer(request: Request) -> EvaluatedAnswer:
    body: NewEvaluation = request.body
    stored = evaluate.evaluate_answer(
        request.user_id,
        str(request.creation_id),
        body.exercise_id,
        student_id=body.student_id,
        response_text=body.response_text,
        time_spent_seconds=body.time_spent_seconds,
        db=wiring.database(),
        time_left_s=_time_left(),
        **_models(request, "grading", exercise_id=body.exercise_id),
    )
    return EvaluatedAnswer(
        evaluation=evaluation_of(stored),
        next_action=stored.next_action,
        message=MESSAGES[stored.next_action],
    )


@routes.post(
    "/api/exercise/remediate",
    body=NewRemediation,
    returns=RemediatedGap,
    errors=(Conflict, NotFound),
    keyed=True,
    summary="Explain the first gap of an answer from its page, with problems that lead back to the exercise.",
)
def remediate_gap(request: Request) -> RemediatedGap:
    stored = remediate.remediate_gap(
        request.user_id, str(request.creation_id), request.body.evaluation_id, db=wiring.database()
    )
    return RemediatedGap(
        remediation=remediation_of(stored),
        message="Solve the problems in order; the last one is the exercise.",
    )


@routes.get(
    "/api/v1/exercises", query=ListExercises, returns=ExerciseList, summary="List exercises, newest first."
)
def list_exercises(request: Request) -> ExerciseList:
    query: ListExercises = request.query
    rows, cursor = manage.list_exercises(
        request.user_id,
        student_id=query.student_id,
        concept_id=query.concept_id,
        with_retired=query.retired,
        after=query.after,
        limit=query.limit,
        db=wiring.database(),
    )
    return ExerciseList(data=[exercise_of(row) for row in rows], has_more=cursor is not None, next=cursor)


@routes.get("/api/v1/exercises/{exercise_id}", returns=Exercise, summary="Read an exercise.")
def get_exercise(request: Request) -> Exercise:
    return exercise_of(manage.read_exercise(*_place(request), db=wiring.database()))


@routes.patch(
    "/api/v1/exercises/{exercise_id}",
    body=ExerciseChanges,
    returns=Exercise,
    errors=(Conflict, NotFound),
    summary="Change what an exercise asks, report what is wrong with it, or retire it.",
)
def change_exercise(request: Request) -> Exercise:
    body: ExerciseChanges = request.body
    changes = edit.Changes(
        question=None if body.question is UNSET else body.question,
        key=None if body.key is UNSET else body.key,
        options=None if body.options is UNSET else tuple(body.options),
        hints=None if body.hints is UNSET else tuple(body.hints),
        report=None if body.report is UNSET else body.report,
        retire=body.retired is True,
    )
    return exercise_of(edit.change_exercise(*_place(request), changes, db=wiring.database()))


@routes.delete("/api/v1/exercises/{exercise_id}", summary="Delete an exercise with its evaluations.")
def delete_exercise(request: Request) -> None:
    manage.delete_exercise(*_place(request), db=wiring.database())


@routes.get(
    "/api/v1/exercises/{exercise_id}/hints/{n}",
    patterns={"n": "^[1-9][0-9]{0,2}$"},
    returns=Hint,
    summary="Read one hint of an exercise; the first is 1.",
)
def get_hint(request: Request) -> Hint:
    hints = manage.read_exercise(*_place(request), db=wiring.database()).hints
    number = int(request.path["n"])
    if number > len(hints):
        raise NotFound(f"This exercise has {len(hints)} hints: ask for 1 to {len(hints)}.", field="n")
    return Hint(
        exercise_id=request.path["exercise_id"],
        number=number,
        text=hints[number - 1],
        has_more=number < len(hints),
    )


@routes.get(
    "/api/v1/exercises/{exercise_id}/evaluations",
    query=ListQuery,
    returns=EvaluationList,
    summary="List the evaluated answers to an exercise, newest first.",
)
def list_evaluations(request: Request) -> EvaluationList:
    query: ListQuery = request.query
    rows, cursor = manage.list_evaluations(
        *_place(request), after=query.after, limit=query.limit, db=wiring.database()
    )
    return EvaluationList(data=[evaluation_of(row) for row in rows], has_more=cursor is not None, next=cursor)


def _place(request: Request) -> tuple[str, str]:
    return request.user_id, request.path["exercise_id"]


def _time_left() -> Callable[[], float]:
    give_up_at = monotonic() + ANSWER_WITHIN_S
    return lambda: give_up_at - monotonic()


def _models(request: Request, operation: Operation, *, exercise_id: str) -> dict[str, Any]:
    """Return the embedder and the chat model, if there is one, whose calls are for this exercise."""
    owner = Owner(user_id=request.user_id, exercise_id=exercise_id)
    meter = meters.Meter(owner, db=wiring.database(), budgets=wiring.settings().budgets)
    chat = wiring.chat_model()
    return {
        "embedder": metered.MeteredEmbedder(wiring.embedder(), meter),
        "chat": metered.MeteredChat(chat, meter, operation) if chat else None,
    }
