"""A TCP proxy on 127.0.0.1 that does to its connections what networks and dying servers do, as the test says.

pass     forwards
refuse   nobody listens, and open connections are closed
reset    connections end with RST, open ones and new ones
hang     nothing goes through any more, neither way, and nobody is told; new connections are accepted.
         A connection caught in it stays so for ever, as behind a router that forgot it
slice    forwards byte by byte
close    connections end with FIN, open ones and new ones
"""

import asyncio
import select
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

Mood = Literal["pass", "refuse", "reset", "hang", "slice", "close"]
RST_ON_CLOSE = struct.pack("ii", 1, 0)


class TcpProxy:
    """Clients connect to `port`: `accepted` counts the connections, `most_open` those open at once, at most."""

    def __init__(self, server_port: int) -> None:
        self.port = 0
        self.accepted = 0
        self.most_open = 0
        self._server_port = server_port
        self._mood: Mood = "pass"
        self._answer_bytes = 0
        self._trigger: tuple[bytes, Mood, bool] | None = None
        self._links: set[_Link] = set()
        self._listener: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._run(self._listen())

    def be(self, mood: Mood, *, answer_bytes: int = 0) -> None:
        """Take on a mood. A reset or close comes on each connection once that many bytes of answers got through."""
        self._run(self._be(mood, answer_bytes))

    def when(self, sent: bytes, mood: Mood, *, for_all: bool = False) -> None:
        """Once, when a client has sent this and the server has answered: that connection alone, or all get the mood."""
        self._trigger = (sent, mood, for_all)

    @property
    def open(self) -> int:
        """Return the number of connected clients as the clients see it; the server does not know of one that hangs."""
        return sum(not link.client_left() for link in list(self._links))

    def stop(self) -> None:
        self._run(self._be("refuse", 0))
        self._run(self._drop_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=512)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _be(self, mood: Mood, answer_bytes: int) -> None:
        self._mood, self._answer_bytes = mood, answer_bytes
        for link in list(self._links):
            link.be(mood, answer_bytes)
        if mood == "refuse" and self._listener:
            self._listener.close()
            self._listener = None
        elif mood != "refuse" and not self._listener:
            await self._listen()

    async def _drop_all(self) -> None:
        for link in self._links:
            link.close()
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(writer, self._fired)
        self._links.add(link)
        self.accepted += 1
        self.most_open = max(self.most_open, self.open)
        link.be(self._mood, self._answer_bytes)
        with suppress(OSError, asyncio.CancelledError):
            await link.forward(reader, self._server_port)
        if not link.hangs:
            self._links.discard(link)

    def _fired(self, data: bytes) -> Mood | None:
        if self._trigger is None or self._trigger[0] not in data:
            return None
        (_, mood, for_all), self._trigger = self._trigger, None
        if for_all:
            self._mood = mood
        return mood


class _Link:
    """One client's connection with the server's behind it."""

    def __init__(self, client: asyncio.StreamWriter, fired: Callable[[bytes], Mood | None]) -> None:
        self.hangs = False
        self._client = client
        self._server: asyncio.StreamWriter | None = None
        self._fired = fired
        self._slices = False
        self._ends_by: Mood | None = None
        self._left = 0  # bytes of answers until it ends
        self._ended = False
        self._next: Mood | None = None  # its mood once the server has answered

    def be(self, mood: Mood, answer_bytes: int = 0) -> None:
        self._slices = mood == "slice"
        self.hangs = self.hangs or mood == "hang"
        self._ends_by, self._left = (mood if mood in ("refuse", "reset", "close") else None), answer_bytes
        if self._ends_by and not self._left:
            self._end()

    def client_left(self) -> bool:
        descriptor = self._client.get_extra_info("socket").fileno()
        if descriptor < 0:
            return True
        poll = select.poll()
        poll.register(descriptor, select.POLLRDHUP)
        return bool(poll.poll(0))

    async def forward(self, reader: asyncio.StreamReader, server_port: int) -> None:
        if self._ended:
            await reader.read()
            return self.close()
        from_server, self._server = await asyncio.open_connection("127.0.0.1", server_port)
        await asyncio.gather(self._ask(reader, self._server), self._answer(from_server, self._client))

    def close(self) -> None:
        for writer in (self._client, self._server):
            if writer is not None:
                writer.close()

    async def _ask(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not self.hangs and not self._ended:
                self._next = self._fired(data) or self._next
                await self._send(data, server)
        if not self.hangs:
            self.close()

    async def _answer(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self._next:
                self.be(self._next)
            if self.hangs or self._ended:
                continue
            if self._ends_by:
                data, self._left = data[: self._left], max(0, self._left - len(data))
            await self._send(data, client)
            if self._ends_by and not self._left:
                self._end()
        if not self.hangs and not self._ended:
            self._end()

    async def _send(self, data: bytes, to: asyncio.StreamWriter) -> None:
        if not self._slices:
            to.write(data)
        for count, byte in enumerate(data if self._slices else b""):
            to.write(bytes([byte]))
            await asyncio.sleep(0.001 if count % 50 == 0 else 0)
        await to.drain()

    def _end(self) -> None:
        self._ended = True
        if self._ends_by == "reset":
            connection: socket.socket = self._client.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
            self._client.close()
        elif not self._client.is_closing():
            self._client.write_eof()  # closing with something unread would be a reset
        if self._server is not None:
            self._server.close()


@contextmanager
def tcp_proxy(server_port: int) -> Iterator[TcpProxy]:
    proxy = TcpProxy(server_port)
    yield proxy
    proxy.stop()
