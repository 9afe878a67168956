(** Vectors and matrices of reals known as integers at one scale within an error, from stored bits, and their products by
    packed_products.v. *)
From Coq Require Import ZArith Reals Lra Lia Bool List.
From Lyap Require Import finite_sums dyadic floating_formats packed_integers packed_products quantised_products
  input_checks front_checks.
Import ListNotations.
Open Scope Z_scope.

Record vector := Vector { v_scale : Z; v_error : Z; v_entries : list Z }.
Definition approximates_vector (v : vector) (n : nat) (x : nat -> R) : Prop :=
  length (v_entries v) = n /\ 0 <= v_error v /\ near n (v_error v) (v_scale v) (v_entries v) x.

Record matrix := Matrix { m_scale : Z; m_error : Z; m_rows : list (list Z) }.
Definition approximates_matrix (m : matrix) (rows n : nat) (x : nat -> nat -> R) : Prop :=
  length (m_rows m) = rows /\ 0 <= m_error m /\
  forall k, (k < rows)%nat -> length (nth k (m_rows m) []) = n /\ near n (m_error m) (m_scale m) (nth k (m_rows m) []) (x k).

Lemma near_same (n : nat) (e s : Z) (X : list Z) (x y : nat -> R) :
  (forall k, (k < n)%nat -> x k = y k) -> near n e s X x -> near n e s X y.
Proof. intros Hxy H k Hk; rewrite <- Hxy by exact Hk; apply H; exact Hk. Qed.

Definition row_vector (m : matrix) (k : nat) : vector := Vector (m_scale m) (m_error m) (nth k (m_rows m) []).

Lemma row_vector_sound (m : matrix) (rows n k : nat) (x : nat -> nat -> R) :
  approximates_matrix m rows n x -> (k < rows)%nat -> approximates_vector (row_vector m k) n (x k).
Proof. intros [_ [He H]] Hk; destruct (H k Hk); repeat split; assumption. Qed.

(** * From stored rows, each number times a factor *)

(** An exponent above which no number of a row reaches: |x| < 2^size. *)
Definition row_size (f : format) (row : list Z) : Z := - row_scale 0 f row.
Definition dyadic_size (x : dyadic) : Z := bits (mantissa x) + exponent x.
Definition largest_size (xs : list dyadic) : Z := fold_left (fun m x => Z.max m (dyadic_size x)) xs (-1100).

Fixpoint quantise_scaled (s : Z) (f : format) (row : list Z) (factors : list dyadic) (found : list Z)
  : option (list Z) :=
  match row, factors with
  | x :: row, y :: factors =>
      match decode f x with
      | Some d => quantise_scaled s f row factors (quantise s (multiply d y) :: found)
      | None => None
      end
  | [], [] => Some (rev_append found [])
  | _, _ => None
  end.

Lemma quantise_scaled_spec (s : Z) (f : format) (row : list Z) : forall (factors : list dyadic) (found ys : list Z),
  quantise_scaled s f row factors found = Some ys ->
  exists zs, ys = rev_append found zs /\ length zs = length row /\ length factors = length row /\
    near (length row) 1 s zs (fun k => row_value f row k * value (nth k factors zero))%R.
Proof.
  induction row as [|x row IH]; intros [|y factors] found ys; cbn [quantise_scaled]; try discriminate.
  { intro H; injection H as <-; exists []; repeat split; intros k Hk; simpl in Hk; lia. }
  destruct (decode f x) as [d|] eqn:Hd; [|discriminate]; intro H.
  destruct (IH _ _ _ H) as [zs [-> [Hlen [Hf Hnear]]]]; exists (quantise s (multiply d y) :: zs).
  split; [reflexivity|split; [simpl; lia|split; [simpl; lia|]]].
  intros [|k] Hk; unfold entry; cbn [nth].
  - unfold row_value; cbn [nth]; unfold pattern_value; rewrite Hd, <- value_multiply; apply quantise_error.
  - apply Hnear; simpl in Hk; lia.
Qed.

Lemma quantise_scaled_sound (s : Z) (f : format) (row : list Z) (factors : list dyadic) (ys : list Z) :
  quantise_scaled s f row factors [] = Some ys ->
  length ys = length row /\ length factors = length row /\
  near (length row) 1 s ys (fun k => row_value f row k * value (nth k factors zero))%R.
Proof. intro H; destruct (quantise_scaled_spec _ _ _ _ _ _ H) as [zs [-> H']]; exact H'. Qed.

(** Rows first, first + 1, .. of a stored tensor, column k times factor k, all at scale s. *)
Fixpoint scaled_rows (s : Z) (f : format) (row_of : nat -> list Z) (factors : list dyadic) (first count : nat)
  : option (list (list Z)) :=
  match count with
  | O => Some []
  | S count =>
      match quantise_scaled s f (row_of first) factors [], scaled_rows s f row_of factors (S first) count with
      | Some r, Some rest => Some (r :: rest)
      | _, _ => None
      end
  end.

Lemma scaled_rows_sound (s : Z) (f : format) (row_of : nat -> list Z) (factors : list dyadic) (count : nat) :
  forall (first : nat) (rows : list (list Z)), scaled_rows s f row_of factors first count = Some rows ->
  approximates_matrix (Matrix s 1 rows) count (length factors)
    (fun k i => row_value f (row_of (first + k)%nat) i * value (nth i factors zero))%R.
Proof.
  induction count as [|count IH]; intros first rows; cbn [scaled_rows].
  { intro H; injection H as <-; split; [reflexivity|split; [simpl; lia|intros; lia]]. }
  destruct (quantise_scaled s f (row_of first) factors []) as [r|] eqn:Hr; [|discriminate].
  destruct (scaled_rows s f row_of factors (S first) count) as [rest|] eqn:Hrest; [|discriminate].
  intro H; injection H as <-; destruct (IH _ _ Hrest) as [Hlen [_ Hall]]; cbn [m_rows m_error m_scale] in *.
  destruct (quantise_scaled_sound _ _ _ _ _ Hr) as [H1 [H2 H3]].
  split; [simpl; lia|split; [simpl; lia|]]; intros [|k] Hk; cbn [m_rows m_error m_scale nth].
  - rewrite Nat.add_0_r; split; [congruence|rewrite H2; exact H3].
  - replace (first + S k)%nat with (S first + k)%nat by lia; apply Hall; lia.
Qed.

(** * Products *)

(** Bits of one packed digit; entries of about 57 bits in both factors leave 13 for the number of terms. *)
Definition packing : Z := 128.
Definition digits : Z := 57.

Record packed_matrix := PackedMatrix { p_scale : Z; p_error : Z; p_rows : list packed_row; p_magnitude : Z }.
Definition pack_matrix (m : matrix) : packed_matrix :=
  let rows := map (pack_row packing) (m_rows m) in PackedMatrix (m_scale m) (m_error m) rows (rows_magnitude rows).

(** The row vector a times m, n columns. *)
Definition times (n : nat) (a : vector) (m : packed_matrix) : option vector :=
  match row_times_matrix packing (Z.of_nat n) (v_entries a) (p_rows m) with
  | Some c => Some (Vector (v_scale a + p_scale m)
      (product_error (count (v_entries a)) (v_error a) (p_error m) (magnitude_sum (v_entries a)) (p_magnitude m)) c)
  | None => None
  end.

Lemma magnitude_sum_nonnegative (a : list Z) : 0 <= magnitude_sum a.
Proof.
  unfold magnitude_sum; assert (H : forall total, total <= fold_left (fun t x => t + Z.abs x) a total); [|apply H].
  induction a as [|x a IH]; intro total; cbn [fold_left]; [lia|].
  eapply Z.le_trans; [|apply IH]; lia.
Qed.

Lemma rows_magnitude_nonnegative (w : Z) (rows : list (list Z)) : 0 <= rows_magnitude (map (pack_row w) rows).
Proof.
  unfold rows_magnitude.
  assert (H : forall total, total <= fold_left (fun t r => t + row_magnitude r) (map (pack_row w) rows) total); [|apply H].
  induction rows as [|r rows IH]; intro total; cbn [map fold_left]; [lia|].
  eapply Z.le_trans; [|apply IH]; cbn [pack_row row_magnitude]; assert (H := largest_magnitude_nonnegative r); lia.
Qed.

Theorem times_sound (rows n : nat) (a : vector) (m : matrix) (c : vector) (x : nat -> R) (y : nat -> nat -> R) :
  approximates_vector a rows x -> approximates_matrix m rows n y -> times n a (pack_matrix m) = Some c ->
  approximates_vector c n (fun j => sum rows (fun k => x k * y k j)%R).
Proof.
  intros [Hlen [Hea Ha]] [Hrows [Hem Hm]]; unfold times, pack_matrix; cbn [p_rows p_scale p_error p_magnitude].
  destruct (row_times_matrix _ _ _ _) as [entries|] eqn:H; [|discriminate]; intro Hc; injection Hc as <-.
  assert (Hw : 1 <= packing) by (unfold packing; lia).
  assert (Hentries := row_times_matrix_entry packing (Z.of_nat n) (v_entries a) (m_rows m) entries Hw H).
  assert (Hnear := row_times_matrix_near packing (Z.of_nat n) (v_error a) (m_error m) (v_scale a) (m_scale m)
    (v_entries a) (m_rows m) entries x y Hw Hea Hem H).
  rewrite Nat2Z.id in *; split; [apply Hentries|split; cbn [v_error v_scale v_entries]].
  - assert (H1 := magnitude_sum_nonnegative (v_entries a)); assert (H2 := rows_magnitude_nonnegative packing (m_rows m)).
    rewrite count_length; unfold product_error; nia.
  - rewrite Hlen in Hnear; apply Hnear; [exact Ha|].
    intros k Hk; apply (Hm k Hk).
Qed.

(** Fewer bits: about [digits] in the largest entry. *)
Definition shrink (v : vector) : vector :=
  let k := Z.max 0 (bits (largest_magnitude (v_entries v)) - digits) in
  Vector (v_scale v - k) (Z.shiftr (v_error v) k + 2) (coarsen k (v_entries v)).

Lemma coarsen_length (k : Z) (X : list Z) : length (coarsen k X) = length X.
Proof. apply map_length. Qed.

Lemma shrink_sound (v : vector) (n : nat) (x : nat -> R) :
  approximates_vector v n x -> approximates_vector (shrink v) n x.
Proof.
  intros [Hlen [He H]]; unfold shrink; cbv zeta; set (k := Z.max 0 _); assert (Hk : 0 <= k) by (unfold k; lia).
  split; [|split]; cbn [v_entries v_error v_scale].
  - rewrite coarsen_length; exact Hlen.
  - assert (0 <= Z.shiftr (v_error v) k) by (apply Z.shiftr_nonneg; exact He); lia.
  - apply near_coarsen; assumption.
Qed.

(** One matrix from vectors of one scale: the largest error serves all, and the entries are coarsened together. *)
Definition stack (s : Z) (vs : list vector) : option matrix :=
  if forallb (fun v => v_scale v =? s) vs then
    let e := fold_left (fun e v => Z.max e (v_error v)) vs 0 in
    let largest := fold_left (fun m v => Z.max m (largest_magnitude (v_entries v))) vs 0 in
    let k := Z.max 0 (bits largest - digits) in
    Some (Matrix (s - k) (Z.shiftr e k + 2) (map (fun v => coarsen k (v_entries v)) vs))
  else None.

Lemma fold_max_above {A : Type} (g : A -> Z) (xs : list A) : forall m : Z,
  m <= fold_left (fun m x => Z.max m (g x)) xs m /\
  forall x, In x xs -> g x <= fold_left (fun m x => Z.max m (g x)) xs m.
Proof.
  induction xs as [|x xs IH]; intro m; cbn [fold_left]; [split; [lia|intros x []]|].
  destruct (IH (Z.max m (g x))) as [H1 H2]; split; [lia|].
  intros y [<-|Hy]; [lia|apply H2; exact Hy].
Qed.

Lemma stack_sound (s : Z) (vs : list vector) (m : matrix) (n : nat) (x : nat -> nat -> R) :
  (forall k, (k < length vs)%nat -> approximates_vector (nth k vs (Vector 0 0 [])) n (x k)) ->
  stack s vs = Some m -> approximates_matrix m (length vs) n x.
Proof.
  intro Hall; unfold stack; destruct (forallb _ vs) eqn:Hscales; [|discriminate]; cbv zeta; intro H; injection H as <-.
  rewrite forallb_forall in Hscales.
  set (e := fold_left (fun e v => Z.max e (v_error v)) vs 0); set (k := Z.max 0 _).
  assert (Hk : 0 <= k) by (unfold k; lia); clearbody k.
  assert (He := fold_max_above v_error vs 0); fold e in He; destruct He as [He0 He].
  split; cbn [m_rows m_error m_scale]; [apply map_length|split].
  - assert (0 <= Z.shiftr e k) by (apply Z.shiftr_nonneg; exact He0); lia.
  - intros i Hi; rewrite (nth_indep _ [] (coarsen k (v_entries (Vector 0 0 [])))) by (rewrite map_length; exact Hi).
    rewrite (map_nth (fun v => coarsen k (v_entries v))).
    destruct (Hall i Hi) as [Hlen [Hv Hnear]]; set (v := nth i vs (Vector 0 0 [])) in *.
    assert (Hin : In v vs) by (apply nth_In; exact Hi).
    split; [rewrite coarsen_length; exact Hlen|].
    apply near_coarsen; [exact Hlen|exact Hk|].
    assert (Hs := Hscales v Hin); apply Z.eqb_eq in Hs; rewrite <- Hs.
    apply (near_weaken _ (v_error v)); [apply He; exact Hin|exact Hnear].
Qed.

(** At least sqrt(d) |v| for d columns. *)
Definition ball_reach (P : Z) (v : vector) : dyadic :=
  square_root_up P (round_up P (Dyadic (count (v_entries v) * square_sum (v_error v) (v_entries v))
                                  (- (v_scale v + v_scale v)))).

Theorem ball_reach_sound (P : Z) (v : vector) (n : nat) (x : nat -> R) : approximates_vector v n x ->
  (0 <= value (ball_reach P v))%R /\ (INR n * sum n (fun i => x i ^ 2) <= value (ball_reach P v) ^ 2)%R.
Proof.
  intros [Hlen [He H]]; unfold ball_reach; set (r2 := Dyadic _ _).
  assert (Hsum : (INR n * sum n (fun i => x i ^ 2) <= value r2)%R).
  { unfold r2, value; cbn [mantissa exponent]; rewrite mult_IZR, count_length, <- INR_IZR_INZ, Hlen, Rmult_assoc.
    apply Rmult_le_compat_l; [apply pos_INR|].
    rewrite <- Hlen in *; exact (square_sum_bound (v_error v) (v_scale v) (v_entries v) x He H). }
  assert (Hr := round_up_above P r2).
  assert (Hpos : (0 <= INR n * sum n (fun i => x i ^ 2))%R)
    by (apply Rmult_le_pos; [apply pos_INR|apply sum_nonnegative; intros; apply pow2_ge_0]).
  assert (Hsqrt := square_root_up_above P (round_up P r2) ltac:(lra)).
  assert (Hs0 := sqrt_pos (value (round_up P r2))); split; [lra|].
  eapply Rle_trans; [exact Hsum|]; eapply Rle_trans; [exact Hr|].
  rewrite <- (pow2_sqrt (value (round_up P r2))) by lra; apply pow_incr; lra.
Qed.
