"""Writes dashboard, alarms, budget and lifecycle of a stage as files, for those who set them without the base stack.

python -m deploy.monitoring --stage dev --to build/monitoring

    aws cloudwatch put-dashboard --dashboard-name collections-dev --dashboard-body file://build/monitoring/dashboard.json
    aws cloudwatch put-metric-alarm --cli-input-json file://build/monitoring/alarm-errors.json
    aws budgets create-budget --account-id … --budget file://build/monitoring/budget.json
    aws s3api put-bucket-lifecycle-configuration --bucket … --lifecycle-configuration file://build/monitoring/lifecycle.json

They are made from deploy/base.yaml, so that both are the same. The alarms tell nobody: add --alarm-actions.
"""

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy import base
from deploy.policies import ROOT, STAGES


def files(stage: str, *, region: str, account: str, budget_usd: int) -> dict[str, Any]:
    """Return the content of each file by its name, as the AWS command line takes it."""
    values = {
        "Stage": stage,
        "AWS::Region": region,
        "AWS::AccountId": account,
        "MonthlyBudgetUsd": str(budget_usd),
        "IsDev": stage == "dev",
        "IsLasting": stage != "dev",
    }
    found = {}
    for name, resource in base.template()["Resources"].items():
        if name.endswith("Alarm"):
            given = {key: value for key, value in resource["Properties"].items() if key != "AlarmActions"}
            alarm = resolve(given, values)
            found[f"alarm-{alarm['AlarmName'].removeprefix(f'collections-{stage}-')}.json"] = alarm
    of = {
        name: base.template()["Resources"][name]["Properties"]
        for name in ("Dashboard", "Budget", "ImagesBucket")
    }
    found["dashboard.json"] = json.loads(resolve(of["Dashboard"]["DashboardBody"], values))
    found["budget.json"] = resolve(of["Budget"]["Budget"], values)
    rules = of["ImagesBucket"]["LifecycleConfiguration"]["Rules"]
    found["lifecycle.json"] = {"Rules": [lifecycle_rule(rule) for rule in rules]}
    return found


def lifecycle_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return CloudFormation's rule as S3 has it."""
    same = {name: value for name, value in rule.items() if name not in ("Id", "Prefix")}
    return {"ID": rule["Id"], "Filter": {"Prefix": rule.get("Prefix", "")}, **same}


def resolve(value: Any, values: Mapping[str, Any]) -> Any:
    """Return a part of the template with its functions done. Raise KeyError for what has no value here."""
    if isinstance(value, list):
        return [resolve(each, values) for each in value]
    if not isinstance(value, dict):
        return value
    if "Ref" in value:
        return values[value["Ref"]]
    if "Fn::If" in value:
        condition, then, otherwise = value["Fn::If"]
        return resolve(then if values[condition] else otherwise, values)
    if "Fn::Sub" in value:
        return re.sub(r"\$\{([\w:]+)\}", lambda name: str(values[name[1]]), value["Fn::Sub"])
    return {name: resolve(each, values) for name, each in value.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stage", choices=[stage for stage in STAGES if stage != "local"], default="dev")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--account", default="", help="of the budget's and other names, if they hold it")
    parser.add_argument("--budget-usd", type=int, default=50)
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "monitoring")
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    wanted = files(given.stage, region=given.region, account=given.account, budget_usd=given.budget_usd)
    for name, content in wanted.items():
        (given.to / name).write_text(json.dumps(content, indent=2) + "\n")
        print(given.to / name)


if __name__ == "__main__":
    main()
