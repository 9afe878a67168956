(** The checker of a Mamba-1 layer by the interval and linear relaxations: raw bits of its tensors, the lines under silu and
    the claims of its channels, accepted, imply the claims for every residual stream, both step-size programs and every
    channel and state. *)
From Coq Require Import ZArith Reals Lra Lia Bool List.
From Lyap Require Import finite_sums silu_shape norm_ball selective_recurrence dyadic silu_ranges floating_formats
  packed_integers packed_products quantised_products mamba2_block step_size_checks block_input input_checks front_checks
  channel_claims channel_claims_sound weighted_ranges approximate_matrices linear_relaxation mamba1_block
  mamba1_functionals collected gram_reach.
Import ListNotations.
Open Scope Z_scope.
Opaque exponential_bounds.exp_range silu_range silu_input_over.

(** * What all channels share *)

Record prepared := Prepared {
  inputs : list range;               (** x per channel *)
  interval_spread : spread;
  rest_spread : spread;
  x_packed : packed_matrix;          (** the rows of x_proj that lead to the step size *)
  tap_grams : list gram;             (** per tap, newest first: those rows of x_proj diag(slope c) W diag(g) *)
  B_ranges : list range;
  C_ranges : list range
}.

Definition decode_row (f : format) (row : list Z) : option (list dyadic) :=
  let* ds := decode_reversed f row [] in Some (rev_append ds []).

Lemma decode_row_value (f : format) (row : list Z) (ds : list dyadic) : decode_row f row = Some ds ->
  length ds = length row /\ forall i, (i < length row)%nat -> row_value f row i = value (nth i ds zero).
Proof.
  unfold decode_row; destruct (decode_reversed f row []) as [reversed|] eqn:H; [|discriminate]; intro Hd; injection Hd as <-.
  destruct (decode_reversed_spec f row [] reversed H) as [numbers [-> [Hlen Hvalue]]].
  rewrite !rev_append_rev, !app_nil_r, rev_involutive; split; assumption.
Qed.

Fixpoint rows_size (f : format) (row_of : nat -> list Z) (first count : nat) : Z :=
  match count with O => -1100 | S count => Z.max (row_size f (row_of first)) (rows_size f row_of (S first) count) end.

Definition no_vector : vector := Vector 0 0 [].
Definition no_gram : gram := Gram 0 0 0 [] 0.

(** Rows of x_proj diag(slope c_j) W diag(g), one vector each. *)
Definition tap_vectors (d : mamba1_data) (G : packed_matrix) (x_size : Z) (cs : list channel_input) (j : nat)
  : option (list vector) :=
  let factors := map (fun c => nth j (sloped_taps c) zero) cs in
  let rows := (rank_count d + 2 * state_count d)%nat in
  let s := digits - (x_size + largest_size factors) in
  let* A := scaled_rows s (x_format d) (x_row d) factors 0 rows in
  collect (fun q => times (data_width (front_part d)) (row_vector (Matrix s 1 A) q) G) 0 rows.

Definition spread_digits : Z := 60.

Definition prepare (P : Z) (d : mamba1_data) (lines : list line) : option prepared :=
  let front := front_part d in
  let rows := (rank_count d + 2 * state_count d)%nat in
  if (length lines =? inner_count d)%nat then
    let* gain := quantised_gain front in
    let* cs := channel_inputs P front gain 0 lines in
    let* gains := decode_row (gain_format front) (gain_row front) in
    let row_of k := in_row front (feeding_row front k) in
    let s_in := digits - (rows_size (in_format front) row_of 0 (inner_count d) + largest_size gains) in
    let* W := scaled_rows s_in (in_format front) row_of gains 0 (inner_count d) in
    let G := pack_matrix (Matrix s_in 1 W) in
    let x_size := rows_size (x_format d) (x_row d) 0 rows in
    let s_x := digits - x_size in
    let* X := scaled_rows s_x (x_format d) (x_row d) (repeat one (inner_count d)) 0 rows in
    let* U := collect (tap_vectors d G x_size cs) 0 (data_taps front) in
    let* stacked := collect (fun j =>
      let vs := firstn (rank_count d) (nth j U []) in stack (v_scale (nth 0 vs no_vector)) vs) 0 (data_taps front) in
    let xs := map x_range cs in
    let rests := map rest_range cs in
    let interval := spread_of (spread_digits - largest_size (map magnitude xs)) xs in
    let rest := spread_of (spread_digits - largest_size (map magnitude rests)) rests in
    let range_of q :=
      let reached := sum_of_dyadics (map (fun u => ball_reach P (nth q u no_vector)) U) in
      Some (functional_over (row_vector (Matrix s_x 1 X) q) interval rest reached) in
    let* B := collect range_of (rank_count d) (state_count d) in
    let* C := collect range_of (rank_count d + state_count d) (state_count d) in
    Some (Prepared xs interval rest (pack_matrix (Matrix s_x 1 (firstn (rank_count d) X))) (map gram_of stacked) B C)
  else None.

(** * One channel *)

Definition no_limits : dyadic_limits := DyadicLimits zero None.

Definition step_vector (d : mamba1_data) (i : nat) : option vector :=
  if (length (dt_row d i) =? rank_count d)%nat then
    let* q := quantise_stored digits (dt_format d) (dt_row d i) in Some (Vector (scale q) 1 (entries q))
  else None.

Definition preactivation_over (P : Z) (d : mamba1_data) (pr : prepared) (i : nat) : option range :=
  let* v := step_vector d i in
  let* omega := times (inner_count d) v (x_packed pr) in
  let* reached := collect (fun j =>
    gram_reach P (Z.of_nat (data_width (front_part d))) v (nth j (tap_grams pr) no_gram)) 0 (data_taps (front_part d)) in
  let* bias := number_at (fst (dt_bias_row d)) (snd (dt_bias_row d)) i in
  Some (range_add (point bias)
    (functional_over (shrink omega) (interval_spread pr) (rest_spread pr) (sum_of_dyadics reached))).

Definition channel_states (P : Z) (d : mamba1_data) (B C : list range) (i : nat) : option (list state_domain) :=
  collect (fun n =>
    let* A := number_at (A_log_format d) (A_log_row d i) n in
    let* alpha := alpha_range P A in
    Some (StateDomain A alpha (magnitude (nth n B (point zero))) (magnitude (nth n C (point zero))))) 0 (state_count d).

Definition test_mamba1_channel (P : Z) (d : mamba1_data) (pr : prepared) (i : nat) (c : channel_claims) : recurrence_tests :=
  match channel_states P d (B_ranges pr) (C_ranges pr) i with
  | Some states =>
      RecurrenceTests
        (match preactivation_over P d pr i with
         | Some p => range_within p (Range (p_lower c) (p_upper c))
         | None => false
         end)
        (test_channel P no_limits (magnitude (nth i (inputs pr) (point zero))) states c)
  | None => nothing_ok
  end.

Definition mamba1_well_formed (d : mamba1_data) : bool :=
  (0 <? data_width (front_part d))%nat && (0 <? mantissa (epsilon (front_part d)))
  && (length (snd (dt_bias_row d)) =? inner_count d)%nat.

Definition test_mamba1_layer (P : Z) (d : mamba1_data) (lines : list line) (claims : nat -> channel_claims)
  : list recurrence_tests :=
  if mamba1_well_formed d then
    match prepare P d lines with
    | Some pr => map (fun i => test_mamba1_channel P d pr i (claims i)) (seq 0 (inner_count d))
    | None => []
    end
  else [].

(** Every claim about channel i, for every input and both programs. *)
Definition channel_claimed (d : mamba1_data) (c : channel_claims) (i : nat) : Prop :=
  let b := mamba1_of d in
  forall (f : R -> R) (r : stream), step_program f ->
  channel_statement c (state_count d) (A_log_of b i)
    (fun t => clamped (limits_of no_limits) (f (mamba1_block.preactivation b r t i)))
    (fun t => mamba1_block.preactivation b r t i)
    (fun n t => mamba1_block.B_at b r t n) (fun n t => mamba1_block.C_at b r t n) (fun t => mamba1_block.x_at b r t i).
