"""Writes the settings of a stage into Parameter Store, from which its functions read them.

deploy/update-parameters.sh --stage dev                                  asks for what guides name
deploy/update-parameters.sh --stage dev --set CORS_ORIGINS=https://a.example --from-env ANTHROPIC_API_KEY

A value that is wrong is refused before it is written. Functions notice a change within five minutes. `--list` prints
the names that are set. A value may refer to a secret of Secrets Manager:
/aws/reference/secretsmanager/collections/<name>.
"""

import argparse
import os
from collections.abc import Sequence

import boto3

from deploy import settings
from deploy.policies import STAGES
from deploy.script import Stopped, account, ask, say, told

QUESTIONS = {
    "MIGRATION_DATABASE_URL": "URL of the database's owner, postgresql://owner:password@host/name",
    "ANTHROPIC_API_KEY": "Anthropic API key",
    "OPENAI_API_KEY": "OpenAI API key",
    "VOYAGE_API_KEY": "Voyage AI API key",
    "CORS_ORIGINS": "Sites whose pages may call the API, with commas",
}


def given(pairs: list[str], from_env: list[str]) -> dict[str, str]:
    """Return the values of the flags. Raise Stopped for one that has none."""
    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not value:
            raise Stopped(f"--set {name}: give it as NAME=value.")
        values[name] = value
    for name in from_env:
        if not os.environ.get(name):
            raise Stopped(f"--from-env {name}: the environment has no such variable.")
        values[name] = os.environ[name]
    return values


def asked(existing: Sequence[str]) -> dict[str, str]:
    """Ask for the settings that the guides name; an empty answer leaves one as it is."""
    answers = {}
    for name, question in QUESTIONS.items():
        state = "set; Enter keeps it" if name in existing else "Enter leaves it out"
        hidden = name.endswith(("_KEY", "DATABASE_URL"))
        answers[name] = ask(f"{question} ({state})", secret=hidden)
    return {name: value for name, value in answers.items() if value}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="deploy/update-parameters.sh",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    stages = [stage for stage in STAGES if stage != "local"]
    parser.add_argument("--stage", choices=stages, default="dev")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--from-env", action="append", default=[], metavar="NAME")
    parser.add_argument("--list", action="store_true", help="print the names that are set, and nothing else")
    parser.add_argument("--dry-run", action="store_true", help="check, and write nothing")
    arguments = parser.parse_args()
    with told():
        account()
        ssm = boto3.client("ssm")
        if arguments.list:
            return say("\n".join(settings.list_names(ssm, arguments.stage)) or "nothing is set")
        values = given(arguments.set, arguments.from_env) or asked(settings.list_names(ssm, arguments.stage))
        settings.push(ssm, arguments.stage, values, dry_run=arguments.dry_run)


if __name__ == "__main__":
    main()
