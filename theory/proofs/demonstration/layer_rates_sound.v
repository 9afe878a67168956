(** What acceptance by layer_rates.v means: every state of the layer forgets at least at the rate. *)
From Coq Require Import ZArith Reals Lra Lia Bool List.
From Coquelicot Require Import Coquelicot.
From Lyap Require Import recurrence theorem_1_state_deviation finite_sums silu_shape norm_ball step_sizes
  selective_recurrence dyadic exponential_bounds floating_formats packed_integers packed_products quantised_products
  mamba2_block step_size_checks block_input input_checks front_checks weighted_ranges approximate_matrices
  linear_relaxation mamba1_block mamba1_functionals collected check_mamba1 check_mamba1_sound
  plain_products layer_rates.
Import ListNotations.
Open Scope Z_scope.
Opaque exp_range.

Open Scope R_scope.

Lemma silu_above_half (q : R) : silu q <= q / 2 + Rabs q / 2.
Proof.
  assert (H := silu_abs q); destruct (Rle_lt_dec 0 q) as [Hq|Hq].
  - rewrite (Rabs_pos_eq q) in * by exact Hq; assert (H' := Rle_abs (silu q)); lra.
  - rewrite (Rabs_left q) by exact Hq; unfold silu; assert (Hs := sigmoid_range q); nra.
Qed.

Lemma sum_absolute_value (xs : list dyadic) :
  value (sum_of_dyadics (map absolute xs)) = sum (length xs) (fun j => Rabs (tap_value xs j)).
Proof.
  rewrite sum_of_dyadics_value, map_length; apply sum_same; intros j Hj.
  rewrite (nth_indep _ zero (absolute zero)) by (rewrite map_length; exact Hj); rewrite map_nth.
  apply value_absolute.
Qed.

Section Front.
Variable P : Z.
Variable d : front_data.
Hypothesis Hwidth : (0 < data_width d)%nat.
Hypothesis Hepsilon : 0 < value (epsilon d).
Hypothesis Hbias : in_bias_row d = None.
Let b := front_of d.

Lemma half_input_sound (reached : dyadic) (k : nat) (h : half_input) (r : stream) (t : nat) :
  half_input_of P d reached k = Some h -> 0 <= value reached ->
  INR (width b) * sum (width b) (fun i => (in_weight b (conv_row b k) i * norm_gain b i) ^ 2) <= value reached ^ 2 ->
  contains (rest_over h) (1 / 2 * window_constant b k (Nat.min (S t) (data_taps d))
     + (scan_input b r (S t) k - 1 / 2 * silu_input b r (S t) k)) /\
  forall j, (j < data_taps d)%nat -> value (nth j (half_taps h) zero) = 1 / 2 * conv_weight b k (data_taps d - 1 - j).
Proof.
  unfold half_input_of; destruct (channel_taps d k) as [taps|] eqn:Htaps; [|discriminate].
  destruct (optional_number (conv_bias_row d) k) as [beta|] eqn:Hbeta; [|discriminate]; cbv zeta.
  intro H; injection H as <-; cbn [rest_over half_taps]; intros HS Hreach.
  destruct (channel_taps_sound d k taps Htaps) as [Hlen Hvalue].
  split.
  - set (m := Nat.min (S t) (data_taps d)).
    assert (Hconst : window_constant b k m = value beta).
    { unfold window_constant; cbn [b conv_bias in_bias conv_row front_of].
      rewrite (optional_number_value _ _ _ Hbeta), Hbias; cbn [optional_value]; ring. }
    assert (Hq := silu_input_range b r (S t) k (value reached)
      (fun s => projected_bound b Hwidth Hepsilon r s (conv_row b k) (value reached) HS Hreach)).
    change (block_input.taps b) with (data_taps d) in Hq; fold m in Hq; rewrite Hconst in Hq |- *.
    assert (Hw : window_reach b k m <= value (sum_of_dyadics (map absolute taps))).
    { rewrite sum_absolute_value, Hlen; unfold window_reach.
      eapply Rle_trans; [apply (sum_prefix m (data_taps d)); [apply Nat.le_min_r|intro; apply Rabs_pos]|].
      right; apply sum_same; intros j Hj; rewrite <- Hvalue by exact Hj; reflexivity. }
    assert (Hup := round_up_above P (multiply (sum_of_dyadics (map absolute taps)) reached)).
    rewrite value_multiply in Hup; set (reach := round_up P _) in *.
    assert (Hqr : Rabs (silu_input b r (S t) k - value beta) <= value reach).
    { eapply Rle_trans; [exact Hq|]; eapply Rle_trans; [|exact Hup]; apply Rmult_le_compat_r; assumption. }
    unfold scan_input; set (q := silu_input b r (S t) k) in *.
    assert (Hlow := silu_at_least_half q); assert (Hhigh := silu_above_half q).
    assert (Hqa : Rabs q <= Rabs (value beta) + value reach).
    { replace q with (value beta + (q - value beta)) by ring; eapply Rle_trans; [apply Rabs_triang|lra]. }
    unfold contains; cbn [lower upper]; rewrite value_add, !value_scale2, value_add, value_absolute.
    change (power2 (-1)) with (/ 2); lra.
  - intros j Hj; rewrite (nth_indep _ zero (scale2 (-1) zero)) by (rewrite map_length; lia).
    rewrite map_nth, value_scale2; fold (tap_value taps j); rewrite <- Hvalue by exact Hj.
    change (power2 (-1)) with (/ 2); cbn [b conv_weight front_of]; lra.
Qed.
End Front.

Lemma fold_smaller_below (xs : list dyadic) : forall start : dyadic,
  value (fold_left smaller xs start) <= value start /\
  forall k, (k < length xs)%nat -> value (fold_left smaller xs start) <= value (nth k xs zero).
Proof.
  induction xs as [|x xs IH]; intro start; cbn [fold_left length]; [split; [lra|intros k Hk; lia]|].
  destruct (IH (smaller start x)) as [H1 H2]; rewrite value_smaller in H1.
  assert (Hl := Rmin_l (value start) (value x)); assert (Hr := Rmin_r (value start) (value x)).
  split; [lra|]; intros [|k] Hk; cbn [nth]; [lra|apply H2; lia].
Qed.

(** Far below zero softplus is exp but for 2^-41 of it. *)
Lemma step_far_left (A p l : R) (f : R -> R) : step_program f -> l <= A + Rmin p (-40) ->
  exp l * (1 - value (Dyadic 1 (-41))) <= exp A * f p.
Proof.
  intros Hf Hl; set (m := Rmin p (-40)) in *.
  assert (Hm : m <= p /\ m <= -40) by (split; [apply Rmin_l|apply Rmin_r]).
  assert (HA := exp_pos A); assert (Hx := exp_pos m).
  assert (Hsmall : exp m <= value (Dyadic 1 (-40))).
  { assert (H := exp_below_power2 40); change (power2 (- Z.of_nat 40)) with (power2 (-40)) in H.
    unfold value; cbn [mantissa exponent]; rewrite Rmult_1_l; eapply Rle_trans; [|exact H].
    apply exp_le; simpl INR; lra. }
  assert (Hhalf : value (Dyadic 1 (-40)) = 2 * value (Dyadic 1 (-41))).
  { unfold value; cbn [mantissa exponent]; replace (-40)%Z with (1 + -41)%Z by reflexivity; rewrite power2_plus.
    change (power2 1) with 2; ring. }
  assert (Hsp : exp m * (1 - value (Dyadic 1 (-41))) <= softplus m).
  { assert (H := ln_one_plus_quadratic (exp m) ltac:(lra)); unfold softplus.
    assert (exp m * exp m <= exp m * (2 * value (Dyadic 1 (-41)))) by (apply Rmult_le_compat_l; lra); lra. }
  assert (Hstep : softplus m <= f p).
  { assert (Hmono := softplus_increasing m p (proj1 Hm)); destruct Hf as [->| ->]; [exact Hmono|].
    unfold cut_off_softplus; destruct (Rlt_dec 20 p); [|exact Hmono].
    assert (H := softplus_below_one m ltac:(lra)); lra. }
  assert (Hfactor : 0 <= 1 - value (Dyadic 1 (-41))).
  { assert (He : value (Dyadic 1 (-40)) <= 1); [|lra].
    unfold value; cbn [mantissa exponent]; rewrite Rmult_1_l.
    change 1 with (power2 0); apply Flocq.Core.Raux.bpow_le; lia. }
  apply Rle_trans with (exp A * (exp m * (1 - value (Dyadic 1 (-41))))); [|apply Rmult_le_compat_l; lra].
  rewrite <- Rmult_assoc, <- exp_plus; apply Rmult_le_compat_r; [exact Hfactor|apply exp_le; exact Hl].
Qed.

Section Sound.
Variable a : accuracy.
Variable d : mamba1_data.
Let P := scalar_bits a.
Let front := front_part d.
Let fb := front_of front.
Let b := mamba1_of d.
Let n := inner_count d.
Let J := data_taps front.
Hypothesis Hwidth : (0 < data_width front)%nat.
Hypothesis Hepsilon : 0 < value (epsilon front).
Hypothesis Hbias : in_bias_row front = None.

Definition half_slope (_ : nat) : R := 1 / 2.
Definition in_times_gain (k i : nat) : R := in_weight fb (conv_row fb k) i * norm_gain fb i.

Lemma tap_matrix_sound (W U : matrix) (hs : list half_input) (j : nat) :
  approximates_matrix W n (data_width front) in_times_gain -> length hs = n ->
  (forall k, (k < n)%nat -> value (nth j (half_taps (nth k hs no_half)) zero) = 1 / 2 * conv_weight fb k (J - 1 - j)) ->
  tap_matrix a d W (magnitudes (m_rows W)) hs j = Some U ->
  approximates_matrix U (rank_count d) (data_width front)
    (fun q => tap_functional fb n (x_weight b q) half_slope j).
Proof.
  intros HW Hhs Htaps; unfold tap_matrix; cbv zeta; fold front.
  set (factors := map (fun h => nth j (half_taps h) zero) hs).
  destruct (scaled_rows (tap_scale a) _ _ factors 0 _) as [A|] eqn:HA; [|discriminate].
  destruct (stack _ _) as [V|] eqn:HV; [|discriminate]; intro H; injection H as <-.
  apply coarse_matrix_sound; [lia|].
  assert (HAm := scaled_rows_sound _ _ _ factors _ 0 A HA).
  assert (Hfactors : length factors = n) by (unfold factors; rewrite map_length; exact Hhs).
  rewrite Hfactors in HAm.
  set (vs := map _ (seq 0 (rank_count d))) in HV.
  assert (Hlen : length vs = rank_count d) by (unfold vs; rewrite map_length; apply seq_length).
  rewrite <- Hlen; apply (stack_sound (tap_scale a + m_scale W) vs V); [|exact HV].
  intros q Hq; rewrite Hlen in Hq; unfold vs.
  set (row q := plain_times (data_width front) (magnitudes (m_rows W)) (row_vector (Matrix (tap_scale a) 1 A) q) W).
  rewrite (nth_indep _ (Vector 0 0 []) (row 0%nat)) by (rewrite map_length, seq_length; exact Hq).
  rewrite (map_nth row), seq_nth by exact Hq; cbn [plus].
  assert (Hv := plain_times_sound n (data_width front) _ _ W _ _ (row_vector_sound _ _ _ q _ HAm Hq) HW eq_refl).
  refine (approximates_vector_same _ _ _ _ _ Hv); intros i Hi; cbn [plus].
  unfold tap_functional; apply sum_same; intros k Hk; unfold in_times_gain; f_equal; f_equal.
  assert (Hnth : nth k factors zero = nth j (half_taps (nth k hs no_half)) zero).
  { unfold factors; rewrite (nth_indep _ zero (nth j (half_taps no_half) zero)) by (rewrite map_length, Hhs; exact Hk).
    apply (map_nth (fun h => nth j (half_taps h) zero)). }
  rewrite Hnth; apply Htaps; exact Hk.
Qed.

(** What [layer_log_rate] prepares for the channels. *)
Record prepared_taps (parts : list tap_part) : Prop := {
  parts_count : length parts = J;
  part_holds : forall j, (j < J)%nat -> exists U, nth j parts (tap_part_of (Matrix 0 0 [])) = tap_part_of U /\
    approximates_matrix U (rank_count d) (data_width front) (fun q => tap_functional fb n (x_weight b q) half_slope j)
}.

Definition rest_of (r : stream) (t k : nat) : R :=
  half_slope k * window_constant fb k (Nat.min (S t) J) + residual fb half_slope r (S t) k.

Lemma preactivation_below_sound (parts : list tap_part) (X : matrix) (rest : spread) (v : vector) (i : nat) (p : dyadic)
  (r : stream) (t : nat) :
  prepared_taps parts -> approximates_matrix X (rank_count d) n (x_weight b) ->
  spreads rest n (rest_of r t) -> approximates_vector v (rank_count d) (dt_weight b i) ->
  preactivation_below P d parts X (magnitudes (m_rows X)) rest v i = Some p ->
  value p <= mamba1_block.preactivation b r (S t) i.
Proof.
  intros [Hcount Hparts] HX Hrest Hv; unfold preactivation_below; fold front.
  destruct (number_at _ _ i) as [bias|] eqn:Hb; [|discriminate]; cbv zeta; intro H.
  apply (f_equal (fun o => match o with Some x => x | None => zero end)) in H; cbv beta iota in H.
  rewrite <- H; clear H p.
  fold n; set (omega := plain_times n (magnitudes (m_rows X)) v X).
  set (reach := fun q : tap_part => product_reach P (Z.of_nat (data_width front)) (tap_magnitude q)
    (tap_gram q) v (tap_rows q)).
  assert (Homega : approximates_vector omega n (step_weight b i))
    by exact (plain_times_sound _ n _ v X _ _ Hv HX eq_refl).
  destruct Homega as [Hlen [He Hnear]].
  assert (Hover := weighted_over_contains n _ _ _ _ _ _ Hlen He Hnear Hrest).
  set (S := fun j => value (nth j (map reach parts) zero)).
  assert (HS : forall j, (j < J)%nat -> 0 <= S j /\
    INR (width fb) * sum (width fb) (fun k => tap_functional fb n (step_weight b i) half_slope j k ^ 2) <= S j ^ 2).
  { intros j Hj; unfold S.
    rewrite (nth_indep _ zero (reach (tap_part_of (Matrix 0 0 [])))) by (rewrite map_length; lia); rewrite map_nth.
    destruct (Hparts j Hj) as [U [-> HU]]; unfold reach, tap_part_of; cbn [tap_magnitude tap_gram tap_rows].
    assert (Hr := product_reach_sound P (rank_count d) (data_width front) v U _ _ Hv HU); cbv zeta in Hr.
    destruct Hr as [Hr0 Hr]; split; [exact Hr0|].
    rewrite (sum_same (width fb) _ (fun k => sum (rank_count d) (fun q => dt_weight b i q *
      tap_functional fb n (x_weight b q) half_slope j k) ^ 2)); [exact Hr|].
    intros k _; f_equal; symmetry; apply (step_tap_functional d half_slope). }
  assert (HS0 : forall j, 0 <= S j).
  { intro j; destruct (Nat.lt_ge_cases j J) as [Hj|Hj]; [apply HS; exact Hj|].
    unfold S; rewrite nth_overflow by (rewrite map_length; lia); rewrite value_zero; lra. }
  assert (Hlinear := linear_relaxation fb n (step_weight b i) half_slope Hwidth Hepsilon r (Datatypes.S t) S HS0
    (fun j Hj => proj2 (HS j Hj))).
  rewrite preactivation_functional, value_subtract, value_add, sum_of_dyadics_value, map_length, Hcount.
  assert (Hbv : dt_bias_of b i = value bias) by (apply (number_at_value _ _ _ _ Hb)).
  rewrite Hbv; destruct Hover as [Hlow _]; apply Flocq.Core.Raux.Rabs_le_inv in Hlinear; destruct Hlinear as [Hlin _].
  change (inner_width b) with n; unfold mamba1_block.x_at; change (front_of_block b) with fb.
  change (sum n (fun k => step_weight b i k * rest_of r t k)) with
    (sum n (fun k => step_weight b i k *
      (half_slope k * window_constant fb k (Nat.min (Datatypes.S t) (taps fb))
       + residual fb half_slope r (Datatypes.S t) k)))
    in Hlow.
  unfold S in Hlin; change (taps fb) with J in Hlin, Hlow; lra.
Qed.

Lemma least_A_log_sound (i m : nat) (A : dyadic) : least_A_log d i = Some A -> (m < state_count d)%nat ->
  value A <= A_log_of b i m.
Proof.
  unfold least_A_log; destruct (collect _ 0 (state_count d)) as [As|] eqn:HA; [|discriminate].
  intro H; injection H as <-; intro Hm; destruct (collect_sound _ zero _ _ _ HA) as [Hlen Hall].
  specialize (Hall m Hm); change (0 + m)%nat with m in Hall; apply number_at_value in Hall.
  change (A_log_of b i m) with (row_value (A_log_format d) (A_log_row d i) m); rewrite Hall.
  apply fold_smaller_below; lia.
Qed.

Lemma layer_log_rate_sound (l : dyadic) (r : stream) (t i m : nat) (f : R -> R) :
  length (gain_row front) = data_width front ->
  layer_log_rate a d = Some l -> (i < n)%nat -> (m < state_count d)%nat -> step_program f ->
  exp (value l) * (1 - value (Dyadic 1 (-41))) <= exp (A_log_of b i m) * f (mamba1_block.preactivation b r (S t) i).
Proof.
  intro Hgain; unfold layer_log_rate; cbv zeta; fold front P n J.
  destruct (decode_row _ _) as [gains|] eqn:Hgains; [|discriminate].
  destruct (decode_row_value _ _ _ Hgains) as [Hglen Hgvalue].
  destruct (scaled_rows (in_scale a) _ _ gains 0 n) as [W|] eqn:HW; [|discriminate].
  destruct (collect _ 0 n) as [hs|] eqn:Hhs; [|discriminate].
  destruct (collect _ 0 J) as [U|] eqn:HU; [|discriminate].
  destruct (scaled_rows (x_scale a) _ _ _ 0 _) as [X|] eqn:HX; [|discriminate].
  destruct (scaled_rows (dt_scale a) _ _ _ 0 n) as [dt|] eqn:Hdt; [|discriminate].
  match goal with |- context [collect ?g 0%nat n] =>
    destruct (collect g 0 n) as [rates|] eqn:Hrates; [|discriminate] end.
  intros H Hi Hm Hf; injection H as <-.
  assert (HWm : approximates_matrix (Matrix (in_scale a) 1 W) n (data_width front) in_times_gain).
  { assert (H := scaled_rows_sound _ _ _ gains n 0 W HW); rewrite Hglen, Hgain in H.
    refine (approximates_matrix_same _ _ _ _ _ _ H); intros k j _ Hj; cbn [plus]; unfold in_times_gain; f_equal.
    symmetry; apply Hgvalue; lia. }
  destruct (collect_sound _ no_half _ _ _ Hhs) as [Hhlen Hhall].
  assert (Hh : forall (r : stream) t k, (k < n)%nat ->
    contains (rest_over (nth k hs no_half)) (rest_of r t k) /\
    forall j, (j < J)%nat -> value (nth j (half_taps (nth k hs no_half)) zero) = 1 / 2 * conv_weight fb k (J - 1 - j)).
  { intros r' t' k Hk; specialize (Hhall k Hk); cbn [plus] in Hhall.
    destruct (ball_reach_sound P _ _ _ (row_vector_sound _ _ _ k _ HWm Hk)) as [H0 H1].
    exact (half_input_sound P front Hwidth Hepsilon Hbias _ k _ r' t' Hhall H0 H1). }
  destruct (collect_sound _ (Matrix 0 0 []) _ _ _ HU) as [HUlen HUall].
  assert (Hparts : prepared_taps (map tap_part_of U)).
  { constructor; [rewrite map_length; exact HUlen|]; intros j Hj; exists (nth j U (Matrix 0 0 [])).
    split; [apply map_nth|].
    specialize (HUall j Hj); cbn [plus] in HUall.
    apply (tap_matrix_sound (Matrix (in_scale a) 1 W) _ hs j HWm Hhlen); [|exact HUall].
    intros k Hk; apply (Hh (fun _ _ => 0) 0%nat k Hk); exact Hj. }
  assert (HXm : approximates_matrix (Matrix (x_scale a) 1 X) (rank_count d) n (x_weight b)).
  { assert (H := scaled_rows_sound _ _ _ _ _ 0 X HX); rewrite repeat_length in H.
    refine (approximates_matrix_same _ _ _ _ _ _ H); intros q k _ Hk; cbn [plus].
    rewrite nth_error_nth with (x := one); [rewrite value_one; apply Rmult_1_r|].
    rewrite nth_error_repeat by exact Hk; reflexivity. }
  assert (Hdtm : approximates_matrix (Matrix (dt_scale a) 1 dt) n (rank_count d) (dt_weight b)).
  { assert (H := scaled_rows_sound _ _ _ _ _ 0 dt Hdt); rewrite repeat_length in H.
    refine (approximates_matrix_same _ _ _ _ _ _ H); intros q k _ Hk; cbn [plus].
    rewrite nth_error_nth with (x := one); [rewrite value_one; apply Rmult_1_r|].
    rewrite nth_error_repeat by exact Hk; reflexivity. }
  assert (Hrest : spreads (spread_of (rest_scale a) (map rest_over hs)) n (rest_of r t)).
  { rewrite <- Hhlen, <- (map_length rest_over hs); apply spread_of_sound; rewrite map_length, Hhlen; intros k Hk.
    change (point zero) with (rest_over no_half); rewrite map_nth; apply Hh; exact Hk. }
  destruct (collect_sound _ zero _ _ _ Hrates) as [Hrlen Hrall]; specialize (Hrall i Hi).
  change (0 + i)%nat with i in Hrall.
  unfold channel_log_rate in Hrall.
  match type of Hrall with match ?below with _ => _ end = _ => destruct below as [p|] eqn:Hp; [|discriminate] end.
  destruct (least_A_log d i) as [A|] eqn:HA; [|discriminate]; injection Hrall as Hrall.
  assert (Hpb := preactivation_below_sound _ _ _ _ i p r t Hparts HXm Hrest (row_vector_sound _ _ _ i _ Hdtm Hi) Hp).
  assert (HAb := least_A_log_sound i m A HA Hm).
  apply step_far_left; [exact Hf|].
  eapply Rle_trans; [apply (proj2 (fold_smaller_below rates zero) i); lia|].
  rewrite <- Hrall, value_add, value_smaller; unfold far_left; rewrite value_of_integer.
  apply Rplus_le_compat; [exact HAb|apply Rle_min_compat_r; exact Hpb].
Qed.
End Sound.

(** * What acceptance means *)

(** Every state of every channel, at every step of every stream, with softplus or with the cut-off that programs use:
    the decay's rate, the exponent, and how the distance of two runs shrinks. *)
Definition forgets_at_least (b : mamba1) (c : R) : Prop :=
  forall (f : R -> R) (r : stream) (i m : nat),
  step_program f -> (i < inner_width b)%nat -> (m < states_per_channel b)%nat ->
  let alpha := exp (A_log_of b i m) in
  let Delta := fun t => f (mamba1_block.preactivation b r t i) in
  (forall t, c <= alpha * Delta (S t)) /\
  Rbar_le (theorem_1_state_deviation.exponent alpha Delta) (Finite (- c)) /\
  forall forcing h h' T,
    follows (fun t => exp (- (alpha * Delta t))) forcing h -> follows (fun t => exp (- (alpha * Delta t))) forcing h' ->
    Rabs (h' T - h T) <= exp (- (INR T * c)) * Rabs (h' 0%nat - h 0%nat).

Lemma forgets_at_least_weaken (b : mamba1) (c c' : R) : c' <= c -> forgets_at_least b c -> forgets_at_least b c'.
Proof.
  intros Hc H f r i m Hf Hi Hm alpha Delta; destruct (H f r i m Hf Hi Hm) as [H1 [H2 H3]].
  fold alpha Delta in H1, H2, H3.
  split; [intro t; eapply Rle_trans; [exact Hc|apply H1]|split].
  - eapply Rbar_le_trans; [exact H2|]; simpl; lra.
  - intros forcing h h' T Hh Hh'; eapply Rle_trans; [apply (H3 forcing h h' T Hh Hh')|].
    apply Rmult_le_compat_r; [apply Rabs_pos|]; apply exp_le; assert (HT := pos_INR T); nra.
Qed.

Theorem layer_rate_at_least_sound (a : accuracy) (d : mamba1_data) (c : dyadic) :
  layer_rate_at_least a d c = true -> 0 < value c /\ forgets_at_least (mamba1_of d) (value c).
Proof.
  unfold layer_rate_at_least, plain_layer; rewrite !andb_true_iff; intros [[[[[Hw He] Hg] Hb] Hc] H].
  apply Nat.ltb_lt in Hw; apply Z.ltb_lt, mantissa_positive in He; apply Nat.eqb_eq in Hg.
  apply Z.ltb_lt, mantissa_positive in Hc.
  destruct (in_bias_row (front_part d)) eqn:Hbias; [discriminate|].
  destruct (layer_log_rate a d) as [l|] eqn:Hl; [|discriminate].
  split; [exact Hc|]; intros f r i m Hf Hi Hm alpha Delta.
  assert (Hrate : forall t, value c <= alpha * Delta (S t)).
  { intro t; eapply Rle_trans; [|exact (layer_log_rate_sound a d Hw He Hbias l r t i m f Hg Hl Hi Hm Hf)].
    apply at_most_value in H; rewrite value_multiply, value_subtract, value_one in H; eapply Rle_trans; [exact H|].
    assert (Hx := exp_range_contains (scalar_bits a) l); unfold contains in Hx.
    apply Rmult_le_compat_r; [|lra].
    assert (Hone : value (Dyadic 1 (-41)) <= 1); [|lra].
    unfold value; cbn [mantissa exponent]; rewrite Rmult_1_l.
    change 1 with (power2 0); apply Flocq.Core.Raux.bpow_le; lia. }
  assert (Halpha : 0 < alpha) by apply exp_pos.
  assert (Hstep : forall t, value c / alpha <= Delta (S t)).
  { intro t; apply Rmult_le_reg_l with alpha; [exact Halpha|].
    replace (alpha * (value c / alpha)) with (value c) by (field; lra); apply Hrate. }
  split; [exact Hrate|split].
  - assert (H1 := theorem_1_exponent alpha (value c / alpha) Delta ltac:(lra) Hstep).
    replace (alpha * (value c / alpha)) with (value c) in H1 by (field; lra); exact H1.
  - intros forcing h h' T Hh Hh'.
    assert (H1 := theorem_1_rate alpha (value c / alpha) Delta forcing h h' T ltac:(lra) Hstep Hh Hh').
    replace (INR T * - (alpha * (value c / alpha))) with (- (INR T * value c)) in H1 by (field; lra); exact H1.
Qed.
