(** Theorem 2: outputs follow states. theory/theorems/theorem_2_output_deviation.md *)
From Coq Require Import Reals Lra Lia.
From Lyap Require Import recurrence.
Open Scope R_scope.

(** Sum of x_0 .. x_(N-1): over states. *)
Fixpoint over_states (x : nat -> R) (N : nat) : R :=
  match N with O => 0 | S n => over_states x n + x n end.

Lemma over_states_le (x y : nat -> R) (N : nat) :
  (forall n, (n < N)%nat -> x n <= y n) -> over_states x N <= over_states y N.
Proof.
  induction N as [|n IH]; intro Hxy; simpl; [lra|].
  assert (over_states x n <= over_states y n) by (apply IH; intros; apply Hxy; lia).
  assert (x n <= y n) by (apply Hxy; lia); lra.
Qed.

Lemma over_states_abs (x : nat -> R) (N : nat) : Rabs (over_states x N) <= over_states (fun n => Rabs (x n)) N.
Proof.
  induction N as [|n IH]; simpl; [rewrite Rabs_R0; lra|].
  eapply Rle_trans; [apply Rabs_triang|]; lra.
Qed.

Lemma over_states_minus (x y : nat -> R) (N : nat) :
  over_states x N - over_states y N = over_states (fun n => x n - y n) N.
Proof. induction N as [|n IH]; simpl; [ring|rewrite <- IH; ring]. Qed.

(** y = sum_n C_n h_n + D x. *)
Definition output (C h : nat -> R) (D x : R) (N : nat) : R := over_states (fun n => C n * h n) N + D * x.

Lemma term_change (c c' x x' : R) : Rabs (c' * x' - c * x) <= Rabs c' * Rabs (x' - x) + Rabs (c' - c) * Rabs x.
Proof.
  replace (c' * x' - c * x) with (c' * (x' - x) + (c' - c) * x) by ring.
  rewrite <- (Rabs_mult c'), <- (Rabs_mult (c' - c)); apply Rabs_triang.
Qed.

Theorem theorem_2_output (C C' h h' : nat -> R) (D D' x x' : R) (N : nat) :
  Rabs (output C' h' D' x' N - output C h D x N) <=
  over_states (fun n => Rabs (C' n) * Rabs (h' n - h n) + Rabs (C' n - C n) * Rabs (h n)) N +
  (Rabs D' * Rabs (x' - x) + Rabs (D' - D) * Rabs x).
Proof.
  unfold output.
  replace (over_states (fun n => C' n * h' n) N + D' * x' - (over_states (fun n => C n * h n) N + D * x))
    with ((over_states (fun n => C' n * h' n) N - over_states (fun n => C n * h n) N) + (D' * x' - D * x)) by ring.
  eapply Rle_trans; [apply Rabs_triang|]; apply Rplus_le_compat; [|apply term_change].
  rewrite over_states_minus; eapply Rle_trans; [apply over_states_abs|].
  apply over_states_le; intros n _; apply term_change.
Qed.

(** Equal parameters and inputs: the gain is the sum of |C_n|. *)
Corollary theorem_2_gain (C h h' : nat -> R) (D x E : R) (N : nat) :
  (forall n, (n < N)%nat -> Rabs (h' n - h n) <= E) ->
  Rabs (output C h' D x N - output C h D x N) <= over_states (fun n => Rabs (C n)) N * E.
Proof.
  intro HE; unfold output.
  replace (over_states (fun n => C n * h' n) N + D * x - (over_states (fun n => C n * h n) N + D * x))
    with (over_states (fun n => C n * h' n) N - over_states (fun n => C n * h n) N) by ring.
  rewrite over_states_minus; eapply Rle_trans; [apply over_states_abs|].
  assert (Hscale : over_states (fun n => Rabs (C n)) N * E = over_states (fun n => Rabs (C n) * E) N).
  { clear HE; induction N as [|n IH]; simpl; [ring|]; rewrite <- IH; ring. }
  rewrite Hscale; apply over_states_le; intros n Hn.
  replace (C n * h' n - C n * h n) with (C n * (h' n - h n)) by ring.
  rewrite Rabs_mult; apply Rmult_le_compat_l; [apply Rabs_pos|apply HE; exact Hn].
Qed.

(** The gate: y silu(z) for any function in the place of silu. *)
Theorem theorem_2_gate (y y' s s' : R) : Rabs (y' * s' - y * s) <= Rabs s' * Rabs (y' - y) + Rabs (s' - s) * Rabs y.
Proof.
  rewrite (Rmult_comm y' s'), (Rmult_comm y s); apply term_change.
Qed.
