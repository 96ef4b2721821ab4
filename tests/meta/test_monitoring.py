"""Dashboard, alarms, budget and lifecycle as files: what guides 1 and 4 give to the AWS command line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.policies import ROOT
from local.layout import ACCOUNT
from tests.support.emulated import BUCKET, Emulated, emulated_aws


@pytest.fixture
def aws(tmp_path: Path) -> Any:
    with emulated_aws(tmp_path) as aws:
        yield aws


def test_the_files_are_taken_by_the_calls_of_the_guides(aws: Emulated, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.monitoring", "--stage", "dev", "--to", str(tmp_path / "files")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    found = {path.name: json.loads(path.read_text()) for path in (tmp_path / "files").iterdir()}
    cloudwatch = aws.client("cloudwatch")
    cloudwatch.put_dashboard(
        DashboardName="collections-lambdas", DashboardBody=json.dumps(found["dashboard.json"])
    )
    alarms = {name: alarm for name, alarm in found.items() if name.startswith("alarm-")}
    for alarm in alarms.values():
        cloudwatch.put_metric_alarm(**alarm)
    told = {each["AlarmName"]: each for each in cloudwatch.describe_alarms()["MetricAlarms"]}
    assert len(told) == len(alarms) >= 10
    errors = told["collections-dev-errors"]
    assert (errors["Threshold"], errors["Metrics"][1]["MetricStat"]["Period"]) == (5, 300)
    assert told["collections-dev-outbox-age"]["MetricName"] == "OutboxAge"
    budgets = aws.client("budgets")
    budgets.create_budget(AccountId=ACCOUNT, Budget=found["budget.json"])
    assert budgets.describe_budget(AccountId=ACCOUNT, BudgetName="collections-dev")["Budget"][
        "BudgetLimit"
    ] == {
        "Amount": "50",
        "Unit": "USD",
    }
    s3 = aws.client("s3")
    s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration=found["lifecycle.json"])
    rules = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert {rule["ID"] for rule in rules} == {"abandoned-uploads", "old-thumbnails", "deleted-files"}
