"""Connections to the emulated AWS: kept from one request to the next, and closed with what cannot be read."""

import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.support.emulated import BUCKET, Emulated, emulated_aws

SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request"}


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Emulated]:
    with emulated_aws(tmp_path) as emulated:
        yield emulated


def test_a_connection_is_kept_from_one_request_to_the_next(aws: Emulated) -> None:
    connection = HTTPConnection("127.0.0.1", aws.emulator.port)
    connection.connect()
    first = connection.sock
    for method, body in (("PUT", b"1"), ("HEAD", None), ("GET", None), ("DELETE", None)):
        connection.request(method, f"/{BUCKET}/ann/a", body=body, headers=SIGNED)
        assert connection.getresponse().read() == (b"1" if method == "GET" else b"")
        assert connection.sock is first, method


def test_a_body_of_unknown_length_is_refused_and_its_connection_closed(aws: Emulated) -> None:
    connection = HTTPConnection("127.0.0.1", aws.emulator.port)
    connection.request("PUT", f"/{BUCKET}/ann/a", body=iter([b"1"]), headers=SIGNED)
    assert connection.getresponse().status == 411
    assert connection.sock is None


def test_an_upload_that_is_cut_off_leaves_no_object(aws: Emulated) -> None:
    with socket.create_connection(("127.0.0.1", aws.emulator.port)) as sent:
        head = f"PUT /{BUCKET}/ann/a HTTP/1.1\r\nHost: s3\r\nAuthorization: {SIGNED['Authorization']}"
        sent.sendall(f"{head}\r\nContent-Length: 2\r\n\r\n1".encode())
        sent.shutdown(socket.SHUT_WR)
        sent.recv(1000)
    assert "Contents" not in aws.client("s3").list_objects_v2(Bucket=BUCKET)
