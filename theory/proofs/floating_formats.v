(** Bit patterns of floating-point numbers as dyadic numbers, and their quantisation to integers at a scale 2^-s. The
    value is the number that IEEE 754 gives the pattern (Flocq's B2R); infinities and NaN have none.

    Once extracted, decoding and quantising are ten operations on small integers: Z.shiftl, Z.shiftr, Z.add, Z.sub,
    Z.opp, Z.abs and Z.compare, all of which ExtrOcamlZBigInt maps to Zarith. Z.pow runs only for the four formats'
    constants, once. *)
From Coq Require Import ZArith Reals List Lia Lra Bool SpecFloat.
From Flocq Require Import Core.Raux Core.Zaux Core.Defs Core.FLT IEEE754.BinarySingleNaN IEEE754.Binary IEEE754.Bits.
From Lyap Require Import dyadic.
Import ListNotations.
Open Scope Z_scope.

(** Width of the fraction and of the exponent, with what follows from them: the sign's place above the exponent, the
    exponent of infinities and NaN, what turns a normal number's exponent into that of its last bit. *)
Record format := Format { fraction_bits : Z; sign_place : Z; special_exponent : Z; exponent_offset : Z }.
Definition make_format (mw ew : Z) : format := Format mw (2 ^ ew) (2 ^ ew - 1) (1 - 2 ^ (ew - 1) - mw).

Definition float16 : format := make_format 10 5.
Definition bfloat16 : format := make_format 7 8.
Definition float32 : format := make_format 23 8.
Definition float64 : format := make_format 52 11.

(** None for infinities, NaN and whatever is no pattern of the format. *)
Definition decode (f : format) (x : Z) : option dyadic :=
  let high := Z.shiftr x (fraction_bits f) in
  let negative := sign_place f <=? high in
  let e := if negative then high - sign_place f else high in
  match e ?= 0 with
  | Lt => None
  | Eq =>
      let m := x - Z.shiftl high (fraction_bits f) in
      Some (Dyadic (if negative then - m else m) (exponent_offset f + 1))
  | Gt =>
      if e <? special_exponent f
      then
        let m := x - Z.shiftl (high - 1) (fraction_bits f) in
        Some (Dyadic (if negative then - m else m) (e + exponent_offset f))
      else None
  end.

(** * The value of a pattern *)

Section Correctness.

Variables mw ew : Z.
Hypothesis Hmw : 0 < mw.
Hypothesis Hew : 0 < ew.
Hypothesis Hmax : mw + 1 < 2 ^ (ew - 1).

Let prec := mw + 1.
Let emax := 2 ^ (ew - 1).
Notation number x := (binary_float_of_bits mw ew Hmw Hew Hmax x).

(** What Flocq's reading of the bits is worth, as a dyadic number. *)
Definition full_float_dyadic (x : full_float) : option dyadic :=
  match x with
  | F754_zero _ => Some (Dyadic 0 (exponent_offset (make_format mw ew) + 1))
  | F754_finite s m e => Some (Dyadic (cond_Zopp s (Zpos m)) e)
  | _ => None
  end.

Lemma full_float_dyadic_value (x : full_float) :
  match full_float_dyadic x with
  | Some d => FF2R radix2 x = value d /\ is_finite_FF x = true
  | None => is_finite_FF x = false
  end.
Proof.
  destruct x as [s|s|s pl|s m e]; cbn; try reflexivity; split; try reflexivity; unfold value; cbn; ring.
Qed.

(** The three fields of a pattern, and back. *)
Lemma decode_fields (x : Z) : decode (make_format mw ew) x =
  let high := x / 2 ^ mw in
  let negative := 2 ^ ew <=? high in
  let e := if negative then high - 2 ^ ew else high in
  if (e <? 0) || (2 ^ ew - 1 <=? e) then None
  else
    let m := if e =? 0 then x mod 2 ^ mw else x mod 2 ^ mw + 2 ^ mw in
    Some (Dyadic (if negative then - m else m) (Z.max 1 e + (1 - 2 ^ (ew - 1) - mw))).
Proof.
  unfold decode; cbn [make_format fraction_bits sign_place special_exponent exponent_offset]; cbv zeta.
  rewrite Z.shiftr_div_pow2, !Z.shiftl_mul_pow2 by lia.
  assert (HM : 0 < 2 ^ mw) by (apply Z.pow_pos_nonneg; lia).
  assert (HE : 1 < 2 ^ ew) by (apply (Zpower_gt_1 radix2); exact Hew).
  rewrite Z.mod_eq by lia; set (high := x / 2 ^ mw); set (negative := 2 ^ ew <=? high).
  set (e := if negative then high - 2 ^ ew else high); clearbody e.
  destruct (Z.compare_spec e 0) as [H|H|H]; destruct (Z.ltb_spec e 0); destruct (Z.leb_spec (2 ^ ew - 1) e);
    destruct (Z.eqb_spec e 0); destruct (Z.ltb_spec e (2 ^ ew - 1)); try lia; cbn [orb]; try reflexivity.
  - do 2 f_equal; [destruct negative; lia|lia].
  - do 2 f_equal; [destruct negative; lia|lia].
Qed.

Lemma decode_split (x : Z) : 0 <= x < 2 ^ (mw + ew + 1) ->
  decode (make_format mw ew) x = full_float_dyadic (binary_float_of_bits_aux mw ew x).
Proof.
  intro Hx; rewrite decode_fields; unfold binary_float_of_bits_aux, split_bits; cbv zeta.
  assert (HM : 0 < 2 ^ mw) by (apply Z.pow_pos_nonneg; lia).
  assert (HE : 1 < 2 ^ ew) by (apply (Zpower_gt_1 radix2); exact Hew).
  rewrite !Z.pow_add_r in Hx by lia; change (2 ^ 1) with 2 in Hx.
  set (M := 2 ^ mw) in *; set (E := 2 ^ ew) in *.
  assert (Hm := Z.mod_pos_bound x M HM); assert (Hdiv := Z.div_mod x M).
  set (m := x mod M) in *; set (high := x / M) in *.
  assert (Hhigh : 0 <= high < 2 * E) by nia.
  replace (Zle_bool (M * E) x) with (E <=? high).
  2: { destruct (Z.leb_spec E high); destruct (Zle_bool_spec (M * E) x); try reflexivity; nia. }
  replace (high mod E) with (if E <=? high then high - E else high).
  2: { destruct (Z.leb_spec E high); [apply Z.mod_unique with (q := 1)|apply Z.mod_unique with (q := 0)]; lia. }
  set (s := E <=? high); assert (He : 0 <= (if s then high - E else high) < E).
  { unfold s; destruct (Z.leb_spec E high); lia. }
  set (e := if s then high - E else high) in *; clearbody e s; clear Hdiv Hhigh.
  destruct (Z.ltb_spec e 0); [lia|]; destruct (Z.leb_spec (E - 1) e) as [Hspecial|Hfinite]; cbn [orb].
  - rewrite (Zeq_bool_false e 0) by lia; rewrite (Zeq_bool_true e) by lia; destruct m as [|p|p]; reflexivity.
  - rewrite (Zeq_bool_false e (E - 1)) by lia.
    destruct (Z.eqb_spec e 0) as [H0|H0].
    + rewrite (Zeq_bool_true e) by exact H0.
      destruct m as [|p|p]; [| |lia].
      { destruct s; cbn [full_float_dyadic make_format exponent_offset Z.opp]; do 2 f_equal; lia. }
      destruct s; cbn [full_float_dyadic cond_Zopp]; do 2 f_equal; unfold emin; lia.
    + rewrite (Zeq_bool_false e) by exact H0.
      destruct (m + M) as [|p|p] eqn:Hp; try lia.
      destruct s; cbn [full_float_dyadic cond_Zopp]; do 2 f_equal; unfold emin; lia.
Qed.

Lemma decode_range (x : Z) (d : dyadic) : decode (make_format mw ew) x = Some d -> 0 <= x < 2 ^ (mw + ew + 1).
Proof.
  rewrite decode_fields; cbv zeta; rewrite !Z.pow_add_r by lia; change (2 ^ 1) with 2.
  assert (HM : 0 < 2 ^ mw) by (apply Z.pow_pos_nonneg; lia); assert (HE : 0 < 2 ^ ew) by (apply Z.pow_pos_nonneg; lia).
  assert (Hm := Z.mod_pos_bound x (2 ^ mw) HM); rewrite Z.mod_eq in Hm by lia.
  set (high := x / 2 ^ mw) in *; intro H.
  assert (Hhigh : 0 <= high < 2 * 2 ^ ew); [|nia].
  destruct (Z.leb_spec (2 ^ ew) high); match type of H with (if ?b then _ else _) = _ => destruct b eqn:Hb end;
    try discriminate; apply orb_false_elim in Hb; destruct Hb as [H1 H2];
    apply Z.ltb_ge in H1; apply Z.leb_gt in H2; lia.
Qed.

Theorem decode_some (x : Z) (d : dyadic) : decode (make_format mw ew) x = Some d ->
  B2R prec emax (number x) = value d /\ is_finite prec emax (number x) = true.
Proof.
  intro H; assert (Hx := decode_range x d H); rewrite decode_split in H by exact Hx.
  unfold binary_float_of_bits; rewrite B2R_FF2B, is_finite_FF2B.
  assert (Hv := full_float_dyadic_value (binary_float_of_bits_aux mw ew x)); rewrite H in Hv; exact Hv.
Qed.

Theorem decode_none (x : Z) : 0 <= x < 2 ^ (mw + ew + 1) ->
  decode (make_format mw ew) x = None <-> is_finite prec emax (number x) = false.
Proof.
  intro Hx; split.
  - intro H; rewrite decode_split in H by exact Hx.
    unfold binary_float_of_bits; rewrite is_finite_FF2B.
    assert (Hv := full_float_dyadic_value (binary_float_of_bits_aux mw ew x)); rewrite H in Hv; exact Hv.
  - intro H; destruct (decode (make_format mw ew) x) as [d|] eqn:Hd; [|reflexivity].
    apply decode_some in Hd; destruct Hd as [_ Hd]; rewrite Hd in H; discriminate.
Qed.

End Correctness.

Definition b16_of_bits : Z -> binary_float 11 16 := binary_float_of_bits 10 5 eq_refl eq_refl eq_refl.
Definition bf16_of_bits : Z -> binary_float 8 128 := binary_float_of_bits 7 8 eq_refl eq_refl eq_refl.

Theorem decode_float16 (x : Z) (d : dyadic) : decode float16 x = Some d ->
  B2R 11 16 (b16_of_bits x) = value d /\ is_finite 11 16 (b16_of_bits x) = true.
Proof. apply decode_some. Qed.

Theorem decode_bfloat16 (x : Z) (d : dyadic) : decode bfloat16 x = Some d ->
  B2R 8 128 (bf16_of_bits x) = value d /\ is_finite 8 128 (bf16_of_bits x) = true.
Proof. apply decode_some. Qed.

Theorem decode_float32 (x : Z) (d : dyadic) : decode float32 x = Some d ->
  B2R 24 128 (b32_of_bits x) = value d /\ is_finite 24 128 (b32_of_bits x) = true.
Proof. apply decode_some. Qed.

Theorem decode_float64 (x : Z) (d : dyadic) : decode float64 x = Some d ->
  B2R 53 1024 (b64_of_bits x) = value d /\ is_finite 53 1024 (b64_of_bits x) = true.
Proof. apply decode_some. Qed.

Theorem decode_float16_none (x : Z) : 0 <= x < 2 ^ 16 ->
  decode float16 x = None <-> is_finite 11 16 (b16_of_bits x) = false.
Proof. exact (decode_none 10 5 eq_refl eq_refl eq_refl x). Qed.

Theorem decode_bfloat16_none (x : Z) : 0 <= x < 2 ^ 16 ->
  decode bfloat16 x = None <-> is_finite 8 128 (bf16_of_bits x) = false.
Proof. exact (decode_none 7 8 eq_refl eq_refl eq_refl x). Qed.

Theorem decode_float32_none (x : Z) : 0 <= x < 2 ^ 32 ->
  decode float32 x = None <-> is_finite 24 128 (b32_of_bits x) = false.
Proof. exact (decode_none 23 8 eq_refl eq_refl eq_refl x). Qed.

Theorem decode_float64_none (x : Z) : 0 <= x < 2 ^ 64 ->
  decode float64 x = None <-> is_finite 53 1024 (b64_of_bits x) = false.
Proof. exact (decode_none 52 11 eq_refl eq_refl eq_refl x). Qed.

(** * Quantisation: x as an integer multiple of 2^-s *)

(** The multiple below (floor), and one that is no smaller than |x| (ceiling). *)
Definition quantise (s : Z) (x : dyadic) : Z := Z.shiftl (mantissa x) (exponent x + s).
Definition quantise_up (s : Z) (x : dyadic) : Z := - Z.shiftl (- Z.abs (mantissa x)) (exponent x + s).

Lemma shift_floor (m k : Z) : (IZR (Z.shiftl m k) <= IZR m * power2 k < IZR (Z.shiftl m k) + 1)%R.
Proof.
  destruct (Z.le_gt_cases 0 k) as [Hk|Hk].
  - rewrite Z.shiftl_mul_pow2, mult_IZR, <- power2_integer by exact Hk; lra.
  - rewrite Z.shiftl_div_pow2 by lia.
    assert (Hp : 0 < 2 ^ (- k)) by (apply Z.pow_pos_nonneg; lia).
    assert (Hd := Z.div_mod m (2 ^ (- k))); assert (Hr := Z.mod_pos_bound m (2 ^ (- k)) Hp).
    assert (Hunit : (power2 (- k) * power2 k = 1)%R) by (rewrite <- power2_plus, Z.add_opp_diag_l; reflexivity).
    assert (Hpos := power2_positive k).
    set (q := m / 2 ^ (- k)) in *; set (r := m mod 2 ^ (- k)) in *.
    assert (Hm : IZR m = (IZR q * power2 (- k) + IZR r)%R).
    { rewrite (power2_integer (- k)), <- mult_IZR, <- plus_IZR by lia; f_equal; lia. }
    assert (Hr0 : (0 <= IZR r)%R) by (apply IZR_le; lia).
    assert (Hr1 : (IZR r < power2 (- k))%R) by (rewrite power2_integer by lia; apply IZR_lt; lia).
    replace (IZR m * power2 k)%R with (IZR q + IZR r * power2 k)%R.
    + assert (IZR r * power2 k < power2 (- k) * power2 k)%R by (apply Rmult_lt_compat_r; assumption).
      assert (0 <= IZR r * power2 k)%R by (apply Rmult_le_pos; lra); lra.
    + rewrite Hm, Rmult_plus_distr_r, Rmult_assoc, Hunit; ring.
Qed.

Lemma power2_unit (s : Z) : (power2 s * power2 (- s) = 1)%R.
Proof. rewrite <- power2_plus, Z.add_opp_diag_r; reflexivity. Qed.

Lemma value_scaled (s : Z) (x : dyadic) : (value x * power2 s = IZR (mantissa x) * power2 (exponent x + s))%R.
Proof. unfold value; rewrite power2_plus; ring. Qed.

Theorem quantise_floor (s : Z) (x : dyadic) :
  (value (Dyadic (quantise s x) (- s)) <= value x < value (Dyadic (quantise s x + 1) (- s)))%R.
Proof.
  assert (H := shift_floor (mantissa x) (exponent x + s)); rewrite <- value_scaled in H.
  fold (quantise s x) in H; unfold value at 1 4; cbn [mantissa exponent]; rewrite plus_IZR.
  assert (Hp := power2_positive (- s)); assert (Hu := power2_unit s).
  replace (value x) with (value x * power2 s * power2 (- s))%R by (rewrite Rmult_assoc, Hu; ring).
  split; [apply Rmult_le_compat_r; lra|apply Rmult_lt_compat_r; lra].
Qed.

Theorem quantise_error (s : Z) (x : dyadic) :
  (Rabs (value x - value (Dyadic (quantise s x) (- s))) <= value (Dyadic 1 (- s)))%R.
Proof.
  assert (H := quantise_floor s x); revert H.
  unfold value at 1 4 6 7; cbn [mantissa exponent]; rewrite plus_IZR; intro H; apply Rabs_le; lra.
Qed.

Lemma quantise_exact (s : Z) (x : dyadic) : 0 <= exponent x + s -> value (Dyadic (quantise s x) (- s)) = value x.
Proof.
  intro H; unfold value, quantise; cbn [mantissa exponent].
  rewrite <- (value_shifted (mantissa x) (exponent x) (exponent x + s)) by exact H; do 2 f_equal; lia.
Qed.

Theorem quantise_up_above (s : Z) (x : dyadic) : (Rabs (value x) <= value (Dyadic (quantise_up s x) (- s)))%R.
Proof.
  assert (H := quantise_floor s (Dyadic (- Z.abs (mantissa x)) (exponent x))).
  change (quantise s (Dyadic (- Z.abs (mantissa x)) (exponent x)))
    with (Z.shiftl (- Z.abs (mantissa x)) (exponent x + s)) in H.
  change (Dyadic (- Z.abs (mantissa x)) (exponent x)) with (negate (absolute x)) in H.
  rewrite value_negate, value_absolute in H; unfold quantise_up.
  revert H; unfold value at 1 6; cbn [mantissa exponent]; rewrite opp_IZR; lra.
Qed.

Lemma quantise_up_nonnegative (s : Z) (x : dyadic) : 0 <= quantise_up s x.
Proof.
  unfold quantise_up; assert (H : Z.shiftl (- Z.abs (mantissa x)) (exponent x + s) <= 0); [|lia].
  destruct (Z.le_gt_cases 0 (exponent x + s)) as [Hk|Hk].
  - rewrite Z.shiftl_mul_pow2 by exact Hk; assert (0 < 2 ^ (exponent x + s)) by (apply Z.pow_pos_nonneg; lia); nia.
  - rewrite Z.shiftl_div_pow2 by lia; apply Z.div_le_upper_bound; [apply Z.pow_pos_nonneg; lia|lia].
Qed.

(** * Rows of patterns *)

(** The number of a pattern; 0 where it is not finite. *)
Definition pattern_value (f : format) (x : Z) : R := match decode f x with Some d => value d | None => 0%R end.

(** A function of each number of a row; None where one is not finite. Tail-recursive. *)
Fixpoint map_row_onto (g : dyadic -> Z) (f : format) (xs : list Z) (found : list Z) : option (list Z) :=
  match xs with
  | [] => Some (rev_append found [])
  | x :: xs => match decode f x with Some d => map_row_onto g f xs (g d :: found) | None => None end
  end.
Definition quantise_row (s : Z) (f : format) (xs : list Z) : option (list Z) := map_row_onto (quantise s) f xs [].
Definition quantise_row_up (s : Z) (f : format) (xs : list Z) : option (list Z) := map_row_onto (quantise_up s) f xs [].

Lemma map_row_onto_spec (g : dyadic -> Z) (f : format) (xs : list Z) : forall found ys : list Z,
  map_row_onto g f xs found = Some ys ->
  exists ds, Forall2 (fun x d => decode f x = Some d) xs ds /\ ys = rev_append found (map g ds).
Proof.
  induction xs as [|x xs IH]; intros found ys; cbn [map_row_onto].
  - intro H; injection H as <-; exists []; split; [constructor|reflexivity].
  - destruct (decode f x) as [d|] eqn:Hd; [|discriminate]; intro H; apply IH in H; destruct H as [ds [Hds ->]].
    exists (d :: ds); split; [constructor; assumption|reflexivity].
Qed.

Lemma map_row_entry (g : dyadic -> Z) (f : format) (P : R -> Z -> Prop) (xs ys : list Z) :
  (forall d, P (value d) (g d)) -> map_row_onto g f xs [] = Some ys ->
  length ys = length xs /\ Forall (fun x => decode f x <> None) xs /\
  forall k, (k < length xs)%nat -> P (pattern_value f (nth k xs 0)) (nth k ys 0).
Proof.
  intros Hg H; apply map_row_onto_spec in H; destruct H as [ds [Hds ->]]; cbn [rev_append].
  induction Hds as [|x d xs ds Hd _ [Hlen [Hall Hk]]]; cbn [map length nth].
  - repeat split; [constructor|intros k Hk; lia].
  - repeat split; [lia|constructor; [rewrite Hd; discriminate|exact Hall]|].
    intros [|k] Hlt; [unfold pattern_value; rewrite Hd; apply Hg|apply Hk; lia].
Qed.

Theorem quantise_row_error (s : Z) (f : format) (xs ys : list Z) : quantise_row s f xs = Some ys ->
  length ys = length xs /\ Forall (fun x => decode f x <> None) xs /\
  forall k, (k < length xs)%nat ->
    (Rabs (pattern_value f (nth k xs 0%Z) - value (Dyadic (nth k ys 0%Z) (- s))) <= value (Dyadic 1 (- s)))%R.
Proof.
  apply (map_row_entry (quantise s) f (fun x y => Rabs (x - value (Dyadic y (- s))) <= value (Dyadic 1 (- s)))%R).
  intro d; apply quantise_error.
Qed.

Theorem quantise_row_up_above (s : Z) (f : format) (xs ys : list Z) : quantise_row_up s f xs = Some ys ->
  length ys = length xs /\ Forall (fun x => decode f x <> None) xs /\
  forall k, (k < length xs)%nat ->
    (Rabs (pattern_value f (nth k xs 0%Z)) <= value (Dyadic (nth k ys 0%Z) (- s)))%R.
Proof.
  apply (map_row_entry (quantise_up s) f (fun x y => Rabs x <= value (Dyadic y (- s)))%R).
  intro d; apply quantise_up_above.
Qed.
