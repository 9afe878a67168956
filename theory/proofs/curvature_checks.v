(** A lower bound of the eigenvalues of R = M^T diag(w) M + diag(m) in integers. R is formed, exactly and through
    packed rows, from M, w and m in coarser units; what that can take from an eigenvalue is subtracted. The theorem
    reads all integers as they are: with M 2^-a, w 2^-b and m 2^-(2a+b), R has the scale 2^-(2a+b).
    theory/theorems/quadratic_relaxation.md, section 2 *)
From Coq Require Import ZArith List Reals Lra Lia Bool.
From Lyap Require Import finite_sums quadratic_forms quadratic_relaxation packed_products positive_definite
  curvature_rows.
Import ListNotations.
Open Scope Z_scope.

(** * The test *)

(** x in units of 2^h, rounded down. *)
Definition coarse (h : Z) (xs : list Z) : list Z := map (fun x => Z.shiftr x h) xs.

Definition root_above (x : Z) : Z := Z.sqrt x + 1.
Definition squares_sum (xs : list Z) : Z := fold_left (fun total x => total + x * x) xs 0.

(** What rounding M by 2^h and w by 2^g can take from an eigenvalue. *)
Definition rounding_loss (h g n : Z) (w : list Z) (M : list (list Z)) : Z :=
  let delta := (Z.shiftl 1 h - 1) * root_above n in
  fold_left (fun total wr => let '(w_k, row) := wr in
      let r := Z.shiftl (root_above (squares_sum row)) h in
      total + (Z.abs w_k * (delta * (delta + 2 * r)) + (Z.shiftl 1 g - 1) * (r * r)))
    (combine w M) 0.

(** How a proof of positive definiteness is to be done: digits of the packed rows, the rounding of M and w, the
    factor L with
    its scale k, the shift s, what the residual may be. *)
Record factor_proof := FactorProof {
  digits : Z; round_matrix : Z; round_weights : Z; factor : list (list Z); factor_scale : Z; shift : Z; residual_norm
      : Z }.

(** A lower bound of R's eigenvalues. *)
Definition eigenvalue_bound (p : factor_proof) (w m : list Z) (M : list (list Z)) : option Z :=
  let h := round_matrix p in
  let g := round_weights p in
  let M' := map (coarse h) M in
  match curvature_rows (digits p) (coarse g w) (coarse (2 * h + g) m) M' with
  | Some A =>
      if (0 <=? h) && (0 <=? g) && (1 <=? digits p) && (count w =? height M)
         && positive_definite_by_factor (factor_scale p) (shift p) (residual_norm p) A (factor p)
      then Some (Z.shiftl (shift p - residual_norm p) (2 * h + g) - rounding_loss h g (count m) w M')
      else None
  | None => None
  end.

(** * Rounding *)

(** What errors of M and w take from the form. *)
Theorem perturbed_form (rows d : nat) (M M' : nat -> nat -> R) (w w' r : nat -> R) (delta eps : R) (z : nat -> R) :
  (0 <= delta)%R -> (0 <= eps)%R ->
  (forall k, (k < rows)%nat -> norm_squared d (fun i => M k i - M' k i)%R <= delta ^ 2)%R ->
  (forall k, (k < rows)%nat -> 0 <= r k /\ norm_squared d (M' k) <= r k ^ 2)%R ->
  (forall k, (k < rows)%nat -> Rabs (w k - w' k) <= eps)%R ->
  (sum rows (fun k => w' k * image d M' z k ^ 2)
   - sum rows (fun k => Rabs (w k) * (delta * (delta + 2 * r k)) + eps * (r k * r k)) * norm_squared d z
   <= sum rows (fun k => w k * image d M z k ^ 2))%R.
Proof.
  intros Hdelta Heps HM Hr Hw; rewrite <- sum_scaled_right, <- sum_minus; apply sum_le; intros k Hk.
  set (N := norm_squared d z); assert (HN : (0 <= N)%R) by apply norm_squared_nonnegative.
  set (b := image d M' z k); set (s := image d (fun k i => M k i - M' k i)%R z k).
  assert (Ha : image d M z k = (b + s)%R).
  { unfold b, s, image; rewrite <- sum_plus; apply sum_same; intros; ring. }
  assert (Hroot := sqrt_sqrt N HN); assert (Hroot0 := sqrt_pos N); set (q := sqrt N) in *.
  destruct (Hr k Hk) as [Hr0 Hrk].
  assert (Hbound : forall f c, (0 <= c)%R -> (norm_squared d f <= c ^ 2)%R -> (Rabs (sum d (fun i => f i * z i)) <= c
      * q)%R).
  { intros f c Hc Hf; apply dot_bound; [apply Rmult_le_pos; assumption|].
    replace ((c * q) ^ 2)%R with (c ^ 2 * N)%R by (rewrite <- Hroot; ring).
    apply Rmult_le_compat_r; [exact HN|exact Hf]. }
  assert (Hs : (Rabs s <= delta * q)%R) by (apply Hbound; [exact Hdelta|apply HM; exact Hk]).
  assert (Hb : (Rabs b <= r k * q)%R) by (apply Hbound; assumption).
  assert (Hbb : (b ^ 2 <= r k ^ 2 * N)%R).
  { rewrite <- (pow2_abs b); replace (r k ^ 2 * N)%R with ((r k * q) ^ 2)%R by (rewrite <- Hroot; ring).
    apply pow_incr; split; [apply Rabs_pos|exact Hb]. }
  assert (Hcross : (Rabs (s * (s + 2 * b)) <= delta * (delta + 2 * r k) * N)%R).
  { rewrite Rabs_mult, <- Hroot.
    replace (delta * (delta + 2 * r k) * (q * q))%R with ((delta * q) * (delta * q + 2 * (r k * q)))%R by ring.
    apply Rmult_le_compat; try apply Rabs_pos; [exact Hs|].
    eapply Rle_trans; [apply Rabs_triang|]; rewrite Rabs_mult, (Rabs_pos_eq 2) by lra; lra. }
  assert (Hwcross : (Rabs (w k * (s * (s + 2 * b))) <= Rabs (w k) * (delta * (delta + 2 * r k) * N))%R).
  { rewrite Rabs_mult; apply Rmult_le_compat_l; [apply Rabs_pos|exact Hcross]. }
  assert (Hwb : (Rabs ((w k - w' k) * b ^ 2) <= eps * (r k ^ 2 * N))%R).
  { rewrite Rabs_mult, (Rabs_pos_eq (b ^ 2)) by apply pow2_ge_0.
    apply Rmult_le_compat; [apply Rabs_pos|apply pow2_ge_0|apply Hw; exact Hk|exact Hbb]. }
  rewrite <- Rabs_Ropp in Hwcross, Hwb.
  assert (H1 := Rle_trans _ _ _ (Rle_abs _) Hwcross); assert (H2 := Rle_trans _ _ _ (Rle_abs _) Hwb).
  rewrite Ha; fold N; simpl in *; lra.
Qed.

Lemma entry_coarse (h : Z) (xs : list Z) (i : nat) : entry (coarse h xs) i = Z.shiftr (entry xs i) h.
Proof. unfold coarse, entry; rewrite <- (map_nth (fun x => Z.shiftr x h)), Z.shiftr_0_l; reflexivity. Qed.

Lemma coarse_error (h x : Z) : 0 <= h ->
  (0 <= IZR x - IZR (2 ^ h) * IZR (Z.shiftr x h) <= IZR (Z.shiftl 1 h - 1))%R.
Proof.
  intro Hh; rewrite Z.shiftr_div_pow2, Z.shiftl_1_l by exact Hh.
  assert (Hp : 0 < 2 ^ h) by (apply Z.pow_pos_nonneg; lia).
  assert (Hm := Z.mod_pos_bound x _ Hp); rewrite Z.mod_eq in Hm by lia.
  rewrite <- mult_IZR, <- minus_IZR; split; [apply IZR_le; lia|apply IZR_le; lia].
Qed.

Lemma squares_sum_above (xs : list Z) (n : nat) : (sum n (fun i => IZR (entry xs i) ^ 2) <= IZR (squares_sum xs))%R.
Proof.
  unfold squares_sum.
  assert (Hfold : forall xs total, fold_left (fun total x => total + x * x) xs total
                                   = total + fold_left (fun total x => total + x * x) xs 0).
  { induction xs0 as [|x ys IH]; intro total; cbn [fold_left]; [lia|].
    rewrite IH, (IH (0 + x * x)); lia. }
  revert xs; induction n as [|n IH]; intro xs.
  - simpl; apply IZR_le; clear -Hfold; induction xs as [|x xs IH]; cbn [fold_left]; [lia|rewrite Hfold; nia].
  - rewrite sum_first; destruct xs as [|x xs].
    + rewrite (sum_same n _ (fun _ => 0%R)); [rewrite sum_zero; unfold entry; simpl; lra|].
      intros i _; unfold entry; simpl; ring.
    + cbn [fold_left]; rewrite Hfold, plus_IZR; specialize (IH xs).
      change (IZR (entry (x :: xs) 0) ^ 2)%R with (IZR x * (IZR x * 1))%R; rewrite Z.add_0_l, mult_IZR.
      change (fun i => (IZR (entry (x :: xs) (S i)) ^ 2)%R) with (fun i => (IZR (entry xs i) ^ 2)%R); lra.
Qed.

Lemma root_above_square (x : Z) : 0 <= x -> x <= root_above x * root_above x /\ 0 <= root_above x.
Proof.
  intro Hx; unfold root_above; assert (H := Z.sqrt_spec x Hx); assert (H0 := Z.sqrt_nonneg x).
  cbv zeta in H; rewrite <- !Z.add_1_r in H; split; [apply Z.lt_le_incl, (proj2 H)|lia].
Qed.

Lemma rounding_loss_sum (h g n : Z) (w : list Z) (M : list (list Z)) : length w = length M ->
  let delta := (Z.shiftl 1 h - 1) * root_above n in
  let r := fun k => Z.shiftl (root_above (squares_sum (row_of M k))) h in
  IZR (rounding_loss h g n w M)
  = sum (length M) (fun k => (Rabs (vector_of w k) * (IZR delta * (IZR delta + 2 * IZR (r k)))
                              + IZR (Z.shiftl 1 g - 1) * (IZR (r k) * IZR (r k)))%R).
Proof.
  intros Hlen delta r; unfold rounding_loss; fold delta.
  assert (Hfold : forall (M : list (list Z)) (w : list Z) total, length w = length M ->
    IZR (fold_left (fun total wr => let '(w_k, row) := wr in
           let r := Z.shiftl (root_above (squares_sum row)) h in
           total + (Z.abs w_k * (delta * (delta + 2 * r)) + (Z.shiftl 1 g - 1) * (r * r))) (combine w M) total)
    = (IZR total + sum (length M) (fun k =>
         Rabs (vector_of w k)
         * (IZR delta * (IZR delta + 2 * IZR (Z.shiftl (root_above (squares_sum (row_of M k))) h)))
         + IZR (Z.shiftl 1 g - 1) * (IZR (Z.shiftl (root_above (squares_sum (row_of M k))) h)
                                     * IZR (Z.shiftl (root_above (squares_sum (row_of M k))) h))))%R).
  { clear; induction M as [|row M IH]; intros [|x w] total H; cbn [length] in H; try lia; cbn [combine fold_left
      length].
    - simpl; ring.
    - rewrite IH by lia; rewrite sum_first; unfold vector_of, row_of, entry; cbn [nth].
      cbv zeta; rewrite plus_IZR, Rplus_assoc; f_equal; f_equal.
      repeat rewrite ?plus_IZR, ?mult_IZR, ?abs_IZR; reflexivity. }
  rewrite Hfold by exact Hlen; rewrite Rplus_0_l; reflexivity.
Qed.

Theorem eigenvalue_bound_sound (p : factor_proof) (w m : list Z) (M : list (list Z)) (lambda : Z) :
  eigenvalue_bound p w m M = Some lambda -> forall z : nat -> R,
  (IZR lambda * norm_squared (length m) z
   <= quadratic_form (length m) (curvature_matrix (length M) (matrix_of M) (vector_of w) (vector_of m)) z)%R.
Proof.
  unfold eigenvalue_bound; set (h := round_matrix p); set (g := round_weights p); set (M' := map (coarse h) M).
  destruct (curvature_rows _ _ _ _) as [A|] eqn:HA; [|discriminate].
  destruct (_ && _) eqn:Htest; [|discriminate]; intros H z.
  apply (f_equal (fun bound => match bound with Some x => x | None => 0 end)) in H; cbv beta iota in H; subst lambda.
  apply andb_prop in Htest; destruct Htest as [Htest Hdefinite].
  apply andb_prop in Htest; destruct Htest as [Htest Hlen].
  apply andb_prop in Htest; destruct Htest as [Htest Hdigits].
  apply andb_prop in Htest; destruct Htest as [Hh Hg].
  apply Z.leb_le in Hh; apply Z.leb_le in Hg; apply Z.leb_le in Hdigits; apply Z.eqb_eq in Hlen.
  rewrite count_length, height_length in Hlen; apply Nat2Z.inj in Hlen.
  assert (HlenM' : length M' = length M) by apply map_length.
  set (d := length m) in *; set (K := length M) in *.
  apply curvature_rows_form with (z := z) in HA; [|exact Hdigits|unfold coarse; rewrite map_length; lia].
  destruct HA as [HlenA HA]; rewrite HlenM' in HA.
  assert (Hlm : length (coarse (2 * h + g) m) = d) by apply map_length; rewrite Hlm in *.
  assert (Heigen := positive_definite_by_factor_sound _ _ _ _ _ z Hdefinite); rewrite HlenA, HA in Heigen; clear HA.
  rewrite form_curvature_matrix in *.
  set (N := norm_squared d z) in *; assert (HN : (0 <= N)%R) by apply norm_squared_nonnegative.
  assert (Hp : forall e, 0 <= e -> (0 < IZR (2 ^ e))%R) by (intros; apply IZR_lt, Z.pow_pos_nonneg; lia).
  set (delta := (Z.shiftl 1 h - 1) * root_above (count m)).
  set (r := fun k => Z.shiftl (root_above (squares_sum (row_of M' k))) h).
  assert (Hunit : forall e, 0 <= e -> 0 <= Z.shiftl 1 e - 1).
  { intros e He; rewrite Z.shiftl_1_l; assert (0 < 2 ^ e) by (apply Z.pow_pos_nonneg; lia); lia. }
  destruct (root_above_square (count m)) as [Hroot Hroot0]; [rewrite count_length; lia|].
  assert (Hentry' : forall k i, matrix_of M' k i = IZR (Z.shiftr (entry (row_of M k) i) h)).
  { intros k i; unfold matrix_of; rewrite <- entry_coarse; do 2 f_equal; unfold row_of, M'.
    rewrite <- (map_nth (coarse h)); reflexivity. }
  (* the form of the rounded M and w, in the units of M and w *)
  assert (Hperturbed := perturbed_form K d (matrix_of M) (fun k i => IZR (2 ^ h) * matrix_of M' k i)%R (vector_of w)
    (fun k => IZR (2 ^ g) * vector_of (coarse g w) k)%R (fun k => IZR (r k)) (IZR delta) (IZR (Z.shiftl 1 g - 1)) z).
  assert (Hloss := rounding_loss_sum h g (count m) w M' ltac:(lia)); cbv zeta in Hloss; rewrite HlenM' in Hloss.
  fold delta in Hloss; fold N in Hperturbed.
  rewrite minus_IZR, Z.shiftl_mul_pow2, mult_IZR, minus_IZR by lia.
  assert (Hm : (IZR (2 ^ (2 * h + g)) * sum d (fun i => vector_of (coarse (2 * h + g) m) i * z i ^ 2)
                <= sum d (fun i => vector_of m i * z i ^ 2))%R).
  { rewrite <- sum_scaled; apply sum_le; intros i _; unfold vector_of; rewrite entry_coarse.
    assert (He := coarse_error (2 * h + g) (entry m i) ltac:(lia)); assert (Hz := pow2_ge_0 (z i)); nra. }
  assert (Hscaled : (IZR (2 ^ (2 * h + g)) * sum K (fun k => vector_of (coarse g w) k * image d (matrix_of M') z k ^ 2)
                     = sum K (fun k => IZR (2 ^ g) * vector_of (coarse g w) k
                                       * image d (fun k i => IZR (2 ^ h) * matrix_of M' k i) z k ^ 2))%R).
  { rewrite <- sum_scaled; apply sum_same; intros k _.
    replace (image d (fun k i => IZR (2 ^ h) * matrix_of M' k i)%R z k) with (IZR (2 ^ h) * image d (matrix_of M') z
        k)%R.
    - replace (2 * h + g) with (h + h + g) by lia; rewrite !Z.pow_add_r, !mult_IZR by lia; ring.
    - unfold image; rewrite <- sum_scaled; apply sum_same; intros; ring. }
  apply Rmult_le_compat_l with (r := IZR (2 ^ (2 * h + g))) in Heigen; [|left; apply Hp; lia].
  rewrite Rmult_plus_distr_l, Hscaled in Heigen.
  assert (Hfinal : (sum K (fun k => IZR (2 ^ g) * vector_of (coarse g w) k
                                    * image d (fun k i => IZR (2 ^ h) * matrix_of M' k i) z k ^ 2)
                    - IZR (rounding_loss h g (count m) w M') * N
                    <= sum K (fun k => vector_of w k * image d (matrix_of M) z k ^ 2))%R).
  { rewrite Hloss; clear Hloss; apply Hperturbed; clear Hperturbed.
    - apply IZR_le; unfold delta; apply Z.mul_nonneg_nonneg; [apply Hunit; exact Hh|exact Hroot0].
    - apply IZR_le, Hunit; exact Hg.
    - intros k _; unfold norm_squared.
      apply Rle_trans with (sum d (fun _ => IZR (Z.shiftl 1 h - 1) ^ 2)%R).
      + apply sum_le; intros i _; rewrite Hentry'; unfold matrix_of.
        assert (He := coarse_error h (entry (row_of M k) i) Hh); apply pow_incr; exact He.
      + assert (Hconstant : forall c n, sum n (fun _ => c) = (INR n * c)%R).
        { intros c; induction n as [|n IH]; [simpl; ring|rewrite S_INR; simpl; rewrite IH; ring]. }
        rewrite Hconstant, INR_IZR_INZ; unfold d; rewrite <- count_length; unfold delta.
        rewrite mult_IZR, Rpow_mult_distr, Rmult_comm; apply Rmult_le_compat_l; [apply pow2_ge_0|].
        replace (IZR (root_above (count m)) ^ 2)%R with (IZR (root_above (count m) * root_above (count m)))
          by (rewrite mult_IZR; ring).
        apply IZR_le; exact Hroot.
    - intros k _.
      assert (Hsq := squares_sum_above (row_of M' k) d).
      assert (Hsq0 : 0 <= squares_sum (row_of M' k)).
      { apply le_IZR; eapply Rle_trans; [|apply (squares_sum_above _ 0)]; simpl; lra. }
      destruct (root_above_square _ Hsq0) as [Hr Hr0].
      unfold r; rewrite Z.shiftl_mul_pow2 by exact Hh; split.
      + apply IZR_le, Z.mul_nonneg_nonneg; [exact Hr0|apply Z.pow_nonneg; lia].
      + unfold norm_squared; rewrite (sum_same d _ (fun i => IZR (2 ^ h) ^ 2 * IZR (entry (row_of M' k) i) ^ 2)%R)
          by (intros; unfold matrix_of; ring).
        rewrite sum_scaled, mult_IZR, Rpow_mult_distr, Rmult_comm.
        apply Rmult_le_compat_r; [apply pow2_ge_0|].
        eapply Rle_trans; [exact Hsq|].
        replace (IZR (root_above (squares_sum (row_of M' k))) ^ 2)%R
          with (IZR (root_above (squares_sum (row_of M' k)) * root_above (squares_sum (row_of M' k))))
          by (rewrite mult_IZR; ring).
        apply IZR_le; exact Hr.
    - intros k _; unfold vector_of; rewrite entry_coarse.
      assert (He := coarse_error g (entry w k) Hg); rewrite Rabs_pos_eq; lra. }
  lra.
Qed.
