(** Ranges of the functionals of a Mamba-1 layer, p and the components of B and C, over all residual streams: the interval
    method and, where lines are given, the linear one. theory/theorems/universal_domain.md, section 4 (a) and (c) *)
From Coq Require Import ZArith Reals Lra Lia Bool List.
From Lyap Require exponential_bounds.
From Lyap Require Import finite_sums silu_shape norm_ball dyadic silu_ranges silu_checks floating_formats packed_integers
  packed_products quantised_products block_input input_checks front_checks weighted_ranges approximate_matrices
  linear_relaxation mamba1_block.
Import ListNotations.
Open Scope Z_scope.
Opaque exponential_bounds.exp_range silu_range linear_residual_within silu_input_over.

Notation "'let*' x ':=' a 'in' b" := (match a with Some x => b | None => None end)
  (at level 200, x pattern, a at level 100, b at level 200).

Record mamba1_data := Mamba1Data {
  front_part : front_data;       (** its feeding rows: channel k of the convolution is row k of in_proj *)
  inner_count : nat;
  rank_count : nat;
  state_count : nat;
  x_format : format; x_row : nat -> list Z;      (** (dt_rank + 2 N, d_inner) *)
  dt_format : format; dt_row : nat -> list Z;    (** (d_inner, dt_rank) *)
  dt_bias_row : format * list Z;
  A_log_format : format; A_log_row : nat -> list Z
}.

Definition mamba1_of (d : mamba1_data) : mamba1 :=
  Mamba1 (front_of (front_part d)) (inner_count d) (rank_count d) (state_count d)
    (fun q => row_value (x_format d) (x_row d q)) (fun i => row_value (dt_format d) (dt_row d i))
    (row_value (fst (dt_bias_row d)) (snd (dt_bias_row d))) (fun i => row_value (A_log_format d) (A_log_row d i)).

(** The line under silu that the certificate gives for a channel, and where its gap is proved. *)
Record line := Line { slope : dyadic; touch_left : dyadic; touch_middle : dyadic; touch_right : dyadic;
                      gap_lower : dyadic; gap_upper : dyadic }.

Definition line_accepted (P : Z) (q : range) (l : line) : bool :=
  linear_residual_within P (slope l) (lower q) (upper q) (touch_left l) (touch_middle l) (touch_right l)
    (gap_lower l) (gap_upper l).

(** * What one channel of the convolution can be *)

Definition channel_taps (d : front_data) (k : nat) : option (list dyadic) :=
  if (length (conv_taps d k) =? data_taps d)%nat then decode_reversed (conv_format d) (conv_taps d k) [] else None.

Lemma channel_taps_sound (d : front_data) (k : nat) (taps : list dyadic) : channel_taps d k = Some taps ->
  length taps = data_taps d /\
  forall j, (j < data_taps d)%nat -> row_value (conv_format d) (conv_taps d k) (data_taps d - 1 - j) = tap_value taps j.
Proof.
  unfold channel_taps; destruct (Nat.eqb_spec (length (conv_taps d k)) (data_taps d)) as [Hlen|]; [|discriminate].
  intro H; destruct (decode_reversed_value _ _ _ H) as [H1 H2]; rewrite <- Hlen; split; assumption.
Qed.

(** silu's input without any token. *)
Definition constant_over (d : front_data) (k : nat) (taps : list dyadic) : option range :=
  let* beta := optional_number (conv_bias_row d) k in
  let* bias := optional_number (in_bias_row d) (feeding_row d k) in
  window_hull beta bias zero taps zero zero.

Lemma constant_over_sound (d : front_data) (k : nat) (taps : list dyadic) (r : range) (m : nat) :
  channel_taps d k = Some taps -> constant_over d k taps = Some r -> (1 <= m <= data_taps d)%nat ->
  contains r (window_constant (front_of d) k m).
Proof.
  intros Htaps; destruct (channel_taps_sound d k taps Htaps) as [Hlen Hvalue]; unfold constant_over.
  destruct (optional_number (conv_bias_row d) k) as [beta|] eqn:Hbeta; [|discriminate].
  destruct (optional_number (in_bias_row d) _) as [bias|] eqn:Hbias; [|discriminate]; intros H Hm.
  apply (window_hull_sound beta bias zero taps zero zero r m); [lia|exact H|].
  rewrite value_zero, Rmult_0_r, !Rplus_0_l.
  unfold window_constant; cbn [conv_bias in_bias conv_row conv_weight block_input.taps front_of].
  rewrite (optional_number_value _ _ _ Hbeta), (optional_number_value _ _ _ Hbias).
  rewrite (sum_same m _ (tap_value taps)) by (intros j Hj; apply Hvalue; lia).
  rewrite Rminus_eq_0, Rabs_R0; apply Rle_refl.
Qed.

(** * Vectors over the channels *)

(** For channels first, first + 1, ..: range of x, range of slope * constant + gap, and the taps times the slope. *)
Record channel_input := ChannelInput { x_range : range; rest_range : range; sloped_taps : list dyadic }.

Definition channel_input_of (P : Z) (d : front_data) (gain : quantised) (k : nat) (l : line) : option channel_input :=
  let* q := silu_input_over P d gain k in
  let* taps := channel_taps d k in
  let* c := constant_over d k taps in
  if line_accepted P q l
  then Some (ChannelInput (silu_range P (lower q) (upper q))
    (range_round P (range_add (range_multiply (point (slope l)) c) (Range (gap_lower l) (gap_upper l))))
    (map (multiply (slope l)) taps))
  else None.

Fixpoint channel_inputs (P : Z) (d : front_data) (gain : quantised) (first : nat) (lines : list line)
  : option (list channel_input) :=
  match lines with
  | [] => Some []
  | l :: lines =>
      let* c := channel_input_of P d gain first l in
      let* rest := channel_inputs P d gain (S first) lines in Some (c :: rest)
  end.

Definition no_input : channel_input := ChannelInput (point zero) (point zero) [].
Definition no_line : line := Line zero zero zero zero zero zero.

Section Sound.
Variable P : Z.
Variable d : front_data.
Variable gain : quantised.
Hypothesis Hwidth : (0 < data_width d)%nat.
Hypothesis Hepsilon : (0 < value (epsilon d))%R.
Hypothesis Hgain : quantised_gain d = Some gain.

Let b := front_of d.

Lemma channel_input_of_sound (k : nat) (l : line) (c : channel_input) (r : stream) (t : nat) :
  channel_input_of P d gain k l = Some c ->
  contains (x_range c) (scan_input b r (S t) k) /\
  contains (rest_range c) (value (slope l) * window_constant b k (Nat.min (S t) (data_taps d))
     + (scan_input b r (S t) k - value (slope l) * silu_input b r (S t) k)) /\
  forall j, (j < data_taps d)%nat ->
    value (nth j (sloped_taps c) zero) = (value (slope l) * conv_weight b k (data_taps d - 1 - j))%R.
Proof.
  unfold channel_input_of.
  destruct (silu_input_over P d gain k) as [q|] eqn:Hq; [|discriminate].
  destruct (channel_taps d k) as [taps|] eqn:Htaps; [|discriminate].
  destruct (constant_over d k taps) as [cr|] eqn:Hc; [|discriminate].
  destruct (line_accepted P q l) eqn:Hline; [|discriminate]; intro H; injection H as <-.
  cbn [x_range rest_range sloped_taps].
  assert (Hin := silu_input_over_sound P d gain k q r t Hwidth Hepsilon Hgain Hq); fold b in Hin.
  destruct (channel_taps_sound d k taps Htaps) as [Hlen Hvalue].
  assert (HJ : (1 <= data_taps d)%nat).
  { destruct (Nat.eq_dec (data_taps d) 0) as [H0|]; [|lia]; exfalso.
    destruct taps; [|simpl in Hlen; lia]; unfold constant_over in Hc.
    destruct (optional_number (conv_bias_row d) k); [|discriminate].
    destruct (optional_number (in_bias_row d) _); discriminate. }
  split; [|split].
  - apply silu_range_contains; exact Hin.
  - apply contains_round, contains_add.
    + apply contains_multiply; [apply contains_point|].
      apply (constant_over_sound d k taps); [exact Htaps|exact Hc|lia].
    + unfold line_accepted in Hline.
      exact (linear_residual_within_sound _ _ _ _ _ _ _ _ _ Hline _ Hin).
  - intros j Hj; rewrite (nth_indep _ zero (multiply (slope l) zero)) by (rewrite map_length; lia).
    rewrite map_nth, value_multiply; fold (tap_value taps j); rewrite <- Hvalue by exact Hj; reflexivity.
Qed.

Lemma channel_inputs_sound (lines : list line) : forall (first : nat) (cs : list channel_input),
  channel_inputs P d gain first lines = Some cs ->
  length cs = length lines /\
  forall (r : stream) (t k : nat), (k < length lines)%nat ->
    let c := nth k cs no_input in let l := nth k lines no_line in
    contains (x_range c) (scan_input b r (S t) (first + k)) /\
    contains (rest_range c) (value (slope l) * window_constant b (first + k) (Nat.min (S t) (data_taps d))
       + (scan_input b r (S t) (first + k) - value (slope l) * silu_input b r (S t) (first + k))) /\
    forall j, (j < data_taps d)%nat ->
      value (nth j (sloped_taps c) zero) = (value (slope l) * conv_weight b (first + k) (data_taps d - 1 - j))%R.
Proof.
  induction lines as [|l lines IH]; intros first cs; cbn [channel_inputs].
  { intro H; injection H as <-; split; [reflexivity|intros r t k Hk; simpl in Hk; lia]. }
  destruct (channel_input_of P d gain first l) as [c|] eqn:Hc; [|discriminate].
  destruct (channel_inputs P d gain (S first) lines) as [rest|] eqn:Hrest; [|discriminate].
  intro H; injection H as <-; destruct (IH _ _ Hrest) as [Hlen Hall]; split; [simpl; lia|].
  intros r t [|k] Hk; cbn [nth].
  - rewrite Nat.add_0_r; apply channel_input_of_sound; exact Hc.
  - replace (first + S k)%nat with (S first + k)%nat by lia; apply Hall; simpl in Hk; lia.
Qed.
End Sound.

(** * One functional by both methods *)

Definition range_meet (r s : range) : range := Range (larger (lower r) (lower s)) (smaller (upper r) (upper s)).

Lemma contains_meet (r s : range) (x : R) : contains r x -> contains s x -> contains (range_meet r s) x.
Proof.
  unfold contains, range_meet; cbn [lower upper]; rewrite value_larger, value_smaller; intros [A B] [C D].
  split; [apply Rmax_lub; assumption|apply Rmin_glb; assumption].
Qed.

(** sum omega_k x_k, omega within v, given ranges of x and of what the lines leave, and the taps' reach. *)
Definition functional_over (v : vector) (interval rest : spread) (reached : dyadic) : range :=
  range_meet (weighted_over (v_error v) (v_scale v) (v_entries v) interval)
    (range_widen (weighted_over (v_error v) (v_scale v) (v_entries v) rest) reached).

Theorem functional_over_contains (b : front) (n : nat) (omega sigma : nat -> R) (v : vector) (interval rest : spread)
  (S : nat -> R) (reached : dyadic) (r : stream) (t : nat) :
  (0 < width b)%nat -> (0 < norm_epsilon b)%R -> approximates_vector v n omega ->
  spreads interval n (scan_input b r t) ->
  spreads rest n (fun k => sigma k * window_constant b k (Nat.min t (taps b))
                           + (scan_input b r t k - sigma k * silu_input b r t k))%R ->
  (forall j, (0 <= S j)%R) ->
  (forall j, (j < taps b)%nat -> (INR (width b) * sum (width b) (fun i => tap_functional b n omega sigma j i ^ 2) <= S j ^ 2)%R) ->
  (sum (taps b) S <= value reached)%R ->
  contains (functional_over v interval rest reached) (sum n (fun k => omega k * scan_input b r t k)%R).
Proof.
  intros Hw He [Hlen [Herr Hv]] Hi Hr HS Htest Hsum; apply contains_meet.
  - apply (weighted_over_contains n); assumption.
  - assert (H := linear_relaxation b n omega sigma Hw He r t S HS Htest).
    assert (Hrest := weighted_over_contains n _ _ _ _ _ _ Hlen Herr Hv Hr).
    apply (contains_widen _ _ _ _ Hrest); unfold residual in H; lra.
Qed.
