(** The tests of channel_claims.v prove the statements. *)
From Coq Require Import ZArith Reals Lra Lia Bool List.
From Coquelicot Require Import Coquelicot.
From Lyap Require Import recurrence theorem_1_state_deviation theorem_2_output_deviation finite_sums step_sizes
  selective_recurrence gains dyadic exponential_bounds mamba2_block step_size_checks quantised_products channel_claims.
Import ListNotations.
Open Scope R_scope.

Definition no_state : state_domain := StateDomain zero (point zero) zero zero.
Definition state_at (states : list state_domain) (n : nat) : state_domain := nth n states no_state.

Lemma scale_bounded (P : Z) (a : R) (alpha : range) (D G : dyadic) :
  step_size_checks.target_scale P alpha D = Some G -> contains alpha a -> 0 < a ->
  0 < value D /\ selective_recurrence.target_scale a (value D) <= value G.
Proof.
  intros H Ha Hpos; assert (HD : 0 < value D).
  { unfold step_size_checks.target_scale in H; cbv zeta in H.
    destruct (Z.ltb_spec 0 (mantissa D)) as [HD|]; [apply mantissa_positive; exact HD|discriminate]. }
  split; [exact HD|].
  destruct (target_scale_sound P alpha D G a H Ha) as [Hs _].
  rewrite target_scale_positive_step by assumption; apply Hs; lra.
Qed.

Theorem sums_over_states_sound (P : Z) (step x : dyadic) (states : list state_domain) (r : state_sums) (a : nat -> R) :
  0 <= value x -> sums_over_states P step x states = Some r ->
  (forall n, (n < length states)%nat -> contains (alpha_enclosure (state_at states n)) (a n) /\ 0 < a n) ->
  exists G : nat -> R,
    (forall n, (n < length states)%nat ->
       selective_recurrence.target_scale (a n) (value step) <= G n /\
       G n * value (B_magnitude (state_at states n)) <= value (largest_per_x r) /\
       G n * value x <= value (largest_per_B r) /\
       G n * value (B_magnitude (state_at states n)) * value x <= value (largest_state r)) /\
    sum (length states) (fun n => G n * value (B_magnitude (state_at states n)) * value x) <= value (sum_of_states r) /\
    sum (length states) (fun n => value (C_magnitude (state_at states n))) <= value (sum_of_C r).
Proof.
  intro Hx; revert r a; induction states as [|s rest IH]; intros r a; cbn [sums_over_states].
  { intros H _; injection H as <-; exists (fun _ => 0); cbn [length sum]; split; [intros n Hn; lia|].
    simpl; rewrite value_zero; lra. }
  destruct (step_size_checks.target_scale P (alpha_enclosure s) step) as [G0|] eqn:HG; [|discriminate].
  destruct (sums_over_states P step x rest) as [tail|] eqn:Htail; [|discriminate].
  intros H Ha; injection H as <-.
  destruct (IH tail (fun n => a (S n)) eq_refl) as [G [Hall [Hsum HC]]].
  { intros n Hn; apply (Ha (S n)); simpl; lia. }
  destruct (Ha O ltac:(simpl; lia)) as [Hin Hpos]; unfold state_at in Hin; simpl in Hin.
  destruct (scale_bounded P (a O) _ step G0 HG Hin Hpos) as [_ HGa].
  set (Gup := round_up P G0); set (per_x := round_up P (multiply Gup (B_magnitude s))).
  set (state := round_up P (multiply per_x x)).
  assert (H0 : value G0 <= value Gup) by apply round_up_above.
  assert (H1 : value Gup * value (B_magnitude s) <= value per_x) by (rewrite <- value_multiply; apply round_up_above).
  assert (H2 : value per_x * value x <= value state) by (rewrite <- value_multiply; apply round_up_above).
  assert (H3 : value Gup * value x <= value (round_up P (multiply Gup x)))
    by (rewrite <- value_multiply; apply round_up_above).
  assert (H4 := round_up_above P (add (sum_of_states tail) state)); rewrite value_add in H4.
  assert (H5 := round_up_above P (add (sum_of_C tail) (C_magnitude s))); rewrite value_add in H5.
  assert (H6 : value Gup * value (B_magnitude s) * value x <= value state) by nra.
  exists (fun n => match n with O => value Gup | S m => G m end); cbn [length largest_state sum_of_states largest_per_x
    largest_per_B sum_of_C]; split; [|split].
  - intros [|n] Hn; unfold state_at; cbn [nth].
    + rewrite !value_larger; repeat split; [lra| | |]; (eapply Rle_trans; [|apply Rmax_l]); lra.
    + destruct (Hall n ltac:(simpl in Hn; lia)) as [A [B [C D]]]; unfold state_at in *.
      rewrite !value_larger; repeat split; [lra| | |]; (eapply Rle_trans; [|apply Rmax_r]); lra.
  - rewrite sum_first; unfold state_at in *; cbn [nth]; fold per_x; fold state; lra.
  - rewrite sum_first; unfold state_at in *; cbn [nth]; lra.
Qed.

Lemma gained_by (d e : R) (g : dyadic) (c : option dyadic) :
  claim_at_least (Some g) c = true -> (forall gain, value g <= gain -> Rabs d <= gain * e) -> gained d c e.
Proof.
  destruct c as [c|]; simpl; [|trivial]; intros H Hd; apply at_most_value in H; apply Hd; exact H.
Qed.

Section Channel.
Variable c : channel_claims.
Variable P : Z.
Variable x_magnitude : dyadic.
Variable states : list state_domain.
Variable r : state_sums.
Variable A_log Delta x : nat -> R.
Variable B C : nat -> nat -> R.

Let N := length states.

Hypothesis Hx0 : 0 <= value x_magnitude.
Hypothesis Hsums : sums_over_states P (step_upper c) x_magnitude states = Some r.
Hypothesis Haccepted : sums_accepted r c = true.
Hypothesis Halpha : forall n, (n < N)%nat -> contains (alpha_enclosure (state_at states n)) (exp (A_log n)).
Hypothesis HDelta : forall t, 0 <= Delta (S t) <= value (step_upper c).
Hypothesis HB : forall n t, (n < N)%nat -> Rabs (B n (S t)) <= value (B_magnitude (state_at states n)).
Hypothesis HC : forall n t, (n < N)%nat -> Rabs (C n (S t)) <= value (C_magnitude (state_at states n)).
Hypothesis Hx : forall t, Rabs (x (S t)) <= value x_magnitude.

Theorem states_and_outputs_sound :
  (forall n t, (n < N)%nat -> - (exp (A_log n) * Delta (S t)) <= value (zeta_upper c)) ->
  value (zeta_upper c) <= 0 -> exp (value (zeta_upper c)) <= value (gain_initial_upper c) ->
  states_claimed c N A_log Delta B x /\ outputs_claimed c N A_log Delta B C x.
Proof.
  intros Hrate Hzeta Hinitial.
  destruct (sums_over_states_sound P (step_upper c) x_magnitude states r (fun n => exp (A_log n)) Hx0 Hsums)
    as [G [Hall [Hsum HsumC]]].
  { intros n Hn; split; [apply Halpha; exact Hn|apply exp_pos]. }
  assert (Ha := Haccepted); unfold sums_accepted in Ha; rewrite !andb_true_iff in Ha.
  destruct Ha as [[[[[[Hbound Hgain_x] Hgain_B] Hgain_C] Hgain_step] Hgain_A] Houtput].
  assert (Hstate : forall n h T, (n < N)%nat -> euler_steps (exp (A_log n)) Delta (B n) x h -> h O = 0 ->
            Rabs (h T) <= G n * value (B_magnitude (state_at states n)) * value x_magnitude).
  { intros n h T Hn Hh H0; destruct (Hall n Hn) as [HG _].
    apply (selective_state_bound (exp (A_log n)) (value (step_upper c))
             (value (B_magnitude (state_at states n))) (value x_magnitude) (G n) Delta (B n) x h T);
      try assumption; try apply exp_pos; try (intro t; apply HB; exact Hn).
    rewrite H0, Rabs_R0.
    assert (Ht := target_scale_bounds (exp (A_log n)) (value (step_upper c)) (exp_pos _)
                    (Rle_trans _ _ _ (proj1 (HDelta O)) (proj2 (HDelta O)))).
    assert (HBn := HB n O Hn); assert (Hp := Rabs_pos (B n 1%nat)).
    apply Rmult_le_pos; [apply Rmult_le_pos; lra|exact Hx0]. }
  split.
  - intros n h Hn Hh; destruct (Hall n Hn) as [HG [Hper_x [Hper_B Hlargest]]]; split.
    + intros h' T Hh'; apply (gain_initial (exp (A_log n)) (value (zeta_upper c)) _ Delta (B n) x); try assumption.
      intro t; apply Hrate; exact Hn.
    + intro H0; split; [|split; [|split; [|split]]].
      * intro T; eapply claim_at_least_bounded; [eassumption|].
        eapply Rle_trans; [apply (Hstate n); eassumption|exact Hlargest].
      * intros h' x' e T Hh' H0' He; eapply gained_by; [eassumption|]; intros gain Hgain.
        apply (gain_x (exp (A_log n)) (value (step_upper c)) (value (B_magnitude (state_at states n))) (G n) e gain
                 Delta (B n) x x'); try assumption; try apply exp_pos; [intro t; apply HB; exact Hn|lra].
      * intros h' B' e T Hh' H0' He; eapply gained_by; [eassumption|]; intros gain Hgain.
        apply (gain_B (exp (A_log n)) (value (step_upper c)) (value x_magnitude) (G n) e gain Delta (B n) B' x);
          try assumption; try apply exp_pos; lra.
      * intros h' Delta' gamma T Hh' H0' Hgamma Hw; eapply gained_by; [eassumption|]; intros gain Hgain.
        rewrite value_scale2 in Hgain; change (power2 1) with 2 in Hgain.
        apply (gain_step (exp (A_log n)) gamma
                 (G n * value (B_magnitude (state_at states n)) * value x_magnitude) gain Delta Delta' (B n) x);
          try assumption; try apply exp_pos.
        -- apply (Hstate n h O); assumption.
        -- intro t; apply (target_within _ (value (step_upper c))); try assumption; try apply exp_pos;
             [apply HDelta|apply HB; exact Hn|apply Hx].
        -- lra.
      * intros h' A_log' gamma T Hh' H0' Hgamma; eapply gained_by; [eassumption|]; intros gain Hgain.
        apply (gain_A_log (A_log n) A_log' gamma
                 (G n * value (B_magnitude (state_at states n)) * value x_magnitude) gain Delta (B n) x h h' T);
          try assumption.
        -- intro t; apply HDelta.
        -- intro t; apply (Hstate n); assumption.
        -- lra.
  - intros h D Hh; split.
    + intros h' e t He Hd; eapply gained_by; [eassumption|]; intros gain Hgain.
      apply output_gain; [exact Hd|exact He|].
      eapply Rle_trans; [apply sum_le; intros n Hn; apply HC; exact Hn|]; fold N in HsumC; lra.
    + intros H0 C' e t He Hd; eapply gained_by; [eassumption|]; intros gain Hgain.
      apply (gain_C _ _ _ (fun n => G n * value (B_magnitude (state_at states n)) * value x_magnitude));
        [intros n Hn; apply (Hstate n (h n)); [exact Hn|exact (Hh n Hn)|exact (H0 n Hn)]|exact Hd|exact He|].
      eapply Rle_trans; [exact Hsum|exact Hgain].
Qed.
End Channel.

(** * Steps and rates *)

Lemma hull_of_alphas_contains (states : list state_domain) (n : nat) (a : R) :
  (n < length states)%nat -> contains (alpha_enclosure (state_at states n)) a -> contains (hull_of_alphas states) a.
Proof.
  revert n; induction states as [|s rest IH]; intros n Hn Ha; [simpl in Hn; lia|].
  destruct rest as [|s' rest].
  - destruct n; [exact Ha|simpl in Hn; lia].
  - change (hull_of_alphas (s :: s' :: rest)) with (range_hull (alpha_enclosure s) (hull_of_alphas (s' :: rest))).
    apply contains_hull; destruct n as [|n]; [left; exact Ha|right; apply (IH n); [simpl in *; lia|exact Ha]].
Qed.

Section Rates.
Variable c : channel_claims.
Variable P : Z.
Variable l : dyadic_limits.
Variable states : list state_domain.
Variable f : R -> R.
Variable A_log p : nat -> R.

Let N := length states.
Let Delta (t : nat) : R := clamped (limits_of l) (f (p t)).

Hypothesis Hf : step_program f.
Hypothesis Hp : forall t, value (p_lower c) <= p (S t) <= value (p_upper c).
Hypothesis Halpha : forall n, (n < N)%nat -> contains (alpha_enclosure (state_at states n)) (exp (A_log n)).

Lemma steps_sound : steps_accepted P l c = true -> steps_claimed c Delta p /\ forall t, 0 <= Delta (S t).
Proof.
  unfold steps_accepted; rewrite !andb_true_iff; intros [[Hzero Hlow] Hhigh]; apply Z.leb_le, mantissa_nonnegative in Hzero.
  assert (H : forall t, value (step_lower c) <= Delta (S t) <= value (step_upper c)).
  { intro t; split; [apply (limited_step_at_least_sound P l (p_lower c) (p_upper c)); auto|].
    apply (limited_step_at_most_sound P l (p_upper c)); auto; apply Hp. }
  split; [intro t; split; [apply Hp|apply H]|intro t; specialize (H t); lra].
Qed.

Lemma rates_sound : (forall t, 0 <= Delta (S t)) -> rates_accepted P l states c = true ->
  (forall n t, (n < N)%nat -> bounded_below (zeta_lower c) (- (exp (A_log n) * Delta (S t))) /\
     - (exp (A_log n) * Delta (S t)) <= value (zeta_upper c)) /\
  value (zeta_upper c) <= 0 /\ exp (value (zeta_upper c)) <= value (gain_initial_upper c).
Proof.
  intros HDelta; unfold rates_accepted; cbv zeta; rewrite !andb_true_iff; intros [[Hup Hlow] Hexp].
  apply exp_at_most_sound in Hexp.
  assert (Hin : forall n, (n < N)%nat -> contains (hull_of_alphas states) (exp (A_log n)))
    by (intros n Hn; apply (hull_of_alphas_contains states n); [exact Hn|apply Halpha; exact Hn]).
  assert (Hupper : (forall n t, (n < N)%nat -> - (exp (A_log n) * Delta (S t)) <= value (zeta_upper c)) /\
                   value (zeta_upper c) <= 0).
  { destruct (Z.eqb_spec (mantissa (zeta_upper c)) 0) as [Hz|Hz].
    - assert (Hv : value (zeta_upper c) = 0) by (unfold value; rewrite Hz; ring).
      rewrite Hv; split; [|lra]; intros n t _; assert (He := exp_pos (A_log n)); specialize (HDelta t); nra.
    - split.
      + intros n t Hn; destruct (rate_at_least_sound P _ l _ _ _ (exp (A_log n)) (p (S t)) f Hup Hf (Hin n Hn) (Hp t))
          as [_ H]; rewrite value_negate in H; unfold Delta; lra.
      + unfold rate_at_least in Hup; rewrite !andb_true_iff in Hup; destruct Hup as [[Hm _] _].
        apply Z.ltb_lt, mantissa_positive in Hm; rewrite value_negate in Hm; lra. }
  destruct Hupper as [Hupper Hzeta]; split; [|split; assumption].
  intros n t Hn; split; [|apply Hupper; exact Hn].
  destruct (zeta_lower c) as [z|]; simpl; [|trivial].
  assert (H := rate_at_most_sound P _ l _ _ (exp (A_log n)) (p (S t)) f Hlow Hf (Hin n Hn)
                 (Rlt_le _ _ (exp_pos _)) (proj2 (Hp t))).
  rewrite value_negate in H; unfold Delta; lra.
Qed.

Lemma exponent_sound (n : nat) : (forall t, - (exp (A_log n) * Delta (S t)) <= value (zeta_upper c)) ->
  exponent_accepted c = true ->
  Rbar_le (theorem_1_state_deviation.exponent (exp (A_log n)) Delta) (Finite (value (exponent_upper c))).
Proof.
  intros Hrate H; apply at_most_value in H; assert (He := exp_pos (A_log n)).
  apply Rbar_le_trans with (Finite (- (exp (A_log n) * (- value (zeta_upper c) / exp (A_log n))))).
  - apply theorem_1_exponent; [lra|]; intro t; specialize (Hrate t).
    apply Rmult_le_reg_r with (exp (A_log n)); [exact He|].
    unfold Rdiv; rewrite Rmult_assoc, Rinv_l by lra; lra.
  - simpl; unfold Rdiv; rewrite (Rmult_comm (- value (zeta_upper c))), <- Rmult_assoc, Rinv_r by lra; lra.
Qed.
End Rates.

(** * The whole channel *)

Theorem test_channel_sound (P : Z) (l : dyadic_limits) (x_magnitude : dyadic) (states : list state_domain)
  (c : channel_claims) (f : R -> R) (A_log p x : nat -> R) (B C : nat -> nat -> R) :
  let N := length states in
  let tests := test_channel P l x_magnitude states c in
  steps_ok tests = true -> rates_ok tests = true -> exponent_ok tests = true -> states_ok tests = true ->
  step_program f -> 0 <= value x_magnitude ->
  (forall t, value (p_lower c) <= p (S t) <= value (p_upper c)) ->
  (forall n, (n < N)%nat -> contains (alpha_enclosure (state_at states n)) (exp (A_log n))) ->
  (forall n t, (n < N)%nat -> Rabs (B n (S t)) <= value (B_magnitude (state_at states n))) ->
  (forall n t, (n < N)%nat -> Rabs (C n (S t)) <= value (C_magnitude (state_at states n))) ->
  (forall t, Rabs (x (S t)) <= value x_magnitude) ->
  channel_statement c N A_log (fun t => clamped (limits_of l) (f (p t))) p B C x.
Proof.
  intros N tests Hsteps Hrates Hexponent Hstates Hf Hx0 Hp Halpha HB HC Hx; simpl in Hsteps, Hrates, Hexponent, Hstates.
  destruct (steps_sound c P l f p Hf Hp Hsteps) as [Hclaimed HDelta].
  destruct (rates_sound c P l states f A_log p Hf Hp Halpha HDelta Hrates) as [Hrate [Hzeta Hinitial]].
  unfold states_accepted in Hstates.
  destruct (sums_over_states P (step_upper c) x_magnitude states) as [r|] eqn:Hsums; [|discriminate].
  destruct (states_and_outputs_sound c P x_magnitude states r A_log _ x B C Hx0 Hsums Hstates Halpha
    (fun t => conj (HDelta t) (proj2 (proj2 (Hclaimed t)))) HB HC Hx
    (fun n t Hn => proj2 (Hrate n t Hn)) Hzeta Hinitial) as [Hs Ho].
  split; [exact Hclaimed|split; [|split; assumption]].
  intros n Hn; split; [intro t; apply Hrate; exact Hn|].
  apply (exponent_sound c l f A_log p); [intro t; apply Hrate; exact Hn|exact Hexponent].
Qed.
