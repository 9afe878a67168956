(** R(theta) >= 0 at every frequency from finitely many matrices. R(theta) = sum_r T_r(cos theta) Q_r with Chebyshev's
    polynomials T_r, so a part [a, b] of cos theta's values needs only control points: where (T_0(x), .., T_(J-1)(x))
    is a convex combination of vectors v and sum_r v_r Q_r >= 0 for each v, R >= 0. Up to J = 4 taps Bernstein's four
    control points serve any part; no cosine is computed. theory/theorems/sustained_bound.md, section 3 *)
From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Lyap Require Import finite_sums quadratic_forms quadratic_relaxation finite_fourier sustained_bound.
Open Scope R_scope.

Definition distance (i j : nat) : nat := (i - j + (j - i))%nat.

(** sum_ij c_i c_j v_|i-j|: linear in v, and |sum_j c_j exp(i j theta)|^2 for v_r = cos(r theta). *)
Definition combined_response (J : nat) (c v : nat -> R) : R :=
  sum J (fun i => sum J (fun j => c i * c j * v (distance i j))).

Lemma response_combined (J : nat) (c : nat -> R) (theta : R) :
  response J c theta = combined_response J c (fun r => cos (theta * INR r)).
Proof.
  unfold response, combined_response.
  assert (Hsquare : forall f : nat -> R, sum J f ^ 2 = sum J (fun i => sum J (fun j => f i * f j))).
  { intro f; rewrite (sum_same J (fun i => sum J (fun j => f i * f j)) (fun i => f i * sum J f)).
    - rewrite sum_scaled_right; ring.
    - intros i _; apply sum_scaled. }
  rewrite !Hsquare, <- sum_plus; apply sum_same; intros i _; rewrite <- sum_plus; apply sum_same; intros j _.
  replace (cos (theta * INR (distance i j))) with (cos (theta * INR i - theta * INR j)); [rewrite cos_minus; ring|].
  unfold distance; destruct (Nat.le_ge_cases i j) as [H|H].
  - replace (i - j + (j - i))%nat with (j - i)%nat by lia; rewrite minus_INR, <- cos_neg by exact H; f_equal; ring.
  - replace (i - j + (j - i))%nat with (i - j)%nat by lia; rewrite minus_INR by exact H; f_equal; ring.
Qed.

Lemma combined_response_same (J : nat) (c v v' : nat -> R) : (forall r, (r < J)%nat -> v r = v' r) ->
  combined_response J c v = combined_response J c v'.
Proof.
  intro H; apply sum_same; intros i Hi; apply sum_same; intros j Hj; f_equal; apply H; unfold distance; lia.
Qed.

Lemma combined_response_mixture (J m : nat) (c weight : nat -> R) (v : nat -> nat -> R) :
  combined_response J c (fun r => sum m (fun q => weight q * v q r))
  = sum m (fun q => weight q * combined_response J c (v q)).
Proof.
  unfold combined_response; symmetry.
  rewrite (sum_same m _ (fun q => sum J (fun i => sum J (fun j => c i * c j * (weight q * v q (distance i j)))))).
  - rewrite sum_swap; apply sum_same; intros i _; rewrite sum_swap; apply sum_same; intros j _; apply sum_scaled.
  - intros q _; rewrite <- sum_scaled; apply sum_same; intros i _; rewrite <- sum_scaled; apply sum_same; intros j _;
      ring.
Qed.

(** Chebyshev's polynomials, from cos((r+1) theta) + cos((r-1) theta) = 2 cos(theta) cos(r theta). *)
Fixpoint chebyshev_pair (x : R) (r : nat) : R * R :=
  match r with O => (1, x) | S r => let (a, b) := chebyshev_pair x r in (b, 2 * x * b - a) end.
Definition chebyshev (x : R) (r : nat) : R := fst (chebyshev_pair x r).

Lemma chebyshev_cosine (theta : R) (r : nat) : cos (theta * INR r) = chebyshev (cos theta) r.
Proof.
  assert (H : chebyshev_pair (cos theta) r = (cos (theta * INR r), cos (theta * INR (S r)))).
  { induction r as [|r IH].
    - simpl; rewrite Rmult_0_r, cos_0, Rmult_1_r; reflexivity.
    - cbn [chebyshev_pair]; rewrite IH; f_equal; rewrite !S_INR.
      replace (theta * (INR r + 1 + 1)) with (theta * (INR r + 1) + theta) by ring.
      replace (theta * INR r) with (theta * (INR r + 1) - theta) by ring.
      rewrite cos_plus, cos_minus; ring. }
  unfold chebyshev; rewrite H; reflexivity.
Qed.

Section Cover.
Variables (d rows taps : nat) (W c : nat -> nat -> R) (w : nat -> R) (mu : R).

(** sum_r v_r z.Q_r z + mu |z|^2 *)
Definition control_form (v : nat -> R) (z : nat -> R) : R :=
  sum rows (fun k => w k * combined_response taps (c k) v * image d W z k ^ 2) + mu * norm_squared d z.

Lemma frequency_control (theta : R) (z : nat -> R) :
  frequency_form d rows taps W c w mu theta z = control_form (chebyshev (cos theta)) z.
Proof.
  unfold frequency_form, control_form; f_equal; apply sum_same; intros k _.
  rewrite response_combined, (combined_response_same taps (c k) _ (chebyshev (cos theta))); [reflexivity|].
  intros r _; apply chebyshev_cosine.
Qed.

Theorem control_points (m : nat) (weight : nat -> R) (v : nat -> nat -> R) (theta : R) (z : nat -> R) :
  (forall q, (q < m)%nat -> 0 <= weight q) -> sum m weight = 1 ->
  (forall r, (r < taps)%nat -> chebyshev (cos theta) r = sum m (fun q => weight q * v q r)) ->
  (forall q, (q < m)%nat -> 0 <= control_form (v q) z) -> 0 <= frequency_form d rows taps W c w mu theta z.
Proof.
  intros Hweight Hone Hv Hform; rewrite frequency_control.
  replace (control_form (chebyshev (cos theta)) z) with (sum m (fun q => weight q * control_form (v q) z)).
  - apply sum_nonnegative; intros q Hq; apply Rmult_le_pos; auto.
  - unfold control_form.
    rewrite (sum_same m _ (fun q => sum rows (fun k => w k * (weight q * combined_response taps (c k) (v q))
                                                       * image d W z k ^ 2) + weight q * (mu * norm_squared d z))).
    + rewrite sum_plus, sum_scaled_right, Hone, Rmult_1_l; f_equal.
      rewrite sum_swap; apply sum_same; intros k _; rewrite sum_scaled_right.
      rewrite (combined_response_same taps (c k) _ _ Hv), combined_response_mixture, <- sum_scaled; reflexivity.
    + intros q _; rewrite Rmult_plus_distr_l, <- sum_scaled; f_equal; apply sum_same; intros k _; ring.
Qed.

(** Bernstein's control points of (1, x, 2 x^2 - 1, 4 x^3 - 3 x) over [a, b], three times. *)
Definition control_point (a b : R) (q r : nat) : R :=
  let x := match q with 0%nat => 3 * a | 1%nat => 2 * a + b | 2%nat => a + 2 * b | _ => 3 * b end in
  let xx := match q with 0%nat => 3 * a * a | 1%nat => a * (a + 2 * b) | 2%nat => b * (2 * a + b) | _ => 3 * b * b
      end in
  let xxx := match q with 0%nat => 3 * a * a * a | 1%nat => 3 * a * a * b | 2%nat => 3 * a * b * b | _ => 3 * b * b *
      b end in
  match r with 0%nat => 3 | 1%nat => x | 2%nat => 2 * xx - 3 | _ => 4 * xxx - 3 * x end.

Theorem part_covered (a b theta : R) (z : nat -> R) : (taps <= 4)%nat -> a < b -> a <= cos theta <= b ->
  (forall q, (q < 4)%nat -> 0 <= control_form (fun r => control_point a b q r / 3) z) ->
  0 <= frequency_form d rows taps W c w mu theta z.
Proof.
  intros Htaps Hab Hx Hform; set (x := cos theta) in *.
  set (s := (x - a) / (b - a)).
  assert (Hs : 0 <= s <= 1).
  { unfold s; split.
    - apply Rmult_le_pos; [lra|left; apply Rinv_0_lt_compat; lra].
    - apply Rmult_le_reg_r with (b - a); [lra|]; unfold Rdiv; rewrite Rmult_assoc, Rinv_l; lra. }
  assert (Hxs : x = a + s * (b - a)) by (unfold s; field; lra).
  set (weight := fun q : nat => match q with
    | 0%nat => (1 - s) ^ 3 | 1%nat => 3 * s * (1 - s) ^ 2 | 2%nat => 3 * s ^ 2 * (1 - s) | _ => s ^ 3 end).
  apply (control_points 4 weight (fun q r => control_point a b q r / 3)).
  - intros q _; assert (H1 : 0 <= 1 - s) by lra; destruct Hs as [Hs0 _].
    assert (H2 := pow_le s 2 Hs0); destruct q as [|[|[|q]]]; unfold weight.
    + apply pow_le; lra.
    + apply Rmult_le_pos; [lra|apply pow_le; lra].
    + apply Rmult_le_pos; lra.
    + apply pow_le; lra.
  - unfold weight; simpl; ring.
  - intros r Hr; fold x; rewrite Hxs.
    destruct r as [|[|[|[|r]]]]; [| | | |lia]; unfold chebyshev, weight, control_point; simpl; field.
  - exact Hform.
Qed.

(** Parts that cover [-1, 1] cover every frequency. *)
Inductive parts_cover : R -> R -> list (R * R) -> Prop :=
| no_parts (a b : R) : b <= a -> parts_cover a b nil
| more_parts (a b : R) (p q : R) (parts : list (R * R)) : p <= a -> parts_cover q b parts ->
    parts_cover a b (cons (p, q) parts).

Theorem every_frequency_covered (parts : list (R * R)) : (taps <= 4)%nat -> parts_cover (-1) 1 parts ->
  (forall a b, List.In (a, b) parts ->
     a < b /\ forall q z, (q < 4)%nat -> 0 <= control_form (fun r => control_point a b q r / 3) z) ->
  forall theta z, 0 <= frequency_form d rows taps W c w mu theta z.
Proof.
  intros Htaps Hcover Hparts theta z.
  assert (Hin : forall u v l, parts_cover u v l -> u <= cos theta <= v -> l <> nil ->
            exists a b, List.In (a, b) l /\ a <= cos theta <= b).
  { intros u v l Hl; induction Hl as [u v Hvu|u v p q l Hpu Hl IH]; intros Hx Hne; [contradiction Hne; reflexivity|].
    destruct (Rle_lt_dec (cos theta) q) as [Hq|Hq]; [exists p, q; split; [left; reflexivity|lra]|].
    assert (Hl' : l <> nil) by (intros ->; inversion Hl; subst; lra).
    destruct (IH ltac:(lra) Hl') as [a [b [Hab Hx']]]; exists a, b; split; [right; exact Hab|exact Hx']. }
  assert (Hne : parts <> nil) by (intros ->; inversion Hcover; subst; lra).
  destruct (Hin _ _ _ Hcover (COS_bound theta) Hne) as [a [b [Hab Hx]]].
  destruct (Hparts a b Hab) as [Hlt Hform].
  apply (part_covered a b theta z Htaps Hlt Hx); intros q Hq; apply Hform; exact Hq.
Qed.

(** The page's way: one matrix in the middle of a part of half-width delta, and a bound Lambda = sum_r r |Q_r|_2 of R's
    slope in theta. *)
Definition cosine_coefficient (r : nat) (z : nat -> R) : R :=
  sum rows (fun k => w k * combined_response taps (c k) (fun s => if (r =? s)%nat then 1 else 0) * image d W z k ^ 2).

Lemma frequency_form_cosines (theta : R) (z : nat -> R) :
  frequency_form d rows taps W c w mu theta z
  = sum taps (fun r => cos (theta * INR r) * cosine_coefficient r z) + mu * norm_squared d z.
Proof.
  unfold frequency_form, cosine_coefficient; f_equal.
  rewrite (sum_same taps _ (fun r => sum rows (fun k => w k * (cos (theta * INR r)
    * combined_response taps (c k) (fun s => if (r =? s)%nat then 1 else 0)) * image d W z k ^ 2))).
  - rewrite sum_swap; apply sum_same; intros k _; rewrite sum_scaled_right, sum_scaled, <- combined_response_mixture.
    rewrite response_combined; f_equal; f_equal; apply combined_response_same; intros r Hr.
    rewrite (sum_same taps _ (fun q => if (r =? q)%nat then cos (theta * INR q) else 0)).
    + symmetry; apply sum_single; exact Hr.
    + intros q _; rewrite Nat.eqb_sym; destruct (r =? q)%nat; ring.
  - intros r _; rewrite <- sum_scaled; apply sum_same; intros k _; ring.
Qed.

Lemma cosine_lipschitz (x y : R) : Rabs (cos x - cos y) <= Rabs (x - y).
Proof.
  destruct (MVT_gen cos y x (fun u => - sin u)) as [u [_ Heq]].
  - intros u _; apply is_derive_Reals, derivable_pt_lim_cos.
  - intros u _; apply continuity_cos.
  - rewrite Heq, Rabs_mult, Rabs_Ropp; rewrite <- (Rmult_1_l (Rabs (x - y))) at 2.
    apply Rmult_le_compat_r; [apply Rabs_pos|apply Rabs_le, SIN_bound].
Qed.

Theorem frequency_form_slope (q : nat -> R) (theta theta' : R) (z : nat -> R) :
  (forall r, (r < taps)%nat -> Rabs (cosine_coefficient r z) <= q r * norm_squared d z) ->
  Rabs (frequency_form d rows taps W c w mu theta z - frequency_form d rows taps W c w mu theta' z)
  <= Rabs (theta - theta') * (sum taps (fun r => INR r * q r) * norm_squared d z).
Proof.
  intro Hq; rewrite !frequency_form_cosines.
  match goal with |- Rabs (?a + ?m - (?b + ?m)) <= _ => replace (a + m - (b + m)) with (a - b) by ring end.
  rewrite <- sum_minus, <- sum_scaled_right, <- sum_scaled; eapply Rle_trans; [apply sum_abs|]; apply sum_le; intros
      r Hr.
  replace (cos (theta * INR r) * cosine_coefficient r z - cos (theta' * INR r) * cosine_coefficient r z)
    with ((cos (theta * INR r) - cos (theta' * INR r)) * cosine_coefficient r z) by ring.
  rewrite Rabs_mult; replace (Rabs (theta - theta') * (INR r * q r * norm_squared d z))
    with (Rabs (theta - theta') * INR r * (q r * norm_squared d z)) by ring.
  apply Rmult_le_compat; [apply Rabs_pos|apply Rabs_pos| |apply Hq; exact Hr].
  eapply Rle_trans; [apply cosine_lipschitz|].
  replace (theta * INR r - theta' * INR r) with ((theta - theta') * INR r) by ring.
  rewrite Rabs_mult, (Rabs_pos_eq (INR r)) by apply pos_INR; apply Rle_refl.
Qed.

Theorem part_covered_by_slope (q : nat -> R) (theta middle delta lambda : R) (z : nat -> R) :
  (forall r, (r < taps)%nat -> Rabs (cosine_coefficient r z) <= q r * norm_squared d z) ->
  lambda * norm_squared d z <= frequency_form d rows taps W c w mu middle z ->
  Rabs (theta - middle) <= delta -> 0 <= sum taps (fun r => INR r * q r) -> delta * sum taps (fun r => INR r * q r)
      <= lambda ->
  0 <= frequency_form d rows taps W c w mu theta z.
Proof.
  intros Hq Hmiddle Hdelta HLambda Hsmall; assert (Hslope := frequency_form_slope q theta middle z Hq).
  set (Lambda := sum taps (fun r => INR r * q r)) in *.
  set (N := norm_squared d z) in *; assert (HN : 0 <= N) by apply norm_squared_nonnegative.
  rewrite <- Rabs_Ropp in Hslope; assert (H := Rle_trans _ _ _ (Rle_abs _) Hslope).
  assert (H1 : Rabs (theta - middle) * (Lambda * N) <= delta * (Lambda * N)).
  { apply Rmult_le_compat_r; [apply Rmult_le_pos; assumption|exact Hdelta]. }
  assert (H2 : delta * Lambda * N <= lambda * N) by (apply Rmult_le_compat_r; assumption).
  lra.
Qed.
End Cover.

(** R is even in theta and has the period 2 pi: [0, pi] has every frequency. *)
Lemma frequency_form_mirrored (d rows taps : nat) (W c : nat -> nat -> R) (w : nat -> R) (mu theta : R) (z : nat -> R) :
  frequency_form d rows taps W c w mu (2 * PI - theta) z = frequency_form d rows taps W c w mu theta z.
Proof.
  rewrite !frequency_form_cosines; f_equal; apply sum_same; intros r _; f_equal.
  replace ((2 * PI - theta) * INR r) with (- (theta * INR r) + 2 * INR r * PI) by ring.
  rewrite cos_period; apply cos_neg.
Qed.

Theorem half_circle (d rows taps : nat) (W c : nat -> nat -> R) (w : nat -> R) (mu : R) :
  (forall theta z, 0 <= theta <= PI -> 0 <= frequency_form d rows taps W c w mu theta z) ->
  forall theta z, 0 <= theta <= 2 * PI -> 0 <= frequency_form d rows taps W c w mu theta z.
Proof.
  intros H theta z Htheta; destruct (Rle_lt_dec theta PI); [apply H; lra|].
  rewrite <- frequency_form_mirrored; apply H; lra.
Qed.
