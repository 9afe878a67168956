(** A Mamba-2 block over the reals: step sizes, scan inputs and the states of a head. theory/selective_recurrence.hpp says
    the same for any scalar. Rows of in_proj: z, x, B, C, dt; the convolution runs over x, B, C. *)
From Coq Require Import Reals Lra Lia.
From Lyap Require Import finite_sums step_sizes selective_recurrence block_input.
Open Scope R_scope.

(** What a program returns for softplus: itself, or its argument above 20. *)
Definition step_program (f : R -> R) : Prop := f = softplus \/ f = cut_off_softplus.

(** The clamp to time_step_limit; no upper limit is infinity. *)
Record step_limits := Limits { lowest : R; highest : option R }.
Definition clamped (l : step_limits) (x : R) : R :=
  match highest l with Some high => Rmin high (Rmax (lowest l) x) | None => Rmax (lowest l) x end.

Record mamba2 := Mamba2 {
  input : front;               (** conv_row k is row d_inner + k of in_proj *)
  heads : nat;
  head_dim : nat;
  states : nat;
  groups : nat;
  dt_bias : nat -> R;
  A_log : nat -> R;
  limits : step_limits
}.

Section Mamba2.
Variable b : mamba2.
Variable f : R -> R.           (** the program's softplus *)
Variable r : stream.

Definition inner : nat := heads b * head_dim b.
Definition group_of (h : nat) : nat := h / (heads b / groups b).
Definition step_row (h : nat) : nat := 2 * inner + 2 * (groups b * states b) + h.
Definition x_channel (h p : nat) : nat := h * head_dim b + p.
Definition B_channel (h n : nat) : nat := inner + group_of h * states b + n.
Definition C_channel (h n : nat) : nat := inner + groups b * states b + group_of h * states b + n.

Definition preactivation (t h : nat) : R :=
  dt_bias b h + in_bias (input b) (step_row h) + projected (input b) r t (step_row h).
Definition step_size (t h : nat) : R := clamped (limits b) (f (preactivation t h)).
Definition rate (t h : nat) : R := - (exp (A_log b h) * step_size t h).
Definition x_at (t h p : nat) : R := scan_input (input b) r t (x_channel h p).
Definition B_at (t h n : nat) : R := scan_input (input b) r t (B_channel h n).
Definition C_at (t h n : nat) : R := scan_input (input b) r t (C_channel h n).

(** State (p, n) of head h, from start at time 0. *)
Fixpoint state (start : R) (h p n t : nat) : R :=
  match t with
  | O => start
  | S s => exp (rate t h) * state start h p n s + step_size t h * B_at t h n * x_at t h p
  end.

End Mamba2.
