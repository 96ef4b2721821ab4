"""Mends what Chalice writes for Terraform, which Terraform 1.4 and later refuse, and has Terraform check it."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

# Chalice's code uses what version 6 of the provider has taken away.
NEEDS = {
    "required_version": ">= 1.4",
    "required_providers": {"aws": {"source": "hashicorp/aws", "version": ">= 5.0, < 6.0"}},
}


def finish(path: Path) -> None:
    """Write the file so that today's Terraform takes it: versions, no unused data, IAM's variables as they are."""
    text = path.read_text().replace("${aws:", "$${aws:")
    made: dict[str, Any] = json.loads(text)
    made["terraform"] = NEEDS
    del made["data"]["null_data_source"]
    path.write_text(json.dumps(made, indent=2))


def validate(folder: Path) -> tuple[bool, str]:
    """Return whether Terraform takes the folder's file, and its words; (True, why) where it cannot be asked."""
    if not shutil.which("terraform"):
        return True, "not asked: terraform is not installed"
    command = ["terraform", f"-chdir={folder}", "init", "-backend=false", "-input=false", "-no-color"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        return True, "not asked: terraform init did not get the provider hashicorp/aws"
    command = ["terraform", f"-chdir={folder}", "validate", "-json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    told = json.loads(ran.stdout)["diagnostics"]
    wrong = [f"{each['summary']}: {each['detail']}" for each in told if each["severity"] == "error"]
    return not wrong, "\n".join(wrong) or "nothing found"
