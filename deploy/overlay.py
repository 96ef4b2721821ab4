"""What a stage needs besides what Chalice writes: merged into its template by deploy.package.

Data outlives the stack: deleting it keeps the bucket and the tables. The network, the database,
alarms and dashboards are not here yet.
"""

from typing import Any

from chalicelib.stores.aws.dynamodb import RATE_LIMITS_KEY, SESSIONS_KEY, TTL_ATTRIBUTE, definition
from deploy.gateway_responses import GATEWAY_RESPONSES
from deploy.parameters import parameters, variables
from deploy.policies import CONFIG, FUNCTIONS, environment, lambda_name

Resource = dict[str, Any]
KEEP = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}


def template(stage: str) -> dict[str, Any]:
    """The part of a CloudFormation template that `chalice package --merge-template` adds for this stage."""
    resources = {logical_id(function): function_extras(function, stage) for function in FUNCTIONS}
    if CONFIG["stages"][stage].get("log_retention_in_days"):
        # Chalice renames the API's function after having named its log group.
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
            "DeadLetterQueue": queue(names["DEAD_LETTER_QUEUE"]),
        },
        "Outputs": {
            "ImagesBucketName": {"Value": {"Ref": "ImagesBucket"}},
            "SessionsTableName": {"Value": {"Ref": "SessionsTable"}},
            "RateLimitsTableName": {"Value": {"Ref": "RateLimitsTable"}},
        },
    }


def logical_id(function: str) -> str:
    """The name of the function's resource in Chalice's template."""
    if function == "api_handler":
        return "APIHandler"
    return "".join(part.capitalize() for part in function.split("_"))


def function_extras(function: str, stage: str) -> Resource:
    """A name that its policy knows, its variables, and where events go whose attempts are used up."""
    properties: dict[str, Any] = {
        "FunctionName": lambda_name(function, stage),
        "Environment": {"Variables": {"IMAGES_BUCKET": bucket_name(stage), **variables(function)}},
    }
    if function == "dead_letters":
        # Chalice names the queue of the event source, so CloudFormation sees no order between them.
        return {"DependsOn": ["DeadLetterQueue"], "Properties": properties}
    if function != "api_handler":
        # As deploy.failure_destinations does after `chalice deploy`; a test holds the two together.
        queue_arn = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
        properties["EventInvokeConfig"] = {
            "MaximumRetryAttempts": 2,
            "MaximumEventAgeInSeconds": 3600,
            "DestinationConfig": {"OnFailure": {"Type": "SQS", "Destination": queue_arn}},
        }
    return {"Properties": properties}


def bucket_name(stage: str) -> Resource:
    return {"Fn::Sub": f"collections-images-{stage}-${{AWS::AccountId}}"}


def bucket(stage: str) -> Resource:
    """Private, encrypted, telling EventBridge of every object; browsers upload to it directly."""
    encryption = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    cors = {"AllowedMethods": ["GET", "POST", "PUT"], "AllowedOrigins": ["*"], "AllowedHeaders": ["*"]}
    cors["ExposedHeaders"] = ["ETag"]  # what an upload's parts are known by
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
    """A table of expiring rows."""
    properties = {
        **defined,
        "TimeToLiveSpecification": {"AttributeName": TTL_ATTRIBUTE, "Enabled": True},
        "SSESpecification": {"SSEEnabled": True},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": stage == "production"},
    }
    return {"Type": "AWS::DynamoDB::Table", **KEEP, "Properties": properties}


def queue(name: str) -> Resource:
    """Kept for 14 days; hidden for six times its consumer's timeout, as Lambda asks."""
    timeout_s = CONFIG["lambda_functions"]["dead_letters"]["lambda_timeout"]
    properties = {
        "QueueName": name,
        "MessageRetentionPeriod": 14 * 24 * 3600,
        "VisibilityTimeout": 6 * timeout_s,
        "SqsManagedSseEnabled": True,
    }
    return {"Type": "AWS::SQS::Queue", **KEEP, "Properties": properties}
