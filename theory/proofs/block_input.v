(** What a block's scan can see: RMS norm, input projection, causal convolution, silu. Both families share it; ranges hold
    for every residual stream. theory/theorems/universal_domain.md, sections 1 and 2 *)
From Coq Require Import Reals Lra Lia.
From Lyap Require Import finite_sums silu_shape norm_ball.
Open Scope R_scope.

(** The part of a block in front of the scan. Rows and channels are counted from 0, taps from the oldest token. *)
Record front := Front {
  width : nat;                      (** d_model *)
  taps : nat;                       (** J *)
  norm_gain : nat -> R;
  norm_epsilon : R;
  in_weight : nat -> nat -> R;      (** row, column *)
  in_bias : nat -> R;
  conv_weight : nat -> nat -> R;    (** channel, tap *)
  conv_bias : nat -> R;
  conv_row : nat -> nat             (** the projection's row that feeds a channel of the convolution *)
}.

(** Residual stream: time (from 1), coordinate. *)
Definition stream := nat -> nat -> R.

Section Front.
Variable b : front.

Definition normed (r : nat -> R) : nat -> R := rms_normalised (width b) (norm_epsilon b) r.

(** W (g n), without the bias. *)
Definition projected (r : stream) (t k : nat) : R :=
  sum (width b) (fun i => in_weight b k i * norm_gain b i * normed (r t) i).

(** Token t - j is there when j < t; absent tokens contribute nothing, the bias of in_proj included. *)
Definition silu_input (r : stream) (t k : nat) : R :=
  conv_bias b k + sum (taps b) (fun j => if (j <? t)%nat
    then conv_weight b k (taps b - 1 - j) * (projected r (t - j) (conv_row b k) + in_bias b (conv_row b k)) else 0).

Definition scan_input (r : stream) (t k : nat) : R := silu (silu_input r t k).

Hypothesis Hwidth : (0 < width b)%nat.
Hypothesis Hepsilon : 0 < norm_epsilon b.

Lemma normed_in_ball (r : nat -> R) : in_norm_ball (width b) (normed r).
Proof. left; apply rms_norm_strictly_inside; assumption. Qed.

Theorem projected_bound (r : stream) (t k : nat) (S : R) : 0 <= S ->
  INR (width b) * sum (width b) (fun i => (in_weight b k i * norm_gain b i) ^ 2) <= S ^ 2 ->
  Rabs (projected r t k) <= S.
Proof.
  intros HS H; apply (functional_within (width b) S (fun i => in_weight b k i * norm_gain b i)); [|assumption..].
  apply normed_in_ball.
Qed.

(** Constant and reach of silu's input when the last m tokens are there. *)
Definition window_constant (k m : nat) : R :=
  conv_bias b k + in_bias b (conv_row b k) * sum m (fun j => conv_weight b k (taps b - 1 - j)).
Definition window_reach (k m : nat) : R := sum m (fun j => Rabs (conv_weight b k (taps b - 1 - j))).

Lemma silu_input_present (r : stream) (t k : nat) :
  silu_input r t k = window_constant k (Nat.min t (taps b))
    + sum (Nat.min t (taps b)) (fun j => conv_weight b k (taps b - 1 - j) * projected r (t - j) (conv_row b k)).
Proof.
  unfold silu_input, window_constant; rewrite present_taps.
  rewrite <- sum_scaled, Rplus_assoc, <- sum_plus; f_equal; apply sum_same; intros j _; ring.
Qed.

Theorem silu_input_range (r : stream) (t k : nat) (S : R) :
  (forall s, Rabs (projected r s (conv_row b k)) <= S) ->
  Rabs (silu_input r t k - window_constant k (Nat.min t (taps b))) <= window_reach k (Nat.min t (taps b)) * S.
Proof.
  intro HS; rewrite silu_input_present.
  match goal with |- Rabs (?a + ?s - ?a) <= _ => replace (a + s - a) with s by ring end.
  eapply Rle_trans; [apply sum_abs|].
  unfold window_reach; rewrite <- sum_scaled_right; apply sum_le; intros j _.
  rewrite Rabs_mult; apply Rmult_le_compat_l; [apply Rabs_pos|apply HS].
Qed.

End Front.
