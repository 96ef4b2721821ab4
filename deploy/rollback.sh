#!/bin/sh
# Deploys the code of an earlier revision to a stage. --help lists the flags.
exec "$(dirname "$0")/run.sh" deploy.rollback "$@"
