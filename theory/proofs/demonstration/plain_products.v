(** Products of approximate vectors and matrices entry by entry: what the kernel's own evaluator does well, where
    approximate_matrices.v is made for long integers. Norms of the rows of a product through the Gram matrix. *)
From Coq Require Import ZArith Reals Lra Lia Bool List.
From Lyap Require Import finite_sums norm_ball dyadic floating_formats packed_integers packed_products
  quantised_products input_checks approximate_matrices.
Import ListNotations.
Open Scope Z_scope.

(** The sum over the rows of their largest magnitude. *)
Definition magnitudes (rows : list (list Z)) : Z := fold_left (fun total row => total + largest_magnitude row) rows 0.

Lemma magnitudes_packed (w : Z) (rows : list (list Z)) : magnitudes rows = rows_magnitude (map (pack_row w) rows).
Proof.
  unfold magnitudes, rows_magnitude; generalize 0; induction rows as [|row rows IH]; intro total; [reflexivity|].
  cbn [map fold_left]; rewrite IH; reflexivity.
Qed.

(** * A row vector times a matrix; [magnitude] is that of its rows *)

Definition plain_times (n : nat) (magnitude : Z) (a : vector) (m : matrix) : vector :=
  Vector (v_scale a + m_scale m)
    (product_error (count (v_entries a)) (v_error a) (m_error m) (magnitude_sum (v_entries a)) magnitude)
    (row_product n (v_entries a) (m_rows m)).

Lemma product_error_nonnegative (n a b A B : Z) :
  0 <= n -> 0 <= a -> 0 <= b -> 0 <= A -> 0 <= B -> 0 <= product_error n a b A B.
Proof. intros; unfold product_error; nia. Qed.

Lemma matrix_column (rows n j k : nat) (m : list (list Z)) : (k < length m)%nat ->
  entry (column m j) k = entry (nth k m []) j.
Proof.
  intro Hk; unfold entry, column; rewrite <- (map_nth (fun row => nth j row 0)).
  apply nth_indep; rewrite map_length; exact Hk.
Qed.

Lemma all_rows (m : matrix) (rows n : nat) (y : nat -> nat -> R) : approximates_matrix m rows n y ->
  Forall (fun row => length row = n) (m_rows m).
Proof.
  intros [Hrows [_ H]]; apply Forall_forall; intros row Hin.
  destruct (In_nth _ _ [] Hin) as [k [Hk <-]]; apply H; lia.
Qed.

Theorem plain_times_sound (rows n : nat) (magnitude : Z) (a : vector) (m : matrix) (x : nat -> R)
  (y : nat -> nat -> R) :
  approximates_vector a rows x -> approximates_matrix m rows n y -> magnitude = magnitudes (m_rows m) ->
  approximates_vector (plain_times n magnitude a m) n (fun j => sum rows (fun k => x k * y k j)%R).
Proof.
  intros [Hlen [Hea Ha]] Hm ->; assert (Hall := all_rows m rows n y Hm); destruct Hm as [Hrows [Hem Hm]].
  rewrite (magnitudes_packed 1).
  split; [|split]; unfold plain_times; cbn [v_entries v_error v_scale].
  - apply row_product_length; exact Hall.
  - apply product_error_nonnegative; try assumption; [rewrite count_length; lia|apply magnitude_sum_nonnegative|].
    apply rows_magnitude_nonnegative.
  - intros j Hj; rewrite count_length, Hlen.
    rewrite (entry_row_product n) by exact Hall.
    apply dot_sum_error; try assumption.
    + intros k Hk; rewrite (matrix_column rows n) by lia; apply (proj2 (Hm k Hk)); exact Hj.
    + rewrite sum_magnitudes, Hlen; apply Rle_refl.
    + rewrite <- Hrows; apply sum_rows_magnitude.
Qed.

(** * Fewer bits *)

Definition coarse_matrix (k : Z) (m : matrix) : matrix :=
  Matrix (m_scale m - k) (Z.shiftr (m_error m) k + 2) (map (coarsen k) (m_rows m)).

Lemma coarse_matrix_sound (k : Z) (m : matrix) (rows n : nat) (y : nat -> nat -> R) : 0 <= k ->
  approximates_matrix m rows n y -> approximates_matrix (coarse_matrix k m) rows n y.
Proof.
  intros Hk [Hrows [He H]]; unfold coarse_matrix; split; [|split]; cbn [m_rows m_error m_scale].
  - rewrite map_length; exact Hrows.
  - assert (0 <= Z.shiftr (m_error m) k) by (apply Z.shiftr_nonneg; exact He); lia.
  - intros q Hq; destruct (H q Hq) as [Hlen Hnear].
    rewrite (nth_indep _ [] (coarsen k [])) by (rewrite map_length; lia); rewrite map_nth.
    split; [rewrite coarsen_length; exact Hlen|apply near_coarsen; assumption].
Qed.

(** * Norms *)

Definition gram (rows : list (list Z)) : list (list Z) := map (fun u => map (dot u) rows) rows.
(** The squared norm of sum_q a_q (row q). *)
Definition gram_form (a : list Z) (g : list (list Z)) : Z := dot a (map (dot a) g).

Lemma gram_form_value (s t : Z) (rank n : nat) (a : list Z) (rows : list (list Z)) :
  length a = rank -> length rows = rank -> (forall q, (q < rank)%nat -> length (nth q rows []) = n) ->
  scaled (s + (s + (t + t))) (gram_form a (gram rows))
  = sum n (fun i => sum rank (fun q => scaled s (entry a q) * scaled t (entry (nth q rows []) i)) ^ 2)%R.
Proof.
  intros Ha Hrows Hlen; unfold gram_form; rewrite dot_dot_sum, scaled_dot_sum, Ha.
  rewrite (sum_same n _ (fun i => sum rank (fun q => scaled s (entry a q) * scaled t (entry (nth q rows []) i) *
    sum rank (fun p => scaled s (entry a p) * scaled t (entry (nth p rows []) i))))%R).
  2: { intros i _; rewrite sum_scaled_right; ring. }
  rewrite sum_swap; apply sum_same; intros q Hq.
  assert (Hg : entry (map (dot a) (gram rows)) q = dot a (nth q (gram rows) [])).
  { unfold entry; rewrite (nth_indep _ 0 (dot a [])) by (unfold gram; rewrite !map_length; lia); apply map_nth. }
  assert (Hr : nth q (gram rows) [] = map (dot (nth q rows [])) rows).
  { unfold gram; rewrite (nth_indep _ [] ((fun u => map (dot u) rows) [])) by (rewrite map_length; lia).
    rewrite (map_nth (fun u => map (dot u) rows)); reflexivity. }
  rewrite Hg, Hr, dot_dot_sum, scaled_dot_sum, Ha.
  rewrite (sum_same n _ (fun i => scaled s (entry a q) * (scaled t (entry (nth q rows []) i) *
    sum rank (fun p => scaled s (entry a p) * scaled t (entry (nth p rows []) i))))%R) by (intros i _; ring).
  rewrite sum_scaled; f_equal.
  rewrite (sum_same n _ (fun i => sum rank (fun p => scaled t (entry (nth q rows []) i) *
    (scaled s (entry a p) * scaled t (entry (nth p rows []) i))))%R) by (intros i _; rewrite sum_scaled; reflexivity).
  rewrite sum_swap; apply sum_same; intros p Hp.
  assert (Hp' : entry (map (dot (nth q rows [])) rows) p = dot (nth q rows []) (nth p rows [])).
  { unfold entry; rewrite (nth_indep _ 0 (dot (nth q rows []) [])) by (rewrite map_length; lia); apply map_nth. }
  rewrite Hp', dot_dot_sum, scaled_dot_sum, (Hlen q Hq), <- sum_scaled; apply sum_same; intros i _; ring.
Qed.

(** At least sqrt(n) |a times m| for n columns, from m's Gram matrix. *)
Definition product_reach (P : Z) (n : Z) (magnitude : Z) (g : list (list Z)) (a : vector) (m : matrix) : dyadic :=
  let exact := Dyadic (n * gram_form (v_entries a) g) (- (v_scale a + (v_scale a + (m_scale m + m_scale m)))) in
  let error := product_error (count (v_entries a)) (v_error a) (m_error m) (magnitude_sum (v_entries a)) magnitude in
  add (square_root_up P (round_up P exact)) (Dyadic (n * error) (- (v_scale a + m_scale m))).

Lemma norms_add (n : nat) (x y : nat -> R) (S T : R) : (0 <= S -> 0 <= T ->
  INR n * sum n (fun i => x i ^ 2) <= S ^ 2 -> INR n * sum n (fun i => y i ^ 2) <= T ^ 2 ->
  INR n * sum n (fun i => (x i + y i) ^ 2) <= (S + T) ^ 2)%R.
Proof.
  intros HS HT Hx Hy; assert (Hn := pos_INR n).
  assert (Hcross : (INR n * sum n (fun i => x i * y i) <= S * T)%R).
  { eapply Rle_trans; [apply Rle_abs|]; apply Rsqr_incr_0_var; [|apply Rmult_le_pos; assumption].
    rewrite <- Rsqr_abs, !Rsqr_pow2, Rpow_mult_distr.
    assert (Hcs := cauchy_schwarz n x y).
    assert (Hx0 := sum_nonnegative n (fun i => x i ^ 2)%R (fun i _ => pow2_ge_0 _)).
    assert (Hy0 := sum_nonnegative n (fun i => y i ^ 2)%R (fun i _ => pow2_ge_0 _)).
    apply Rle_trans with ((INR n * sum n (fun i => x i ^ 2)) * (INR n * sum n (fun i => y i ^ 2)))%R.
    - replace (INR n * sum n (fun i => x i ^ 2) * (INR n * sum n (fun i => y i ^ 2)))%R
        with (INR n ^ 2 * (sum n (fun i => x i ^ 2) * sum n (fun i => y i ^ 2)))%R by ring.
      apply Rmult_le_compat_l; [apply pow2_ge_0|exact Hcs].
    - rewrite Rpow_mult_distr; apply Rmult_le_compat; try assumption; apply Rmult_le_pos; assumption. }
  rewrite (sum_same n _ (fun i => x i ^ 2 + (2 * (x i * y i) + y i ^ 2))%R) by (intros; ring).
  rewrite !sum_plus, sum_scaled; nra.
Qed.

Theorem product_reach_sound (P : Z) (rank n : nat) (a : vector) (m : matrix) (x : nat -> R) (y : nat -> nat -> R) :
  approximates_vector a rank x -> approximates_matrix m rank n y ->
  let S := value (product_reach P (Z.of_nat n) (magnitudes (m_rows m)) (gram (m_rows m)) a m) in
  (0 <= S /\ INR n * sum n (fun i => sum rank (fun q => x q * y q i) ^ 2) <= S ^ 2)%R.
Proof.
  intros Ha Hm; assert (Hv := plain_times_sound rank n _ a m x y Ha Hm eq_refl).
  assert (Hall := all_rows m rank n y Hm); destruct Ha as [Hlen [Hea Ha]]; destruct Hm as [Hrows [Hem Hm]].
  destruct Hv as [_ [He Hnear]]; unfold plain_times in Hnear, He; cbn [v_error v_scale v_entries] in Hnear, He.
  unfold product_reach; cbv zeta; rewrite value_add.
  set (error := product_error _ _ _ _ _) in *.
  set (hat := fun i => sum rank (fun q => scaled (v_scale a) (entry (v_entries a) q) *
                                          scaled (m_scale m) (entry (nth q (m_rows m) []) i))%R).
  assert (Hhat : forall i, (i < n)%nat ->
    scaled (v_scale a + m_scale m) (entry (row_product n (v_entries a) (m_rows m)) i) = hat i).
  { intros i Hi; rewrite (entry_row_product n) by exact Hall; rewrite scaled_dot_sum, Hlen; unfold hat.
    apply sum_same; intros q Hq; rewrite (matrix_column rank n) by lia; reflexivity. }
  set (exact := Dyadic _ _).
  assert (Hexact : (INR n * sum n (fun i => hat i ^ 2) = value exact)%R).
  { unfold exact, hat; rewrite <- (gram_form_value (v_scale a) (m_scale m) rank n); try assumption.
    2: { intros q Hq; apply Hm; exact Hq. }
    unfold scaled, value; cbn [mantissa exponent]; rewrite mult_IZR, <- INR_IZR_INZ; ring. }
  assert (Hpos : (0 <= INR n * sum n (fun i => hat i ^ 2))%R)
    by (apply Rmult_le_pos; [apply pos_INR|apply sum_nonnegative; intros; apply pow2_ge_0]).
  assert (Hr := round_up_above P exact).
  assert (Hsqrt := square_root_up_above P (round_up P exact) ltac:(lra)).
  assert (Hs0 := sqrt_pos (value (round_up P exact))).
  assert (Hd : (0 <= scaled (v_scale a + m_scale m) error)%R) by (apply scaled_nonnegative; exact He).
  assert (HT : value (Dyadic (Z.of_nat n * error) (- (v_scale a + m_scale m)))
               = (INR n * scaled (v_scale a + m_scale m) error)%R).
  { unfold scaled, value; cbn [mantissa exponent]; rewrite mult_IZR, <- INR_IZR_INZ; ring. }
  rewrite HT; set (S1 := value (square_root_up P (round_up P exact))) in *.
  assert (Hn := pos_INR n); set (delta := scaled (v_scale a + m_scale m) error) in *.
  split; [assert (0 <= INR n * delta)%R by (apply Rmult_le_pos; assumption); lra|].
  set (v := fun i => sum rank (fun q => x q * y q i)%R) in *.
  rewrite (sum_same n _ (fun i => (hat i + (v i - hat i)) ^ 2)%R) by (intros i _; unfold v; ring).
  apply norms_add; [lra|apply Rmult_le_pos; assumption| |].
  - rewrite Hexact; eapply Rle_trans; [exact Hr|].
    rewrite <- (pow2_sqrt (value (round_up P exact))) by lra; apply pow_incr; lra.
  - replace ((INR n * delta) ^ 2)%R with (INR n * (INR n * delta ^ 2))%R by ring.
    apply Rmult_le_compat_l; [exact Hn|]; rewrite <- sum_constant.
    apply sum_le; intros i Hi; specialize (Hnear i Hi); rewrite Hhat in Hnear by exact Hi; cbv beta in Hnear.
    rewrite <- pow2_abs; apply pow_incr; split; [apply Rabs_pos|exact Hnear].
Qed.
