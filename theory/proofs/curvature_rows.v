(** The rows of R = M^T diag(w) M + diag(m) up to the diagonal, exactly, from integers. Row i is a row vector times a
    matrix whose rows are packed into long integers (packed_products.v), in blocks of columns of which only those up
    to the diagonal are needed. *)
From Coq Require Import ZArith List Reals Lra Lia Bool.
From Lyap Require Import finite_sums quadratic_forms quadratic_relaxation packed_products positive_definite.
Import ListNotations.
Open Scope Z_scope.

Definition vector_of (xs : list Z) (i : nat) : R := IZR (entry xs i).
Definition matrix_of (rows : list (list Z)) (k i : nat) : R := IZR (entry (row_of rows k) i).

Definition height (rows : list (list Z)) : Z := fold_left (fun n _ => n + 1) rows 0.

(** * What runs *)

Fixpoint products (a b : list Z) : list Z :=
  match a, b with x :: a, y :: b => x * y :: products a b | _, _ => [] end.

(** The entries 0 .. i of a row, m added to the last. *)
Fixpoint prefix_plus (i m : Z) (row : list Z) : list Z :=
  match row with [] => [] | x :: row => if i <=? 0 then [x + m] else x :: prefix_plus (i - 1) m row end.

(** Some columns of a matrix: the first, their number, the parts of the rows. Short parts keep the long integers
    small. *)
Record block := Block { first_column : Z; block_columns : Z; block_rows : list packed_row }.
Definition block_size : nat := 128.

(** The columns [start], .., [start] + [left] - 1 in blocks; [tails] are the rows without their first [start]
    entries, [fuel] is
    any list of at least [left] elements. *)
Fixpoint column_blocks (width : Z) (size : nat) (fuel : list Z) (start left : Z) (tails : list (list Z)) : list block :=
  match fuel with
  | [] => []
  | _ :: fuel =>
      if left <=? 0 then []
      else
        let columns := Z.min (Z.of_nat size) left in
        Block start columns (map (fun row => pack_row width (firstn (Z.to_nat columns) row)) tails)
        :: column_blocks width size fuel (start + columns) (left - columns) (map (skipn size) tails)
  end.

(** The blocks of a row of a product, up to the block of column i. *)
Fixpoint blocks_row (width : Z) (a : list Z) (blocks : list block) (i : Z) : option (list Z) :=
  match blocks with
  | [] => Some []
  | b :: blocks =>
      if first_column b <=? i then
        match row_times_matrix width (block_columns b) a (block_rows b), blocks_row width a blocks i with
        | Some row, Some rest => Some (row ++ rest)
        | _, _ => None
        end
      else Some []
  end.

(** M^T diag(w) M + diag(m), the rows up to the diagonal from row i on; [tails] are M's rows without their first i
    entries. *)
Fixpoint curvature_rows_from (width i : Z) (w : list Z) (blocks : list block) (m : list Z) (tails : list (list Z))
    : option (list (list Z)) :=
  match m with
  | [] => Some []
  | m_i :: m =>
      match blocks_row width (products w (map (hd 0) tails)) blocks i with
      | Some row =>
          match curvature_rows_from width (i + 1) w blocks m (map (@tl Z) tails) with
          | Some rows => Some (prefix_plus i m_i row :: rows)
          | None => None
          end
      | None => None
      end
  end.
Definition curvature_rows (width : Z) (w m : list Z) (M : list (list Z)) : option (list (list Z)) :=
  curvature_rows_from width 0 w (column_blocks width block_size m 0 (count m) M) m M.

(** * What it computes *)

Lemma height_length (rows : list (list Z)) : height rows = Z.of_nat (length rows).
Proof.
  unfold height; assert (H : forall n, fold_left (fun n _ => n + 1) rows n = n + Z.of_nat (length rows)).
  { induction rows as [|row rows IH]; intro n; cbn [fold_left length]; [lia|rewrite IH; lia]. }
  rewrite H; lia.
Qed.

Lemma entry_products (a : list Z) : forall (b : list Z) (k : nat), entry (products a b) k = entry a k * entry b k.
Proof.
  unfold entry; induction a as [|x a IH]; intros [|y b] [|k]; cbn [products nth]; try lia; apply IH.
Qed.

Lemma products_length (a : list Z) : forall b : list Z, length a = length b -> length (products a b) = length a.
Proof. induction a as [|x a IH]; intros [|y b] H; cbn [length products] in *; try lia; rewrite IH; lia. Qed.

Lemma prefix_plus_length (m : Z) (row : list Z) : forall i : nat, (i < length row)%nat ->
  length (prefix_plus (Z.of_nat i) m row) = S i.
Proof.
  induction row as [|x row IH]; intros [|i] Hi; cbn [length] in Hi; try lia; cbn [prefix_plus]; [reflexivity|].
  destruct (Z.leb_spec (Z.of_nat (S i)) 0); [lia|].
  replace (Z.of_nat (S i) - 1) with (Z.of_nat i) by lia; cbn [length]; rewrite IH; lia.
Qed.

Lemma entry_prefix_plus (m : Z) (row : list Z) : forall i j : nat, (j <= i < length row)%nat ->
  entry (prefix_plus (Z.of_nat i) m row) j = entry row j + if (i =? j)%nat then m else 0.
Proof.
  unfold entry; induction row as [|x row IH]; intros [|i] j Hj; cbn [length] in Hj; try lia; cbn [prefix_plus].
  - replace j with O by lia; reflexivity.
  - destruct (Z.leb_spec (Z.of_nat (S i)) 0); [lia|].
    replace (Z.of_nat (S i) - 1) with (Z.of_nat i) by lia.
    destruct j as [|j]; cbn [nth]; [cbn; lia|rewrite IH by lia; reflexivity].
Qed.

(** Rows without their first i entries. *)
Definition tails_from (i : nat) (M : list (list Z)) : list (list Z) := map (skipn i) M.

Lemma tails_next (i : nat) (M : list (list Z)) : map (@tl Z) (tails_from i M) = tails_from (S i) M.
Proof.
  unfold tails_from; rewrite map_map; apply map_ext; intro row; revert row; induction i as [|i IH]; intros [|x row];
    try reflexivity; exact (IH row).
Qed.

Lemma tails_heads (i : nat) (M : list (list Z)) : map (hd 0) (tails_from i M) = column M i.
Proof.
  unfold tails_from, column, entry; rewrite map_map; apply map_ext; intro row; revert row.
  induction i as [|i IH]; intros [|x row]; try reflexivity; exact (IH row).
Qed.

Lemma entry_column (M : list (list Z)) (i k : nat) : entry (column M i) k = entry (row_of M k) i.
Proof.
  unfold column, row_of, entry at 1; rewrite <- (map_nth (fun row => entry row i)).
  f_equal; unfold entry; destruct i; reflexivity.
Qed.

Lemma tails_further (size i : nat) (M : list (list Z)) : map (skipn size) (tails_from i M) = tails_from (i + size) M.
Proof.
  unfold tails_from; rewrite map_map; apply map_ext; intro row; revert row.
  induction i as [|i IH]; intros [|x row]; cbn [skipn Nat.add]; rewrite ?skipn_nil; try reflexivity; apply IH.
Qed.

Lemma column_of_part (n start j : nat) (M : list (list Z)) : (j < n)%nat ->
  column (map (firstn n) (tails_from start M)) j = column M (start + j).
Proof.
  intro Hj; unfold column, tails_from; rewrite !map_map; apply map_ext; intro row; unfold entry.
  replace (nth j (firstn n (skipn start row)) 0) with (nth j (skipn start row) 0).
  - revert row; induction start as [|start IH]; intros [|x row]; cbn [skipn Nat.add nth]; try reflexivity.
    + destruct j; reflexivity.
    + apply IH.
  - set (tail := skipn start row); rewrite <- (firstn_skipn n tail) at 1.
    destruct (Nat.lt_ge_cases j (length (firstn n tail))) as [H|H]; [rewrite app_nth1 by exact H; reflexivity|].
    rewrite (nth_overflow (firstn n tail)) by exact H; rewrite firstn_length in H.
    apply nth_overflow; rewrite firstn_skipn; lia.
Qed.

Lemma blocks_row_entries (width : Z) (size : nat) (M : list (list Z)) (a : list Z) (i : nat) : 1 <= width -> (1 <=
    size)%nat ->
  forall (fuel : list Z) (start left : nat) (row : list Z), (left <= length fuel)%nat -> (start <= i < start +
      left)%nat ->
  blocks_row width a (column_blocks width size fuel (Z.of_nat start) (Z.of_nat left) (tails_from start M)) (Z.of_nat i)
    = Some row ->
  (i < start + length row)%nat /\ forall j, (start + j <= i)%nat -> entry row j = dot_sum a (column M (start + j)).
Proof.
  intros Hwidth Hsize; induction fuel as [|f fuel IH]; intros start left row Hfuel Hi; cbn [length] in Hfuel; [lia|].
  cbn [column_blocks]; destruct (Z.leb_spec (Z.of_nat left) 0); [lia|].
  set (columns := Z.min (Z.of_nat size) (Z.of_nat left)).
  assert (Hcolumns : exists n, columns = Z.of_nat n /\ n = Nat.min size left).
  { exists (Nat.min size left); split; [unfold columns; lia|reflexivity]. }
  destruct Hcolumns as [n [Hcolumns Hn]]; rewrite Hcolumns; clear columns Hcolumns.
  cbn [blocks_row first_column block_columns block_rows].
  destruct (Z.leb_spec (Z.of_nat start) (Z.of_nat i)); [|lia].
  rewrite Nat2Z.id, <- (map_map (firstn n) (pack_row width)).
  destruct (row_times_matrix _ _ _ _) as [part|] eqn:Hpart; [|discriminate].
  apply row_times_matrix_entry in Hpart; [|exact Hwidth]; destruct Hpart as [Hlength Hpart]; rewrite Nat2Z.id in
      Hlength.
  assert (Hentry : forall j, (j < n)%nat -> entry part j = dot_sum a (column M (start + j))).
  { intros j Hj; rewrite Hpart, column_of_part by exact Hj; reflexivity. }
  rewrite tails_further.
  destruct (blocks_row _ _ _ _) as [rest|] eqn:Hrest; [|discriminate]; intro H1; injection H1 as <-.
  rewrite app_length; split.
  - destruct (Nat.lt_ge_cases i (start + n)) as [Hlt|Hge]; [lia|].
    replace (Z.of_nat start + Z.of_nat n) with (Z.of_nat (start + size)) in Hrest by lia.
    replace (Z.of_nat left - Z.of_nat n) with (Z.of_nat (left - size)) in Hrest by lia.
    apply IH in Hrest; lia.
  - intros j Hj; unfold entry; destruct (Nat.lt_ge_cases j n) as [Hlt|Hge].
    + rewrite app_nth1 by lia; apply Hentry; exact Hlt.
    + rewrite app_nth2 by lia; rewrite Hlength.
      replace (Z.of_nat start + Z.of_nat n) with (Z.of_nat (start + size)) in Hrest by lia.
      replace (Z.of_nat left - Z.of_nat n) with (Z.of_nat (left - size)) in Hrest by lia.
      apply IH in Hrest; [|lia|lia]; destruct Hrest as [_ Hrest]; unfold entry in Hrest; rewrite Hrest by lia.
      do 2 f_equal; lia.
Qed.

Lemma curvature_rows_from_entries (width : Z) (w all : list Z) (M : list (list Z)) : 1 <= width -> length w = length
    M ->
  forall (m : list Z) (i : nat) (A : list (list Z)), (i + length m = length all)%nat ->
  curvature_rows_from width (Z.of_nat i) w (column_blocks width block_size all 0 (count all) M) m (tails_from i M) =
      Some A ->
  length A = length m /\ forall p j, (p < length m)%nat -> (j <= i + p)%nat ->
    entry (row_of A p) j = dot_sum (products w (column M (i + p))) (column M j)
                           + if (i + p =? j)%nat then entry m p else 0.
Proof.
  intros Hwidth Hw; induction m as [|m_i m IH]; intros i A Hn; cbn [curvature_rows_from length] in *.
  - intro H; injection H as <-; split; [reflexivity|intros p j Hp; lia].
  - rewrite tails_heads, tails_next.
    destruct (blocks_row _ _ _ _) as [row|] eqn:Hrow; [|discriminate].
    replace (Z.of_nat i + 1) with (Z.of_nat (S i)) by lia.
    destruct (curvature_rows_from _ _ _ _ _ _) as [rows|] eqn:Hrows; [|discriminate].
    intro H; injection H as <-.
    apply IH in Hrows; [|lia]; destruct Hrows as [Hlen Hentry].
    assert (Htails : tails_from 0 M = M) by apply map_id.
    rewrite <- Htails, count_length in Hrow; change 0 with (Z.of_nat 0) in Hrow.
    apply blocks_row_entries in Hrow; [|exact Hwidth|unfold block_size; lia|lia|lia]; destruct Hrow as [Hcount Hrow].
    split; [cbn [length]; lia|].
    intros [|p] j Hp Hj; unfold row_of; cbn [nth].
    + rewrite Nat.add_0_r in *; rewrite entry_prefix_plus, Htails in * by lia; rewrite Hrow by lia; reflexivity.
    + change (nth p rows []) with (row_of rows p); rewrite Hentry by lia.
      replace (S i + p)%nat with (i + S p)%nat by lia; reflexivity.
Qed.

(** The rows that the test forms are those of the rounded R. *)
Lemma curvature_rows_form (width : Z) (w m : list Z) (M A : list (list Z)) (z : nat -> R) : 1 <= width ->
  length w = length M -> curvature_rows width w m M = Some A ->
  length A = length m /\
  quadratic_form (length m) (real_matrix A) z
  = quadratic_form (length m) (curvature_matrix (length M) (matrix_of M) (vector_of w) (vector_of m)) z.
Proof.
  intros Hwidth Hw H.
  assert (Htails : tails_from 0 M = M) by apply map_id.
  assert (Hrows : curvature_rows_from width (Z.of_nat 0) w (column_blocks width block_size m 0 (count m) M) m
      (tails_from 0 M)
                  = Some A) by (rewrite Htails; exact H); clear H; rename Hrows into H.
  apply curvature_rows_from_entries in H; [|exact Hwidth|exact Hw|lia].
  destruct H as [Hlen Hentry]; split; [exact Hlen|].
  assert (Hlower : forall i j, (j <= i < length m)%nat ->
            IZR (lower_entry A i j) = curvature_matrix (length M) (matrix_of M) (vector_of w) (vector_of m) i j).
  { intros i j Hij; unfold lower_entry; rewrite Hentry by lia; cbn [Nat.add].
    rewrite plus_IZR, (dot_sum_real (length M)).
    2: { rewrite products_length; unfold column; rewrite ?map_length; lia. }
    unfold curvature_matrix, gram, diagonal, matrix_of, vector_of; f_equal.
    - apply sum_same; intros k _; rewrite entry_products.
      rewrite !entry_column, mult_IZR; ring.
    - destruct (i =? j)%nat; reflexivity. }
  apply form_same; intros i j Hi Hj; unfold real_matrix, symmetric_entry.
  destruct (Nat.leb_spec j i) as [H|H]; [apply Hlower; lia|rewrite Hlower by lia].
  unfold curvature_matrix, gram, diagonal; f_equal.
  - apply sum_same; intros k _; ring.
  - destruct (Nat.eqb_spec i j); destruct (Nat.eqb_spec j i); try lia; reflexivity.
Qed.
