"""Rehearses a deployment in an emulated account, by the commands of docs/deploying.md, from nothing to nothing.

python -m local.rehearse --stage dev       or: make rehearse STAGE=dev

Real are the scripts, Chalice, the package with all requirements, Postgres, the app and its models. AWS is the local
stack's emulator; what that does not have is only linted, and the last line names it.
"""

import argparse
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from moto.awslambda.utils import get_backend

from chalicelib import settings
from deploy import base
from deploy.package import find_python, make_environment
from deploy.policies import CONFIG, ROOT, STAGES, lambda_name
from local import change_sets, postgres
from local.aws import Emulator
from local.base import client
from local.children import Child, module_command, spawn
from local.delivery import Delivery
from local.event_files import EventFiles
from local.layout import ACCOUNT, REGION, Folders, Ports, aws_environment
from local.object_files import ObjectFiles
from local.runtime_api import RuntimeApi
from local.samples import multipart_form
from local.workers import Function, Workers

SAMPLE = ROOT / "samples" / "balcony-tomatoes.pdf"
EMAIL, PASSWORD = "ann@example.org", "a password that is long"
# What the emulator has not. cfn-lint checks it, and the tests of deploy/.
LINTED = (
    "updates of the base stack, Aurora, alarms and budget, bucket and queue policies, point-in-time recovery,"
    " firewall, domain and certificate, provisioned concurrency, failure destinations made by CloudFormation"
)
CODE_BUCKET = "rehearsal-code"
# The emulator cannot update a stack whose template has conditions, so that this cannot be turned off later.
VERSION = f'VERSION = "{settings.VERSION}"'
UNPROTECTED = ("--deletion-protection", "off")
TIMEOUT_S = 120.0


class Failed(Exception):
    """A step did not do what it should."""


class Rehearsal:
    """A copy of the project, and an emulated account in which it is deployed."""

    def __init__(self, copy: Path, ports: Ports, emulator: Emulator) -> None:
        self._copy = copy
        self.ports = ports
        self._started_at = time.monotonic()
        self.emulator = emulator
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LAMBDA_PYTHON") if name in os.environ},
            **aws_environment(ports.aws),
            "PROJECT_PYTHON": sys.executable,
            **wheels_at(copy.with_name("wheels")),
        }

    def say(self, line: str) -> None:
        print(f"[{time.monotonic() - self._started_at:5.1f} s] {line}", flush=True)

    def aws(self, service: str) -> Any:
        return client(service, self.ports.aws)

    def run(self, *command: str, stdin: str = "", shown: str = "") -> str:
        """Run a command in the copy, as its user would. Return what it prints; raise Failed if it fails.

        With `shown`, that stands for the command, and what it prints is not shown.
        """
        plain = " ".join(part if "://" not in part else part.partition("=")[0] + "=…" for part in command)
        self.say(f"$ {shown or plain}")
        ran = subprocess.run(
            command,
            cwd=self._copy,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        for line in ran.stdout.splitlines() if not shown else ():
            self.say(f"    {line}")
        if ran.returncode:
            raise Failed(f"{command[0]} failed: {ran.stderr.strip()[-3000:]}")
        return ran.stdout

    def release(self, version: str) -> None:
        """Commit a release that differs in its version alone."""
        settings = next(
            path for path in self._copy.glob("chalicelib/settings/*.py") if VERSION in path.read_text()
        )
        settings.write_text(settings.read_text().replace(VERSION, f'VERSION = "{version}"'))
        commit(self._copy, f"Release {version}")

    def operate(self, stage: str, command: str, email: str) -> str:
        """Run the operating function, by `chalice invoke` where Chalice has deployed it. Return what it prints."""
        asked = {"command": command, "email": email}
        if not (self._copy / ".chalice" / "deployed" / f"{stage}.json").exists():
            self.say(f"$ aws lambda invoke --function-name {lambda_name('operate', stage)} ...")
            return str(self._invoke("operate", stage, asked)["printed"])
        python = str(self._copy / ".venv-package" / "bin" / "python")
        chalice = [python, "-c", "from chalice.cli import main; main()"]
        flags = ["invoke", "--stage", stage, "--name", "operate"]
        shown = f"echo '{json.dumps(asked)}' | chalice {' '.join(flags)}"
        printed = self.run(*chalice, *flags, stdin=json.dumps(asked), shown=shown)
        return str(json.loads(printed)["printed"])

    def _invoke(self, function: str, stage: str, event: Any) -> Any:
        answer = self.aws("lambda").invoke(
            FunctionName=lambda_name(function, stage), Payload=json.dumps(event)
        )
        found = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            raise Failed(f"{function}: {found}")
        return found

    def call(self, stage: str, method: str, path: str, body: Any = None, token: str = "") -> Any:
        """Send the deployed API function a request of an HTTP API; return the body. Raise Failed for an error."""
        headers = {"content-type": "application/json"} | (
            {"authorization": f"Bearer {token}"} if token else {}
        )
        http = {"method": method, "path": path, "sourceIp": "192.0.2.1"}
        event = {
            "version": "2.0",
            "rawPath": path,
            "headers": headers,
            "requestContext": {"http": http, "requestId": "rehearsal"},
            "body": None if body is None else json.dumps(body),
            "isBase64Encoded": False,
        }
        found = self._invoke("api_handler", stage, event)
        if found["statusCode"] >= 400:
            raise Failed(f"{method} {path}: {found}")
        return json.loads(found["body"] or "null")


def rehearse(stage: str, second: str, rehearsal: Rehearsal, database: Callable[[str], str]) -> list[str]:
    """Deploy, use, deploy again and delete two stages. Return what held."""
    held = []
    deploy_new(rehearsal, stage, database(stage), [*network_of_the_guide(rehearsal), *UNPROTECTED])
    held.append(f"{stage} deployed from nothing, into a network, by deploy/deploy.sh and chalice deploy")
    token = first_sign_in(rehearsal, stage)
    held.append("migration and first administrator by operate")
    item = upload(rehearsal, stage, token)
    held.append(f"an upload became {item['status']} by the deployed queues and rules")
    release_and_roll_back(rehearsal, stage)
    again = rehearsal.call(stage, "GET", f"/api/v1/items/{item['id']}", token=sign_in(rehearsal, stage))
    require(again["status"] == "READY", f"after a rollback the item is {again}")
    held.append("a release was deployed over it and rolled back, and nothing was lost")
    rehearsal.aws("s3").create_bucket(Bucket=CODE_BUCKET)
    by_cloudformation = ["--by", "cloudformation", "--code-bucket", CODE_BUCKET]
    deploy_new(rehearsal, second, database(second), ["--network", "none", *UNPROTECTED, *by_cloudformation])
    require(rehearsal.call(stage, "GET", "/health/ready")["status"] == "healthy", f"{second} broke {stage}")
    item = upload(rehearsal, second, first_sign_in(rehearsal, second))
    held.append(
        f"{second} was deployed beside it by CloudFormation, and an upload became {item['status']} there"
    )
    for name, more in ((stage, []), (second, ["--delete-files"])):
        rehearsal.run("deploy/destroy.sh", "--stage", name, "--confirm", name, *more)
    check_left_over(rehearsal, stage)
    held.append(f"deleted, but for the users' files of {stage}")
    return held


def network_of_the_guide(rehearsal: Rehearsal) -> list[str]:
    """Make a VPC with private subnets and a database's security group. Return the flags that name them."""
    ec2 = rehearsal.aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.1.{n}.0/24")["Subnet"]["SubnetId"] for n in (1, 2)]
    group = ec2.create_security_group(GroupName="rds", Description="rds", VpcId=vpc)["GroupId"]
    return [
        *("--network", "existing", "--vpc-id", vpc, "--subnet-ids", ",".join(subnets)),
        *("--database-security-group-id", group),
    ]


def deploy_new(rehearsal: Rehearsal, stage: str, owner_url: str, network: list[str]) -> None:
    """Give the stage its settings, as docs/deploying.md has it, and deploy it."""
    models = f"http://127.0.0.1:{rehearsal.ports.models}"
    settings = {
        "MIGRATION_DATABASE_URL": owner_url,
        "EMBEDDINGS_URL": f"{models}/v1",
        "EMBEDDING_MODEL": "all-MiniLM-L6-v2",
        "EMBEDDING_DIMENSIONS": "384",
        "ANALYZER_URL": models,
    }
    flags = [flag for name, value in settings.items() for flag in ("--set", f"{name}={value}")]
    rehearsal.run("deploy/update-parameters.sh", "--stage", stage, *flags)
    rehearsal.run("deploy/deploy.sh", "--stage", stage, *network, "--dry-run")
    rehearsal.run("deploy/deploy.sh", "--stage", stage, *network)
    patch_in(rehearsal, stage)


def patch_in(rehearsal: Rehearsal, stage: str) -> None:
    """Set on the bucket what the emulator's CloudFormation drops from the template."""
    bucket = base.outputs(rehearsal.aws("cloudformation"), stage)["ImagesBucketName"]
    rehearsal.aws("s3").put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )


def first_sign_in(rehearsal: Rehearsal, stage: str) -> str:
    """Make the first administrator, whose link sets a password. Return their token."""
    link = rehearsal.operate(stage, "first-admin", EMAIL)
    rehearsal.call(
        stage, "POST", "/api/v1/password", {"token": link.rpartition("/")[2], "password": PASSWORD}
    )
    return sign_in(rehearsal, stage)


def release_and_roll_back(rehearsal: Rehearsal, stage: str) -> None:
    """Deploy a release that says another version, and go back. Raise Failed unless the deployed code follows."""
    before = version_of(rehearsal, stage)
    rehearsal.release("99.0.0")
    rehearsal.run("deploy/deploy.sh", "--stage", stage)
    require(version_of(rehearsal, stage) == "99.0.0", "the new release does not answer")
    rehearsal.run("deploy/rollback.sh", "--stage", stage, "--to", "HEAD~1")
    require(version_of(rehearsal, stage) == before, "the release before does not answer")


def version_of(rehearsal: Rehearsal, stage: str) -> str:
    return str(rehearsal.call(stage, "GET", "/health")["version"])


def sign_in(rehearsal: Rehearsal, stage: str) -> str:
    tokens = rehearsal.call(stage, "POST", "/api/v1/sessions", {"email": EMAIL, "password": PASSWORD})
    return str(tokens["access_token"])


def upload(rehearsal: Rehearsal, stage: str, token: str) -> dict[str, Any]:
    """Upload a PDF by its signed form, and wait until it is read, analysed and indexed. Return the item."""
    asked = {"filename": SAMPLE.name, "content_type": "application/pdf", "size_bytes": SAMPLE.stat().st_size}
    signed = rehearsal.call(stage, "POST", "/api/v1/uploads", asked, token)
    form, content_type = multipart_form(signed["fields"], SAMPLE, "application/pdf")
    with urlopen(Request(signed["url"], form, {"Content-Type": content_type}, method="POST")):
        pass
    give_up_at = time.monotonic() + TIMEOUT_S
    while time.monotonic() < give_up_at:
        items = rehearsal.call(stage, "GET", "/api/v1/items", token=token)["data"]
        if items and items[0]["status"] in ("READY", "FAILED"):
            require(items[0]["status"] == "READY", f"the item is {items[0]}")
            return dict(items[0])
        time.sleep(0.5)
    raise Failed(f"after {TIMEOUT_S:.0f} s the items are {items}")


def check_left_over(rehearsal: Rehearsal, stage: str) -> None:
    """Raise Failed unless the account holds the first stage's files and the code, and nothing else of the app."""
    buckets = [each["Name"] for each in rehearsal.aws("s3").list_buckets()["Buckets"]]
    kept = {f"collections-images-{stage}-{ACCOUNT}", CODE_BUCKET}
    require(set(buckets) == kept, f"buckets left: {buckets}")
    left: Mapping[str, Any] = {
        "functions": rehearsal.aws("lambda").list_functions()["Functions"],
        "rules": rehearsal.aws("events").list_rules()["Rules"],
        "queues": rehearsal.aws("sqs").list_queues().get("QueueUrls", []),
        "tables": rehearsal.aws("dynamodb").list_tables()["TableNames"],
        "APIs": rehearsal.aws("apigateway").get_rest_apis()["items"],
        "parameters": rehearsal.aws("ssm").get_parameters_by_path(Path="/", Recursive=True)["Parameters"],
    }
    for what, found in left.items():
        require(not [each for each in found if "collections" in str(each)], f"{what} left: {found}")


def require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Failed(otherwise)


def commit(copy: Path, message: str) -> None:
    """Commit all files of the copy, as somebody who is nobody."""
    who = (
        "-c",
        "user.name=rehearsal",
        "-c",
        "user.email=rehearsal@example.org",
        "-c",
        "commit.gpgsign=false",
    )
    for command in (("add", "--all"), (*who, "commit", "--quiet", "--no-verify", "-m", message)):
        subprocess.run(["git", "-C", str(copy), *command], check=True)


def copy_project(to: Path) -> None:
    """Copy what git tracks into a repository of its own, with the environment that packages in its place."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=True)
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file() and not name.startswith(("tests/", "samples/", "bench/")):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    make_environment(find_python())
    (to / ".venv-package").symlink_to(ROOT / ".venv-package")
    (to / ".gitignore").write_text((ROOT / ".gitignore").read_text() + ".venv-package\n")
    subprocess.run(["git", "init", "--quiet", str(to)], check=True)
    commit(to, "The project as it is")


def wheels_at(folder: Path) -> dict[str, str]:
    """Fetch the wheels of the package once. Return variables with which pip takes them from there, each time."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return {}  # Chalice would look for others as well, of Lambda's machines
    pip = [str(ROOT / ".venv-package" / "bin" / "python"), "-m", "pip", "download", "--quiet"]
    wheels = ["--only-binary", ":all:", "--dest", str(folder), "-r", str(ROOT / "requirements.txt")]
    subprocess.run([*pip, "--disable-pip-version-check", *wheels], check=True, capture_output=True)
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}


class Unpacked:
    """The code of deployed functions, as the zip of each deployment has it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def folder_of(self, function: Function) -> Path:
        deployed = get_backend(ACCOUNT, REGION).get_function(function.arn)
        to = self._folder / hashlib.sha256(deployed.code_bytes).hexdigest()
        with self._lock:
            if not to.exists():
                with zipfile.ZipFile(io.BytesIO(deployed.code_bytes)) as package:
                    package.extractall(to)
        return to


@contextmanager
def emulated_account(
    state: Path, copy: Path, ports: Ports
) -> Iterator[tuple[Rehearsal, Callable[[str], str]]]:
    """Start the emulator, the models, and a database server for each stage that asks for one."""
    with ExitStack() as parts:
        folders = Folders(state=state, project=copy)
        runtime_api = RuntimeApi(ports.runtime)
        runtime_api.start()
        parts.callback(runtime_api.stop)
        workers = Workers(
            runtime_api=runtime_api,
            project=copy,
            logs=folders.logs,
            aws_port=lambda: ports.aws,
            concurrency={},
            say=lambda line: None,
            code_of=Unpacked(state / "code").folder_of,
            python=str(copy / ".venv-package" / "bin" / "python"),
        )
        delivery = Delivery(
            start_function=workers.start_function,
            places=workers.places,
            event_files=EventFiles(folders.queue),
        )
        workers.finish = delivery.finish
        emulator = Emulator(port=ports.aws, files=ObjectFiles(folders.objects), delivery=delivery)
        change_sets.install()
        emulator.start()
        for stop in (emulator.stop, workers.stop, delivery.stop):
            parts.callback(stop)
        rehearsal = Rehearsal(copy, ports, emulator)
        command = module_command("local.models.server", "--port", str(ports.models))
        watcher = module_command("local.parent_watch", "SIGTERM", "")
        log = folders.logs / "models.log"
        models = Child("models", lambda: spawn([*watcher, *command], log=log, env=os.environ), rehearsal.say)
        parts.callback(models.stop, grace_s=20.0)

        def database(stage: str) -> str:
            folder = state / f"postgres-{stage}"
            folder.mkdir()
            parts.callback(postgres.stop_postgres, folder)
            return postgres.start_postgres(folder, 0, fsync=False)

        yield rehearsal, database


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stage", choices=[stage for stage in STAGES if stage != "local"], default="dev")
    parser.add_argument("--port", type=int, default=8200, help="this and the next four ports are used")
    arguments = parser.parse_args()
    second = "staging" if arguments.stage != "staging" else "dev"
    with tempfile.TemporaryDirectory(prefix="collections-rehearsal-") as folder:
        copy = Path(folder) / "project"
        copy_project(copy)
        with emulated_account(Path(folder) / "state", copy, Ports(api=arguments.port)) as (
            rehearsal,
            database,
        ):
            try:
                held = rehearse(arguments.stage, second, rehearsal, database)
            except Failed as error:
                for log in sorted((Path(folder) / "state" / "logs").glob("*.log")):
                    print(f"--- {log.name}\n{log.read_text()[-1500:]}", file=sys.stderr)
                sys.exit(f"The rehearsal failed. {error}")
    print(f"Held for {CONFIG['app_name']}: {'; '.join(held)}. Only linted: {LINTED}.")


if __name__ == "__main__":
    main()
