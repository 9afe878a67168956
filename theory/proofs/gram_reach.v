(** The norm of a combination of a matrix's rows, by their products with one another: |sum_q v_q U_q|^2 = v (U U^T) v. One small
    product per combination instead of one as wide as the rows. *)
From Coq Require Import ZArith Reals Lra Lia Bool List.
From Lyap Require Import finite_sums dyadic floating_formats packed_integers packed_products quantised_products
  input_checks front_checks approximate_matrices collected.
Import ListNotations.
Open Scope Z_scope.

(** Bits of a packed digit: products of rows have about twice the digits of a row, and of that a multiple is taken. *)
Definition gram_packing : Z := 256.

Record gram := Gram { u_scale : Z; u_error : Z; u_magnitude : Z; u_products : list packed_row; u_count : Z }.

(** Rows of U U^T. *)
Definition gram_rows (rows : list (list Z)) : list (list Z) := map (fun r => map (dot r) rows) rows.

Definition gram_of (m : matrix) : gram :=
  Gram (m_scale m) (m_error m) (rows_magnitude (map (pack_row packing) (m_rows m)))
    (map (pack_row gram_packing) (gram_rows (m_rows m))) (Z.of_nat (length (m_rows m))).

(** At least sqrt(d) |v U| for d columns. *)
Definition gram_reach (P d : Z) (v : vector) (g : gram) : option dyadic :=
  match row_times_matrix gram_packing (u_count g) (v_entries v) (u_products g) with
  | Some c =>
      let s := v_scale v + u_scale g in
      let e := product_error (count (v_entries v)) (v_error v) (u_error g) (magnitude_sum (v_entries v)) (u_magnitude g) in
      Some (add (square_root_up P (round_up P (Dyadic (d * dot c (v_entries v)) (- (s + s))))) (Dyadic (d * e) (- s)))
  | None => None
  end.

Open Scope R_scope.

Lemma integer_dot (a b : list Z) : IZR (dot a b) = sum (length a) (fun k => IZR (entry a k) * IZR (entry b k)).
Proof.
  rewrite dot_dot_sum; assert (H := scaled_dot_sum 0 0 a b); unfold scaled, value in H; cbn [mantissa exponent] in H.
  change (power2 (- (0 + 0))) with 1 in H; change (power2 (- 0)) with 1 in H; rewrite Rmult_1_r in H; rewrite H.
  apply sum_same; intros k _; ring.
Qed.

(** sum_k (sum_q D_q U_qk)^2 in integers. *)
Lemma gram_identity (D : list Z) (rows : list (list Z)) (n : nat) (c : list Z) : length D = length rows ->
  (forall q, (q < length rows)%nat -> length (nth q rows []) = n) ->
  row_times_matrix gram_packing (Z.of_nat (length rows)) D (map (pack_row gram_packing) (gram_rows rows)) = Some c ->
  IZR (dot c D) = sum n (fun k => sum (length rows) (fun q => IZR (entry D q) * IZR (entry (nth q rows []) k)) ^ 2).
Proof.
  intros HD Hrows Hc; assert (Hw : (1 <= gram_packing)%Z) by (unfold gram_packing; lia).
  destruct (row_times_matrix_entry gram_packing _ D (gram_rows rows) c Hw Hc) as [Hlen Hentry].
  rewrite Nat2Z.id in Hlen; set (R := length rows) in *.
  assert (Hgram : forall p q, (p < R)%nat -> (q < R)%nat ->
            entry (nth p (gram_rows rows) []) q = dot (nth p rows []) (nth q rows [])).
  { intros p q Hp Hq; unfold gram_rows.
    rewrite (nth_indep _ [] (map (dot []) rows)) by (rewrite map_length; exact Hp).
    rewrite (map_nth (fun r => map (dot r) rows) rows [] p); unfold entry.
    rewrite (nth_indep _ 0%Z (dot (nth p rows []) [])) by (rewrite map_length; exact Hq); apply map_nth. }
  assert (HcR : forall q, (q < R)%nat -> IZR (entry c q) =
            sum R (fun p => IZR (entry D p) * sum n (fun k => IZR (entry (nth p rows []) k) * IZR (entry (nth q rows []) k)))).
  { intros q Hq; rewrite Hentry, <- dot_dot_sum, integer_dot, HD; fold R; apply sum_same; intros p Hp; f_equal.
    unfold column, entry at 1.
    rewrite (nth_indep _ 0%Z (entry [] q)) by (rewrite map_length; unfold gram_rows; rewrite map_length; exact Hp).
    rewrite (map_nth (fun row => entry row q)), (Hgram p q Hp Hq), integer_dot, Hrows by exact Hp; reflexivity. }
  rewrite integer_dot, Hlen.
  rewrite (sum_same R _ (fun q => sum n (fun k => IZR (entry D q) * IZR (entry (nth q rows []) k) *
    sum R (fun p => IZR (entry D p) * IZR (entry (nth p rows []) k))))).
  - rewrite sum_swap; apply sum_same; intros k _; rewrite sum_scaled_right; ring.
  - intros q Hq; rewrite (HcR q Hq).
    rewrite (sum_same R _ (fun p => sum n (fun k => IZR (entry D p) * IZR (entry (nth p rows []) k) * IZR (entry (nth q rows []) k)))).
    2: { intros p _; rewrite <- sum_scaled; apply sum_same; intros k _; ring. }
    rewrite sum_swap, <- sum_scaled_right; apply sum_same; intros k _.
    rewrite sum_scaled_right; ring.
Qed.

(** (sqrt(d sum A^2) + d e)^2 covers d sum T^2 where |T - A| <= e entry by entry. *)
Lemma perturbed_norm (d : nat) (T A : nat -> R) (e root : R) : 0 <= e -> 0 <= root ->
  (forall k, (k < d)%nat -> Rabs (T k - A k) <= e) -> INR d * sum d (fun k => A k ^ 2) <= root ^ 2 ->
  INR d * sum d (fun k => T k ^ 2) <= (root + INR d * e) ^ 2.
Proof.
  intros He Hroot HT HA; assert (Hd := pos_INR d).
  assert (Habs : sum d (fun k => Rabs (A k)) <= root).
  { apply Rsqr_incr_0_var; [|exact Hroot]; rewrite !Rsqr_pow2; eapply Rle_trans; [|exact HA].
    rewrite (sum_same d (fun k => Rabs (A k)) (fun k => 1 * Rabs (A k))) by (intros; ring).
    assert (Hcs := cauchy_schwarz d (fun _ => 1) (fun k => Rabs (A k))); cbv beta in Hcs.
    assert (H1 : sum d (fun _ => 1 ^ 2) = INR d).
    { rewrite (sum_same d (fun _ => 1 ^ 2) (fun _ => 1)) by (intros; ring); rewrite sum_constant; ring. }
    assert (H2 : sum d (fun k => Rabs (A k) ^ 2) = sum d (fun k => A k ^ 2)) by (apply sum_same; intros; apply pow2_abs).
    rewrite H1, H2 in Hcs; exact Hcs. }
  assert (Hsum : sum d (fun k => T k ^ 2) <= sum d (fun k => A k ^ 2) + 2 * e * sum d (fun k => Rabs (A k)) + INR d * e ^ 2).
  { rewrite <- (sum_constant d (e ^ 2)), <- sum_scaled, <- !sum_plus; apply sum_le; intros k Hk; specialize (HT k Hk).
    replace (T k) with (A k + (T k - A k)) by ring; set (x := T k - A k) in *.
    assert (Hx := Rabs_pos x); assert (Ha := Rabs_pos (A k)).
    assert (H1 : A k * x <= Rabs (A k) * e).
    { eapply Rle_trans; [apply Rle_abs|]; rewrite Rabs_mult; apply Rmult_le_compat_l; assumption. }
    assert (H2 : x ^ 2 <= e ^ 2) by (rewrite <- (pow2_abs x); apply pow_incr; split; assumption).
    nra. }
  apply (Rmult_le_compat_l (INR d)) in Hsum; [|exact Hd].
  assert (Hde : 0 <= INR d * e) by (apply Rmult_le_pos; assumption).
  apply (Rmult_le_compat_l (INR d * e)) in Habs; [|exact Hde].
  set (sa := sum d (fun k => Rabs (A k))) in *; set (s2 := sum d (fun k => A k ^ 2)) in *; nra.
Qed.

Theorem gram_reach_sound (P : Z) (rank d : nat) (v : vector) (m : matrix) (S : dyadic) (x : nat -> R) (y : nat -> nat -> R) :
  approximates_vector v rank x -> approximates_matrix m rank d y -> gram_reach P (Z.of_nat d) v (gram_of m) = Some S ->
  0 <= value S /\ INR d * sum d (fun k => sum rank (fun q => x q * y q k) ^ 2) <= value S ^ 2.
Proof.
  intros [Hv [Hve Hvn]] [Hrows [Hme Hm]]; unfold gram_reach, gram_of; cbn [u_scale u_error u_magnitude u_products u_count].
  destruct (row_times_matrix _ _ _ _) as [c|] eqn:Hc; [|discriminate]; cbv zeta.
  set (s := (v_scale v + m_scale m)%Z); set (e := product_error _ _ _ _ _).
  set (r2 := Dyadic _ (- (s + s))); intro H; injection H as <-.
  assert (HA := gram_identity (v_entries v) (m_rows m) d c ltac:(lia) (fun q Hq => proj1 (Hm q ltac:(lia))) Hc).
  set (A := fun k => scaled s (dot_sum (v_entries v) (column (m_rows m) k))).
  assert (HAk : forall k, A k = power2 (- s) * sum rank (fun q => IZR (entry (v_entries v) q) * IZR (entry (nth q (m_rows m) []) k))).
  { intro k; unfold A, scaled, value; cbn [mantissa exponent]; rewrite <- dot_dot_sum, integer_dot, Hv, Rmult_comm; f_equal.
    apply sum_same; intros q Hq; f_equal; f_equal; unfold column, entry at 1.
    rewrite (nth_indep _ 0%Z (entry [] k)) by (rewrite map_length; lia); apply (map_nth (fun row => entry row k)). }
  assert (HrA : INR d * sum d (fun k => A k ^ 2) = value r2).
  { unfold r2, value; cbn [mantissa exponent]; rewrite mult_IZR, <- INR_IZR_INZ, HA, Rmult_assoc; f_equal.
    rewrite <- sum_scaled_right; apply sum_same; intros k _; rewrite HAk, Hrows.
    replace (- (s + s))%Z with (- s + - s)%Z by lia; rewrite power2_plus; ring. }
  assert (Hr2 := round_up_above P r2).
  assert (Hpos : 0 <= INR d * sum d (fun k => A k ^ 2))
    by (apply Rmult_le_pos; [apply pos_INR|apply sum_nonnegative; intros; apply pow2_ge_0]).
  assert (Hsqrt := square_root_up_above P (round_up P r2) ltac:(lra)).
  assert (Hs0 := sqrt_pos (value (round_up P r2))).
  set (root := square_root_up P (round_up P r2)) in *.
  assert (He0 : (0 <= e)%Z).
  { unfold e, product_error; rewrite count_length; assert (H1 := magnitude_sum_nonnegative (v_entries v)).
    assert (H2 := rows_magnitude_nonnegative packing (m_rows m)); nia. }
  assert (Heps : 0 <= scaled s e) by (apply scaled_nonnegative; exact He0).
  assert (Hde : value (Dyadic (Z.of_nat d * e) (- s)) = INR d * scaled s e).
  { unfold scaled, value; cbn [mantissa exponent]; rewrite mult_IZR, <- INR_IZR_INZ; ring. }
  rewrite value_add, Hde; assert (Hd := pos_INR d).
  split; [assert (0 <= INR d * scaled s e) by (apply Rmult_le_pos; assumption); lra|].
  apply (perturbed_norm d _ A); [exact Heps|lra| |].
  - intros k Hk; unfold A, e, s; rewrite count_length, Hv.
    apply dot_sum_error; [exact Hv|exact Hve|exact Hme|exact Hvn| | |].
    + intros q Hq; destruct (Hm q Hq) as [_ Hn]; specialize (Hn k Hk).
      replace (entry (column (m_rows m) k) q) with (entry (nth q (m_rows m) []) k); [exact Hn|].
      unfold column, entry at 2; rewrite (nth_indep _ 0%Z (entry [] k)) by (rewrite map_length; lia).
      symmetry; apply (map_nth (fun row => entry row k)).
    + rewrite sum_magnitudes, Hv; apply Rle_refl.
    + rewrite <- Hrows; apply sum_rows_magnitude.
  - eapply Rle_trans; [rewrite HrA; exact Hr2|].
    rewrite <- (pow2_sqrt (value (round_up P r2))) by lra; apply pow_incr; lra.
Qed.
