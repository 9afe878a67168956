(** Step sizes: softplus, its logarithm, clamps; what tau is made of. theory/theorems/theorem_3_perturbed_trajectories.md,
    'From pre-activations' *)
From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
Open Scope R_scope.

Definition softplus (p : R) : R := ln (1 + exp p).
Definition sigmoid (p : R) : R := / (1 + exp (- p)).

Lemma softplus_positive (p : R) : 0 < softplus p.
Proof. unfold softplus; rewrite <- ln_1; apply ln_increasing; assert (H := exp_pos p); lra. Qed.

(** exp(-softplus(p)) = sigmoid(-p): the decay is a power of a sigmoid. *)
Lemma exp_minus_softplus (p : R) : exp (- softplus p) = sigmoid (- p).
Proof.
  unfold softplus, sigmoid; rewrite Ropp_involutive, exp_Ropp, exp_ln; [reflexivity|].
  assert (H := exp_pos p); lra.
Qed.

Lemma ln_one_plus_lower (x : R) : 0 < x -> x / (1 + x) <= ln (1 + x).
Proof.
  intro Hx.
  assert (Hinv : 0 < / (1 + x)) by (apply Rinv_0_lt_compat; lra).
  assert (H := exp_ineq1_le (ln (/ (1 + x)))).
  rewrite exp_ln in H by exact Hinv; rewrite ln_Rinv in H by lra.
  replace (x / (1 + x)) with (1 - / (1 + x)) by (field; lra); lra.
Qed.

Lemma softplus_derivative (p : R) : is_derive softplus p (exp p / (1 + exp p)).
Proof.
  assert (H := exp_pos p); unfold softplus; auto_derive; [lra|field; lra].
Qed.

Lemma log_softplus_derivative (p : R) :
  is_derive (fun q => ln (softplus q)) p (exp p / (1 + exp p) / softplus p).
Proof.
  assert (Hs := softplus_positive p); assert (H := exp_pos p).
  unfold softplus in *; auto_derive; [split; [lra|split; [exact Hs|trivial]]|].
  field; split; lra.
Qed.

(** |log Delta' - log Delta| <= |p' - p|. *)
Theorem log_softplus_lipschitz (p p' : R) : Rabs (ln (softplus p') - ln (softplus p)) <= Rabs (p' - p).
Proof.
  destruct (MVT_gen (fun q => ln (softplus q)) p p' (fun q => exp q / (1 + exp q) / softplus q)) as [c [_ Heq]].
  - intros q _; apply log_softplus_derivative.
  - intros q _; apply continuity_pt_filterlim.
    apply (ex_derive_continuous (K := R_AbsRing) (V := R_NormedModule) (fun q => ln (softplus q))).
    exists (exp q / (1 + exp q) / softplus q); apply log_softplus_derivative.
  - rewrite Heq, Rabs_mult.
    rewrite <- (Rmult_1_l (Rabs (p' - p))) at 2; apply Rmult_le_compat_r; [apply Rabs_pos|].
    assert (Hs := softplus_positive c); assert (He := exp_pos c).
    assert (Hlow := ln_one_plus_lower (exp c) He); fold (softplus c) in Hlow.
    assert (Hq : 0 < exp c / (1 + exp c)) by (apply Rdiv_lt_0_compat; lra).
    rewrite Rabs_pos_eq by (left; apply Rdiv_lt_0_compat; assumption).
    apply Rmult_le_reg_r with (softplus c); [exact Hs|].
    replace (exp c / (1 + exp c) / softplus c * softplus c) with (exp c / (1 + exp c)) by (field; lra); lra.
Qed.

(** A clamp to limits of one's own never takes two step sizes further apart, in their logarithms. *)
Definition clamp (low high x : R) : R := Rmin high (Rmax low x).

Theorem log_clamp_lipschitz (low high x y : R) : 0 < low <= high -> 0 < x -> 0 < y ->
  Rabs (ln (clamp low high x) - ln (clamp low high y)) <= Rabs (ln x - ln y).
Proof.
  intros [Hl Hlh] Hx Hy.
  assert (Hmono : forall u w, 0 < u -> 0 < w -> u <= w ->
            0 <= ln (clamp low high w) - ln (clamp low high u) <= ln w - ln u).
  { intros u w Hu Hw Huw.
    assert (Hln : forall s t, 0 < s -> s <= t -> ln s <= ln t).
    { intros s t Hs Hst; destruct Hst as [Hlt|Heq]; [left; apply ln_increasing; assumption|right; rewrite Heq; reflexivity]. }
    unfold clamp, Rmin, Rmax.
    repeat destruct (Rle_dec _ _); split;
      repeat match goal with
             | |- context [ln ?s - ln ?s] => replace (ln s - ln s) with 0 by ring
             end;
      try lra;
      repeat match goal with
             | H : ~ (_ <= _) |- _ => apply Rnot_le_lt in H
             end;
      try (assert (ln u <= ln w) by (apply Hln; lra));
      try (assert (ln low <= ln w) by (apply Hln; lra));
      try (assert (ln u <= ln low) by (apply Hln; lra));
      try (assert (ln high <= ln w) by (apply Hln; lra));
      try (assert (ln u <= ln high) by (apply Hln; lra));
      try (assert (ln low <= ln high) by (apply Hln; lra));
      try lra. }
  destruct (Rle_lt_dec x y) as [Hxy|Hxy].
  - assert (H := Hmono x y Hx Hy Hxy); rewrite Rabs_minus_sym, (Rabs_minus_sym (ln x)).
    rewrite !Rabs_pos_eq by lra; lra.
  - assert (H := Hmono y x Hy Hx (Rlt_le _ _ Hxy)); rewrite !Rabs_pos_eq by lra; lra.
Qed.

(** tau: s = alpha Delta, alpha = exp(A_log). *)
Theorem perturbation_distance (A_log A_log' Delta Delta' : R) : 0 < Delta -> 0 < Delta' ->
  Rabs (ln (exp A_log' * Delta') - ln (exp A_log * Delta)) <= Rabs (ln Delta' - ln Delta) + Rabs (A_log' - A_log).
Proof.
  intros HD HD'; assert (H := exp_pos A_log); assert (H' := exp_pos A_log').
  rewrite !ln_mult, !ln_exp by assumption.
  replace (A_log' + ln Delta' - (A_log + ln Delta)) with ((ln Delta' - ln Delta) + (A_log' - A_log)) by ring.
  apply Rabs_triang.
Qed.
