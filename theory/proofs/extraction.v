(** The checker as OCaml. Integers become Zarith's, nat becomes int (sizes of tensors only). *)
From Coq Require Import ZArith List.
From Coq Require Extraction ExtrOcamlBasic ExtrOcamlZBigInt ExtrOcamlNatInt.
From Lyap Require Import dyadic floating_formats step_size_checks front_checks channel_claims
  mamba1_functionals check_mamba2 check_mamba1 check_vocabulary.
Extraction Language OCaml.

(** integers.ml: bit length, floor of the root, parity. *)
Extract Constant Z.log2 => "Integers.log2".
Extract Constant Z.sqrt => "Integers.square_root".
Extract Constant Z.even => "Integers.is_even".

Extraction "extracted.ml" Z.of_nat Z.to_nat float16 bfloat16 float32 float64 decode claims_of_patterns accepted
  check_mamba2.well_formed check_mamba2.test_layer
  check_mamba1.mamba1_well_formed check_mamba1.prepare check_mamba1.test_mamba1_channel check_mamba1.test_mamba1_layer
  check_vocabulary.token_ranges check_vocabulary.token_input_over check_vocabulary.prepare_vocabulary
  check_vocabulary.test_vocabulary_channel channel_taps silu_input_over.
