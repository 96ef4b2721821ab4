"""The calls heard of a user's requests are those that IAM would ask for."""

import io
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest

from local.heard_calls import Heard, HeardCalls


class Stop(Exception):
    """The request was heard; nothing is sent."""


def heard(service: str, operation: str, access_key: str = "deployer", **parameters: Any) -> set[Heard]:
    """Return what is heard of a request as boto3 signs it."""
    calls = HeardCalls("deployer", ours="collections")

    def on_request(request: AWSPreparedRequest, **_: Any) -> None:
        body = request.body or b""
        raw = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else body.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        text = {name: v.decode() if isinstance(v, bytes) else str(v) for name, v in headers.items()}
        address = urlsplit(request.url)
        environ = {
            "REQUEST_METHOD": request.method,
            "REQUEST_URI": address.path + (f"?{address.query}" if address.query else ""),
            "CONTENT_LENGTH": str(len(raw)),
            "CONTENT_TYPE": text.get("content-type", ""),
            "wsgi.input": io.BytesIO(raw),
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in text.items()},
        }
        calls.hear(environ)
        assert environ["wsgi.input"].read() == raw
        raise Stop

    client = boto3.Session().client(
        service,
        region_name="us-east-1",
        endpoint_url="http://localhost",
        aws_access_key_id=access_key,
        aws_secret_access_key="secret",
    )
    client.meta.events.register("before-send", on_request)
    with pytest.raises(Stop):
        getattr(client, operation)(**parameters)
    return calls.calls


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"),
    [
        ("lambda", "list_functions", {}, Heard("lambda:ListFunctions", False)),
        (
            "lambda",
            "update_function_code",
            {"FunctionName": "collections-dev", "ZipFile": b"x"},
            Heard("lambda:UpdateFunctionCode", True),
        ),
        ("lambda", "invoke", {"FunctionName": "collections-dev"}, Heard("lambda:InvokeFunction", True)),
        (
            "s3",
            "put_object",
            {"Bucket": "code", "Key": "collections/a", "Body": b"x"},
            Heard("s3:PutObject", True),
        ),
        ("s3", "head_bucket", {"Bucket": "other"}, Heard("s3:ListBucket", False)),
        ("s3", "get_bucket_versioning", {"Bucket": "other"}, Heard("s3:GetBucketVersioning", False)),
        ("apigateway", "get_rest_apis", {}, Heard("apigateway:GET", False)),
        (
            "cloudformation",
            "describe_stacks",
            {"StackName": "collections-base-dev"},
            Heard("cloudformation:DescribeStacks", True),
        ),
        ("sqs", "get_queue_url", {"QueueName": "collections-dev-run"}, Heard("sqs:GetQueueUrl", True)),
        ("cloudwatch", "describe_alarms", {}, Heard("cloudwatch:DescribeAlarms", False)),
    ],
)
def test_a_call_is_heard_as_iam_names_it(
    service: str, operation: str, parameters: dict[str, Any], expected: Heard
) -> None:
    assert heard(service, operation, **parameters) == {expected}


def test_calls_of_others_are_not_heard() -> None:
    assert heard("lambda", "list_functions", access_key="function") == set()


def test_what_the_policy_does_not_allow_is_told() -> None:
    calls = HeardCalls("deployer", ours="collections")
    calls.calls = {
        Heard("lambda:UpdateFunctionCode", True),
        Heard("lambda:ListFunctions", False),
        Heard("ec2:DescribeVpcs", False),
        Heard("iam:CreateUser", True),
        Heard("sts:GetCallerIdentity", False),
    }
    functions = {"Action": ["lambda:*"], "Resource": ["arn:aws:lambda:*:*:function:collections-*"]}
    network = {"Action": ["ec2:Describe*"], "Resource": ["*"]}
    assert calls.beyond({"Statement": [functions, network]}) == ["iam:CreateUser", "lambda:ListFunctions"]
