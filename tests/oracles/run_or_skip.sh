#!/bin/sh
# run_or_skip.sh PYTHON "PACKAGE ..." SCRIPT [ARGUMENT ...]: runs the script; exit status 77, which CTest reports as skipped, where the Python or a
# package is not there.
python=$1 packages=$2 script=$3
shift 3
for package in $packages; do
  if ! "$python" -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('$package') is None)" 2>/dev/null; then
    echo "skipped: $python has no package $package, so $script was not run (LYAP_ORACLE_PYTHON, tests/oracles/README.md)"
    exit 77
  fi
done
exec "$python" "$script" "$@"
