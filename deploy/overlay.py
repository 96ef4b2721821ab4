"""Adds to Chalice's template the other resources of a stage; deploy.package merges them.

The bucket, the tables and the queue are kept if the stack is deleted. The network, the database, alarms and
dashboards are not here yet.
"""

from typing import Any

from chalicelib.stores.aws.dynamodb import RATE_LIMITS_KEY, SESSIONS_KEY, TTL_ATTRIBUTE, definition
from deploy.gateway_responses import GATEWAY_RESPONSES
from deploy.parameters import parameters, variables
from deploy.policies import CONFIG, CONSUMERS, DEAD_LETTERS, FUNCTIONS, environment, lambda_name, queue_name
from deploy.queues import attributes, redrive_policy

Resource = dict[str, Any]
KEEP = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}


def template(stage: str) -> dict[str, Any]:
    """Return the part of a CloudFormation template that `chalice package --merge-template` adds for this stage."""
    resources = {logical_id(function): function_extras(function, stage) for function in FUNCTIONS}
    if CONFIG["stages"][stage].get("log_retention_in_days"):
        # Chalice renames the API's function after it has named the log group.
        resources["ApiHandlerLogGroup"] = {
            "Properties": {"LogGroupName": f"/aws/lambda/{lambda_name('api_handler', stage)}"}
        }
    names = environment(stage)
    return {
        "Parameters": parameters(),
        "Resources": resources
        | {
            "RestAPI": {"Properties": {"DefinitionBody": GATEWAY_RESPONSES}},
            "ImagesBucket": bucket(stage),
            "SessionsTable": table(definition(names["SESSIONS_TABLE"], SESSIONS_KEY), stage),
            "RateLimitsTable": table(definition(names["RATE_LIMITS_TABLE"], RATE_LIMITS_KEY), stage),
            **{queue_id(name): queue(stage, name) for name in CONSUMERS},
        },
        "Outputs": {
            "ImagesBucketName": {"Value": {"Ref": "ImagesBucket"}},
            "SessionsTableName": {"Value": {"Ref": "SessionsTable"}},
            "RateLimitsTableName": {"Value": {"Ref": "RateLimitsTable"}},
        },
    }


def logical_id(function: str) -> str:
    """Return the name of the function's resource in Chalice's template."""
    if function == "api_handler":
        return "APIHandler"
    return "".join(part[0].upper() + part[1:] for part in function.split("_"))


def function_extras(function: str, stage: str) -> Resource:
    """Return a function's extra properties: its name, its variables, and the destination of failed events.

    The name is the one that its policy uses.
    """
    properties: dict[str, Any] = {
        "FunctionName": lambda_name(function, stage),
        "Environment": {"Variables": {"IMAGES_BUCKET": bucket_name(stage), **variables(function)}},
    }
    consumed = [queue_id(queue) for queue, consumer in CONSUMERS.items() if consumer == function]
    if consumed:
        # Chalice names the queue of the event source, so CloudFormation sees no order between them.
        return {"DependsOn": consumed, "Properties": properties}
    if function != "api_handler":
        # The same as deploy.failure_destinations sets after `chalice deploy`; a test compares the two.
        queue_arn = {"Fn::GetAtt": [queue_id(DEAD_LETTERS), "Arn"]}
        properties["EventInvokeConfig"] = {
            "MaximumRetryAttempts": 2,
            "MaximumEventAgeInSeconds": 3600,
            "DestinationConfig": {"OnFailure": {"Type": "SQS", "Destination": queue_arn}},
        }
    return {"Properties": properties}


def bucket_name(stage: str) -> Resource:
    return {"Fn::Sub": f"collections-images-{stage}-${{AWS::AccountId}}"}


def bucket(stage: str) -> Resource:
    """Return the images bucket: private, encrypted, with events to EventBridge, and CORS for uploads by browsers."""
    encryption = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    cors = {"AllowedMethods": ["GET", "POST", "PUT"], "AllowedOrigins": ["*"], "AllowedHeaders": ["*"]}
    cors["ExposedHeaders"] = ["ETag"]  # identifies the parts of an upload
    unfinished = {"DaysAfterInitiation": 1}
    properties = {
        "BucketName": bucket_name(stage),
        "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [encryption]},
        "CorsConfiguration": {"CorsRules": [cors]},
        "LifecycleConfiguration": {
            "Rules": [{"Id": "unfinished", "Status": "Enabled", "AbortIncompleteMultipartUpload": unfinished}]
        },
    }
    return {"Type": "AWS::S3::Bucket", **KEEP, "Properties": properties}


def table(defined: Resource, stage: str) -> Resource:
    """Return a table whose rows expire."""
    properties = {
        **defined,
        "TimeToLiveSpecification": {"AttributeName": TTL_ATTRIBUTE, "Enabled": True},
        "SSESpecification": {"SSEEnabled": True},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": stage == "production"},
    }
    return {"Type": "AWS::DynamoDB::Table", **KEEP, "Properties": properties}


def queue_id(queue: str) -> str:
    """Return the name of the queue's resource."""
    return "".join(part.capitalize() for part in queue.split("-")) + "Queue"


def queue(stage: str, name: str) -> Resource:
    """Return a queue; one of work sends what its worker has failed on too often to the dead letters."""
    properties = {"QueueName": queue_name(stage, name), "SqsManagedSseEnabled": True, **attributes(name)}
    if name != DEAD_LETTERS:
        properties["RedrivePolicy"] = redrive_policy({"Fn::GetAtt": [queue_id(DEAD_LETTERS), "Arn"]})
    return {"Type": "AWS::SQS::Queue", **KEEP, "Properties": properties}
