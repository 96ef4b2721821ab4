"""Checks of the way to the functions: the bucket's events, rules and schedules, queues and their consumers."""

import json
from typing import Any

from botocore.exceptions import ClientError

from deploy.doctor.findings import Finding, Findings, Stage, ok, unknown, wrong
from deploy.doctor.functions import configuration
from deploy.policies import (
    ARRIVALS,
    CONSUMERS,
    DEAD_LETTERS,
    environment,
    functions_of,
    parameter_prefix,
    queue_name,
)
from deploy.script import parameters

STARTED_BY_RULES = ("dispatcher", "relay", "sweeper")
MISSING_QUEUE = "NonExistentQueue"


def bucket_name(stage: Stage) -> str:
    if named := environment(stage.name).get("IMAGES_BUCKET"):
        return named
    account = stage.client("sts").get_caller_identity()["Account"]
    return f"collections-images-{stage.name}-{account}"


def check_bucket(stage: Stage) -> Findings:
    """Look whether the bucket is there and tells EventBridge, or the function arrivals, of new objects."""
    bucket, s3 = bucket_name(stage), stage.client("s3")
    try:
        told = s3.get_bucket_notification_configuration(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchBucket", "404"):
            raise
        return [wrong("bucket", f"{bucket} is not there", stage.deploy)]
    if ARRIVALS in functions_of(stage.name):
        called = [each["LambdaFunctionArn"] for each in told.get("LambdaFunctionConfigurations", [])]
        function = stage.function(ARRIVALS)
        if any(arn.split(":")[6] == function for arn in called):
            return [ok("bucket", f"{bucket} calls {function}")]
        return [wrong("bucket", f"{bucket} does not call {function}: uploads start nothing", stage.deploy)]
    if "EventBridgeConfiguration" in told:
        return [ok("bucket", f"{bucket} sends its events to EventBridge")]
    mend = (
        f"aws s3api put-bucket-notification-configuration --bucket {bucket}"
        """ --notification-configuration '{"EventBridgeConfiguration": {}}'"""
    )
    return [wrong("bucket", f"{bucket} does not send its events to EventBridge: uploads start nothing", mend)]


def check_rules(stage: Stage) -> Findings:
    """Look whether a rule starts each function, is enabled, and is allowed to."""
    return [
        _check_rule(stage, name, found["FunctionArn"])
        for name in STARTED_BY_RULES
        if (found := configuration(stage, name))
    ]


def _check_rule(stage: Stage, name: str, arn: str) -> Finding:
    check, function, events = f"rule of {stage.function(name)}", stage.function(name), stage.client("events")
    rules = events.list_rule_names_by_target(TargetArn=arn)["RuleNames"]
    if not rules:
        return wrong(check, f"no rule has {function} as its target: it is never called", stage.deploy)
    described = [events.describe_rule(Name=rule) for rule in rules]
    if disabled := [each["Name"] for each in described if each["State"] != "ENABLED"]:
        mend = f"aws events enable-rule --name {disabled[0]}"
        return wrong(check, f"the rule {disabled[0]} is disabled", mend)
    if not any(_may_call(stage, function, "events.amazonaws.com", each["Arn"]) for each in described):
        mend = (
            f"aws lambda add-permission --function-name {function} --statement-id from-events"
            f" --action lambda:InvokeFunction --principal events.amazonaws.com --source-arn {described[0]['Arn']}"
        )
        return wrong(check, f"EventBridge may not call {function}", mend)
    return ok(check, ", ".join(rules))


def _may_call(stage: Stage, function: str, service: str, source_arn: str) -> bool:
    """Return whether the function's policy lets the service call it for this source."""
    client = stage.client("lambda")
    try:
        document = json.loads(client.get_policy(FunctionName=function)["Policy"])
    except client.exceptions.ResourceNotFoundException:
        return False
    return any(
        each.get("Principal") == {"Service": service} and _source(each) in (None, source_arn)
        for each in document["Statement"]
    )


def _source(statement: dict[str, Any]) -> str | None:
    for operator in ("ArnLike", "ArnEquals", "StringEquals", "StringLike"):
        source = statement.get("Condition", {}).get(operator, {}).get("AWS:SourceArn")
        if source:
            return str(source)
    return None


def check_queues(stage: Stage) -> Findings:
    """Look whether each queue is there, gives up to the dead letters, and is emptied by its function."""
    return [finding for queue in CONSUMERS for finding in _check_queue(stage, queue)]


def _check_queue(stage: Stage, queue: str) -> Findings:
    name, sqs = queue_name(stage.name, queue), stage.client("sqs")
    check, dead_letters = f"queue {name}", queue_name(stage.name, DEAD_LETTERS)
    try:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    except ClientError as error:
        if not error.response["Error"]["Code"].endswith(("NonExistentQueue", "QueueDoesNotExist")):
            raise
        return [wrong(check, "it is not there", stage.deploy)]
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    waiting = int(told["ApproximateNumberOfMessages"])
    found = [_check_consumer(stage, queue, told["QueueArn"])]
    if queue == DEAD_LETTERS:
        return [_dead_letters(check, waiting), *found]
    redrive = json.loads(told.get("RedrivePolicy", "{}"))
    if not redrive.get("deadLetterTargetArn", "").endswith(f":{dead_letters}"):
        return [wrong(check, f"it does not give up to {dead_letters}", stage.deploy), *found]
    return [ok(check, f"{waiting} waiting"), *found]


def _dead_letters(check: str, waiting: int) -> Finding:
    if waiting:
        return wrong(
            check,
            f"{waiting} letters wait that the function dead_letters has not taken",
            "see its log; when it works again, it takes them by itself",
        )
    return ok(check, "0 waiting")


def _check_consumer(stage: Stage, queue: str, queue_arn: str) -> Finding:
    function, client = stage.function(CONSUMERS[queue]), stage.client("lambda")
    check = f"consumer of {queue_name(stage.name, queue)}"
    if configuration(stage, CONSUMERS[queue]) is None:
        return unknown(check, f"{function} is not there")
    mappings = client.list_event_source_mappings(EventSourceArn=queue_arn)["EventSourceMappings"]
    ours = [each for each in mappings if each["FunctionArn"].split(":")[6] == function]
    if not ours:
        return wrong(check, f"{function} does not take its messages", stage.deploy)
    if ours[0]["State"] not in ("Enabled", "Enabling", "Creating", "Updating"):
        mend = f"aws lambda update-event-source-mapping --uuid {ours[0]['UUID']} --enabled"
        return wrong(check, f"{function} takes no messages: the mapping is {ours[0]['State']}", mend)
    return ok(check, function)


def check_backfill(stage: Stage) -> Findings:
    """Look whether the state machine is there that the setting names."""
    arn = parameters(stage.client("ssm"), parameter_prefix(stage.name)).get("BACKFILL_STATE_MACHINE")
    if not arn:
        return []
    client = stage.client("stepfunctions")
    try:
        found = client.describe_state_machine(stateMachineArn=arn)
    except client.exceptions.StateMachineDoesNotExist:
        return [wrong("backfill", f"{arn} is not there: runs of 100,000 objects and more wait", stage.deploy)]
    return [ok("backfill", found["name"])]
