(** Vectors and quadratic forms over finite index sets: dot products, z.Az, transposes, the form of M^T diag(w) M, the
    Frobenius norm's bound, stacked vectors (n_0, .., n_(J-1)). theory/theorems/quadratic_relaxation.md *)
From Coq Require Import Reals Lra Lia Arith.
From Lyap Require Import finite_sums.
Open Scope R_scope.

Definition dot (d : nat) (x y : nat -> R) : R := sum d (fun i => x i * y i).
Definition norm_squared (d : nat) (z : nat -> R) : R := sum d (fun i => z i ^ 2).
(** (A z)_k and (A^T t)_i, the sums over columns and over rows. *)
Definition image (columns : nat) (A : nat -> nat -> R) (z : nat -> R) (k : nat) : R := sum columns (fun i => A k i *
    z i).
Definition transposed_image (rows : nat) (A : nat -> nat -> R) (t : nat -> R) (i : nat) : R :=
  sum rows (fun k => A k i * t k).
(** z.Az *)
Definition quadratic_form (d : nat) (A : nat -> nat -> R) (z : nat -> R) : R :=
  sum d (fun i => sum d (fun j => A i j * (z i * z j))).

Lemma norm_squared_nonnegative (d : nat) (z : nat -> R) : 0 <= norm_squared d z.
Proof. apply sum_nonnegative; intros i _; apply pow2_ge_0. Qed.

Lemma dot_symmetric (d : nat) (x y : nat -> R) : dot d x y = dot d y x.
Proof. apply sum_same; intros i _; ring. Qed.

Lemma dot_same (d : nat) (z : nat -> R) : dot d z z = norm_squared d z.
Proof. apply sum_same; intros i _; ring. Qed.

Lemma image_line (d : nat) (A : nat -> nat -> R) (x y : nat -> R) (c : R) (k : nat) :
  image d A (fun i => x i + c * y i) k = image d A x k + c * image d A y k.
Proof.
  unfold image; rewrite <- sum_scaled, <- sum_plus; apply sum_same; intros i _; ring.
Qed.

(** t.(A z) = (A^T t).z *)
Lemma dot_image (rows d : nat) (A : nat -> nat -> R) (t z : nat -> R) :
  dot rows t (image d A z) = dot d (transposed_image rows A t) z.
Proof.
  unfold dot, image, transposed_image.
  rewrite (sum_same rows _ (fun k => sum d (fun i => A k i * t k * z i))).
  - rewrite sum_swap; apply sum_same; intros i _; rewrite <- sum_scaled_right; apply sum_same; intros k _; ring.
  - intros k _; rewrite <- sum_scaled; apply sum_same; intros i _; ring.
Qed.

Lemma form_image (d : nat) (A : nat -> nat -> R) (z : nat -> R) : quadratic_form d A z = dot d z (image d A z).
Proof.
  apply sum_same; intros i _; unfold image; rewrite <- sum_scaled; apply sum_same; intros j _; ring.
Qed.

Lemma form_same (d : nat) (A B : nat -> nat -> R) (z : nat -> R) :
  (forall i j, (i < d)%nat -> (j < d)%nat -> A i j = B i j) -> quadratic_form d A z = quadratic_form d B z.
Proof. intro H; apply sum_same; intros i Hi; apply sum_same; intros j Hj; rewrite H by assumption; reflexivity. Qed.

Lemma form_plus (d : nat) (A B : nat -> nat -> R) (z : nat -> R) :
  quadratic_form d (fun i j => A i j + B i j) z = quadratic_form d A z + quadratic_form d B z.
Proof.
  unfold quadratic_form; rewrite <- sum_plus; apply sum_same; intros i _.
  rewrite <- sum_plus; apply sum_same; intros j _; ring.
Qed.

Lemma form_scaled (d : nat) (c : R) (A : nat -> nat -> R) (z : nat -> R) :
  quadratic_form d (fun i j => c * A i j) z = c * quadratic_form d A z.
Proof.
  unfold quadratic_form; rewrite <- sum_scaled; apply sum_same; intros i _.
  rewrite <- sum_scaled; apply sum_same; intros j _; ring.
Qed.

(** One term of a sum. *)
Lemma sum_single (d i : nat) (f : nat -> R) : (i < d)%nat -> sum d (fun j => if (i =? j)%nat then f j else 0) = f i.
Proof.
  induction d as [|d IH]; intro Hi; [lia|simpl].
  destruct (Nat.eqb_spec i d) as [->|Hne].
  - rewrite (sum_same d _ (fun _ => 0)); [rewrite sum_zero; ring|].
    intros j Hj; destruct (Nat.eqb_spec d j); [lia|reflexivity].
  - rewrite IH by lia; ring.
Qed.

Definition diagonal (m : nat -> R) (i j : nat) : R := if (i =? j)%nat then m i else 0.

Lemma form_diagonal (d : nat) (m z : nat -> R) : quadratic_form d (diagonal m) z = sum d (fun i => m i * z i ^ 2).
Proof.
  apply sum_same; intros i Hi.
  rewrite <- (sum_single d i (fun j => m j * z j ^ 2) Hi); apply sum_same; intros j _.
  unfold diagonal; destruct (Nat.eqb_spec i j) as [->|_]; ring.
Qed.

(** M^T diag(w) M for M of the given number of rows. *)
Definition gram (rows : nat) (w : nat -> R) (M : nat -> nat -> R) (i j : nat) : R :=
  sum rows (fun k => w k * (M k i * M k j)).

Lemma form_gram (rows d : nat) (w : nat -> R) (M : nat -> nat -> R) (z : nat -> R) :
  quadratic_form d (gram rows w M) z = sum rows (fun k => w k * image d M z k ^ 2).
Proof.
  unfold quadratic_form, gram.
  rewrite (sum_same d _ (fun i => sum rows (fun k => w k * M k i * z i * image d M z k))).
  - rewrite sum_swap; apply sum_same; intros k _.
    rewrite sum_scaled_right, (sum_same d _ (fun i => w k * (M k i * z i))) by (intros; ring).
    rewrite sum_scaled; fold (image d M z k); ring.
  - intros i _.
    rewrite (sum_same d _ (fun j => sum rows (fun k => w k * M k i * z i * (M k j * z j)))).
    + rewrite sum_swap; apply sum_same; intros k _; unfold image; rewrite <- sum_scaled; reflexivity.
    + intros j _; rewrite <- sum_scaled_right; apply sum_same; intros k _; ring.
Qed.

(** |z.Ez| <= |E|_F |z|^2 *)
Theorem frobenius_bound (d : nat) (E : nat -> nat -> R) (rho : R) (z : nat -> R) : 0 <= rho ->
  sum d (fun i => sum d (fun j => E i j ^ 2)) <= rho ^ 2 -> Rabs (quadratic_form d E z) <= rho * norm_squared d z.
Proof.
  intros Hrho HE; set (N := norm_squared d z); assert (HN : 0 <= N) by apply norm_squared_nonnegative.
  rewrite form_image; unfold dot.
  apply dot_bound; [apply Rmult_le_pos; assumption|].
  fold (norm_squared d z); fold N.
  replace ((rho * N) ^ 2) with (N * (rho ^ 2 * N)) by ring; apply Rmult_le_compat_l; [exact HN|].
  apply Rle_trans with (sum d (fun i => sum d (fun j => E i j ^ 2) * N)).
  - apply sum_le; intros i _; apply cauchy_schwarz.
  - rewrite sum_scaled_right; apply Rmult_le_compat_r; assumption.
Qed.

(** * Stacked vectors *)

Lemma sum_append (a b : nat) (f : nat -> R) : sum (a + b) f = sum a f + sum b (fun i => f (a + i)%nat).
Proof.
  induction b as [|b IH]; [rewrite Nat.add_0_r; simpl; ring|].
  rewrite Nat.add_succ_r; simpl; rewrite IH; ring.
Qed.

Lemma sum_blocks (J d : nat) (f : nat -> R) : sum (J * d) f = sum J (fun j => sum d (fun i => f (j * d + i)%nat)).
Proof.
  induction J as [|J IH]; [reflexivity|].
  replace (S J * d)%nat with (J * d + d)%nat by lia; rewrite sum_append, IH; reflexivity.
Qed.

(** (n_0, .., n_(J-1)) as one vector, and a number per block as a number per coordinate. *)
Definition stacked (d : nat) (n : nat -> nat -> R) (c : nat) : R := n (c / d)%nat (c mod d)%nat.
Definition per_block (d : nat) (mu : nat -> R) (c : nat) : R := mu (c / d)%nat.

Lemma block_index (d j i : nat) : (i < d)%nat -> ((j * d + i) / d = j /\ (j * d + i) mod d = i)%nat.
Proof.
  intro Hi; rewrite Nat.add_comm, Nat.div_add, Nat.mod_add, Nat.div_small, Nat.mod_small by lia; split; lia.
Qed.

Lemma stacked_at (d : nat) (n : nat -> nat -> R) (j i : nat) : (i < d)%nat -> stacked d n (j * d + i) = n j i.
Proof. intro Hi; unfold stacked; destruct (block_index d j i Hi) as [-> ->]; reflexivity. Qed.

Lemma per_block_at (d : nat) (mu : nat -> R) (j i : nat) : (i < d)%nat -> per_block d mu (j * d + i) = mu j.
Proof. intro Hi; unfold per_block; destruct (block_index d j i Hi) as [-> _]; reflexivity. Qed.

Lemma image_stacked (J d : nat) (M : nat -> nat -> R) (n : nat -> nat -> R) (k : nat) :
  image (J * d) M (stacked d n) k = sum J (fun j => sum d (fun i => M k (j * d + i)%nat * n j i)).
Proof.
  unfold image; rewrite sum_blocks; apply sum_same; intros j _; apply sum_same; intros i Hi.
  rewrite stacked_at by exact Hi; reflexivity.
Qed.

Lemma multipliers_stacked (J d : nat) (mu : nat -> R) (n : nat -> nat -> R) :
  sum (J * d) (fun c => per_block d mu c * stacked d n c ^ 2) = sum J (fun j => mu j * norm_squared d (n j)).
Proof.
  rewrite sum_blocks; apply sum_same; intros j _; unfold norm_squared; rewrite <- sum_scaled.
  apply sum_same; intros i Hi; rewrite stacked_at, per_block_at by exact Hi; reflexivity.
Qed.
