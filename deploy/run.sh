#!/bin/sh
# Runs a module of this folder with the project's environment: deploy/run.sh deploy.doctor --stage dev
cd "$(dirname "$0")/.." || exit 1
python="${PROJECT_PYTHON:-.venv/bin/python}"
if ! [ -x "$python" ]; then
  echo "Stopped: there is no $python. Run 'make setup' first; it needs Python 3.11 or newer." >&2
  exit 1
fi
exec "$python" -m "$@"
