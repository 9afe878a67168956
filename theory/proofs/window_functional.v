(** A functional sum_k omega_k x_k of a block's scan inputs at one step, from the integer test of the quadratic
    relaxation: what the test's number says for every residual stream. theory/theorems/quadratic_relaxation.md, (1) to
    (4) *)
From Coq Require Import ZArith List Reals Lra Lia Arith.
From Lyap Require Import dyadic finite_sums silu_shape norm_ball block_input quadratic_forms quadratic_relaxation
  packed_products positive_definite curvature_rows curvature_checks completed_square_checks scaled_relaxations.
Open Scope R_scope.

(** silu's slope lies in [-1/10, 11/10]. *)
Lemma silu_slope_bound (p q : R) : Rabs (silu p - silu q) <= 11 / 10 * Rabs (p - q).
Proof.
  assert (H : forall a b, a <= b -> Rabs (silu b - silu a) <= 11 / 10 * Rabs (b - a)).
  { intros a b Hab; assert (H := silu_lipschitz a b Hab); rewrite (Rabs_pos_eq (b - a)) by lra; apply Rabs_le; lra. }
  destruct (Rle_lt_dec q p) as [Hqp|Hpq]; [apply H; exact Hqp|].
  rewrite Rabs_minus_sym, (Rabs_minus_sym p); apply H; lra.
Qed.

Section Functional.
Variables (b : front) (r : stream) (time : nat).
Hypothesis Hwidth : (0 < width b)%nat.
Hypothesis Hepsilon : 0 < norm_epsilon b.
Let d : nat := width b.
Let J : nat := taps b.
Let present : nat := Nat.min time J.

(** The normed tokens of the window, the current one first; missing ones are zero. *)
Definition window (j : nat) : nat -> R := if (j <? present)%nat then normed b (r (time - j)%nat) else fun _ => 0.
(** The row of channel k over the stacked window. *)
Definition window_row (k : nat) : nat -> R :=
  stacked d (fun j i => conv_weight b k (J - 1 - j) * (in_weight b (conv_row b k) i * norm_gain b i)).

Lemma window_in_ball (j : nat) : norm_squared d (window j) <= INR d.
Proof.
  unfold window; destruct (j <? present)%nat.
  - apply (rms_norm_in_ball d (norm_epsilon b) (r (time - j)%nat) Hwidth Hepsilon).
  - apply (zero_in_norm_ball d).
Qed.

Lemma silu_input_window (k : nat) :
  silu_input b r time k = window_constant b k present + image (J * d) window_row (stacked d window) k.
Proof.
  rewrite silu_input_present; fold J; fold present; f_equal.
  rewrite image_stacked.
  match goal with |- _ = sum J ?F => replace (sum J F) with (sum (present + (J - present)) F)
    by (f_equal; unfold present; lia) end.
  rewrite sum_append, (sum_same (J - present) _ (fun _ => 0)), sum_zero, Rplus_0_r.
  - apply sum_same; intros j Hj; unfold projected; fold d; rewrite <- sum_scaled; apply sum_same; intros i Hi.
    unfold window_row; rewrite stacked_at by exact Hi; unfold window.
    destruct (Nat.ltb_spec j present); [ring|lia].
  - intros j _; rewrite (sum_same d _ (fun _ => 0)); [apply sum_zero|]; intros i _; unfold window.
    destruct (Nat.ltb_spec (present + j) present); [lia|ring].
Qed.

Variables (a bw c : Z) (p : factor_proof) (bound : Z) (w t mus y : list Z) (M : list (list Z)).
Hypothesis accepted : square_bound p w t (spread d mus) y M = Some bound.
Hypothesis all_taps : length mus = J.
Hypothesis multipliers_nonnegative : forall j, (0 <= entry mus j)%Z.
Let K : nat := length M.

(** The test's rows and constants against the block's. *)
Variables (eps : R) (beta eta : nat -> R).
Hypothesis eps_nonnegative : 0 <= eps.
Hypothesis rows_near : forall k i, (k < K)%nat -> (i < J * d)%nat -> Rabs (window_row k i - scaled_matrix a M k i) <=
    eps.
Hypothesis constants_near : forall k, (k < K)%nat -> Rabs (window_constant b k present - beta k) <= eta k.

(** The parabolas, on the range of silu's input. *)
Variables (omega slope kappa range : nat -> R).
Hypothesis inputs_in_range : forall k, (k < K)%nat ->
  Rabs (silu_input b r time k) + (eta k + eps * INR (J * d)) <= range k.
Hypothesis parabolas_below : forall k q, (k < K)%nat -> Rabs q <= range k ->
  slope k * q + scaled_vector bw w k * q ^ 2 + kappa k <= omega k * silu q.
Hypothesis slopes_equal : forall k, (k < K)%nat ->
  slope_at (slope k) (scaled_vector bw w k) (beta k) = scaled_vector (a + bw + c) t k.

Lemma stacked_window_total : sum (J * d) (fun i => Rabs (stacked d window i)) <= INR (J * d).
Proof.
  set (z := stacked d window).
  assert (Hsquares : norm_squared (J * d) z <= INR (J * d)).
  { unfold norm_squared, z; rewrite sum_blocks.
    apply Rle_trans with (sum J (fun _ => INR d)).
    - apply sum_le; intros j _; rewrite (sum_same d _ (fun i => window j i ^ 2)); [apply window_in_ball|].
      intros i Hi; rewrite stacked_at by exact Hi; reflexivity.
    - right; clear; induction J as [|n IH]; [reflexivity|].
      replace (S n * d)%nat with (n * d + d)%nat by lia; rewrite plus_INR; simpl; rewrite IH; reflexivity. }
  apply Rle_trans with (sum (J * d) (fun i => / 2 * z i ^ 2 + / 2)).
  - apply sum_le; intros i _; rewrite <- (pow2_abs (z i)); assert (H := pow2_ge_0 (Rabs (z i) - 1)); nra.
  - rewrite sum_plus, sum_scaled; fold (norm_squared (J * d) z).
    assert (Hhalf : forall n, sum n (fun _ => / 2) = / 2 * INR n).
    { induction n as [|n IH]; [simpl; ring|rewrite S_INR; simpl; rewrite IH; ring]. }
    rewrite Hhalf; lra.
Qed.

Lemma images_near (k : nat) : (k < K)%nat ->
  Rabs (image (J * d) window_row (stacked d window) k - image (J * d) (scaled_matrix a M) (stacked d window) k)
  <= eps * INR (J * d).
Proof.
  intro Hk; unfold image; rewrite <- sum_minus; eapply Rle_trans; [apply sum_abs|].
  apply Rle_trans with (sum (J * d) (fun i => eps * Rabs (stacked d window i))).
  - apply sum_le; intros i Hi.
    replace (window_row k i * stacked d window i - scaled_matrix a M k i * stacked d window i)
      with ((window_row k i - scaled_matrix a M k i) * stacked d window i) by ring.
    rewrite Rabs_mult; apply Rmult_le_compat_r; [apply Rabs_pos|apply rows_near; assumption].
  - rewrite sum_scaled; apply Rmult_le_compat_l; [exact eps_nonnegative|apply stacked_window_total].
Qed.

Theorem functional_lower_bound :
  sum K (fun k => constant_at (slope k) (scaled_vector bw w k) (kappa k) (beta k))
  - 11 / 10 * sum K (fun k => Rabs (omega k) * (eta k + eps * INR (J * d)))
  - INR d * sum J (scaled_vector (2 * a + bw) mus) + scaled_number (2 * a + bw + 2 * c) bound / 4
  <= sum K (fun k => omega k * scan_input b r time k).
Proof.
  set (e := fun k => image (J * d) (scaled_matrix a M) (stacked d window) k).
  assert (Hnear : forall k, (k < K)%nat -> Rabs (silu_input b r time k - (beta k + e k)) <= eta k + eps * INR (J * d)).
  { intros k Hk; rewrite silu_input_window.
    replace (window_constant b k present + image (J * d) window_row (stacked d window) k - (beta k + e k))
      with ((window_constant b k present - beta k) + (image (J * d) window_row (stacked d window) k - e k)) by ring.
    eapply Rle_trans; [apply Rabs_triang|].
    assert (H1 := constants_near k Hk); assert (H2 := images_near k Hk); fold (e k) in H2; lra. }
  assert (Hperturbed := sum_of_perturbed_terms K silu (11 / 10) omega (silu_input b r time) (fun k => beta k + e k)
    (fun k => eta k + eps * INR (J * d)) silu_slope_bound ltac:(lra) Hnear).
  assert (Hparabolas := sum_of_parabolas K (fun k q => omega k * silu q) slope (scaled_vector bw w) kappa beta e).
  cbv beta in Hparabolas.
  assert (Hquadratic := quadratic_lower_bound a bw c p bound d w t mus y M (INR d)
    (sum K (fun k => omega k * silu (beta k + e k)))
    (sum K (fun k => constant_at (slope k) (scaled_vector bw w k) (kappa k) (beta k))) window accepted
    multipliers_nonnegative (fun j _ => window_in_ball j)).
  rewrite all_taps in Hquadratic; fold K in Hquadratic.
  assert (Hterms : sum K (fun k => constant_at (slope k) (scaled_vector bw w k) (kappa k) (beta k))
    + sum K (fun k => scaled_vector (a + bw + c) t k * e k + scaled_vector bw w k * e k ^ 2)
    <= sum K (fun k => omega k * silu (beta k + e k))).
  { assert (Hslopes : sum K (fun k => scaled_vector (a + bw + c) t k * e k + scaled_vector bw w k * e k ^ 2)
      = sum K (fun k => slope_at (slope k) (scaled_vector bw w k) (beta k) * e k + scaled_vector bw w k * e k ^ 2)).
    { apply sum_same; intros k Hk; rewrite slopes_equal by exact Hk; reflexivity. }
    rewrite Hslopes.
    apply Hparabolas; intros k Hk; apply parabolas_below; [exact Hk|].
    assert (H := Hnear k Hk); assert (Hr := inputs_in_range k Hk).
    replace (beta k + e k) with (silu_input b r time k - (silu_input b r time k - (beta k + e k))) by ring.
    eapply Rle_trans; [apply Rabs_triang|]; rewrite Rabs_Ropp; lra. }
  specialize (Hquadratic Hterms); unfold scan_input; lra.
Qed.
End Functional.
