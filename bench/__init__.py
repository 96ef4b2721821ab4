"""Benchmarks: speed as ratios within one run, and the quality of search. `python -m bench` runs them."""

import local.models  # noqa: F401  sets BLAS to one thread, before anything imports numpy
