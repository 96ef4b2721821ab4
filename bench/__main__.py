"""Runs the benchmarks that need no data from outside. Exits with 1 if a budget is missed.

The quality of search needs a test set: python -m bench.retrieval FOLDER
"""

import argparse
import subprocess
import sys
from pathlib import Path

SAMPLES = str(Path(__file__).resolve().parent.parent / "samples")
MEASUREMENTS = [
    ["bench.startup"],
    ["bench.request"],
    ["bench.api"],
    ["bench.gateway"],
    ["bench.search"],
    ["bench.ingest", SAMPLES],
    ["bench.pipeline"],
    ["bench.jobs"],
]


def main() -> int:
    argparse.ArgumentParser(prog="python -m bench", description=__doc__).parse_args()
    missed = []
    for module, *arguments in MEASUREMENTS:
        print(f"\n{module}", flush=True)
        # Each runs in its own process: imports and caches of one benchmark would speed up the next.
        if subprocess.run([sys.executable, "-m", module, *arguments], check=False).returncode:
            missed.append(module)
    print(f"\nbudgets missed: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
