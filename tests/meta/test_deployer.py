"""A deployer's policy, deploy/deployer-policy.json, covers what the scripts and the templates touch, and no more."""

import json
import re
from typing import Any

from deploy import base
from deploy.policies import ROOT, STAGES, lambda_name, operators_prefix, parameter_prefix

POLICY: dict[str, Any] = json.loads((ROOT / "deploy" / "deployer-policy.json").read_text())
STATEMENTS: list[dict[str, Any]] = POLICY["Statement"]
# Their calls name no resource, or one whose id AWS chooses.
ANYWHERE = {"Listed", "Domain", "Network"}
LIMIT = 6_144  # characters of a managed policy, white space not counted
# What CloudFormation's types are called in IAM.
SERVICES = {
    "ApiGateway": "apigateway",
    "Budgets": "budgets",
    "CertificateManager": "acm",
    "CloudWatch": "cloudwatch",
    "DynamoDB": "dynamodb",
    "EC2": "ec2",
    "IAM": "iam",
    "RDS": "rds",
    "Route53": "route53",
    "S3": "s3",
    "SNS": "sns",
    "SQS": "sqs",
    "SSM": "ssm",
    "StepFunctions": "states",
    "WAFv2": "wafv2",
}


def services() -> set[str]:
    return {action.partition(":")[0] for each in STATEMENTS for action in each["Action"]}


def test_it_is_small_enough_for_a_managed_policy() -> None:
    assert len(re.sub(r"\s", "", json.dumps(POLICY))) <= LIMIT


def test_it_reaches_only_what_is_named_after_the_app() -> None:
    for each in STATEMENTS:
        if each["Sid"] not in ANYWHERE | {"Api", "SettingsKey", "Code"}:
            ours = [name for name in each["Resource"] if "collections" in name]
            others = set(each["Resource"]) - set(ours)
            assert ours and all(re.search(r"transform/|managedruleset|restapis", name) for name in others), (
                each
            )
        assert (each["Resource"] == ["*"]) == (each["Sid"] in ANYWHERE)


def test_it_passes_roles_to_functions_and_the_state_machine_alone() -> None:
    (passing,) = [each for each in STATEMENTS if "iam:PassRole" in each["Action"]]
    services = ["lambda.amazonaws.com", "states.amazonaws.com"]
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": services}}
    assert not any(action in ("iam:*", "*") for each in STATEMENTS for action in each["Action"])


def test_it_covers_each_service_of_the_templates_and_the_scripts() -> None:
    made = {each["Type"].split("::")[1] for each in base.template()["Resources"].values()}
    assert {SERVICES[service] for service in made} <= services()
    text = "".join(path.read_text() for path in (ROOT / "deploy").glob("*.py"))
    called = set(re.findall(r'boto3\.client\("(\w+)"', text)) - {"sts"}  # which needs no right
    assert called <= services()


def test_it_fits_the_names_of_every_stage() -> None:
    patterns = [name for each in STATEMENTS for name in each["Resource"]]
    for stage in set(STAGES) - {"local"}:
        for wanted in (
            f"arn:aws:lambda:us-east-1:1:function:{lambda_name('operate', stage)}",
            f"arn:aws:ssm:us-east-1:1:parameter{parameter_prefix(stage)}/DATABASE_URL",
            f"arn:aws:ssm:us-east-1:1:parameter{operators_prefix(stage)}/REVISION",
            f"arn:aws:cloudformation:us-east-1:1:stack/{base.stack_name(stage)}/id",
            f"arn:aws:s3:::collections-images-{stage}-1",
        ):
            assert any(
                re.fullmatch(re.escape(p).replace(r"\*", ".*"), wanted) for p in patterns if p != "*"
            ), wanted
