"""The Lambda package, built once as an operator builds it."""

import json
import os
import platform
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import deploy.package
from chalicelib.api.http.problems import STATUS_OF_ERROR, UPLOADS_PATH, Problem
from chalicelib.model.gateway.gateway_routes import ROUTES
from chalicelib.model.work.tasks import POLICIES
from deploy import base, terraform, zips
from deploy.overlay import logical_id
from deploy.package import CannotPackage, build, build_terraform, find_python, make_environment, stage_sources
from deploy.policies import ARRIVALS, CONFIG, CONSUMERS, DEAD_LETTERS, FUNCTIONS, ROOT, lambda_name
from deploy.queues import resource_id
from tests.support.heif_files import plain_heic


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory with sam.json and deployment.zip of stage dev. Needs Python 3.12 to 3.14 and a package index.

    A machine without them skips; a machine with CI set fails, because there nobody reads skips.
    """
    return built(tmp_path_factory)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same without the libraries, which take ten times as long."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(deploy.package, "stage_sources", stage_without_libraries)
        yield built(tmp_path_factory)


def stage_without_libraries(to: Path) -> None:
    stage_sources(to)
    (to / "requirements.txt").write_text("")


def built(folders: pytest.TempPathFactory) -> Path:
    try:
        find_python()
    except CannotPackage as error:
        missing(str(error))
    if not index_answers(folders.mktemp("index")):
        missing("pip reaches no package index, and the wheels for Lambda come from one")
    to = folders.mktemp("package") / "dev"
    build("dev", to)
    return to


def missing(what: str) -> None:
    (pytest.fail if os.environ.get("CI") else pytest.skip)(what)


def index_answers(to: Path) -> bool:
    small = next(line for line in (ROOT / "requirements.txt").read_text().splitlines() if "pgvector" in line)
    pip = [sys.executable, "-m", "pip", "--retries", "1", "--timeout", "10", "download", "--no-deps"]
    command = [*pip, "--dest", str(to), small.split()[0]]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def names(package: Path) -> set[str]:
    return names_in(package)


def names_in(package: Path) -> set[str]:
    with zipfile.ZipFile(package / "deployment.zip") as zipped:
        return set(zipped.namelist())


@pytest.fixture(scope="module")
def resources(package: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((package / "sam.json").read_text())["Resources"]
    return loaded


@pytest.mark.slow
def test_the_zip_is_small(whole: Path) -> None:
    assert (whole / "deployment.zip").stat().st_size <= zips.LIMIT_BYTES
    with zipfile.ZipFile(whole / "deployment.zip") as zipped:
        assert sum(entry.file_size for entry in zipped.infolist()) <= zips.UNZIPPED_LIMIT_BYTES


def test_the_zip_holds_the_whole_app(names: set[str]) -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "chalicelib").rglob("*") if path.is_file()}
    ours = {"app.py", *(name for name in files if "__pycache__" not in name)}
    assert ours - names == set()


@pytest.mark.slow
def test_the_zip_with_its_libraries_holds_no_tests_docs_secrets_nor_stale_caches(whole: Path) -> None:
    test_the_zip_holds_no_tests_docs_secrets_nor_stale_caches(names_in(whole))


def test_the_zip_holds_no_tests_docs_secrets_nor_stale_caches(names: set[str]) -> None:
    bytecode = {name for name in names if name.endswith(".pyc")}
    sources = {name for name in names if name.endswith(".py")}
    assert [name for name in names - bytecode if zips.UNWANTED.search(name)] == []
    cached = {
        re.sub(r"__pycache__/(.*)\.cpython-\d+\.pyc", r"\1.py", name)
        for name in bytecode
        if "__pycache__" in name
    }
    assert cached == sources == {name for name in sources if name.split("/")[0] in zips.OWN}


def test_unwanted_files_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "some.zip"
    bad = [
        "tests/test_a.py",
        "local/x.py",
        "lib/docs/a.md",
        "a/__pycache__/b.cpython-311.pyc",
        ".env",
        "a.pem",
    ]
    with zipfile.ZipFile(path, "w") as zipped:
        for name in [*bad, "app.py", "chalicelib/console/index.html", "chalicelib/stores/library/items.sql"]:
            zipped.writestr(name, "")
    assert zips.unwanted(path) == bad


@pytest.mark.slow
def test_wheels_and_functions_agree_on_the_version_of_python(whole: Path, resources: dict[str, Any]) -> None:
    runtimes = {each["Properties"]["Runtime"] for each in functions(resources).values()}
    libraries = {
        found[0]
        for name in names_in(whole)
        if (found := re.search(r"cpython-\d+(?=-x86_64-linux-gnu\.so)", name))
    }
    assert runtimes in ({"python3.13"}, {"python3.12"})
    assert libraries == {runtime.replace("python3.", "cpython-3") for runtime in runtimes}


def functions(resources: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in resources.items() if each["Type"] == "AWS::Serverless::Function"}


def test_functions_carry_no_setting_but_where_the_others_are(
    package: Path, resources: dict[str, Any]
) -> None:
    for name, each in functions(resources).items():
        variables = each["Properties"]["Environment"]["Variables"]
        assert variables == {"ENVIRONMENT": "dev", "SETTINGS_PATH": "/collections"}, name


def test_what_the_gateway_answers_by_itself_is_a_problem_like_ours(resources: dict[str, Any]) -> None:
    answers = resources["RestAPI"]["Properties"]["DefinitionBody"]["x-amazon-apigateway-gateway-responses"]
    ours = {(STATUS_OF_ERROR[error], error.code) for error in STATUS_OF_ERROR if hasattr(error, "code")}
    for name, each in answers.items():
        headers = each["responseParameters"]
        assert headers["gatewayresponse.header.Access-Control-Allow-Origin"] == "'*'", name
        if name != "DEFAULT_4XX":  # which has many statuses
            problem = msgspec.json.decode(each["responseTemplates"]["application/json"], type=Problem)
            assert (problem.status, problem.code) in ours and problem.status == each["statusCode"], name
            assert problem.status not in (429, 503) or "gatewayresponse.header.Retry-After" in headers, name
    too_large = answers["REQUEST_TOO_LARGE"]
    assert UPLOADS_PATH in too_large["responseParameters"]["gatewayresponse.header.Link"]
    assert f"POST {UPLOADS_PATH}" in too_large["responseTemplates"]["application/json"]


ANYWHERE = {"ec2", "xray"}  # interfaces and segments cannot be named in advance; AWS' own policies use * too


def statements(resources: dict[str, Any]) -> list[dict[str, Any]]:
    roles = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::IAM::Role"]
    policies = [policy["PolicyDocument"] for role in roles for policy in role.get("Policies", [])]
    return [statement for policy in policies for statement in policy["Statement"]]


def test_no_right_is_wider_than_the_listed_ones(resources: dict[str, Any]) -> None:
    found = statements(resources)
    assert len(found) > 50
    for statement in found:
        if "*" in statement["Resource"]:
            assert {action.partition(":")[0] for action in statement["Action"]} <= ANYWHERE
        assert not any("*" in action for action in statement["Action"])


def test_every_asynchronous_path_ends_in_the_dead_letters(resources: dict[str, Any]) -> None:
    polled = {
        name
        for name, each in functions(resources).items()
        if any(event["Type"] == "SQS" for event in each["Properties"].get("Events", {}).values())
    }
    for name, each in functions(resources).items():
        if name not in polled and name != "APIHandler":
            destination = each["Properties"]["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
            assert destination["Destination"]["Fn::Sub"].endswith(":collections-dev-dead-letters"), name
    for name in polled - {"DeadLetters"}:
        (event,) = each_event(resources, name)
        assert event["BatchSize"] == 1, f"{name} raises for the one message that failed"
        queue = event["Queue"]["Fn::Sub"].rpartition("-")[2]
        assert "RedrivePolicy" in base.template()["Resources"][resource_id(queue)]["Properties"], name


def each_event(resources: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [event["Properties"] for event in resources[name]["Properties"]["Events"].values()]


def test_what_a_request_waits_for_ends_before_it_does() -> None:
    """Upstream and provider before the function, the function before a task's lease."""
    timeouts_s = {name: each["lambda_timeout"] for name, each in CONFIG["lambda_functions"].items()}
    assert max(route.timeout_s for route in ROUTES) < timeouts_s["api_handler"] == 30
    for queue, consumer in CONSUMERS.items():
        if queue != DEAD_LETTERS:
            leases_s = [policy.lease_s for policy in POLICIES.values() if policy.queue == queue]
            assert timeouts_s[consumer] < min(leases_s), consumer


def test_no_secret_stands_in_the_template(package: Path) -> None:
    text = (package / "sam.json").read_text()
    assert not re.search(r"postgresql://|sk-[a-z]|AKIA|BEGIN .*PRIVATE KEY", text)


@pytest.fixture(scope="module")
def expanded(package: Path) -> dict[str, Any]:
    """The template as CloudFormation makes it of the packaged one."""
    from local.sam import expand  # here: every process would load the translator

    template = json.loads((package / "sam.json").read_text())
    for each in functions(template["Resources"]).values():
        each["Properties"]["CodeUri"] = {"Bucket": "code-bucket", "Key": "code.zip"}
    return expand(template, {})


def test_domain_firewall_and_waiting_environments_come_by_parameter_alone(expanded: dict[str, Any]) -> None:
    wanted = {
        "AWS::ApiGateway::BasePathMapping": "HasDomain",
        "AWS::WAFv2::WebACLAssociation": "HasWaf",
        "AWS::Lambda::Version": "HasProvisioned",
        "AWS::Lambda::Alias": "HasProvisioned",
    }
    found = {each["Type"]: each.get("Condition") for each in expanded["Resources"].values()}
    assert {kind: found[kind] for kind in wanted} == wanted
    for name in ("DomainName", "WebAclArn", "ProvisionedConcurrency"):
        assert expanded["Parameters"][name]["Default"] in ("", 0)
        assert name in base.template()["Outputs"], "deploy/deploy.sh passes it on"


def test_the_api_calls_the_environments_that_wait(expanded: dict[str, Any]) -> None:
    called = {"Fn::If": ["HasProvisioned", {"Ref": "ApiHandlerLive"}, {"Fn::GetAtt": ["APIHandler", "Arn"]}]}
    paths = expanded["Resources"]["RestAPI"]["Properties"]["Body"]["paths"]
    methods = [method for each in paths.values() for name, method in each.items() if name != "options"]
    assert len(methods) > 50
    for method in methods:
        uri = method["x-amazon-apigateway-integration"]["uri"]
        assert uri["Fn::Sub"][1] == {"Called": called}
    allowed = [each for each in expanded["Resources"].values() if each["Type"] == "AWS::Lambda::Permission"]
    assert {"Ref": "ApiHandlerLive"} in [each["Properties"]["FunctionName"] for each in allowed]


@pytest.mark.slow
def test_the_app_can_be_packaged_for_terraform(package: Path, tmp_path: Path) -> None:
    zipped = build_terraform("dev", tmp_path / "dev")
    assert zipped.stat().st_size <= zips.LIMIT_BYTES
    text = (tmp_path / "dev" / "chalice.tf.json").read_text()
    assert not re.search(r"(?<!\$)\$\{aws:", text), "Terraform would read IAM's variables as its own"
    assert "null_data_source" not in text, "nothing uses it, and it wants a provider of its own"
    assert json.loads(text)["terraform"]["required_version"] == ">= 1.4", "Chalice forbids it"
    is_valid, told = terraform.validate(tmp_path / "dev")
    assert is_valid, told
    made = json.loads(text)["resource"]
    assert {each["function_name"] for each in made["aws_lambda_function"].values()} == {
        lambda_name(function, "dev") for function in FUNCTIONS
    }
    assert len(made["aws_lambda_event_source_mapping"]) == len(CONSUMERS)
    assert len(made["aws_cloudwatch_event_rule"]) == 3


def test_the_promised_outputs_are_there(package: Path) -> None:
    outputs = json.loads((package / "sam.json").read_text())["Outputs"].keys()
    assert {"ApiEndpoint", "StageUrl", "EndpointURL", "APIHandlerName", "APIHandlerArn"} <= outputs
    of_base = {"ImagesBucketName", "SessionsTableName", "RateLimitsTableName", "SecurityGroupId", "SubnetIds"}
    assert of_base <= base.template()["Outputs"].keys()


def test_the_stage_of_the_api_is_limited(resources: dict[str, Any], package: Path) -> None:
    (settings,) = resources["RestAPI"]["Properties"]["MethodSettings"]
    parameters = json.loads((package / "sam.json").read_text())["Parameters"]
    limits = [settings[name]["Ref"] for name in ("ThrottlingRateLimit", "ThrottlingBurstLimit")]
    assert [parameters[name]["Default"] for name in limits] == [50, 100]


def test_each_function_has_its_own_size_and_role(resources: dict[str, Any]) -> None:
    wanted = {
        logical_id(name): (size["lambda_memory_size"], size["lambda_timeout"])
        for name, size in CONFIG["lambda_functions"].items()
        if name != ARRIVALS
    }
    properties = {name: each["Properties"] for name, each in functions(resources).items()}
    assert {name: (each["MemorySize"], each["Timeout"]) for name, each in properties.items()} == wanted
    assert len({json.dumps(each["Role"]) for each in properties.values()}) == len(wanted)


@pytest.mark.slow
def test_the_template_passes_cfn_lint(package: Path) -> None:
    lint = [Path(sys.executable).with_name("cfn-lint"), package / "sam.json"]
    ran = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="the package's libraries are for Linux on x86_64",
)
def test_the_zip_runs_by_itself(whole: Path, tmp_path: Path) -> None:
    """Nothing but the zip's content and the standard library; botocore is Lambda's own and comes late."""
    with zipfile.ZipFile(whole / "deployment.zip") as zipped:
        zipped.extractall(tmp_path)
    dependencies = "psycopg2, pgvector, PIL.Image, pillow_heif, pypdfium2"
    code = f"""import io, sys; sys.path.insert(0, '.'); import app, {dependencies}
for format in ("JPEG", "PNG", "WEBP", "GIF", "BMP"):
    PIL.Image.new("RGB", (99, 99)).save(into := io.BytesIO(), format); PIL.Image.open(into).load()
pillow_heif.register_heif_opener(thumbnails=False, decode_threads=1)
assert PIL.Image.open("made.heic").convert("RGB").getpixel((50, 50))[0] > 200
try: PIL.Image.new("RGB", (99, 99)).save(io.BytesIO(), "HEIF")
except RuntimeError as error: assert "x265" in str(error)
from argon2 import PasswordHasher; PasswordHasher().hash("a password")"""
    (tmp_path / "made.heic").write_bytes(plain_heic((99, 99)))
    command = [make_environment(find_python()), "-I", "-S", "-B", "-c", code]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
