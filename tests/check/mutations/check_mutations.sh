#!/usr/bin/env bash
# COUNT forged certificates and models for both engines. Usage: check_mutations.sh SOURCE_DIR PROGRAM_DIR WORK_DIR COUNT
set -euo pipefail
command -v python3 >/dev/null || { echo "skipped: no python3"; exit 77; }
mkdir -p "$(dirname "$3")"
exec python3 -B "$1/tests/check/mutations/mutate.py" "$2" "$1" "$3" --count "$4" --jobs "${LYAP_TEST_JOBS:-1}" --report "$3.json"
