(** The sustained bound in the limit, (7): liminf of the mean of p is at least f_0 plus the sustained level. The first
    windows of a sequence, which lack tokens, do not count. theory/theorems/sustained_bound.md *)
From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From Lyap Require Import finite_sums recurrence theorem_1_state_deviation step_sizes selective_recurrence
    quadratic_forms
  quadratic_relaxation finite_fourier sustained_bound.
Open Scope R_scope.

Lemma total_after (p : nat -> R) (first T : nat) :
  total p (first + T) = total p first + sum T (fun u => p (S (first + u))).
Proof.
  induction T as [|T IH]; [rewrite Nat.add_0_r; simpl; ring|].
  rewrite Nat.add_succ_r; simpl; rewrite IH; ring.
Qed.

(** An error of the sum that does not grow leaves the mean. *)
Lemma mean_from_sums (p : nat -> R) (m C : R) (first : nat) :
  (forall T, INR T * m - C <= sum T (fun u => p (S (first + u)))) -> mean_at_least p m.
Proof.
  intros Hsum eps Heps.
  set (D := Rabs (total p first) + Rabs C + INR first * Rabs m).
  assert (HD : 0 <= D).
  { unfold D; assert (H1 := Rabs_pos (total p first)); assert (H2 := Rabs_pos C).
    assert (H3 := Rmult_le_pos _ _ (pos_INR first) (Rabs_pos m)); lra. }
  destruct (nfloor_ex (D / eps)) as [N HN].
  { apply Rmult_le_pos; [exact HD|left; apply Rinv_0_lt_compat; exact Heps]. }
  exists (S (first + N)); intros T HT.
  assert (HpT : 0 < INR T) by (apply lt_0_INR; lia).
  apply Rmult_le_reg_r with (INR T); [exact HpT|].
  replace (total p T / INR T * INR T) with (total p T) by (field; lra).
  replace T with (first + (T - first))%nat at 2 by lia; rewrite total_after.
  assert (H := Hsum (T - first)%nat); rewrite minus_INR in H by lia.
  assert (HT' : D <= eps * INR T).
  { replace D with (eps * (D / eps)) by (field; lra); apply Rmult_le_compat_l; [lra|].
    apply Rle_trans with (INR (N + 1)); [rewrite plus_INR; simpl; lra|apply le_INR; lia]. }
  assert (H1 := Rle_abs (- total p first)); rewrite Rabs_Ropp in H1.
  assert (H2 := Rle_abs C).
  assert (H3 : INR first * m <= INR first * Rabs m) by (apply Rmult_le_compat_l; [apply pos_INR|apply Rle_abs]).
  unfold D in HT'; lra.
Qed.

Section Mean.
Variables (d rows taps : nat) (W c : nat -> nat -> R) (w t : nat -> R) (mu radius_squared floor : R).
Hypothesis every_frequency : forall theta z, 0 <= theta <= 2 * PI -> 0 <= frequency_form d rows taps W c w mu theta z.
Hypothesis still_floor : forall z, floor <= still_value d rows taps W c w t mu z.
Hypothesis mu_nonnegative : 0 <= mu.

(** (7), for step u + first + 1 with the window of tokens n_u, .., n_(u+taps-1). *)
Theorem sustained_mean (n : nat -> nat -> R) (f0 : R) (first : nat) (p : nat -> R) : in_ball d radius_squared n ->
  (forall u, f0 + window_value d rows taps W c w t n u <= p (S (first + u))) ->
  mean_at_least p (f0 + sustained_level mu radius_squared floor).
Proof.
  intros Hn Hp.
  apply mean_from_sums with (INR taps * (2 * value_size d rows taps W c w t radius_squared)) first; intro T.
  assert (H := sustained_bound d rows taps W c w t mu radius_squared every_frequency floor
                 still_floor mu_nonnegative n T Hn).
  assert (Hsum : sum T (fun u => f0 + window_value d rows taps W c w t n u) <= sum T (fun u => p (S (first + u))))
    by (apply sum_le; intros; apply Hp).
  rewrite sum_plus in Hsum.
  assert (Hconstant : sum T (fun _ => f0) = INR T * f0).
  { clear; induction T as [|T IH]; [simpl; ring|rewrite S_INR; simpl; rewrite IH; ring]. }
  rewrite Hconstant in Hsum; lra.
Qed.

(** The exponent: (5) and (7). *)
Corollary sustained_rate (n : nat -> nat -> R) (alpha f0 : R) (first : nat) (p Delta : nat -> R) : in_ball d
    radius_squared n ->
  0 <= alpha -> (forall s, cut_off_factor * softplus (p (S s)) <= Delta (S s)) ->
  (forall u, f0 + window_value d rows taps W c w t n u <= p (S (first + u))) ->
  Rbar_le (exponent alpha Delta)
    (Finite (- (alpha * (cut_off_factor * softplus (f0 + sustained_level mu radius_squared floor))))).
Proof.
  intros Hn Halpha HDelta Hp; apply (sustained_exponent alpha _ p Delta Halpha HDelta).
  apply (sustained_mean n f0 first p Hn Hp).
Qed.
End Mean.
