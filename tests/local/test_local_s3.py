"""The emulated S3: its events, its checks of presigned uploads, and what it keeps."""

import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.client import Config

from local.layout import aws_environment
from tests.support.emulated import BUCKET, Emulated, emulated_aws

SAMPLE = json.loads((Path(__file__).parents[1] / "support" / "events" / "s3_object_created.json").read_text())
ALL_OBJECTS = '{"source": ["aws.s3"]}'


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Emulated]:
    with emulated_aws(tmp_path) as emulated:
        yield emulated


@pytest.fixture
def events(aws: Emulated) -> str:
    aws.make_rule("objects", aws.make_queue("objects"), EventPattern=ALL_OBJECTS)
    return "objects"


def test_object_created_has_the_shape_aws_documents(aws: Emulated, events: str) -> None:
    aws.client("s3").put_object(Bucket=BUCKET, Key="ann/a b+ü.jpg", Body=b"hello\n")
    [event] = aws.received(events)
    expected = json.loads(json.dumps(SAMPLE))
    del expected["detail"]["object"]["version-id"]  # only buckets with versions have it
    assert _shape(event) == _shape(expected)
    assert event["detail"]["object"]["key"] == "ann/a b+ü.jpg"
    assert event["detail"]["object"]["size"] == 6
    assert event["detail"]["object"]["etag"] == SAMPLE["detail"]["object"]["etag"]
    assert event["detail"]["bucket"]["name"] == BUCKET
    assert event["detail"]["reason"] == "PutObject"
    assert event["account"] == "000000000000"


def test_each_way_to_create_an_object_sends_one_event_with_a_later_sequencer(
    aws: Emulated, events: str
) -> None:
    s3 = aws.client("s3")
    s3.put_object(Bucket=BUCKET, Key="put", Body=b"1")
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "put"})
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
    part = s3.upload_part(Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=1, Body=b"22")
    s3.complete_multipart_upload(
        Bucket=BUCKET,
        Key="parts",
        UploadId=upload,
        MultipartUpload={"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]},
    )
    _post(aws, "post", b"3")
    s3.put_object_tagging(Bucket=BUCKET, Key="put", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.delete_object(Bucket=BUCKET, Key="put")
    received = aws.received(events)
    assert [(e["detail"]["object"]["key"], e["detail"]["reason"]) for e in received] == [
        ("put", "PutObject"),
        ("copy", "CopyObject"),
        ("parts", "CompleteMultipartUpload"),
        ("post", "POST Object"),
    ]
    sequencers = [e["detail"]["object"]["sequencer"] for e in received]
    assert sequencers == sorted(set(sequencers))


def test_a_bucket_without_eventbridge_is_silent(aws: Emulated, events: str) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="quiet")
    s3.put_object(Bucket="quiet", Key="a", Body=b"1")
    s3.put_object(Bucket=BUCKET, Key="b", Body=b"1")
    assert [e["detail"]["bucket"]["name"] for e in aws.received(events)] == [BUCKET]


def test_objects_survive_a_restart(tmp_path: Path) -> None:
    with emulated_aws(tmp_path) as aws:
        s3 = aws.client("s3")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: _put_numbered(s3, n), range(500)))
        before = s3.head_object(Bucket=BUCKET, Key="ann/7")
        s3.put_object(Bucket=BUCKET, Key="ann/8", Body=b"newer")
        s3.delete_object(Bucket=BUCKET, Key="ann/9")
        s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "ann/10"}]})
    with emulated_aws(tmp_path) as aws:
        s3 = aws.client("s3")
        after = s3.get_object(Bucket=BUCKET, Key="ann/7")
        assert after["Body"].read() == b"7"
        for name in ("ContentType", "ETag", "Metadata", "LastModified", "ContentLength"):
            assert after[name] == before[name]
        assert s3.get_object(Bucket=BUCKET, Key="ann/8", Range="bytes=0-2")["Body"].read() == b"new"
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        keys = {item["Key"] for page in pages for item in page["Contents"]}
        assert keys == {f"ann/{n}" for n in range(500)} - {"ann/9", "ann/10"}


def test_a_write_cut_short_leaves_the_earlier_object(tmp_path: Path) -> None:
    with emulated_aws(tmp_path) as aws:
        aws.client("s3").put_object(Bucket=BUCKET, Key="a", Body=b"whole")
    directory = tmp_path / "s3" / BUCKET / hashlib.sha256(b"a").hexdigest()
    (directory / "partial").write_bytes(b'{"half of a head')
    with emulated_aws(tmp_path) as aws:
        assert aws.client("s3").get_object(Bucket=BUCKET, Key="a")["Body"].read() == b"whole"


def test_a_presigned_url_works_until_it_expires(aws: Emulated) -> None:
    aws.client("s3").put_object(Bucket=BUCKET, Key="ann/ü.txt", Body=b"text")
    url = _presign(aws, "get_object", Key="ann/ü.txt", expires_s=60)
    assert _send("GET", url) == (200, "text")
    aws.clock.moved_s = 61
    assert _send("GET", url) == (403, "AccessDenied: Request has expired")


def test_a_presigned_put_takes_only_what_was_signed(aws: Emulated) -> None:
    url = _presign(aws, "put_object", Key="a.png", ContentType="image/png", ContentLength=3)
    assert _send("PUT", url, b"123", {"Content-Type": "text/html"})[1].startswith("SignatureDoesNotMatch")
    assert _send("PUT", url, b"1234", {"Content-Type": "image/png"})[1].startswith("SignatureDoesNotMatch")
    assert _send("DELETE", url)[1].startswith("SignatureDoesNotMatch")
    assert _send("PUT", url.replace("a.png", "b.png"), b"123", {"Content-Type": "image/png"})[0] == 403
    assert _send("PUT", url, b"123", {"Content-Type": "image/png"})[0] == 200
    assert aws.client("s3").head_object(Bucket=BUCKET, Key="a.png")["ContentType"] == "image/png"


def test_an_unsigned_request_is_refused(aws: Emulated) -> None:
    assert _send("PUT", f"{aws.emulator.url}/{BUCKET}/a", b"1") == (403, "AccessDenied: Access Denied")


def test_a_body_over_the_bound_is_refused(aws: Emulated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.aws.MAX_BODY_BYTES", 1000)
    url = _presign(aws, "put_object", Key="a")
    status, text = _send("PUT", url, b"x" * 1001)
    assert (status, text.partition(":")[0]) == (400, "EntityTooLarge")
    assert _send("PUT", url, b"x" * 1000)[0] == 200


def test_a_browser_may_ask_and_upload_from_another_origin(aws: Emulated) -> None:
    request = urllib.request.Request(
        f"{aws.emulator.url}/{BUCKET}/a",
        method="OPTIONS",
        headers={
            "Origin": "http://127.0.0.1:8000",
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "content-type",
        },
    )
    with urllib.request.urlopen(request) as response:
        assert response.headers["Access-Control-Allow-Origin"] in ("*", "http://127.0.0.1:8000")
        assert "PUT" in response.headers["Access-Control-Allow-Methods"]


def test_a_post_form_that_meets_its_policy_is_stored(aws: Emulated) -> None:
    assert _post(aws, "ann/a.png", b"12345", conditions=[["content-length-range", 5, 5]])[0] == 204
    stored = aws.client("s3").get_object(Bucket=BUCKET, Key="ann/a.png")
    assert (stored["Body"].read(), stored["ContentType"]) == (b"12345", "image/png")


@pytest.mark.parametrize(
    ("change", "size_bytes", "moved_s", "error"),
    [
        ({}, 11, 0, "EntityTooLarge: Your proposed upload exceeds the maximum allowed size"),
        ({}, 1, 0, "EntityTooSmall: Your proposed upload is smaller than the minimum allowed size"),
        ({}, 5, 901, "AccessDenied: Invalid according to Policy: Policy expired."),
        ({"key": "bob/a.png"}, 5, 0, "AccessDenied: Invalid according to Policy: Policy Condition failed"),
        (
            {"Content-Type": "text/html"},
            5,
            0,
            "AccessDenied: Invalid according to Policy: Policy Condition failed",
        ),
        ({"acl": "public-read"}, 5, 0, "AccessDenied: Invalid according to Policy: Extra input fields: acl"),
        ({"x-amz-signature": "0" * 64}, 5, 0, "SignatureDoesNotMatch"),
        ({"policy": None}, 5, 0, "AccessDenied: Access Denied"),
    ],
)
def test_a_post_form_that_breaks_its_policy_is_refused(
    aws: Emulated, change: dict[str, str | None], size_bytes: int, moved_s: int, error: str
) -> None:
    aws.clock.moved_s = moved_s
    conditions = [["content-length-range", 2, 10]]
    status, text = _post(aws, "ann/a.png", b"x" * size_bytes, conditions=conditions, change=change)
    assert status in (400, 403)
    assert text.startswith(error)
    assert aws.client("s3").list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0


def _put_numbered(s3: Any, n: int) -> None:
    s3.put_object(
        Bucket=BUCKET, Key=f"ann/{n}", Body=b"%d" % n, ContentType="image/png", Metadata={"n": str(n)}
    )


def _shape(value: Any) -> Any:
    """Return the names and types in a JSON value."""
    if isinstance(value, dict):
        return {name: _shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_shape(item) for item in value]
    return type(value)


def _presign(aws: Emulated, method: str, *, expires_s: int = 900, **parameters: Any) -> str:
    s3 = _signing_client(aws)
    url: str = s3.generate_presigned_url(method, Params={"Bucket": BUCKET, **parameters}, ExpiresIn=expires_s)
    return url


def _signing_client(aws: Emulated) -> Any:
    import boto3

    environment = aws_environment(aws.emulator.port)
    return boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=Config(signature_version="s3v4"),
    )


def _post(
    aws: Emulated,
    key: str,
    body: bytes,
    *,
    conditions: list[Any] | None = None,
    change: dict[str, str | None] | None = None,
) -> tuple[int, str]:
    form = _signing_client(aws).generate_presigned_post(
        BUCKET,
        key,
        Fields={"Content-Type": "image/png"},
        Conditions=[["eq", "$Content-Type", "image/png"], *(conditions or [])],
        ExpiresIn=900,
    )
    fields = {
        name: value for name, value in {**form["fields"], **(change or {})}.items() if value is not None
    }
    boundary = uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode()
        for n, v in fields.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n".encode()
    )
    data = b"".join(parts) + body + f"\r\n--{boundary}--\r\n".encode()
    return _send("POST", form["url"], data, {"Content-Type": f"multipart/form-data; boundary={boundary}"})


def _send(
    method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, str]:
    """Status and text; S3's XML errors as "Code: Message"."""
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        code, message = (text.partition(f"<{tag}>")[2].partition("<")[0] for tag in ("Code", "Message"))
        return error.code, f"{code}: {message}"
