#!/usr/bin/env bash
# Compiles theory/proofs into a folder of its own and fails where a proof breaks, something is admitted, or a headline
# theorem rests on more than the axioms of the standard reals. Usage: check_proofs.sh SOURCE_DIR WORK_DIR
set -euo pipefail
proofs=$1/theory/proofs
work=$2
command -v coqc >/dev/null || { echo "skipped: no coqc (Debian: coq libcoq-coquelicot); the proofs were not compiled"; exit 77; }
rm -rf "$work"
mkdir -p "$work"
cp "$proofs"/*.v "$work"
cd "$work"
if grep -nE '\b(Admitted|admit|Axiom|Parameter|Conjecture)\b' ./*.v; then echo "a proof is missing"; exit 1; fi
while read -r name; do coqc -q -w none -Q . Lyap "$name.v"; done <"$proofs/order.txt"
coqc -q -w none -Q . Lyap assumptions.v >assumptions.txt
theorems=$(grep -c '^Print Assumptions' assumptions.v)
answers=$(grep -cE '^(Axioms:|Closed under the global context)' assumptions.txt)
[ "$theorems" = "$answers" ] || { echo "$theorems theorems, but $answers answers"; exit 1; }
allowed='ClassicalDedekindReals.sig_forall_dec ClassicalDedekindReals.sig_not_dec
  FunctionalExtensionality.functional_extensionality_dep Classical_Prop.classic'
# Prints every axiom named in $1 that is not allowed.
foreign_axioms() {
  grep -oE "^[^ :]+" "$1" | grep -vxE 'Axioms|Closed' | sort -u | while read -r name; do
    case " $(echo $allowed) " in *" $name "*) ;; *) echo "$name" ;; esac
  done
}
printf 'Axioms:\nClassical_Prop.classic : forall P : Prop, P \\/ ~ P\nproof_of_false\n  : False\n' >control.txt
[ "$(foreign_axioms control.txt)" = proof_of_false ] || { echo "a foreign axiom would not be noticed"; exit 1; }
foreign=$(foreign_axioms assumptions.txt)
[ -z "$foreign" ] || { echo "theorems rest on something else than the standard reals: $foreign"; exit 1; }
echo "$theorems theorems rest on the standard reals alone"
