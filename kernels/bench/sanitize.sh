#!/bin/sh
# Runs a kernel bench's short checks under compute-sanitizer. Usage: sanitize.sh PROGRAM [ARGUMENT...]; needs a GPU.
set -eu
for tool in memcheck racecheck initcheck; do
  echo "== $tool"
  compute-sanitizer --tool "$tool" --error-exitcode 1 "$@" | tail -n 3
done
