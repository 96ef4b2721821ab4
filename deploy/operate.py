"""Manages accounts for an operator: administrators, and links for stages that send no mail.

MIGRATION_DATABASE_URL=postgresql://owner:…@host/collections python -m deploy.operate make-admin ann@example.org

Log in as the database's owner, as deploy.migrate does. `invite` and `reset-link` print a link that can be used once:
hand it to its owner only. They need the stage's SESSION_SECRET and CONSOLE_URL too. Exit code 1: there is no such
account, or the command cannot be done; 2: an argument or a variable is missing or wrong; 3: the database is not
available.
"""

import argparse
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence

from chalicelib.api.http.fields import ADDRESS
from chalicelib.errors import CollectionsError, Unavailable
from chalicelib.model.accounts.signed_links import Links
from chalicelib.ops.accounts.operate import COMMANDS, run_command
from chalicelib.settings.readers import MIN_SECRET_BYTES
from chalicelib.stores.postgres.postgres import OperatorsDatabase


class Wrong(Exception):
    """A variable is missing or wrong; the message names it."""


def main(arguments: Sequence[str], env: Mapping[str, str]) -> int:
    given = _parser().parse_args(arguments)
    try:
        print(_run(given.command, getattr(given, "email", ""), env))
        return 0
    except Wrong as error:
        print(error, file=sys.stderr)
        return 2
    except Unavailable as error:
        print(error.message, file=sys.stderr)
        return 3
    except CollectionsError as error:
        print(error.message, file=sys.stderr)
        return 1


def _run(command: str, email: str, env: Mapping[str, str]) -> str:
    """Run the command. Return the text to print."""
    db = OperatorsDatabase(_required(env, "MIGRATION_DATABASE_URL"), max_size=1, timeout_s=30.0)
    try:
        return run_command(command, email, now_s=int(time.time()), db=db, links=lambda: _links(env))
    finally:
        db.close()


def _links(env: Mapping[str, str]) -> Links:
    secret = _required(env, "SESSION_SECRET")
    if len(secret.encode()) < MIN_SECRET_BYTES:
        raise Wrong(f"SESSION_SECRET: must be the stage's, which has at least {MIN_SECRET_BYTES} bytes")
    return Links(secrets=(secret,), console_url=_required(env, "CONSOLE_URL").rstrip("/"))


def _required(env: Mapping[str, str], name: str) -> str:
    if not env.get(name):
        raise Wrong(f"{name}: must be set")
    return env[name]


def _address(text: str) -> str:
    if not re.match(ADDRESS, text) or len(text) > 254:
        raise argparse.ArgumentTypeError(f"{text!r} is not a mail address")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.operate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, does in COMMANDS.items():
        command = commands.add_parser(name, help=does, description=does)
        if name != "list-admins":
            command.add_argument(
                "email", type=_address if name in ("first-admin", "invite") else str, metavar="EMAIL"
            )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
