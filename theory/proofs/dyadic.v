(** Dyadic numbers m 2^e, exact, and ranges of them with outward rounding: the arithmetic of the checker. Everything is
    integers; [value] and [contains] say what they mean in the reals. *)
From Coq Require Import ZArith Reals Lra Lia Bool.
From Flocq Require Import Core.Raux Core.Zaux.
Open Scope Z_scope.

Record dyadic := Dyadic { mantissa : Z; exponent : Z }.

Definition power2 (e : Z) : R := bpow radix2 e.
Definition value (x : dyadic) : R := (IZR (mantissa x) * power2 (exponent x))%R.

Lemma power2_positive (e : Z) : (0 < power2 e)%R.
Proof. apply bpow_gt_0. Qed.

Lemma power2_plus (a b : Z) : power2 (a + b) = (power2 a * power2 b)%R.
Proof. apply bpow_plus. Qed.

Lemma power2_integer (k : Z) : 0 <= k -> power2 k = IZR (2 ^ k).
Proof. intro H; unfold power2; rewrite <- (IZR_Zpower radix2) by exact H; reflexivity. Qed.

(** m 2^e written with a smaller exponent. *)
Lemma value_shifted (m e k : Z) : 0 <= k -> (IZR (Z.shiftl m k) * power2 (e - k) = IZR m * power2 e)%R.
Proof.
  intro Hk; rewrite Z.shiftl_mul_pow2, mult_IZR, <- power2_integer by exact Hk.
  rewrite Rmult_assoc, <- power2_plus; do 2 f_equal; lia.
Qed.

(** * Exact operations *)

Definition zero : dyadic := Dyadic 0 0.
Definition one : dyadic := Dyadic 1 0.
Definition of_integer (n : Z) : dyadic := Dyadic n 0.
Definition negate (x : dyadic) : dyadic := Dyadic (- mantissa x) (exponent x).
Definition absolute (x : dyadic) : dyadic := Dyadic (Z.abs (mantissa x)) (exponent x).
Definition scale2 (k : Z) (x : dyadic) : dyadic := Dyadic (mantissa x) (exponent x + k).
Definition multiply (x y : dyadic) : dyadic := Dyadic (mantissa x * mantissa y) (exponent x + exponent y).
Definition add (x y : dyadic) : dyadic :=
  let d := exponent x - exponent y in
  if d <=? 0 then Dyadic (mantissa x + Z.shiftl (mantissa y) (- d)) (exponent x)
  else Dyadic (Z.shiftl (mantissa x) d + mantissa y) (exponent y).
Definition subtract (x y : dyadic) : dyadic := add x (negate y).
Definition at_most (x y : dyadic) : bool := mantissa (subtract x y) <=? 0.
Definition below (x y : dyadic) : bool := mantissa (subtract x y) <? 0.
Definition smaller (x y : dyadic) : dyadic := if at_most x y then x else y.
Definition larger (x y : dyadic) : dyadic := if at_most x y then y else x.

Lemma value_zero : value zero = 0%R.
Proof. unfold value; simpl; ring. Qed.

Lemma value_one : value one = 1%R.
Proof. unfold value, power2; simpl; ring. Qed.

Lemma value_of_integer (n : Z) : value (of_integer n) = IZR n.
Proof. unfold value, power2; simpl; ring. Qed.

Lemma value_negate (x : dyadic) : value (negate x) = (- value x)%R.
Proof. unfold value, negate; simpl; rewrite opp_IZR; ring. Qed.

Lemma value_absolute (x : dyadic) : value (absolute x) = Rabs (value x).
Proof.
  unfold value, absolute; simpl; rewrite abs_IZR, Rabs_mult, (Rabs_pos_eq (power2 _)); [reflexivity|].
  left; apply power2_positive.
Qed.

Lemma value_scale2 (k : Z) (x : dyadic) : value (scale2 k x) = (value x * power2 k)%R.
Proof. unfold value, scale2; simpl; rewrite power2_plus; ring. Qed.

Lemma value_multiply (x y : dyadic) : value (multiply x y) = (value x * value y)%R.
Proof. unfold value, multiply; simpl; rewrite mult_IZR, power2_plus; ring. Qed.

Lemma value_add (x y : dyadic) : value (add x y) = (value x + value y)%R.
Proof.
  unfold value, add; cbv zeta; destruct (Z.leb_spec (exponent x - exponent y) 0); simpl; rewrite plus_IZR.
  - rewrite <- (value_shifted (mantissa y) (exponent y) (- (exponent x - exponent y))) by lia.
    replace (exponent y - - (exponent x - exponent y)) with (exponent x) by lia; ring.
  - rewrite <- (value_shifted (mantissa x) (exponent x) (exponent x - exponent y)) by lia.
    replace (exponent x - (exponent x - exponent y)) with (exponent y) by lia; ring.
Qed.

Lemma value_subtract (x y : dyadic) : value (subtract x y) = (value x - value y)%R.
Proof. unfold subtract; rewrite value_add, value_negate; ring. Qed.

Lemma value_sign (x : dyadic) : (mantissa x <= 0 <-> (value x <= 0)%R) /\ (mantissa x < 0 <-> (value x < 0)%R).
Proof.
  assert (Hp := power2_positive (exponent x)); unfold value; split; split; intro H.
  - apply IZR_le in H; nra.
  - apply le_IZR; destruct (Rle_lt_dec (IZR (mantissa x)) 0) as [|Hm]; [assumption|nra].
  - apply IZR_lt in H; nra.
  - apply lt_IZR; destruct (Rlt_le_dec (IZR (mantissa x)) 0) as [|Hm]; [assumption|nra].
Qed.

Lemma at_most_value (x y : dyadic) : at_most x y = true -> (value x <= value y)%R.
Proof.
  unfold at_most; intro H; apply Z.leb_le, value_sign in H; rewrite value_subtract in H; lra.
Qed.

Lemma at_most_false (x y : dyadic) : at_most x y = false -> (value y < value x)%R.
Proof.
  unfold at_most; intro H; apply Z.leb_gt in H.
  destruct (Rlt_le_dec (value y) (value x)) as [|Hle]; [assumption|exfalso].
  assert (Hs : (value (subtract x y) <= 0)%R) by (rewrite value_subtract; lra).
  apply value_sign in Hs; lia.
Qed.

Lemma below_value (x y : dyadic) : below x y = true -> (value x < value y)%R.
Proof.
  unfold below; intro H; apply Z.ltb_lt, value_sign in H; rewrite value_subtract in H; lra.
Qed.

Lemma value_smaller (x y : dyadic) : value (smaller x y) = Rmin (value x) (value y).
Proof.
  unfold smaller; destruct (at_most x y) eqn:H.
  - apply at_most_value in H; rewrite Rmin_left; [reflexivity|exact H].
  - apply at_most_false in H; rewrite Rmin_right; [reflexivity|lra].
Qed.

Lemma value_larger (x y : dyadic) : value (larger x y) = Rmax (value x) (value y).
Proof.
  unfold larger; destruct (at_most x y) eqn:H.
  - apply at_most_value in H; rewrite Rmax_right; [reflexivity|exact H].
  - apply at_most_false in H; rewrite Rmax_left; [reflexivity|lra].
Qed.

(** * Rounding to P bits, and quotients *)

(** Number of bits of |m|. *)
Definition bits (m : Z) : Z := Z.log2 (Z.abs m) + 1.

(** The largest number of at most P bits (mantissa) not above x; x itself where it has no more. *)
Definition round_down (P : Z) (x : dyadic) : dyadic :=
  let k := bits (mantissa x) - P in
  if k <=? 0 then x else Dyadic (Z.shiftr (mantissa x) k) (exponent x + k).
Definition round_up (P : Z) (x : dyadic) : dyadic := negate (round_down P (negate x)).

Lemma round_down_below (P : Z) (x : dyadic) : (value (round_down P x) <= value x)%R.
Proof.
  unfold round_down; cbv zeta; destruct (Z.leb_spec (bits (mantissa x) - P) 0) as [|Hk]; [lra|].
  set (k := bits (mantissa x) - P) in *; unfold value; simpl.
  rewrite Z.shiftr_div_pow2 by lia; rewrite Z.add_comm, power2_plus, (power2_integer k) by lia.
  rewrite <- Rmult_assoc; apply Rmult_le_compat_r; [left; apply power2_positive|].
  rewrite <- mult_IZR; apply IZR_le.
  assert (0 < 2 ^ k) by (apply Z.pow_pos_nonneg; lia).
  rewrite Z.mul_comm; apply Z.mul_div_le; assumption.
Qed.

Lemma round_up_above (P : Z) (x : dyadic) : (value x <= value (round_up P x))%R.
Proof.
  unfold round_up; rewrite value_negate.
  assert (H := round_down_below P (negate x)); rewrite value_negate in H; lra.
Qed.

(** A number of about P bits not above x / y, for y > 0. *)
Definition divide_down (P : Z) (x y : dyadic) : dyadic :=
  let k := Z.max 0 (P + bits (mantissa y) - bits (mantissa x)) in
  Dyadic (Z.shiftl (mantissa x) k / mantissa y) (exponent x - k - exponent y).
Definition divide_up (P : Z) (x y : dyadic) : dyadic := negate (divide_down P (negate x) y).

Lemma divide_down_below (P : Z) (x y : dyadic) :
  (0 < value y)%R -> (value (divide_down P x y) <= value x / value y)%R.
Proof.
  intro Hy.
  assert (Hm : 0 < mantissa y).
  { apply lt_IZR; assert (Hp := power2_positive (exponent y)); unfold value in Hy.
    destruct (Rlt_le_dec 0 (IZR (mantissa y))) as [|Hle]; [assumption|nra]. }
  unfold divide_down; set (k := Z.max 0 _); assert (Hk : 0 <= k) by (unfold k; lia); clearbody k.
  apply Rmult_le_reg_r with (value y); [exact Hy|].
  unfold Rdiv; rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra.
  unfold value; simpl.
  rewrite <- (value_shifted (mantissa x) (exponent x) k) by exact Hk.
  set (q := Z.shiftl (mantissa x) k / mantissa y).
  replace (exponent x - k - exponent y) with (exponent x - k + - exponent y) by lia.
  rewrite power2_plus.
  replace (IZR q * (power2 (exponent x - k) * power2 (- exponent y)) * (IZR (mantissa y) * power2 (exponent y)))%R
    with (IZR q * IZR (mantissa y) * power2 (exponent x - k) * (power2 (- exponent y) * power2 (exponent y)))%R by ring.
  rewrite <- (power2_plus (- exponent y)), Z.add_opp_diag_l; change (power2 0) with 1%R; rewrite Rmult_1_r.
  apply Rmult_le_compat_r; [left; apply power2_positive|].
  rewrite <- mult_IZR; apply IZR_le; rewrite Z.mul_comm; apply Z.mul_div_le; exact Hm.
Qed.

Lemma divide_up_above (P : Z) (x y : dyadic) : (0 < value y)%R -> (value x / value y <= value (divide_up P x y))%R.
Proof.
  intro Hy; unfold divide_up; rewrite value_negate.
  assert (H := divide_down_below P (negate x) y Hy); rewrite value_negate in H.
  unfold Rdiv in *; rewrite Ropp_mult_distr_l_reverse in H; lra.
Qed.

(** A number of about P bits not below the root of x, x >= 0. *)
Definition square_root_up (P : Z) (x : dyadic) : dyadic :=
  let k := Z.max 0 (2 * P - bits (mantissa x)) in
  let k := if Z.even (exponent x - k) then k else k + 1 in
  Dyadic (Z.sqrt (Z.shiftl (mantissa x) k) + 1) ((exponent x - k) / 2).

Lemma square_root_up_above (P : Z) (x : dyadic) :
  (0 <= value x)%R -> (sqrt (value x) <= value (square_root_up P x))%R.
Proof.
  intro Hx; unfold square_root_up; cbv zeta.
  set (k0 := Z.max 0 _); assert (Hk0 : 0 <= k0) by (unfold k0; lia); clearbody k0.
  set (k := if Z.even (exponent x - k0) then k0 else k0 + 1).
  assert (Hk : 0 <= k) by (unfold k; destruct (Z.even _); lia).
  assert (Heven : Z.even (exponent x - k) = true).
  { unfold k; destruct (Z.even (exponent x - k0)) eqn:E; [exact E|].
    replace (exponent x - (k0 + 1)) with (exponent x - k0 - 1) by lia.
    rewrite Z.even_sub, E; reflexivity. }
  clearbody k; apply Z.even_spec in Heven; destruct Heven as [half Hhalf].
  rewrite Hhalf; replace (2 * half / 2) with half by (rewrite Z.mul_comm, Z.div_mul; lia).
  set (m := Z.shiftl (mantissa x) k).
  assert (Hm : 0 <= m).
  { unfold m; apply Z.shiftl_nonneg; apply le_IZR.
    assert (Hp := power2_positive (exponent x)); unfold value in Hx.
    destruct (Rle_lt_dec 0 (IZR (mantissa x))) as [|Hlt]; [assumption|nra]. }
  assert (Hvalue : value x = (IZR m * (power2 half * power2 half))%R).
  { rewrite <- power2_plus; replace (half + half) with (exponent x - k) by lia.
    unfold value; symmetry; apply value_shifted; exact Hk. }
  assert (Hroot := proj2 (Z.sqrt_spec m Hm)).
  set (s := Z.sqrt m + 1) in *.
  assert (Hs : 0 <= s) by (unfold s; assert (H := Z.sqrt_nonneg m); lia).
  assert (Hp := power2_positive half).
  assert (Hs' : (0 <= IZR s)%R) by (apply IZR_le; exact Hs).
  unfold value at 2; simpl.
  rewrite Hvalue; apply Rsqr_incr_0_var; [|apply Rmult_le_pos; lra].
  rewrite Rsqr_sqrt.
  2: { apply Rmult_le_pos; [apply IZR_le; exact Hm|nra]. }
  unfold Rsqr.
  replace (IZR s * power2 half * (IZR s * power2 half))%R with (IZR s * IZR s * (power2 half * power2 half))%R by ring.
  apply Rmult_le_compat_r; [nra|].
  rewrite <- mult_IZR; apply IZR_le; replace (Z.succ (Z.sqrt m)) with s in Hroot by (unfold s; lia); lia.
Qed.

Lemma divide_down_nonnegative (P : Z) (x y : dyadic) :
  (0 <= value x)%R -> (0 < value y)%R -> (0 <= value (divide_down P x y))%R.
Proof.
  intros Hx Hy.
  assert (Hm : 0 < mantissa y).
  { apply lt_IZR; assert (Hp := power2_positive (exponent y)); unfold value in Hy.
    destruct (Rlt_le_dec 0 (IZR (mantissa y))) as [|Hle]; [assumption|nra]. }
  assert (Hn : 0 <= mantissa x).
  { apply le_IZR; assert (Hp := power2_positive (exponent x)); unfold value in Hx.
    destruct (Rle_lt_dec 0 (IZR (mantissa x))) as [|Hlt]; [assumption|nra]. }
  unfold value, divide_down; simpl; apply Rmult_le_pos; [|left; apply power2_positive].
  apply IZR_le, Z.div_pos; [apply Z.shiftl_nonneg; exact Hn|exact Hm].
Qed.

(** * Ranges *)

Record range := Range { lower : dyadic; upper : dyadic }.
Definition contains (r : range) (x : R) : Prop := (value (lower r) <= x <= value (upper r))%R.

Definition point (x : dyadic) : range := Range x x.
Definition range_negate (r : range) : range := Range (negate (upper r)) (negate (lower r)).
Definition range_add (r s : range) : range := Range (add (lower r) (lower s)) (add (upper r) (upper s)).
Definition range_subtract (r s : range) : range := range_add r (range_negate s).
Definition range_multiply (r s : range) : range :=
  let a := multiply (lower r) (lower s) in
  let b := multiply (lower r) (upper s) in
  let c := multiply (upper r) (lower s) in
  let d := multiply (upper r) (upper s) in
  Range (smaller (smaller a b) (smaller c d)) (larger (larger a b) (larger c d)).
Definition range_round (P : Z) (r : range) : range := Range (round_down P (lower r)) (round_up P (upper r)).
Definition range_hull (r s : range) : range := Range (smaller (lower r) (lower s)) (larger (upper r) (upper s)).
(** [-x, x] around r, for x >= 0. *)
Definition range_widen (r : range) (x : dyadic) : range := Range (subtract (lower r) x) (add (upper r) x).
(** At least |x| for every x in r. *)
Definition magnitude (r : range) : dyadic := larger (absolute (lower r)) (absolute (upper r)).
Definition range_within (r s : range) : bool := at_most (lower s) (lower r) && at_most (upper r) (upper s).

Lemma contains_point (x : dyadic) : contains (point x) (value x).
Proof. unfold contains; simpl; lra. Qed.

Lemma contains_negate (r : range) (x : R) : contains r x -> contains (range_negate r) (- x).
Proof. unfold contains; simpl; rewrite !value_negate; lra. Qed.

Lemma contains_add (r s : range) (x y : R) : contains r x -> contains s y -> contains (range_add r s) (x + y).
Proof. unfold contains; simpl; rewrite !value_add; lra. Qed.

Lemma contains_subtract (r s : range) (x y : R) :
  contains r x -> contains s y -> contains (range_subtract r s) (x - y).
Proof. intros Hx Hy; apply contains_add; [exact Hx|apply contains_negate; exact Hy]. Qed.

Lemma contains_round (P : Z) (r : range) (x : R) : contains r x -> contains (range_round P r) x.
Proof.
  unfold contains; simpl; assert (Hd := round_down_below P (lower r)).
  assert (Hu := round_up_above P (upper r)); lra.
Qed.

Lemma contains_hull (r s : range) (x : R) : contains r x \/ contains s x -> contains (range_hull r s) x.
Proof.
  unfold contains; simpl; rewrite value_smaller, value_larger.
  assert (H1 := Rmin_l (value (lower r)) (value (lower s))); assert (H2 := Rmin_r (value (lower r)) (value (lower s))).
  assert (H3 := Rmax_l (value (upper r)) (value (upper s))); assert (H4 := Rmax_r (value (upper r)) (value (upper s))).
  intros [H|H]; lra.
Qed.

Lemma contains_widen (r : range) (e : dyadic) (x y : R) :
  contains r x -> (Rabs (y - x) <= value e)%R -> contains (range_widen r e) y.
Proof.
  unfold contains; simpl; rewrite value_subtract, value_add; intros Hx Hy.
  apply Rabs_le_inv in Hy; lra.
Qed.

Lemma contains_magnitude (r : range) (x : R) : contains r x -> (Rabs x <= value (magnitude r))%R.
Proof.
  unfold contains, magnitude; rewrite value_larger, !value_absolute; intros [Hl Hu].
  assert (H1 := Rmax_l (Rabs (value (lower r))) (Rabs (value (upper r)))).
  assert (H2 := Rmax_r (Rabs (value (lower r))) (Rabs (value (upper r)))).
  apply Rabs_le; split.
  - assert (H := Rle_abs (- value (lower r))); rewrite Rabs_Ropp in H; lra.
  - assert (H := Rle_abs (value (upper r))); lra.
Qed.

Lemma contains_within (r s : range) (x : R) : range_within r s = true -> contains r x -> contains s x.
Proof.
  unfold range_within, contains; intros H Hx; apply andb_prop in H; destruct H as [H1 H2].
  apply at_most_value in H1; apply at_most_value in H2; lra.
Qed.

(** A product lies between the products of the ends. *)
Lemma product_between (a b c d x y : R) : (a <= x <= b -> c <= y <= d ->
  Rmin (Rmin (a * c) (a * d)) (Rmin (b * c) (b * d)) <= x * y <= Rmax (Rmax (a * c) (a * d)) (Rmax (b * c) (b * d)))%R.
Proof.
  intros Hx Hy.
  assert (Hline : forall u p q z, (p <= z <= q -> Rmin (u * p) (u * q) <= u * z <= Rmax (u * p) (u * q))%R).
  { intros u p q z Hz; destruct (Rle_lt_dec 0 u).
    - rewrite Rmin_left, Rmax_right by nra; nra.
    - rewrite Rmin_right, Rmax_left by nra; nra. }
  assert (Ha := Hline a c d y Hy); assert (Hb := Hline b c d y Hy).
  assert (Hxy := Hline y a b x Hx); rewrite !(Rmult_comm y) in Hxy.
  assert (Hmin : (Rmin (Rmin (a * c) (a * d)) (Rmin (b * c) (b * d)) <= Rmin (a * y) (b * y))%R).
  { apply Rmin_glb; [eapply Rle_trans; [apply Rmin_l|lra]|eapply Rle_trans; [apply Rmin_r|lra]]. }
  assert (Hmax : (Rmax (a * y) (b * y) <= Rmax (Rmax (a * c) (a * d)) (Rmax (b * c) (b * d)))%R).
  { apply Rmax_lub; [eapply Rle_trans; [|apply Rmax_l]; lra|eapply Rle_trans; [|apply Rmax_r]; lra]. }
  lra.
Qed.

Lemma contains_multiply (r s : range) (x y : R) :
  contains r x -> contains s y -> contains (range_multiply r s) (x * y).
Proof.
  unfold contains; intros Hx Hy; unfold range_multiply; simpl lower; simpl upper.
  rewrite !value_smaller, !value_larger, !value_multiply; apply product_between; assumption.
Qed.
