(** The recurrence of one state, h_t = a_t h_(t-1) + b_t, and what every theorem needs of it. Letters: theory/notation.md. *)
From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
Open Scope R_scope.

(** h follows the recurrence with decays a and forcing b; step t + 1 uses a (t + 1) and b (t + 1). *)
Definition follows (a b h : nat -> R) : Prop := forall t, h (S t) = a (S t) * h t + b (S t).

(** P_T, the product of a_1 .. a_T. *)
Fixpoint product (a : nat -> R) (T : nat) : R :=
  match T with O => 1 | S t => product a t * a (S t) end.

(** x_1 + .. + x_T. *)
Fixpoint total (x : nat -> R) (T : nat) : R :=
  match T with O => 0 | S t => total x t + x (S t) end.

Lemma product_bounds (a : nat -> R) (T : nat) :
  (forall t, 0 <= a t <= 1) -> 0 <= product a T <= 1.
Proof.
  intro Ha; induction T as [|t IH]; simpl; [lra|].
  specialize (Ha (S t)); split.
  - apply Rmult_le_pos; lra.
  - rewrite <- (Rmult_1_r 1); apply Rmult_le_compat; lra.
Qed.

(** With a = exp(-alpha Delta) the product is the exponential of a sum. *)
Lemma product_exp (alpha : R) (Delta : nat -> R) (T : nat) :
  product (fun t => exp (- (alpha * Delta t))) T = exp (- (alpha * total Delta T)).
Proof.
  induction T as [|t IH]; simpl.
  - rewrite Rmult_0_r, Ropp_0, exp_0; reflexivity.
  - rewrite IH, <- exp_plus; f_equal; ring.
Qed.

Lemma total_ge (x : nat -> R) (m : R) (T : nat) : (forall t, m <= x (S t)) -> INR T * m <= total x T.
Proof.
  intro Hx; induction T as [|t IH]; [simpl; lra|].
  rewrite S_INR; simpl; specialize (Hx t); lra.
Qed.

(** 0 <= a_t <= 1 for nonnegative rates and step sizes. *)
Lemma decay_bounds (s : R) : 0 <= s -> 0 < exp (- s) <= 1.
Proof.
  intro Hs; split; [apply exp_pos|].
  rewrite <- exp_0; destruct (Req_dec s 0) as [->|Hne].
  - rewrite Ropp_0; right; reflexivity.
  - left; apply exp_increasing; lra.
Qed.
