(** Theorem 1: with equal inputs the distance of two trajectories is P_T times the initial one; the exponent is never
    positive. theory/theorems/theorem_1_state_deviation.md *)
From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From Lyap Require Import recurrence.
Open Scope R_scope.

(** (1), the equality. *)
Theorem theorem_1_equality (a b h h' : nat -> R) (T : nat) :
  follows a b h -> follows a b h' -> h' T - h T = product a T * (h' 0%nat - h 0%nat).
Proof.
  intros H H'; induction T as [|t IH]; simpl; [ring|].
  rewrite (H t), (H' t).
  replace (a (S t) * h' t + b (S t) - (a (S t) * h t + b (S t))) with (a (S t) * (h' t - h t)) by ring.
  rewrite IH; ring.
Qed.

(** The same from any step t on: only what comes after t decays. *)
Theorem theorem_1_from_step (a b h h' : nat -> R) (t T : nat) :
  follows a b h -> follows a b h' ->
  h' (t + T)%nat - h (t + T)%nat = product (fun k => a (t + k)%nat) T * (h' t - h t).
Proof.
  intros H H'; induction T as [|k IH]; simpl.
  - rewrite Nat.add_0_r; ring.
  - rewrite <- plus_n_Sm, (H (t + k)%nat), (H' (t + k)%nat).
    replace (a (S (t + k)) * h' (t + k)%nat + b (S (t + k)) - (a (S (t + k)) * h (t + k)%nat + b (S (t + k))))
      with (a (S (t + k)) * (h' (t + k)%nat - h (t + k)%nat)) by ring.
    rewrite IH; ring.
Qed.

(** (1) with a = exp(-alpha Delta_t). *)
Theorem theorem_1_exponential (alpha : R) (Delta b h h' : nat -> R) (T : nat) :
  let a := fun t => exp (- (alpha * Delta t)) in
  follows a b h -> follows a b h' ->
  Rabs (h' T - h T) = exp (- (alpha * total Delta T)) * Rabs (h' 0%nat - h 0%nat).
Proof.
  intros a H H'; rewrite (theorem_1_equality a b h h' T H H'), Rabs_mult.
  unfold a; rewrite product_exp, (Rabs_pos_eq (exp _)); [reflexivity|left; apply exp_pos].
Qed.

(** (1), the rate: zeta = -alpha m for any lower bound m of the step sizes. *)
Theorem theorem_1_rate (alpha m : R) (Delta b h h' : nat -> R) (T : nat) :
  let a := fun t => exp (- (alpha * Delta t)) in
  0 <= alpha -> (forall t, m <= Delta (S t)) ->
  follows a b h -> follows a b h' ->
  Rabs (h' T - h T) <= exp (INR T * (- (alpha * m))) * Rabs (h' 0%nat - h 0%nat).
Proof.
  intros a Halpha Hm H H'; unfold a in *.
  rewrite (theorem_1_exponential alpha Delta b h h' T H H').
  apply Rmult_le_compat_r; [apply Rabs_pos|].
  assert (Hsum := total_ge Delta m T Hm).
  assert (Hle : - (alpha * total Delta T) <= INR T * - (alpha * m)) by nra.
  destruct Hle as [Hlt|Heq]; [left; apply exp_increasing; exact Hlt|right; rewrite Heq; reflexivity].
Qed.

(** No distance grows. *)
Theorem theorem_1_no_growth (a b h h' : nat -> R) (T : nat) :
  (forall t, 0 <= a t <= 1) -> follows a b h -> follows a b h' ->
  Rabs (h' T - h T) <= Rabs (h' 0%nat - h 0%nat).
Proof.
  intros Ha H H'; rewrite (theorem_1_equality a b h h' T H H'), Rabs_mult.
  destruct (product_bounds a T Ha) as [Hlow Hhigh].
  rewrite Rabs_pos_eq by exact Hlow.
  rewrite <- (Rmult_1_l (Rabs (h' 0%nat - h 0%nat))) at 2.
  apply Rmult_le_compat_r; [apply Rabs_pos|exact Hhigh].
Qed.

(** (2), the Lyapunov exponent of a state: a limsup, since the limit need not exist. *)
Definition exponent (alpha : R) (Delta : nat -> R) : Rbar :=
  LimSup_seq (fun T => - (alpha / INR T) * total Delta T).

Theorem theorem_1_exponent (alpha m : R) (Delta : nat -> R) :
  0 <= alpha -> (forall t, m <= Delta (S t)) -> Rbar_le (exponent alpha Delta) (Finite (- (alpha * m))).
Proof.
  intros Halpha Hm; unfold exponent.
  rewrite <- (LimSup_seq_const (- (alpha * m))).
  apply LimSup_le; exists 1%nat; intros T HT.
  assert (Hpos : 0 < INR T) by (apply lt_0_INR; lia).
  assert (Hsum := total_ge Delta m T Hm).
  replace (- (alpha * m)) with (- (alpha / INR T) * (INR T * m)) by (field; lra).
  assert (Hq : 0 <= alpha / INR T) by (apply Rmult_le_pos; [exact Halpha|left; apply Rinv_0_lt_compat; exact Hpos]).
  nra.
Qed.

Corollary theorem_1_exponent_not_positive (alpha : R) (Delta : nat -> R) :
  0 <= alpha -> (forall t, 0 <= Delta (S t)) -> Rbar_le (exponent alpha Delta) (Finite 0).
Proof.
  intros Halpha HDelta; replace 0 with (- (alpha * 0)) by ring.
  apply theorem_1_exponent; assumption.
Qed.
