"""The base stack of a stage: deploy/base.yaml, which makes what outlives the code, and its outputs in an account."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from deploy import stack
from deploy.stack import Wanted

TEMPLATE = Path(__file__).with_name("base.yaml")


class NotDeployed(Exception):
    """The account has no base stack of the stage. The message says how to make it."""


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms: !Ref and !Sub as {"Ref": …} and {"Fn::Sub": …}."""


def _short_form(loader: yaml.SafeLoader, tag: str, node: Any) -> dict[str, Any]:
    construct = {
        yaml.ScalarNode: loader.construct_scalar,
        yaml.SequenceNode: lambda found: loader.construct_sequence(found, deep=True),
    }[type(node)]
    return {tag if tag == "Ref" else f"Fn::{tag}": construct(node)}


_Loader.add_multi_constructor("!", _short_form)


@cache
def template() -> Mapping[str, Any]:
    """Return the parsed template."""
    parsed: dict[str, Any] = yaml.load(TEMPLATE.read_text(), Loader=_Loader)  # noqa: S506  a safe loader
    return parsed


def stack_name(stage: str) -> str:
    return f"collections-base-{stage}"


def wanted(stage: str, parameters: Mapping[str, str]) -> Wanted:
    """Return the stage's base stack as it should be with these parameters."""
    return Wanted(
        name=stack_name(stage),
        stage=stage,
        template={"TemplateBody": TEMPLATE.read_text()},
        declared=list(template()["Parameters"]),
        parameters={"Stage": stage, **parameters},
        capabilities=("CAPABILITY_IAM",),  # the role of the state machine
    )


def outputs(cloudformation: Any, stage: str) -> dict[str, str]:
    """Return the outputs of the stage's base stack. Raise NotDeployed if there is none."""
    try:
        return stack.outputs(cloudformation, stack_name(stage))
    except cloudformation.exceptions.ClientError as error:
        if "does not exist" not in str(error):
            raise
        raise NotDeployed(
            f"There is no stack {stack_name(stage)} in this account and region. Make it with deploy/deploy.sh"
            f" --stage {stage}"
        ) from error
