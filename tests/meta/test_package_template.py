"""The template of the packaged functions: their settings, rights, events, sizes and what stands before them."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chalicelib.api.http.problems import STATUS_OF_ERROR, UPLOADS_PATH, Problem
from chalicelib.model.gateway.gateway_routes import ROUTES
from chalicelib.model.work.tasks import POLICIES
from deploy import base
from deploy.overlay import logical_id
from deploy.policies import ARRIVALS, CONFIG, CONSUMERS, DEAD_LETTERS
from deploy.queues import resource_id


def functions(resources: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in resources.items() if each["Type"] == "AWS::Serverless::Function"}


def test_functions_carry_no_setting_but_where_the_others_are(
    package: Path, resources: dict[str, Any]
) -> None:
    for name, each in functions(resources).items():
        variables = each["Properties"]["Environment"]["Variables"]
        assert variables == {"ENVIRONMENT": "dev", "SETTINGS_PATH": "/collections"}, name


def test_what_the_gateway_answers_by_itself_is_a_problem_like_ours(resources: dict[str, Any]) -> None:
    answers = resources["RestAPI"]["Properties"]["DefinitionBody"]["x-amazon-apigateway-gateway-responses"]
    ours = {(STATUS_OF_ERROR[error], error.code) for error in STATUS_OF_ERROR if hasattr(error, "code")}
    for name, each in answers.items():
        headers = each["responseParameters"]
        assert headers["gatewayresponse.header.Access-Control-Allow-Origin"] == "'*'", name
        if name != "DEFAULT_4XX":  # which has many statuses
            problem = msgspec.json.decode(each["responseTemplates"]["application/json"], type=Problem)
            assert (problem.status, problem.code) in ours and problem.status == each["statusCode"], name
            assert problem.status not in (429, 503) or "gatewayresponse.header.Retry-After" in headers, name
    too_large = answers["REQUEST_TOO_LARGE"]
    assert UPLOADS_PATH in too_large["responseParameters"]["gatewayresponse.header.Link"]
    assert f"POST {UPLOADS_PATH}" in too_large["responseTemplates"]["application/json"]


ANYWHERE = {"ec2", "xray"}  # interfaces and segments cannot be named in advance; AWS' own policies use * too


def statements(resources: dict[str, Any]) -> list[dict[str, Any]]:
    roles = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::IAM::Role"]
    policies = [policy["PolicyDocument"] for role in roles for policy in role.get("Policies", [])]
    return [statement for policy in policies for statement in policy["Statement"]]


def test_no_right_is_wider_than_the_listed_ones(resources: dict[str, Any]) -> None:
    found = statements(resources)
    assert len(found) > 50
    for statement in found:
        if "*" in statement["Resource"]:
            assert {action.partition(":")[0] for action in statement["Action"]} <= ANYWHERE
        assert not any("*" in action for action in statement["Action"])


def test_every_asynchronous_path_ends_in_the_dead_letters(resources: dict[str, Any]) -> None:
    polled = {
        name
        for name, each in functions(resources).items()
        if any(event["Type"] == "SQS" for event in each["Properties"].get("Events", {}).values())
    }
    for name, each in functions(resources).items():
        if name not in polled and name != "APIHandler":
            destination = each["Properties"]["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
            assert destination["Destination"]["Fn::Sub"].endswith(":collections-dev-dead-letters"), name
    for name in polled - {"DeadLetters"}:
        (event,) = each_event(resources, name)
        assert event["BatchSize"] == 1, f"{name} raises for the one message that failed"
        queue = event["Queue"]["Fn::Sub"].rpartition("-")[2]
        assert "RedrivePolicy" in base.template()["Resources"][resource_id(queue)]["Properties"], name


def each_event(resources: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [event["Properties"] for event in resources[name]["Properties"]["Events"].values()]


def test_what_a_request_waits_for_ends_before_it_does() -> None:
    """Upstream and provider before the function, the function before a task's lease."""
    timeouts_s = {name: each["lambda_timeout"] for name, each in CONFIG["lambda_functions"].items()}
    assert max(route.timeout_s for route in ROUTES) < timeouts_s["api_handler"] == 30
    for queue, consumer in CONSUMERS.items():
        if queue != DEAD_LETTERS:
            leases_s = [policy.lease_s for policy in POLICIES.values() if policy.queue == queue]
            assert timeouts_s[consumer] < min(leases_s), consumer


def test_no_secret_stands_in_the_template(package: Path) -> None:
    text = (package / "sam.json").read_text()
    assert not re.search(r"postgresql://|sk-[a-z]|AKIA|BEGIN .*PRIVATE KEY", text)


@pytest.fixture(scope="module")
def expanded(package: Path) -> dict[str, Any]:
    """The template as CloudFormation makes it of the packaged one."""
    from local.sam import expand  # here: every process would load the translator

    template = json.loads((package / "sam.json").read_text())
    for each in functions(template["Resources"]).values():
        each["Properties"]["CodeUri"] = {"Bucket": "code-bucket", "Key": "code.zip"}
    return expand(template, {})


def test_domain_firewall_and_waiting_environments_come_by_parameter_alone(expanded: dict[str, Any]) -> None:
    wanted = {
        "AWS::ApiGateway::BasePathMapping": "HasDomain",
        "AWS::WAFv2::WebACLAssociation": "HasWaf",
        "AWS::Lambda::Version": "HasProvisioned",
        "AWS::Lambda::Alias": "HasProvisioned",
    }
    found = {each["Type"]: each.get("Condition") for each in expanded["Resources"].values()}
    assert {kind: found[kind] for kind in wanted} == wanted
    for name in ("DomainName", "WebAclArn", "ProvisionedConcurrency"):
        assert expanded["Parameters"][name]["Default"] in ("", 0)
        assert name in base.template()["Outputs"], "deploy/deploy.sh passes it on"


def test_the_api_calls_the_environments_that_wait(expanded: dict[str, Any]) -> None:
    called = {"Fn::If": ["HasProvisioned", {"Ref": "ApiHandlerLive"}, {"Fn::GetAtt": ["APIHandler", "Arn"]}]}
    paths = expanded["Resources"]["RestAPI"]["Properties"]["Body"]["paths"]
    methods = [method for each in paths.values() for name, method in each.items() if name != "options"]
    assert len(methods) > 50
    for method in methods:
        uri = method["x-amazon-apigateway-integration"]["uri"]
        assert uri["Fn::Sub"][1] == {"Called": called}
    allowed = [each for each in expanded["Resources"].values() if each["Type"] == "AWS::Lambda::Permission"]
    assert {"Ref": "ApiHandlerLive"} in [each["Properties"]["FunctionName"] for each in allowed]


def test_the_promised_outputs_are_there(package: Path) -> None:
    outputs = json.loads((package / "sam.json").read_text())["Outputs"].keys()
    assert {"ApiEndpoint", "StageUrl", "EndpointURL", "APIHandlerName", "APIHandlerArn"} <= outputs
    of_base = {"ImagesBucketName", "SessionsTableName", "RateLimitsTableName", "SecurityGroupId", "SubnetIds"}
    assert of_base <= base.template()["Outputs"].keys()


def test_the_stage_of_the_api_is_limited(resources: dict[str, Any], package: Path) -> None:
    (settings,) = resources["RestAPI"]["Properties"]["MethodSettings"]
    parameters = json.loads((package / "sam.json").read_text())["Parameters"]
    limits = [settings[name]["Ref"] for name in ("ThrottlingRateLimit", "ThrottlingBurstLimit")]
    assert [parameters[name]["Default"] for name in limits] == [50, 100]


def test_each_function_has_its_own_size_and_role(resources: dict[str, Any]) -> None:
    wanted = {
        logical_id(name): (size["lambda_memory_size"], size["lambda_timeout"])
        for name, size in CONFIG["lambda_functions"].items()
        if name != ARRIVALS
    }
    properties = {name: each["Properties"] for name, each in functions(resources).items()}
    assert {name: (each["MemorySize"], each["Timeout"]) for name, each in properties.items()} == wanted
    assert len({json.dumps(each["Role"]) for each in properties.values()}) == len(wanted)


@pytest.mark.slow
def test_the_template_passes_cfn_lint(package: Path) -> None:
    lint = [Path(sys.executable).with_name("cfn-lint"), package / "sam.json"]
    ran = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")
