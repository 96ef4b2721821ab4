#!/bin/sh
# Writes a stage's settings into Parameter Store. --help lists the flags; without them it asks.
exec "$(dirname "$0")/run.sh" deploy.update_parameters "$@"
