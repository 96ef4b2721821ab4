"""Rehearses a deployment in an emulated account, by the commands of docs/deploying.md, from nothing to nothing.

python -m local.rehearse --stage dev       or: make rehearse STAGE=dev

Real are the scripts, Chalice, the package with all requirements, Postgres, the app and its models. AWS is the local
stack's emulator; what that does not have is only linted, and the last line names it.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from deploy import base
from deploy.policies import CONFIG, ROOT, STAGES
from local.emulated_account import copy_project, emulated_account
from local.layout import ACCOUNT, Ports
from local.rehearsal import Failed, Rehearsal, require
from local.samples import multipart_form

SAMPLE = ROOT / "samples" / "balcony-tomatoes.pdf"
EMAIL, PASSWORD = "ann@example.org", "a password that is long"
# What the emulator has not. cfn-lint checks it, and the tests of deploy/.
LINTED = (
    "updates of the base stack, Aurora, alarms and budget, bucket and queue policies, point-in-time recovery,"
    " firewall, domain and certificate, provisioned concurrency, failure destinations made by CloudFormation"
)
CODE_BUCKET = "rehearsal-code"
# The emulator cannot update a stack whose template has conditions, so that this cannot be turned off later.
UNPROTECTED = ("--deletion-protection", "off")
TIMEOUT_S = 120.0


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
    policy = json.loads((ROOT / "deploy" / "deployer-policy.json").read_text())
    lacking = rehearsal.deployer.beyond(policy)
    require(not lacking, f"deploy/deployer-policy.json lacks {', '.join(lacking)}")
    held.append(f"its {len(rehearsal.deployer.calls)} kinds of calls are within deploy/deployer-policy.json")
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
        "EMBEDDING_MODEL": "minilm-e5-small",
        "EMBEDDING_DIMENSIONS": "768",
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
    rehearsal.run("deploy/deploy.sh", "--stage", stage, "--code-only")
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
        "log groups": rehearsal.aws("logs").describe_log_groups()["logGroups"],
        "parameters": rehearsal.aws("ssm").get_parameters_by_path(Path="/", Recursive=True)["Parameters"],
    }
    for what, found in left.items():
        require(not [each for each in found if "collections" in str(each)], f"{what} left: {found}")


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
