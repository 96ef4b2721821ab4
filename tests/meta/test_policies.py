"""Each function may do its own work in its own stage, and nothing else."""

from fnmatch import fnmatchcase

import pytest

from app import app
from chalicelib.model.work.tasks import POLICIES
from deploy import base, failure_destinations, overlay
from deploy.policies import ARRIVALS, CONFIG, CONSUMERS, DEAD_LETTERS, FUNCTIONS, ROOT, STAGES, files, policy
from deploy.queues import resource_id

ACCOUNT = "123456789012"


def allowed(function: str, stage: str, action: str, resource: str) -> bool:
    """Return whether a statement allows this action on this resource if its conditions are met."""
    return any(
        action in statement["Action"]
        and any(
            fnmatchcase(resource, pattern.replace("${aws:PrincipalAccount}", ACCOUNT))
            for pattern in statement["Resource"]
        )
        for statement in policy(function, stage)["Statement"]
    )


def test_the_committed_files_are_those_of_the_table() -> None:
    committed = {path.name: path.read_text() for path in (ROOT / ".chalice").glob("policy-*.json")}
    assert committed == files(), "run python -m deploy.policies"


@pytest.mark.parametrize("stage", STAGES)
def test_every_function_of_the_app_has_its_policy_memory_and_timeout(stage: str) -> None:
    declared = [*app.event_sources, *app.pure_lambda_functions]
    functions = {"api_handler"} | {function.name for function in declared}
    assert functions == set(FUNCTIONS) == set(CONFIG["lambda_functions"]) - {ARRIVALS}
    policies = {name: entry["iam_policy_file"] for name, entry in stage_config(stage).items()}
    assert policies == {function: f"policy-{function}-{stage}.json" for function in functions}


def stage_config(stage: str) -> dict[str, dict[str, str]]:
    entries: dict[str, dict[str, str]] = CONFIG["stages"][stage]["lambda_functions"]
    return entries


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_statement_is_wider_than_it_must_be(function: str, stage: str) -> None:
    statements = policy(function, stage)["Statement"]
    anywhere = {action for each in statements if "*" in each["Resource"] for action in each["Action"]}
    assert {action for action in anywhere if not action.startswith(("ec2:", "xray:"))} == set()
    assert [action for each in statements for action in each["Action"] if "*" in action] == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_stage_cannot_reach_another_stage(function: str) -> None:
    reached = [
        (mine, action, resource)
        for mine in STAGES
        for theirs in STAGES
        if mine != theirs
        for action, resource in used_by_any_function(theirs)
        if allowed(function, mine, action, resource)
    ]
    assert reached == []


def used_by_any_function(stage: str) -> list[tuple[str, str]]:
    """Return one action on each kind of thing that belongs to a stage alone."""
    region = f"us-east-1:{ACCOUNT}"
    secrets = "/collections" if stage == "dev" else f"/collections-{stage}"
    return [
        ("s3:GetObject", f"arn:aws:s3:::collections-images-{stage}-{ACCOUNT}/user/cat.jpg"),
        *(("sqs:SendMessage", f"arn:aws:sqs:{region}:collections-{stage}-{queue}") for queue in CONSUMERS),
        *(("sqs:ReceiveMessage", f"arn:aws:sqs:{region}:collections-{stage}-{queue}") for queue in CONSUMERS),
        ("s3:PutObject", f"arn:aws:s3:::collections-images-{stage}-{ACCOUNT}/_derived/user/cat.webp"),
        ("dynamodb:GetItem", f"arn:aws:dynamodb:{region}:table/collections-sessions-{stage}"),
        ("dynamodb:GetItem", f"arn:aws:dynamodb:{region}:table/collections-rate-limits-{stage}"),
        ("ssm:GetParametersByPath", f"arn:aws:ssm:{region}:parameter{secrets}/DATABASE_URL"),
        ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{region}:secret:{secrets[1:]}/key-a1B2c3"),
        ("sqs:SendMessage", f"arn:aws:sqs:{region}:collections-{stage}-process"),
    ]


def test_the_probes_above_do_find_what_is_allowed() -> None:
    """Without this the test of the stages could pass by asking for nothing that anyone may do."""
    probes = used_by_any_function("dev")
    assert [probe for probe in probes if not any(allowed(f, "dev", *probe) for f in FUNCTIONS)] == []


@pytest.mark.parametrize(
    ("function", "action", "key", "expected"),
    [
        ("ImageProcessorLambda", "s3:PutObject", "_derived/user/cat.webp", True),
        ("ImageProcessorLambda", "s3:PutObject", "user/cat.jpg", False),
        ("ImageProcessorLambda", "s3:DeleteObject", "user/cat.jpg", False),
        ("AnalyzerLambda", "s3:GetObject", "_derived/user/cat.webp", True),
        ("AnalyzerLambda", "s3:GetObject", "user/scan.pdf", True),
        ("AnalyzerLambda", "s3:PutObject", "user/cat.jpg", False),
        ("EmbedderLambda", "s3:PutObject", "_derived/user/cat.webp", False),
        ("EmbedderLambda", "s3:GetObject", "user/cat.jpg", False),
        ("api_handler", "s3:DeleteObject", "user/cat.jpg", True),
        ("sweeper", "s3:DeleteObject", "_derived/user/cat.webp", True),
        ("relay", "s3:GetObject", "user/cat.jpg", False),
    ],
)
def test_who_may_touch_which_objects(function: str, action: str, key: str, expected: bool) -> None:
    bucket = "arn:aws:s3:::collections-images-dev"
    assert allowed(function, "dev", action, f"{bucket}-{ACCOUNT}/{key}") is expected
    assert not allowed(function, "dev", action, f"{bucket}-999999999999/{key}")


def named(resource: str, prop: str, stage: str) -> str:
    """Return the name that the base stack gives to a resource in this stage."""
    text: str = base.template()["Resources"][resource]["Properties"][prop]["Fn::Sub"]
    return text.replace("${Stage}", stage).replace("${AWS::AccountId}", ACCOUNT)


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "local"])
def test_the_base_stack_makes_what_the_policies_name(stage: str) -> None:
    region = f"us-east-1:{ACCOUNT}"
    objects = f"arn:aws:s3:::{named('ImagesBucket', 'BucketName', stage)}/user/cat.jpg"
    assert allowed("api_handler", stage, "s3:PutObject", objects)
    for name in ("SessionsTable", "RateLimitsTable"):
        table = f"arn:aws:dynamodb:{region}:table/{named(name, 'TableName', stage)}"
        assert allowed("api_handler", stage, "dynamodb:GetItem", table)
    for queue, consumer in CONSUMERS.items():
        arn = f"arn:aws:sqs:{region}:{named(resource_id(queue), 'QueueName', stage)}"
        assert allowed(consumer, stage, "sqs:ReceiveMessage", arn)
        assert allowed("dispatcher", stage, "sqs:SendMessage", arn)
        assert allowed("api_handler", stage, "sqs:SendMessage", arn) == (queue != DEAD_LETTERS)
        assert not allowed("dead_letters", stage, "sqs:SendMessage", arn)


def test_leases_outlast_the_functions_that_hold_them() -> None:
    for kind, policy_of in POLICIES.items():
        timeout_s = CONFIG["lambda_functions"][CONSUMERS[policy_of.queue]]["lambda_timeout"]
        assert policy_of.lease_s > timeout_s, kind


def test_the_template_and_the_deploy_command_give_up_alike() -> None:
    config = overlay.template("dev")["Resources"]["Dispatcher"]["Properties"]["EventInvokeConfig"]
    limits = (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"])
    assert limits == (failure_destinations.RETRIES, failure_destinations.MAX_EVENT_AGE_S)


@pytest.mark.parametrize("stage", STAGES)
def test_no_secret_is_in_the_configuration(stage: str) -> None:
    """Stage local holds only what the emulator accepts from anyone."""
    names = set(CONFIG["stages"][stage]["environment_variables"])
    secret = {name for name in names if name.endswith(("_KEY", "_URL", "_SECRET", "_TOKEN", "_PASSWORD"))}
    secret -= {"CONSOLE_URL"}
    assert stage == "local" or secret == set()


@pytest.mark.parametrize("stage", STAGES)
def test_who_sends_mail_may_send_it_as_the_stages_sender_alone(
    stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not any("ses:" in text for text in files().values()), "a stage without a sender sends nothing"
    monkeypatch.setitem(CONFIG["stages"][stage]["environment_variables"], "MAIL_FROM", "no-reply@example.org")
    for function in FUNCTIONS:
        mail = [each for each in policy(function, stage)["Statement"] if "ses:SendEmail" in each["Action"]]
        assert len(mail) == (function == "api_handler")
        for statement in mail:
            assert statement["Action"] == ["ses:SendEmail"]
            assert statement["Condition"] == {"StringEquals": {"ses:FromAddress": "no-reply@example.org"}}
    identity = f"arn:aws:ses:eu-west-1:{ACCOUNT}:identity/"
    for name in ("example.org", "no-reply@example.org"):
        assert allowed("api_handler", stage, "ses:SendEmail", identity + name)
    for name in ("other.example", "ceo@example.org"):
        assert not allowed("api_handler", stage, "ses:SendEmail", identity + name)
    elsewhere = "arn:aws:ses:eu-west-1:999999999999:identity/example.org"
    assert not allowed("api_handler", stage, "ses:SendEmail", elsewhere)


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "local"])
def test_who_asks_models_may_ask_the_stages_own_and_no_others(
    stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def may(function: str, resource: str) -> bool:
        return allowed(function, stage, "bedrock:InvokeModel", f"arn:aws:bedrock:eu-west-1:{resource}")

    nova = (
        ":foundation-model/amazon.nova-2-lite-v1:0",
        f"{ACCOUNT}:inference-profile/eu.amazon.nova-2-lite-v1:0",
    )
    titan = (":foundation-model/amazon.titan-embed-text-v2:0",)
    asked = {"api_handler": (*nova, *titan), "RunnerLambda": (*nova, *titan)}
    asked |= {"AnalyzerLambda": nova, "EmbedderLambda": titan}
    for function in FUNCTIONS:
        own = asked.get(function, ())
        assert {arn for arn in (*nova, *titan) if may(function, arn)} == set(own), function
        assert not may(function, ":foundation-model/anthropic.claude-sonnet-5-5")
        assert not may(function, f"{ACCOUNT}:inference-profile/eu.anthropic.claude-sonnet-5-5")
    variables = CONFIG["stages"][stage]["environment_variables"]
    monkeypatch.setitem(variables, "CHAT_PROVIDER", "anthropic, bedrock")
    monkeypatch.setitem(variables, "CHAT_MODEL", "claude-sonnet-5-5, eu.anthropic.claude-sonnet-5-5")
    monkeypatch.setitem(variables, "ANALYZER_PROVIDER", "openai")
    assert may("RunnerLambda", ":foundation-model/anthropic.claude-sonnet-5-5")
    assert may("RunnerLambda", f"{ACCOUNT}:inference-profile/eu.anthropic.claude-sonnet-5-5")
    assert not any(may(function, nova[0]) for function in FUNCTIONS)


def test_stage_local_asks_no_model_of_bedrock() -> None:
    assert not any("bedrock" in text for name, text in files().items() if name.endswith("-local.json"))
