"""The front of the API, domain, firewall and concurrency, is as `chalice deploy` has it."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy import by_cloudformation, front
from deploy.deploy import named_outputs
from deploy.network import write_network
from deploy.policies import CONFIG
from tests.support.emulated import Emulated, emulated_aws


@pytest.fixture
def aws(tmp_path: Path) -> Any:
    with emulated_aws(tmp_path) as aws:
        yield aws


def test_the_domain_leads_to_the_latest_api(aws: Emulated) -> None:
    gateway = aws.client("apigateway")
    gateway.create_domain_name(
        domainName="api.example.com", regionalCertificateArn="arn:aws:acm:::certificate/1"
    )
    for _ in range(2):
        api = gateway.create_rest_api(name="collections")["id"]
        root = gateway.get_resources(restApiId=api)["items"][0]["id"]
        gateway.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
        gateway.put_integration(
            restApiId=api, resourceId=root, httpMethod="GET", type="MOCK", integrationHttpMethod="GET", uri=""
        )
        gateway.create_deployment(restApiId=api, stageName="dev")
        front.map_domain(gateway, "api.example.com", api_id=api, api_stage="dev")
        (mapping,) = gateway.get_base_path_mappings(domainName="api.example.com")["items"]
        assert (mapping["restApiId"], mapping["stage"]) == (api, "dev")


def test_reserved_concurrency_is_written_where_chalice_reads_it_and_taken_away_again(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(CONFIG))
    write_network(config, "dev", {"ReservedConcurrency": "10"})
    entry = json.loads(config.read_text())["stages"]["dev"]["lambda_functions"]["api_handler"]
    assert entry["reserved_concurrency"] == 10
    write_network(config, "dev", {})
    assert json.loads(config.read_text()) == CONFIG


def test_the_app_takes_from_the_base_stack_what_that_has_and_turns_off_what_it_has_not() -> None:
    assert by_cloudformation.parameters_from({"WebAclArn": "arn:w", "SessionsTableName": "t"}) == {
        "DomainName": "",
        "WebAclArn": "arn:w",
        "ProvisionedConcurrency": "0",
    }


def test_what_guides_call_by_names_that_cloudformation_refuses_is_printed() -> None:
    outputs = {
        "SessionsTableName": "s",
        "RateLimitsTableName": "r",
        "CertificateArn": "arn:c",
        "SecurityGroupId": "sg-1",
        "DomainName": "api.example.com",
    }
    assert named_outputs("dev", outputs, "https://x/dev") == {
        "ApiEndpoint": "https://x/dev",
        "StageUrl": "https://x/dev",
        "SecurityGroupId": "sg-1",
        "sessions_table_name": "s",
        "rate_limits_table_name": "r",
        "lambda_function_name": "collections-dev",
        "certificate_arn": "arn:c",
        "api_gateway_url": "https://api.example.com",
    }
