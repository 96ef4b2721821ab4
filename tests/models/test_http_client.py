"""The one HTTP client over real sockets: what is kept and sent again, where a body ends, how its bytes come."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

import pytest

from chalicelib.providers.http import dial as http_dial
from chalicelib.providers.http.client import HttpClient
from chalicelib.providers.http.dial import ExchangeFailed, origin_of
from tests.support.certificates import certificate

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Serve = Callable[[socket.socket, int], None]


class Server:
    """Hands each connection to `serve(sock, n)`, n from 1. `requests` are the heads that came, by connection."""

    def __init__(self, serve: Serve, tls: ssl.SSLContext | None) -> None:
        self._serve, self._tls = serve, tls
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self._run, args=(sock, self.connections), daemon=True).start()

    def _run(self, sock: socket.socket, number: int) -> None:
        with suppress(OSError):
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
            with sock:
                self._serve(sock, number)


@contextmanager
def server(serve: Serve, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    found = Server(serve, tls)
    try:
        yield found
    finally:
        found.listener.close()


def head_of(sock: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (part := sock.recv(65536)):
            return b""
        data += part
    return data


def answer_all(sock: socket.socket, _number: int, answer: bytes = OK) -> None:
    while head_of(sock):
        sock.sendall(answer)


def client(found: Server, *, scheme: str = "http", host: str = "127.0.0.1", keep: bool = True) -> HttpClient:
    resolve = lambda *_, **__: [(2, 1, 6, "", ("127.0.0.1", found.port))]  # noqa: E731
    return HttpClient(origin_of(f"{scheme}://{host}:{found.port}"), keep=keep, resolve=resolve)


def get(asking: HttpClient) -> bytes:
    with asking.ask("GET", "/", give_up_at=monotonic() + 10) as answer:
        return answer.read(100)


@pytest.mark.parametrize(("keep", "connections"), [(True, 1), (False, 3)])
def test_a_connection_is_kept_where_that_is_asked_for(keep: bool, connections: int) -> None:
    with server(answer_all) as found:
        asking = client(found, keep=keep)
        assert [get(asking) for _ in range(3)] == [b"ok"] * 3
        assert found.connections == connections


def test_a_connection_is_kept_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = certificate("keeps.example", tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    http_dial.tls.cache_clear()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path)
    with server(answer_all, tls) as found:
        asking = client(found, scheme="https", host="keeps.example")
        assert [get(asking) for _ in range(3)] == [b"ok"] * 3
        assert found.connections == 1
    http_dial.tls.cache_clear()


def test_each_thread_keeps_its_own() -> None:
    with server(answer_all) as found:
        asking = client(found)
        threads = [threading.Thread(target=lambda: [get(asking) for _ in range(3)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found.connections == 4


def test_bytes_that_answer_nothing_are_no_answer_to_the_next_request() -> None:
    """With them or after them: the connection they came on is not used again."""
    for late in (False, True):
        sent = threading.Event()

        def serve(sock: socket.socket, number: int, late: bool = late, sent: threading.Event = sent) -> None:
            head_of(sock)
            evil = OK.replace(b"ok", b"no")
            if number > 1:
                sock.sendall(OK)
            elif late:
                sock.sendall(OK)
                sock.sendall(evil)
            else:
                sock.sendall(OK + evil)
            sent.set()
            sock.recv(1)

        with server(serve) as found:
            asking = client(found)
            assert get(asking) == b"ok"
            sent.wait(10)
            assert get(asking) == b"ok", late
            assert found.connections == 2


def test_a_kept_connection_that_was_closed_is_replaced_and_the_request_sent_again() -> None:
    def serve(sock: socket.socket, number: int) -> None:
        head_of(sock)
        sock.sendall(OK)
        if number == 1:
            head_of(sock)  # takes the next request, and closes without a word

    with server(serve) as found:
        asking = client(found)
        assert [get(asking), get(asking)] == [b"ok", b"ok"]
        assert found.connections == 2


def test_a_request_that_was_begun_to_be_answered_is_not_sent_again() -> None:
    def serve(sock: socket.socket, _number: int) -> None:
        head_of(sock)
        sock.sendall(OK)
        head_of(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nConte")

    with server(serve) as found:
        asking = client(found)
        assert get(asking) == b"ok"
        with pytest.raises(ExchangeFailed) as raised:
            get(asking)
        assert (raised.value.reason, found.connections) == ("malformed", 1)


@pytest.mark.parametrize(
    "answer",
    [
        OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
)
def test_a_connection_that_the_server_ends_is_not_kept(answer: bytes) -> None:
    with server(lambda sock, number: answer_all(sock, number, answer)) as found:
        asking = client(found)
        assert [get(asking), get(asking)] == [b"ok", b"ok"]
        assert found.connections == 2


def test_a_connection_with_a_body_unread_is_not_kept() -> None:
    with server(answer_all) as found:
        asking = client(found)
        with asking.ask("GET", "/", give_up_at=monotonic() + 10) as answer:
            assert answer.status == 200
        with pytest.raises(ExchangeFailed), asking.ask("GET", "/", give_up_at=monotonic() + 10) as answer:
            answer.read(1)
        assert get(asking) == b"ok"
        assert found.connections == 3


def test_a_body_is_given_as_it_comes() -> None:
    taken = threading.Event()

    def serve(sock: socket.socket, _number: int) -> None:
        head_of(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        taken.wait(10)
        sock.sendall(b"2\r\ncd\r\n0\r\n\r\n")

    with server(serve) as found, client(found).ask("GET", "/", give_up_at=monotonic() + 20) as answer:
        parts = answer.parts(100)
        assert next(parts) == b"ab"
        taken.set()
        assert b"".join(parts) == b"cd"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_without_a_body_may_announce_one(status: str) -> None:
    answer = f"HTTP/1.1 {status}\r\nContent-Length: 5000\r\n\r\n".encode()
    with server(lambda sock, number: answer_all(sock, number, answer)) as found:
        assert get(client(found)) == b""


def test_after_the_moment_nothing_is_dialled() -> None:
    with server(answer_all) as found:
        with pytest.raises(ExchangeFailed) as raised, client(found).ask("GET", "/", give_up_at=monotonic()):
            pass
        assert (raised.value.reason, found.connections) == ("connect_timeout", 0)
