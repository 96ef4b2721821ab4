"""Deletes a stage, in reverse order: the app, the base stack, its settings.

The bucket with the users' files stays unless --delete-files is given, and a database that the base stack made leaves
a snapshot. Outside of dev, take the deletion protection off first:
deploy/deploy.sh --stage staging --base-only --deletion-protection off
"""

import argparse
from contextlib import suppress
from typing import Any

import boto3

from deploy import base, stack
from deploy.by_chalice import chalice, is_deployed
from deploy.by_cloudformation import stack_name
from deploy.log_groups import delete_logs
from deploy.policies import STAGES, operators_prefix, parameter_prefix
from deploy.script import Stopped, account, ask, parameters, say, told


def losses(outputs: dict[str, str], stage: str, *, delete_files: bool) -> list[str]:
    """Return a line for each thing that is lost or stays."""
    bucket = outputs["ImagesBucketName"]
    return [
        f"all functions, their logs, rules and the API of {stage}",
        f"all sessions and rate limits: {outputs['SessionsTableName']}, {outputs['RateLimitsTableName']}",
        "all work that waits in the queues",
        f"all settings and secrets under {parameter_prefix(stage)} and {operators_prefix(stage)}",
        "the database, of which a snapshot stays"
        if "DatabaseHost" in outputs
        else "not the database: it is yours",
        f"all users' files in {bucket}" if delete_files else f"not the users' files: {bucket} stays",
    ]


def confirm(stage: str, typed: str | None) -> None:
    """Raise Stopped unless the stage's name was typed."""
    if (typed or ask(f"Type the stage's name, {stage}, to delete it")) != stage:
        raise Stopped(
            f"nothing was deleted: the name {stage} was not typed. Without a terminal: --confirm {stage}"
        )


def require_unprotected(cloudformation: Any, stage: str) -> None:
    """Raise Stopped when the tables and the database of the stage cannot be deleted."""
    (found,) = cloudformation.describe_stacks(StackName=base.stack_name(stage))["Stacks"]
    given = {each["ParameterKey"]: each["ParameterValue"] for each in found.get("Parameters", [])}
    if stage != "dev" and given.get("DeletionProtection", "on") == "on":
        flags = f"--stage {stage} --base-only --deletion-protection off"
        raise Stopped(f"the stage is protected. Run deploy/deploy.sh {flags} first.")


def delete_files(s3: Any, bucket: str) -> None:
    """Delete all objects of the bucket, all their versions, and all unfinished uploads."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        keys = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
        if keys:
            s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for each in page.get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=each["Key"], UploadId=each["UploadId"])


def delete_app(stage: str) -> None:
    """Delete what `chalice deploy` or the packaged template made."""
    if is_deployed(stage):
        chalice(stage, "delete")
        delete_logs(boto3.client("logs"), stage)
    cloudformation, name = boto3.client("cloudformation"), stack_name(stage)
    if stack.status_of(cloudformation, name) is not None:
        delete_stack(cloudformation, name)


def delete_stack(cloudformation: Any, name: str) -> None:
    cloudformation.delete_stack(StackName=name)
    waiter = cloudformation.get_waiter("stack_delete_complete")
    waiter.wait(StackName=name, WaiterConfig={"Delay": stack.POLL_S, "MaxAttempts": 720})


def delete_settings(stage: str) -> None:
    ssm = boto3.client("ssm")
    for path in (parameter_prefix(stage), operators_prefix(stage)):
        for name in parameters(ssm, path):
            ssm.delete_parameter(Name=f"{path}/{name}")


def run(arguments: argparse.Namespace) -> None:
    stage: str = arguments.stage
    cloudformation = boto3.client("cloudformation")
    say(f"account {account()}, region {boto3.Session().region_name}, stage {stage}")
    try:
        outputs = base.outputs(cloudformation, stage)
    except base.NotDeployed as error:
        raise Stopped(f"there is nothing to delete: {error}") from error
    say("This deletes:")
    for line in losses(outputs, stage, delete_files=arguments.delete_files):
        say(f"  {line}")
    if arguments.dry_run:
        return
    require_unprotected(cloudformation, stage)
    confirm(stage, arguments.confirm)
    delete_app(stage)
    say("deleted: the app")
    s3, bucket = boto3.client("s3"), outputs["ImagesBucketName"]
    if arguments.delete_files:
        delete_files(s3, bucket)
    delete_stack(cloudformation, base.stack_name(stage))
    say(f"deleted: {base.stack_name(stage)}")
    delete_settings(stage)
    say("deleted: the settings")
    if arguments.delete_files:
        with suppress(s3.exceptions.NoSuchBucket):
            s3.delete_bucket(Bucket=bucket)
        say("deleted: the users' files")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="deploy/destroy.sh",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stage", choices=[stage for stage in STAGES if stage != "local"], required=True)
    parser.add_argument("--confirm", metavar="STAGE", help="the stage's name, where nobody can type it")
    parser.add_argument("--delete-files", action="store_true", help="delete the users' files too")
    parser.add_argument("--dry-run", action="store_true", help="say what is lost, and delete nothing")
    with told():
        run(parser.parse_args())


if __name__ == "__main__":
    main()
