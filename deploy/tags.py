"""Tags what `chalice deploy` leaves without: it tags functions only, and a budget counts what has the stage's tags."""

from collections.abc import Callable
from typing import Any

from deploy.log_groups import group_of
from deploy.policies import CONFIG, functions_of, lambda_name


def tag_app(client: Callable[[str], Any], stage: str, *, api_id: str) -> None:
    """Tag the log groups, roles and rules of a deployed stage, its API and that API's stage. It may be done again."""
    tags = {"Environment": stage, "Service": str(CONFIG["app_name"])}
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    for function in functions_of(stage):
        found = client("lambda").get_function_configuration(FunctionName=lambda_name(function, stage))
        _, _, _, region, account, *_ = found["FunctionArn"].split(":")
        group = f"arn:aws:logs:{region}:{account}:log-group:{group_of(function, stage)}"
        client("logs").tag_resource(resourceArn=group, tags=tags)
        client("iam").tag_role(RoleName=found["Role"].rpartition("/")[2], Tags=listed)
    api = f"arn:aws:apigateway:{region}::/restapis/{api_id}"
    for arn in (api, f"{api}/stages/{CONFIG['stages'][stage]['api_gateway_stage']}"):
        client("apigateway").tag_resource(resourceArn=arn, tags=tags)
    events = client("events")
    for rule in events.list_rules(NamePrefix=f"{CONFIG['app_name']}-{stage}-")["Rules"]:
        events.tag_resource(ResourceARN=rule["Arn"], Tags=listed)
