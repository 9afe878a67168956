(** Tests about silu on dyadic numbers, each proved sound: whether silu(q) stays in [lo, hi] for every q in [L, U], and
    whether silu(q) - slope q does. The second takes one touching point for each piece on which silu is curved one way.
    theory/theorems/universal_domain.md *)
From Coq Require Import ZArith Reals Lra Lia Bool.
From Lyap Require Import dyadic silu_shape silu_ranges.
Open Scope Z_scope.

Definition silu_within (P : Z) (L U lo hi : dyadic) : bool := range_within (silu_range P L U) (Range lo hi).

Theorem silu_within_sound (P : Z) (L U lo hi : dyadic) : silu_within P L U lo hi = true ->
  forall q, (value L <= q <= value U)%R -> (value lo <= silu q <= value hi)%R.
Proof.
  intros H q Hq; exact (contains_within _ (Range lo hi) _ H (silu_range_contains P L U q Hq)).
Qed.

(** * silu less a line *)

(** silu is convex on [-inner, inner], concave from outer on and up to -outer. *)
Definition inner : dyadic := Dyadic 337679517326817 (-47).
Definition outer : dyadic := Dyadic 2701436138614537 (-50).

Definition bend_range (P : Z) (q : dyadic) : range :=
  range_multiply (point q)
    (range_subtract (range_multiply (point (of_integer 2)) (fst (sigmoid_ranges P q))) (point one)).

Lemma bend_range_contains (P : Z) (q : dyadic) : contains (bend_range P q) (bend (value q)).
Proof.
  apply contains_multiply; [apply contains_point|]; apply contains_subtract.
  - apply contains_multiply; [change 2%R with (IZR 2); rewrite <- value_of_integer; apply contains_point|].
    apply sigmoid_ranges_contain.
  - rewrite <- value_one; apply contains_point.
Qed.

Lemma bend_inner : (bend (value inner) <= 2)%R.
Proof.
  assert (H := bend_range_contains 160 inner); unfold contains in H.
  assert (Ht : at_most (upper (bend_range 160 inner)) (of_integer 2) = true) by (vm_compute; reflexivity).
  apply at_most_value in Ht; rewrite value_of_integer in Ht; lra.
Qed.

Lemma bend_outer : (2 <= bend (value outer))%R.
Proof.
  assert (H := bend_range_contains 160 outer); unfold contains in H.
  assert (Ht : at_most (of_integer 2) (lower (bend_range 160 outer)) = true) by (vm_compute; reflexivity).
  apply at_most_value in Ht; rewrite value_of_integer in Ht; lra.
Qed.

Lemma outer_positive : (0 <= value outer)%R.
Proof. rewrite <- value_zero; apply at_most_value; reflexivity. Qed.

(** A number with silu there. *)
Record place := Place { at_number : dyadic; silu_there : range }.
Definition well_placed (a : place) : Prop := contains (silu_there a) (silu (value (at_number a))).
Definition place_of (P : Z) (q : dyadic) : place := Place q (silu_range_at P q).

Definition left_outer : place := Eval vm_compute in place_of 160 (negate outer).
Definition left_inner : place := Eval vm_compute in place_of 160 (negate inner).
Definition right_inner : place := Eval vm_compute in place_of 160 inner.
Definition right_outer : place := Eval vm_compute in place_of 160 outer.

Lemma place_of_well_placed (P : Z) (q : dyadic) : well_placed (place_of P q).
Proof. apply silu_range_at_contains. Qed.

Lemma placed_as (a : place) (P : Z) (q : dyadic) : a = place_of P q -> well_placed a.
Proof. intro H; rewrite H; apply place_of_well_placed. Qed.

Lemma breaks_well_placed :
  well_placed left_outer /\ well_placed left_inner /\ well_placed right_inner /\ well_placed right_outer.
Proof.
  split; [apply (placed_as _ 160 (negate outer)); vm_compute; reflexivity|].
  split; [apply (placed_as _ 160 (negate inner)); vm_compute; reflexivity|].
  split; [apply (placed_as _ 160 inner); vm_compute; reflexivity|].
  apply (placed_as _ 160 outer); vm_compute; reflexivity.
Qed.

(** silu(q) - slope q at a place. *)
Definition residual_there (slope : dyadic) (a : place) : range :=
  range_subtract (silu_there a) (point (multiply slope (at_number a))).
Definition reaches_up_to (slope : dyadic) (a : place) (hi : dyadic) : bool :=
  at_most (upper (residual_there slope a)) hi.
Definition reaches_down_to (slope : dyadic) (a : place) (lo : dyadic) : bool :=
  at_most lo (lower (residual_there slope a)).

(** The tangent at t, less the line: its value at t, its slope, and its value elsewhere. *)
Definition tangent_of (P : Z) (slope t : dyadic) : range * range :=
  let s := sigmoid_ranges P t in
  (range_subtract (silu_of_sigmoids P t s) (point (multiply slope t)),
   range_subtract (slope_of_sigmoids P t s) (point slope)).
Definition tangent_at (tangent : range * range) (t q : dyadic) : range :=
  range_add (fst tangent) (range_multiply (snd tangent) (point (subtract q t))).

Definition convex_piece_within (P : Z) (slope t : dyadic) (a b : place) (lo hi : dyadic) : bool :=
  let tangent := tangent_of P slope t in
  reaches_up_to slope a hi && reaches_up_to slope b hi &&
  at_most lo (lower (tangent_at tangent t (at_number a))) && at_most lo (lower (tangent_at tangent t (at_number b))).

Definition concave_piece_within (P : Z) (slope t : dyadic) (a b : place) (lo hi : dyadic) : bool :=
  let tangent := tangent_of P slope t in
  reaches_down_to slope a lo && reaches_down_to slope b lo &&
  at_most (upper (tangent_at tangent t (at_number a))) hi && at_most (upper (tangent_at tangent t (at_number b))) hi.

(** -1/10 and 11/10 as binary64 rounds them, outward: the bounds of silu'. *)
Definition slope_lowest : dyadic := Dyadic (-3602879701896397) (-55).
Definition slope_highest : dyadic := Dyadic 2476979795053773 (-51).

Definition short_piece_within (slope : dyadic) (a b : place) (lo hi : dyadic) : bool :=
  let r := residual_there slope a in
  let width := subtract (at_number b) (at_number a) in
  at_most lo (add (lower r) (smaller zero (multiply (subtract slope_lowest slope) width))) &&
  at_most (add (upper r) (larger zero (multiply (subtract slope_highest slope) width))) hi.

(** The part of [a, b] beyond a break, or up to it. *)
Definition later (a b : place) : place := if at_most (at_number a) (at_number b) then b else a.
Definition earlier (a b : place) : place := if at_most (at_number a) (at_number b) then a else b.

(** touch_left, touch_middle and touch_right: where the tangents of the pieces up to -outer, from -inner to inner and
    from outer on are taken; a piece that has no part in [L, U] does not look at its own. *)
Definition linear_residual_within (P : Z) (slope L U touch_left touch_middle touch_right lo hi : dyadic) : bool :=
  let l := place_of P L in
  let u := place_of P U in
  let inside a b test := if below (at_number a) (at_number b) then test a b else true in
  reaches_up_to slope l hi && reaches_down_to slope l lo &&
  inside l (earlier u left_outer) (fun a b =>
    at_most touch_left (negate outer) && concave_piece_within P slope touch_left a b lo hi) &&
  inside (later l left_outer) (earlier u left_inner) (fun a b => short_piece_within slope a b lo hi) &&
  inside (later l left_inner) (earlier u right_inner) (fun a b =>
    at_most (negate inner) touch_middle && at_most touch_middle inner &&
    convex_piece_within P slope touch_middle a b lo hi) &&
  inside (later l right_inner) (earlier u right_outer) (fun a b => short_piece_within slope a b lo hi) &&
  inside (later l right_outer) u (fun a b =>
    at_most outer touch_right && concave_piece_within P slope touch_right a b lo hi).

(** * Soundness *)

Lemma residual_there_contains (slope : dyadic) (a : place) : well_placed a ->
  contains (residual_there slope a) (silu (value (at_number a)) - value slope * value (at_number a)).
Proof.
  intro Ha; apply contains_subtract; [exact Ha|]; rewrite <- value_multiply; apply contains_point.
Qed.

Lemma reaches_up_to_sound (slope : dyadic) (a : place) (hi : dyadic) : reaches_up_to slope a hi = true ->
  well_placed a -> (silu (value (at_number a)) - value slope * value (at_number a) <= value hi)%R.
Proof. intros H Ha; apply (upper_at_most _ _ _ H), residual_there_contains, Ha. Qed.

Lemma reaches_down_to_sound (slope : dyadic) (a : place) (lo : dyadic) : reaches_down_to slope a lo = true ->
  well_placed a -> (value lo <= silu (value (at_number a)) - value slope * value (at_number a))%R.
Proof. intros H Ha; apply (lower_at_least _ _ _ H), residual_there_contains, Ha. Qed.

Lemma tangent_contains (P : Z) (slope t q : dyadic) :
  contains (tangent_at (tangent_of P slope t) t q)
    (silu (value t) - value slope * value t + (silu_slope (value t) - value slope) * (value q - value t)).
Proof.
  unfold tangent_at, tangent_of; cbn [fst snd]; apply contains_add; [|apply contains_multiply].
  - apply contains_subtract; [apply silu_range_at_contains|rewrite <- value_multiply; apply contains_point].
  - apply contains_subtract; [apply silu_slope_range_at_contains|apply contains_point].
  - rewrite <- value_subtract; apply contains_point.
Qed.

(** A line that is above lo at both ends of an interval is above it between them. *)
Lemma line_above (v d t a b q lo : R) : (a <= q <= b)%R ->
  (lo <= v + d * (a - t))%R -> (lo <= v + d * (b - t))%R -> (lo <= v + d * (q - t))%R.
Proof. intros Hq Ha Hb; destruct (Rle_lt_dec 0 d); nra. Qed.

Lemma line_below (v d t a b q hi : R) : (a <= q <= b)%R ->
  (v + d * (a - t) <= hi)%R -> (v + d * (b - t) <= hi)%R -> (v + d * (q - t) <= hi)%R.
Proof. intros Hq Ha Hb; destruct (Rle_lt_dec 0 d); nra. Qed.

Definition holds (slope lo hi : dyadic) (q : R) : Prop := (value lo <= silu q - value slope * q <= value hi)%R.

Lemma convex_piece_sound (P : Z) (slope t : dyadic) (a b : place) (lo hi : dyadic) :
  convex_piece_within P slope t a b lo hi = true -> well_placed a -> well_placed b ->
  (forall x y, value (at_number a) <= x <= value (at_number b) \/ x = value t ->
     value (at_number a) <= y <= value (at_number b) -> silu x + silu_slope x * (y - x) <= silu y)%R ->
  forall q, (value (at_number a) <= q <= value (at_number b))%R -> holds slope lo hi q.
Proof.
  unfold convex_piece_within; cbv zeta; rewrite !andb_true_iff; intros [[[Ha Hb] Hta] Htb] Pa Pb Hcurve q Hq.
  apply reaches_up_to_sound in Ha; [|exact Pa]; apply reaches_up_to_sound in Hb; [|exact Pb].
  assert (La := lower_at_least _ _ _ Hta (tangent_contains P slope t (at_number a))).
  assert (Lb := lower_at_least _ _ _ Htb (tangent_contains P slope t (at_number b))).
  clear Hta Htb; split.
  - assert (Hl := line_above _ _ _ _ _ _ _ Hq La Lb); assert (Ht := Hcurve (value t) q (or_intror eq_refl) Hq); lra.
  - eapply Rle_trans; [apply (above_tangents_ends silu silu_slope (value slope) _ _ q Hq)|apply (Rmax_lub _ _ _ Ha Hb)];
      apply Hcurve; lra.
Qed.

Lemma concave_piece_sound (P : Z) (slope t : dyadic) (a b : place) (lo hi : dyadic) :
  concave_piece_within P slope t a b lo hi = true -> well_placed a -> well_placed b ->
  (forall x y, value (at_number a) <= x <= value (at_number b) \/ x = value t ->
     value (at_number a) <= y <= value (at_number b) -> silu y <= silu x + silu_slope x * (y - x))%R ->
  forall q, (value (at_number a) <= q <= value (at_number b))%R -> holds slope lo hi q.
Proof.
  unfold concave_piece_within; cbv zeta; rewrite !andb_true_iff; intros [[[Ha Hb] Hta] Htb] Pa Pb Hcurve q Hq.
  apply reaches_down_to_sound in Ha; [|exact Pa]; apply reaches_down_to_sound in Hb; [|exact Pb].
  assert (Ua := upper_at_most _ _ _ Hta (tangent_contains P slope t (at_number a))).
  assert (Ub := upper_at_most _ _ _ Htb (tangent_contains P slope t (at_number b))).
  clear Hta Htb; split.
  - eapply Rle_trans; [apply (Rmin_glb _ _ _ Ha Hb)|apply (below_tangents_ends silu silu_slope (value slope) _ _ q Hq)];
      apply Hcurve; lra.
  - assert (Hu := line_below _ _ _ _ _ _ _ Hq Ua Ub); assert (Ht := Hcurve (value t) q (or_intror eq_refl) Hq); lra.
Qed.

(** Binary64's neighbours of -1/10 and 11/10 lie outside. *)
Lemma slopes_outside : (value slope_lowest <= - (1 / 10) /\ 11 / 10 <= value slope_highest)%R.
Proof.
  split.
  - assert (H : at_most (multiply slope_lowest (of_integer 10)) (of_integer (-1)) = true) by reflexivity.
    apply at_most_value in H; rewrite value_multiply, !value_of_integer in H; lra.
  - assert (H : at_most (of_integer 11) (multiply slope_highest (of_integer 10)) = true) by reflexivity.
    apply at_most_value in H; rewrite value_multiply, !value_of_integer in H; lra.
Qed.

Lemma short_piece_sound (slope : dyadic) (a b : place) (lo hi : dyadic) :
  short_piece_within slope a b lo hi = true -> well_placed a ->
  forall q, (value (at_number a) <= q <= value (at_number b))%R -> holds slope lo hi q.
Proof.
  unfold short_piece_within; cbv zeta; rewrite andb_true_iff; intros [Hlo Hhi] Pa q Hq; unfold holds.
  destruct (residual_there_contains slope a Pa) as [Rl Ru].
  apply at_most_value in Hlo; apply at_most_value in Hhi.
  rewrite value_add, value_smaller, value_zero, value_multiply, !value_subtract in Hlo.
  rewrite value_add, value_larger, value_zero, value_multiply, !value_subtract in Hhi.
  destruct slopes_outside as [Sl Sh]; assert (Hs := silu_lipschitz (value (at_number a)) q (proj1 Hq)).
  set (v := value (at_number a)) in *; set (w := value (at_number b)) in *; set (s := value slope) in *.
  set (s0 := value slope_lowest) in *; set (s1 := value slope_highest) in *; clearbody v w s s0 s1.
  split.
  - assert (Hm : (Rmin 0 ((s0 - s) * (w - v)) <= (s0 - s) * (q - v))%R).
    { destruct (Rle_lt_dec 0 (s0 - s)); [eapply Rle_trans; [apply Rmin_l|nra]|eapply Rle_trans; [apply Rmin_r|nra]]. }
    assert (Hw : (0 <= (- (1 / 10) - s0) * (q - v))%R) by (apply Rmult_le_pos; lra); lra.
  - assert (Hm : ((s1 - s) * (q - v) <= Rmax 0 ((s1 - s) * (w - v)))%R).
    { destruct (Rle_lt_dec 0 (s1 - s)).
      - eapply Rle_trans; [|apply Rmax_r]; nra.
      - eapply Rle_trans; [|apply Rmax_l]; nra. }
    assert (Hw : (0 <= (s1 - 11 / 10) * (q - v))%R) by (apply Rmult_le_pos; lra); lra.
Qed.

Lemma later_well_placed (a b : place) : well_placed a -> well_placed b -> well_placed (later a b).
Proof. unfold later; destruct (at_most _ _); tauto. Qed.

Lemma earlier_well_placed (a b : place) : well_placed a -> well_placed b -> well_placed (earlier a b).
Proof. unfold earlier; destruct (at_most _ _); tauto. Qed.

Lemma value_later (a b : place) :
  value (at_number (later a b)) = Rmax (value (at_number a)) (value (at_number b)).
Proof.
  unfold later; destruct (at_most (at_number a) (at_number b)) eqn:H.
  - apply at_most_value in H; rewrite Rmax_right; [reflexivity|exact H].
  - apply at_most_false in H; rewrite Rmax_left; [reflexivity|lra].
Qed.

Lemma value_earlier (a b : place) :
  value (at_number (earlier a b)) = Rmin (value (at_number a)) (value (at_number b)).
Proof.
  unfold earlier; destruct (at_most (at_number a) (at_number b)) eqn:H.
  - apply at_most_value in H; rewrite Rmin_left; [reflexivity|exact H].
  - apply at_most_false in H; rewrite Rmin_right; [reflexivity|lra].
Qed.

Lemma below_true (x y : dyadic) : (value x < value y)%R -> below x y = true.
Proof. intro H; apply Z.ltb_lt, value_sign; rewrite value_subtract; lra. Qed.

Lemma inside_sound (slope lo hi : dyadic) (a b : place) (test : bool) (q : R) :
  (if below (at_number a) (at_number b) then test else true) = true ->
  (test = true -> forall x, (value (at_number a) <= x <= value (at_number b))%R -> holds slope lo hi x) ->
  (value (at_number a) < q <= value (at_number b))%R -> holds slope lo hi q.
Proof. intros H Hsound Hq; rewrite below_true in H by lra; apply Hsound; [exact H|lra]. Qed.

Lemma breaks_in_order : (value (at_number left_outer) = - value outer /\ value (at_number left_inner) = - value inner /\
  value (at_number right_inner) = value inner /\ value (at_number right_outer) = value outer /\
  0 <= value inner <= value outer)%R.
Proof.
  rewrite <- !value_negate; repeat split; try reflexivity; rewrite <- ?value_zero; apply at_most_value; reflexivity.
Qed.

Theorem linear_residual_within_sound (P : Z) (slope L U touch_left touch_middle touch_right lo hi : dyadic) :
  linear_residual_within P slope L U touch_left touch_middle touch_right lo hi = true ->
  forall q, (value L <= q <= value U)%R -> (value lo <= silu q - value slope * q <= value hi)%R.
Proof.
  unfold linear_residual_within; cbv zeta beta; intros H q Hq; fold (holds slope lo hi q).
  destruct breaks_well_placed as [W1 [W2 [W3 W4]]]; destruct breaks_in_order as [V1 [V2 [V3 [V4 Horder]]]].
  assert (Wl := place_of_well_placed P L); assert (Wu := place_of_well_placed P U).
  assert (Vl : value (at_number (place_of P L)) = value L) by reflexivity.
  assert (Vu : value (at_number (place_of P U)) = value U) by reflexivity.
  set (l := place_of P L) in *; set (u := place_of P U) in *; clearbody l u.
  set (b1 := left_outer) in *; set (b2 := left_inner) in *; set (b3 := right_inner) in *; set (b4 := right_outer) in *.
  clearbody b1 b2 b3 b4; rewrite !andb_true_iff in H; destruct H as [[[[[[Hhi Hlo] H1] H2] H3] H4] H5].
  destruct (proj1 Hq) as [Hlt|Heq].
  2: { unfold holds; rewrite <- Heq, <- Vl; split.
       - apply reaches_down_to_sound; assumption.
       - apply reaches_up_to_sound; assumption. }
  assert (Hinner := bend_inner); assert (Houter := bend_outer).
  set (i := value inner) in *; set (o := value outer) in *.
  destruct (Rle_lt_dec q (- o)); [|destruct (Rle_lt_dec q (- i)); [|destruct (Rle_lt_dec q i);
    [|destruct (Rle_lt_dec q o)]]].
  - apply (inside_sound _ _ _ _ _ _ _ H1); [|rewrite value_earlier, Vl, Vu, V1; split; [lra|apply Rmin_glb; lra]].
    intro Ht; apply andb_prop in Ht; destruct Ht as [Ht Hc]; apply at_most_value in Ht; rewrite value_negate in Ht.
    apply (concave_piece_sound _ _ _ _ _ _ _ Hc); [assumption|apply earlier_well_placed; assumption|].
    rewrite value_earlier, Vu, V1; assert (Hm := Rmin_r (value U) (- o)).
    intros x y Hx Hy; apply (silu_concave_left o); fold o in Ht; lra.
  - apply (inside_sound _ _ _ _ _ _ _ H2); [|].
    2: { rewrite value_later, value_earlier, Vl, Vu, V1, V2.
         split; [apply Rmax_lub_lt; lra|apply Rmin_glb; lra]. }
    intro Hc; apply (short_piece_sound _ _ _ _ _ Hc), later_well_placed; assumption.
  - apply (inside_sound _ _ _ _ _ _ _ H3); [|].
    2: { rewrite value_later, value_earlier, Vl, Vu, V2, V3.
         split; [apply Rmax_lub_lt; lra|apply Rmin_glb; lra]. }
    intro Ht; apply andb_prop in Ht; destruct Ht as [Ht Hc]; apply andb_prop in Ht; destruct Ht as [Hm1 Hm2].
    apply at_most_value in Hm1; apply at_most_value in Hm2; rewrite value_negate in Hm1; fold i in Hm1, Hm2.
    apply (convex_piece_sound _ _ _ _ _ _ _ Hc); [apply later_well_placed; assumption|
      apply earlier_well_placed; assumption|].
    rewrite value_later, value_earlier, Vl, Vu, V2, V3.
    assert (Hm := Rmin_r (value U) i); assert (HM := Rmax_r (value L) (- i)).
    intros x y Hx Hy; apply (silu_convex i); lra.
  - apply (inside_sound _ _ _ _ _ _ _ H4); [|].
    2: { rewrite value_later, value_earlier, Vl, Vu, V3, V4.
         split; [apply Rmax_lub_lt; lra|apply Rmin_glb; lra]. }
    intro Hc; apply (short_piece_sound _ _ _ _ _ Hc), later_well_placed; assumption.
  - apply (inside_sound _ _ _ _ _ _ _ H5); [|rewrite value_later, Vl, Vu, V4; split; [apply Rmax_lub_lt; lra|lra]].
    intro Ht; apply andb_prop in Ht; destruct Ht as [Ht Hc]; apply at_most_value in Ht; fold o in Ht.
    apply (concave_piece_sound _ _ _ _ _ _ _ Hc); [apply later_well_placed; assumption|assumption|].
    rewrite value_later, Vl, Vu, V4; assert (HM := Rmax_r (value L) o).
    intros x y Hx Hy; apply (silu_concave_right o); lra.
Qed.
