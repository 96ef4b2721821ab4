"""The deploy script adds tags and the retention of logs where `chalice deploy` sets none."""

from deploy.log_groups import delete_logs, limit_api_logs
from deploy.policies import functions_of, lambda_name
from deploy.tags import tag_app
from local.layout import ACCOUNT, REGION
from tests.cli.conftest import Operator
from tests.support.deployed import STAGE

TAGS = {"Environment": "dev", "Service": "collections"}


def test_what_chalice_leaves_untagged_is_tagged(operator: Operator) -> None:
    client = operator.stage.client
    (api,) = client("apigateway").get_rest_apis()["items"]
    for _ in range(2):
        tag_app(client, STAGE, api_id=api["id"])
    assert client("apigateway").get_rest_api(restApiId=api["id"])["tags"] == TAGS
    assert client("apigateway").get_stage(restApiId=api["id"], stageName=STAGE)["tags"] == TAGS
    for function in functions_of(STAGE):
        name = lambda_name(function, STAGE)
        found = client("lambda").get_function(FunctionName=name)
        assert TAGS.items() <= found["Tags"].items(), "Chalice's own"
        role = found["Configuration"]["Role"].rpartition("/")[2]
        tags = client("iam").list_role_tags(RoleName=role)["Tags"]
        assert {each["Key"]: each["Value"] for each in tags} == TAGS
        group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/{name}"
        assert client("logs").list_tags_for_resource(resourceArn=group)["tags"] == TAGS
    rules = client("events").list_rules()["Rules"]
    assert len(rules) == 3
    for rule in rules:
        tags = client("events").list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"]
        assert {each["Key"]: each["Value"] for each in tags} == TAGS


def test_the_apis_logs_are_kept_as_long_as_the_others_and_all_go_with_the_stage(operator: Operator) -> None:
    logs = operator.stage.client("logs")

    def kept() -> dict[str, int | None]:
        groups = logs.describe_log_groups()["logGroups"]
        return {each["logGroupName"]: each.get("retentionInDays") for each in groups}

    assert "/aws/lambda/collections-dev" not in kept(), "Chalice makes it now: log_groups.py can go"
    for _ in range(2):
        limit_api_logs(logs, STAGE)
    functions = {f"/aws/lambda/{lambda_name(function, STAGE)}" for function in functions_of(STAGE)}
    assert functions <= kept().keys() and set(kept().values()) == {7}
    for _ in range(2):
        delete_logs(logs, STAGE)
    assert kept() == {}
