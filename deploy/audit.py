"""Checks the templates of every stage with cfn-lint and checkov, and Terraform's with terraform: `make audit`.

checkov lives in an environment of its own, build/audit, as beside this project's pins pip falls back to an old one.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy import base, terraform
from deploy.package import build_template, build_terraform
from deploy.policies import ROOT, STAGES
from deploy.script import say
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


def lint(paths: Sequence[Path], *options: str) -> str:
    """Return what cfn-lint finds in the templates, "" for nothing."""
    command = [str(Path(sys.executable).with_name("cfn-lint")), *map(str, paths), *options]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return ran.stdout + ran.stderr


def checkov() -> Path:
    """Return checkov; make its environment if it is missing. Raise CalledProcessError without a package index."""
    home = ROOT / "build" / "audit"
    found = home / "bin" / "checkov"
    if not (home / CHECKOV).exists():
        say(f"installing {CHECKOV} into build/audit, once")
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, CHECKOV], check=True)
        (home / CHECKOV).touch()
    return found


def failed_checks(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return what checkov finds, in one run that asks nobody on the network."""
    command = [str(checkov()), "--framework", "cloudformation", "--output", "json", "--compact"]
    command += ["--skip-download", "--quiet", "--file", *map(str, paths)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    found: list[dict[str, Any]] = json.loads(ran.stdout)["results"]["failed_checks"]
    return found


def told(failed: Sequence[Mapping[str, Any]]) -> str:
    """Return what of checkov's findings is not ACCEPTED, and what is accepted and is not found any more."""
    unknown = {
        f"{each['file_path']}: {each['check_id']} {each['check_name']}: {each['resource']}"
        for each in failed
        if each["check_id"] not in ACCEPTED
    }
    stale = ACCEPTED.keys() - {each["check_id"] for each in failed}
    return "\n".join(
        sorted(unknown) + [f"{check} is accepted and not found: take it out" for check in sorted(stale)]
    )


def main() -> None:
    paths = dict(templates(ROOT / "build" / "templates"))
    stages = [path for name, path in paths.items() if name != "base"]
    results = {
        "cfn-lint, base stack": lint([base.TEMPLATE]),
        # SAM's expansion writes Fn::Sub also where nothing is to be put in.
        "cfn-lint, stages": lint(stages, "--ignore-checks", "W1020"),
        "checkov": told(failed_checks([base.TEMPLATE, *stages])),
    }
    for tool, found in results.items():
        say(f"{tool}: {found or 'nothing found'}")
    folder = ROOT / "build" / "templates" / "terraform"
    build_terraform("dev", folder, has_libraries=False)
    is_valid, told_by_terraform = terraform.validate(folder)
    say(f"terraform: {told_by_terraform}")
    sys.exit(any(results.values()) or not is_valid)


if __name__ == "__main__":
    main()
