"""The stage dev, deployed by `chalice deploy` into an emulated account; its functions are this project's own."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.policies import operators_prefix, parameter_prefix
from local.base import create_bucket, create_queues, create_tables
from local.deploy import deploy, make_stage_copy
from local.layout import ACCOUNT, Folders, Ports, aws_environment
from tests.support.emulated import Emulated, emulated_aws

STAGE = "dev"
BUCKET = f"collections-images-{STAGE}-{ACCOUNT}"
SECRET = "a secret of the tests, 32 bytes long"
TABLES = {
    "SESSIONS_TABLE": f"collections-sessions-{STAGE}",
    "RATE_LIMITS_TABLE": f"collections-rate-limits-{STAGE}",
}
PROJECT = Path(__file__).resolve().parents[2]


@dataclass(kw_only=True)
class Deployed:
    """The deployed stage: its account, and its own copy of the project."""

    aws: Emulated
    copy: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables with which AWS' tools ask the emulated account."""
        return aws_environment(self.aws.emulator.port)

    def client(self, service: str) -> Any:
        return self.aws.client(service)

    def put(self, path: str, **values: str) -> None:
        for name, value in values.items():
            self.client("ssm").put_parameter(
                Name=f"{path}/{name}", Value=value, Type="SecureString", Overwrite=True
            )


def make_base(aws: Emulated) -> None:
    """Make what deploy/base.yaml makes, in a fraction of its time."""
    port = aws.emulator.port
    create_bucket(BUCKET, aws_port=port)
    create_queues(STAGE, aws_port=port)
    create_tables(TABLES, aws_port=port)


@contextmanager
def deployed_stage(
    state: Path, *, owner_url: str, app_url: str, make_base: Callable[[Emulated], None] = make_base
) -> Iterator[Deployed]:
    """Deploy dev with these URLs of one migrated database."""
    folders = Folders(state=state, project=PROJECT)
    copy = make_stage_copy(folders, Ports(api=8000))
    with emulated_aws(state, project=copy) as aws:
        make_base(aws)
        found = Deployed(aws=aws, copy=copy)
        found.put(parameter_prefix(STAGE), DATABASE_URL=app_url, IMAGES_BUCKET=BUCKET, SESSION_SECRET=SECRET)
        found.put(operators_prefix(STAGE), MIGRATION_DATABASE_URL=owner_url)
        deploy(copy, aws_port=aws.emulator.port, log=state / "deploy.log", stage=STAGE)
        yield found
