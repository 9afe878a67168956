(** The checker of a model's first Mamba-1 layer over its vocabulary: every step's residual stream is an embedding. What holds
    over the ball holds here too; ranges over the tokens are met with it. Without an in_proj bias. *)
From Coq Require Import ZArith Reals Lra Lia Bool List.
From Lyap Require Import finite_sums silu_shape norm_ball dyadic silu_ranges floating_formats packed_integers
  packed_products quantised_products mamba2_block step_size_checks block_input input_checks front_checks channel_claims
  channel_claims_sound weighted_ranges approximate_matrices linear_relaxation mamba1_block mamba1_functionals collected
  check_mamba1 vocabulary vocabulary_checks token_blocks.
Import ListNotations.
Open Scope Z_scope.
Opaque exponential_bounds.exp_range silu_range.

Record vocabulary_data := VocabularyData { token_count : nat; embedding_format : format; embedding_row : nat -> list Z }.

(** * What the convolution can be, from the range of a token's contribution *)

Fixpoint sum_of_ranges (rs : list range) : range :=
  match rs with [] => point zero | r :: rs => range_add r (sum_of_ranges rs) end.

Definition token_input_over (P : Z) (d : front_data) (k : nat) (taps : list dyadic) (token : range) : option range :=
  let* beta := optional_number (conv_bias_row d) k in
  let reach := range_hull token (point zero) in
  Some (range_round P (range_add (point beta) (sum_of_ranges (map (fun c => range_multiply (point c) reach) taps)))).

Definition token_channel (P : Z) (d : front_data) (k : nat) (l : line) (token : range) : option channel_input :=
  let* taps := channel_taps d k in
  let* q := token_input_over P d k taps token in
  let* c := constant_over d k taps in
  if line_accepted P q l
  then Some (ChannelInput (silu_range P (lower q) (upper q))
    (range_round P (range_add (range_multiply (point (slope l)) c) (Range (gap_lower l) (gap_upper l))))
    (map (multiply (slope l)) taps))
  else None.

Fixpoint token_channels (P : Z) (d : front_data) (first : nat) (lines : list line) (tokens : list range)
  : option (list channel_input) :=
  match lines, tokens with
  | [], _ => Some []
  | l :: lines, token :: tokens =>
      let* c := token_channel P d first l token in
      let* rest := token_channels P d (S first) lines tokens in Some (c :: rest)
  | _, _ => None
  end.

(** * Over the blocks of the vocabulary *)

(** Tokens of one product; their numbers at scale 2^-[token_scale]. *)
Definition block_step : nat := 256.
Definition token_scale : Z := 52.

Section Layer.
Variable P : Z.
Variable d : mamba1_data.
Variable voc : vocabulary_data.

Definition tokens_of_block (first count : nat) : option packed_matrix :=
  let* m := block_matrix P token_scale (data_width (front_part d)) (epsilon (front_part d)) (embedding_format voc)
    (embedding_row voc) first count in
  Some (pack_matrix m).

(** The range of every projected row of W diag(g), (d_inner). *)
Definition projected_ranges (W : matrix) (first count : nat) : option (list range) :=
  let* T := tokens_of_block first count in
  collect (fun k => let* u := times count (row_vector W k) T in Some (range_of_vector u)) 0 (inner_count d).

(** The range of one tap's functionals, from its rows: the step sizes', then the components of B and of C. *)
Definition tap_ranges (U : matrix) (first count : nat) : option (list range) :=
  let* T := tokens_of_block first count in
  let* zs := collect (fun q => times count (row_vector U q) T) 0 (rank_count d + 2 * state_count d) in
  let low := firstn (rank_count d) zs in
  let* Z := stack (v_scale (nth 0 low no_vector)) low in
  let packed := pack_matrix Z in
  let* steps := collect (fun i =>
    let* v := step_vector d i in
    let* u := times count v packed in Some (range_of_vector u)) 0 (inner_count d) in
  let* others := collect (fun q => Some (range_of_vector (nth (rank_count d + q) zs no_vector))) 0 (2 * state_count d) in
  Some (steps ++ others).

Record vocabulary_prepared := VocabularyPrepared {
  token_inputs : list range;
  token_interval : spread;
  token_rest : spread;
  token_taps : list range;     (** the taps' sum, per functional *)
  token_B : list range;
  token_C : list range
}.

Fixpoint sum_lists (lists : list (list range)) (count : nat) : list range :=
  match lists with
  | [] => repeat (point zero) count
  | l :: lists => map (fun p => range_add (fst p) (snd p)) (combine l (sum_lists lists count))
  end.

Definition functional_over_taps (v : vector) (interval rest : spread) (taps : range) : range :=
  range_meet (weighted_over (v_error v) (v_scale v) (v_entries v) interval)
    (range_add (weighted_over (v_error v) (v_scale v) (v_entries v) rest) taps).

Definition functional_count : nat := (inner_count d + 2 * state_count d)%nat.

Definition blocks_of (of_block : nat -> nat -> option (list range)) : option (list range) :=
  over_blocks of_block block_step (S (token_count voc)) 0 (token_count voc).

(** Absent taps are zero; the current token is never absent. *)
Definition tap_over_blocks (us : list (list vector)) (j : nat) : option (list range) :=
  let vs := nth j us [] in
  let* U := stack (v_scale (nth 0 vs no_vector)) vs in
  let* rs := blocks_of (tap_ranges U) in
  Some (if (j =? 0)%nat then rs else map (fun r => range_hull r (point zero)) rs).

(** [lines] belong to the ranges over tokens; [tokens] are the ranges of [projected_ranges] over all blocks. *)
Definition projection_matrix : option matrix :=
  let front := front_part d in
  if (length (gain_row front) =? data_width front)%nat then
    let* gains := decode_row (gain_format front) (gain_row front) in
    let row_of k := in_row front (feeding_row front k) in
    let s := digits - (rows_size (in_format front) row_of 0 (inner_count d) + largest_size gains) in
    let* W := scaled_rows s (in_format front) row_of gains 0 (inner_count d) in Some (Matrix s 1 W)
  else None.

Definition token_ranges : option (list range) := let* W := projection_matrix in blocks_of (projected_ranges W).

Definition prepare_vocabulary (tokens : list range) (lines : list line) : option vocabulary_prepared :=
  let front := front_part d in
  let rows := (rank_count d + 2 * state_count d)%nat in
  match in_bias_row front with
  | Some _ => None
  | None =>
    if (length lines =? inner_count d)%nat && (0 <? token_count voc)%nat && (0 <? data_taps front)%nat then
      let* cs := token_channels P front 0 lines tokens in
      let* W := projection_matrix in
      let x_size := rows_size (x_format d) (x_row d) 0 rows in
      let s_x := digits - x_size in
      let* X := scaled_rows s_x (x_format d) (x_row d) (repeat one (inner_count d)) 0 rows in
      let* U := collect (tap_vectors d (pack_matrix W) x_size cs) 0 (data_taps front) in
      let* taps := collect (tap_over_blocks U) 0 (data_taps front) in
      let xs := map x_range cs in
      let rests := map rest_range cs in
      let interval := spread_of (spread_digits - largest_size (map magnitude xs)) xs in
      let rest := spread_of (spread_digits - largest_size (map magnitude rests)) rests in
      let sums := sum_lists taps functional_count in
      let range_of q := Some (functional_over_taps (row_vector (Matrix s_x 1 X) q) interval rest
        (nth (inner_count d + (q - rank_count d)) sums (point zero))) in
      let* B := collect range_of (rank_count d) (state_count d) in
      let* C := collect range_of (rank_count d + state_count d) (state_count d) in
      Some (VocabularyPrepared xs interval rest sums B C)
    else None
  end.

Definition meet_lists (rs ss : list range) : list range := map (fun p => range_meet (fst p) (snd p)) (combine rs ss).

Definition token_preactivation (pr : prepared) (vp : vocabulary_prepared) (i : nat) : option range :=
  let* p := preactivation_over P d pr i in
  let* v := step_vector d i in
  let* omega := times (inner_count d) v (x_packed pr) in
  let* bias := number_at (fst (dt_bias_row d)) (snd (dt_bias_row d)) i in
  Some (range_meet p (range_add (point bias)
    (functional_over_taps (shrink omega) (token_interval vp) (token_rest vp) (nth i (token_taps vp) (point zero))))).

Definition test_vocabulary_channel (pr : prepared) (vp : vocabulary_prepared) (i : nat) (c : channel_claims)
  : recurrence_tests :=
  match channel_states P d (meet_lists (B_ranges pr) (token_B vp)) (meet_lists (C_ranges pr) (token_C vp)) i with
  | Some states =>
      RecurrenceTests
        (match token_preactivation pr vp i with
         | Some p => range_within p (Range (p_lower c) (p_upper c))
         | None => false
         end)
        (test_channel P no_limits
          (magnitude (range_meet (nth i (inputs pr) (point zero)) (nth i (token_inputs vp) (point zero)))) states c)
  | None => nothing_ok
  end.
End Layer.

(** Every claim about channel i, for every sequence of tokens and both programs. *)
Definition channel_claimed_over_tokens (d : mamba1_data) (voc : vocabulary_data) (c : channel_claims) (i : nat) : Prop :=
  let b := mamba1_of d in
  forall (f : R -> R) (r : stream), step_program f ->
  over_vocabulary (data_width (front_part d)) (token_count voc)
    (fun v => row_value (embedding_format voc) (embedding_row voc v)) r ->
  channel_statement c (state_count d) (A_log_of b i)
    (fun t => clamped (limits_of no_limits) (f (mamba1_block.preactivation b r t i)))
    (fun t => mamba1_block.preactivation b r t i)
    (fun n t => mamba1_block.B_at b r t n) (fun n t => mamba1_block.C_at b r t n) (fun t => mamba1_block.x_at b r t i).
