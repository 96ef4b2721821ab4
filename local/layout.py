"""Locations and settings of the local stack: account, region, ports, directories and environment variables."""

import json
from dataclasses import dataclass
from pathlib import Path

ACCOUNT = "000000000000"
REGION = "us-east-1"
ACCESS_KEY = "local"
SECRET_KEY = "local"
STAGE = "local"
DEFAULT_PORT = 8000


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """Five consecutive ports of 127.0.0.1, the API's first."""

    api: int

    @property
    def aws(self) -> int:
        return self.api + 1

    @property
    def postgres(self) -> int:
        return self.api + 2

    @property
    def models(self) -> int:
        return self.api + 3

    @property
    def runtime(self) -> int:
        return self.api + 4

    def rewrite(self, text: str) -> str:
        """Return `text` with the addresses of the default ports replaced by addresses of these ports."""
        defaults = Ports(api=DEFAULT_PORT)
        # The ranges of ports may overlap, so a single pass could replace an address that it has just written.
        for name in ("api", "aws", "postgres", "models", "runtime"):
            text = text.replace(f"127.0.0.1:{getattr(defaults, name)}", f"127.0.0.1:<{name}>")
        for name in ("api", "aws", "postgres", "models", "runtime"):
            text = text.replace(f"127.0.0.1:<{name}>", f"127.0.0.1:{getattr(self, name)}")
        return text


@dataclass(frozen=True, kw_only=True, slots=True)
class Folders:
    """The directories of a stack under its state directory, and the project that it runs."""

    state: Path
    project: Path

    @property
    def stage_copy(self) -> Path:
        return self.state / "stage"

    @property
    def objects(self) -> Path:
        return self.state / "s3"

    @property
    def queue(self) -> Path:
        return self.state / "queue"

    @property
    def mail(self) -> Path:
        return self.state / "mail"

    @property
    def logs(self) -> Path:
        return self.state / "logs"


def stage_settings(project: Path) -> dict[str, str]:
    """Return the environment variables of every function in the stage `local`, from the project's config."""
    config = json.loads((project / ".chalice" / "config.json").read_text())
    stage = config["stages"][STAGE]
    return {**config.get("environment_variables", {}), **stage.get("environment_variables", {})}


def aws_environment(aws_port: int) -> dict[str, str]:
    """Return the environment variables with which boto3 and the AWS command line call the emulator, not AWS."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{aws_port}",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
    }
