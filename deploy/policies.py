"""Makes the IAM policy of each function: `python -m deploy.policies` writes .chalice/policy-*.json.

Chalice takes one complete policy file per function, and a file cannot refer to its stage or account. So there is
one file per function and stage. A test compares the files with the tables here.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chalicelib.settings.roles import ANALYZER, CHAT, EMBEDDING, PICTURES, RERANK, Role

ROOT = Path(__file__).resolve().parent.parent
CONFIG: dict[str, Any] = json.loads((ROOT / ".chalice" / "config.json").read_text())
STAGES: tuple[str, ...] = tuple(CONFIG["stages"])
# IAM fills this in, so that a bucket of the same name in another account cannot be reached.
REFERENCE = "/aws/reference/secretsmanager"
OWN_ACCOUNT = "${aws:PrincipalAccount}"

# The function that takes each queue's messages.
CONSUMERS = {
    "process": "ImageProcessorLambda",
    "analyze": "AnalyzerLambda",
    "embed": "EmbedderLambda",
    "run": "RunnerLambda",
    "dead-letters": "dead_letters",
}
DEAD_LETTERS = "dead-letters"
# Those that queue work: when it begins, and when a task has ended.
SENDERS = (
    "api_handler",
    "dispatcher",
    "ImageProcessorLambda",
    "AnalyzerLambda",
    "EmbedderLambda",
    "RunnerLambda",
    "relay",
)
# The sources of the events that each function publishes; other functions publish none.
PROCESSED = ["collections.imageprocessor", "collections.documentprocessor"]
PUBLISHES = {
    "ImageProcessorLambda": PROCESSED,
    "AnalyzerLambda": ["collections.analyzer"],
    "EmbedderLambda": ["collections.embedder"],
    "relay": [*PROCESSED, "collections.analyzer", "collections.embedder"],
}
# (action, key pattern) in the stage's bucket. With ListBucket, S3 reports a missing object as 404 instead of 403.
BUCKET = {
    "api_handler": [
        ("ListBucket", ""),
        *((f"{verb}Object", "*") for verb in ("Get", "Put", "Delete")),
        ("ListMultipartUploadParts", "*"),
        ("AbortMultipartUpload", "*"),
    ],
    "ImageProcessorLambda": [("ListBucket", ""), ("GetObject", "*"), ("PutObject", "_derived/*")],
    "AnalyzerLambda": [("ListBucket", ""), ("GetObject", "*")],
    "EmbedderLambda": [("GetObject", "_derived/*")],  # previews, for a model that sees pictures
    "RunnerLambda": [
        ("ListBucket", ""),
        ("GetObject", "*"),
        ("PutObject", "*"),
        ("AbortMultipartUpload", "*"),
    ],
    "sweeper": [
        ("ListBucket", ""),
        ("ListBucketVersions", ""),
        ("ListBucketMultipartUploads", ""),
        ("GetObject", "*"),
        ("DeleteObject", "*"),
        ("DeleteObjectVersion", "*"),
        ("AbortMultipartUpload", "*"),
    ],
}
# The API's statements on DynamoDB: name, table, actions.
TABLES = [
    ("Sessions", "sessions", ["GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query"]),
    ("RateLimits", "rate-limits", ["GetItem", "UpdateItem", "DeleteItem"]),
]
# Roles of the models that each function asks.
MODELS = {
    "api_handler": (EMBEDDING, PICTURES, CHAT, RERANK),
    "RunnerLambda": (EMBEDDING, PICTURES, CHAT, RERANK),
    "AnalyzerLambda": (ANALYZER,),
    "EmbedderLambda": (EMBEDDING, PICTURES),
}
_PROFILE = re.compile(r"(?:us|us-gov|eu|jp|au|ca|apac|global)\.(?=[a-z0-9]+\.)")
FUNCTIONS = (*SENDERS, "sweeper", "dead_letters", "operate")
# Only in a stage whose bucket calls it: S3_EVENTS=direct.
ARRIVALS = "arrivals"


def environment(stage: str) -> Mapping[str, str]:
    """Return the stage's environment variables as functions see them, without those that only CloudFormation sets."""
    variables: dict[str, str] = CONFIG["stages"][stage]["environment_variables"]
    return variables


def functions_of(stage: str) -> tuple[str, ...]:
    """Return the names of the stage's functions in app.py."""
    return (*FUNCTIONS, ARRIVALS) if environment(stage).get("S3_EVENTS") == "direct" else FUNCTIONS


def bucket_arn(stage: str) -> str:
    """Return the ARN of the stage's bucket: the base stack's, unless IMAGES_BUCKET names another."""
    name = environment(stage).get("IMAGES_BUCKET") or f"collections-images-{stage}-{OWN_ACCOUNT}"
    return f"arn:aws:s3:::{name}"


def lambda_name(function: str, stage: str) -> str:
    """Return the name that `chalice deploy` gives the function."""
    name = f"{CONFIG['app_name']}-{stage}"
    return name if function == "api_handler" else f"{name}-{function}"


def queue_name(stage: str, queue: str) -> str:
    """Return the queue's name; it holds the stage, so that two stages live in one account."""
    return f"{CONFIG['app_name']}-{stage}-{queue}"


def table_name(stage: str, table: str) -> str:
    """Return the name that the app looks for, unless SESSIONS_TABLE or RATE_LIMITS_TABLE names another."""
    return f"{CONFIG['app_name']}-{table}-{stage}"


def queue_arn(stage: str, queue: str) -> str:
    return f"arn:aws:sqs:*:*:{queue_name(stage, queue)}"


def parameter_prefix(stage: str) -> str:
    """Return the path of the stage's secrets in Parameter Store, without a slash at its end."""
    return "/collections" if stage == "dev" else f"/collections-{stage}"


def bedrock_model(role: Role, stage: str) -> str | None:
    """Return the Bedrock model of a role by the stage's variables; None where they choose other providers.

    Stage local asks none. What Parameter Store says instead is not known here.
    """
    variables = environment(stage)
    unset = "none" if stage == "local" or role in (PICTURES, RERANK) else "bedrock"
    providers = re.findall(r"[^\s,]+", variables.get(role.provider_variable) or unset)
    models = re.findall(r"[^\s,]+", variables.get(role.model_variable) or "")
    if "bedrock" not in providers:
        return None
    place = providers.index("bedrock")
    return models[place] if place < len(models) else role.defaults["bedrock"]


def arns_of_model(model: str) -> list[str]:
    """Return the ARNs that InvokeModel is checked for: the model in every region, and its inference profiles."""
    if model.startswith("arn:"):
        return [model]
    name = _PROFILE.sub("", model, count=1)
    return [
        f"arn:aws:bedrock:*::foundation-model/{name}",
        f"arn:aws:bedrock:*:*:inference-profile/*.{name}",
    ]


def operators_prefix(stage: str) -> str:
    """Return the path of the owner's settings. It is not below the stage's, which every function may read."""
    return f"/collections-{stage}-operate"


def allow(sid: str, actions: list[str], resources: list[str], **condition: Any) -> dict[str, Any]:
    """Return an IAM statement that allows the actions. `condition` is its Condition block."""
    statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
    return statement | ({"Condition": condition["condition"]} if condition else {})


def own_statements(function: str, stage: str) -> Iterator[dict[str, Any]]:
    """Yield the statements that only this function needs."""
    bucket = bucket_arn(stage)
    for action, keys in BUCKET.get(function, []):
        yield allow(action, [f"s3:{action}"], [f"{bucket}/{keys}" if keys else bucket])
    if function in PUBLISHES:
        sources = {"ForAllValues:StringEquals": {"events:source": PUBLISHES[function]}}
        present = {"Null": {"events:source": "false"}}
        bus = ["arn:aws:events:*:*:event-bus/default"]
        yield allow("Publish", ["events:PutEvents"], bus, condition=sources | present)
    models = [bedrock_model(role, stage) for role in MODELS.get(function, ())]
    if asked := sorted({arn for model in models if model for arn in arns_of_model(model)}):
        yield allow("AskModels", ["bedrock:InvokeModel"], asked)
    for queue, consumer in CONSUMERS.items():
        if function == consumer:
            actions = ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"]
            yield allow("Consume", [f"sqs:{action}" for action in actions], [queue_arn(stage, queue)])
    if function in (*SENDERS, ARRIVALS):
        queues = [queue_arn(stage, queue) for queue in CONSUMERS if queue != DEAD_LETTERS]
        yield allow("Queue", ["sqs:GetQueueUrl", "sqs:SendMessage"], queues)
    if function == "sweeper":
        queues = [queue_arn(stage, queue) for queue in CONSUMERS if queue != DEAD_LETTERS]
        yield allow("Count", ["sqs:GetQueueUrl", "sqs:GetQueueAttributes"], queues)
    if function == "RunnerLambda":
        yield from backfill_statements(stage)
    if function == "operate":
        yield from operators_statements(stage)
    if function == "api_handler":
        for sid, name, actions in TABLES:
            table = f"arn:aws:dynamodb:*:*:table/{table_name(stage, name)}"
            yield allow(sid, [f"dynamodb:{action}" for action in actions], [table])
        if sender := environment(stage).get("MAIL_FROM"):
            # SES checks the identity that it finds: the address's own, or else its domain's.
            identity, domain = f"arn:aws:ses:*:{OWN_ACCOUNT}:identity/", sender.partition("@")[2]
            only = {"StringEquals": {"ses:FromAddress": sender}}
            yield allow("Mail", ["ses:SendEmail"], [identity + sender, identity + domain], condition=only)
    elif function not in CONSUMERS.values():
        # Lambda sends an event whose attempts are used up, with the function's role.
        yield allow("GiveUp", ["sqs:SendMessage"], [queue_arn(stage, DEAD_LETTERS)])


def backfill_statements(stage: str) -> Iterator[dict[str, Any]]:
    """Yield what the drivers of backfills do with the stage's state machine, if its base stack has one."""
    machine = f"{CONFIG['app_name']}-{stage}-backfill"
    yield allow("StartList", ["states:StartExecution"], [f"arn:aws:states:*:*:stateMachine:{machine}"])
    actions = ["states:DescribeExecution", "states:StopExecution"]
    yield allow("WatchList", actions, [f"arn:aws:states:*:*:execution:{machine}:*"])


def operators_statements(stage: str) -> Iterator[dict[str, Any]]:
    """Yield the statements of the operating function: the owner's settings, the app's password, and the doctor's."""
    own = f"arn:aws:ssm:*:*:parameter{operators_prefix(stage)}"
    yield allow("OwnersSettings", ["ssm:GetParametersByPath"], [own, f"{own}/*"])
    setting = f"arn:aws:ssm:*:*:parameter{parameter_prefix(stage)}/DATABASE_URL"
    yield allow("StorePassword", ["ssm:PutParameter"], [setting])
    tables = [f"arn:aws:dynamodb:*:*:table/{table_name(stage, name)}" for _, name, _ in TABLES]
    yield allow("Tables", ["dynamodb:GetItem"], tables)
    queues = [queue_arn(stage, queue) for queue in CONSUMERS if queue != DEAD_LETTERS]
    yield allow("Queues", ["sqs:GetQueueUrl", "sqs:GetQueueAttributes"], queues)


def shared_statements(function: str, stage: str) -> Iterator[dict[str, Any]]:
    """Yield the statements that every function needs: log, read its secrets, reach a database in a VPC, trace."""
    logs = f"arn:aws:logs:*:*:log-group:/aws/lambda/{lambda_name(function, stage)}"
    yield allow(
        "Log", ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], [logs, f"{logs}:*"]
    )
    prefix = parameter_prefix(stage)
    parameters = f"arn:aws:ssm:*:*:parameter{prefix}"
    yield allow("Settings", ["ssm:GetParametersByPath"], [parameters, f"{parameters}/*"])
    # A parameter may stand for a secret of Secrets Manager, whose name begins with the stage's path.
    yield allow(
        "References", ["ssm:GetParameter"], [f"{parameters.removesuffix(prefix)}{REFERENCE}{prefix}/*"]
    )
    yield allow(
        "Secrets", ["secretsmanager:GetSecretValue"], [f"arn:aws:secretsmanager:*:*:secret:{prefix[1:]}/*"]
    )
    through_ssm = {
        "kms:ViaService": "ssm.*.amazonaws.com",
        "kms:EncryptionContext:PARAMETER_ARN": f"{parameters}/*",
    }
    keys = ["arn:aws:kms:*:*:key/*"]
    yield allow("DecryptSecrets", ["kms:Decrypt"], keys, condition={"StringLike": through_ssm})
    # EC2's interfaces and X-Ray's segments cannot be named in advance; AWS' own policies also use *.
    interfaces = ["CreateNetworkInterface", "DescribeNetworkInterfaces", "DeleteNetworkInterface"]
    yield allow("Network", [f"ec2:{action}" for action in interfaces], ["*"])
    if CONFIG["stages"][stage].get("xray"):
        yield allow("Trace", ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], ["*"])


def policy(function: str, stage: str) -> dict[str, Any]:
    """Return the IAM policy document of one function in one stage."""
    statements = [*own_statements(function, stage), *shared_statements(function, stage)]
    return {"Version": "2012-10-17", "Statement": statements}


def files() -> dict[str, str]:
    """Return the text of every policy file, by its name under .chalice."""
    return {
        f"policy-{function}-{stage}.json": json.dumps(policy(function, stage), indent=2) + "\n"
        for stage in STAGES
        for function in functions_of(stage)
    }


if __name__ == "__main__":
    for name, text in files().items():
        (ROOT / ".chalice" / name).write_text(text)
