(** Positive definite by a rounded triangular factor, in integers: where A - s I = 2^k L L^T + E with |E|_F <= rho,
    z.Az is at least (s - rho) |z|^2. The test forms E exactly; L may be anything.
    theory/theorems/quadratic_relaxation.md, section 2

    A symmetric matrix is the list of its rows up to the diagonal: row i has i + 1 entries. Choose L's scale so that
    its entries and sums of products stay below 2^62: such integers are machine words once extracted. *)
From Coq Require Import ZArith List Reals Lra Lia Bool.
From Lyap Require Import finite_sums quadratic_forms packed_products.
Import ListNotations.
Open Scope Z_scope.

Definition row_of (rows : list (list Z)) (i : nat) : list Z := nth i rows [].
Definition lower_entry (rows : list (list Z)) (i j : nat) : Z := entry (row_of rows i) j.
Definition symmetric_entry (rows : list (list Z)) (i j : nat) : Z :=
  if (j <=? i)%nat then lower_entry rows i j else lower_entry rows j i.

(** * The test *)

Fixpoint dot_onto (total : Z) (a b : list Z) : Z :=
  match a, b with x :: a, y :: b => dot_onto (total + x * y) a b | _, _ => total end.

(** Adds (a_j - 2^k l.m_j)^2 over j. *)
Fixpoint squares_onto (k : Z) (l a : list Z) (ms : list (list Z)) (total : Z) : Z :=
  match a, ms with
  | x :: a, m :: ms =>
      let e := x - Z.shiftl (dot_onto 0 l m) k in squares_onto k l a ms (total + e * e)
  | _, _ => total
  end.

(** The squares of A - 2^k L L^T on and below the diagonal; None where A is not triangular or L has another height. *)
Fixpoint residual_squares (k : Z) (A L all : list (list Z)) (i total : Z) : option Z :=
  match A, L with
  | [], [] => Some total
  | a :: A, l :: L =>
      if count a =? i + 1 then residual_squares k A L all (i + 1) (squares_onto k l a all total) else None
  | _, _ => None
  end.

Fixpoint subtract_at_end (s : Z) (row : list Z) : list Z :=
  match row with [] => [] | [x] => [x - s] | x :: row => x :: subtract_at_end s row end.

Definition semidefinite_by_factor (k rho : Z) (A L : list (list Z)) : bool :=
  match residual_squares k A L L 0 0 with
  | Some squares => (0 <=? k) && (0 <=? rho) && (2 * squares <=? rho * rho)
  | None => false
  end.

Definition positive_definite_by_factor (k s rho : Z) (A L : list (list Z)) : bool :=
  semidefinite_by_factor k rho (map (subtract_at_end s) A) L.

(** * What the test computes *)

Lemma dot_onto_sum (a : list Z) : forall (b : list Z) (total : Z), dot_onto total a b = total + dot_sum a b.
Proof. induction a as [|x a IH]; intros [|y b] total; cbn [dot_onto dot_sum]; try rewrite IH; lia. Qed.

Lemma dot_sum_symmetric (a : list Z) : forall b : list Z, dot_sum a b = dot_sum b a.
Proof. induction a as [|x a IH]; intros [|y b]; cbn [dot_sum]; try rewrite IH; lia. Qed.

(** A sum's first term. *)
Lemma sum_first (n : nat) (f : nat -> R) : sum (S n) f = (f O + sum n (fun i => f (S i)))%R.
Proof.
  induction n as [|n IH]; [simpl; ring|].
  change (sum (S (S n)) f) with (sum (S n) f + f (S n))%R; rewrite IH; simpl; ring.
Qed.

Lemma dot_sum_real (n : nat) : forall a b : list Z, (length a <= n)%nat ->
  IZR (dot_sum a b) = sum n (fun i => (IZR (entry a i) * IZR (entry b i))%R).
Proof.
  induction n as [|n IH]; intros [|x a] b Hn; cbn [length] in Hn; try lia; cbn [dot_sum].
  - reflexivity.
  - rewrite (sum_same _ _ (fun _ => 0%R)); [rewrite sum_zero; reflexivity|].
    intros i _; unfold entry at 1; destruct i; simpl; ring.
  - rewrite sum_first; destruct b as [|y b].
    + rewrite (sum_same _ _ (fun _ => 0%R)); [rewrite sum_zero; unfold entry; simpl; ring|].
      intros i _; unfold entry at 2; simpl; ring.
    + rewrite plus_IZR, mult_IZR, (IH a b) by lia; reflexivity.
Qed.

Definition residual_entry (k : Z) (l a : list Z) (ms : list (list Z)) (j : nat) : R :=
  IZR (entry a j - Z.shiftl (dot_sum l (row_of ms j)) k).

Lemma squares_onto_sum (k : Z) (l a : list Z) : forall (ms : list (list Z)) (total : Z), (length a <= length ms)%nat ->
  IZR (squares_onto k l a ms total) = (IZR total + sum (length a) (fun j => residual_entry k l a ms j ^ 2))%R.
Proof.
  induction a as [|x a IH]; intros [|m ms] total Hlen; cbn [length] in Hlen; try lia; cbn [squares_onto length].
  1-2: simpl; ring.
  rewrite dot_onto_sum, Z.add_0_l, IH by lia.
  rewrite sum_first, plus_IZR, mult_IZR.
  change (residual_entry k l (x :: a) (m :: ms) 0) with (IZR (x - Z.shiftl (dot_sum l m) k)).
  change (fun i => (residual_entry k l (x :: a) (m :: ms) (S i) ^ 2)%R) with (fun i => (residual_entry k l a ms i ^
      2)%R).
  ring.
Qed.

Definition residual_row (k : Z) (A L all : list (list Z)) (i : nat) : R :=
  sum (length (row_of A i)) (fun j => residual_entry k (row_of L i) (row_of A i) all j ^ 2)%R.

Lemma residual_squares_sum (k : Z) (all A : list (list Z)) : forall (L : list (list Z)) (i : nat) (total squares : Z),
  (i + length A <= length all)%nat -> residual_squares k A L all (Z.of_nat i) total = Some squares ->
  length L = length A /\ (forall p, (p < length A)%nat -> length (row_of A p) = (i + p + 1)%nat) /\
  IZR squares = (IZR total + sum (length A) (residual_row k A L all))%R.
Proof.
  induction A as [|a A IH]; intros [|l L] i total squares Hlen; cbn [residual_squares length] in *; try discriminate.
  - intro H; injection H as <-; repeat split; [intros p Hp; lia|simpl; ring].
  - destruct (Z.eqb_spec (count a) (Z.of_nat i + 1)) as [Ha|]; [|discriminate].
    rewrite count_length in Ha; replace (Z.of_nat i + 1) with (Z.of_nat (S i)) by lia.
    intro H; apply IH in H; [|lia]; destruct H as [HL [Hrows Hsum]].
    split; [lia|split].
    + intros [|p] Hp; unfold row_of in *; cbn [nth]; [lia|rewrite Hrows by lia; lia].
    + rewrite Hsum, sum_first, squares_onto_sum by lia; unfold residual_row, row_of; cbn [nth]; ring.
Qed.

(** * Soundness *)

(** A symmetric array's sum is at most twice that of its lower half. *)
Lemma sum_symmetric (d : nat) (g : nat -> nat -> R) : (forall i j, 0 <= g i j)%R -> (forall i j, g i j = g j i) ->
  (sum d (fun i => sum d (g i)) <= 2 * sum d (fun i => sum (S i) (g i)))%R.
Proof.
  intros Hpos Hsym; induction d as [|d IH]; [simpl; lra|].
  change (sum (S d) (fun i => sum (S d) (g i)))
    with (sum d (fun i => (sum d (g i) + g i d)%R) + (sum d (g d) + g d d))%R.
  change (sum (S d) (fun i => sum (S i) (g i))) with (sum d (fun i => sum (S i) (g i)) + (sum d (g d) + g d d))%R.
  rewrite sum_plus, (sum_same d (fun i => g i d) (g d)) by (intros; apply Hsym).
  assert (H := Hpos d d); lra.
Qed.

Definition factor_product (k : Z) (L : list (list Z)) (i j : nat) : Z := Z.shiftl (dot_sum (row_of L i) (row_of L j)) k.
Definition real_matrix (rows : list (list Z)) (i j : nat) : R := IZR (symmetric_entry rows i j).

Fixpoint longest (rows : list (list Z)) : nat :=
  match rows with [] => O | row :: rows => Nat.max (length row) (longest rows) end.

Lemma longest_above (rows : list (list Z)) (i : nat) : (length (row_of rows i) <= longest rows)%nat.
Proof.
  revert i; induction rows as [|row rows IH]; intros [|i]; unfold row_of in *; cbn [nth length longest]; try lia.
  specialize (IH i); lia.
Qed.

(** z.(L L^T)z = |L^T z|^2 *)
Lemma factor_semidefinite (k : Z) (L : list (list Z)) (d : nat) (z : nat -> R) : 0 <= k ->
  (0 <= quadratic_form d (fun i j => IZR (factor_product k L i j)) z)%R.
Proof.
  intro Hk; set (n := longest L); set (M := fun c i => IZR (entry (row_of L i) c)).
  rewrite (form_same d _ (gram n (fun _ => IZR (2 ^ k)) M)).
  - rewrite form_gram; apply sum_nonnegative; intros c _; apply Rmult_le_pos; [|apply pow2_ge_0].
    apply IZR_le, Z.pow_nonneg; lia.
  - intros i j _ _; unfold factor_product, gram, M; rewrite Z.shiftl_mul_pow2, mult_IZR by exact Hk.
    rewrite (dot_sum_real n) by apply longest_above.
    rewrite <- sum_scaled_right; apply sum_same; intros c _; ring.
Qed.

Theorem semidefinite_by_factor_sound (k rho : Z) (A L : list (list Z)) (z : nat -> R) :
  semidefinite_by_factor k rho A L = true ->
  (- IZR rho * norm_squared (length A) z <= quadratic_form (length A) (real_matrix A) z)%R.
Proof.
  unfold semidefinite_by_factor.
  destruct (residual_squares k A L L 0 0) as [squares|] eqn:H; [|discriminate].
  intro Htest; apply andb_prop in Htest; destruct Htest as [Htest Hsquares].
  apply andb_prop in Htest; destruct Htest as [Hk Hrho].
  apply Z.leb_le in Hk; apply Z.leb_le in Hrho; apply Z.leb_le in Hsquares.
  assert (Hheight : length L = length A).
  { assert (Hshape : forall (B M all : list (list Z)) i total, residual_squares k B M all i total = Some squares ->
              length M = length B).
    { induction B as [|b B IH]; intros [|m M] all i total; cbn [residual_squares length]; try discriminate; [lia|].
      destruct (_ =? _); [|discriminate]; intro He; apply IH in He; lia. }
    apply Hshape in H; exact H. }
  apply (residual_squares_sum k L A L 0) in H; [|lia]; destruct H as [_ [Hrows Hsum]].
  set (d := length A) in *.
  set (E := fun i j => (real_matrix A i j - IZR (factor_product k L i j))%R).
  assert (HE : (sum d (fun i => sum d (fun j => E i j ^ 2)) <= IZR rho ^ 2)%R).
  { eapply Rle_trans; [apply (sum_symmetric d (fun i j => (E i j ^ 2)%R))|].
    - intros; apply pow2_ge_0.
    - intros i j; f_equal; unfold E, real_matrix, factor_product, symmetric_entry; rewrite dot_sum_symmetric.
      destruct (Nat.leb_spec j i); destruct (Nat.leb_spec i j); try reflexivity; try lia.
      replace j with i by lia; reflexivity.
    - rewrite (sum_same d _ (residual_row k A L L)).
      + replace (IZR rho ^ 2)%R with (IZR (rho * rho)) by (rewrite mult_IZR; ring).
        apply IZR_le in Hsquares; rewrite mult_IZR in Hsquares; rewrite Hsum in Hsquares; lra.
      + intros i Hi; unfold residual_row; rewrite Hrows by exact Hi.
        replace (0 + i + 1)%nat with (S i) by lia; apply sum_same; intros j Hj.
        unfold E, residual_entry, real_matrix, factor_product, symmetric_entry, lower_entry.
        destruct (Nat.leb_spec j i); [|lia]; rewrite minus_IZR; reflexivity. }
  assert (Hbound := frobenius_bound d E (IZR rho) z (IZR_le _ _ Hrho) HE).
  assert (Hfactor := factor_semidefinite k L d z Hk).
  rewrite (form_same d (real_matrix A) (fun i j => (IZR (factor_product k L i j) + E i j)%R))
    by (intros; unfold E; ring).
  rewrite form_plus; rewrite <- Rabs_Ropp in Hbound.
  assert (Hle := Rle_trans _ _ _ (Rle_abs _) Hbound); lra.
Qed.

Lemma subtract_at_end_length (s : Z) (row : list Z) : length (subtract_at_end s row) = length row.
Proof. induction row as [|x [|y row] IH]; cbn [subtract_at_end length] in *; [| |rewrite IH]; reflexivity. Qed.

Lemma entry_subtract_at_end (s : Z) (row : list Z) : forall j, (j < length row)%nat ->
  entry (subtract_at_end s row) j = entry row j - if (S j =? length row)%nat then s else 0.
Proof.
  induction row as [|x [|y row] IH]; intros j Hj; cbn [length] in Hj; [lia| |].
  - replace j with O by lia; reflexivity.
  - destruct j as [|j]; [change (x = x - 0); lia|].
    change (entry (subtract_at_end s (x :: y :: row)) (S j)) with (entry (subtract_at_end s (y :: row)) j).
    rewrite IH by (cbn [length]; lia); reflexivity.
Qed.

Lemma row_of_map (s : Z) (A : list (list Z)) (i : nat) :
  row_of (map (subtract_at_end s) A) i = subtract_at_end s (row_of A i).
Proof. unfold row_of; rewrite <- (map_nth (subtract_at_end s)); reflexivity. Qed.

Lemma semidefinite_by_factor_shape (k rho : Z) (A L : list (list Z)) : semidefinite_by_factor k rho A L = true ->
  forall i, (i < length A)%nat -> length (row_of A i) = S i.
Proof.
  unfold semidefinite_by_factor; destruct (residual_squares k A L L 0 0) as [squares|] eqn:H; [intros _|discriminate].
  assert (Hshape : forall (B M all : list (list Z)) p total, residual_squares k B M all (Z.of_nat p) total = Some
      squares ->
            forall i, (i < length B)%nat -> length (row_of B i) = (p + i + 1)%nat).
  { induction B as [|b B IH]; intros [|m M] all p total; cbn [residual_squares length]; try discriminate; [lia|].
    destruct (Z.eqb_spec (count b) (Z.of_nat p + 1)) as [Hb|]; [|discriminate].
    rewrite count_length in Hb; replace (Z.of_nat p + 1) with (Z.of_nat (S p)) by lia; intros He [|i] Hi;
      unfold row_of; cbn [nth]; [lia|].
    change (length (row_of B i) = (p + S i + 1)%nat); rewrite (IH _ _ _ _ He) by lia; lia. }
  intros i Hi; rewrite (Hshape A L L O 0 H) by exact Hi; lia.
Qed.

(** z.Az >= (s - rho) |z|^2 *)
Theorem positive_definite_by_factor_sound (k s rho : Z) (A L : list (list Z)) (z : nat -> R) :
  positive_definite_by_factor k s rho A L = true ->
  ((IZR s - IZR rho) * norm_squared (length A) z <= quadratic_form (length A) (real_matrix A) z)%R.
Proof.
  unfold positive_definite_by_factor; intro H.
  assert (Hshape := semidefinite_by_factor_shape _ _ _ _ H).
  apply (semidefinite_by_factor_sound k rho _ L z) in H; rewrite map_length in *.
  rewrite (form_same (length A) _ (fun i j => (real_matrix A i j + diagonal (fun _ => - IZR s) i j)%R)) in H.
  - rewrite form_plus, form_diagonal, sum_scaled in H; fold (norm_squared (length A) z) in H; lra.
  - intros i j Hi Hj; unfold real_matrix, symmetric_entry, lower_entry, diagonal.
    assert (Hrow : forall p, (p < length A)%nat -> length (row_of A p) = S p).
    { intros p Hp; rewrite <- Hshape, row_of_map, subtract_at_end_length by exact Hp; reflexivity. }
    rewrite !row_of_map; destruct (Nat.leb_spec j i) as [Hji|Hij].
    + rewrite entry_subtract_at_end, Hrow by (rewrite ?Hrow; lia).
      destruct (Nat.eqb_spec (S j) (S i)); destruct (Nat.eqb_spec i j); try lia; rewrite minus_IZR; ring.
    + rewrite entry_subtract_at_end, Hrow by (rewrite ?Hrow; lia).
      destruct (Nat.eqb_spec (S i) (S j)); destruct (Nat.eqb_spec i j); try lia; rewrite minus_IZR; ring.
Qed.
