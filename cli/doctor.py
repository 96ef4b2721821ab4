"""`./collections doctor`: what is wrong with a stage, and how to mend it."""

import json
import socket
import sys
import time

import boto3
import click
from msgspec.structs import asdict

from cli.stopping import NotTried
from deploy.doctor.examine import examine
from deploy.doctor.findings import Stage
from deploy.policies import STAGES
from deploy.script import account
from local.base import client
from local.layout import DEFAULT_PORT, Ports

MARKS = {"ok": "ok     ", "wrong": "WRONG  ", "unknown": "?      "}


@click.command()
@click.option(
    "--stage",
    type=click.Choice(STAGES),
    default="local",
    show_default=True,
    help="local: the stack of make run.",
)
@click.option(
    "--port", type=int, default=DEFAULT_PORT, show_default=True, help="Of the local stack, as in make run."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--all", "show_all", is_flag=True, help="Show also what is well.")
def doctor(stage: str, port: int, as_json: bool, show_all: bool) -> None:
    """Say what is wrong with a stage, and how to mend it.

    It looks at the clock, the quotas, the bucket's events, the functions and their rights, the rules and schedules, the
    queues and dead letters, the settings, and from inside the network at the database, its schema and the tables. It
    changes nothing. Exit code 0: all is well; 1: something is wrong; 3: the account or the local stack cannot be asked.
    """
    found = []
    for finding in examine(_stage(stage, port)):
        found.append(finding)
        if not as_json and (show_all or finding.state != "ok"):
            click.echo(f"{MARKS[finding.state]}{finding.check}: {finding.found}")
            if finding.mend:
                click.echo(f"{' ' * 7}mend it: {finding.mend}")
    wrong = sum(each.state == "wrong" for each in found)
    unknown = sum(each.state == "unknown" for each in found)
    if as_json:
        told = {"stage": stage, "healthy": not wrong, "findings": [asdict(each) for each in found]}
        click.echo(json.dumps(told))
    else:
        click.echo(f"{stage}: {len(found)} checks, {wrong} wrong, {unknown} unknown")
    sys.exit(1 if wrong else 0)


def _stage(name: str, port: int) -> Stage:
    """Return the stage to ask. Raise NotTried if it is the local stack's, and that is not up."""
    if name != "local":
        account()
        return Stage(name=name, client=boto3.client, now=time.time)
    aws_port = Ports(api=port).aws
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", aws_port)):
            raise NotTried(f"nothing answers on port {aws_port}. Start the local stack with make run.")
    return Stage(name=name, client=lambda service: client(service, aws_port), now=time.time)
