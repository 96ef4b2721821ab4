"""Notes, through botocore's own hooks, what each function of app.py asks of AWS, and as what IAM sees it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import boto3
from chalice.test import Client

import app
from chalicelib.model.work.tasks import POLICIES
from deploy.policies import CONSUMERS, FUNCTIONS
from local.layout import ACCOUNT, REGION
from tests.support.emulated import BUCKET
from tests.support.secrets_told import secrets_in
from tests.support.world import S3_EVENT, World, context


class Call(NamedTuple):
    """A call as IAM sees it, or a pattern that IAM grants. `source` is events:source or ses:FromAddress."""

    action: str
    resource: str
    source: str = "*"


def objects(action: str, bucket: str, *keys: str) -> list[Call]:
    return [Call(action, f"arn:aws:s3:::{bucket}/{key}") for key in keys]


def _deletion(params: dict[str, Any]) -> str:
    return "s3:DeleteObjectVersion" if "VersionId" in params else "s3:DeleteObject"


def put_events(entries: list[dict[str, str]]) -> list[Call]:
    bus = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/"
    return [Call("events:PutEvents", bus + e.get("EventBusName", "default"), e["Source"]) for e in entries]


def table(action: str, params: dict[str, Any]) -> list[Call]:
    arn = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{params['TableName']}"
    return [Call(f"dynamodb:{action}", arn)]


def queue(action: str, url: str) -> list[Call]:
    return [Call(f"sqs:{action}", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{url.rpartition('/')[2]}")]


def send_email(params: dict[str, Any]) -> list[Call]:
    """SES asks about the identity that it finds verified: the address, or its domain."""
    sender = params["FromEmailAddress"]
    identity = f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/"
    return [Call("ses:SendEmail", identity + name, sender) for name in (sender, sender.partition("@")[2])]


# By service and operation: the parameters that need no permission of their own, and what IAM is asked.
OPERATIONS: dict[tuple[str, str], tuple[set[str], Callable[[dict[str, Any]], list[Call]]]] = {
    ("s3", "GetObject"): (
        {"Bucket", "Key", "ResponseContentDisposition", "ResponseContentType", "Range", "IfMatch"},
        lambda p: objects("s3:GetObject", p["Bucket"], p["Key"]),
    ),
    ("sesv2", "SendEmail"): ({"FromEmailAddress", "Destination", "Content"}, send_email),
    ("s3", "HeadObject"): ({"Bucket", "Key"}, lambda p: objects("s3:GetObject", p["Bucket"], p["Key"])),
    ("s3", "PutObject"): (
        {"Bucket", "Key", "Body", "ContentType"},
        lambda p: objects("s3:PutObject", p["Bucket"], p["Key"]),
    ),
    ("s3", "CreateMultipartUpload"): (
        {"Bucket", "Key", "ContentType"},
        lambda p: objects("s3:PutObject", p["Bucket"], p["Key"]),
    ),
    ("s3", "UploadPart"): (
        {"Bucket", "Key", "UploadId", "PartNumber", "ContentLength", "Body"},
        lambda p: objects("s3:PutObject", p["Bucket"], p["Key"]),
    ),
    ("s3", "ListParts"): (
        {"Bucket", "Key", "UploadId"},
        lambda p: objects("s3:ListMultipartUploadParts", p["Bucket"], p["Key"]),
    ),
    ("s3", "CompleteMultipartUpload"): (
        {"Bucket", "Key", "UploadId", "MultipartUpload"},
        lambda p: objects("s3:PutObject", p["Bucket"], p["Key"]),
    ),
    ("s3", "AbortMultipartUpload"): (
        {"Bucket", "Key", "UploadId"},
        lambda p: objects("s3:AbortMultipartUpload", p["Bucket"], p["Key"]),
    ),
    # Not botocore's name: the presigned form, its parameters those of its policy document.
    ("s3", "PostObject"): (
        {"bucket", "key", "Content-Type"},
        lambda p: objects("s3:PutObject", p["bucket"], p["key"]),
    ),
    ("s3", "DeleteObject"): (
        {"Bucket", "Key", "VersionId"},
        lambda p: objects(_deletion(p), p["Bucket"], p["Key"]),
    ),
    ("s3", "DeleteObjects"): (
        {"Bucket", "Delete"},
        lambda p: [
            call
            for each in p["Delete"]["Objects"]
            for call in objects(_deletion(each), p["Bucket"], each["Key"])
        ],
    ),
    ("s3", "ListObjectVersions"): (
        {"Bucket", "Prefix"},
        lambda p: [Call("s3:ListBucketVersions", f"arn:aws:s3:::{p['Bucket']}")],
    ),
    ("s3", "ListMultipartUploads"): (
        {"Bucket", "Prefix"},
        lambda p: [Call("s3:ListBucketMultipartUploads", f"arn:aws:s3:::{p['Bucket']}")],
    ),
    ("s3", "ListObjectsV2"): (
        {"Bucket", "StartAfter", "MaxKeys", "Prefix"},
        lambda p: [Call("s3:ListBucket", f"arn:aws:s3:::{p['Bucket']}")],
    ),
    ("sqs", "GetQueueUrl"): ({"QueueName"}, lambda p: []),
    ("sqs", "SendMessageBatch"): ({"QueueUrl", "Entries"}, lambda p: queue("SendMessage", p["QueueUrl"])),
    ("sqs", "GetQueueAttributes"): (
        {"QueueUrl", "AttributeNames"},
        lambda p: queue("GetQueueAttributes", p["QueueUrl"]),
    ),
    ("stepfunctions", "StartExecution"): (
        {"stateMachineArn", "name", "input"},
        lambda p: [Call("states:StartExecution", p["stateMachineArn"])],
    ),
    ("stepfunctions", "DescribeExecution"): (
        {"executionArn"},
        lambda p: [Call("states:DescribeExecution", p["executionArn"])],
    ),
    ("stepfunctions", "StopExecution"): (
        {"executionArn"},
        lambda p: [Call("states:StopExecution", p["executionArn"])],
    ),
    ("events", "PutEvents"): ({"Entries"}, lambda p: put_events(p["Entries"])),
    ("dynamodb", "GetItem"): ({"TableName", "Key", "ConsistentRead"}, lambda p: table("GetItem", p)),
    ("dynamodb", "PutItem"): ({"TableName", "Item"}, lambda p: table("PutItem", p)),
    ("dynamodb", "UpdateItem"): (
        {"TableName", "Key", "UpdateExpression", "ConditionExpression"}
        | {"ExpressionAttributeNames", "ExpressionAttributeValues", "ReturnValuesOnConditionCheckFailure"}
        | {"ReturnValues"},
        lambda p: table("UpdateItem", p),
    ),
    ("dynamodb", "DeleteItem"): ({"TableName", "Key"}, lambda p: table("DeleteItem", p)),
    ("dynamodb", "Query"): (
        {"TableName", "KeyConditionExpression", "ExpressionAttributeValues"}
        | {"ConsistentRead", "ScanIndexForward", "ExclusiveStartKey"},
        lambda p: table("Query", p),
    ),
}


@dataclass(kw_only=True)
class Recorder:
    """Records each function's calls to AWS. `strange`: operations and parameters that OPERATIONS does not have."""

    calls: dict[str, set[Call]] = field(default_factory=lambda: {function: set() for function in FUNCTIONS})
    operations: set[tuple[str, str]] = field(default_factory=set)
    strange: set[str] = field(default_factory=set)
    _function: str | None = None

    def watch(self, session: boto3.Session) -> None:
        """Record what clients do that this session makes from now on; presigning counts."""
        session.events.register("provide-client-params", self._on_call)
        session.events.register("before-sign.s3.PutObject", self._on_sign)
        for operation in ("GetObject", "HeadObject"):
            session.events.register(f"after-call.s3.{operation}", self._on_answer)

    @contextmanager
    def during(self, function: str) -> Iterator[None]:
        self._function = function
        try:
            yield
        finally:
            self._function = None

    def _on_call(self, params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        context["asked"] = params
        if model.name == "CreateBucket" and context.get("is_presign_request"):
            return  # how botocore learns a form's URL; the form itself comes to _on_sign
        self._note(model.service_model.service_name, model.name, params)

    def _on_sign(self, request: Any, **_: Any) -> None:
        form = request.context.get("s3-presign-post-policy")
        if form:
            fields = [each for each in form["conditions"] if isinstance(each, dict)]
            params = {name: value for each in fields for name, value in each.items()}
            self._note("s3", "PostObject", params)

    def _on_answer(self, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        """S3 tells only those who may list the bucket that an object is missing; others are refused."""
        if parsed.get("Error", {}).get("Code") in ("NoSuchKey", "404") and self._function:
            bucket = context["asked"]["Bucket"]
            self.calls[self._function].add(Call("s3:ListBucket", f"arn:aws:s3:::{bucket}"))

    def _note(self, service: str, operation: str, params: dict[str, Any]) -> None:
        if self._function is None:
            return  # the test's own
        known, calls = OPERATIONS.get((service, operation), (set[str](), lambda _: []))
        self.strange |= {f"{service} {operation} {name}" for name in params.keys() - known}
        self.operations.add((service, operation))
        self.calls[self._function] |= set(calls(params))


@dataclass
class Recorded(World):
    """A world that calls the functions as app.py declares them."""

    recorder: Recorder
    client: Client
    routes: set[tuple[str, str]] = field(default_factory=set)
    secrets: dict[str, str] = field(
        default_factory=dict
    )  # and the route that they were first sent to or came from
    answers: list[tuple[str, str]] = field(default_factory=list)  # (route, body)

    def deliver(self, event: dict[str, Any], *, remaining_s: float = 100.0) -> None:
        if "body" not in event:
            self.invoke("dispatcher", event, remaining_s=remaining_s)
            return
        kind = json.loads(event["body"])["task"]["kind"]
        record = {"receiptHandle": "r", "messageId": "m", **event}
        self.invoke(CONSUMERS[POLICIES[kind].queue], {"Records": [record]}, remaining_s=remaining_s)

    def invoke(self, function: str, event: dict[str, Any], *, remaining_s: float = 100.0) -> None:
        envelope = json.loads(S3_EVENT.read_text()) if function != "operate" else {}
        with self.recorder.during(function):
            app.app.handler_map[function](envelope | event, context(remaining_s))

    def request(
        self,
        method: str,
        route: str,
        body: Any = None,
        *,
        query: str = "",
        headers: dict[str, str] | None = None,
        **path: str,
    ) -> bytes:
        """Return the answer's body; any status but those of success fails. `body`: bytes, or what becomes JSON."""
        self.routes.add((method, route))
        headers = (
            {"Content-Type": "application/json"} | (headers or {}) if body is not None else headers or {}
        )
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        with self.recorder.during("api_handler"):
            answer = self.client.http.request(method, route.format(**path) + query, headers=headers, body=raw)
        assert answer.status_code < 400, (method, route, answer.body)
        if not route.endswith("/openapi.json"):  # whose examples are nobody's
            for secret in (*secrets_in(raw), *secrets_in(answer.body)):
                self.secrets.setdefault(secret, route)
        self.answers.append((route, bytes(answer.body).decode(errors="replace")))
        return bytes(answer.body)

    def remove(self, key: str) -> None:
        self.aws.client("s3").delete_object(Bucket=BUCKET, Key=key)
