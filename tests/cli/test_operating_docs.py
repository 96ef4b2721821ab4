"""docs for operators: their commands are there, alarms have a row each, figures are what is computed."""

import json
import re
from typing import Any

import pytest
from click.testing import CliRunner

from cli.__main__ import main
from deploy import base, costs
from tests.support.commands import PROJECT, commands_of, mistakes

PAGES = {name: (PROJECT / "docs" / f"{name}.md").read_text() for name in ("operating", "costs", "security")}
COMMANDS = sorted({(name, command) for name, text in PAGES.items() for command in commands_of(text)})


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_a_command_of_the_documentation_is_there(page: str, command: str) -> None:
    assert mistakes(command) == []


def test_what_is_not_there_is_noticed() -> None:
    for command in (
        "aws lambda get-nothing",
        "aws lambda get-policy --function collections-dev",
        "aws lambda get-policy --function-name collections-dev-Other",
        "./collections doctor --stages dev",
        "./collections doctors",
        "deploy/deploy.sh --stages dev",
        "deploy/none.sh --stage dev",
        """echo '{"command": "sql"}' | chalice invoke --stage dev --name operate""",
    ):
        assert mistakes(command), command


def test_every_alarm_has_a_row_with_the_command_that_mends_it() -> None:
    resources: dict[str, Any] = base.template()["Resources"]
    alarms = {
        each["Properties"]["AlarmName"]["Fn::Sub"].removeprefix("collections-${Stage}-")
        for each in resources.values()
        if each["Type"] == "AWS::CloudWatch::Alarm"
    }
    table = PAGES["operating"].partition("| alarm | means |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.M)) == alarms


def test_the_months_of_the_documentation_are_those_that_are_computed() -> None:
    """The table's first cell names the month; the guide's sum and ours are dollars in it."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGES["costs"].splitlines()
        if "$" in line and line.startswith("| ")
    ]
    shown = {cells[0]: cells[1:4] for cells in rows}
    for name, (what, claimed, month) in costs.GUIDES.items():
        assert shown[name] == [what, f"${claimed:.2f}", f"${sum(costs.costs(month).values()):.2f}"]
    for name, (what, month) in costs.STAGES.items():
        assert shown[name][:2] == [what, f"${sum(costs.costs(month).values()):.2f}"]


def test_the_cost_of_a_month_is_the_sum_of_its_parts() -> None:
    """Guide 3's own calculation: 10,000 x 30 s x 3 GB x $0.0000166667, and $0.002 for the requests."""
    month = costs.Month(requests=10_000, request_ms=30_000, memory_mb=3072, is_idle_counted=False)
    assert costs.costs(month)["Lambda"] == pytest.approx(15.002, abs=0.001)
    more = costs.costs(costs.Month(instance="db.t4g.micro", zones=2, database_gb=10, is_idle_counted=False))
    assert more == {"Database": pytest.approx(2 * (730 * 0.016 + 1.15))}


def test_the_calculator_prints_what_it_computes() -> None:
    told = CliRunner().invoke(main, ["costs", "--requests", "100000", "--instance", "db.t4g.micro", "--json"])
    found = json.loads(told.output)
    assert found["usd"]["API Gateway"] == pytest.approx(0.35)
    assert found["total_usd"] == pytest.approx(sum(found["usd"].values()))
    shown = CliRunner().invoke(main, ["costs", "--examples"]).output
    assert "guide 2-production" in shown and "the guide says $435.00" in shown
    assert CliRunner().invoke(main, ["costs", "--requests", "-1"]).exit_code == 2
