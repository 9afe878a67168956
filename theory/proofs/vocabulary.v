(** The first layer sees the embeddings of a vocabulary: the same functionals over finitely many tokens instead of the ball.
    theory/theorems/universal_domain.md, section 4 (f). For models whose in_proj has no bias. *)
From Coq Require Import Reals Lra Lia.
From Lyap Require Import finite_sums silu_shape norm_ball block_input linear_relaxation.
Open Scope R_scope.

(** Every step's residual stream is one of the [size] rows of [embedding]. *)
Definition over_vocabulary (width size : nat) (embedding : nat -> nat -> R) (r : stream) : Prop :=
  forall t, exists v, (v < size)%nat /\ forall i, (i < width)%nat -> r (S t) i = embedding v i.

Section Vocabulary.
Variable b : front.
Variable size : nat.
Variable embedding : nat -> nat -> R.
Variable r : stream.
Hypothesis Hr : over_vocabulary (width b) size embedding r.

Definition normed_token (v : nat) : nat -> R := normed b (embedding v).

(** A functional of a normed token, and its value at a step. *)
Definition at_token (w : nat -> R) (v : nat) : R := sum (width b) (fun i => w i * normed_token v i).

Lemma step_is_token (t : nat) : exists v, (v < size)%nat /\
  forall w, sum (width b) (fun i => w i * normed b (r (S t)) i) = at_token w v.
Proof.
  destruct (Hr t) as [v [Hv Heq]]; exists v; split; [exact Hv|]; intro w; unfold at_token, normed_token.
  assert (Hsame : sum (width b) (fun k => r (S t) k ^ 2) = sum (width b) (fun k => embedding v k ^ 2))
    by (apply sum_same; intros k Hk; rewrite Heq by exact Hk; reflexivity).
  apply sum_same; intros i Hi; unfold normed, rms_normalised; rewrite Hsame, Heq by exact Hi; reflexivity.
Qed.

Theorem functional_over_tokens (w : nat -> R) (lo hi : R) (t : nat) :
  (forall v, (v < size)%nat -> lo <= at_token w v <= hi) ->
  lo <= sum (width b) (fun i => w i * normed b (r (S t)) i) <= hi.
Proof. intro H; destruct (step_is_token t) as [v [Hv Heq]]; rewrite Heq; apply H; exact Hv. Qed.

(** The linear relaxation: every tap's functional within the range over tokens; every tap but the current may be absent. *)
Theorem linear_over_tokens (n : nat) (omega slope : nat -> R) (t : nat) (lo hi : nat -> R) : (1 <= taps b)%nat ->
  (forall v, (v < size)%nat -> lo 0%nat <= at_token (tap_functional b n omega slope 0) v <= hi 0%nat) ->
  (forall j, (1 <= j < taps b)%nat -> lo j <= 0 <= hi j /\
     forall v, (v < size)%nat -> lo j <= at_token (tap_functional b n omega slope j) v <= hi j) ->
  let rest := sum n (fun k => omega k * (slope k * window_constant b k (Nat.min (S t) (taps b)) + residual b slope r (S t) k)) in
  rest + sum (taps b) lo <= sum n (fun k => omega k * scan_input b r (S t) k) <= rest + sum (taps b) hi.
Proof.
  intros Htaps Hcurrent Hothers rest.
  set (value j := sum (width b) (fun i => tap_functional b n omega slope j i * normed b (r (S t - j)%nat) i)).
  assert (Hsplit : sum n (fun k => omega k * scan_input b r (S t) k)
                   = rest + sum (taps b) (fun j => if (j <? S t)%nat then value j else 0)).
  { rewrite present_taps; unfold rest; set (m := Nat.min (S t) (taps b)).
    rewrite (sum_same m value (fun j => sum n (fun k => omega k * (slope k *
      (conv_weight b k (taps b - 1 - j) * projected b r (S t - j) (conv_row b k)))))).
    2: { intros j _; symmetry; apply tap_sum. }
    rewrite (sum_swap m n), <- sum_plus; apply sum_same; intros k _.
    rewrite !sum_scaled; unfold residual; rewrite silu_input_present; fold m; ring. }
  rewrite Hsplit.
  assert (Hterm : forall j, (j < taps b)%nat -> lo j <= (if (j <? S t)%nat then value j else 0) <= hi j).
  { intros j Hj; destruct (Nat.ltb_spec j (S t)) as [Hjt|Hjt].
    - unfold value; replace (S t - j)%nat with (S (t - j)) by lia; apply functional_over_tokens.
      destruct j as [|j]; [exact Hcurrent|apply Hothers; lia].
    - apply (Hothers j); lia. }
  split; apply Rplus_le_compat_l, sum_le; intros j Hj; apply Hterm; exact Hj.
Qed.
End Vocabulary.
