"""The end of a command that could not be done: a line of plain words, and an exit code."""

from typing import IO, Any

import click


class NotDone(click.ClickException):
    """Something is wrong; the message says what, and how to go on."""

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"Stopped: {self.message}", err=True, file=file)


class NotTried(NotDone):
    """The account, or the local stack, cannot be asked."""

    exit_code = 3
