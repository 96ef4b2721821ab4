"""Deploys a stage's app as a stack of CloudFormation, from the template that `chalice package` makes.

The same as `aws cloudformation package` and `aws cloudformation deploy`, with the schema before the code, and with the
base stack's outputs as parameters. CloudFormation knows what is deployed, so that any machine can go on; and it takes
a change back that fails.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from deploy import functions, overlay, stack
from deploy.package import CannotPackage, build
from deploy.policies import ROOT
from deploy.script import Stopped, say

CAPABILITIES = ("CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND")


def stack_name(stage: str) -> str:
    return f"collections-{stage}"


def is_deployed(cloudformation: Any, stage: str) -> bool:
    return stack.status_of(cloudformation, stack_name(stage)) is not None


def deploy(cloudformation: Any, stage: str, outputs: Mapping[str, str], *, bucket: str) -> str:
    """Deploy the code by a bucket in the stack's region, with the schema before it. Return the API's address."""
    folder = ROOT / "build" / f"package-{stage}"
    try:
        package = build(stage, folder)
    except CannotPackage as error:
        raise Stopped(str(error)) from error
    s3 = boto3.client("s3")
    code = upload(s3, bucket, stage, package, suffix="zip")
    template = json.loads((folder / "sam.json").read_text())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": bucket, "Key": code}
    packaged = folder / "packaged.json"
    packaged.write_text(json.dumps(template))
    key = upload(s3, bucket, stage, packaged, suffix="json")
    functions.migrate_with(stage, S3Bucket=bucket, S3Key=code)
    say("deploying the app by CloudFormation")
    wanted = stack.Wanted(
        name=stack_name(stage),
        stage=stage,
        template={"TemplateURL": f"https://{bucket}.s3.{s3.meta.region_name}.amazonaws.com/{key}"},
        declared=list(overlay.PARAMETERS),
        parameters=parameters_from(outputs),
        capabilities=CAPABILITIES,
    )
    stack.bring_up(cloudformation, wanted, dry_run=False)
    return stack.outputs(cloudformation, stack_name(stage))["ApiEndpoint"]


def parameters_from(outputs: Mapping[str, str]) -> dict[str, str]:
    """Return the app's parameters that the base stack decides; what it no longer has is turned off."""
    off = {"DomainName": "", "WebAclArn": "", "ProvisionedConcurrency": "0"}
    return {name: outputs.get(name, default) for name, default in off.items()}


def upload(s3: Any, bucket: str, stage: str, file: Path, *, suffix: str) -> str:
    """Put the file under the hash of its content. Return its key. Raise Stopped without the bucket."""
    body = file.read_bytes()
    key = f"collections/{stage}/{hashlib.sha256(body).hexdigest()}.{suffix}"
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            raise Stopped(
                f"there is no bucket {bucket}. Make one for code: aws s3 mb s3://{bucket}"
            ) from error
        raise
    return key
