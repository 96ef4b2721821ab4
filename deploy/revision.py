"""Keeps which revision of the code a stage has, so that a deployment that fails can be taken back.

python -m deploy.revision --stage dev                    prints it; nothing for a stage that was never deployed by CI
python -m deploy.revision --stage dev --set 0123abc      writes it, after a deployment that holds
"""

import argparse

import boto3

from deploy.policies import STAGES, operators_prefix
from deploy.script import say, told

NAME = "REVISION"


def read(stage: str) -> str:
    """Return the revision, "" for none."""
    ssm = boto3.client("ssm")
    try:
        value: str = ssm.get_parameter(Name=f"{operators_prefix(stage)}/{NAME}")["Parameter"]["Value"]
    except ssm.exceptions.ParameterNotFound:
        return ""
    return value


def write(stage: str, revision: str) -> None:
    name = f"{operators_prefix(stage)}/{NAME}"
    boto3.client("ssm").put_parameter(Name=name, Value=revision, Type="String", Overwrite=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stage", choices=[stage for stage in STAGES if stage != "local"], required=True)
    parser.add_argument("--set", metavar="REVISION")
    arguments = parser.parse_args()
    with told():
        if arguments.set:
            write(arguments.stage, arguments.set)
        else:
            say(read(arguments.stage))


if __name__ == "__main__":
    main()
