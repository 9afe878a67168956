(** A Mamba-1 block over the reals: x_proj and dt_proj behind the convolution, and the recurrence of a channel.
    theory/selective_recurrence.hpp says the same for any scalar. Rows of x_proj: dt_rank, then B, then C. *)
From Coq Require Import Reals Lra Lia.
From Lyap Require Import finite_sums block_input.
Open Scope R_scope.

Record mamba1 := Mamba1 {
  front_of_block : front;        (** its channels are the rows of in_proj that carry x *)
  inner_width : nat;             (** d_inner *)
  rank : nat;                    (** dt_rank *)
  states_per_channel : nat;
  x_weight : nat -> nat -> R;    (** (dt_rank + 2 N, d_inner) *)
  dt_weight : nat -> nat -> R;   (** (d_inner, dt_rank) *)
  dt_bias_of : nat -> R;
  A_log_of : nat -> nat -> R     (** (d_inner, N) *)
}.

Section Mamba1.
Variable b : mamba1.
Variable r : stream.

Definition x_at (t i : nat) : R := scan_input (front_of_block b) r t i.

(** Row q of x_proj: a component of the low-rank step size, of B or of C. *)
Definition projected_input (t q : nat) : R := sum (inner_width b) (fun k => x_weight b q k * x_at t k).
Definition preactivation (t i : nat) : R :=
  dt_bias_of b i + sum (rank b) (fun q => dt_weight b i q * projected_input t q).
Definition B_at (t n : nat) : R := projected_input t (rank b + n).
Definition C_at (t n : nat) : R := projected_input t (rank b + states_per_channel b + n).

(** Row i of dt_proj x_proj: p is one functional of silu's outputs. *)
Definition step_weight (i k : nat) : R := sum (rank b) (fun q => dt_weight b i q * x_weight b q k).

Lemma preactivation_functional (t i : nat) :
  preactivation t i = dt_bias_of b i + sum (inner_width b) (fun k => step_weight i k * x_at t k).
Proof.
  unfold preactivation, projected_input, step_weight; f_equal.
  rewrite (sum_same (rank b) _ (fun q => sum (inner_width b) (fun k => dt_weight b i q * x_weight b q k * x_at t k))).
  2: { intros q _; rewrite <- sum_scaled; apply sum_same; intros k _; ring. }
  rewrite sum_swap; apply sum_same; intros k _; rewrite <- sum_scaled_right; reflexivity.
Qed.
End Mamba1.
