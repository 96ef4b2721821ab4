"""Checks that only a function can do: the database, its tables and the work. The operating function does them."""

import json
from typing import Any

from deploy.doctor.findings import Finding, Findings, Stage, ok, unknown, wrong

HEALTH = {
    "version": "2.0",
    "rawPath": "/health",
    "headers": {},
    "requestContext": {"http": {"method": "GET", "path": "/health"}, "requestId": "doctor"},
}
NETWORK = (
    "the security group of the database must let in that of the functions on port 5432, and the URL be right:"
    " aws ec2 describe-security-groups; /collections-{stage}-operate/MIGRATION_DATABASE_URL"
)
# What mends a part of which the operating function says that it is not well; {stage} is the stage's name.
MENDS = {
    "owner": NETWORK,
    "migrations": 'echo \'{{"command": "migrate"}}\' | chalice invoke --stage {stage} --name operate',
    "pgvector": 'echo \'{{"command": "migrate"}}\' | chalice invoke --stage {stage} --name operate',
    "settings": "deploy/update-parameters.sh --stage {stage} --set NAME=value",
    "database": 'echo \'{{"command": "set-app-password"}}\' | chalice invoke --stage {stage} --name operate',
    "dynamodb": "deploy/deploy.sh --stage {stage}",
    "oldest work": "look at the queues and their consumers above, then at the workers' logs",
    "sweeper": "look at the rule of the sweeper above, then at its log",
    "relay": "look at the rule of the relay above, then at its log",
    "dead letters": "see GET /api/v1/failures?kind=dead_letter, mend the cause, then POST /api/v1/failures/redrive",
    "clock": "the database's clock and the functions' are both AWS's: write to AWS, or restart a database of your own",
}
LOCAL_MEND = "stop make run, and start it again; .local/logs has what the functions say"


def check_inside(stage: Stage) -> Findings:
    """Have the operating function look at the database, the tables and the queues from inside the network."""
    told = _invoke(stage, "operate", {"command": "doctor"})
    if isinstance(told, Finding):
        return [told]
    return [_of_part(stage, part, str(said)) for part, said in told.items()]


def _of_part(stage: Stage, part: str, said: str) -> Finding:
    check = f"{part} (seen from inside)"
    if said == "ok" or said.startswith("ok, "):
        return ok(check, said)
    mend = LOCAL_MEND if stage.is_local else MENDS.get(part, stage.deploy).format(stage=stage.name)
    return wrong(check, said, mend)


def check_health(stage: Stage) -> Findings:
    """Ask the API function for its health, as a load balancer would."""
    answer = _invoke(stage, "api_handler", HEALTH)
    if isinstance(answer, Finding):
        return [answer]
    try:
        body = json.loads(answer["body"])
        checks: dict[str, str] = body["checks"]
    except (KeyError, ValueError):
        return [wrong("health", f"the API answers {answer.get('statusCode')} without a health", _log(stage))]
    bad = {part: said for part, said in checks.items() if said != "ok"}
    if bad:
        said = ", ".join(f"{part}: {why}" for part, why in bad.items())
        return [wrong("health", said, _log(stage))]
    return [ok("health", str(body["status"]))]


def _invoke(stage: Stage, name: str, payload: dict[str, Any]) -> Any:
    """Return the function's answer, or a finding if it gives none."""
    client, function = stage.client("lambda"), stage.function(name)
    try:
        answer = client.invoke(FunctionName=function, Payload=json.dumps(payload).encode())
    except client.exceptions.ResourceNotFoundException:
        return unknown(f"answer of {function}", "it is not there", stage.deploy)
    found = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        said = found.get("errorMessage", "no reason") if isinstance(found, dict) else "no reason"
        return wrong(f"answer of {function}", str(said), _log(stage, name))
    return found


def _log(stage: Stage, name: str = "api_handler") -> str:
    if stage.is_local:
        return "see .local/logs"
    return f"aws logs tail /aws/lambda/{stage.function(name)} --since 10m"
