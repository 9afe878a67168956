(** The trajectory recurrence: bounds E_t of |h'_t - h_t| step by step. theory/theorems/trajectory_recurrence.md *)
From Coq Require Import Reals Lra Lia.
From Lyap Require Import recurrence theorem_3_perturbed_trajectories.
Open Scope R_scope.

(** (1): any two recurrences. *)
Lemma step_by_difference (a a' b b' h h' E D : R) :
  0 <= a' -> Rabs (h' - h) <= E -> Rabs ((a' - a) * h + (b' - b)) <= D ->
  Rabs ((a' * h' + b') - (a * h + b)) <= a' * E + D.
Proof.
  intros Ha' HE HD.
  replace ((a' * h' + b') - (a * h + b)) with (a' * (h' - h) + ((a' - a) * h + (b' - b))) by ring.
  eapply Rle_trans; [apply Rabs_triang|].
  rewrite Rabs_mult, (Rabs_pos_eq a') by exact Ha'.
  apply Rplus_le_compat; [apply Rmult_le_compat_l; assumption|exact HD].
Qed.

(** (2) with (3): only |h - v| of one trajectory, and what E leaves over beyond V. *)
Lemma step_from_one_gap (a a' v v' h h' E V r : R) :
  0 <= a <= 1 -> 0 <= a' <= 1 -> 0 <= r ->
  Rabs (a' - a) <= r * (1 - Rmin a a') ->
  Rabs (h' - h) <= E -> Rabs (v' - v) <= V ->
  Rabs ((a' * h' + (1 - a') * v') - (a * h + (1 - a) * v)) <=
  Rmin a a' * E + (1 - Rmin a a') * (V + r * (Rabs (h - v) + Rmax (E - V) 0)).
Proof.
  intros Ha Ha' Hr Hratio HE HV.
  assert (Hmax := Rmax_r (E - V) 0); assert (Hmaxl := Rmax_l (E - V) 0).
  assert (Hgap := Rabs_pos (h - v)).
  replace ((a' * h' + (1 - a') * v') - (a * h + (1 - a) * v))
    with (a' * (h' - h) + ((1 - a') * (v' - v) + (a' - a) * (h - v))) by ring.
  assert (Hsplit : Rabs (a' * (h' - h) + ((1 - a') * (v' - v) + (a' - a) * (h - v))) <=
                   a' * E + ((1 - a') * V + Rabs (a' - a) * Rabs (h - v))).
  { eapply Rle_trans; [apply Rabs_triang|]; apply Rplus_le_compat.
    - rewrite Rabs_mult, (Rabs_pos_eq a') by lra; apply Rmult_le_compat_l; [lra|exact HE].
    - eapply Rle_trans; [apply Rabs_triang|].
      rewrite !Rabs_mult, (Rabs_pos_eq (1 - a')) by lra.
      apply Rplus_le_compat_r; apply Rmult_le_compat_l; [lra|exact HV]. }
  eapply Rle_trans; [exact Hsplit|].
  destruct (Rle_lt_dec a' a) as [Hle|Hlt].
  - rewrite Rmin_right in Hratio |- * by exact Hle.
    assert (Rabs (a' - a) * Rabs (h - v) <= r * (1 - a') * (Rabs (h - v) + Rmax (E - V) 0)); [|lra].
    apply Rmult_le_compat; try apply Rabs_pos; [exact Hratio|lra].
  - rewrite Rmin_left in Hratio |- * by lra.
    rewrite Rabs_pos_eq in Hratio |- * by lra.
    assert (Hprod : (a' - a) * (Rabs (h - v) + Rmax (E - V) 0) <= r * (1 - a) * (Rabs (h - v) + Rmax (E - V) 0)).
    { apply Rmult_le_compat_r; lra. }
    assert (Hmore : (a' - a) * (E - V) <= (a' - a) * Rmax (E - V) 0) by (apply Rmult_le_compat_l; lra).
    lra.
Qed.

(** A certificate: any E with E_0 >= |h'_0 - h_0| that at each step is at least one valid form. *)
Theorem trajectory_recurrence (a a' v v' h h' V r D E : nat -> R) (T : nat) :
  drawn_to a v h -> drawn_to a' v' h' ->
  (forall t, 0 <= a t <= 1) -> (forall t, 0 <= a' t <= 1) -> (forall t, 0 <= r t) ->
  (forall t, Rabs (a' (S t) - a (S t)) <= r (S t) * (1 - Rmin (a (S t)) (a' (S t)))) ->
  (forall t, Rabs (v' (S t) - v (S t)) <= V (S t)) ->
  (forall t, Rabs ((a' (S t) - a (S t)) * h t + ((1 - a' (S t)) * v' (S t) - (1 - a (S t)) * v (S t))) <= D (S t)) ->
  Rabs (h' 0%nat - h 0%nat) <= E 0%nat ->
  (forall t, Rmin (a' (S t) * E t + D (S t))
                  (Rmin (a (S t)) (a' (S t)) * E t +
                   (1 - Rmin (a (S t)) (a' (S t))) *
                   (V (S t) + r (S t) * (Rabs (h t - v (S t)) + Rmax (E t - V (S t)) 0))) <= E (S t)) ->
  Rabs (h' T - h T) <= E T.
Proof.
  intros H H' Ha Ha' Hr Hratio HV HD H0 HE; induction T as [|t IH]; [exact H0|].
  rewrite (H t), (H' t).
  eapply Rle_trans; [|apply HE].
  apply Rmin_glb.
  - apply step_by_difference; [apply Ha'|exact IH|apply HD].
  - apply step_from_one_gap; auto.
Qed.
