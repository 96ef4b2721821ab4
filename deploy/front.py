"""Connects a deployed API with what the base stack has made before it: its own domain, and its firewall.

The packaged template has both as parameters; after `chalice deploy`, deploy/deploy.sh connects them by this.
"""

from collections.abc import Mapping
from typing import Any

import boto3


def connect(outputs: Mapping[str, str], *, api_id: str, api_stage: str) -> None:
    """Connect the API's stage with the domain and the firewall that the base stack's outputs name, if any."""
    if domain := outputs.get("DomainName"):
        map_domain(boto3.client("apigateway"), domain, api_id=api_id, api_stage=api_stage)
    if firewall := outputs.get("WebAclArn"):
        partition, region = firewall.split(":")[1], firewall.split(":")[3]
        stage_arn = f"arn:{partition}:apigateway:{region}::/restapis/{api_id}/stages/{api_stage}"
        boto3.client("wafv2").associate_web_acl(WebACLArn=firewall, ResourceArn=stage_arn)


def map_domain(apigateway: Any, domain: str, *, api_id: str, api_stage: str) -> None:
    """Have the domain lead to the API's stage, whatever it led to before."""
    try:
        apigateway.create_base_path_mapping(domainName=domain, restApiId=api_id, stage=api_stage)
    except apigateway.exceptions.ConflictException:
        values = {"/restapiId": api_id, "/stage": api_stage}
        apigateway.update_base_path_mapping(
            domainName=domain,
            basePath="(none)",
            patchOperations=[
                {"op": "replace", "path": path, "value": value} for path, value in values.items()
            ],
        )


def address(outputs: Mapping[str, str], url: str) -> str:
    """Return the address that people use: the domain's, or API Gateway's own."""
    return f"https://{outputs['DomainName']}" if "DomainName" in outputs else url
