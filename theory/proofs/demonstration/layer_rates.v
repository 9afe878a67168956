(** A rate at which every state of a Mamba-1 layer forgets, over all residual streams, from stored bits: the linear
    relaxation with slope 1/2, which needs no transcendental function, since silu(q) lies between q/2 and q/2 + |q|/2.
    One exp is computed for the layer. theory/theorems/universal_domain.md, section 4 (c) and section 5 *)
From Coq Require Import ZArith Bool List.
From Lyap Require Import dyadic exponential_bounds floating_formats packed_products quantised_products input_checks
  front_checks weighted_ranges approximate_matrices mamba1_functionals collected check_mamba1 plain_products.
Import ListNotations.
Open Scope Z_scope.

(** Scales at which numbers are rounded to integers, and bits of scalars. Sound whatever they are. *)
Record accuracy := Accuracy {
  in_scale : Z;      (** in_proj times the norm's gain *)
  tap_scale : Z;     (** x_proj times half a tap *)
  tap_drop : Z;      (** bits dropped from the product of the two *)
  x_scale : Z; dt_scale : Z; rest_scale : Z;
  scalar_bits : Z
}.

(** * What silu leaves over q/2 *)

(** The constant part of channel k plus what the line leaves, and half the taps, newest first. *)
Record half_input := HalfInput { rest_over : range; half_taps : list dyadic }.
Definition no_half : half_input := HalfInput (point zero) [].

Definition half_input_of (P : Z) (d : front_data) (reached : dyadic) (k : nat) : option half_input :=
  let* taps := channel_taps d k in
  let* beta := optional_number (conv_bias_row d) k in
  let reach := round_up P (multiply (sum_of_dyadics (map absolute taps)) reached) in
  let half := scale2 (-1) beta in
  Some (HalfInput (Range half (add half (scale2 (-1) (add (absolute beta) reach)))) (map (scale2 (-1)) taps)).

(** * The layer *)

Definition tap_matrix (a : accuracy) (d : mamba1_data) (W : matrix) (magnitude : Z) (hs : list half_input) (j : nat)
  : option matrix :=
  let factors := map (fun h => nth j (half_taps h) zero) hs in
  let* A := scaled_rows (tap_scale a) (x_format d) (x_row d) factors 0 (rank_count d) in
  let* U := stack (tap_scale a + m_scale W)
    (map (fun q => plain_times (data_width (front_part d)) magnitude (row_vector (Matrix (tap_scale a) 1 A) q) W)
         (seq 0 (rank_count d))) in
  Some (coarse_matrix (Z.max 0 (tap_drop a)) U).

Record tap_part := TapPart { tap_rows : matrix; tap_magnitude : Z; tap_gram : list (list Z) }.
Definition tap_part_of (m : matrix) : tap_part := TapPart m (magnitudes (m_rows m)) (gram (m_rows m)).

(** Below p, for channel i. *)
Definition preactivation_below (P : Z) (d : mamba1_data) (taps : list tap_part) (X : matrix) (X_magnitude : Z)
  (rest : spread) (a : vector) (i : nat) : option dyadic :=
  let* bias := number_at (fst (dt_bias_row d)) (snd (dt_bias_row d)) i in
  let omega := plain_times (inner_count d) X_magnitude a X in
  let reached := map (fun t => product_reach P (Z.of_nat (data_width (front_part d))) (tap_magnitude t) (tap_gram t) a
                                 (tap_rows t)) taps in
  Some (subtract (add bias (lower (weighted_over (v_error omega) (v_scale omega) (v_entries omega) rest)))
                 (sum_of_dyadics reached)).

(** The smallest A_log of channel i. *)
Definition least_A_log (d : mamba1_data) (i : nat) : option dyadic :=
  let* As := collect (number_at (A_log_format d) (A_log_row d i)) 0 (state_count d) in
  Some (fold_left smaller As (Dyadic 1 16)).

Definition far_left : dyadic := of_integer (-40).

Definition channel_log_rate (P : Z) (d : mamba1_data) (taps : list tap_part) (X : matrix) (X_magnitude : Z)
  (rest : spread) (dt : matrix) (i : nat) : option dyadic :=
  let* p := preactivation_below P d taps X X_magnitude rest (row_vector dt i) i in
  let* A := least_A_log d i in
  Some (add A (smaller p far_left)).

Definition layer_log_rate (a : accuracy) (d : mamba1_data) : option dyadic :=
  let P := scalar_bits a in
  let front := front_part d in
  let n := inner_count d in
  let* gains := decode_row (gain_format front) (gain_row front) in
  let* W := scaled_rows (in_scale a) (in_format front) (fun k => in_row front (feeding_row front k)) gains 0 n in
  let W := Matrix (in_scale a) 1 W in
  let* hs := collect (fun k => half_input_of P front (ball_reach P (row_vector W k)) k) 0 n in
  let W_magnitude := magnitudes (m_rows W) in
  let* U := collect (tap_matrix a d W W_magnitude hs) 0 (data_taps front) in
  let taps := map tap_part_of U in
  let* X := scaled_rows (x_scale a) (x_format d) (x_row d) (repeat one n) 0 (rank_count d) in
  let X := Matrix (x_scale a) 1 X in
  let X_magnitude := magnitudes (m_rows X) in
  let* dt := scaled_rows (dt_scale a) (dt_format d) (dt_row d) (repeat one (rank_count d)) 0 n in
  let dt := Matrix (dt_scale a) 1 dt in
  let rest := spread_of (rest_scale a) (map rest_over hs) in
  let* rates := collect (channel_log_rate P d taps X X_magnitude rest dt) 0 n in
  Some (fold_left smaller rates zero).

(** Widths agree, epsilon > 0, in_proj has no bias. *)
Definition plain_layer (d : mamba1_data) : bool :=
  (0 <? data_width (front_part d))%nat && (0 <? mantissa (epsilon (front_part d)))
  && (length (gain_row (front_part d)) =? data_width (front_part d))%nat
  && match in_bias_row (front_part d) with None => true | Some _ => false end.

(** alpha Delta >= c for every channel, state, stream and step. *)
Definition layer_rate_at_least (a : accuracy) (d : mamba1_data) (c : dyadic) : bool :=
  plain_layer d && (0 <? mantissa c) &&
  match layer_log_rate a d with
  | Some l => at_most c (multiply (lower (exp_range (scalar_bits a) l)) (subtract one (Dyadic 1 (-41))))
  | None => false
  end.
