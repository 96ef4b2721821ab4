"""Patches moto; each patch passes one task to this package.

The patches are for moto 5.2.5. Each names the fault that it corrects; tests/test_local_*.py test the behaviour.
"""

import copy
import json
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol
from urllib.parse import unquote

from moto import backends
from moto.apigateway import urls as apigateway_urls
from moto.apigateway.models import APIGatewayBackend
from moto.apigateway.responses import APIGatewayResponse
from moto.awslambda.models import LambdaBackend
from moto.core import responses
from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores, method_names_from_class
from moto.dynamodb.responses import DynamoHandler
from moto.events.models import EventsBackend
from moto.moto_api._internal.models import moto_api_backend
from moto.s3 import notifications
from moto.s3.exceptions import NoSuchUpload
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response
from moto.sqs import models as sqs_models
from moto.sqs.models import Message, sqs_backends

from local.layout import ACCOUNT, REGION

_put_rest_api = APIGatewayBackend.put_rest_api
_import_rest_api = APIGatewayBackend.import_rest_api
_tag_stage = APIGatewayResponse.tag_resource
_create_event_source_mapping = LambdaBackend.create_event_source_mapping
_get_bucket_notification = S3Response.get_bucket_notification
_bucket_response_post = S3Response._bucket_response_post
_upload_part = S3Backend.upload_part
_complete_multipart_upload = S3Backend.complete_multipart_upload
_call_dynamodb = DynamoHandler.call_action
_spelled = cache(camelcase_to_underscores)
_method_names = cache(method_names_from_class)
_dynamodb = threading.Lock()
TAGS_OF_AN_API = (
    "{0}/tags/arn:(?P<partition>[^/:]+):apigateway:(?P<region>[^/:]+)::/restapis/(?P<function_id>[^/]+)$"
)
_modules = frozenset(backends.list_of_moto_modules())


class Hooks(Protocol):
    """The tasks that the emulator takes over from moto."""

    def on_s3_change(
        self, account: str, name: notifications.S3NotificationEvent, bucket: Any, key: Any
    ) -> None: ...

    def put_events(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]: ...

    def check_post_form(self, bucket: str, fields: dict[str, str], size_bytes: int) -> None: ...

    def invoke(self, function: str, payload: bytes, *, wait: bool) -> tuple[bytes, bool]: ...

    def on_mapping_created(self, mapping: Any) -> None: ...


def install(hooks: Hooks) -> None:
    """Clear moto's state and connect the patches to `hooks`. A later call replaces the hooks of an earlier one."""
    moto_api_backend.reset()
    # moto reads its package's folder with every request.
    _replace(backends, "list_of_moto_modules", lambda: _modules)
    _replace(notifications, "send_event", hooks.on_s3_change)
    # In moto a rule with a Lambda target makes PutEvents fail with 500, schedules get every event, disabled rules
    # deliver, and "<id>" in a detail is replaced.
    _replace(EventsBackend, "put_events", lambda _, events: hooks.put_events(events))
    _replace(S3Response, "_bucket_response_post", _checked_post(hooks))
    _replace(S3Response, "get_bucket_notification", _get_notification)
    _replace(S3Backend, "upload_part", _if_under_way(_upload_part))
    _replace(S3Backend, "complete_multipart_upload", _if_under_way(_complete_multipart_upload))
    _replace(LambdaBackend, "invoke", _invoke(hooks))
    _replace(LambdaBackend, "create_event_source_mapping", _created_mapping(hooks))
    _replace(DynamoHandler, "call_action", _call_dynamodb_alone)
    _replace(APIGatewayBackend, "import_rest_api", _import)
    _replace(APIGatewayBackend, "put_rest_api", _put)
    _replace(APIGatewayResponse, "tag_resource", _tag)
    apigateway_urls.url_paths[TAGS_OF_AN_API] = APIGatewayResponse.dispatch
    # moto spells the same names anew, letter by letter, and lists the methods of its classes, with every request.
    _replace(responses, "camelcase_to_underscores", _spelled)
    _replace(sqs_models, "camelcase_to_underscores", _spelled)
    _replace(responses, "method_names_from_class", _method_names)
    # moto asks all messages of a queue for the time twice whenever one is sent, 10 us each.
    _replace(Message, "visible", property(lambda message: time.time() * 1000 > message.visible_at))
    _replace(Message, "delayed", property(lambda message: time.time() * 1000 < message.delayed_until))


def _replace(owner: object, name: str, replacement: Callable[..., Any] | property) -> None:
    if not hasattr(owner, name):
        raise AttributeError(
            f"{owner} has no {name}: local/moto_patches.py does not fit this version of moto"
        )
    setattr(owner, name, replacement)


def _checked_post(hooks: Hooks) -> Callable[..., Any]:
    """Return a handler that checks the policy of a POST form; moto does not check it."""

    def post(self: Any, request: Any, bucket_name: str) -> Any:
        if "Authorization" not in request.headers:
            body = self.body if "file" in request.form or request.files else b""
            hooks.check_post_form(bucket_name, dict(self.form_data), len(body))
        return _bucket_response_post(self, request, bucket_name)

    return post


def _if_under_way(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return `original` with a check that the multipart upload is in progress; without it moto responds with 500."""

    def call(self: Any, bucket_name: str, multipart_id: str, *values: Any, **named: Any) -> Any:
        if multipart_id not in self.get_bucket(bucket_name).multiparts:
            raise NoSuchUpload(upload_id=multipart_id)
        return original(self, bucket_name, multipart_id, *values, **named)

    return call


def _get_notification(self: Any) -> Any:
    """Return the bucket's notifications; moto leaves out that EventBridge has them. A bucket of ours has no others."""
    found = self.backend.get_bucket_notification_configuration(self.bucket_name)
    if found is None or found.event_bridge is None:
        return _get_bucket_notification(self)
    self.data["Action"] = "GetBucketNotificationConfiguration"
    return self.serialized(ActionResult({"EventBridgeConfiguration": {}}))


def _invoke(hooks: Hooks) -> Callable[..., Any]:
    """Return an `invoke` that runs functions by `hooks`; moto runs them in Docker, or not at all."""

    def invoke(
        self: Any, function_name: str, qualifier: str | None, body: Any, headers: Any, response_headers: Any
    ) -> bytes:
        function = self.get_function(function_name, qualifier)
        payload = body.encode() if isinstance(body, str) else body or b"{}"
        wait = headers.get("X-Amz-Invocation-Type", "RequestResponse") == "RequestResponse"
        answer, failed = hooks.invoke(function.function_arn, payload, wait=wait)
        if failed:
            response_headers["x-amz-function-error"] = "Unhandled"
        return answer

    return invoke


def _created_mapping(hooks: Hooks) -> Callable[..., Any]:
    """Return a `create` whose mappings are polled by `hooks`.

    moto calls the function inside SendMessage, before the sender gets a response.
    """

    def create(self: Any, spec: dict[str, Any]) -> Any:
        mapping = _create_event_source_mapping(self, spec)
        for queue in sqs_backends[ACCOUNT][REGION].queues.values():
            queue.lambda_event_source_mappings.clear()
        hooks.on_mapping_created(mapping)
        return mapping

    return create


def _call_dynamodb_alone(self: Any) -> Any:
    """Call DynamoDB under a lock.

    Otherwise two conditional writes could both find their condition true, and a read could see half of a write.
    """
    with _dynamodb:
        return _call_dynamodb(self)


def _import(self: Any, api_doc: dict[str, Any], fail_on_warnings: bool) -> Any:
    return _import_rest_api(self, _importable(api_doc), fail_on_warnings)


def _put(
    self: Any, function_id: str, api_doc: dict[str, Any], fail_on_warnings: bool, mode: str = "merge"
) -> Any:
    return _put_rest_api(self, function_id, _importable(api_doc), fail_on_warnings, mode)


def _tag(self: Any) -> str:
    """Tag an API, or a stage of one; moto tags stages only."""
    path = unquote(self.path.split("/tags/")[1])
    if "/stages/" in path:
        return str(_tag_stage(self))
    self.backend.get_rest_api(path.rpartition("/")[2]).tags.update(self._get_param("tags"))
    return "{}"


def _importable(api_doc: dict[str, Any]) -> dict[str, Any]:
    """Return Chalice's Swagger in the form that moto needs: OpenAPI 3, with a description and URIs for mocks."""
    document = copy.deepcopy(api_doc)
    if document.pop("swagger", None):
        document["openapi"] = "3.0.1"
    document["info"].setdefault("description", "")
    for methods in document["paths"].values():
        for method in methods.values():
            integration = method.get("x-amazon-apigateway-integration", {})
            integration.setdefault("uri", "")
            integration.setdefault("httpMethod", "POST")
    return json.loads(json.dumps(document))
