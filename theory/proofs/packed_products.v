(** Products of integer vectors and matrices through long integers: a row b of a matrix becomes sum_j b_j 2^(w j), so a
    row of a product, sum_k a_k (row k), is a sum of multiples of long integers, from which the entries are read back.
    Exact when sum_k |a_k| max_j |b_kj| < 2^(w-1), which [row_times_matrix] decides itself. Integers only;
    quantised_products.v says what they mean in the reals.

    A row is cut into blocks of about 15,360 bits: an integer of up to 256 words lies in OCaml's minor heap, where a
    product and a sum cost little more than GMP's time for them; longer ones cost six times that. No theorem depends on
    the length. Extraction needs no Extract Constant beyond ExtrOcamlZBigInt. *)
From Coq Require Import ZArith List Lia Bool.
From Lyap Require Export packed_integers.
Import ListNotations.
Open Scope Z_scope.

(** Length, largest magnitude: one pass each, tail-recursive. *)
Definition count (xs : list Z) : Z := fold_left (fun n _ => n + 1) xs 0.
Definition largest_magnitude (xs : list Z) : Z := fold_left (fun m x => Z.max m (Z.abs x)) xs 0.

Lemma count_length (xs : list Z) : count xs = Z.of_nat (length xs).
Proof.
  unfold count; assert (H : forall n, fold_left (fun n _ => n + 1) xs n = n + Z.of_nat (length xs)).
  { induction xs as [|x xs IH]; intro n; cbn [fold_left length]; [lia|rewrite IH; lia]. }
  rewrite H; lia.
Qed.

Lemma largest_magnitude_above (xs : list Z) (j : nat) : Z.abs (entry xs j) <= largest_magnitude xs.
Proof.
  unfold largest_magnitude, entry.
  assert (H : forall m, m <= fold_left (fun m x => Z.max m (Z.abs x)) xs m /\
                        forall i, (i < length xs)%nat ->
                          Z.abs (nth i xs 0) <= fold_left (fun m x => Z.max m (Z.abs x)) xs m).
  { induction xs as [|x xs IH]; intro m; cbn [fold_left length nth].
    - split; [lia|intros i Hi; lia].
    - destruct (IH (Z.max m (Z.abs x))) as [H1 H2]; split; [lia|].
      intros [|i] Hi; [lia|apply H2; lia]. }
  destruct (H 0) as [H1 H2]; destruct (Nat.lt_ge_cases j (length xs)) as [Hj|Hj]; [apply H2; exact Hj|].
  rewrite nth_overflow by exact Hj; simpl; exact H1.
Qed.

Lemma largest_magnitude_nonnegative (xs : list Z) : 0 <= largest_magnitude xs.
Proof. assert (H := largest_magnitude_above xs 0); lia. Qed.

(** * What a row times a matrix is *)

(** sum_k a_k (row k), n entries: the meaning. *)
Fixpoint add_rows (xs ys : list Z) : list Z :=
  match xs, ys with x :: xs, y :: ys => (x + y) :: add_rows xs ys | _, _ => [] end.
Fixpoint row_product (n : nat) (a : list Z) (matrix : list (list Z)) : list Z :=
  match a, matrix with
  | x :: a, row :: matrix => add_rows (map (Z.mul x) row) (row_product n a matrix)
  | _, _ => repeat 0 n
  end.

(** sum_k a_k b_k, over the shorter of the two. *)
Fixpoint dot_sum (a b : list Z) : Z :=
  match a, b with x :: a, y :: b => x * y + dot_sum a b | _, _ => 0 end.
Definition column (matrix : list (list Z)) (j : nat) : list Z := map (fun row => entry row j) matrix.

Lemma add_rows_length (n : nat) (xs ys : list Z) : length xs = n -> length ys = n -> length (add_rows xs ys) = n.
Proof.
  revert xs ys; induction n as [|n IH]; intros [|x xs] [|y ys]; cbn [add_rows length]; intros Hx Hy; try lia.
  rewrite IH; lia.
Qed.

Lemma entry_add_rows (n : nat) (xs ys : list Z) : length xs = n -> length ys = n ->
  forall j, entry (add_rows xs ys) j = entry xs j + entry ys j.
Proof.
  revert xs ys; induction n as [|n IH]; intros [|x xs] [|y ys]; cbn [length]; intros Hx Hy [|j];
    try lia; try reflexivity.
  unfold entry in *; cbn [add_rows nth]; apply IH; lia.
Qed.

Lemma entry_scaled (x : Z) (row : list Z) (j : nat) : entry (map (Z.mul x) row) j = x * entry row j.
Proof. unfold entry; rewrite <- (map_nth (Z.mul x)), Z.mul_0_r; reflexivity. Qed.

Lemma row_product_length (n : nat) (a : list Z) (matrix : list (list Z)) :
  Forall (fun row => length row = n) matrix -> length (row_product n a matrix) = n.
Proof.
  intro H; revert a; induction H as [|row matrix Hrow _ IH]; intros [|x a]; cbn [row_product]; try apply repeat_length.
  apply add_rows_length; [rewrite map_length; exact Hrow|apply IH].
Qed.

Lemma entry_row_product (n : nat) (a : list Z) (matrix : list (list Z)) :
  Forall (fun row => length row = n) matrix -> forall j, entry (row_product n a matrix) j = dot_sum a (column matrix j).
Proof.
  intro H; revert a; induction H as [|row matrix Hrow Hrows IH]; intros [|x a] j; cbn [row_product column map dot_sum].
  1-3: unfold entry; destruct (Nat.lt_ge_cases j n);
    [apply nth_repeat|apply nth_overflow; rewrite repeat_length; assumption].
  rewrite (entry_add_rows n), IH, entry_scaled;
    [reflexivity|rewrite map_length; exact Hrow|apply row_product_length; exact Hrows].
Qed.

Lemma packed_scaled (w x : Z) (row : list Z) : packed w (map (Z.mul x) row) = x * packed w row.
Proof. induction row as [|y row IH]; cbn [map packed]; [|rewrite IH]; ring. Qed.

Lemma packed_add_rows (w : Z) (n : nat) (xs ys : list Z) : length xs = n -> length ys = n ->
  packed w (add_rows xs ys) = packed w xs + packed w ys.
Proof.
  revert xs ys; induction n as [|n IH]; intros [|x xs] [|y ys]; cbn [length]; intros Hx Hy; try lia;
    cbn [add_rows packed].
  - reflexivity.
  - rewrite IH by lia; ring.
Qed.

Lemma packed_zeros (w : Z) (n : nat) : packed w (repeat 0 n) = 0.
Proof. induction n as [|n IH]; cbn [repeat packed]; [|rewrite IH]; ring. Qed.

(** Packing is linear. *)
Theorem packed_row_product (w : Z) (n : nat) (a : list Z) (matrix : list (list Z)) :
  Forall (fun row => length row = n) matrix ->
  packed w (row_product n a matrix) = dot_sum a (map (packed w) matrix).
Proof.
  intro H; revert a; induction H as [|row matrix Hrow Hrows IH]; intros [|x a]; cbn [row_product map dot_sum];
    try apply packed_zeros.
  rewrite (packed_add_rows w n), packed_scaled, IH;
    [reflexivity|rewrite map_length; exact Hrow|apply row_product_length; exact Hrows].
Qed.

(** * Blocks *)

(** Digits in a block. *)
Definition block_digits (w : Z) : Z := Z.max 1 (15360 / w).

(** [fuel] is any list at least as long as the number of blocks. *)
Fixpoint split (fuel : list Z) (size : nat) (xs : list Z) : list (list Z) :=
  match xs, fuel with
  | [], _ => []
  | _, [] => [xs]
  | _, _ :: fuel => firstn size xs :: split fuel size (skipn size xs)
  end.
Definition pack_blocks (w : Z) (xs : list Z) : list Z :=
  map (pack w) (split xs (Z.to_nat (block_digits w)) xs).

(** The n digits of a list of blocks of [size] digits, the last of which may be shorter. *)
Fixpoint unpack_blocks (w size n : Z) (blocks : list Z) : list Z :=
  match blocks with
  | [] => []
  | block :: blocks =>
      if n <=? size then unpack w n block else unpack w size block ++ unpack_blocks w size (n - size) blocks
  end.

(** totals + x blocks *)
Fixpoint add_multiple (x : Z) (blocks totals : list Z) : list Z :=
  match blocks, totals with
  | block :: blocks, total :: totals => (total + x * block) :: add_multiple x blocks totals
  | _, _ => []
  end.

Lemma block_digits_positive (w : Z) : 1 <= block_digits w.
Proof. unfold block_digits; lia. Qed.

Lemma pack_blocks_packed (w : Z) (xs : list Z) : 0 <= w ->
  pack_blocks w xs = map (packed w) (split xs (Z.to_nat (block_digits w)) xs).
Proof. intro Hw; unfold pack_blocks; apply map_ext; intro block; apply pack_packed; exact Hw. Qed.

Lemma firstn_add_rows (size : nat) : forall xs ys : list Z,
  firstn size (add_rows xs ys) = add_rows (firstn size xs) (firstn size ys).
Proof.
  induction size as [|size IH]; intros [|x xs] [|y ys]; try reflexivity; cbn [add_rows firstn]; rewrite IH; reflexivity.
Qed.

Lemma skipn_add_rows (size : nat) : forall xs ys : list Z,
  skipn size (add_rows xs ys) = add_rows (skipn size xs) (skipn size ys).
Proof.
  induction size as [|size IH]; intros [|x xs] [|y ys]; try reflexivity; cbn [add_rows skipn]; [|apply IH].
  destruct (skipn size xs); reflexivity.
Qed.

Lemma split_scaled (w x : Z) (size : nat) (fuel : list Z) : forall (fuel' row : list Z), length fuel = length fuel' ->
  map (packed w) (split fuel size (map (Z.mul x) row)) = map (Z.mul x) (map (packed w) (split fuel' size row)).
Proof.
  induction fuel as [|f fuel IH]; intros [|f' fuel'] [|y row] Hlen; try discriminate Hlen; try reflexivity.
  - cbn [map split]; rewrite <- packed_scaled; reflexivity.
  - cbn [split map]; rewrite <- packed_scaled, <- firstn_map; f_equal.
    rewrite <- IH by (cbn [length] in Hlen; lia); rewrite <- skipn_map; reflexivity.
Qed.

Lemma split_add_rows (w : Z) (size : nat) (fuel : list Z) : forall (fuel1 fuel2 xs ys : list Z) (x : Z),
  length fuel1 = length fuel -> length fuel2 = length fuel -> length xs = length ys ->
  add_multiple x (map (packed w) (split fuel1 size ys)) (map (packed w) (split fuel2 size xs))
    = map (packed w) (split fuel size (add_rows xs (map (Z.mul x) ys))).
Proof.
  induction fuel as [|f fuel IH]; intros [|f1 fuel1] [|f2 fuel2] [|a xs] [|b ys] x H1 H2 Hlen;
    try discriminate; try reflexivity.
  - cbn [map split add_multiple add_rows]; f_equal; cbn [packed]; cbn [length] in Hlen.
    rewrite (packed_add_rows w (length ys)), packed_scaled by (try rewrite map_length; lia); ring.
  - cbn [length] in H1, H2, Hlen; cbn [map split add_multiple add_rows].
    change ((a + x * b) :: add_rows xs (map (Z.mul x) ys)) with (add_rows (a :: xs) (map (Z.mul x) (b :: ys))).
    rewrite firstn_add_rows, skipn_add_rows, firstn_map, skipn_map.
    rewrite IH by (try lia; rewrite !skipn_length; cbn [length]; lia).
    rewrite (packed_add_rows w (length (firstn size (b :: ys)))), packed_scaled; [f_equal; ring| |apply map_length].
    rewrite !firstn_length; cbn [length]; lia.
Qed.

Lemma unpack_blocks_split (w : Z) (size : nat) : 1 <= w -> (1 <= size)%nat -> forall fuel xs : list Z,
  (length xs <= length fuel)%nat -> digits_fit w xs ->
  unpack_blocks w (Z.of_nat size) (Z.of_nat (length xs)) (map (packed w) (split fuel size xs)) = xs.
Proof.
  intros Hw Hsize; induction fuel as [|f fuel IH]; intros [|x xs] Hlen Hfit; try reflexivity.
  { cbn [length] in Hlen; lia. }
  cbn [split map unpack_blocks]; set (row := x :: xs) in *.
  destruct (Z.leb_spec (Z.of_nat (length row)) (Z.of_nat size)) as [Hle|Hgt].
  - rewrite firstn_all2 by lia; apply unpack_packed; assumption.
  - rewrite <- (firstn_skipn size row) in Hfit; apply Forall_app in Hfit; destruct Hfit as [Hlow Hhigh].
    assert (Hl : length (firstn size row) = size) by (apply firstn_length_le; lia).
    assert (Hr := skipn_length size row).
    assert (H := unpack_packed w _ Hw Hlow); rewrite Hl in H; rewrite H.
    replace (Z.of_nat (length row) - Z.of_nat size) with (Z.of_nat (length (skipn size row))) by lia.
    rewrite IH by (try exact Hhigh; cbn [length] in Hlen; unfold row in *; cbn [length] in *; lia).
    apply firstn_skipn.
Qed.

(** * Packed matrices *)

(** A row of a matrix, ready for products: its blocks, the number of its entries, their largest magnitude. *)
Record packed_row := PackedRow { row_blocks : list Z; row_count : Z; row_magnitude : Z }.
Definition pack_row (w : Z) (row : list Z) : packed_row :=
  PackedRow (pack_blocks w row) (count row) (largest_magnitude row).

(** sum_k a_k (packed row k) and sum_k |a_k| (magnitude of row k), added to what is there; None where shapes differ. *)
Fixpoint accumulate (n : Z) (a : list Z) (rows : list packed_row) (totals : list Z) (bound : Z) : option (list Z * Z) :=
  match a, rows with
  | [], [] => Some (totals, bound)
  | x :: a, row :: rows =>
      if row_count row =? n
      then accumulate n a rows (add_multiple x (row_blocks row) totals) (bound + Z.abs x * row_magnitude row)
      else None
  | _, _ => None
  end.

(** The entries of accumulated totals; None where one might not fit w bits. *)
Definition finish (w n : Z) (accumulated : option (list Z * Z)) : option (list Z) :=
  match accumulated with
  | Some (totals, bound) =>
      if bound <? Z.shiftl 1 (w - 1) then Some (unpack_blocks w (block_digits w) n totals) else None
  | None => None
  end.

(** The n entries of a times the matrix; None without a row. *)
Definition row_times_matrix (w n : Z) (a : list Z) (rows : list packed_row) : option (list Z) :=
  match rows with
  | [] => None
  | row :: _ => finish w n (accumulate n a rows (map (Z.mul 0) (row_blocks row)) 0)
  end.

(** The rows may come in pieces: only one piece need be in memory. *)
Lemma accumulate_app (n : Z) (a a' : list Z) (rows rows' : list packed_row) (totals : list Z) (bound : Z) :
  length a = length rows ->
  accumulate n (a ++ a') (rows ++ rows') totals bound =
    match accumulate n a rows totals bound with
    | Some (totals, bound) => accumulate n a' rows' totals bound
    | None => None
    end.
Proof.
  revert rows totals bound; induction a as [|x a IH]; intros [|row rows] totals bound; cbn [length]; intro H; try lia.
  - reflexivity.
  - cbn [app accumulate]; destruct (row_count row =? n); [apply IH; lia|reflexivity].
Qed.

Lemma add_rows_assoc (xs ys zs : list Z) : add_rows (add_rows xs ys) zs = add_rows xs (add_rows ys zs).
Proof.
  revert ys zs; induction xs as [|x xs IH]; intros [|y ys] [|z zs]; try reflexivity.
  cbn [add_rows]; rewrite IH, Z.add_assoc; reflexivity.
Qed.

Lemma add_rows_zeros_right (n : nat) (xs : list Z) : length xs = n -> add_rows xs (repeat 0 n) = xs.
Proof.
  revert xs; induction n as [|n IH]; intros [|x xs]; cbn [length]; intro H; try lia; cbn [repeat add_rows].
  - reflexivity.
  - rewrite IH by lia; rewrite Z.add_0_r; reflexivity.
Qed.

Lemma add_rows_zeros_left (xs : list Z) : forall ys, length xs = length ys -> add_rows (map (Z.mul 0) xs) ys = ys.
Proof.
  induction xs as [|x xs IH]; intros [|y ys] H; try discriminate; [reflexivity|].
  cbn [map add_rows]; rewrite IH by (cbn [length] in H; lia); reflexivity.
Qed.

Lemma accumulate_sums (w n : Z) (matrix : list (list Z)) : 0 <= w ->
  forall (a c totals : list Z) (bound b : Z), length c = Z.to_nat n ->
  accumulate n a (map (pack_row w) matrix) (pack_blocks w c) bound = Some (totals, b) ->
  length a = length matrix /\ Forall (fun row => length row = Z.to_nat n) matrix /\
  totals = pack_blocks w (add_rows c (row_product (Z.to_nat n) a matrix)) /\
  b = bound + dot_sum (map Z.abs a) (map largest_magnitude matrix).
Proof.
  intro Hw; induction matrix as [|row matrix IH]; intros [|x a] c totals bound b Hc;
    cbn [map accumulate dot_sum length]; try discriminate.
  - intro H; injection H as <- <-; cbn [row_product].
    rewrite add_rows_zeros_right by exact Hc.
    split; [reflexivity|split; [constructor|split; [reflexivity|ring]]].
  - cbn [pack_row row_count row_blocks row_magnitude].
    destruct (Z.eqb_spec (count row) n) as [Hrow|_]; [|discriminate].
    rewrite count_length in Hrow; assert (Hr : length row = Z.to_nat n) by lia.
    rewrite !pack_blocks_packed, (split_add_rows w _ (add_rows c (map (Z.mul x) row))), <- pack_blocks_packed; try lia.
    2-3: rewrite (add_rows_length (Z.to_nat n)) by (try rewrite map_length; lia); lia.
    intro H; apply IH in H; [|rewrite (add_rows_length (Z.to_nat n)); try rewrite map_length; lia].
    destruct H as [Hlen [Hrows [-> ->]]]; rewrite add_rows_assoc; cbn [row_product].
    split; [lia|split; [constructor; assumption|split; [apply pack_blocks_packed; exact Hw|ring]]].
Qed.

Lemma dot_sum_bound (j : nat) (matrix : list (list Z)) : forall a : list Z,
  Z.abs (dot_sum a (column matrix j)) <= dot_sum (map Z.abs a) (map largest_magnitude matrix).
Proof.
  induction matrix as [|row matrix IH]; intros [|x a]; cbn [column map dot_sum]; try lia.
  assert (H := IH a); unfold column in H.
  assert (Hx : Z.abs (x * entry row j) <= Z.abs x * largest_magnitude row).
  { rewrite Z.abs_mul; apply Z.mul_le_mono_nonneg_l; [lia|apply largest_magnitude_above]. }
  lia.
Qed.

Theorem row_times_matrix_exact (w n : Z) (a : list Z) (matrix : list (list Z)) (c : list Z) : 1 <= w ->
  row_times_matrix w n a (map (pack_row w) matrix) = Some c ->
  c = row_product (Z.to_nat n) a matrix /\ length a = length matrix /\
  Forall (fun row => length row = Z.to_nat n) matrix.
Proof.
  intros Hw; unfold row_times_matrix, finish.
  destruct matrix as [|row matrix]; cbn [map]; [discriminate|].
  change (pack_row w row :: map (pack_row w) matrix) with (map (pack_row w) (row :: matrix)).
  cbn [pack_row row_blocks].
  destruct (accumulate _ _ _ _ _) as [[totals bound]|] eqn:H; [|discriminate].
  assert (Hr : length row = Z.to_nat n).
  { destruct a as [|x a]; [discriminate H|]; cbn [map accumulate pack_row row_count] in H.
    destruct (Z.eqb_spec (count row) n) as [Hcount|_]; [|discriminate H]; rewrite count_length in Hcount; lia. }
  replace (map (Z.mul 0) (pack_blocks w row)) with (pack_blocks w (map (Z.mul 0) row)) in H.
  2: { rewrite !pack_blocks_packed by lia; apply split_scaled; apply map_length. }
  apply accumulate_sums in H; [|lia|rewrite map_length; exact Hr].
  destruct H as [Hlen [Hrows [-> ->]]]; rewrite Z.add_0_l.
  assert (Hn := row_product_length (Z.to_nat n) a _ Hrows).
  rewrite add_rows_zeros_left by (rewrite Hn; exact Hr).
  rewrite Z.shiftl_1_l; set (bound := dot_sum (map Z.abs a) (map largest_magnitude (row :: matrix))).
  destruct (Z.ltb_spec bound (2 ^ (w - 1))) as [Hlt|_]; [|discriminate]; unfold bound in Hlt.
  intro Hc; injection Hc as <-; split; [|split; assumption].
  assert (Hfit : digits_fit w (row_product (Z.to_nat n) a (row :: matrix))).
  { apply Forall_forall; intros x Hx; apply (In_nth _ _ 0) in Hx; destruct Hx as [j [_ <-]].
    change (Z.abs (entry (row_product (Z.to_nat n) a (row :: matrix)) j) < 2 ^ (w - 1)).
    rewrite entry_row_product by exact Hrows.
    assert (H := dot_sum_bound j (row :: matrix) a); lia. }
  assert (Hb := block_digits_positive w); rewrite pack_blocks_packed by lia.
  destruct (Z.le_gt_cases 0 n) as [Hpos|Hneg].
  - assert (H := unpack_blocks_split w (Z.to_nat (block_digits w)) Hw ltac:(lia) _ _ (le_n _) Hfit).
    rewrite Hn, !Z2Nat.id in H by lia; exact H.
  - destruct n as [|p|p]; try lia; change (Z.to_nat (Z.neg p)) with 0%nat in *.
    apply length_zero_iff_nil in Hn; rewrite Hn; reflexivity.
Qed.

(** Entry by entry: c_j = sum_k a_k b_kj. *)
Corollary row_times_matrix_entry (w n : Z) (a : list Z) (matrix : list (list Z)) (c : list Z) : 1 <= w ->
  row_times_matrix w n a (map (pack_row w) matrix) = Some c ->
  length c = Z.to_nat n /\ forall j, entry c j = dot_sum a (column matrix j).
Proof.
  intros Hw H; apply row_times_matrix_exact in H; [|exact Hw]; destruct H as [-> [_ Hrows]].
  split; [apply row_product_length; exact Hrows|apply entry_row_product; exact Hrows].
Qed.
