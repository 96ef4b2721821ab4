"""`./collections params`: a stage's settings in Parameter Store."""

from pathlib import Path

import boto3
import click

from deploy import dot_env, settings
from deploy.policies import STAGES
from deploy.script import Stopped, account

STAGE = click.option(
    "--stage",
    type=click.Choice([stage for stage in STAGES if stage != "local"]),
    default="dev",
    show_default=True,
)


@click.group()
def params() -> None:
    """Set and list a stage's settings in Parameter Store, from which its functions read them."""


@params.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@STAGE
@click.option("--dry-run", is_flag=True, help="Check, show the names, and write nothing.")
def push(file: Path, stage: str, dry_run: bool) -> None:
    """Write the settings of FILE, with a NAME=value a line, into Parameter Store as SecureStrings.

    All are checked before the first is written, as the app checks them. What is there already stays as it is.
    """
    account()
    try:
        values = dot_env.read(file)
    except dot_env.WrongLine as error:
        raise Stopped(str(error)) from error
    settings.push(boto3.client("ssm"), stage, values, dry_run=dry_run)


@params.command("list")
@STAGE
def list_names(stage: str) -> None:
    """Print the names that are set, without their values."""
    account()
    for name in settings.list_names(boto3.client("ssm"), stage):
        click.echo(name)
