(** Lower bounds, in dyadic numbers, of omega silu(q) less a quadratic in q: the constants of the quadratic relaxation,
    term by term, each proved. theory/theorems/quadratic_relaxation.md, section 1 *)
From Coq Require Import ZArith Reals Lra Lia Bool.
From Lyap Require Import dyadic step_sizes silu_shape silu_ranges silu_checks silu_even_part.
Open Scope Z_scope.

Definition half : dyadic := Dyadic 1 (-1).

(** The even part, its derivative and silu's curvature from sigmoid's ranges at o. *)
Definition even_part_range (o : dyadic) (s : range * range) : range :=
  range_multiply (point o) (range_subtract (fst s) (point half)).
Definition even_slope_range (P : Z) (o : dyadic) (s : range * range) : range :=
  range_subtract (slope_of_sigmoids P o s) (point half).
Definition curvature_range (o : dyadic) (s : range * range) : range :=
  range_multiply (range_multiply (fst s) (snd s))
    (range_add (point (of_integer 2))
       (range_multiply (point o) (range_subtract (point one) (range_multiply (point (of_integer 2)) (fst s))))).

Definition squared (x : dyadic) : dyadic := multiply x x.

(** omega < 0: a parabola above G that touches at o > 0. The tangent is compared at q = 0 and at |q| = M. *)
Definition tangent_constant (P : Z) (omega w o M : dyadic) : dyadic :=
  let s := sigmoid_ranges P o in
  let value_there := range_multiply (point omega) (even_part_range o s) in
  let slope_there := range_multiply (point omega) (even_slope_range P o s) in
  let distance := subtract (squared M) (squared o) in
  let twice := scale2 1 o in
  let ratio := Range (divide_down P distance twice) (divide_up P distance twice) in
  smaller
    (lower (range_subtract value_there (range_multiply slope_there (point (scale2 (-1) o)))))
    (lower (range_subtract (range_add value_there (range_multiply slope_there ratio))
              (point (multiply w (squared M))))).

(** omega >= 0: the chord from 0 to M^2; the value at |q| = M less w M^2. *)
Definition value_at_end (P : Z) (omega w M : dyadic) : dyadic :=
  lower (range_subtract (range_multiply (point omega) (even_part_range M (sigmoid_ranges P M)))
           (point (multiply w (squared M)))).

(** omega > 0: a parabola that touches at o from below, where silu is curved enough. *)
Definition touches (omega w o : dyadic) (s : range * range) : bool :=
  below zero omega && at_most zero w &&
  at_most (scale2 1 w) (lower (range_multiply (point omega) (curvature_range o s))).

Definition touch_constant (P : Z) (omega w sigma o : dyadic) (s : range * range) : dyadic :=
  let value_there := range_multiply (point omega) (even_part_range o s) in
  let slope_there := range_multiply (point omega) (even_slope_range P o s) in
  let error := magnitude (range_subtract slope_there (point (add (scale2 1 (multiply w o)) sigma))) in
  subtract (lower (range_subtract value_there (point (add (multiply w (squared o)) (multiply sigma o)))))
           (multiply (scale2 1 outer) error).

(** A constant kappa with omega silu(q) >= (omega/2 + sigma) q + w q^2 + kappa for |q| <= M. *)
Definition term_constant (P : Z) (omega w sigma o M : dyadic) : dyadic :=
  let slack := multiply (absolute sigma) M in
  round_down P
    (if below omega zero
     then subtract (tangent_constant P omega w (if below zero (absolute o) then absolute o else one) M) slack
     else let at_end := value_at_end P omega w M in
          let chord := subtract (smaller zero at_end) slack in
          let s := sigmoid_ranges P o in
          if touches omega w o s
          then larger chord (smaller (touch_constant P omega w sigma o s) (subtract at_end slack)) else chord).

(** * Soundness *)

Open Scope R_scope.

Lemma value_half : value half = / 2.
Proof. unfold value, power2; simpl; lra. Qed.

Lemma value_two : value (of_integer 2) = 2.
Proof. apply value_of_integer. Qed.

Lemma value_squared (x : dyadic) : value (squared x) = value x ^ 2.
Proof. unfold squared; rewrite value_multiply; ring. Qed.

Lemma value_twice (x : dyadic) : value (scale2 1 x) = 2 * value x.
Proof. rewrite value_scale2; change (power2 1) with 2; ring. Qed.

Lemma value_halved (x : dyadic) : value (scale2 (-1) x) = value x / 2.
Proof. rewrite value_scale2; change (power2 (-1)) with (/ 2); field. Qed.

Lemma even_part_range_contains (P : Z) (o : dyadic) :
  contains (even_part_range o (sigmoid_ranges P o)) (even_part (value o)).
Proof.
  apply contains_multiply; [apply contains_point|]; apply contains_subtract; [apply sigmoid_ranges_contain|].
  rewrite <- value_half; apply contains_point.
Qed.

Lemma even_slope_range_contains (P : Z) (o : dyadic) :
  contains (even_slope_range P o (sigmoid_ranges P o)) (even_slope (value o)).
Proof.
  apply contains_subtract; [apply silu_slope_range_at_contains|rewrite <- value_half; apply contains_point].
Qed.

Lemma curvature_range_contains (P : Z) (o : dyadic) :
  contains (curvature_range o (sigmoid_ranges P o)) (silu_curvature (value o)).
Proof.
  destruct (sigmoid_ranges_contain P o) as [Hs Hn]; apply contains_multiply; [apply contains_multiply; assumption|].
  apply contains_add; [rewrite <- value_two; apply contains_point|].
  apply contains_multiply; [apply contains_point|].
  apply contains_subtract; [rewrite <- value_one; apply contains_point|].
  apply contains_multiply; [rewrite <- value_two; apply contains_point|exact Hs].
Qed.

Lemma contains_scaled (omega : dyadic) (r : range) (x : R) : contains r x ->
  contains (range_multiply (point omega) r) (value omega * x).
Proof. intro H; apply contains_multiply; [apply contains_point|exact H]. Qed.

Lemma lower_below (r : range) (x : R) : contains r x -> value (lower r) <= x.
Proof. intros [H _]; exact H. Qed.

Lemma quotient_range_contains (P : Z) (x y : dyadic) : 0 < value y ->
  contains (Range (divide_down P x y) (divide_up P x y)) (value x / value y).
Proof. intro Hy; split; [apply divide_down_below; exact Hy|apply divide_up_above; exact Hy]. Qed.

Lemma tangent_constant_below (P : Z) (omega w o M : dyadic) (q : R) : value omega <= 0 -> 0 < value o ->
  Rabs q <= value M -> value (tangent_constant P omega w o M) <= value omega * even_part q - value w * q ^ 2.
Proof.
  intros Homega Ho HM.
  assert (H := tangent_relaxation (value omega) (value w) (value o) (value M) q Homega ltac:(lra) HM); cbv zeta in H.
  eapply Rle_trans; [|exact H]; clear H; unfold tangent_constant; cbv zeta; rewrite value_smaller.
  assert (Hvalue := contains_scaled omega _ _ (even_part_range_contains P o)).
  assert (Hslope := contains_scaled omega _ _ (even_slope_range_contains P o)).
  apply Rmin_glb; [eapply Rle_trans; [apply Rmin_l|]|eapply Rle_trans; [apply Rmin_r|]].
  - eapply Rle_trans; [apply lower_below, contains_subtract; [exact Hvalue|apply contains_multiply;
      [exact Hslope|apply contains_point]]|].
    rewrite value_halved; right; unfold parabola_slope; field; lra.
  - eapply Rle_trans.
    + apply lower_below, contains_subtract; [apply contains_add; [exact Hvalue|apply contains_multiply;
        [exact Hslope|apply quotient_range_contains; rewrite value_twice; lra]]|apply contains_point].
    + rewrite value_multiply, value_subtract, !value_squared, value_twice; right; unfold parabola_slope; field; lra.
Qed.

Lemma value_at_end_below (P : Z) (omega w M : dyadic) :
  value (value_at_end P omega w M) <= value omega * even_part (value M) - value w * value M ^ 2.
Proof.
  rewrite <- value_squared, <- value_multiply; apply lower_below, contains_subtract; [|apply contains_point].
  apply contains_scaled, even_part_range_contains.
Qed.

Lemma touch_constant_below (P : Z) (omega w sigma o : dyadic) :
  value (touch_constant P omega w sigma o (sigmoid_ranges P o)) <=
  value omega * even_part (value o) - value w * value o ^ 2 - value sigma * value o
  - 2 * value outer * Rabs (value omega * even_slope (value o) - 2 * value w * value o - value sigma).
Proof.
  unfold touch_constant; cbv zeta; rewrite value_subtract, value_multiply, value_twice.
  assert (Hvalue := contains_scaled omega _ _ (even_part_range_contains P o)).
  assert (Hslope := contains_scaled omega _ _ (even_slope_range_contains P o)).
  set (a := add (multiply w (squared o)) (multiply sigma o)); set (b := add (scale2 1 (multiply w o)) sigma).
  assert (Ha : value a = value w * value o ^ 2 + value sigma * value o).
  { unfold a; rewrite value_add, !value_multiply, value_squared; ring. }
  assert (Hb : value b = 2 * value w * value o + value sigma).
  { unfold b; rewrite value_add, value_twice, value_multiply; ring. }
  assert (H1 := lower_below _ _ (contains_subtract _ _ _ _ Hvalue (contains_point a))).
  assert (H2 := contains_magnitude _ _ (contains_subtract _ _ _ _ Hslope (contains_point b))).
  rewrite Ha in H1; rewrite Hb in H2.
  replace (value omega * even_slope (value o) - (2 * value w * value o + value sigma))
    with (value omega * even_slope (value o) - 2 * value w * value o - value sigma) in H2 by ring.
  assert (Hr := outer_positive).
  apply Rplus_le_compat; [lra|]; apply Ropp_le_contravar; apply Rmult_le_compat_l; [lra|exact H2].
Qed.

Theorem term_constant_sound (P : Z) (omega w sigma o M : dyadic) (q : R) : Rabs q <= value M ->
  value omega * silu q >=
  (value omega / 2 + value sigma) * q + value w * q ^ 2 + value (term_constant P omega w sigma o M).
Proof.
  intro HM; apply Rle_ge.
  assert (Hgoal : value (term_constant P omega w sigma o M)
                  <= value omega * even_part q - value w * q ^ 2 - value sigma * q).
  2: { rewrite silu_split; lra. }
  unfold term_constant; cbv zeta; eapply Rle_trans; [apply round_down_below|].
  assert (Hslack : value sigma * q <= value (multiply (absolute sigma) M)).
  { rewrite value_multiply, value_absolute; assert (H := Rle_abs (value sigma * q)); rewrite Rabs_mult in H.
    assert (Hp := Rabs_pos (value sigma)); nra. }
  destruct (below omega zero) eqn:Hneg.
  - apply below_value in Hneg; rewrite value_zero in Hneg; rewrite value_subtract.
    set (p := if below zero (absolute o) then absolute o else one).
    assert (Hp : 0 < value p).
    { unfold p; destruct (below zero (absolute o)) eqn:H; [apply below_value in H; rewrite value_zero in H; exact H|].
      rewrite value_one; lra. }
    assert (H := tangent_constant_below P omega w p M q ltac:(lra) Hp HM); lra.
  - assert (Hpos : 0 <= value omega).
    { destruct (Rle_lt_dec 0 (value omega)) as [|H]; [assumption|exfalso].
      rewrite below_true in Hneg; [discriminate|rewrite value_zero; exact H]. }
    assert (Hend := value_at_end_below P omega w M); set (e := value_at_end P omega w M) in *; clearbody e.
    assert (Hchord : value (subtract (smaller zero e) (multiply (absolute sigma) M))
                     <= value omega * even_part q - value w * q ^ 2 - value sigma * q).
    { rewrite value_subtract, value_smaller, value_zero.
      assert (H := chord_relaxation (value omega) (value w) (value M) q Hpos HM).
      assert (Hm : Rmin 0 (value e) <= Rmin 0 (value omega * even_part (value M) - value w * value M ^ 2))
        by (apply Rle_min_compat_l; exact Hend); lra. }
    destruct (touches omega w o (sigmoid_ranges P o)) eqn:Ht; [|exact Hchord].
    rewrite value_larger; apply Rmax_lub; [exact Hchord|clear Hchord].
    unfold touches in Ht; rewrite !andb_true_iff in Ht; destruct Ht as [[H1 H2] H3].
    apply below_value in H1; rewrite value_zero in H1; apply at_most_value in H2; rewrite value_zero in H2.
    assert (H4 := lower_at_least _ _ _ H3 (contains_scaled omega _ _ (curvature_range_contains P o))).
    rewrite value_twice in H4.
    eapply Rle_trans; [|apply (touch_relaxation _ _ _ _ (value o) _ _ outer_positive bend_outer H1 H2 H4 HM)].
    rewrite value_smaller, value_subtract, value_multiply, value_absolute.
    apply Rmin_glb; [eapply Rle_trans; [apply Rmin_l|apply touch_constant_below]|eapply Rle_trans; [apply Rmin_r|lra]].
Qed.
