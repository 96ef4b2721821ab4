"""Writes the settings of a stage into Parameter Store, from which its functions read them.

deploy/update-parameters.sh --stage dev                                  asks for what guides name
deploy/update-parameters.sh --stage dev --set CORS_ORIGINS=https://a.example --from-env ANTHROPIC_API_KEY

A value that is wrong is refused before it is written. Functions notice a change within five minutes. `--list` prints
the names that are set. A value may refer to a secret of Secrets Manager:
/aws/reference/secretsmanager/collections/<name>.
"""

import argparse
import os
import re
from collections.abc import Mapping

import boto3

from chalicelib.settings import InvalidSetting, Settings
from chalicelib.settings.models import VARIABLES
from deploy.policies import STAGES, operators_prefix, parameter_prefix
from deploy.script import Stopped, account, ask, parameters, put_secret, say, told

# The owner's: only the operating function reads them.
OWNERS = ("MIGRATION_DATABASE_URL", "MASTER_PASSWORD")
# Named by the guides; what reads them comes later.
EARLY = ("LANGSMITH_API_KEY",)
KNOWN = {
    *(name.upper() for name in Settings.__struct_fields__),
    *("RATE_LIMITS", *VARIABLES, *EARLY, *OWNERS),
} - {
    "ENVIRONMENT",
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "DECODER_MEMORY_BYTES",
    "MAIL_FOLDER",
    "MAIL_FROM",
    "BEDROCK_URL",
    "MODELS",
    "UPSTREAM_URLS",
    "RATES",
}
UPSTREAM = re.compile(r"UPSTREAM_[A-Z][A-Z0-9_]*_SERVICE_URL\Z")
REFERENCE = "/aws/reference/secretsmanager/"
QUESTIONS = {
    "MIGRATION_DATABASE_URL": "URL of the database's owner, postgresql://owner:password@host/name",
    "ANTHROPIC_API_KEY": "Anthropic API key",
    "OPENAI_API_KEY": "OpenAI API key",
    "VOYAGE_API_KEY": "Voyage AI API key",
    "CORS_ORIGINS": "Sites whose pages may call the API, with commas",
}
# Stand for what is not set yet, so that one value can be checked alone.
PLACEHOLDERS = {"DATABASE_URL": "postgresql://x", "IMAGES_BUCKET": "x", "SESSION_SECRET": "x" * 32}


def check(stage: str, values: Mapping[str, str], existing: Mapping[str, str]) -> None:
    """Raise Stopped for a name that is not known, or a value that the app would refuse."""
    for name in values:
        if name == "MAIL_FROM":
            raise Stopped("MAIL_FROM stands in .chalice/config.json: the function's right to send names it.")
        if name not in KNOWN and not UPSTREAM.match(name):
            raise Stopped(f"{name} is no setting of this app. Known are {', '.join(sorted(KNOWN))}.")
    together = {**PLACEHOLDERS, **existing, **values, "ENVIRONMENT": stage}
    plain = {name: value for name, value in together.items() if not value.startswith(REFERENCE)}
    try:
        Settings.from_env({**PLACEHOLDERS, **plain})
    except InvalidSetting as error:
        raise Stopped(str(error)) from error


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


def asked(existing: Mapping[str, str]) -> dict[str, str]:
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
        ssm, path = boto3.client("ssm"), parameter_prefix(arguments.stage)
        owners = parameters(ssm, operators_prefix(arguments.stage))
        existing = parameters(ssm, path)
        if arguments.list:
            return say("\n".join(sorted([*existing, *owners])) or "nothing is set")
        values = given(arguments.set, arguments.from_env) or asked({**existing, **owners})
        check(arguments.stage, values, existing)
        for name, value in values.items():
            place = operators_prefix(arguments.stage) if name in OWNERS else path
            if not arguments.dry_run:
                put_secret(ssm, place, name, value)
            say(f"{'would write' if arguments.dry_run else 'written'}: {place}/{name}")


if __name__ == "__main__":
    main()
