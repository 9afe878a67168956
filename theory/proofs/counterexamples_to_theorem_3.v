(** What is false: a perturbation at every step does not decay, and zeta = 0 has no constant for forcing without
    structure. theory/theorems/counterexamples_to_theorem_3.md *)
From Coq Require Import Reals Lra Lia.
From Lyap Require Import recurrence theorem_3_perturbed_trajectories.
Open Scope R_scope.

(** Shifted targets shift the trajectory: h' = h + eps, at every step. *)
Theorem persistent_perturbation_stays (a v h : nat -> R) (eps : R) :
  drawn_to a v h -> drawn_to a (fun t => v t + eps) (fun t => h t + eps).
Proof. intros H t; rewrite (H t); ring. Qed.

(** The deviation of two runs whose forcing differs by phi at every step, from equal states. *)
Fixpoint forced_deviation (a : nat -> R) (phi : R) (T : nat) : R :=
  match T with O => 0 | S t => a (S t) * forced_deviation a phi t + phi end.

Lemma forced_deviation_is (a b h h' : nat -> R) (phi : R) (T : nat) :
  follows a b h -> follows a (fun t => b t + phi) h' -> h' 0%nat = h 0%nat -> h' T - h T = forced_deviation a phi T.
Proof.
  intros H H' H0; induction T as [|t IH]; simpl; [rewrite H0; ring|].
  rewrite (H t), (H' t), <- IH; ring.
Qed.

Lemma natural_above (x : R) : exists n, x < INR n.
Proof.
  exists (Z.to_nat (up (Rmax x 0))).
  destruct (archimed (Rmax x 0)) as [Hup _].
  assert (Hmax := Rmax_l x 0); assert (Hnn := Rmax_r x 0).
  assert (Hz : (0 <= up (Rmax x 0))%Z) by (apply le_IZR; lra).
  rewrite INR_IZR_INZ, Z2Nat.id by exact Hz; lra.
Qed.

(** Theorem 3 with a rate below zero is false, whatever the constant. *)
Theorem no_rate_below_zero (a : nat -> R) (phi C zeta : R) :
  (forall t, 0 <= a t) -> 0 < phi -> zeta < 0 ->
  exists T, C * phi * exp (INR T * zeta) < Rabs (forced_deviation a phi T).
Proof.
  intros Ha Hphi Hzeta.
  assert (Hlow : forall T, phi <= forced_deviation a phi (S T)).
  { intro T; assert (Hnn : forall t, 0 <= forced_deviation a phi t).
    { induction t as [|t IH]; simpl; [lra|]; specialize (Ha (S t)); nra. }
    simpl; specialize (Ha (S T)); specialize (Hnn T); nra. }
  destruct (Rle_lt_dec C 0) as [HC|HC].
  - exists 1%nat; assert (Hone := Hlow 0%nat).
    rewrite Rabs_pos_eq by lra.
    assert (Hexp := exp_pos (INR 1 * zeta)).
    assert (HCphi : C * phi <= 0) by nra.
    assert (C * phi * exp (INR 1 * zeta) <= 0) by nra; lra.
  - destruct (natural_above (ln (C + 1) / - zeta)) as [n Hn].
    exists (S n); assert (Hone := Hlow n); rewrite Rabs_pos_eq by lra.
    assert (Hbig : ln (C + 1) < INR (S n) * - zeta).
    { apply Rlt_le_trans with (INR n * - zeta).
      - apply Rmult_lt_reg_r with (/ - zeta); [apply Rinv_0_lt_compat; lra|].
        rewrite Rmult_assoc, Rinv_r by lra; rewrite Rmult_1_r; exact Hn.
      - rewrite S_INR; nra. }
    assert (Hexp : exp (INR (S n) * zeta) < / (C + 1)).
    { rewrite <- (exp_ln (/ (C + 1))) by (apply Rinv_0_lt_compat; lra).
      apply exp_increasing; rewrite ln_Rinv by lra; nra. }
    assert (Hpos := exp_pos (INR (S n) * zeta)).
    assert (HCC : C * / (C + 1) < 1).
    { apply Rmult_lt_reg_r with (C + 1); [lra|]; rewrite Rmult_assoc, Rinv_l by lra; lra. }
    set (e := exp (INR (S n) * zeta)) in *.
    assert (HCe : C * e < 1).
    { apply Rlt_trans with (C * / (C + 1)); [apply Rmult_lt_compat_l; [exact HC|exact Hexp]|exact HCC]. }
    replace (C * phi * e) with (phi * (C * e)) by ring.
    assert (phi * (C * e) < phi * 1) by (apply Rmult_lt_compat_l; assumption); lra.
Qed.

(** Without a lower bound of Delta the deviation can grow linearly: alpha = 1, Delta_t = 2^-t. *)
Definition halving (t : nat) : R := (/ 2) ^ t.

Lemma halving_total (T : nat) : total halving T = 1 - (/ 2) ^ T.
Proof. induction T as [|t IH]; simpl; [lra|]; rewrite IH; unfold halving; simpl; lra. Qed.

Theorem no_constant_at_rate_zero (phi : R) (T : nat) :
  0 <= phi -> exp (- 1) * phi * INR T <= forced_deviation (fun t => exp (- halving t)) phi T.
Proof.
  intro Hphi.
  assert (Hstep : exp (- total halving T) * (phi * INR T) <= forced_deviation (fun t => exp (- halving t)) phi T).
  { induction T as [|t IH]; [simpl; lra|].
    rewrite S_INR; simpl forced_deviation; simpl total.
    rewrite Ropp_plus_distr, exp_plus.
    assert (Ht : 0 < exp (- total halving t)) by apply exp_pos.
    assert (Hh : 0 < exp (- halving (S t))) by apply exp_pos.
    assert (Hsmall : exp (- total halving t) * exp (- halving (S t)) <= 1).
    { rewrite <- exp_plus, <- exp_0.
      assert (Hneg : - total halving t + - halving (S t) <= 0).
      { rewrite halving_total; unfold halving; assert (0 < (/ 2) ^ t) by (apply pow_lt; lra).
        assert ((/ 2) ^ t <= 1) by (rewrite <- (pow1 t); apply pow_incr; lra).
        assert (0 < (/ 2) ^ S t) by (apply pow_lt; lra); lra. }
      destruct Hneg as [Hlt|Heq]; [left; apply exp_increasing; exact Hlt|right; rewrite Heq; reflexivity]. }
    assert (Hscaled : exp (- halving (S t)) * (exp (- total halving t) * (phi * INR t)) <=
                      exp (- halving (S t)) * forced_deviation (fun t => exp (- halving t)) phi t)
      by (apply Rmult_le_compat_l; lra).
    nra. }
  eapply Rle_trans; [|exact Hstep].
  assert (HT : 0 <= INR T) by apply pos_INR.
  assert (Hexp : exp (- 1) <= exp (- total halving T)).
  { rewrite halving_total; assert (0 < (/ 2) ^ T) by (apply pow_lt; lra).
    left; apply exp_increasing; lra. }
  assert (0 <= phi * INR T) by nra; nra.
Qed.
