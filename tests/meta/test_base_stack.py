"""The base stack: what outlives the code, made from its template in the emulator where that can, linted where not."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chalicelib.metrics.declared import NAMESPACE
from chalicelib.settings.addresses import state_machine
from chalicelib.stores.aws.dynamodb import RATE_LIMITS_KEY, SESSIONS_KEY, TTL_ATTRIBUTE, definition
from deploy import base
from deploy.network import DUALSTACK, write_network
from deploy.policies import CONFIG, CONSUMERS, DEAD_LETTERS, FUNCTIONS, STAGES, parameter_prefix
from deploy.queues import attributes, resource_id
from tests.support.emulated import Emulated, emulated_aws

RESOURCES: dict[str, Any] = base.template()["Resources"]
NEW = {"Network": "new", "Database": "rds"}


@pytest.fixture
def aws(tmp_path: Path) -> Any:
    with emulated_aws(tmp_path) as aws:
        yield aws


def make(aws: Emulated, stage: str, **parameters: str) -> dict[str, str]:
    """Create the base stack of a stage; its outputs."""
    secret = f"/collections-{stage}-operate/MASTER_PASSWORD"
    aws.client("ssm").put_parameter(Name=secret, Value="a password of the tests", Type="SecureString")
    cloudformation = aws.client("cloudformation")
    cloudformation.create_stack(
        StackName=base.stack_name(stage),
        TemplateBody=base.TEMPLATE.read_text(),
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value}
            for name, value in {"Stage": stage, **parameters}.items()
        ],
    )
    return base.outputs(cloudformation, stage)


@pytest.mark.slow
def test_cfn_lint_finds_nothing() -> None:
    lint = [Path(sys.executable).with_name("cfn-lint"), base.TEMPLATE]
    ran = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")


def test_the_template_needs_no_bucket_to_be_sent_with() -> None:
    assert base.TEMPLATE.stat().st_size < 51_200


def test_a_message_is_hidden_for_six_times_its_functions_timeout() -> None:
    for queue, consumer in CONSUMERS.items():
        timeout_s = CONFIG["lambda_functions"][consumer]["lambda_timeout"]
        assert attributes(queue)["VisibilityTimeout"] >= 6 * timeout_s, queue


def test_every_queue_of_work_has_its_dead_letters_and_keeps_messages_as_long_as_it_can() -> None:
    for queue in CONSUMERS:
        properties = RESOURCES[resource_id(queue)]["Properties"]
        assert properties["SqsManagedSseEnabled"] is True
        assert properties["MessageRetentionPeriod"] == 14 * 24 * 3600
        if queue != DEAD_LETTERS:
            redrive = properties["RedrivePolicy"]
            assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": "DeadLettersQueue.Arn"}


@pytest.mark.parametrize(
    ("resource", "name", "key"),
    [
        ("SessionsTable", "collections-sessions-${Stage}", SESSIONS_KEY),
        ("RateLimitsTable", "collections-rate-limits-${Stage}", RATE_LIMITS_KEY),
    ],
)
def test_the_tables_are_those_that_the_app_reads(resource: str, name: str, key: tuple[str, ...]) -> None:
    properties = RESOURCES[resource]["Properties"]
    wanted = definition(name, key) | {"TableName": {"Fn::Sub": name}}
    assert {field: properties[field] for field in wanted} == wanted
    assert properties["TimeToLiveSpecification"] == {"AttributeName": TTL_ATTRIBUTE, "Enabled": True}


def test_every_name_holds_the_stage() -> None:
    fields = (
        "BucketName",
        "TableName",
        "QueueName",
        "StateMachineName",
        "GroupName",
        "DBInstanceIdentifier",
        "DBClusterIdentifier",
    )
    for name, resource in RESOURCES.items():
        for field in (*fields, "DBSubnetGroupName"):
            given = resource.get("Properties", {}).get(field)
            if given is not None and "Ref" not in given:
                assert "${Stage}" in given["Fn::Sub"], (name, field)


def test_a_stages_name_has_no_dash_that_would_make_it_the_beginning_of_anothers() -> None:
    pattern = base.template()["Parameters"]["Stage"]["AllowedPattern"]
    assert [bool(re.fullmatch(pattern, name)) for name in ("dev", "production", "dev-x", "Dev")] == [
        *(True, True),
        *(False, False),
    ]
    assert all(re.fullmatch(pattern, stage) for stage in STAGES)
    assert not any("-" in function for function in FUNCTIONS)


def alarms() -> dict[str, Any]:
    found = {name: each["Properties"] for name, each in RESOURCES.items() if name.endswith("Alarm")}
    assert all(RESOURCES[name]["Type"] == "AWS::CloudWatch::Alarm" for name in found)
    return found


def test_there_is_an_alarm_for_all_that_can_go_wrong_unseen() -> None:
    watched = {
        (metric["Namespace"], metric["MetricName"]): (alarm["Threshold"], alarm.get("Period", 300))
        for alarm in alarms().values()
        for metric in [
            each["MetricStat"]["Metric"] for each in alarm.get("Metrics", []) if "MetricStat" in each
        ]
        or [alarm]
    }
    assert watched == {
        ("AWS/Lambda", "Errors"): (5, 300),
        ("AWS/Lambda", "Throttles"): (5, 300),
        ("AWS/Lambda", "Duration"): (114_000, 300),
        ("AWS/Lambda", "AsyncEventsDropped"): (0, 300),
        ("AWS/Lambda", "Invocations"): (0, 300),  # of the function that takes dead letters
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): (0, 300),  # the dead letters that it has not taken
        ("AWS/SQS", "ApproximateAgeOfOldestMessage"): (900, 300),
        ("AWS/ApiGateway", "5XXError"): (5, 300),
        ("AWS/ApiGateway", "Latency"): (10_000, 300),
        ("Collections", "OutboxAge"): (900, 300),
        ("Collections", "WorkAge"): (3600, 300),
    }
    assert all(alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}] for alarm in alarms().values())
    assert RESOURCES["Budget"]["Type"] == "AWS::Budgets::Budget"


def test_each_alarm_looks_at_every_function_that_can_have_it() -> None:
    def functions(name: str) -> set[str]:
        stats = [each["MetricStat"]["Metric"] for each in alarms()[name]["Metrics"] if "MetricStat" in each]
        names = [
            each["Value"]["Fn::Sub"]
            for metric in stats
            for each in metric["Dimensions"]
            if each["Name"] == "FunctionName"
        ]
        return {
            each.removeprefix("collections-${Stage}").removeprefix("-") or "api_handler" for each in names
        }

    called = set(FUNCTIONS) - {"operate"}  # whose caller sees its errors
    assert functions("ErrorsAlarm") == functions("ThrottlesAlarm") == called
    workers = {consumer for queue, consumer in CONSUMERS.items() if queue != DEAD_LETTERS}
    assert functions("WorkersDurationAlarm") == workers
    assert functions("DroppedEventsAlarm") == called - set(CONSUMERS.values()) - {"api_handler"}


def test_the_alarms_on_waiting_work_are_on_metrics_that_the_relay_writes() -> None:
    of_relay = [alarm for alarm in alarms().values() if alarm.get("Namespace") == NAMESPACE]
    assert {alarm["MetricName"] for alarm in of_relay} == {"OutboxAge", "WorkAge"}
    assert all(alarm["Dimensions"] == [{"Name": "Stage", "Value": {"Ref": "Stage"}}] for alarm in of_relay)


def test_what_costs_money_or_needs_a_quota_is_off_by_default() -> None:
    declared = base.template()["Parameters"]
    assert {
        name: declared[name]["Default"] for name in ("ReservedConcurrency", "ProvisionedConcurrency")
    } == {
        "ReservedConcurrency": 0,
        "ProvisionedConcurrency": 0,
    }
    for name in ("EnableWaf", "EnableAlarms", "EnablePitr"):
        assert declared[name]["Default"] == "false"
    assert (declared["DomainName"]["Default"], declared["MonthlyBudgetUsd"]["Default"]) == ("", 0)


def test_what_is_deleted_outside_dev_is_asked_for_twice() -> None:
    protected = {name for name, each in RESOURCES.items() if "DeletionProtection" in str(each["Properties"])}
    assert protected == {"SessionsTable", "RateLimitsTable", "RdsInstance", "AuroraCluster"}
    for name in ("RdsInstance", "AuroraCluster"):
        assert RESOURCES[name]["DeletionPolicy"] == "Snapshot"
    assert RESOURCES["ImagesBucket"]["DeletionPolicy"] == "RetainExceptOnCreate"


def test_two_stages_stand_side_by_side_and_name_their_buckets(aws: Emulated) -> None:
    for stage in ("dev", "staging"):
        outputs = make(aws, stage)
        assert outputs["ImagesBucketName"] == f"collections-images-{stage}-000000000000"
        assert (outputs["SessionsTableName"], outputs["RateLimitsTableName"]) == (
            f"collections-sessions-{stage}",
            f"collections-rate-limits-{stage}",
        )
        name = f"{parameter_prefix(stage)}/IMAGES_BUCKET"
        value = aws.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
        assert value == outputs["ImagesBucketName"]
    assert len(aws.client("sqs").list_queues(QueueNamePrefix="collections-staging-")["QueueUrls"]) == len(
        CONSUMERS
    )


@pytest.mark.parametrize("egress", ["nat", "ipv6"])
def test_a_new_network_has_private_subnets_free_endpoints_and_one_way_out(aws: Emulated, egress: str) -> None:
    outputs = make(aws, "dev", Egress=egress, **NEW)
    ec2 = aws.client("ec2")
    subnets = ec2.describe_subnets(SubnetIds=outputs["SubnetIds"].split(","))["Subnets"]
    assert len({subnet["AvailabilityZone"] for subnet in subnets}) == 2
    assert not any(subnet["MapPublicIpOnLaunch"] for subnet in subnets)
    vpc = [{"Name": "vpc-id", "Values": [subnets[0]["VpcId"]]}]
    endpoints = ec2.describe_vpc_endpoints(Filters=vpc)["VpcEndpoints"]
    assert {each["ServiceName"].rpartition(".")[2] for each in endpoints} == {"s3", "dynamodb"}
    assert {each["VpcEndpointType"] for each in endpoints} == {"Gateway"}
    gateways = ec2.describe_nat_gateways(Filter=vpc)["NatGateways"]
    assert (len(gateways) == 1, outputs["NetworkEgress"]) == (
        egress == "nat",
        "ipv6" if egress == "ipv6" else "ipv4",
    )


def test_the_database_lets_the_functions_in_alone_and_its_password_is_nowhere_in_the_template(
    aws: Emulated,
) -> None:
    outputs = make(aws, "dev", **NEW)
    (database,) = aws.client("rds").describe_db_instances()["DBInstances"]
    assert outputs["DatabaseHost"] == database["Endpoint"]["Address"]
    assert (database["PubliclyAccessible"], database["StorageEncrypted"]) == (False, True)
    named = [{"Name": "group-name", "Values": ["collections-dev-database"]}]
    (found,) = aws.client("ec2").describe_security_groups(Filters=named)["SecurityGroups"]
    sources = [pair["GroupId"] for rule in found["IpPermissions"] for pair in rule["UserIdGroupPairs"]]
    assert sources == [outputs["SecurityGroupId"]]
    assert not any(rule["IpRanges"] or rule["Ipv6Ranges"] for rule in found["IpPermissions"])
    for name, groups in (("RdsInstance", "VPCSecurityGroups"), ("AuroraCluster", "VpcSecurityGroupIds")):
        properties = RESOURCES[name]["Properties"]
        assert properties["MasterUserPassword"]["Fn::Sub"].startswith("{{resolve:ssm-secure:")
        assert properties[groups] == [{"Ref": "DatabaseSecurityGroup"}]


def test_an_existing_network_opens_its_database_to_the_functions(aws: Emulated) -> None:
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    made = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.1.{n}.0/24")["Subnet"]["SubnetId"] for n in (1, 2)]
    theirs = ec2.create_security_group(GroupName="rds", Description="rds", VpcId=vpc)["GroupId"]
    existing = {"VpcId": vpc, "SubnetIds": ",".join(made), "DatabaseSecurityGroupId": theirs}
    outputs = make(aws, "dev", Network="existing", **existing)
    assert outputs["SubnetIds"].split(",") == made
    (group,) = ec2.describe_security_groups(GroupIds=[theirs])["SecurityGroups"]
    ((rule,),) = ([rule for rule in group["IpPermissions"] if rule["FromPort"] == 5432],)
    assert rule["UserIdGroupPairs"][0]["GroupId"] == outputs["SecurityGroupId"]


def test_the_network_is_written_where_chalice_reads_it_and_taken_away_again(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(CONFIG))
    network = {"SubnetIds": "subnet-1,subnet-2", "SecurityGroupId": "sg-1", "NetworkEgress": "ipv6"}
    write_network(config, "dev", network)
    entry = json.loads(config.read_text())["stages"]["dev"]
    assert (entry["subnet_ids"], entry["security_group_ids"]) == (["subnet-1", "subnet-2"], ["sg-1"])
    assert entry["environment_variables"][DUALSTACK] == "true"
    write_network(config, "dev", {"NetworkEgress": "ipv4"})
    assert json.loads(config.read_text()) == CONFIG
    assert {"dev", "staging", "production"} <= set(STAGES)


def test_a_stage_has_a_state_machine_for_backfills_if_it_wants_one(aws: Emulated) -> None:
    make(aws, "dev")
    found = aws.client("stepfunctions").list_state_machines()["stateMachines"]
    assert found == []
    make(aws, "staging", Backfill="true")
    (machine,) = aws.client("stepfunctions").list_state_machines()["stateMachines"]
    assert machine["name"] == "collections-staging-backfill"
    setting = f"{parameter_prefix('staging')}/BACKFILL_STATE_MACHINE"
    (written,) = aws.client("ssm").get_parameters(Names=[setting])["Parameters"]
    assert state_machine({"X": written["Value"]}, "X") == machine["stateMachineArn"]


def test_a_stage_without_its_base_stack_is_told_how_to_make_it(aws: Emulated) -> None:
    with pytest.raises(base.NotDeployed, match=r"deploy/deploy\.sh --stage dev"):
        base.outputs(aws.client("cloudformation"), "dev")
