(** The linear relaxation of a functional sum_k omega_k silu(q_k): one line per channel, the rest as one functional of each
    tap's token over the norm ball. theory/theorems/universal_domain.md, section 4 (c) *)
From Coq Require Import Reals Lra Lia.
From Lyap Require Import finite_sums silu_shape norm_ball block_input.
Open Scope R_scope.

Section Linear.
Variable b : front.
Variable n : nat.                        (** channels of the convolution that carry x *)
Variable omega slope : nat -> R.
Hypothesis Hwidth : (0 < width b)%nat.
Hypothesis Hepsilon : 0 < norm_epsilon b.

(** What is left of silu when the line is taken away. *)
Definition residual (r : stream) (t k : nat) : R :=
  scan_input b r t k - slope k * silu_input b r t k.

(** The functional of the token j steps back, as a vector of the normed token. *)
Definition tap_functional (j i : nat) : R :=
  sum n (fun k => omega k * (slope k * conv_weight b k (taps b - 1 - j)) *
                  (in_weight b (conv_row b k) i * norm_gain b i)).

Lemma tap_sum (r : stream) (t j : nat) :
  sum n (fun k => omega k * (slope k * (conv_weight b k (taps b - 1 - j) * projected b r (t - j) (conv_row b k))))
  = sum (width b) (fun i => tap_functional j i * normed b (r (t - j)%nat) i).
Proof.
  unfold projected, tap_functional.
  rewrite (sum_same n _ (fun k => sum (width b) (fun i =>
    omega k * (slope k * conv_weight b k (taps b - 1 - j)) * (in_weight b (conv_row b k) i * norm_gain b i) *
    normed b (r (t - j)%nat) i))).
  2: { intros k _; rewrite <- !sum_scaled; apply sum_same; intros i _; ring. }
  rewrite sum_swap; apply sum_same; intros i _; rewrite <- sum_scaled_right; apply sum_same; intros k _; ring.
Qed.

Theorem linear_relaxation (r : stream) (t : nat) (S : nat -> R) :
  (forall j, 0 <= S j) ->
  (forall j, (j < taps b)%nat -> INR (width b) * sum (width b) (fun i => tap_functional j i ^ 2) <= S j ^ 2) ->
  Rabs (sum n (fun k => omega k * scan_input b r t k)
        - sum n (fun k => omega k * (slope k * window_constant b k (Nat.min t (taps b)) + residual r t k)))
  <= sum (taps b) S.
Proof.
  intros HS Htest; set (m := Nat.min t (taps b)).
  rewrite <- sum_minus.
  rewrite (sum_same n _ (fun k => sum m (fun j =>
    omega k * (slope k * (conv_weight b k (taps b - 1 - j) * projected b r (t - j) (conv_row b k)))))).
  2: { intros k _; unfold residual; rewrite silu_input_present; fold m.
       rewrite !sum_scaled; ring. }
  rewrite sum_swap.
  eapply Rle_trans; [apply sum_abs|].
  eapply Rle_trans; [|apply (sum_prefix m (taps b) S (Nat.le_min_r _ _) HS)].
  apply sum_le; intros j Hj; rewrite tap_sum.
  apply (functional_within (width b) (S j) (tap_functional j)); [|apply HS|apply Htest; unfold m in Hj; lia].
  apply normed_in_ball; assumption.
Qed.
End Linear.
