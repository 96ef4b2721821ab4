"""Routes of a run's files: where its input is sent, what became of each file, and the files of results and errors."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import asdict

from chalicelib import wiring
from chalicelib.api.chat.runs import Run, run_of
from chalicelib.api.http.routes import Body, Query, Request, Response, Routes
from chalicelib.api.library.uploads import Part, PartToSend
from chalicelib.errors import Conflict, NotFound
from chalicelib.model.jobs.exports import FILES, export_of
from chalicelib.model.jobs.runs import INPUT_MAX_BYTES, Outcome, RunFile, file_key
from chalicelib.ops.ingest import manage
from chalicelib.ops.jobs import drive, inputs, runs

routes = Routes("runs")


class UploadUrlQuery(Query, frozen=True, kw_only=True):
    """`parts`: for a large file, into how many parts of at least 5 MiB (but the last) it is divided; 0 for a form."""

    filename: Annotated[str, Meta(min_length=1, max_length=255)] = "upload"
    parts: Annotated[int, Meta(ge=0, le=1000)] = 0


class UploadUrl(msgspec.Struct, frozen=True, kw_only=True):
    """The place to which the run's file is sent before `expires_at`. Its arrival begins the run.

    `method` POST: `fields` and then the file, as the last part `file` of a multipart form, to `url`. `method` PUT: each
    of `parts` to its URL, then their etags to `complete_url`.
    """

    object: Literal["upload_url"] = "upload_url"
    method: Literal["POST", "PUT"]
    key: str
    url: str | None
    fields: dict[str, str]
    parts: list[PartToSend]
    complete_url: str | None
    max_bytes: int
    expires_at: datetime


class CompleteInput(Body, frozen=True, kw_only=True):
    parts: Annotated[list[Part], Meta(min_length=1, max_length=1000)]


class RunItem(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a run. `outcome` is null while it waits or is at work.

    `code` and `message` say why it was not done, or what of it was not. `page`: of a PDF. `line`: of an archive, the
    entry's number.
    """

    number: int
    name: str
    size_bytes: int | None
    item_id: str | None
    outcome: Outcome | None
    code: str | None
    message: str | None
    page: int | None
    line: int | None


class RunItemList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[RunItem]
    has_more: bool
    next: str | None


class ListRunItems(Query, frozen=True, kw_only=True):
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    after: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    outcome: Outcome | None = None


class ListErrors(Query, frozen=True, kw_only=True):
    limit: Annotated[int, Meta(ge=1, le=1000)] = 1000
    after: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0


@routes.get(
    "/api/v1/runs/{run_id}/upload-url",
    query=UploadUrlQuery,
    returns=UploadUrl,
    errors=(Conflict,),
    scope="write",
    summary="Get where the run's file is sent: an image, a PDF or a zip of them. Its arrival begins the run.",
)
def get_upload_url(request: Request) -> UploadUrl:
    query: UploadUrlQuery = request.query
    run_id, ttl_s = request.path["run_id"], wiring.settings().upload_url_ttl_s
    place = inputs.place_of_input(
        request.user_id,
        run_id,
        filename=query.filename,
        parts=query.parts,
        ttl_s=ttl_s,
        db=wiring.database(),
        blobs=wiring.blobs(),
    )
    return UploadUrl(
        method="PUT" if place.parts else "POST",
        key=place.key,
        url=place.url,
        fields=dict(place.fields),
        parts=[PartToSend(number=number, url=url) for number, url in place.parts.items()],
        complete_url=f"/api/v1/runs/{run_id}/upload-complete" if place.parts else None,
        max_bytes=INPUT_MAX_BYTES,
        expires_at=datetime.now(UTC) + timedelta(seconds=ttl_s),
    )


@routes.post(
    "/api/v1/runs/{run_id}/upload-complete",
    body=CompleteInput,
    returns=Run,
    errors=(Conflict,),
    summary="Put the parts of a run's file together; the run begins. Safe to repeat.",
)
def complete_run_upload(request: Request) -> Run:
    parts = [(part.number, part.etag.strip('"')) for part in request.body.parts]
    run_id = request.path["run_id"]
    run = inputs.complete_input(request.user_id, run_id, parts, db=wiring.database(), blobs=wiring.blobs())
    return run_of(run)


@routes.get(
    "/api/v1/runs/{run_id}/items",
    query=ListRunItems,
    returns=RunItemList,
    summary="List the files of a run, in order, with what became of each.",
)
def list_run_items(request: Request) -> RunItemList:
    query: ListRunItems = request.query
    found, cursor = runs.list_files(
        request.user_id,
        request.path["run_id"],
        outcome=query.outcome,
        after=query.after,
        limit=query.limit,
        db=wiring.database(),
    )
    return RunItemList(data=_items(found), has_more=cursor is not None, next=cursor)


@routes.get(
    "/api/v1/runs/{run_id}/errors",
    query=ListErrors,
    returns="application/x-ndjson",
    summary="What failed of a run so far, a file a line, in JSON lines; a header Link leads to the next ones.",
)
def list_run_errors(request: Request) -> Response:
    query: ListErrors = request.query
    run_id = request.path["run_id"]
    found, cursor = runs.list_errors(
        request.user_id, run_id, after=query.after, limit=query.limit, db=wiring.database()
    )
    more = f'</api/v1/runs/{run_id}/errors?after={cursor}&limit={query.limit}>; rel="next"'
    return Response(b"".join(map(drive.line_of, found)).decode(), headers={"Link": more} if cursor else {})


@routes.get(
    "/api/v1/runs/{run_id}/files/{name}",
    patterns={"name": r"^((results|errors)\.jsonl|export\.zip|deck\.apkg)$"},
    status=302,
    summary="Redirect to the results, the errors, the export or the deck of a run that has ended; for an hour.",
)
def download_run_file(request: Request) -> Response:
    run, _ = runs.read_run(request.user_id, request.path["run_id"], db=wiring.database())
    name = request.path["name"]
    if not (export_of(run) == name if name in FILES.values() else run.files_at):
        raise NotFound("This run has no such file, or not yet.", code="no_file")
    url = wiring.blobs().presign_download(
        file_key(request.user_id, run.id, name), ttl_s=manage.DOWNLOAD_TTL_S, filename=f"run-{run.id}-{name}"
    )
    return Response(status=302, headers={"Location": url})


def _items(found: Sequence[RunFile]) -> list[RunItem]:
    names = RunItem.__struct_fields__
    return [
        RunItem(**{name: value for name, value in asdict(file).items() if name in names}) for file in found
    ]
