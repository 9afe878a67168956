(** What sums and products of integers say about real vectors that the integers approximate at a scale 2^-s: dot
    products, rows of matrix products, weighted magnitudes, squares. Every bound is an exact integer at the scale of
    the product. The sums that run are tail-recursive and use only Z.add, Z.mul, Z.abs and shifts. *)
From Coq Require Import ZArith Reals List Lia Lra.
From Flocq Require Import Core.Raux.
From Lyap Require Import dyadic finite_sums packed_products floating_formats.
Import ListNotations.
Open Scope Z_scope.

(** z 2^-s *)
Definition scaled (s z : Z) : R := value (Dyadic z (- s)).

(** |x_k - X_k 2^-s| <= e 2^-s for k < n. *)
Definition near (n : nat) (e s : Z) (X : list Z) (x : nat -> R) : Prop :=
  forall k, (k < n)%nat -> (Rabs (x k - scaled s (entry X k)) <= scaled s e)%R.

Definition dot (a b : list Z) : Z :=
  (fix onto (a b : list Z) (total : Z) : Z :=
     match a, b with x :: a, y :: b => onto a b (total + x * y) | _, _ => total end) a b 0.
(** sum |a_k| b_k *)
Definition magnitude_dot (a b : list Z) : Z :=
  (fix onto (a b : list Z) (total : Z) : Z :=
     match a, b with x :: a, y :: b => onto a b (total + Z.abs x * y) | _, _ => total end) a b 0.
Definition magnitude_sum (a : list Z) : Z := fold_left (fun total x => total + Z.abs x) a 0.
(** sum (|a_k| + e)^2 *)
Definition square_sum (e : Z) (a : list Z) : Z :=
  fold_left (fun total x => let x := Z.abs x + e in total + x * x) a 0.
(** sum over the rows of their largest magnitude *)
Definition rows_magnitude (rows : list packed_row) : Z := fold_left (fun total row => total + row_magnitude row) rows 0.
(** Error of a dot product of n terms: errors a and b of the entries, sums A and B of their magnitudes. *)
Definition product_error (n a b A B : Z) : Z := b * A + a * B + n * (a * b).

(** * The sums in the reals *)

Lemma scaled_plus (s x y : Z) : scaled s (x + y) = (scaled s x + scaled s y)%R.
Proof. unfold scaled, value; cbn [mantissa exponent]; rewrite plus_IZR; ring. Qed.

Lemma scaled_multiply (s t x y : Z) : scaled (s + t) (x * y) = (scaled s x * scaled t y)%R.
Proof.
  unfold scaled, value; cbn [mantissa exponent]; rewrite mult_IZR, Z.opp_add_distr, power2_plus; ring.
Qed.

Lemma scaled_abs (s x : Z) : scaled s (Z.abs x) = Rabs (scaled s x).
Proof. unfold scaled; rewrite <- value_absolute; reflexivity. Qed.

Lemma scaled_zero (s : Z) : scaled s 0 = 0%R.
Proof. unfold scaled, value; cbn [mantissa exponent]; ring. Qed.

Lemma scaled_le (s x y : Z) : x <= y -> (scaled s x <= scaled s y)%R.
Proof.
  intro H; apply Rmult_le_compat_r; [left; apply power2_positive|apply IZR_le; exact H].
Qed.

Lemma scaled_nonnegative (s x : Z) : 0 <= x -> (0 <= scaled s x)%R.
Proof. intro H; rewrite <- (scaled_zero s); apply scaled_le; exact H. Qed.

Lemma sum_first (n : nat) (f : nat -> R) : sum (S n) f = (f 0%nat + sum n (fun k => f (S k)))%R.
Proof. induction n as [|n IH]; cbn [sum] in *; [ring|rewrite IH; ring]. Qed.

(** A fold that adds g of each entry, as a sum. *)
Lemma fold_sum {A : Type} (s : Z) (g : A -> Z) (d : A) (a : list A) :
  scaled s (fold_left (fun total x => total + g x) a 0) = sum (length a) (fun k => scaled s (g (nth k a d))).
Proof.
  assert (H : forall total, scaled s (fold_left (fun total x => total + g x) a total)
                            = (scaled s total + sum (length a) (fun k => scaled s (g (nth k a d))))%R).
  { induction a as [|x a IH]; intro total; cbn [fold_left length]; [cbn [sum]; ring|].
    rewrite IH, scaled_plus, sum_first; cbn [nth]; ring. }
  rewrite H, scaled_zero; ring.
Qed.

Lemma dot_dot_sum (a b : list Z) : dot a b = dot_sum a b.
Proof.
  unfold dot; set (onto := fix onto (a b : list Z) (total : Z) : Z := _).
  assert (H : forall total, onto a b total = total + dot_sum a b); [|rewrite H; ring].
  revert b; induction a as [|x a IH]; intros [|y b] total; cbn [dot_sum]; try (cbn; ring).
  change (onto (x :: a) (y :: b) total) with (onto a b (total + x * y)); rewrite IH; ring.
Qed.

Lemma magnitude_dot_dot_sum (a b : list Z) : magnitude_dot a b = dot_sum (map Z.abs a) b.
Proof.
  unfold magnitude_dot; set (onto := fix onto (a b : list Z) (total : Z) : Z := _).
  assert (H : forall total, onto a b total = total + dot_sum (map Z.abs a) b); [|rewrite H; ring].
  revert b; induction a as [|x a IH]; intros [|y b] total; cbn [map dot_sum]; try (cbn; ring).
  change (onto (x :: a) (y :: b) total) with (onto a b (total + Z.abs x * y)); rewrite IH; ring.
Qed.

Lemma scaled_dot_sum (s t : Z) (a b : list Z) :
  scaled (s + t) (dot_sum a b) = sum (length a) (fun k => scaled s (entry a k) * scaled t (entry b k))%R.
Proof.
  revert b; induction a as [|x a IH]; intro b; cbn [length]; [cbn [dot_sum sum]; apply scaled_zero|].
  rewrite sum_first; destruct b as [|y b]; cbn [dot_sum].
  - unfold entry at 2; cbn [nth]; rewrite !scaled_zero, Rmult_0_r, Rplus_0_l.
    rewrite <- (sum_zero (length a)); apply sum_same; intros k _; unfold entry at 2; cbn [nth].
    rewrite scaled_zero; ring.
  - rewrite scaled_plus, scaled_multiply, IH; reflexivity.
Qed.

(** * Dot products and rows of matrix products *)

Lemma product_term (x y p q a b : R) : (Rabs (x - p) <= a -> Rabs (y - q) <= b ->
  Rabs (x * y - p * q) <= Rabs p * b + a * Rabs q + a * b)%R.
Proof.
  intros Hx Hy; replace (x * y - p * q)%R with (p * (y - q) + (x - p) * q + (x - p) * (y - q))%R by ring.
  assert (H1 := Rabs_pos (x - p)); assert (H2 := Rabs_pos (y - q)).
  assert (Hp := Rabs_pos p); assert (Hq := Rabs_pos q).
  eapply Rle_trans; [apply Rabs_triang|apply Rplus_le_compat].
  - eapply Rle_trans; [apply Rabs_triang|rewrite !Rabs_mult; apply Rplus_le_compat].
    + apply Rmult_le_compat_l; assumption.
    + apply Rmult_le_compat_r; assumption.
  - rewrite Rabs_mult; apply Rmult_le_compat; assumption.
Qed.

Lemma sum_constant (n : nat) (c : R) : sum n (fun _ => c) = (INR n * c)%R.
Proof. induction n as [|n IH]; [cbn; ring|cbn [sum]; rewrite IH, S_INR; ring]. Qed.

(** A and B: bounds of the sums of magnitudes. *)
Lemma dot_sum_error (n : nat) (ea eb s t A B : Z) (a b : list Z) (x y : nat -> R) :
  length a = n -> 0 <= ea -> 0 <= eb -> near n ea s a x -> near n eb t b y ->
  (sum n (fun k => Rabs (scaled s (entry a k))) <= scaled s A)%R ->
  (sum n (fun k => Rabs (scaled t (entry b k))) <= scaled t B)%R ->
  (Rabs (sum n (fun k => x k * y k) - scaled (s + t) (dot_sum a b))
    <= scaled (s + t) (product_error (Z.of_nat n) ea eb A B))%R.
Proof.
  intros Hlen Hea Heb Hx Hy HA HB; rewrite scaled_dot_sum, Hlen, <- sum_minus.
  eapply Rle_trans; [apply sum_abs|].
  eapply Rle_trans; [apply sum_le; intros k Hk; apply product_term; [apply Hx; exact Hk|apply Hy; exact Hk]|].
  rewrite !sum_plus, sum_scaled_right, sum_scaled, sum_constant.
  assert (Hn : (scaled (s + t) (Z.of_nat n * (ea * eb)) = INR n * (scaled s ea * scaled t eb))%R).
  { rewrite <- scaled_multiply; unfold scaled, value; cbn [mantissa exponent]; rewrite mult_IZR, <- INR_IZR_INZ; ring. }
  unfold product_error; rewrite !scaled_plus, Hn, (Z.mul_comm eb A), !scaled_multiply.
  apply scaled_nonnegative with (s := s) in Hea; apply scaled_nonnegative with (s := t) in Heb.
  apply Rplus_le_compat_r, Rplus_le_compat; [apply Rmult_le_compat_r|apply Rmult_le_compat_l]; assumption.
Qed.

Lemma sum_magnitudes (s : Z) (a : list Z) :
  scaled s (magnitude_sum a) = sum (length a) (fun k => Rabs (scaled s (entry a k))).
Proof.
  unfold magnitude_sum; rewrite (fold_sum s Z.abs 0); apply sum_same; intros k _; apply scaled_abs.
Qed.

Lemma sum_rows_magnitude (s w : Z) (matrix : list (list Z)) (j : nat) :
  (sum (length matrix) (fun k => Rabs (scaled s (entry (column matrix j) k)))
    <= scaled s (rows_magnitude (map (pack_row w) matrix)))%R.
Proof.
  unfold rows_magnitude; rewrite (fold_sum s row_magnitude (pack_row w [])), map_length.
  apply sum_le; intros k Hk; rewrite map_nth, <- scaled_abs; apply scaled_le; cbn [pack_row row_magnitude].
  replace (entry (column matrix j) k) with (entry (nth k matrix []) j); [apply largest_magnitude_above|].
  unfold entry, column; rewrite <- (map_nth (fun row => nth j row 0)).
  apply nth_indep; rewrite map_length; exact Hk.
Qed.

Theorem dot_error (n : nat) (ea eb s t : Z) (a b : list Z) (x y : nat -> R) :
  length a = n -> length b = n -> 0 <= ea -> 0 <= eb -> near n ea s a x -> near n eb t b y ->
  (Rabs (sum n (fun k => x k * y k) - scaled (s + t) (dot a b))
    <= scaled (s + t) (product_error (Z.of_nat n) ea eb (magnitude_sum a) (magnitude_sum b)))%R.
Proof.
  intros Ha Hb Hea Heb Hx Hy; rewrite dot_dot_sum; apply dot_sum_error; try assumption.
  - rewrite sum_magnitudes, Ha; lra.
  - rewrite sum_magnitudes, Hb; lra.
Qed.

(** The rows of the matrix, B = [matrix], and b the real matrix: the product is approximated again, at scale s + t. *)
Theorem row_times_matrix_near (w n ea eb s t : Z) (a : list Z) (matrix : list (list Z)) (c : list Z)
  (x : nat -> R) (b : nat -> nat -> R) : 1 <= w -> 0 <= ea -> 0 <= eb ->
  row_times_matrix w n a (map (pack_row w) matrix) = Some c ->
  near (length a) ea s a x ->
  (forall k, (k < length a)%nat -> near (Z.to_nat n) eb t (nth k matrix []) (b k)) ->
  near (Z.to_nat n)
    (product_error (count a) ea eb (magnitude_sum a) (rows_magnitude (map (pack_row w) matrix))) (s + t) c
    (fun j => sum (length a) (fun k => x k * b k j)%R).
Proof.
  intros Hw Hea Heb Hc Hx Hb j Hj.
  assert (Hentry := proj2 (row_times_matrix_entry w n a matrix c Hw Hc) j).
  apply row_times_matrix_exact in Hc; [|exact Hw]; destruct Hc as [_ [Hlen _]].
  rewrite Hentry, count_length; apply dot_sum_error; try assumption; try reflexivity.
  - intros k Hk; assert (H := Hb k Hk j Hj).
    replace (entry (column matrix j) k) with (entry (nth k matrix []) j); [exact H|].
    unfold entry, column; rewrite <- (map_nth (fun row => nth j row 0)).
    apply nth_indep; rewrite map_length; lia.
  - rewrite sum_magnitudes; lra.
  - rewrite Hlen; apply sum_rows_magnitude.
Qed.

(** Length of the result. *)
Corollary row_times_matrix_length (w n : Z) (a : list Z) (matrix : list (list Z)) (c : list Z) : 1 <= w ->
  row_times_matrix w n a (map (pack_row w) matrix) = Some c -> length c = Z.to_nat n /\ length a = length matrix.
Proof.
  intros Hw H; split; [apply (row_times_matrix_entry w n a matrix c Hw H)|].
  apply (row_times_matrix_exact w n a matrix c Hw H).
Qed.

(** * Bounds from the integers *)

Lemma near_magnitude (n : nat) (e s : Z) (X : list Z) (x : nat -> R) : near n e s X x ->
  forall k, (k < n)%nat -> (Rabs (x k) <= scaled s (Z.abs (entry X k) + e))%R.
Proof.
  intros H k Hk; rewrite scaled_plus, scaled_abs; assert (He := H k Hk).
  replace (x k) with (scaled s (entry X k) + (x k - scaled s (entry X k)))%R by ring.
  eapply Rle_trans; [apply Rabs_triang|lra].
Qed.

(** sum |x_k| *)
Theorem magnitude_sum_bound (e s : Z) (X : list Z) (x : nat -> R) : near (length X) e s X x ->
  (sum (length X) (fun k => Rabs (x k)) <= scaled s (magnitude_sum X + count X * e))%R.
Proof.
  intro H; rewrite scaled_plus, sum_magnitudes, count_length.
  eapply Rle_trans; [apply sum_le; intros k Hk; apply (near_magnitude _ _ _ _ _ H k Hk)|].
  rewrite (sum_same _ _ (fun k => Rabs (scaled s (entry X k)) + scaled s e)%R)
    by (intros k _; rewrite scaled_plus, scaled_abs; reflexivity).
  rewrite sum_plus, sum_constant; right; f_equal.
  unfold scaled, value; cbn [mantissa exponent]; rewrite mult_IZR, <- INR_IZR_INZ; ring.
Qed.

(** sum |x_k| |y_k| where |y_k| <= r_k 2^-t *)
Theorem magnitude_dot_bound (e s t : Z) (X r : list Z) (x y : nat -> R) : length r = length X -> 0 <= e ->
  near (length X) e s X x -> (forall k, (k < length X)%nat -> (Rabs (y k) <= scaled t (entry r k))%R) ->
  (sum (length X) (fun k => Rabs (x k) * Rabs (y k)) <= scaled (s + t) (magnitude_dot X r + e * magnitude_sum r))%R.
Proof.
  intros Hlen He Hx Hy; rewrite scaled_plus, magnitude_dot_dot_sum, scaled_dot_sum, map_length.
  rewrite scaled_multiply, sum_magnitudes, Hlen, <- sum_scaled, <- sum_plus.
  apply sum_le; intros k Hk.
  assert (Hxk := near_magnitude _ _ _ _ _ Hx k Hk); assert (Hyk := Hy k Hk); rewrite scaled_plus in Hxk.
  assert (Hr : (Rabs (scaled t (entry r k)) = scaled t (entry r k))%R).
  { apply Rabs_pos_eq; eapply Rle_trans; [apply Rabs_pos|exact Hyk]. }
  rewrite Hr, <- Rmult_plus_distr_r.
  replace (entry (map Z.abs X) k) with (Z.abs (entry X k)).
  - apply Rmult_le_compat; try apply Rabs_pos; assumption.
  - unfold entry; rewrite <- (map_nth Z.abs); apply nth_indep; rewrite map_length; exact Hk.
Qed.

(** |sum x_k y_k| under the same bounds. *)
Corollary weighted_bound (e s t : Z) (X r : list Z) (x y : nat -> R) : length r = length X -> 0 <= e ->
  near (length X) e s X x -> (forall k, (k < length X)%nat -> (Rabs (y k) <= scaled t (entry r k))%R) ->
  (Rabs (sum (length X) (fun k => x k * y k)) <= scaled (s + t) (magnitude_dot X r + e * magnitude_sum r))%R.
Proof.
  intros Hlen He Hx Hy; eapply Rle_trans; [apply sum_abs|].
  rewrite (sum_same _ _ (fun k => Rabs (x k) * Rabs (y k))%R) by (intros k _; apply Rabs_mult).
  apply magnitude_dot_bound; assumption.
Qed.

(** sum x_k^2 *)
Theorem square_sum_bound (e s : Z) (X : list Z) (x : nat -> R) : 0 <= e -> near (length X) e s X x ->
  (sum (length X) (fun k => x k ^ 2) <= scaled (s + s) (square_sum e X))%R.
Proof.
  intros He H; unfold square_sum; rewrite (fold_sum (s + s) (fun x => (Z.abs x + e) * (Z.abs x + e)) 0).
  apply sum_le; intros k Hk; rewrite scaled_multiply.
  assert (Hk' := near_magnitude _ _ _ _ _ H k Hk); assert (Hp := Rabs_pos (x k)); unfold entry in Hk'.
  rewrite <- (pow2_abs (x k)); simpl; rewrite Rmult_1_r; apply Rmult_le_compat; assumption.
Qed.

(** * Where approximations come from *)

Lemma near_weaken (n : nat) (d e s : Z) (X : list Z) (x : nat -> R) : d <= e -> near n d s X x -> near n e s X x.
Proof. intros Hde H k Hk; eapply Rle_trans; [apply H; exact Hk|apply scaled_le; exact Hde]. Qed.

(** The same numbers with k bits less. *)
Definition coarsen (k : Z) (X : list Z) : list Z := map (fun x => Z.shiftr x k) X.

Theorem near_coarsen (n : nat) (e s k : Z) (X : list Z) (x : nat -> R) : length X = n -> 0 <= k -> near n e s X x ->
  near n (Z.shiftr e k + 2) (s - k) (coarsen k X) x.
Proof.
  intros Hlen Hk H i Hi; assert (He := H i Hi).
  replace (entry (coarsen k X) i) with (Z.shiftr (entry X i) k).
  2: { unfold entry, coarsen; rewrite <- (map_nth (fun x => Z.shiftr x k)); apply nth_indep; rewrite map_length; lia. }
  assert (Hfloor : forall z, (scaled (s - k) (Z.shiftr z k) <= scaled s z <= scaled (s - k) (Z.shiftr z k + 1))%R).
  { intro z; assert (Hz := quantise_floor (s - k) (Dyadic z (- s))).
    unfold quantise in Hz; cbn [mantissa exponent] in Hz.
    replace (- s + (s - k)) with (- k) in Hz by lia; rewrite <- Z.shiftr_opp_r, Z.opp_involutive in Hz.
    fold (scaled (s - k) (Z.shiftr z k)) (scaled (s - k) (Z.shiftr z k + 1)) (scaled s z) in Hz; lra. }
  assert (H1 := Hfloor (entry X i)); assert (H2 := Hfloor e).
  replace (Z.shiftr e k + 2) with (Z.shiftr e k + 1 + 1) by ring.
  rewrite (scaled_plus (s - k) _ 1) in H1; rewrite (scaled_plus (s - k) _ 1).
  apply Rabs_le; apply Rabs_le_inv in He; lra.
Qed.

(** Two approximations at one scale add. *)
Theorem near_add (n : nat) (d e s : Z) (X Y : list Z) (x y : nat -> R) : length X = n -> length Y = n ->
  near n d s X x -> near n e s Y y -> near n (d + e) s (add_rows X Y) (fun k => x k + y k)%R.
Proof.
  intros HX HY Hx Hy k Hk; rewrite (entry_add_rows n) by assumption; rewrite !scaled_plus.
  assert (H1 := Hx k Hk); assert (H2 := Hy k Hk).
  replace (x k + y k - (scaled s (entry X k) + scaled s (entry Y k)))%R
    with ((x k - scaled s (entry X k)) + (y k - scaled s (entry Y k)))%R by ring.
  eapply Rle_trans; [apply Rabs_triang|lra].
Qed.

(** A row of bit patterns, quantised. *)
Theorem near_quantise_row (s : Z) (f : format) (patterns X : list Z) : quantise_row s f patterns = Some X ->
  length X = length patterns /\ near (length patterns) 1 s X (fun k => pattern_value f (entry patterns k)).
Proof. intro H; apply quantise_row_error in H; destruct H as [Hlen [_ Hk]]; split; [exact Hlen|exact Hk]. Qed.
