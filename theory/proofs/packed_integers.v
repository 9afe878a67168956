(** A list of small integers as one long integer, sum_j x_j 2^(w j), and back: the digits are read in
    [-2^(w-1), 2^(w-1)). Both ways cut in halves, so neither is quadratic.

    Fast once extracted: ExtrOcamlZBigInt maps Z.add, Z.sub, Z.mul, Z.compare, Z.shiftl and Z.shiftr to Zarith, and no
    function that runs uses anything else: it needs no Extract Constant more. *)
From Coq Require Import ZArith List Lia Bool.
Import ListNotations.
Open Scope Z_scope.

Definition entry (xs : list Z) (j : nat) : Z := nth j xs 0.

(** * Packing *)

(** sum_j x_j 2^(w j): the meaning. *)
Fixpoint packed (w : Z) (xs : list Z) : Z :=
  match xs with [] => 0 | x :: rest => x + 2 ^ w * packed w rest end.

(** Neighbours two by two. *)
Fixpoint pack_pairs (w : Z) (xs : list Z) : list Z :=
  match xs with a :: b :: rest => (a + Z.shiftl b w) :: pack_pairs w rest | _ => xs end.

(** Halves the list until one integer is left: near-linear, where Horner's rule is quadratic. [fuel] is any list at
    least as long as the number of halvings; the answer does not depend on it. *)
Fixpoint pack_levels (fuel : list Z) (w : Z) (xs : list Z) : Z :=
  match xs, fuel with
  | [], _ => 0
  | [x], _ => x
  | _, [] => packed w xs
  | _, _ :: fuel => pack_levels fuel (2 * w) (pack_pairs w xs)
  end.
Definition pack (w : Z) (xs : list Z) : Z := pack_levels xs w xs.

Lemma list_pair_induction (P : list Z -> Prop) :
  P [] -> (forall x, P [x]) -> (forall x y xs, P xs -> P (x :: y :: xs)) -> forall xs, P xs.
Proof.
  intros H0 H1 H2 xs; assert (H : P xs /\ forall x, P (x :: xs)); [|apply H].
  induction xs as [|y xs [IH IH']]; split; auto.
Qed.

Lemma packed_pairs (w : Z) (xs : list Z) : 0 <= w -> packed (2 * w) (pack_pairs w xs) = packed w xs.
Proof.
  intro Hw; induction xs as [|x|x y xs IH] using list_pair_induction; cbn [pack_pairs packed]; [reflexivity|lia|].
  rewrite IH, Z.shiftl_mul_pow2 by exact Hw.
  replace (2 * w) with (w + w) by lia; rewrite Z.pow_add_r by exact Hw; ring.
Qed.

Lemma pack_levels_packed (fuel : list Z) : forall (w : Z) (xs : list Z), 0 <= w -> pack_levels fuel w xs = packed w xs.
Proof.
  induction fuel as [|f fuel IH]; intros w xs Hw; destruct xs as [|x [|y xs]]; cbn [pack_levels];
    try reflexivity; try (cbn [packed]; lia).
  rewrite IH by lia; apply packed_pairs; exact Hw.
Qed.

Theorem pack_packed (w : Z) (xs : list Z) : 0 <= w -> pack w xs = packed w xs.
Proof. apply pack_levels_packed. Qed.

Lemma packed_app (w : Z) (xs ys : list Z) : 0 <= w ->
  packed w (xs ++ ys) = packed w xs + 2 ^ (w * Z.of_nat (length xs)) * packed w ys.
Proof.
  intro Hw; induction xs as [|x xs IH]; cbn [app packed length].
  - rewrite Z.mul_0_r, Z.pow_0_r; ring.
  - rewrite IH, Nat2Z.inj_succ, Z.mul_succ_r, Z.pow_add_r by lia; ring.
Qed.

(** [packed] is the sum of x_j 2^(w j). *)
Lemma packed_sum (w : Z) (xs : list Z) : 0 <= w ->
  packed w xs = fold_right Z.add 0 (map (fun j => entry xs j * 2 ^ (w * Z.of_nat j)) (seq 0 (length xs))).
Proof.
  intro Hw; assert (H : forall first, 2 ^ (w * Z.of_nat first) * packed w xs =
    fold_right Z.add 0 (map (fun j => entry xs (j - first) * 2 ^ (w * Z.of_nat j)) (seq first (length xs)))).
  { induction xs as [|x xs IH]; intro first; cbn [packed length seq map fold_right]; [ring|].
    assert (Htail := IH (S first)); rewrite Nat2Z.inj_succ, Z.mul_succ_r, Z.pow_add_r in Htail by lia.
    rewrite Nat.sub_diag; unfold entry at 1; cbn [nth].
    rewrite (map_ext_in _ (fun j => entry xs (j - S first) * 2 ^ (w * Z.of_nat j))).
    - rewrite <- Htail; ring.
    - intros j Hj; apply in_seq in Hj; replace (j - first)%nat with (S (j - S first)) by lia; reflexivity. }
  assert (H0 := H 0%nat); rewrite Z.mul_0_r, Z.pow_0_r, Z.mul_1_l in H0; rewrite H0; f_equal; apply map_ext.
  intro j; rewrite Nat.sub_0_r; reflexivity.
Qed.

Definition digits_fit (w : Z) (xs : list Z) : Prop := Forall (fun x => Z.abs x < 2 ^ (w - 1)) xs.

Lemma packed_bound (w : Z) (xs : list Z) : 1 <= w -> digits_fit w xs ->
  2 * Z.abs (packed w xs) < 2 ^ (w * Z.of_nat (length xs)).
Proof.
  intros Hw; induction 1 as [|x xs Hx _ IH]; cbn [packed length].
  - rewrite Z.mul_0_r; simpl; lia.
  - rewrite Nat2Z.inj_succ, Z.mul_succ_r, Z.pow_add_r by lia.
    assert (Hp : 2 ^ w = 2 * 2 ^ (w - 1)) by (rewrite <- Z.pow_succ_r by lia; f_equal; lia).
    set (s := 2 ^ (w * Z.of_nat (length xs))) in *; set (p := packed w xs) in *.
    rewrite (Z.mul_comm s); set (b := 2 ^ w) in *; set (h := 2 ^ (w - 1)) in *.
    assert (Hb : 0 < b) by lia.
    assert (H : b * (2 * Z.abs p) <= b * (s - 1)) by (apply Z.mul_le_mono_nonneg_l; lia).
    assert (Habs := Z.abs_triangle x (b * p)); rewrite Z.abs_mul, (Z.abs_eq b) in Habs by lia.
    lia.
Qed.

(** * Unpacking *)

(** One level (h, w h): the lowest h digits and the rest. *)
Definition level : Set := (Z * Z)%type.

(** Levels of 2^k, .., 2, 1 digits, where 2^k is the leading bit of p. *)
Fixpoint levels_from (p : positive) (h m : Z) (found : list level) : list level :=
  match p with
  | xH => (h, m) :: found
  | xO p | xI p => levels_from p (2 * h) (2 * m) ((h, m) :: found)
  end.

(** The n lowest digits of z, in front of [found]. *)
Fixpoint unpack_onto (levels : list level) (n z : Z) (found : list Z) : list Z :=
  match levels with
  | [] => z :: found
  | (h, m) :: levels =>
      if n <=? h then unpack_onto levels n z found
      else
        let high := Z.shiftr (Z.shiftr z (m - 1) + 1) 1 in
        unpack_onto levels h (z - Z.shiftl high m) (unpack_onto levels (n - h) high found)
  end.

Definition unpack (w n z : Z) : list Z :=
  match n with Zpos p => unpack_onto (levels_from p 1 w []) n z [] | _ => [] end.

(** [levels] cuts up to [capacity] digits. *)
Inductive cuts (w : Z) : Z -> list level -> Prop :=
| cuts_one : cuts w 1 []
| cuts_more (h : Z) (levels : list level) : cuts w h levels -> cuts w (2 * h) ((h, w * h) :: levels).

Lemma cuts_positive (w h : Z) (levels : list level) : cuts w h levels -> 1 <= h.
Proof. induction 1; lia. Qed.

Lemma levels_from_cuts (w : Z) (p : positive) : forall (h : Z) (found : list level), cuts w h found ->
  exists capacity, h * (Zpos p + 1) <= capacity /\ cuts w capacity (levels_from p h (w * h) found).
Proof.
  induction p as [p IH|p IH|]; intros h found Hc; assert (Hh := cuts_positive _ _ _ Hc); cbn [levels_from].
  1-2: destruct (IH (2 * h) _ (cuts_more w h found Hc)) as [capacity [Hlt Hcuts]];
    exists capacity; replace (2 * (w * h)) with (w * (2 * h)) by ring; split; [nia|exact Hcuts].
  exists (2 * h); split; [lia|constructor; exact Hc].
Qed.

(** The upper part of a number that is cut in the middle, by rounding to nearest. *)
Lemma cut_high (low high m : Z) : 1 <= m -> 2 * Z.abs low < 2 ^ m ->
  Z.shiftr (Z.shiftr (low + 2 ^ m * high) (m - 1) + 1) 1 = high.
Proof.
  intros Hm Hlow; rewrite !Z.shiftr_div_pow2 by lia.
  assert (Hp : 2 ^ m = 2 * 2 ^ (m - 1)) by (rewrite <- Z.pow_succ_r by lia; f_equal; lia).
  rewrite Hp in *; set (q := 2 ^ (m - 1)) in *.
  assert (Hq : 0 < q) by lia.
  replace (low + 2 * q * high) with (low + (2 * high) * q) by ring.
  rewrite Z.div_add by lia; change (2 ^ 1) with 2.
  assert (Hcut : low / q = 0 \/ low / q = -1).
  { destruct (Z.le_gt_cases 0 low); [left; apply Z.div_small; lia|right].
    symmetry; apply Z.div_unique with (r := low + q); lia. }
  symmetry; destruct Hcut as [-> | ->]; [apply Z.div_unique with (r := 1)|apply Z.div_unique with (r := 0)]; lia.
Qed.

Lemma unpack_onto_packed (w : Z) : 1 <= w -> forall (capacity : Z) (levels : list level), cuts w capacity levels ->
  forall (xs found : list Z), digits_fit w xs -> 1 <= Z.of_nat (length xs) <= capacity ->
  unpack_onto levels (Z.of_nat (length xs)) (packed w xs) found = xs ++ found.
Proof.
  intros Hw capacity levels Hcuts; induction Hcuts as [|h levels Hcuts IH]; intros xs found Hfit Hlen;
    cbn [unpack_onto].
  - destruct xs as [|x [|y xs]]; cbn [length packed app] in *; [lia| |lia].
    rewrite Z.mul_0_r, Z.add_0_r; reflexivity.
  - assert (Hh := cuts_positive _ _ _ Hcuts).
    destruct (Z.leb_spec (Z.of_nat (length xs)) h) as [Hle|Hgt]; [apply IH; [exact Hfit|lia]|].
    rewrite <- (firstn_skipn (Z.to_nat h) xs); rewrite <- (firstn_skipn (Z.to_nat h) xs) in Hfit.
    apply Forall_app in Hfit; destruct Hfit as [Hlow Hhigh].
    assert (Hl : length (firstn (Z.to_nat h) xs) = Z.to_nat h) by (apply firstn_length_le; lia).
    assert (Hr : length (skipn (Z.to_nat h) xs) = (length xs - Z.to_nat h)%nat) by apply skipn_length.
    set (low := firstn (Z.to_nat h) xs) in *; set (high := skipn (Z.to_nat h) xs) in *.
    assert (Hb := packed_bound w low Hw Hlow).
    rewrite packed_app, Hl, Z2Nat.id by lia; rewrite Hl, Z2Nat.id in Hb by lia.
    rewrite cut_high by (try exact Hb; nia).
    rewrite Z.shiftl_mul_pow2 by nia.
    replace (packed w low + 2 ^ (w * h) * packed w high - packed w high * 2 ^ (w * h)) with (packed w low) by ring.
    rewrite app_length, Nat2Z.inj_add, Hl, Z2Nat.id by lia.
    replace (h + Z.of_nat (length high) - h) with (Z.of_nat (length high)) by lia.
    rewrite IH by (try exact Hhigh; lia).
    assert (H := IH low (high ++ found) Hlow); rewrite Hl, Z2Nat.id in H by lia; rewrite H by lia.
    rewrite app_assoc; reflexivity.
Qed.

Theorem unpack_packed (w : Z) (xs : list Z) : 1 <= w -> digits_fit w xs ->
  unpack w (Z.of_nat (length xs)) (packed w xs) = xs.
Proof.
  intros Hw Hfit; unfold unpack; destruct xs as [|x xs]; [reflexivity|].
  destruct (Z.of_nat (length (x :: xs))) as [|p|p] eqn:Hlen; [discriminate Hlen| |discriminate Hlen].
  destruct (levels_from_cuts w p 1 [] (cuts_one w)) as [capacity [Hlt Hcuts]].
  rewrite Z.mul_1_r in Hcuts; rewrite <- Hlen.
  rewrite (unpack_onto_packed w Hw capacity _ Hcuts), app_nil_r by (try exact Hfit; lia); reflexivity.
Qed.

Theorem unpack_pack (w : Z) (xs : list Z) : 1 <= w -> Forall (fun x => Z.abs x < 2 ^ (w - 1)) xs ->
  unpack w (Z.of_nat (length xs)) (pack w xs) = xs.
Proof. intros Hw Hfit; rewrite pack_packed by lia; apply unpack_packed; assumption. Qed.
