(** exp of a dyadic number as a range: the Taylor sum of |x| / 2^k < 2^-8 in fixed point, squared k times, and the
    reciprocal for x < 0. Sound for every precision P; the relative width is near 2^-P. *)
From Coq Require Import ZArith Reals Lra Lia Bool Factorial.
From Coquelicot Require Import Coquelicot.
From Lyap Require Import dyadic.
Open Scope R_scope.

(** * The Taylor sum *)

(** The first n terms x^i / i!. *)
Fixpoint exp_terms (n : nat) (x : R) : R :=
  match n with
  | O => 0
  | S m => exp_terms m x + x ^ m / INR (fact m)
  end.

Lemma fact_positive (n : nat) : 0 < INR (fact n).
Proof. apply lt_0_INR, lt_O_fact. Qed.

Lemma term_derivative (n : nat) (x : R) :
  is_derive (fun y => y ^ S n / INR (fact (S n))) x (x ^ n / INR (fact n)).
Proof.
  assert (Hf := fact_positive n).
  assert (Hs : 0 < INR (S n)) by (apply lt_0_INR; lia).
  change (fact (S n)) with (S n * fact n)%nat; rewrite mult_INR.
  auto_derive; [trivial|]; change (pred (S n)) with n.
  change (match n with O => 1 | S _ => INR n + 1 end) with (INR (S n)); field; split; lra.
Qed.

Lemma exp_terms_derivative (n : nat) (x : R) : is_derive (exp_terms (S n)) x (exp_terms n x).
Proof.
  induction n as [|n IH].
  - apply is_derive_ext with (fun _ => 1); [intro t; simpl; field|].
    simpl; apply is_derive_Reals, derivable_pt_lim_const.
  - apply is_derive_ext with (fun y => exp_terms (S n) y + y ^ S n / INR (fact (S n))); [reflexivity|].
    change (exp_terms (S n) x) with (exp_terms n x + x ^ n / INR (fact n)).
    apply (is_derive_plus (K := R_AbsRing) (V := R_NormedModule)); [exact IH|apply term_derivative].
Qed.

Lemma exp_terms_zero (n : nat) : exp_terms (S n) 0 = 1.
Proof.
  induction n as [|n IH]; [simpl; field|].
  change (exp_terms (S (S n)) 0) with (exp_terms (S n) 0 + 0 ^ S n / INR (fact (S n))).
  rewrite IH, pow_ne_zero by discriminate; unfold Rdiv; ring.
Qed.

(** A function with a derivative >= 0 grows. *)
Lemma growing (f f' : R -> R) (a x : R) : a <= x ->
  (forall t, a <= t <= x -> is_derive f t (f' t)) -> (forall t, a <= t <= x -> 0 <= f' t) -> f a <= f x.
Proof.
  intros Hx Hf Hpos; destruct (MVT_gen f a x f') as [c [Hc Heq]].
  - intros t Ht; apply Hf; rewrite Rmin_left, Rmax_right in Ht by lra; lra.
  - intros t Ht; rewrite Rmin_left, Rmax_right in Ht by lra; apply continuity_pt_filterlim.
    apply (ex_derive_continuous (K := R_AbsRing) (V := R_NormedModule) f); exists (f' t); apply Hf; lra.
  - rewrite Rmin_left, Rmax_right in Hc by lra; assert (H := Hpos c Hc); nra.
Qed.

Theorem exp_terms_below (n : nat) (x : R) : 0 <= x -> exp_terms n x <= exp x.
Proof.
  revert x; induction n as [|n IH]; intros x Hx; [simpl; left; apply exp_pos|].
  assert (H : exp 0 - exp_terms (S n) 0 <= exp x - exp_terms (S n) x).
  { apply (growing (fun y => exp y - exp_terms (S n) y) (fun y => exp y - exp_terms n y)); [exact Hx| |].
    - intros t _; apply (is_derive_minus (K := R_AbsRing) (V := R_NormedModule)); [|apply exp_terms_derivative].
      apply is_derive_Reals, derivable_pt_lim_exp.
    - intros t Ht; assert (H := IH t); lra. }
  rewrite exp_0, exp_terms_zero in H; lra.
Qed.

Theorem exp_terms_above (n : nat) (x : R) : 0 <= x -> exp x <= exp_terms n x + x ^ n / INR (fact n) * exp x.
Proof.
  revert x; induction n as [|n IH]; intros x Hx; [simpl; lra|].
  set (f := fun y => exp_terms (S n) y + y ^ S n / INR (fact (S n)) * exp y - exp y).
  assert (H : f 0 <= f x).
  { apply (growing f (fun y => exp_terms n y + (y ^ n / INR (fact n) * exp y + y ^ S n / INR (fact (S n)) * exp y)
                               - exp y)); [exact Hx| |].
    - intros t _; apply (is_derive_minus (K := R_AbsRing) (V := R_NormedModule)).
      + apply (is_derive_plus (K := R_AbsRing) (V := R_NormedModule)); [apply exp_terms_derivative|].
        apply (is_derive_mult (fun y => y ^ S n / INR (fact (S n))) exp); [apply term_derivative| |apply Rmult_comm].
        apply is_derive_Reals, derivable_pt_lim_exp.
      + apply is_derive_Reals, derivable_pt_lim_exp.
    - intros t Ht; assert (H := IH t (proj1 Ht)).
      assert (0 <= t ^ S n / INR (fact (S n)) * exp t); [|lra].
      apply Rmult_le_pos; [|left; apply exp_pos].
      apply Rmult_le_pos; [apply pow_le; lra|left; apply Rinv_0_lt_compat, fact_positive]. }
  unfold f in H; rewrite exp_0, exp_terms_zero, pow_ne_zero in H by discriminate; lra.
Qed.

Lemma exp_at_most_one_plus_twice (x : R) : 0 <= x <= 1 / 2 -> exp x <= 1 + 2 * x.
Proof.
  intro Hx; assert (Hp := exp_pos x); assert (Hm := exp_ineq1_le (- x)).
  assert (Hprod : exp x * exp (- x) = 1) by (rewrite <- exp_plus, Rplus_opp_r; apply exp_0).
  assert (H : exp x * (1 - x) <= 1) by (rewrite <- Hprod; apply Rmult_le_compat_l; lra).
  nra.
Qed.

(** * The Taylor sum in fixed point *)

Open Scope Z_scope.

(** m 2^j, rounded down. *)
Definition shift_down (m j : Z) : Z := if 0 <=? j then Z.shiftl m j else Z.shiftr m (- j).

Lemma shiftr_floor (m j : Z) : 0 <= j ->
  (IZR (Z.shiftr m j) * power2 j <= IZR m < (IZR (Z.shiftr m j) + 1) * power2 j)%R.
Proof.
  intro Hj; rewrite Z.shiftr_div_pow2, power2_integer by exact Hj.
  assert (H2 : 0 < 2 ^ j) by (apply Z.pow_pos_nonneg; lia).
  assert (Hd := Z.div_mod m (2 ^ j)); assert (Hb := Z.mod_pos_bound m (2 ^ j) H2).
  rewrite <- plus_IZR, <- !mult_IZR; split; [apply IZR_le|apply IZR_lt]; nia.
Qed.

Lemma power2_inverse (j : Z) : (power2 j * power2 (- j) = 1)%R.
Proof. rewrite <- power2_plus, Z.add_opp_diag_r; reflexivity. Qed.

Lemma shift_down_floor (m j : Z) : (IZR (shift_down m j) <= IZR m * power2 j < IZR (shift_down m j) + 1)%R.
Proof.
  unfold shift_down; destruct (Z.leb_spec 0 j) as [Hj|Hj].
  - rewrite Z.shiftl_mul_pow2, mult_IZR, power2_integer by exact Hj; lra.
  - assert (H := shiftr_floor m (- j) ltac:(lia)); assert (Hp := power2_positive j).
    assert (Hi := power2_inverse j); set (q := IZR (Z.shiftr m (- j))) in *.
    replace q with (q * power2 (- j) * power2 j)%R by (rewrite Rmult_assoc, (Rmult_comm (power2 _)), Hi; ring).
    split; [apply Rmult_le_compat_r; lra|].
    replace 1%R with (power2 (- j) * power2 j)%R by (rewrite Rmult_comm; exact Hi).
    rewrite <- Rmult_plus_distr_r; apply Rmult_lt_compat_r; lra.
Qed.

(** Terms of exp(r / 2^F), in units of 2^-F, from the i-th on until they vanish; [t] is the i-th, [total] the sum so
    far. Returns the sum and how far it may be below. *)
Fixpoint taylor (fuel : nat) (F r i t total : Z) : Z * Z :=
  match fuel with
  | O => (total, 2 * i + 2 * t + 4)
  | S fuel =>
    if t =? 0 then (total, 2 * i + 2 * t + 4)
    else taylor fuel F r (i + 1) (Z.shiftr (t * r) F / (i + 1)) (total + t)
  end.

Lemma taylor_contains (fuel : nat) (F r t total : Z) (n : nat) : 0 <= F -> 0 <= r -> 0 <= t ->
  let x := (IZR r / power2 F)%R in
  let u := (power2 F * (x ^ n / INR (fact n)))%R in
  (x <= 1 / 2)%R ->
  (IZR t <= u <= IZR t + 2)%R ->
  (IZR total <= power2 F * exp_terms n x <= IZR total + 2 * INR n)%R ->
  let (s, d) := taylor fuel F r (Z.of_nat n) t total in (IZR s <= power2 F * exp x <= IZR s + IZR d)%R.
Proof.
  intros HF Hr; revert t total n; assert (HpF := power2_positive F).
  induction fuel as [|fuel IH]; intros t total n Ht x u Hx Hu Htotal.
  all: assert (Hx0 : (0 <= x)%R)
    by (apply Rmult_le_pos; [apply IZR_le; exact Hr|left; apply Rinv_0_lt_compat; exact HpF]).
  all: assert (Hend : (IZR total <= power2 F * exp x <= IZR total + IZR (2 * Z.of_nat n + 2 * t + 4))%R).
  1, 3: assert (Hlow := exp_terms_below n x Hx0); assert (Hhigh := exp_terms_above n x Hx0);
        assert (H2 := exp_at_most_one_plus_twice x (conj Hx0 Hx));
        rewrite !plus_IZR, !mult_IZR, <- INR_IZR_INZ; split;
        [eapply Rle_trans; [apply Htotal|apply Rmult_le_compat_l; lra]|];
        assert (Hrest : (u * exp x <= u * 2)%R)
          by (apply Rmult_le_compat_l; [assert (0 <= IZR t)%R by (apply IZR_le; exact Ht)|]; lra);
        apply Rmult_le_compat_l with (r := power2 F) in Hhigh; [|lra];
        rewrite Rmult_plus_distr_l, <- Rmult_assoc in Hhigh; fold u in Hhigh; lra.
  - simpl; exact Hend.
  - simpl taylor; destruct (Z.eqb_spec t 0) as [_|_]; [exact Hend|].
    replace (Z.of_nat n + 1) with (Z.of_nat (S n)) by lia.
    set (k := Z.of_nat (S n)); assert (Hk : 0 < k) by (unfold k; lia).
    set (q := Z.shiftr (t * r) F).
    assert (Hq : 0 <= q) by (apply Z.shiftr_nonneg; nia).
    assert (HkR : (1 <= IZR k)%R) by (apply IZR_le; lia).
    assert (Hfloor := shiftr_floor (t * r) F HF); fold q in Hfloor; rewrite mult_IZR in Hfloor.
    assert (Hdiv : (IZR (q / k) * IZR k <= IZR q <= IZR (q / k) * IZR k + IZR k - 1)%R).
    { rewrite <- mult_IZR, <- plus_IZR, <- minus_IZR.
      assert (Hd := Z.div_mod q k ltac:(lia)); assert (Hb := Z.mod_pos_bound q k Hk).
      split; apply IZR_le; nia. }
    assert (Hnext : (power2 F * (x ^ S n / INR (fact (S n))) = u * x / IZR k)%R).
    { unfold u, k; change (fact (S n)) with (S n * fact n)%nat; rewrite mult_INR, <- INR_IZR_INZ.
      assert (Hf := fact_positive n); assert (0 < INR (S n))%R by (apply lt_0_INR; lia); simpl pow; field; split; lra. }
    apply IH; [apply Z.div_pos; assumption|exact Hx| |].
    + fold x; rewrite Hnext.
      assert (Htx : (IZR q <= IZR t * x < IZR q + 1)%R).
      { unfold x, Rdiv; rewrite <- Rmult_assoc.
        split; [apply Rmult_le_reg_r with (power2 F)|apply Rmult_lt_reg_r with (power2 F)]; try exact HpF;
          rewrite (Rmult_assoc (IZR t * IZR r)), Rinv_l, Rmult_1_r by lra; lra. }
      assert (Hux : (IZR t * x <= u * x <= IZR t * x + 1)%R) by nra.
      split; [apply Rmult_le_reg_r with (IZR k)|apply Rmult_le_reg_r with (IZR k)]; try lra;
        unfold Rdiv; rewrite (Rmult_assoc (u * x)), Rinv_l, Rmult_1_r by lra; lra.
    + fold x; change (exp_terms (S n) x) with (exp_terms n x + x ^ n / INR (fact n))%R.
      rewrite Rmult_plus_distr_l, plus_IZR, S_INR; fold u; lra.
Qed.

(** * Squaring *)

(** The number is between m 2^e and (m + d) 2^e. *)
Record approximation := Approximation { low : Z; width : Z; unit_exponent : Z }.

Definition approximates (a : approximation) (x : R) : Prop :=
  0 <= low a /\ 0 <= width a /\
  (IZR (low a) * power2 (unit_exponent a) <= x <= IZR (low a + width a) * power2 (unit_exponent a))%R.

(** The square, kept to Q bits. *)
Definition square (Q : Z) (a : approximation) : approximation :=
  let q := low a * low a in
  let s := Z.max 0 (bits q - Q) in
  Approximation (Z.shiftr q s) (Z.shiftr ((2 * low a + width a) * width a) s + 2) (2 * unit_exponent a + s).

Fixpoint square_times (k : nat) (Q : Z) (a : approximation) : approximation :=
  match k with
  | O => a
  | S k => square_times k Q (square Q a)
  end.

Lemma square_approximates (Q : Z) (a : approximation) (x : R) : approximates a x -> approximates (square Q a) (x * x).
Proof.
  destruct a as [m d e]; unfold approximates, square; cbn [low width unit_exponent]; intros [Hm [Hd [Hlow Hhigh]]].
  set (s := Z.max 0 _); assert (Hs : 0 <= s) by (unfold s; lia); clearbody s.
  assert (H1 := shiftr_floor (m * m) s Hs); assert (H2 := shiftr_floor ((2 * m + d) * d) s Hs).
  assert (N1 : 0 <= Z.shiftr (m * m) s) by (apply Z.shiftr_nonneg; nia).
  assert (N2 : 0 <= Z.shiftr ((2 * m + d) * d) s) by (apply Z.shiftr_nonneg; nia).
  set (q := Z.shiftr (m * m) s) in *; set (w := Z.shiftr ((2 * m + d) * d) s) in *.
  split; [exact N1|split; [lia|]].
  replace (2 * e + s) with (s + (e + e)) by lia; rewrite !power2_plus.
  assert (Hpe := power2_positive e); assert (Hps := power2_positive s).
  assert (HmR : (0 <= IZR m)%R) by (apply IZR_le; exact Hm).
  assert (HdR : (0 <= IZR d)%R) by (apply IZR_le; exact Hd).
  set (y := power2 e) in *.
  split.
  - apply Rle_trans with ((IZR m * y) * (IZR m * y))%R.
    + replace (IZR q * (power2 s * (y * y)))%R with (IZR q * power2 s * (y * y))%R by ring.
      replace (IZR m * y * (IZR m * y))%R with (IZR m * IZR m * (y * y))%R by ring.
      apply Rmult_le_compat_r; [nra|]; rewrite <- mult_IZR; lra.
    + apply Rmult_le_compat; nra.
  - apply Rle_trans with ((IZR (m + d) * y) * (IZR (m + d) * y))%R.
    + assert (0 <= x)%R by nra; apply Rmult_le_compat; lra.
    + replace (IZR (q + (w + 2)) * (power2 s * (y * y)))%R with (IZR (q + (w + 2)) * power2 s * (y * y))%R by ring.
      replace (IZR (m + d) * y * (IZR (m + d) * y))%R with (IZR (m + d) * IZR (m + d) * (y * y))%R by ring.
      apply Rmult_le_compat_r; [nra|].
      rewrite !plus_IZR; rewrite !mult_IZR in H1; rewrite !mult_IZR, plus_IZR, mult_IZR in H2; nra.
Qed.

Lemma square_times_approximates (Q : Z) (k : nat) (a : approximation) (x : R) :
  approximates a (exp x) -> approximates (square_times k Q a) (exp (x * power2 (Z.of_nat k))).
Proof.
  revert a x; induction k as [|k IH]; intros a x Ha.
  - simpl square_times; change (power2 (Z.of_nat 0)) with 1%R; rewrite Rmult_1_r; exact Ha.
  - simpl square_times; replace (x * power2 (Z.of_nat (S k)))%R with ((x + x) * power2 (Z.of_nat k))%R.
    + apply IH; rewrite exp_plus; apply square_approximates; exact Ha.
    + rewrite Nat2Z.inj_succ, <- Z.add_1_r, power2_plus; change (power2 1) with 2%R; ring.
Qed.

(** * exp *)

Definition most_terms : nat := 200.

(** exp of m 2^e >= 0, to about P bits. *)
Definition exp_approximation (P m e : Z) : approximation :=
  let k := Z.max 0 (bits m + e + 8) in
  let F := Z.max 1 (P + k + 8) in
  let (s, d) := taylor most_terms F (shift_down m (e + F - k)) 0 (Z.shiftl 1 F) 0 in
  square_times (Z.to_nat k) F (Approximation s (d + 4) (- F)).

Lemma below_two_to_bits (m : Z) : 0 <= m -> m < 2 ^ bits m.
Proof.
  intro Hm; unfold bits; rewrite Z.abs_eq by exact Hm; rewrite Z.add_1_r.
  destruct (Z.eq_dec m 0) as [->|Hne]; [reflexivity|apply Z.log2_spec; lia].
Qed.

Lemma taylor_nonnegative (fuel : nat) (F r i t total : Z) : 0 <= r -> 0 <= i -> 0 <= t -> 0 <= total ->
  0 <= fst (taylor fuel F r i t total) /\ 0 <= snd (taylor fuel F r i t total).
Proof.
  intro Hr; revert i t total; induction fuel as [|fuel IH]; intros i t total Hi Ht Htotal; cbn [taylor];
    [cbn [fst snd]; lia|].
  destruct (Z.eqb_spec t 0); [cbn [fst snd]; lia|].
  apply IH; try lia; apply Z.div_pos; [apply Z.shiftr_nonneg; nia|lia].
Qed.

Lemma exp_approximation_correct (P m e : Z) :
  0 <= m -> approximates (exp_approximation P m e) (exp (IZR m * power2 e)).
Proof.
  intro Hm; unfold exp_approximation; cbv zeta.
  set (k := Z.max 0 (bits m + e + 8)); assert (Hk : 0 <= k /\ bits m + e + 8 <= k) by (unfold k; lia); clearbody k.
  set (F := Z.max 1 (P + k + 8)); assert (HF : 1 <= F) by (unfold F; lia); clearbody F.
  set (r := shift_down m (e + F - k)).
  assert (Hfloor := shift_down_floor m (e + F - k)); fold r in Hfloor.
  assert (HpF := power2_positive F); assert (Hpm := power2_positive (- F)); assert (HiF := power2_inverse F).
  set (a := (IZR m * power2 (e - k))%R).
  assert (Ha : (IZR m * power2 (e + F - k) = a * power2 F)%R).
  { unfold a; rewrite Rmult_assoc, <- power2_plus; do 2 f_equal; lia. }
  rewrite Ha in Hfloor.
  assert (HmR : (0 <= IZR m)%R) by (apply IZR_le; exact Hm).
  assert (Ha_half : (a <= 1 / 2)%R).
  { assert (Hbits := IZR_lt _ _ (below_two_to_bits m Hm)).
    rewrite <- power2_integer in Hbits by (unfold bits; assert (H := Z.log2_nonneg (Z.abs m)); lia).
    apply Rle_trans with (power2 (bits m) * power2 (e - k))%R.
    - apply Rmult_le_compat_r; [left; apply power2_positive|lra].
    - rewrite <- power2_plus; change (1 / 2)%R with (1 * / 2)%R; rewrite Rmult_1_l.
      change (/ 2)%R with (power2 (-1)); apply Flocq.Core.Raux.bpow_le; lia. }
  assert (Hr : 0 <= r).
  { unfold r, shift_down; destruct (Z.leb_spec 0 (e + F - k)); [apply Z.shiftl_nonneg|apply Z.shiftr_nonneg];
      exact Hm. }
  assert (Hx : (IZR r / power2 F <= a /\ a <= IZR r / power2 F + power2 (- F))%R).
  { split; apply Rmult_le_reg_r with (power2 F); try exact HpF;
      rewrite ?Rmult_plus_distr_r; unfold Rdiv; rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra;
      rewrite ?(Rmult_comm (power2 (- F))), ?HiF; lra. }
  set (x := (IZR r / power2 F)%R) in *.
  assert (H := taylor_contains most_terms F r (Z.shiftl 1 F) 0 0 ltac:(lia) Hr).
  assert (Hone : Z.shiftl 1 F = 2 ^ F) by (rewrite Z.shiftl_mul_pow2 by lia; lia).
  rewrite Hone in *; rewrite <- power2_integer in H by lia; fold x in H; cbv zeta in H.
  specialize (H ltac:(apply Z.pow_nonneg; lia) ltac:(lra)).
  change (x ^ 0 / INR (fact 0))%R with (1 / 1)%R in H; change (exp_terms 0 x) with 0%R in H.
  change (INR 0) with 0%R in H.
  specialize (H ltac:(lra) ltac:(lra)); change (Z.of_nat 0) with 0 in H.
  assert (Hn := taylor_nonnegative most_terms F r 0 (2 ^ F) 0 Hr ltac:(lia) ltac:(apply Z.pow_nonneg; lia) ltac:(lia)).
  destruct (taylor most_terms F r 0 (2 ^ F) 0) as [s d]; simpl in Hn.
  replace (IZR m * power2 e)%R with (a * power2 (Z.of_nat (Z.to_nat k)))%R.
  2: { rewrite Z2Nat.id by lia; unfold a; rewrite Rmult_assoc, <- power2_plus; do 2 f_equal; lia. }
  apply square_times_approximates; unfold approximates; simpl low; simpl width; simpl unit_exponent.
  split; [lia|split; [lia|]].
  assert (Hx0 : (0 <= x)%R) by (apply Rmult_le_pos; [apply IZR_le; exact Hr|left; apply Rinv_0_lt_compat; exact HpF]).
  assert (Hsmall : (power2 (- F) <= 1 / 2)%R).
  { change (1 / 2)%R with (1 * / 2)%R; rewrite Rmult_1_l; change (/ 2)%R with (power2 (-1)).
    apply Flocq.Core.Raux.bpow_le; lia. }
  assert (Hmono : forall u v, (u <= v -> exp u <= exp v)%R)
    by (intros u v [Huv| ->]; [left; apply exp_increasing; exact Huv|right; reflexivity]).
  split; apply Rmult_le_reg_r with (power2 F); try exact HpF;
    rewrite Rmult_assoc, (Rmult_comm (power2 (- F))), HiF, Rmult_1_r.
  - assert (exp x <= exp a)%R by (apply Hmono; lra); nra.
  - assert (H2x := exp_at_most_one_plus_twice x ltac:(lra)).
    assert (H2F := exp_at_most_one_plus_twice (power2 (- F)) ltac:(lra)).
    assert (Hax : (exp a <= exp x * exp (power2 (- F)))%R) by (rewrite <- exp_plus; apply Hmono; lra).
    assert (Hex := exp_pos x).
    apply Rle_trans with (exp x * (1 + 2 * power2 (- F)) * power2 F)%R; [apply Rmult_le_compat_r; nra|].
    replace (exp x * (1 + 2 * power2 (- F)) * power2 F)%R
      with (power2 F * exp x + 2 * exp x * (power2 F * power2 (- F)))%R by ring.
    rewrite HiF, !plus_IZR; lra.
Qed.

(** Below -2^17 only 0 <= exp(x) <= 2^-65536 is said: so that no number of this size is ever written out. *)
Definition exp_range (P : Z) (x : dyadic) : range :=
  let m := mantissa x in
  let e := exponent x in
  if m =? 0 then point one
  else if 0 <? m then
    let a := exp_approximation P m e in
    Range (Dyadic (low a) (unit_exponent a)) (Dyadic (low a + width a) (unit_exponent a))
  else if at_most x (Dyadic (-1) 16) then Range zero (Dyadic 1 (-65536))
  else
    let a := exp_approximation P (- m) e in
    if low a <=? 0 then Range zero one
    else Range (divide_down P one (Dyadic (low a + width a) (unit_exponent a)))
               (smaller one (divide_up P one (Dyadic (low a) (unit_exponent a)))).

Lemma exp_le (x y : R) : (x <= y -> exp x <= exp y)%R.
Proof. intros [H| ->]; [left; apply exp_increasing; exact H|right; reflexivity]. Qed.

(** exp(-n) <= 2^-n. *)
Lemma exp_below_power2 (n : nat) : (exp (- INR n) <= power2 (- Z.of_nat n))%R.
Proof.
  induction n as [|n IH]; [simpl INR; rewrite Ropp_0, exp_0; simpl; right; reflexivity|].
  rewrite S_INR, Nat2Z.inj_succ, <- Z.add_1_r; replace (- (INR n + 1))%R with (- INR n + - 1)%R by ring.
  replace (- (Z.of_nat n + 1)) with (- Z.of_nat n + -1) by lia; rewrite exp_plus, power2_plus.
  assert (H1 : (exp (- (1)) <= / 2)%R).
  { rewrite exp_Ropp; apply Rinv_le_contravar; [lra|assert (H := exp_ineq1_le 1); lra]. }
  change (power2 (-1)) with (/ 2)%R; apply Rmult_le_compat; try (left; apply exp_pos); assumption.
Qed.

Theorem exp_range_contains (P : Z) (x : dyadic) : contains (exp_range P x) (exp (value x)).
Proof.
  destruct x as [m e]; unfold exp_range; simpl mantissa; simpl exponent.
  destruct (Z.eqb_spec m 0) as [->|Hne].
  { unfold value; simpl; rewrite Rmult_0_l, exp_0, <- value_one; apply contains_point. }
  destruct (Z.ltb_spec 0 m) as [Hpos|Hneg].
  { destruct (exp_approximation_correct P m e ltac:(lia)) as [_ [_ H]]; exact H. }
  assert (Hpe := power2_positive e).
  assert (HmR : (IZR m <= 0)%R) by (apply IZR_le; lia).
  assert (Hexp_one : (exp (value (Dyadic m e)) <= 1)%R).
  { rewrite <- exp_0; apply exp_le; unfold value; simpl; nra. }
  assert (Hexp := exp_pos (value (Dyadic m e))).
  destruct (at_most (Dyadic m e) (Dyadic (-1) 16)) eqn:Hfar.
  { apply at_most_value in Hfar; unfold contains; simpl lower; simpl upper; rewrite value_zero.
    split; [lra|]; unfold value at 2; simpl mantissa; simpl exponent; rewrite Rmult_1_l.
    assert (H := exp_below_power2 (Z.to_nat 65536)); rewrite Z2Nat.id, INR_IZR_INZ, Z2Nat.id in H by lia.
    eapply Rle_trans; [|exact H]; apply exp_le; eapply Rle_trans; [exact Hfar|].
    unfold value; simpl mantissa; simpl exponent; rewrite power2_integer by lia.
    change (2 ^ 16) with 65536; right; ring. }
  clear Hfar; set (a := exp_approximation P (- m) e).
  assert (Ha : approximates a (/ exp (value (Dyadic m e)))).
  { rewrite <- exp_Ropp; replace (- value (Dyadic m e))%R with (IZR (- m) * power2 e)%R.
    - apply exp_approximation_correct; lia.
    - unfold value; simpl; rewrite opp_IZR; ring. }
  clearbody a; destruct Ha as [_ [Hw [Hl Hu]]]; set (y := exp (value (Dyadic m e))) in *.
  destruct (Z.leb_spec (low a) 0) as [_|Hlow].
  { unfold contains; simpl; rewrite value_zero, value_one; lra. }
  assert (HlR : (0 < value (Dyadic (low a) (unit_exponent a)))%R).
  { unfold value; simpl; apply Rmult_lt_0_compat; [apply IZR_lt; exact Hlow|apply power2_positive]. }
  assert (Hy : (/ y * y = 1)%R) by (apply Rinv_l; lra).
  assert (Hiy : (0 < / y)%R) by (apply Rinv_0_lt_compat; exact Hexp).
  change (value (Dyadic (low a) (unit_exponent a)) <= / y)%R in Hl.
  change (/ y <= value (Dyadic (low a + width a) (unit_exponent a)))%R in Hu.
  set (lo := Dyadic (low a) (unit_exponent a)) in *; set (hi := Dyadic (low a + width a) (unit_exponent a)) in *.
  assert (HhR : (0 < value hi)%R) by lra.
  unfold contains; simpl lower; simpl upper; rewrite value_smaller, value_one; split.
  - eapply Rle_trans; [apply divide_down_below; exact HhR|]; rewrite value_one.
    unfold Rdiv; rewrite Rmult_1_l, <- (Rinv_inv y); apply Rinv_le_contravar; assumption.
  - apply Rmin_glb; [exact Hexp_one|]; eapply Rle_trans; [|apply divide_up_above; exact HlR]; rewrite value_one.
    unfold Rdiv; rewrite Rmult_1_l, <- (Rinv_inv y) at 1; apply Rinv_le_contravar; assumption.
Qed.

(** exp over a range. *)
Definition exp_of_range (P : Z) (r : range) : range :=
  Range (lower (exp_range P (lower r))) (upper (exp_range P (upper r))).

Theorem exp_of_range_contains (P : Z) (r : range) (x : R) : contains r x -> contains (exp_of_range P r) (exp x).
Proof.
  unfold contains, exp_of_range; simpl; intros [Hl Hu].
  assert (H1 := exp_range_contains P (lower r)); assert (H2 := exp_range_contains P (upper r)); unfold contains in *.
  assert (H3 := exp_le _ _ Hl); assert (H4 := exp_le _ _ Hu); lra.
Qed.

Lemma exp_range_lower_nonnegative (P : Z) (x : dyadic) : (0 <= value (lower (exp_range P x)))%R.
Proof.
  unfold exp_range; destruct (Z.eqb_spec (mantissa x) 0); [simpl; rewrite value_one; lra|].
  destruct (Z.ltb_spec 0 (mantissa x)) as [Hpos|Hneg].
  { destruct (exp_approximation_correct P (mantissa x) (exponent x) ltac:(lia)) as [H _].
    unfold value; simpl; apply Rmult_le_pos; [apply IZR_le; exact H|left; apply power2_positive]. }
  destruct (at_most _ _); [simpl; rewrite value_zero; lra|].
  destruct (exp_approximation_correct P (- mantissa x) (exponent x) ltac:(lia)) as [_ [Hw _]].
  destruct (Z.leb_spec (low (exp_approximation P (- mantissa x) (exponent x))) 0) as [_|Hlow].
  { simpl; rewrite value_zero; lra. }
  simpl; apply divide_down_nonnegative; [rewrite value_one; lra|].
  unfold value; simpl; apply Rmult_lt_0_compat; [apply IZR_lt; lia|apply power2_positive].
Qed.
