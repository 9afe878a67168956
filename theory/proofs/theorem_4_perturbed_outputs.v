(** Theorem 4: Theorem 3's bounds of the states put into Theorem 2. theory/theorems/theorem_4_perturbed_outputs.md *)
From Coq Require Import Reals Lra Lia.
From Lyap Require Import recurrence theorem_2_output_deviation theorem_3_perturbed_trajectories.
Open Scope R_scope.

Theorem theorem_4_output (C C' h h' E : nat -> R) (D D' x x' : R) (N : nat) :
  (forall n, (n < N)%nat -> Rabs (h' n - h n) <= E n) ->
  Rabs (output C' h' D' x' N - output C h D x N) <=
  over_states (fun n => Rabs (C' n) * E n + Rabs (C' n - C n) * Rabs (h n)) N +
  (Rabs D' * Rabs (x' - x) + Rabs (D' - D) * Rabs x).
Proof.
  intro HE; eapply Rle_trans; [apply theorem_2_output|].
  apply Rplus_le_compat_r; apply over_states_le; intros n Hn.
  apply Rplus_le_compat_r; apply Rmult_le_compat_l; [apply Rabs_pos|apply HE; exact Hn].
Qed.

(** With K per state and equal initial states: free of T. *)
Theorem theorem_4_gap_free (a a' v v' h h' V G r : nat -> nat -> R) (K C C' : nat -> R) (D D' x x' : R) (N T : nat) :
  (forall n, drawn_to (a n) (v n) (h n)) -> (forall n, drawn_to (a' n) (v' n) (h' n)) ->
  (forall n t, 0 <= a n t <= 1) -> (forall n t, 0 <= a' n t <= 1) -> (forall n t, 0 <= r n t) ->
  (forall n t, Rabs (a' n (S t) - a n (S t)) <= r n (S t) * (1 - Rmin (a n (S t)) (a' n (S t)))) ->
  (forall n t, Rabs (v' n (S t) - v n (S t)) <= V n (S t)) ->
  (forall n t, Rabs (h n t - v n (S t)) <= G n (S t)) -> (forall n t, Rabs (h' n t - v' n (S t)) <= G n (S t)) ->
  (forall n t, V n (S t) + r n (S t) * G n (S t) <= K n) ->
  (forall n, h' n 0%nat = h n 0%nat) -> (forall n, 0 <= K n) ->
  Rabs (output C' (fun n => h' n T) D' x' N - output C (fun n => h n T) D x N) <=
  over_states (fun n => Rabs (C' n) * K n + Rabs (C' n - C n) * Rabs (h n T)) N +
  (Rabs D' * Rabs (x' - x) + Rabs (D' - D) * Rabs x).
Proof.
  intros H H' Ha Ha' Hr Hratio HV HG HG' HK H0 HKn; apply theorem_4_output; intros n _.
  eapply Rle_trans; [apply (theorem_3_maximum (a n) (a' n) (v n) (v' n) (h n) (h' n) (V n) (G n) (r n) (K n) T); auto|].
  rewrite (H0 n), Rminus_eq_0, Rabs_R0, Rmax_right; [lra|apply HKn].
Qed.
