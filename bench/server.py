"""The Postgres of a benchmark: its processes, and the CPU that they have used (Linux)."""

from contextlib import suppress
from pathlib import Path

import psutil
import psycopg2


def server_of(admin_url: str) -> psutil.Process:
    """Return the postmaster of the server at this URL, which is on this machine."""
    connection = psycopg2.connect(admin_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        (directory,) = cursor.fetchone()
    connection.close()
    return psutil.Process(int((Path(directory) / "postmaster.pid").read_text().split()[0]))


def cpu_s(server: psutil.Process) -> float:
    """Return the CPU seconds of the postmaster and its children so far. What has ended meanwhile is not in it."""
    used = 0
    for each in [server, *server.children()]:
        with suppress(FileNotFoundError, ProcessLookupError):
            used += int(Path(f"/proc/{each.pid}/schedstat").read_text().split()[0])
    return used / 1e9
