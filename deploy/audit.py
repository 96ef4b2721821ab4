"""Checks the templates of every stage with cfn-lint and checkov: `make audit`.

checkov lives in an environment of its own, build/audit, as beside this project's pins pip falls back to an old one.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy import base
from deploy.package import build_template
from deploy.policies import ROOT, STAGES
from local.sam import expand

CHECKOV = "checkov==3.3.30"
# What checkov asks for and this project does not do, and why.
ACCEPTED = {
    "CKV_AWS_18": "an access log of the bucket needs a second bucket; CloudTrail's data events say who read what",
    "CKV_AWS_21": "versions are kept outside dev, by a condition that checkov does not follow",
    "CKV_AWS_27": "queues are encrypted with SQS' own keys (SqsManagedSseEnabled), which cost nothing",
    "CKV_AWS_28": "point-in-time recovery is a parameter: sessions and rate limits are lost without harm",
    "CKV_AWS_119": "tables are encrypted with DynamoDB's own keys, which cost nothing",
    "CKV_AWS_111": "network interfaces and traces cannot be named in advance; a test lists every other right",
    "CKV_AWS_158": "logs are encrypted with CloudWatch's own keys; no secret is written to them",
    "CKV_AWS_116": "what Lambda calls asynchronously has a failure destination; messages have their queue's",
    "CKV_AWS_117": "the network is a parameter of the base stack",
    "CKV_AWS_115": "concurrency is a parameter: a new account's quota of 10 must not refuse the default",
    "CKV_AWS_173": "functions carry the stage's name and a path, which are no secrets",
    "CKV_AWS_45": "it takes the path of the settings for a secret; tests/meta/test_package.py looks for real ones",
    "CKV_AWS_73": "tracing costs money, and dev has none",
    "CKV_AWS_76": "access logs are a parameter: an account needs a role for them first",
    "CKV_AWS_120": "answers are each user's own, and must not be kept by the gateway",
}


def templates(folder: Path) -> Iterator[tuple[str, Path]]:
    """Write the expanded template of each stage to the folder; yield (name, path) of these and of the base stack."""
    yield "base", base.TEMPLATE
    for stage in STAGES:
        if stage == "local":
            continue
        template: dict[str, Any] = build_template(stage, folder / stage)
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::Serverless::Function":
                resource["Properties"]["CodeUri"] = {"Bucket": "code-bucket", "Key": "code.zip"}
        path = folder / f"{stage}.json"
        path.write_text(json.dumps(expand(template, {}), indent=1))
        yield stage, path


def lint(path: Path) -> str:
    """Return what cfn-lint finds in a template, "" for nothing."""
    command = [str(Path(sys.executable).with_name("cfn-lint")), str(path)]
    if path != base.TEMPLATE:  # SAM's expansion writes Fn::Sub also where nothing is to be put in
        command += ["--ignore-checks", "W1020"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return ran.stdout + ran.stderr


def checkov() -> Path:
    """Return checkov; make its environment if it is missing. Raise CalledProcessError without a package index."""
    home = ROOT / "build" / "audit"
    found = home / "bin" / "checkov"
    if not (home / CHECKOV).exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, CHECKOV], check=True)
        (home / CHECKOV).touch()
    return found


def failed_checks(path: Path) -> set[tuple[str, str, str]]:
    """Return (check, what it asks for, resource) of what checkov finds, but for what is ACCEPTED."""
    command = [
        str(checkov()),
        "--file",
        str(path),
        "--framework",
        "cloudformation",
        "--output",
        "json",
        "--quiet",
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    found = json.loads(ran.stdout)["results"]["failed_checks"]
    all_failed = {(each["check_id"], each["check_name"], each["resource"]) for each in found}
    return {each for each in all_failed if each[0] not in ACCEPTED}


def main() -> None:
    failed = False
    for name, path in templates(ROOT / "build" / "templates"):
        found = [
            lint(path),
            *(f"{check} {asked}: {resource}" for check, asked, resource in failed_checks(path)),
        ]
        told = "\n".join(filter(None, found))
        print(f"{name}: {told or 'nothing found'}")
        failed = failed or bool(told)
    sys.exit(failed)


if __name__ == "__main__":
    main()
