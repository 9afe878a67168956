(** The completed square of one channel in integers: from any y, and a lower bound of R's eigenvalues, a lower bound
    of t.(M z) + sum w (M z)^2 + sum m z^2 over all z. theory/theorems/quadratic_relaxation.md, section 2, (4)

    Scales: M 2^-a, w 2^-b, y 2^-c, t 2^-(a+b+c), m 2^-(2a+b); the result has 2^-(2a+b+2c), and the theorems' z is 2^c
    times the vector. *)
From Coq Require Import ZArith List Reals Lra Lia Bool.
From Lyap Require Import finite_sums quadratic_forms quadratic_relaxation packed_products positive_definite
  curvature_rows curvature_checks.
Import ListNotations.
Open Scope Z_scope.

(** t - w v *)
Fixpoint remainders (t w v : list Z) : list Z :=
  match t, w, v with t_k :: t, w_k :: w, v_k :: v => (t_k - w_k * v_k) :: remainders t w v | _, _, _ => [] end.

Fixpoint add_multiple (x : Z) (row total : list Z) : list Z :=
  match row, total with a :: row, b :: total => (b + x * a) :: add_multiple x row total | _, _ => total end.
(** sum_k r_k (row k) onto [total] *)
Fixpoint rows_onto (r : list Z) (M : list (list Z)) (total : list Z) : list Z :=
  match r, M with x :: r, row :: M => rows_onto r M (add_multiple x row total) | _, _ => total end.

(** 2 v.t - sum w v^2 - sum m y^2 + |e|^2/lambda rounded up, v = M y, e = M^T (t - w v) - m y. *)
Definition square_completion (lambda : Z) (w t m y : list Z) (M : list (list Z)) : option Z :=
  if (1 <=? lambda) && (count w =? height M) && (count t =? height M) && (count y =? count m) then
    let v := map (fun row => dot_onto 0 row y) M in
    let my := products m y in
    let e := rows_onto (remainders t w v) M (map Z.opp my) in
    Some (2 * dot_onto 0 t v - dot_onto 0 (products w v) v - dot_onto 0 my y + (squares_sum e / lambda + 1))
  else None.

(** A lower bound of t.(M z) + sum w (M z)^2 + sum m z^2, four times. *)
Definition square_bound (p : factor_proof) (w t m y : list Z) (M : list (list Z)) : option Z :=
  match eigenvalue_bound p w m M with
  | Some lambda => match square_completion lambda w t m y M with Some c => Some (- c) | None => None end
  | None => None
  end.

(** * What the test computes *)

Lemma dot_onto_real (n : nat) (a b : list Z) : (length a <= n)%nat ->
  IZR (dot_onto 0 a b) = dot n (vector_of a) (vector_of b).
Proof. intro H; rewrite dot_onto_sum, Z.add_0_l, (dot_sum_real n a b H); reflexivity. Qed.

Lemma products_shorter (a : list Z) : forall b : list Z, (length (products a b) <= length a)%nat.
Proof. induction a as [|x a IH]; intros [|y b]; cbn [products length]; try lia; specialize (IH b); lia. Qed.

Lemma entry_remainders (t : list Z) : forall (w v : list Z) (k : nat), length w = length t -> length v = length t ->
  entry (remainders t w v) k = entry t k - entry w k * entry v k.
Proof.
  unfold entry; induction t as [|x t IH]; intros [|y w] [|u v] [|k] Hw Hv; cbn [length] in *; try lia;
    cbn [remainders nth]; try lia; apply IH; lia.
Qed.

Lemma remainders_length (t : list Z) : forall w v : list Z, length w = length t -> length v = length t ->
  length (remainders t w v) = length t.
Proof.
  induction t as [|x t IH]; intros [|y w] [|u v] Hw Hv; cbn [length remainders] in *; try lia; rewrite IH; lia.
Qed.

Lemma add_multiple_length (x : Z) (row : list Z) : forall total : list Z,
  length (add_multiple x row total) = length total.
Proof. induction row as [|a row IH]; intros [|b total]; cbn [add_multiple length]; try lia; rewrite IH; lia. Qed.

Lemma entry_add_multiple (x : Z) (row : list Z) : forall (total : list Z) (j : nat), (j < length total)%nat ->
  entry (add_multiple x row total) j = entry total j + x * entry row j.
Proof.
  unfold entry; induction row as [|a row IH]; intros [|b total] [|j] Hj; cbn [length] in Hj; try lia;
    cbn [add_multiple nth]; try lia; apply IH; lia.
Qed.

Lemma entry_rows_onto (M : list (list Z)) : forall (r total : list Z) (j : nat), length r = length M ->
  (j < length total)%nat ->
  IZR (entry (rows_onto r M total) j)
  = (IZR (entry total j) + transposed_image (length M) (matrix_of M) (vector_of r) j)%R.
Proof.
  induction M as [|row M IH]; intros [|x r] total j Hr Hj; cbn [length] in Hr; try lia; cbn [rows_onto length].
  - unfold transposed_image; simpl; ring.
  - rewrite IH by (rewrite ?add_multiple_length; lia); rewrite entry_add_multiple by exact Hj.
    unfold transposed_image; rewrite sum_first, plus_IZR, mult_IZR; unfold matrix_of, vector_of, row_of, entry; cbn
        [nth].
    ring.
Qed.

Lemma rows_onto_length (M : list (list Z)) : forall r total : list Z, length (rows_onto r M total) = length total.
Proof.
  induction M as [|row M IH]; intros [|x r] total; cbn [rows_onto]; try reflexivity.
  rewrite IH; apply add_multiple_length.
Qed.

Lemma image_rows (d : nat) (y : list Z) (M : list (list Z)) (k : nat) : length y = d ->
  vector_of (map (fun row => dot_onto 0 row y) M) k = image d (matrix_of M) (vector_of y) k.
Proof.
  intro Hy; assert (Hrow : IZR (dot_onto 0 (row_of M k) y) = image d (matrix_of M) (vector_of y) k).
  { rewrite dot_onto_sum, Z.add_0_l, dot_sum_symmetric, (dot_sum_real d) by lia.
    unfold image, matrix_of, vector_of; apply sum_same; intros; ring. }
  rewrite <- Hrow; unfold vector_of, entry, row_of; f_equal.
  rewrite <- (map_nth (fun row => dot_onto 0 row y)); reflexivity.
Qed.

Theorem square_completion_sound (lambda c : Z) (w t m y : list Z) (M : list (list Z)) (z : nat -> R) :
  square_completion lambda w t m y M = Some c ->
  (forall x, IZR lambda * norm_squared (length m) x
             <= quadratic_form (length m) (curvature_matrix (length M) (matrix_of M) (vector_of w) (vector_of m))
                 x)%R ->
  (- IZR c / 4 <= sum (length M) (fun k => vector_of t k * image (length m) (matrix_of M) z k
                                           + vector_of w k * image (length m) (matrix_of M) z k ^ 2)
                  + sum (length m) (fun i => vector_of m i * z i ^ 2))%R.
Proof.
  unfold square_completion; destruct (_ && _) eqn:Htest; [|discriminate]; intros H Hlambda.
  apply (f_equal (fun c => match c with Some x => x | None => 0 end)) in H; cbv beta iota zeta in H.
  apply andb_prop in Htest; destruct Htest as [Htest Hy].
  apply andb_prop in Htest; destruct Htest as [Htest Ht].
  apply andb_prop in Htest; destruct Htest as [Hl Hw].
  apply Z.leb_le in Hl; apply Z.eqb_eq in Hy; apply Z.eqb_eq in Ht; apply Z.eqb_eq in Hw.
  rewrite ?count_length, ?height_length in *; apply Nat2Z.inj in Hy; apply Nat2Z.inj in Ht; apply Nat2Z.inj in Hw.
  set (K := length M) in *; set (d := length m) in *.
  assert (Hl' : (0 < IZR lambda)%R) by (apply IZR_lt; lia).
  assert (Hsquare := factored_square K d (matrix_of M) (vector_of w) (vector_of t) (vector_of m) (IZR lambda)
                       (vector_of y) z Hl' Hlambda).
  eapply Rle_trans; [|exact Hsquare].
  assert (Hcompletion : (completion K d (matrix_of M) (vector_of w) (vector_of t) (vector_of m) (IZR lambda)
      (vector_of y)
                         <= IZR c)%R); [|lra].
  set (v := map (fun row => dot_onto 0 row y) M) in *.
  set (e := rows_onto (remainders t w v) M (map Z.opp (products m y))) in *.
  assert (Hv : forall k, vector_of v k = image d (matrix_of M) (vector_of y) k) by (intro; apply image_rows; exact Hy).
  assert (Hlv : length v = K) by apply map_length.
  assert (He : (norm_squared d (residual K d (matrix_of M) (vector_of w) (vector_of t) (vector_of m) (vector_of y))
                <= IZR (squares_sum e))%R).
  { eapply Rle_trans; [|apply (squares_sum_above e d)]; right; apply sum_same; intros i Hi; f_equal.
    assert (Hmy : length (products m y) = d) by (rewrite products_length; lia).
    unfold e; rewrite entry_rows_onto; fold K.
    - unfold residual; rewrite (Rplus_comm (IZR _)); unfold Rminus; f_equal.
      + apply sum_same; intros k _; f_equal; rewrite <- Hv; unfold vector_of.
        rewrite entry_remainders by lia; rewrite minus_IZR, mult_IZR; reflexivity.
      + unfold vector_of, entry; change 0 with (- 0) at 3; rewrite map_nth.
        change (nth i (products m y) 0) with (entry (products m y) i); rewrite entry_products, opp_IZR, mult_IZR.
        reflexivity.
    - rewrite remainders_length; lia.
    - rewrite map_length; lia. }
  assert (Hdivided : (norm_squared d (residual K d (matrix_of M) (vector_of w) (vector_of t) (vector_of m) (vector_of
      y))
                      / IZR lambda <= IZR (squares_sum e / lambda + 1))%R).
  { apply Rmult_le_reg_r with (IZR lambda); [exact Hl'|].
    unfold Rdiv; rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra; eapply Rle_trans; [exact He|].
    rewrite <- mult_IZR; apply IZR_le.
    assert (Hmod := Z.mod_pos_bound (squares_sum e) lambda ltac:(lia)); rewrite Z.mod_eq in Hmod by lia; lia. }
  rewrite <- H, plus_IZR, !minus_IZR, mult_IZR; unfold completion.
  rewrite (dot_onto_real K t v) by lia.
  rewrite (dot_onto_real K (products w v) v) by (assert (Hs := products_shorter w v); lia).
  rewrite (dot_onto_real d (products m y) y) by (assert (Hs := products_shorter m y); lia).
  assert (Hproduct : forall a b k, vector_of (products a b) k = (vector_of a k * vector_of b k)%R).
  { intros a b k; unfold vector_of; rewrite entry_products, mult_IZR; reflexivity. }
  replace (dot K (vector_of (products w v)) (vector_of v))
    with (sum K (fun k => vector_of w k * image d (matrix_of M) (vector_of y) k ^ 2)%R).
  2: { apply sum_same; intros k _; rewrite Hproduct, <- Hv; ring. }
  replace (dot d (vector_of (products m y)) (vector_of y)) with (sum d (fun i => vector_of m i * vector_of y i ^ 2)%R).
  2: { apply sum_same; intros i _; rewrite Hproduct; ring. }
  replace (dot K (vector_of t) (vector_of v)) with (dot K (vector_of t) (image d (matrix_of M) (vector_of y))).
  2: { apply sum_same; intros k _; rewrite Hv; reflexivity. }
  lra.
Qed.

Theorem square_bound_sound (p : factor_proof) (b : Z) (w t m y : list Z) (M : list (list Z)) (z : nat -> R) :
  square_bound p w t m y M = Some b ->
  (IZR b / 4 <= sum (length M) (fun k => vector_of t k * image (length m) (matrix_of M) z k
                                         + vector_of w k * image (length m) (matrix_of M) z k ^ 2)
                + sum (length m) (fun i => vector_of m i * z i ^ 2))%R.
Proof.
  unfold square_bound; destruct (eigenvalue_bound p w m M) as [lambda|] eqn:Heigen; [|discriminate].
  destruct (square_completion lambda w t m y M) as [c|] eqn:Hc; [|discriminate]; intro H; injection H as <-.
  rewrite opp_IZR; apply (square_completion_sound lambda c w t m y); [exact Hc|].
  apply (eigenvalue_bound_sound p); exact Heigen.
Qed.
