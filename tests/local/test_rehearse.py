"""`make rehearse`: a stage from nothing to nothing in an emulated account, by the documented commands."""

import os
import subprocess
import sys

import pytest

from deploy.package import CannotPackage, find_python
from deploy.policies import ROOT
from local.children import free_port


@pytest.mark.slow
def test_a_stage_is_deployed_used_and_deleted() -> None:
    try:
        find_python()
    except CannotPackage as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))
    command = [sys.executable, "-m", "local.rehearse", "--stage", "dev", "--port", str(free_port())]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    last = ran.stdout.splitlines()[-1]
    assert last.startswith("Held for collections: ") and "Only linted: " in last
