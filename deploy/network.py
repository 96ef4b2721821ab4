"""Writes the base stack's network into .chalice/config.json: `python -m deploy.network --stage dev`.

Chalice reads subnets, security groups and reserved concurrency from that file only. Run this after the base stack has
changed, and before `chalice deploy` or `make package`; running it again changes nothing. A stage without a network has
these entries removed.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3

from deploy import base
from deploy.policies import ROOT

CONFIG = ROOT / ".chalice" / "config.json"
# Over IPv6 alone, a function reaches AWS by the endpoints that have such addresses.
DUALSTACK = "AWS_USE_DUALSTACK_ENDPOINT"


def write_network(config: Path, stage: str, outputs: Mapping[str, str]) -> dict[str, Any]:
    """Write the network of these outputs into the stage's entry of the file. Return the stage's entry."""
    settings = json.loads(config.read_text())
    entry: dict[str, Any] = settings["stages"][stage]
    for name in ("subnet_ids", "security_group_ids"):
        entry.pop(name, None)
    entry["environment_variables"].pop(DUALSTACK, None)
    if "SecurityGroupId" in outputs:
        entry["subnet_ids"] = outputs["SubnetIds"].split(",")
        entry["security_group_ids"] = [outputs["SecurityGroupId"]]
    if outputs.get("NetworkEgress") == "ipv6":
        entry["environment_variables"][DUALSTACK] = "true"
    write_reserved(entry["lambda_functions"]["api_handler"], outputs)
    config.write_text(json.dumps(settings, indent=2) + "\n")
    return entry


def write_reserved(function: dict[str, Any], outputs: Mapping[str, str]) -> None:
    """Write how many requests run at once into the function's entry; Chalice takes it from there only, too."""
    function.pop("reserved_concurrency", None)
    if "ReservedConcurrency" in outputs:
        function["reserved_concurrency"] = int(outputs["ReservedConcurrency"])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stage", required=True)
    parser.add_argument("--config", type=Path, default=CONFIG)
    arguments = parser.parse_args()
    try:
        found = base.outputs(boto3.client("cloudformation"), arguments.stage)
    except base.NotDeployed as error:
        sys.exit(str(error))
    entry = write_network(arguments.config, arguments.stage, found)
    subnets = ", ".join(entry.get("subnet_ids", [])) or "no network: the functions are outside of any VPC"
    print(f"{arguments.stage}: {subnets}")


if __name__ == "__main__":
    main()
