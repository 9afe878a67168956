#!/usr/bin/env bash
# Breaks every rule of the checker's driver once. Usage: check_driver.sh SOURCE_DIR PROGRAM_DIR WORK_DIR
set -euo pipefail
check=$2/lyap-check-proved
[ -x "$check" ] || { echo "skipped: this build has no $check (it needs coqc, ocamlfind and OCaml's zarith and sha)"; exit 77; }
command -v python3 >/dev/null || { echo "skipped: no python3"; exit 77; }
exec python3 -B "$1/tests/proofs/driver_rules.py" "$check" "$2/lyap-certify" "$1/verify/examples" "$3"
