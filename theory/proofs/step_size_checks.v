(** Tests on dyadic numbers: bounds of softplus and of the step size, the decay rate alpha Delta, exp, and the scale
    Delta / (1 - exp(-alpha Delta)) of the state's target. Each test that answers true is a theorem about the reals, for
    softplus and for programs that return p above 20, at any precision P. theory/theorems/universal_domain.md, 5 *)
From Coq Require Import ZArith Reals Lra Lia Bool.
From Coquelicot Require Import Coquelicot.
From Lyap Require Import step_sizes selective_recurrence mamba2_block dyadic exponential_bounds.
Open Scope R_scope.

(** * Real facts *)

Lemma ln_monotone (x y : R) : 0 < x <= y -> ln x <= ln y.
Proof. intros [Hx [Hlt| ->]]; [left; apply ln_increasing; assumption|apply Rle_refl]. Qed.

Lemma softplus_reflected (p : R) : softplus p = p + softplus (- p).
Proof.
  unfold softplus; assert (Hp := exp_pos p); assert (Hm := exp_pos (- p)).
  rewrite <- (ln_exp p) at 2; rewrite <- ln_mult by lra; f_equal.
  rewrite Rmult_plus_distr_l, Rmult_1_r, <- exp_plus, Rplus_opp_r, exp_0; ring.
Qed.

Lemma softplus_above_argument (p : R) : p <= softplus p.
Proof. rewrite softplus_reflected; assert (H := softplus_positive (- p)); lra. Qed.

Lemma softplus_below_one (p : R) : p <= 0 -> softplus p < 1.
Proof.
  intro Hp; eapply Rle_lt_trans; [apply softplus_increasing; exact Hp|].
  unfold softplus; rewrite exp_0; assert (H := exp_ineq1 1 ltac:(lra)).
  apply Rlt_le_trans with (ln (exp 1)); [apply ln_increasing; lra|rewrite ln_exp; lra].
Qed.

(** x - x^2/2 <= ln(1 + x) <= x - x^2/2 + x^3/3. *)
Lemma ln_one_plus_quadratic (x : R) : 0 <= x -> x - x * x / 2 <= ln (1 + x).
Proof.
  intro Hx; set (f := fun y => ln (1 + y) - (y - y * y / 2)).
  assert (H : f 0 <= f x).
  { apply (growing f (fun y => y * y / (1 + y))); [exact Hx| |].
    - intros t Ht; unfold f; auto_derive; [lra|field; lra].
    - intros t Ht; apply Rmult_le_pos; [nra|left; apply Rinv_0_lt_compat; lra]. }
  unfold f in H; rewrite Rplus_0_r, ln_1 in H; lra.
Qed.

Lemma ln_one_plus_cubic (x : R) : 0 <= x -> ln (1 + x) <= x - x * x / 2 + x * x * x / 3.
Proof.
  intro Hx; set (f := fun y => y - y * y / 2 + y * y * y / 3 - ln (1 + y)).
  assert (H : f 0 <= f x).
  { apply (growing f (fun y => y * y * y / (1 + y))); [exact Hx| |].
    - intros t Ht; unfold f; auto_derive; [lra|field; lra].
    - intros t Ht; apply Rmult_le_pos; [|left; apply Rinv_0_lt_compat; lra].
      apply Rmult_le_pos; [nra|lra]. }
  unfold f in H; rewrite Rplus_0_r, ln_1 in H; lra.
Qed.

(** D / (1 - exp(-y)) = D + D / (exp(y) - 1). *)
Lemma target_scale_split (D y n : R) : 0 < D -> 0 < y -> 0 < n <= exp y - 1 -> D / (1 - exp (- y)) <= D + D / n.
Proof.
  intros HD Hy Hn; assert (He := exp_pos y).
  assert (Heq : D / (1 - exp (- y)) = D + D / (exp y - 1)) by (rewrite exp_Ropp; field; lra).
  rewrite Heq; apply Rplus_le_compat_l, Rmult_le_compat_l; [lra|apply Rinv_le_contravar; lra].
Qed.

(** * softplus *)

Open Scope Z_scope.

Lemma mantissa_positive (x : dyadic) : 0 < mantissa x -> (0 < value x)%R.
Proof.
  intro H; destruct (Rlt_le_dec 0 (value x)) as [|Hle]; [assumption|apply value_sign in Hle; lia].
Qed.

Lemma mantissa_nonnegative (x : dyadic) : 0 <= mantissa x -> (0 <= value x)%R.
Proof.
  intro H; destruct (Rlt_le_dec (value x) 0) as [Hlt|]; [apply value_sign in Hlt; lia|assumption].
Qed.

(** Far below 0, 1 + exp(p) would lose exp(p): the series is used there, and 1 <= (1 + exp p) exp(-s) elsewhere. *)
Definition series_below : dyadic := of_integer (-40).
Definition series_bits : Z := 32.

Definition softplus_at_least_left (P : Z) (p s : dyadic) : bool :=
  if mantissa s <=? 0 then true
  else if at_most one s then false
  else if at_most p series_below then
    let x := lower (exp_range P p) in at_most s (subtract x (scale2 (-1) (multiply x x)))
  else
    let P := P + series_bits in
    at_most one (multiply (add one (lower (exp_range P p))) (lower (exp_range P (negate s)))).

Definition softplus_at_least (P : Z) (p s : dyadic) : bool :=
  if mantissa p <=? 0 then softplus_at_least_left P p s else softplus_at_least_left P (negate p) (subtract s p).

Definition softplus_at_most_left (P : Z) (p s : dyadic) : bool :=
  if at_most one s then true
  else if mantissa s <=? 0 then false
  else if at_most p series_below then
    let x := upper (exp_range P p) in
    let xx := multiply x x in
    at_most (add (subtract (multiply (of_integer 6) x) (multiply (of_integer 3) xx)) (scale2 1 (multiply xx x)))
            (multiply (of_integer 6) s)
  else
    let P := P + series_bits in
    at_most (multiply (add one (upper (exp_range P p))) (upper (exp_range P (negate s)))) one.

Definition softplus_at_most (P : Z) (p s : dyadic) : bool :=
  if mantissa p <=? 0 then softplus_at_most_left P p s else softplus_at_most_left P (negate p) (subtract s p).

Lemma softplus_at_least_left_sound (P : Z) (p s : dyadic) :
  softplus_at_least_left P p s = true -> (value s <= softplus (value p))%R.
Proof.
  unfold softplus_at_least_left; assert (Hsp := softplus_positive (value p)).
  destruct (Z.leb_spec (mantissa s) 0) as [Hs|_]; [apply value_sign in Hs; intros _; lra|].
  destruct (at_most one s); [discriminate|].
  destruct (at_most p series_below); cbv zeta; intro H; apply at_most_value in H.
  - assert (Hx := exp_range_contains P p); assert (Hn := exp_range_lower_nonnegative P p); unfold contains in Hx.
    set (x := lower (exp_range P p)) in *; rewrite value_subtract, value_scale2, value_multiply in H.
    change (power2 (-1)) with (/ 2)%R in H.
    assert (Hq := ln_one_plus_quadratic (value x) Hn).
    assert (Hln : (ln (1 + value x) <= softplus (value p))%R).
    { apply ln_monotone; lra. }
    lra.
  - rewrite value_multiply, value_add, value_one in H.
    assert (Hx := exp_range_contains (P + series_bits) p).
    assert (Hy := exp_range_contains (P + series_bits) (negate s)).
    assert (Hn := exp_range_lower_nonnegative (P + series_bits) p).
    assert (Hm := exp_range_lower_nonnegative (P + series_bits) (negate s)).
    unfold contains in *; rewrite value_negate in Hy.
    assert (Hprod : (1 <= (1 + exp (value p)) * exp (- value s))%R).
    { eapply Rle_trans; [exact H|]; apply Rmult_le_compat; lra. }
    assert (He := exp_pos (value s)); assert (Hep := exp_pos (value p)).
    assert (Hexp : (exp (value s) <= 1 + exp (value p))%R).
    { apply Rmult_le_compat_r with (r := exp (value s)) in Hprod; [|lra].
      rewrite Rmult_1_l, Rmult_assoc, <- exp_plus, Rplus_opp_l, exp_0 in Hprod; lra. }
    rewrite <- (ln_exp (value s)); apply ln_monotone; lra.
Qed.

Theorem softplus_at_least_sound (P : Z) (p s : dyadic) :
  softplus_at_least P p s = true -> (value s <= softplus (value p))%R.
Proof.
  unfold softplus_at_least; destruct (Z.leb_spec (mantissa p) 0); intro Hs; apply softplus_at_least_left_sound in Hs.
  - exact Hs.
  - rewrite value_subtract, value_negate in Hs; rewrite softplus_reflected; lra.
Qed.

Lemma softplus_at_most_left_sound (P : Z) (p s : dyadic) : (value p <= 0)%R ->
  softplus_at_most_left P p s = true -> (softplus (value p) <= value s)%R.
Proof.
  unfold softplus_at_most_left; intro Hp.
  destruct (at_most one s) eqn:Hone.
  { intros _; apply at_most_value in Hone; rewrite value_one in Hone; assert (H := softplus_below_one _ Hp); lra. }
  destruct (Z.leb_spec (mantissa s) 0); [discriminate|].
  destruct (at_most p series_below); cbv zeta; intro H0; apply at_most_value in H0.
  - assert (Hx := exp_range_contains P p); unfold contains in Hx; assert (Hep := exp_pos (value p)).
    set (x := upper (exp_range P p)) in *.
    rewrite value_add, value_subtract, value_scale2, !value_multiply, !value_of_integer in H0.
    change (power2 1) with 2%R in H0.
    assert (Hq := ln_one_plus_cubic (value x) ltac:(lra)).
    assert (Hln : (softplus (value p) <= ln (1 + value x))%R).
    { apply ln_monotone; lra. }
    lra.
  - rewrite value_multiply, value_add, value_one in H0.
    assert (Hx := exp_range_contains (P + series_bits) p).
    assert (Hy := exp_range_contains (P + series_bits) (negate s)).
    unfold contains in *; rewrite value_negate in Hy.
    assert (He := exp_pos (value s)); assert (Hm := exp_pos (- value s)); assert (Hep := exp_pos (value p)).
    assert (Hprod : ((1 + exp (value p)) * exp (- value s) <= 1)%R).
    { eapply Rle_trans; [|exact H0]; apply Rmult_le_compat; lra. }
    assert (Hexp : (1 + exp (value p) <= exp (value s))%R).
    { apply Rmult_le_compat_r with (r := exp (value s)) in Hprod; [|lra].
      rewrite Rmult_1_l, Rmult_assoc, <- exp_plus, Rplus_opp_l, exp_0 in Hprod; lra. }
    rewrite <- (ln_exp (value s)); apply ln_monotone; lra.
Qed.

Theorem softplus_at_most_sound (P : Z) (p s : dyadic) :
  softplus_at_most P p s = true -> (softplus (value p) <= value s)%R.
Proof.
  unfold softplus_at_most; destruct (Z.leb_spec (mantissa p) 0) as [Hp|Hp]; intro Hs.
  - apply softplus_at_most_left_sound in Hs; [exact Hs|apply value_sign; exact Hp].
  - apply mantissa_positive in Hp; apply softplus_at_most_left_sound in Hs; rewrite value_negate in *; [|lra].
    rewrite value_subtract in Hs; rewrite softplus_reflected; lra.
Qed.

(** * The step size, of either program, over a range of p *)

Definition cut_off : dyadic := of_integer 20.

Definition step_at_least (P : Z) (p_lo p_hi s : dyadic) : bool :=
  softplus_at_least P p_lo s && (at_most p_hi cut_off || at_most s (larger p_lo cut_off)).

Definition step_at_most (P : Z) (p_hi s : dyadic) : bool := softplus_at_most P p_hi s.

Theorem step_at_least_sound (P : Z) (p_lo p_hi s : dyadic) (f : R -> R) (p : R) :
  step_at_least P p_lo p_hi s = true -> step_program f -> (value p_lo <= p <= value p_hi)%R -> (value s <= f p)%R.
Proof.
  unfold step_at_least; intros H Hf Hp; apply andb_prop in H; destruct H as [Hs Hcut].
  apply softplus_at_least_sound in Hs; assert (Hm := softplus_increasing _ _ (proj1 Hp)).
  destruct Hf as [->| ->]; [lra|]; unfold cut_off_softplus; destruct (Rlt_dec 20 p) as [H20|]; [|lra].
  apply orb_prop in Hcut; destruct Hcut as [Hcut|Hcut]; apply at_most_value in Hcut.
  - unfold cut_off in Hcut; rewrite value_of_integer in Hcut; lra.
  - rewrite value_larger in Hcut; unfold cut_off in Hcut; rewrite value_of_integer in Hcut.
    eapply Rle_trans; [exact Hcut|apply Rmax_lub; lra].
Qed.

Theorem step_at_most_sound (P : Z) (p_hi s : dyadic) (f : R -> R) (p : R) :
  step_at_most P p_hi s = true -> step_program f -> (p <= value p_hi)%R -> (f p <= value s)%R.
Proof.
  intros H Hf Hp; apply softplus_at_most_sound in H; assert (Hm := softplus_increasing _ _ Hp).
  destruct Hf as [->| ->]; [lra|]; assert (Hc := cut_off_softplus_upper p); lra.
Qed.

(** Limits of the step size as the model's configuration has them; None is infinity. *)
Record dyadic_limits := DyadicLimits { lowest_step : dyadic; highest_step : option dyadic }.
Definition limits_of (l : dyadic_limits) : step_limits :=
  Limits (value (lowest_step l)) (option_map value (highest_step l)).

Definition limited_step_at_least (P : Z) (l : dyadic_limits) (p_lo p_hi s : dyadic) : bool :=
  match highest_step l with Some high => at_most s high | None => true end
  && (at_most s (lowest_step l) || step_at_least P p_lo p_hi s).

Definition limited_step_at_most (P : Z) (l : dyadic_limits) (p_hi s : dyadic) : bool :=
  match highest_step l with Some high => at_most high s | None => false end
  || (at_most (lowest_step l) s && step_at_most P p_hi s).

Theorem limited_step_at_least_sound (P : Z) (l : dyadic_limits) (p_lo p_hi s : dyadic) (f : R -> R) (p : R) :
  limited_step_at_least P l p_lo p_hi s = true -> step_program f -> (value p_lo <= p <= value p_hi)%R ->
  (value s <= clamped (limits_of l) (f p))%R.
Proof.
  unfold limited_step_at_least; intros H Hf Hp; apply andb_prop in H; destruct H as [Hhigh H].
  assert (Hmax : (value s <= Rmax (value (lowest_step l)) (f p))%R).
  { apply orb_prop in H; destruct H as [H|H].
    - apply at_most_value in H; eapply Rle_trans; [exact H|apply Rmax_l].
    - eapply Rle_trans; [eapply step_at_least_sound; eassumption|apply Rmax_r]. }
  unfold clamped, limits_of; simpl; destruct (highest_step l) as [high|]; simpl; [|exact Hmax].
  apply at_most_value in Hhigh; apply Rmin_glb; assumption.
Qed.

Theorem limited_step_at_most_sound (P : Z) (l : dyadic_limits) (p_hi s : dyadic) (f : R -> R) (p : R) :
  limited_step_at_most P l p_hi s = true -> step_program f -> (p <= value p_hi)%R ->
  (clamped (limits_of l) (f p) <= value s)%R.
Proof.
  unfold limited_step_at_most; intros H Hf Hp; apply orb_prop in H; unfold clamped, limits_of; simpl.
  destruct H as [H|H].
  - destruct (highest_step l) as [high|]; [simpl|discriminate].
    apply at_most_value in H; eapply Rle_trans; [apply Rmin_l|exact H].
  - apply andb_prop in H; destruct H as [Hlow H]; apply at_most_value in Hlow.
    assert (Hs := step_at_most_sound P p_hi s f p H Hf Hp).
    assert (Hmax : (Rmax (value (lowest_step l)) (f p) <= value s)%R) by (apply Rmax_lub; assumption).
    destruct (highest_step l); simpl; [eapply Rle_trans; [apply Rmin_r|exact Hmax]|exact Hmax].
Qed.

(** * The decay rate alpha Delta, for alpha in a range *)

Definition rate_at_least (P : Z) (alpha : range) (l : dyadic_limits) (p_lo p_hi c : dyadic) : bool :=
  (0 <? mantissa c) && (0 <? mantissa (lower alpha))
  && limited_step_at_least P l p_lo p_hi (divide_up P c (lower alpha)).

Definition rate_at_most (P : Z) (alpha : range) (l : dyadic_limits) (p_hi c : dyadic) : bool :=
  (0 <=? mantissa c) && (0 <? mantissa (upper alpha))
  && limited_step_at_most P l p_hi (divide_down P c (upper alpha)).

(** Not for c <= 0: that would say nothing. *)
Theorem rate_at_least_sound (P : Z) (alpha : range) (l : dyadic_limits) (p_lo p_hi c : dyadic) (a p : R) (f : R -> R) :
  rate_at_least P alpha l p_lo p_hi c = true -> step_program f -> contains alpha a ->
  (value p_lo <= p <= value p_hi)%R -> (0 < value c <= a * clamped (limits_of l) (f p))%R.
Proof.
  unfold rate_at_least, contains; intros H Hf [Ha _] Hp; apply andb_prop in H; destruct H as [H Hs].
  apply andb_prop in H; destruct H as [Hc Hl].
  apply Z.ltb_lt, mantissa_positive in Hc; apply Z.ltb_lt, mantissa_positive in Hl; split; [exact Hc|].
  assert (Hstep := limited_step_at_least_sound P l p_lo p_hi _ f p Hs Hf Hp).
  assert (Hdiv := divide_up_above P c (lower alpha) Hl).
  assert (Hq : (0 < value c / value (lower alpha))%R) by (apply Rdiv_lt_0_compat; assumption).
  set (x := clamped (limits_of l) (f p)) in *; set (al := value (lower alpha)) in *.
  apply Rle_trans with (al * (value c / al))%R; [right; field; lra|].
  apply Rmult_le_compat; lra.
Qed.

Theorem rate_at_most_sound (P : Z) (alpha : range) (l : dyadic_limits) (p_hi c : dyadic) (a p : R) (f : R -> R) :
  rate_at_most P alpha l p_hi c = true -> step_program f -> contains alpha a -> (0 <= a)%R ->
  (p <= value p_hi)%R -> (a * clamped (limits_of l) (f p) <= value c)%R.
Proof.
  unfold rate_at_most, contains; intros H Hf [_ Ha] Hpos Hp; apply andb_prop in H; destruct H as [H Hs].
  apply andb_prop in H; destruct H as [Hc Hl].
  apply Z.leb_le, mantissa_nonnegative in Hc; apply Z.ltb_lt, mantissa_positive in Hl.
  assert (Hstep := limited_step_at_most_sound P l p_hi _ f p Hs Hf Hp).
  assert (Hdiv := divide_down_below P c (upper alpha) Hl).
  assert (Hq : (0 <= value c / value (upper alpha))%R)
    by (apply Rmult_le_pos; [exact Hc|left; apply Rinv_0_lt_compat; exact Hl]).
  set (x := clamped (limits_of l) (f p)) in *; set (ah := value (upper alpha)) in *.
  apply Rle_trans with (ah * (value c / ah))%R; [|right; field; lra].
  apply Rle_trans with (a * (value c / ah))%R; [apply Rmult_le_compat_l; lra|apply Rmult_le_compat_r; lra].
Qed.

(** * alpha = exp(A_log), and exp *)

(** Numbers beyond 2^16 are refused: exp of them is not worth writing out. *)
Definition of_usual_size (x : dyadic) : bool := at_most (absolute x) (Dyadic 1 16).

Definition alpha_range (P : Z) (A_log : dyadic) : option range :=
  if of_usual_size A_log then Some (exp_range P A_log) else None.

Theorem alpha_range_contains (P : Z) (A_log : dyadic) (r : range) :
  alpha_range P A_log = Some r -> contains r (exp (value A_log)).
Proof.
  unfold alpha_range; destruct (of_usual_size A_log); [|discriminate].
  intro H; injection H as <-; apply exp_range_contains.
Qed.

Definition exp_at_most (P : Z) (x c : dyadic) : bool :=
  (mantissa x <=? 0) && at_most one c || at_most x (Dyadic 1 16) && at_most (upper (exp_range P x)) c.

Theorem exp_at_most_sound (P : Z) (x c : dyadic) : exp_at_most P x c = true -> (exp (value x) <= value c)%R.
Proof.
  unfold exp_at_most; intro H; apply orb_prop in H; destruct H as [H|H]; apply andb_prop in H; destruct H as [Hx Hc].
  - apply Z.leb_le, value_sign in Hx; apply at_most_value in Hc; rewrite value_one in Hc.
    apply exp_le in Hx; rewrite exp_0 in Hx; lra.
  - apply at_most_value in Hc; assert (Hr := exp_range_contains P x); unfold contains in Hr; lra.
Qed.

(** * The target's scale *)

(** At most exp(s) - 1, for s >= 0; the series where the difference would lose digits. *)
Definition exp_minus_one_below (P : Z) (s : dyadic) : dyadic :=
  let s := round_down P (smaller s (of_integer 256)) in
  if at_most s (Dyadic 1 (-20)) then
    let s2 := multiply s s in
    divide_down P (add (add (multiply (of_integer 24) s) (multiply (of_integer 12) s2))
                       (add (scale2 2 (multiply s2 s)) (multiply s2 s2))) (of_integer 24)
  else subtract (lower (exp_range (P + 20) s)) one.

Lemma round_down_nonnegative (P : Z) (x : dyadic) : (0 <= value x)%R -> (0 <= value (round_down P x))%R.
Proof.
  intro Hx; assert (Hm : 0 <= mantissa x).
  { destruct (Z.le_gt_cases 0 (mantissa x)) as [|Hlt]; [assumption|apply value_sign in Hlt; lra]. }
  unfold round_down; cbv zeta; destruct (Z.leb_spec (bits (mantissa x) - P) 0); [exact Hx|].
  apply mantissa_nonnegative; simpl; apply Z.shiftr_nonneg; exact Hm.
Qed.

Lemma exp_minus_one_below_sound (P : Z) (s : dyadic) (y : R) :
  (0 <= value s <= y)%R -> (value (exp_minus_one_below P s) <= exp y - 1)%R.
Proof.
  intros [Hs Hy]; unfold exp_minus_one_below; cbv zeta.
  assert (Hround := round_down_below P (smaller s (of_integer 256))).
  assert (Ht : (0 <= value (round_down P (smaller s (of_integer 256))))%R).
  { apply round_down_nonnegative; rewrite value_smaller, value_of_integer; apply Rmin_glb; lra. }
  rewrite value_smaller in Hround; assert (Hmin := Rmin_l (value s) (value (of_integer 256))).
  set (t := round_down P (smaller s (of_integer 256))) in *.
  assert (Hexp := exp_le (value t) y ltac:(lra)).
  destruct (at_most t (Dyadic 1 (-20))).
  - eapply Rle_trans; [apply divide_down_below; rewrite value_of_integer; lra|].
    rewrite !value_add, value_scale2, !value_multiply, !value_of_integer; change (power2 2) with 4%R.
    assert (H := exp_terms_below 5 (value t) Ht); simpl in H; lra.
  - rewrite value_subtract, value_one.
    assert (H := exp_range_contains (P + 20) t); unfold contains in H; lra.
Qed.

(** At least Delta / (1 - exp(-alpha Delta)) for every Delta <= D, and 1 / alpha. *)
Definition target_scale (P : Z) (alpha : range) (D : dyadic) : option dyadic :=
  let n := exp_minus_one_below P (multiply (lower alpha) D) in
  if (0 <? mantissa D) && (0 <? mantissa (lower alpha)) && (0 <? mantissa n)
  then Some (add D (divide_up P D n)) else None.

Theorem target_scale_sound (P : Z) (alpha : range) (D G : dyadic) (a : R) :
  target_scale P alpha D = Some G -> contains alpha a ->
  (forall Delta, 0 < Delta <= value D -> Delta / (1 - exp (- (a * Delta))) <= value G)%R /\ (1 / a <= value G)%R.
Proof.
  unfold target_scale; cbv zeta; intros H [Ha _].
  destruct (Z.ltb_spec 0 (mantissa D)) as [HD|]; [|discriminate].
  destruct (Z.ltb_spec 0 (mantissa (lower alpha))) as [Hl|]; [|discriminate].
  apply mantissa_positive in HD; apply mantissa_positive in Hl.
  set (n := exp_minus_one_below P (multiply (lower alpha) D)) in *.
  destruct (Z.ltb_spec 0 (mantissa n)) as [Hn|]; [|discriminate]; apply mantissa_positive in Hn.
  simpl in H; injection H as <-; rewrite value_add.
  assert (Hb := exp_minus_one_below_sound P (multiply (lower alpha) D) (a * value D)); fold n in Hb.
  rewrite value_multiply in Hb; specialize (Hb ltac:(nra)).
  assert (Hdiv := divide_up_above P D n Hn).
  assert (Hsplit := target_scale_split (value D) (a * value D) (value n) HD ltac:(nra) ltac:(lra)).
  rewrite <- (target_scale_positive_step a (value D)) in Hsplit by lra.
  destruct (target_scale_bounds a (value D) ltac:(lra) ltac:(lra)) as [[_ Hinv] _].
  split; [intros Delta HDelta; rewrite <- target_scale_positive_step by lra|unfold Rdiv; lra].
  assert (H := target_scale_increasing a Delta (value D) ltac:(lra) ltac:(lra)); lra.
Qed.
