#!/bin/sh
# Deletes a stage, in reverse order. It says what is lost, and wants the stage's name typed.
exec "$(dirname "$0")/run.sh" deploy.destroy "$@"
