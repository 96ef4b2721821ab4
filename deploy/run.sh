#!/bin/sh
# Runs a module of this folder with the project's environment: deploy/run.sh deploy.doctor --stage dev
cd "$(dirname "$0")/.." || exit 1
python="${PROJECT_PYTHON:-.venv/bin/python}"
if ! [ -x "$python" ]; then
  echo "Stopped: there is no $python. Run 'make setup' first; it needs Python 3.11 or newer." >&2
  exit 1
fi
# The AWS command line knows AWS_REGION, and takes it first; boto3 and Chalice know AWS_DEFAULT_REGION only.
[ -z "$AWS_REGION" ] || export AWS_DEFAULT_REGION="$AWS_REGION"
exec "$python" -m "$@"
