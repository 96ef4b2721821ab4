"""Findings of the doctor, and the stage that it looks at."""

from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct

from deploy.policies import lambda_name

State = Literal["ok", "wrong", "unknown"]


class Finding(Struct, frozen=True, kw_only=True):
    """The finding about one part. `mend` is what to do, empty when nothing is to be done."""

    check: str
    state: State
    found: str
    mend: str = ""


class Stage(Struct, frozen=True, kw_only=True):
    """A stage, and how to ask its account: `client` returns the boto3 client of a service, `now` is the time in s."""

    name: str
    client: Callable[[str], Any]
    now: Callable[[], float]

    @property
    def deploy(self) -> str:
        """Return the command that makes what is missing, and sets right what was changed."""
        if self.name == "local":
            return "stop make run, and start it again"
        return f"deploy/deploy.sh --stage {self.name}"

    @property
    def is_local(self) -> bool:
        return self.name == "local"

    def function(self, name: str) -> str:
        """Return the name in AWS of one of the app's functions."""
        return lambda_name(name, self.name)


Findings = list[Finding]
Check = Callable[[Stage], Findings]


def ok(check: str, found: str = "ok") -> Finding:
    return Finding(check=check, state="ok", found=found)


def wrong(check: str, found: str, mend: str) -> Finding:
    return Finding(check=check, state="wrong", found=found, mend=mend)


def unknown(check: str, found: str, mend: str = "") -> Finding:
    return Finding(check=check, state="unknown", found=found, mend=mend)
