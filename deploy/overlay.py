"""Adds to Chalice's template what Chalice has no setting for; deploy.package merges it.

What outlives the code, the bucket and the database among it, is in deploy/base.yaml.
"""

import json
from typing import Any

from deploy.failure_destinations import MAX_EVENT_AGE_S, RETRIES
from deploy.gateway_responses import GATEWAY_RESPONSES
from deploy.network import DUALSTACK
from deploy.policies import CONFIG, CONSUMERS, DEAD_LETTERS, FUNCTIONS, environment, lambda_name, queue_name
from deploy.throttling import BURST_LIMIT, RATE_LIMIT

Resource = dict[str, Any]
PARAMETERS = {
    "RateLimit": {
        "Type": "Number",
        "Default": RATE_LIMIT,
        "Description": "Requests a second, of all callers.",
    },
    "BurstLimit": {
        "Type": "Number",
        "Default": BURST_LIMIT,
        "Description": "Requests at once, of all callers.",
    },
    "EnableAccessLogs": {
        "Type": "String",
        "AllowedValues": ["true", "false"],
        "Default": "false",
        "Description": "A line a request. API Gateway must have a role for logs in this account and region.",
    },
    "DomainName": {"Type": "String", "Default": "", "Description": "The base stack's output of this name."},
    "WebAclArn": {"Type": "String", "Default": "", "Description": "The base stack's output of this name."},
    "ProvisionedConcurrency": {
        "Type": "Number",
        "Default": 0,
        "MinValue": 0,
        "Description": "How many environments of the API's function wait for requests.",
    },
}
CONDITIONS = {
    "HasAccessLogs": {"Fn::Equals": [{"Ref": "EnableAccessLogs"}, "true"]},
    "HasDomain": {"Fn::Not": [{"Fn::Equals": [{"Ref": "DomainName"}, ""]}]},
    "HasWaf": {"Fn::Not": [{"Fn::Equals": [{"Ref": "WebAclArn"}, ""]}]},
    "HasProvisioned": {"Fn::Not": [{"Fn::Equals": [{"Ref": "ProvisionedConcurrency"}, 0]}]},
}


def template(stage: str) -> dict[str, Any]:
    """Return the part of a CloudFormation template that `chalice package --merge-template` adds for this stage."""
    resources = {logical_id(function): function_extras(function, stage) for function in FUNCTIONS}
    if CONFIG["stages"][stage].get("log_retention_in_days"):
        # Chalice renames the API's function after it has named the log group.
        resources["ApiHandlerLogGroup"] = {
            "Properties": {"LogGroupName": f"/aws/lambda/{lambda_name('api_handler', stage)}"}
        }
    resources["RestAPI"] = {"Properties": {"DefinitionBody": GATEWAY_RESPONSES, **api_extras(stage)}}
    resources["ApiAccessLogs"] = {
        "Type": "AWS::Logs::LogGroup",
        "Condition": "HasAccessLogs",
        "Properties": {
            "LogGroupName": f"/aws/apigateway/{CONFIG['app_name']}-{stage}",
            "RetentionInDays": CONFIG["stages"][stage].get("log_retention_in_days", 30),
        },
    }
    url = {"Fn::Sub": "https://${RestAPI}.execute-api.${AWS::Region}.${AWS::URLSuffix}/" + api_stage(stage)}
    outputs = {name: {"Value": url} for name in ("ApiEndpoint", "StageUrl")}
    return {
        "Parameters": PARAMETERS,
        "Conditions": CONDITIONS,
        "Resources": resources | front(),
        "Outputs": outputs,
    }


def front() -> dict[str, Resource]:
    """Return what connects the API with the domain and the firewall of the base stack, as deploy/front.py does."""
    api, stage = {"Ref": "RestAPI"}, {"Ref": "RestAPI.Stage"}
    arn = "arn:${AWS::Partition}:apigateway:${AWS::Region}::/restapis/${RestAPI}/stages/${RestAPI.Stage}"
    return {
        "ApiDomainMapping": {
            "Type": "AWS::ApiGateway::BasePathMapping",
            "Condition": "HasDomain",
            "Properties": {"DomainName": {"Ref": "DomainName"}, "RestApiId": api, "Stage": stage},
        },
        "ApiFirewall": {
            "Type": "AWS::WAFv2::WebACLAssociation",
            "Condition": "HasWaf",
            "Properties": {"WebACLArn": {"Ref": "WebAclArn"}, "ResourceArn": {"Fn::Sub": arn}},
        },
    }


def api_extras(stage: str) -> Resource:
    """Return the limits, the tracing and the access logs of the API's stage."""
    limits = {"ThrottlingRateLimit": {"Ref": "RateLimit"}, "ThrottlingBurstLimit": {"Ref": "BurstLimit"}}
    fields = (
        "requestId",
        "identity.sourceIp",
        "httpMethod",
        "path",
        "status",
        "responseLatency",
        "requestTime",
    )
    line = json.dumps({field.rpartition(".")[2]: f"$context.{field}" for field in fields})
    logs = {"DestinationArn": {"Fn::GetAtt": ["ApiAccessLogs", "Arn"]}, "Format": line}
    return {
        "MethodSettings": [{"ResourcePath": "/*", "HttpMethod": "*", **limits}],
        "TracingEnabled": bool(CONFIG["stages"][stage].get("xray")),
        "AccessLogSetting": {"Fn::If": ["HasAccessLogs", logs, {"Ref": "AWS::NoValue"}]},
    }


def api_stage(stage: str) -> str:
    """Return the path of the stage at the API's address."""
    return str(CONFIG["stages"][stage]["api_gateway_stage"])


def logical_id(function: str) -> str:
    """Return the name of the function's resource in Chalice's template."""
    if function == "api_handler":
        return "APIHandler"
    return "".join(part[0].upper() + part[1:] for part in function.split("_"))


def function_extras(function: str, stage: str) -> Resource:
    """Return a function's extra properties: its name, which its policy uses, and where failed events go."""
    properties: dict[str, Any] = {"FunctionName": lambda_name(function, stage)}
    if DUALSTACK in environment(stage):
        properties["VpcConfig"] = {"Ipv6AllowedForDualStack": True}
    if function != "api_handler" and function not in CONSUMERS.values():
        # The same as deploy.failure_destinations sets after `chalice deploy`.
        properties["EventInvokeConfig"] = {
            "MaximumRetryAttempts": RETRIES,
            "MaximumEventAgeInSeconds": MAX_EVENT_AGE_S,
            "DestinationConfig": {
                "OnFailure": {"Type": "SQS", "Destination": queue_arn(stage, DEAD_LETTERS)}
            },
        }
    return {"Properties": properties}


def queue_arn(stage: str, queue: str) -> Resource:
    """Return the ARN of a queue of the base stack."""
    name = queue_name(stage, queue)
    return {"Fn::Sub": f"arn:${{AWS::Partition}}:sqs:${{AWS::Region}}:${{AWS::AccountId}}:{name}"}
