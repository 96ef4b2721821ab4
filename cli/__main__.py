"""Runs `./collections`."""

from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError

from cli.costs import show_costs
from cli.doctor import doctor
from cli.params import params
from cli.stopping import NotDone, NotTried
from deploy.script import Stopped, reason


class Commands(click.Group):
    """The commands, with plain words in place of the exceptions that stop them."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Stopped as error:
            raise NotDone(str(error)) from error
        except (ClientError, BotoCoreError) as error:
            raise NotTried(reason(error)) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Looks after Collections: the stack of `make run`, or a stage in AWS.

    Exit codes: 0 it is done; 1 something is wrong; 2 the command is wrong; 3 it could not be tried, for example without
    credentials.
    """


main.add_command(show_costs)
main.add_command(doctor)
main.add_command(params)

if __name__ == "__main__":
    main(prog_name="./collections")
