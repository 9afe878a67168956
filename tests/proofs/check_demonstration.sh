#!/usr/bin/env bash
# Writes mamba-tiny's weights as Coq files and has the kernel prove how fast their states forget; a claim 0.1 % better
# must fail. Layer 1 alone, or with "full" all layers and the whole checkpoint.
# Usage: check_demonstration.sh SOURCE_DIR WORK_DIR [full]
set -euo pipefail
proofs=$1/theory/proofs
model=$1/verify/examples/mamba-tiny
work=$2
full=${3:-}
command -v coqc >/dev/null || { echo "skipped: no coqc (Debian: coq libcoq-coquelicot libcoq-flocq)"; exit 77; }
command -v python3 >/dev/null || { echo "skipped: no python3"; exit 77; }
rm -rf "$work"
mkdir -p "$work/improved"
cp "$proofs"/*.v "$proofs"/demonstration/*.v "$work"
cd "$work"
generate() { python3 -B "$proofs/demonstration/generate.py" "$model" "$@"; }
compile() { coqc -q -w none -Q . Lyap "$1.v"; }

# What the file named $1 needs of the development.
declare -A needed=()
need() {
  local name imports
  imports=$(tr '\n' ' ' <"$1.v" | sed 's/From Lyap/\n&/g' |
    sed -nE 's/^From Lyap Require( Import| Export)? ([^.]*)\..*/\2/p')
  for name in $imports; do
    if [ -z "${needed[$name]:-}" ]; then needed[$name]=1; need "$name"; fi
  done
}
need layer_rates_sound
while read -r name; do [ -z "${needed[$name]:-}" ] || compile "$name"; done <"$proofs/order.txt"
for name in stored_words plain_products layer_rates layer_rates_sound; do compile "$name"; done

if [ "$full" = full ]; then
  generate --out .
  for file in layer_?.v; do compile "${file%.v}"; done
  compile checkpoint
  theorem=checkpoint.checkpoint_forgets
else
  generate --layer 1 --out .
  compile layer_1
  theorem=layer_1.layer_1_forgets
fi

# The literals are the checkpoint's bytes: read back by other means than the generator's.
python3 -B - "$model/model.safetensors" layer_?.v <<'PYTHON'
import json, re, sys
stored = open(sys.argv[1], "rb").read()
start = 8 + int.from_bytes(stored[:8], "little")
header = json.loads(stored[8:start])
for path in sys.argv[2:]:
    text, layer = open(path).read(), path.split("_")[1].split(".")[0]
    found = re.findall(r"\(\*\* (\S+\.(?:weight|bias)|\S+A_log).*? \*\)\nDefinition \w+ : [^:]*:= ([^%]*)%row", text)
    if len(found) != 8:
        sys.exit(f"{path}: {len(found)} tensors instead of 8")
    for name, rows in found:
        first = start + header[f"backbone.layers.{layer}.{name}"]["data_offsets"][0]
        words = re.findall(r"(?<=[x_])[0-9a-f]{8}", rows)
        data = b"".join(bytes.fromhex(word)[::-1] for word in words)
        if not words or stored[first : first + len(data)] != data:
            sys.exit(f"{path}: {name} is not what the checkpoint stores")
PYTHON

printf 'From Lyap Require %s.\nPrint Assumptions %s.\n' "${theorem%%.*}" "$theorem" >axioms.v
coqc -q -w none -Q . Lyap axioms.v >axioms.txt
grep -q '^Axioms:' axioms.txt
allowed='ClassicalDedekindReals.sig_forall_dec ClassicalDedekindReals.sig_not_dec
  FunctionalExtensionality.functional_extensionality_dep Classical_Prop.classic'
for name in $(grep -oE '^[^ :]+' axioms.txt | grep -vx Axioms); do
  case " $(echo $allowed) " in *" $name "*) ;; *) echo "$theorem rests on $name"; exit 1 ;; esac
done
cat axioms.txt

# Negative control.
generate --layer 1 --improve 1.001 --out improved
changed=$({ diff layer_1.v improved/layer_1.v || true; } | grep -c '^>')
[ "$changed" = 2 ] || { echo "the files differ in more than the rate and its comment"; exit 1; }
cp improved/layer_1.v improved.v
if compile improved >improved.txt 2>&1; then echo "a rate 0.1 % above the proved one was accepted"; exit 1; fi
grep -q 'layer_rate_at_least digits_kept layer_data rate = true' improved.txt || { cat improved.txt; exit 1; }
echo "$theorem is proved; a rate 0.1 % better is refused"
