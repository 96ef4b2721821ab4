"""`python -m tests.chaos [--seed N] [--size N]`, `make chaos`: the long form, with all figures."""

import argparse
import os
import secrets
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from tests.chaos.scenarios import run_backlog, run_chaos, run_poison


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(10**6), help="of all that is random; printed"
    )
    parser.add_argument("--size", type=int, default=1000, help="uploads in the chaos; 1000 when not given")
    given = parser.parse_args()
    if given.size < 100:
        parser.error("--size: at least 100; among fewer, one call that had to be repeated is over the bound")
    print(f"seed {given.seed}", flush=True)

    def say(line: str) -> None:
        print(line, flush=True)

    reports = []
    for run in (
        lambda: run_chaos(seed=given.seed, size=given.size, say=say),
        lambda: run_backlog(seed=given.seed, size=3000),
        lambda: run_poison(seed=given.seed, size=200),
    ):
        reports.append(run())
        print(reports[-1], flush=True)
    return 1 if any(report.wrong for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
