"""Expands a SAM template into CloudFormation's own, as CloudFormation does; the emulator cannot."""

import copy
import os
from collections.abc import Mapping
from typing import Any

from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform

from local.layout import ACCOUNT, REGION

MACRO = "AWS::Serverless-2016-10-31"


def expand(template: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the template without its macro. A template that does not use SAM comes back as it is."""
    found = dict(template)
    if found.get("Transform") != MACRO:
        return found
    os.environ.setdefault("AWS_DEFAULT_REGION", REGION)  # the library asks boto3 for it
    pseudo = {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "AWS::Partition": "aws"}
    values = {name: each.get("Default") for name, each in found.get("Parameters", {}).items()}
    expanded: dict[str, Any] = transform(
        copy.deepcopy(found), {**pseudo, **values, **parameters}, ManagedPolicyLoader(None)
    )
    expanded.pop("Transform", None)
    return expanded
