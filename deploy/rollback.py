"""Deploys the code of an earlier revision to a stage; the base stack, the settings and the schema stay.

deploy/rollback.sh --stage production                to the commit before
deploy/rollback.sh --stage production --to v1.4.0    to a tag, a branch or a commit

Each migration works with the code of the release before it, so that one release can be gone back safely; to go
further, read what the migrations between say. It deploys from a fresh checkout; this one is left as it is.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from deploy.policies import ROOT, STAGES
from deploy.script import Stopped, say, told


def git(*arguments: str) -> str:
    ran = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise Stopped(f"git {' '.join(arguments)} failed: {ran.stderr.strip()}")
    return ran.stdout.strip()


def same_requirements(checkout: Path) -> bool:
    """Return whether the environment that packages this checkout packages that one too."""
    names = ("requirements.txt", "requirements-dev.txt")
    return all((checkout / name).read_bytes() == (ROOT / name).read_bytes() for name in names)


def deploy_checkout(checkout: Path, stage: str) -> None:
    """Deploy the code in this checkout, knowing what is deployed now, and keep what it then says is deployed."""
    state = Path(".chalice", "deployed", f"{stage}.json")
    if (ROOT / state).exists():
        (checkout / state).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / state, checkout / state)
    if (ROOT / ".venv-package").exists() and same_requirements(checkout):
        (checkout / ".venv-package").symlink_to(ROOT / ".venv-package")
    python = Path(os.environ.get("PROJECT_PYTHON", ROOT / ".venv" / "bin" / "python")).absolute()
    environment = {**os.environ, "PROJECT_PYTHON": str(python)}
    command = [str(checkout / "deploy" / "deploy.sh"), "--stage", stage, "--code-only"]
    ran = subprocess.run(command, env=environment, check=False)
    if (checkout / state).exists():
        (ROOT / state).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(checkout / state, ROOT / state)
    if ran.returncode:
        raise Stopped("the earlier revision could not be deployed; its reason is above.")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="deploy/rollback.sh",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stage", choices=[stage for stage in STAGES if stage != "local"], required=True)
    parser.add_argument("--to", default="HEAD~1", metavar="REVISION")
    parser.add_argument("--dry-run", action="store_true", help="show the changes that it would take back")
    arguments = parser.parse_args()
    with told():
        commit = git("rev-parse", "--verify", f"{arguments.to}^{{commit}}")
        say(git("log", "--oneline", f"{commit}..HEAD") or "nothing lies between")
        if arguments.dry_run:
            return
        with tempfile.TemporaryDirectory(prefix="collections-rollback-") as folder:
            checkout = Path(folder) / "checkout"
            git("worktree", "add", "--detach", str(checkout), commit)
            try:
                deploy_checkout(checkout, arguments.stage)
            finally:
                git("worktree", "remove", "--force", str(checkout))


if __name__ == "__main__":
    main()
