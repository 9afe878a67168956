(** Finite sums f 0 + .. + f (n-1) of reals: linearity, order, exchange, Cauchy-Schwarz. *)
From Coq Require Import Reals Lra Lia.
Open Scope R_scope.

Fixpoint sum (n : nat) (f : nat -> R) : R :=
  match n with O => 0 | S m => sum m f + f m end.

Lemma sum_same (n : nat) (f g : nat -> R) : (forall i, (i < n)%nat -> f i = g i) -> sum n f = sum n g.
Proof.
  induction n as [|n IH]; intro H; simpl; [reflexivity|].
  rewrite IH, (H n); [reflexivity|lia|intros i Hi; apply H; lia].
Qed.

Lemma sum_zero (n : nat) : sum n (fun _ => 0) = 0.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; ring. Qed.

Lemma sum_plus (n : nat) (f g : nat -> R) : sum n (fun i => f i + g i) = sum n f + sum n g.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; ring. Qed.

Lemma sum_minus (n : nat) (f g : nat -> R) : sum n (fun i => f i - g i) = sum n f - sum n g.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; ring. Qed.

Lemma sum_scaled (n : nat) (c : R) (f : nat -> R) : sum n (fun i => c * f i) = c * sum n f.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; ring. Qed.

Lemma sum_scaled_right (n : nat) (c : R) (f : nat -> R) : sum n (fun i => f i * c) = sum n f * c.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; ring. Qed.

Lemma sum_le (n : nat) (f g : nat -> R) : (forall i, (i < n)%nat -> f i <= g i) -> sum n f <= sum n g.
Proof.
  induction n as [|n IH]; intro H; simpl; [lra|].
  apply Rplus_le_compat; [apply IH; intros i Hi; apply H; lia|apply H; lia].
Qed.

Lemma sum_nonnegative (n : nat) (f : nat -> R) : (forall i, (i < n)%nat -> 0 <= f i) -> 0 <= sum n f.
Proof. intro H; rewrite <- (sum_zero n); apply sum_le; exact H. Qed.

Lemma sum_abs (n : nat) (f : nat -> R) : Rabs (sum n f) <= sum n (fun i => Rabs (f i)).
Proof.
  induction n as [|n IH]; simpl; [rewrite Rabs_R0; lra|].
  eapply Rle_trans; [apply Rabs_triang|]; lra.
Qed.

Lemma sum_swap (n m : nat) (f : nat -> nat -> R) :
  sum n (fun i => sum m (fun j => f i j)) = sum m (fun j => sum n (fun i => f i j)).
Proof.
  induction n as [|n IH]; simpl; [rewrite sum_zero; reflexivity|].
  rewrite IH, <- sum_plus; reflexivity.
Qed.

Lemma sum_term (n i : nat) (f : nat -> R) : (i < n)%nat -> (forall j, (j < n)%nat -> 0 <= f j) -> f i <= sum n f.
Proof.
  induction n as [|n IH]; intros Hi Hf; [lia|simpl].
  destruct (Nat.eq_dec i n) as [->|Hne].
  - assert (0 <= sum n f) by (apply sum_nonnegative; intros j Hj; apply Hf; lia); lra.
  - assert (f i <= sum n f) by (apply IH; [lia|intros j Hj; apply Hf; lia]).
    assert (0 <= f n) by (apply Hf; lia); lra.
Qed.

(** (sum f g)^2 <= (sum f^2) (sum g^2). *)
Lemma cauchy_schwarz (n : nat) (f g : nat -> R) :
  (sum n (fun i => f i * g i)) ^ 2 <= sum n (fun i => f i ^ 2) * sum n (fun i => g i ^ 2).
Proof.
  set (A := sum n (fun i => f i ^ 2)); set (B := sum n (fun i => f i * g i)); set (C := sum n (fun i => g i ^ 2)).
  assert (HA : 0 <= A) by (apply sum_nonnegative; intros; apply pow2_ge_0).
  assert (HC : 0 <= C) by (apply sum_nonnegative; intros; apply pow2_ge_0).
  assert (Hq : forall z, 0 <= A * z ^ 2 + 2 * B * z + C).
  { intro z.
    replace (A * z ^ 2 + 2 * B * z + C) with (sum n (fun i => (f i * z + g i) ^ 2)).
    - apply sum_nonnegative; intros; apply pow2_ge_0.
    - unfold A, B, C; rewrite <- sum_scaled_right, <- !sum_scaled, <- sum_scaled_right, <- !sum_plus.
      apply sum_same; intros i _; ring. }
  destruct (Req_dec A 0) as [HA0|HA0].
  - (* A = 0: B must vanish *)
    destruct (Req_dec B 0) as [HB0|HB0]; [rewrite HB0; simpl; nra|exfalso].
    assert (H := Hq (- (C + 1) / (2 * B))); rewrite HA0 in H.
    replace (0 * (- (C + 1) / (2 * B)) ^ 2 + 2 * B * (- (C + 1) / (2 * B)) + C) with (-1) in H by (field; exact HB0).
    lra.
  - assert (H := Hq (- B / A)).
    replace (A * (- B / A) ^ 2 + 2 * B * (- B / A) + C) with ((A * C - B ^ 2) / A) in H by (field; exact HA0).
    assert (HA' : 0 < A) by lra.
    apply Rmult_le_compat_r with (r := A) in H; [|exact HA].
    unfold Rdiv in H; rewrite Rmult_0_l, Rmult_assoc, Rinv_l, Rmult_1_r in H by lra; lra.
Qed.

(** A product of norms bounds a dot product: S^2 >= |f|^2 |g|^2 is enough. *)
Lemma dot_bound (n : nat) (f g : nat -> R) (S : R) : 0 <= S ->
  sum n (fun i => f i ^ 2) * sum n (fun i => g i ^ 2) <= S ^ 2 -> Rabs (sum n (fun i => f i * g i)) <= S.
Proof.
  intros HS H; apply Rsqr_incr_0_var; [|exact HS].
  rewrite <- Rsqr_abs, !Rsqr_pow2; eapply Rle_trans; [apply cauchy_schwarz|exact H].
Qed.
