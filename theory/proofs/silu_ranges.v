(** silu on dyadic numbers: ranges that contain sigmoid, silu and its slope at a point, and silu over an interval.
    silu_shape.v says what silu does between the points. *)
From Coq Require Import ZArith Reals Lra Lia Bool.
From Lyap Require Import dyadic step_sizes exponential_bounds silu_shape.
Open Scope Z_scope.

(** * Sigmoid, silu and its slope at a point *)

(** Beyond it exp(-|q|) is enclosed by [0, exp(-limit)], so that no number grows with |q|. *)
Definition exponent_limit : dyadic := Dyadic 1 10.

(** exp(-|q|). *)
Definition small_exp_range (P : Z) (q : dyadic) : range :=
  let size := absolute q in
  if at_most size exponent_limit then exp_range P (negate size)
  else Range zero (upper (exp_range P (negate exponent_limit))).

(** (sigmoid(q), sigmoid(-q)): 1/(1 + e) and e/(1 + e) with e = exp(-|q|). *)
Definition sigmoid_ranges (P : Z) (q : dyadic) : range * range :=
  let e := small_exp_range P q in
  let least := add one (lower e) in
  let most := add one (upper e) in
  let big := Range (divide_down P one most) (divide_up P one least) in
  let small := Range (divide_down P (lower e) most) (divide_up P (upper e) least) in
  if at_most zero q then (big, small) else (small, big).

(** silu(q) is at least q/2: that is better than q sigmoid(q), rounded, where q is all but 0. *)
Definition silu_of_sigmoids (P : Z) (q : dyadic) (s : range * range) : range :=
  let r := range_round P (range_multiply (point q) (fst s)) in Range (larger (scale2 (-1) q) (lower r)) (upper r).
Definition slope_of_sigmoids (P : Z) (q : dyadic) (s : range * range) : range :=
  range_round P (range_multiply (fst s) (range_add (point one) (range_multiply (point q) (snd s)))).

Definition silu_range_at (P : Z) (q : dyadic) : range := silu_of_sigmoids P q (sigmoid_ranges P q).
Definition silu_slope_range_at (P : Z) (q : dyadic) : range := slope_of_sigmoids P q (sigmoid_ranges P q).

Lemma zero_to_upper (r : range) (x y : R) : contains r y -> (0 <= x <= y)%R ->
  contains (Range zero (upper r)) x /\ (0 <= value (lower (Range zero (upper r))))%R.
Proof. unfold contains; cbn [lower upper]; rewrite value_zero; lra. Qed.

Lemma small_exp_range_contains (P : Z) (q : dyadic) :
  contains (small_exp_range P q) (exp (- Rabs (value q))) /\ (0 <= value (lower (small_exp_range P q)))%R.
Proof.
  unfold small_exp_range; cbv zeta; destruct (at_most (absolute q) exponent_limit) eqn:H.
  - split; [|apply exp_range_lower_nonnegative].
    rewrite <- value_absolute, <- value_negate; apply exp_range_contains.
  - apply at_most_false in H; rewrite value_absolute in H.
    apply zero_to_upper with (exp (value (negate exponent_limit))); [apply exp_range_contains|].
    split; [left; apply exp_pos|apply exp_at_most; rewrite value_negate; lra].
Qed.

(** Quotients x / (1 + y) from bounds of x and y. *)
Lemma quotient_contains (P : Z) (a b c d : dyadic) (x y : R) :
  (0 <= x)%R -> (0 <= value c)%R -> (value a <= x <= value b)%R -> (value c <= y <= value d)%R ->
  (0 <= value a)%R ->
  contains (Range (divide_down P a (add one d)) (divide_up P b (add one c))) (x / (1 + y)).
Proof.
  intros Hx Hc Hab Hcd Ha.
  assert (Hd : (value (add one d) = 1 + value d)%R) by (rewrite value_add, value_one; reflexivity).
  assert (Hc' : (value (add one c) = 1 + value c)%R) by (rewrite value_add, value_one; reflexivity).
  assert (Hlow := divide_down_below P a (add one d) ltac:(rewrite Hd; lra)).
  assert (Hup := divide_up_above P b (add one c) ltac:(rewrite Hc'; lra)).
  rewrite Hd in Hlow; rewrite Hc' in Hup.
  unfold contains; cbn [lower upper]; split.
  - eapply Rle_trans; [exact Hlow|]; apply Rmult_le_compat; [lra|left; apply Rinv_0_lt_compat; lra|lra|].
    apply Rinv_le_contravar; lra.
  - eapply Rle_trans; [|exact Hup]; apply Rmult_le_compat; [lra|left; apply Rinv_0_lt_compat; lra|lra|].
    apply Rinv_le_contravar; lra.
Qed.

Lemma sigmoid_ranges_contain (P : Z) (q : dyadic) :
  contains (fst (sigmoid_ranges P q)) (sigmoid (value q)) /\
  contains (snd (sigmoid_ranges P q)) (sigmoid (- value q)).
Proof.
  destruct (small_exp_range_contains P q) as [He H0].
  unfold sigmoid_ranges; cbv zeta; set (e := small_exp_range P q) in *; clearbody e; unfold contains in He.
  assert (Hp := exp_pos (- Rabs (value q))).
  set (x := exp (- Rabs (value q))) in *.
  assert (Hbig := quotient_contains P one one (lower e) (upper e) 1 x ltac:(lra) H0
                    ltac:(rewrite value_one; lra) He ltac:(rewrite value_one; lra)).
  assert (Hsmall := quotient_contains P (lower e) (upper e) (lower e) (upper e) x x ltac:(lra) H0 He He H0).
  assert (Hone : (/ (1 + x) = 1 / (1 + x))%R) by (unfold Rdiv; ring).
  assert (Hother : (1 - / (1 + x) = x / (1 + x))%R) by (field; lra).
  destruct (at_most zero q) eqn:Hq; cbn [fst snd].
  - apply at_most_value in Hq; rewrite value_zero in Hq; rewrite sigmoid_negated.
    assert (Hs : sigmoid (value q) = (/ (1 + x))%R).
    { unfold x, sigmoid; rewrite Rabs_pos_eq by exact Hq; reflexivity. }
    rewrite Hs; split; [rewrite Hone; exact Hbig|rewrite Hother; exact Hsmall].
  - apply at_most_false in Hq; rewrite value_zero in Hq.
    assert (Hs : sigmoid (- value q) = (/ (1 + x))%R).
    { unfold x, sigmoid; rewrite Rabs_left by exact Hq; rewrite Ropp_involutive; reflexivity. }
    rewrite <- (Ropp_involutive (value q)), (sigmoid_negated (- value q)), Ropp_involutive, Hs.
    split; [rewrite Hother; exact Hsmall|rewrite Hone; exact Hbig].
Qed.

Lemma raise_lower (r : range) (y : dyadic) (x : R) : contains r x -> (value y <= x)%R ->
  contains (Range (larger y (lower r)) (upper r)) x.
Proof.
  unfold contains; cbn [lower upper]; rewrite value_larger; intros [Hl Hu] Hy.
  split; [apply Rmax_lub; assumption|exact Hu].
Qed.

Theorem silu_range_at_contains (P : Z) (q : dyadic) : contains (silu_range_at P q) (silu (value q)).
Proof.
  unfold silu_range_at, silu_of_sigmoids; cbv zeta; apply raise_lower.
  - apply contains_round; apply contains_multiply; [apply contains_point|apply sigmoid_ranges_contain].
  - rewrite value_scale2; change (power2 (-1)) with (/ 2)%R; assert (H := silu_at_least_half (value q)); lra.
Qed.

Theorem silu_slope_range_at_contains (P : Z) (q : dyadic) :
  contains (silu_slope_range_at P q) (silu_slope (value q)).
Proof.
  destruct (sigmoid_ranges_contain P q) as [Hs Hn].
  apply contains_round; apply contains_multiply; [exact Hs|]; apply contains_add.
  - rewrite <- value_one; apply contains_point.
  - apply contains_multiply; [apply contains_point|exact Hn].
Qed.

(** * The range over an interval *)

(** silu falls up to the first, rises from the second and is nowhere below the third. *)
Definition before_minimiser : dyadic := Dyadic (-1439423109596291) (-50).
Definition after_minimiser : dyadic := Dyadic (-5757692438385163) (-52).
Definition near_minimiser : dyadic := Dyadic (-1824685568862122558056356760979834754837119721) (-150).
Definition silu_least : dyadic := Dyadic (-388122925933752614255928507353847283646849) (-140).

(** 1 + c + exp(c). *)
Definition minimiser_test (c : dyadic) : range := range_add (range_add (point one) (point c)) (exp_range 200 c).

Lemma minimiser_test_contains (c : dyadic) : contains (minimiser_test c) (1 + value c + exp (value c)).
Proof.
  apply contains_add; [apply contains_add; [rewrite <- value_one|]; apply contains_point|].
  apply exp_range_contains.
Qed.

(** What a comparison of an end of a range says about a number in it. *)
Lemma upper_at_most (r : range) (x : R) (y : dyadic) : at_most (upper r) y = true -> contains r x -> (x <= value y)%R.
Proof. intros H [_ Hx]; apply at_most_value in H; lra. Qed.

Lemma lower_at_least (r : range) (x : R) (y : dyadic) : at_most y (lower r) = true -> contains r x -> (value y <= x)%R.
Proof. intros H [Hx _]; apply at_most_value in H; lra. Qed.

Lemma falls_before_minimiser : (1 + value before_minimiser + exp (value before_minimiser) <= 0)%R.
Proof.
  rewrite <- value_zero; apply (upper_at_most (minimiser_test before_minimiser)).
  - vm_compute; reflexivity.
  - apply minimiser_test_contains.
Qed.

Lemma rises_after_minimiser : (0 <= 1 + value after_minimiser + exp (value after_minimiser))%R.
Proof.
  rewrite <- value_zero; apply (lower_at_least (minimiser_test after_minimiser)).
  - vm_compute; reflexivity.
  - apply minimiser_test_contains.
Qed.

Lemma silu_least_below (q : R) : (value silu_least <= silu q)%R.
Proof.
  apply Rle_trans with (- exp (value near_minimiser))%R.
  - apply (lower_at_least (range_negate (exp_range 200 near_minimiser))).
    + vm_compute; reflexivity.
    + apply contains_negate, exp_range_contains.
  - apply silu_global_lower; rewrite <- value_zero; apply (lower_at_least (minimiser_test near_minimiser)).
    + vm_compute; reflexivity.
    + apply minimiser_test_contains.
Qed.

Definition silu_range (P : Z) (L U : dyadic) : range :=
  let a := silu_range_at P L in
  let b := silu_range_at P U in
  let low :=
    if at_most U before_minimiser then larger silu_least (lower b)
    else if at_most after_minimiser L then larger silu_least (lower a) else silu_least in
  Range low (larger (upper a) (upper b)).

Theorem silu_range_contains (P : Z) (L U : dyadic) (q : R) :
  (value L <= q <= value U)%R -> contains (silu_range P L U) (silu q).
Proof.
  intro Hq; assert (HL := silu_range_at_contains P L); assert (HU := silu_range_at_contains P U).
  assert (Hleast := silu_least_below q).
  unfold silu_range; cbv zeta; set (a := silu_range_at P L) in *; set (b := silu_range_at P U) in *.
  unfold contains in *; cbn [lower upper]; split.
  - destruct (at_most U before_minimiser) eqn:Hb; [|destruct (at_most after_minimiser L) eqn:Ha].
    + apply at_most_value in Hb; rewrite value_larger; apply Rmax_lub; [exact Hleast|].
      assert (H := silu_falls q (value U) (value before_minimiser) falls_before_minimiser ltac:(lra)); lra.
    + apply at_most_value in Ha; rewrite value_larger; apply Rmax_lub; [exact Hleast|].
      assert (H := silu_rises (value L) q (value after_minimiser) rises_after_minimiser ltac:(lra)); lra.
    + exact Hleast.
  - rewrite value_larger; eapply Rle_trans; [apply (silu_upper _ _ _ Hq)|].
    apply Rmax_lub; [eapply Rle_trans; [|apply Rmax_l]|eapply Rle_trans; [|apply Rmax_r]]; lra.
Qed.
