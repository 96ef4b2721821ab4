#!/bin/sh
# Deploys a stage, from an empty account or again. --help lists the flags; without them it asks.
exec "$(dirname "$0")/run.sh" deploy.deploy "$@"
