(** What an RMS norm can put out, over every residual stream: a ball of squared radius d. With it bounds of every linear
    functional, of several taps, and of single components. theory/theorems/universal_domain.md
    Vectors are functions nat -> R of which the first d entries count; sums are those of finite_sums.v. *)
From Coq Require Import Reals Lra Lia.
From Lyap Require Import finite_sums.
Open Scope R_scope.

(** |n|_2^2 <= d. *)
Definition in_norm_ball (d : nat) (n : nat -> R) : Prop := sum d (fun i => n i ^ 2) <= INR d.

(** A missing tap is a zero vector. *)
Lemma zero_in_norm_ball (d : nat) : in_norm_ball d (fun _ => 0).
Proof.
  unfold in_norm_ball; rewrite (sum_same d _ (fun _ => 0)) by (intros; ring); rewrite sum_zero; apply pos_INR.
Qed.

(** The RMS norm without its gain: r/sqrt(|r|^2/d + eps). *)
Definition rms_normalised (d : nat) (eps : R) (r : nat -> R) (i : nat) : R :=
  r i / sqrt (sum d (fun k => r k ^ 2) / INR d + eps).

Theorem rms_norm_strictly_inside (d : nat) (eps : R) (r : nat -> R) : (0 < d)%nat -> 0 < eps ->
  sum d (fun i => rms_normalised d eps r i ^ 2) < INR d.
Proof.
  intros Hd Heps; assert (Hpos : 0 < INR d) by (apply lt_0_INR; exact Hd).
  set (S := sum d (fun k => r k ^ 2)).
  assert (HS : 0 <= S) by (apply sum_nonnegative; intros; apply pow2_ge_0).
  assert (Hm : 0 <= S / INR d) by (apply Rmult_le_pos; [exact HS|left; apply Rinv_0_lt_compat; exact Hpos]).
  assert (Hroot := sqrt_sqrt (S / INR d + eps) ltac:(lra)); assert (Hq := sqrt_lt_R0 (S / INR d + eps) ltac:(lra)).
  rewrite (sum_same d _ (fun i => / (S / INR d + eps) * r i ^ 2)).
  2: { intros i _; unfold rms_normalised; fold S; rewrite <- Hroot at 2; field; lra. }
  rewrite sum_scaled; fold S.
  apply Rmult_lt_reg_l with (S / INR d + eps); [lra|].
  rewrite <- Rmult_assoc, Rinv_r, Rmult_1_l by lra.
  replace ((S / INR d + eps) * INR d) with (S + eps * INR d) by (field; lra); nra.
Qed.

Corollary rms_norm_in_ball (d : nat) (eps : R) (r : nat -> R) : (0 < d)%nat -> 0 < eps ->
  in_norm_ball d (rms_normalised d eps r).
Proof. intros Hd Heps; left; apply rms_norm_strictly_inside; assumption. Qed.

(** The form for checkers: no square root is taken. *)
Theorem functional_within (d : nat) (S : R) (w n : nat -> R) :
  in_norm_ball d n -> 0 <= S -> INR d * sum d (fun i => w i ^ 2) <= S ^ 2 -> Rabs (sum d (fun i => w i * n i)) <= S.
Proof.
  unfold in_norm_ball; intros Hn HS Htest; apply dot_bound; [exact HS|].
  eapply Rle_trans; [|exact Htest]; rewrite Rmult_comm.
  apply Rmult_le_compat_r; [apply sum_nonnegative; intros; apply pow2_ge_0|exact Hn].
Qed.

(** A row w applied to the norm's output, whose entries are g_i n_i. *)
Theorem row_within (d : nat) (S : R) (g w n : nat -> R) :
  in_norm_ball d n -> 0 <= S -> INR d * sum d (fun i => (g i * w i) ^ 2) <= S ^ 2 ->
  Rabs (sum d (fun i => w i * (g i * n i))) <= S.
Proof.
  intros Hn HS Htest; rewrite (sum_same d _ (fun i => g i * w i * n i)) by (intros; ring).
  apply (functional_within d S (fun i => g i * w i)); assumption.
Qed.

Corollary row_within_sqrt (d : nat) (g w n : nat -> R) : in_norm_ball d n ->
  Rabs (sum d (fun i => w i * (g i * n i))) <= sqrt (INR d) * sqrt (sum d (fun i => (g i * w i) ^ 2)).
Proof.
  intro Hn; apply row_within; [exact Hn|apply Rmult_le_pos; apply sqrt_pos|].
  assert (Hw : 0 <= sum d (fun i => (g i * w i) ^ 2)) by (apply sum_nonnegative; intros; apply pow2_ge_0).
  rewrite Rpow_mult_distr, !pow2_sqrt by (assumption || apply pos_INR); apply Rle_refl.
Qed.

Corollary rms_norm_row_within (d : nat) (eps S : R) (g w r : nat -> R) : (0 < d)%nat -> 0 < eps -> 0 <= S ->
  INR d * sum d (fun i => (g i * w i) ^ 2) <= S ^ 2 ->
  Rabs (sum d (fun i => w i * (g i * rms_normalised d eps r i))) <= S.
Proof. intros Hd Heps; apply row_within; apply rms_norm_in_ball; assumption. Qed.

(** Several taps, c j for the token j steps back; before the start (time 1) there is nothing. A sum of absolute values
    over the taps that are there bounds it. *)
Lemma present_taps (J t : nat) (f : nat -> R) : sum J (fun j => if (j <? t)%nat then f j else 0) = sum (Nat.min t J) f.
Proof.
  induction J as [|J IH]; simpl; [rewrite Nat.min_0_r; reflexivity|].
  rewrite IH; destruct (Nat.ltb_spec J t); [rewrite !Nat.min_r by lia; reflexivity|rewrite !Nat.min_l by lia; ring].
Qed.

Lemma sum_prefix (m J : nat) (f : nat -> R) : (m <= J)%nat -> (forall j, 0 <= f j) -> sum m f <= sum J f.
Proof. intros Hm Hf; induction Hm as [|J Hm IH]; simpl; [lra|]; specialize (Hf J); lra. Qed.

(** Term by term: every present tap within its own bound. *)
Theorem taps_within_each (J t : nat) (u : nat -> nat -> R) (S : nat -> R) :
  (forall j, (j < J)%nat -> (j < t)%nat -> Rabs (u j (t - j)%nat) <= S j) ->
  Rabs (sum J (fun j => if (j <? t)%nat then u j (t - j)%nat else 0)) <= sum (Nat.min t J) S.
Proof.
  intro Hu; rewrite (present_taps J t (fun j => u j (t - j)%nat)).
  eapply Rle_trans; [apply sum_abs|apply sum_le; intros j Hj; apply Hu; lia].
Qed.

Theorem taps_within (J t : nat) (c u : nat -> R) (S : R) : (forall s, Rabs (u s) <= S) ->
  Rabs (sum J (fun j => if (j <? t)%nat then c j * u (t - j)%nat else 0)) <= sum J (fun j => Rabs (c j)) * S.
Proof.
  intro Hu; assert (HS := Rle_trans _ _ _ (Rabs_pos _) (Hu 0%nat)).
  eapply Rle_trans; [apply (taps_within_each J t (fun j s => c j * u s) (fun j => Rabs (c j) * S))|].
  - intros j _ _; rewrite Rabs_mult; apply Rmult_le_compat_l; [apply Rabs_pos|apply Hu].
  - rewrite <- sum_scaled_right; apply sum_prefix; [apply Nat.le_min_r|].
    intro j; apply Rmult_le_pos; [apply Rabs_pos|exact HS].
Qed.

(** One row through the convolution: (sum |c_j|) S. *)
Corollary row_taps_within (d J t : nat) (S : R) (c g w : nat -> R) (n : nat -> nat -> R) :
  (forall s, in_norm_ball d (n s)) -> 0 <= S -> INR d * sum d (fun i => (g i * w i) ^ 2) <= S ^ 2 ->
  Rabs (sum J (fun j => if (j <? t)%nat then c j * sum d (fun i => w i * (g i * n (t - j)%nat i)) else 0)) <=
  sum J (fun j => Rabs (c j)) * S.
Proof.
  intros Hn HS Htest; apply (taps_within J t c (fun s => sum d (fun i => w i * (g i * n s i)))).
  intro s; apply row_within; auto.
Qed.

(** A functional of its own for every tap: the sum of their bounds. *)
Corollary tap_functionals_within (d J t : nat) (S : nat -> R) (w n : nat -> nat -> R) :
  (forall s, in_norm_ball d (n s)) -> (forall j, 0 <= S j) ->
  (forall j, (j < J)%nat -> INR d * sum d (fun i => w j i ^ 2) <= S j ^ 2) ->
  Rabs (sum J (fun j => if (j <? t)%nat then sum d (fun i => w j i * n (t - j)%nat i) else 0)) <= sum J S.
Proof.
  intros Hn HS Htest; eapply Rle_trans.
  - apply (taps_within_each J t (fun j s => sum d (fun i => w j i * n s i)) S).
    intros j Hj _; apply functional_within; auto.
  - apply sum_prefix; [apply Nat.le_min_r|exact HS].
Qed.

(** Single components: |n_i| <= S where d <= S^2; d is the group's size in a group norm. *)
Theorem component_within (d i : nat) (S : R) (n : nat -> R) :
  in_norm_ball d n -> 0 <= S -> INR d <= S ^ 2 -> (i < d)%nat -> Rabs (n i) <= S.
Proof.
  unfold in_norm_ball; intros Hn HS Hd Hi.
  assert (H := sum_term d i (fun k => n k ^ 2) Hi (fun k _ => pow2_ge_0 (n k))); cbv beta in H.
  apply Rsqr_incr_0_var; [|exact HS]; rewrite <- Rsqr_abs, !Rsqr_pow2; lra.
Qed.

(** A (gated) RMS norm over one group of d entries: whatever its input, no component reaches sqrt(d). *)
Theorem group_norm_component (d i : nat) (eps : R) (y : nat -> R) : 0 < eps -> (i < d)%nat ->
  Rabs (rms_normalised d eps y i) < sqrt (INR d).
Proof.
  intros Heps Hi; assert (Hin := rms_norm_strictly_inside d eps y ltac:(lia) Heps).
  assert (H := sum_term d i (fun k => rms_normalised d eps y k ^ 2) Hi (fun k _ => pow2_ge_0 _)); cbv beta in H.
  rewrite <- sqrt_Rsqr_abs; apply sqrt_lt_1; [apply Rle_0_sqr|apply pos_INR|rewrite Rsqr_pow2; lra].
Qed.

(** Two outputs of it, componentwise: 2 sqrt(d). *)
Corollary group_norm_deviation (d i : nat) (eps : R) (y y' : nat -> R) : 0 < eps -> (i < d)%nat ->
  Rabs (rms_normalised d eps y' i - rms_normalised d eps y i) < 2 * sqrt (INR d).
Proof.
  intros Heps Hi; assert (H := group_norm_component d i eps y Heps Hi).
  assert (H' := group_norm_component d i eps y' Heps Hi).
  unfold Rminus; eapply Rle_lt_trans; [apply Rabs_triang|]; rewrite Rabs_Ropp; lra.
Qed.
