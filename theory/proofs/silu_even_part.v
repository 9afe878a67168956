(** silu(q) = q/2 + an even part that increases with q^2 and is concave in q^2: the parabolas above and below it.
    theory/theorems/quadratic_relaxation.md, section 1 *)
From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From Lyap Require Import step_sizes silu_shape.
Open Scope R_scope.

(** G(q^2) = (q/2) tanh(q/2); its derivative in q; its derivative in q^2, for q other than 0. *)
Definition even_part (q : R) : R := q * (sigmoid q - / 2).
Definition even_slope (q : R) : R := silu_slope q - / 2.
Definition parabola_slope (o : R) : R := even_slope o / (2 * o).

Lemma silu_split (q : R) : silu q = q / 2 + even_part q.
Proof. unfold silu, even_part; field. Qed.

Lemma even_part_bend (q : R) : even_part q = bend q / 2.
Proof. unfold even_part, bend; field. Qed.

Lemma even_part_even (q : R) : even_part (- q) = even_part q.
Proof. rewrite !even_part_bend, bend_even; reflexivity. Qed.

Lemma even_slope_odd (q : R) : even_slope (- q) = - even_slope q.
Proof. unfold even_slope; rewrite silu_slope_negated; field. Qed.

Lemma even_part_zero : even_part 0 = 0.
Proof. unfold even_part; ring. Qed.

Lemma even_slope_zero : even_slope 0 = 0.
Proof. unfold even_slope, silu_slope; rewrite sigmoid_zero; field. Qed.

Lemma even_part_nonnegative (q : R) : 0 <= even_part q.
Proof. assert (H := silu_at_least_half q); rewrite silu_split in H; lra. Qed.

Theorem even_part_increasing (p q : R) : Rabs p <= Rabs q -> even_part p <= even_part q.
Proof.
  intro H; rewrite !even_part_bend, <- (bend_abs p), <- (bend_abs q).
  assert (Hb := bend_increasing (Rabs p) (Rabs q) (conj (Rabs_pos p) H)); lra.
Qed.

Lemma even_part_derivative (q : R) : is_derive even_part q (even_slope q).
Proof.
  apply is_derive_ext with (fun x => silu x - x / 2); [intro x|].
  { change (silu x - x / 2 = even_part x); rewrite silu_split; field. }
  assert (Hhalf : is_derive (fun x => x / 2) q (/ 2)) by (auto_derive; [trivial|field]).
  apply (is_derive_minus silu (fun x => x / 2)); [apply silu_derivative|exact Hhalf].
Qed.

(** G'(o^2) = (tanh y + y (1 - tanh^2 y))/(8 y), y = o/2, tanh y = 2 sigmoid(o) - 1. *)
Lemma parabola_slope_formula (o : R) : o <> 0 ->
  parabola_slope o = (2 * sigmoid o - 1 + o / 2 * (1 - (2 * sigmoid o - 1) ^ 2)) / (4 * o).
Proof.
  intro Ho; unfold parabola_slope, even_slope, silu_slope; rewrite sigmoid_negated; field; exact Ho.
Qed.

Lemma even_part_tanh (q : R) : even_part q = q / 2 * (2 * sigmoid q - 1).
Proof. unfold even_part; field. Qed.

(** * Concave in q^2 *)

Lemma sigmoid_slope_derivative (q : R) :
  is_derive (fun x => sigmoid x * sigmoid (- x)) q (sigmoid q * sigmoid (- q) * (1 - 2 * sigmoid q)).
Proof.
  assert (Hd := sigmoid_derivative q); rewrite sigmoid_negated in *.
  apply is_derive_ext with (fun x => sigmoid x * (1 - sigmoid x)); [intro x; rewrite sigmoid_negated; reflexivity|].
  assert (He : Derive sigmoid q = sigmoid q * (1 - sigmoid q)) by (apply is_derive_unique; exact Hd).
  auto_derive; [repeat split; eexists; exact Hd|].
  change (Derive (fun x => sigmoid x) q) with (Derive sigmoid q); rewrite He; ring.
Qed.

Lemma sigmoid_concave (t q : R) : 0 <= t -> 0 <= q ->
  sigmoid q <= sigmoid t + sigmoid t * sigmoid (- t) * (q - t).
Proof.
  intros Ht Hq.
  apply (tangent_above sigmoid (fun x => sigmoid x * sigmoid (- x))
           (fun x => sigmoid x * sigmoid (- x) * (1 - 2 * sigmoid x))).
  - apply sigmoid_derivative.
  - apply sigmoid_slope_derivative.
  - intros x [Hx _]; assert (H0 : 0 <= x) by (apply (between_lower _ t q); assumption).
    assert (Hh := sigmoid_half x H0); assert (Hs := sigmoid_range x); assert (Hn := sigmoid_range (- x)).
    assert (0 < sigmoid x * sigmoid (- x)) by (apply Rmult_lt_0_compat; lra); nra.
Qed.

Lemma sigmoid_slope_decreasing (p q : R) : 0 <= p <= q ->
  sigmoid q * sigmoid (- q) <= sigmoid p * sigmoid (- p).
Proof.
  intro Hpq; rewrite !sigmoid_negated; assert (H := sigmoid_increasing p q ltac:(lra)).
  assert (Hh := sigmoid_half p ltac:(lra)); nra.
Qed.

(** even_slope(q)/q decreases. *)
Lemma even_slope_ratio (p q : R) : 0 <= p <= q -> even_slope q * p <= even_slope p * q.
Proof.
  intro Hpq; unfold even_slope, silu_slope.
  assert (Hd := sigmoid_slope_decreasing p q Hpq).
  assert (H0 := sigmoid_concave p 0 ltac:(lra) ltac:(lra)); rewrite sigmoid_zero in H0.
  assert (Hq := sigmoid_concave p q ltac:(lra) ltac:(lra)).
  set (s := sigmoid p) in *; set (r := sigmoid q) in *; set (d := s * sigmoid (- p)) in *.
  set (e := r * sigmoid (- q)) in *.
  replace (r * (1 + q * sigmoid (- q)) - / 2) with (r - / 2 + q * e) by (unfold e; ring).
  replace (s * (1 + p * sigmoid (- p)) - / 2) with (s - / 2 + p * d) by (unfold d; ring).
  clearbody s r d e.
  assert (Hfirst : (r - / 2) * p <= (s - / 2) * q).
  { assert ((r - / 2) * p <= (s + d * (q - p) - / 2) * p) by (apply Rmult_le_compat_r; lra).
    assert (0 <= (s - / 2 - p * d) * (q - p)) by (apply Rmult_le_pos; lra); nra. }
  assert (Hsecond : q * e * p <= p * d * q).
  { assert (0 <= p * q * (d - e)) by (apply Rmult_le_pos; [apply Rmult_le_pos; lra|lra]); nra. }
  lra.
Qed.

Lemma less_parabola_derivative (k q : R) :
  is_derive (fun x => even_part x - k * x ^ 2) q (even_slope q - 2 * k * q).
Proof.
  assert (Hsquare : is_derive (fun x => k * x ^ 2) q (2 * k * q)) by (auto_derive; [trivial|ring]).
  apply (is_derive_minus even_part (fun x => k * x ^ 2)); [apply even_part_derivative|exact Hsquare].
Qed.

Lemma tangent_parabola_positive (o q : R) : 0 < o -> 0 <= q ->
  even_part q - parabola_slope o * q ^ 2 <= even_part o - parabola_slope o * o ^ 2.
Proof.
  intros Ho Hq; set (k := parabola_slope o).
  assert (Hk : 2 * k * o = even_slope o) by (unfold k, parabola_slope; field; lra).
  set (f := fun x => even_part x - k * x ^ 2); set (f' := fun x => even_slope x - 2 * k * x).
  change (f q <= f o); destruct (Rle_lt_dec o q) as [H|H].
  - apply (falls f f'); [intro; apply less_parabola_derivative|exact H|].
    intros x Hx; unfold f'; assert (Hr := even_slope_ratio o x ltac:(lra)).
    rewrite <- Hk in Hr; nra.
  - apply (rises f f'); [intro; apply less_parabola_derivative|lra|].
    intros x Hx; unfold f'; assert (Hr := even_slope_ratio x o ltac:(lra)).
    rewrite <- Hk in Hr; nra.
Qed.

Lemma even_part_abs (q : R) : even_part (Rabs q) = even_part q.
Proof. unfold Rabs; destruct (Rcase_abs q); [apply even_part_even|reflexivity]. Qed.

Lemma parabola_slope_even (o : R) : o <> 0 -> parabola_slope (- o) = parabola_slope o.
Proof. intro Ho; unfold parabola_slope; rewrite even_slope_odd; field; exact Ho. Qed.

(** The tangent of G at o^2 lies above it. *)
Theorem even_part_tangent (o q : R) : o <> 0 ->
  even_part q <= even_part o + parabola_slope o * (q ^ 2 - o ^ 2).
Proof.
  intro Ho; rewrite <- (even_part_abs q), <- (even_part_abs o).
  assert (Hk : parabola_slope (Rabs o) = parabola_slope o).
  { unfold Rabs; destruct (Rcase_abs o); [apply parabola_slope_even; exact Ho|reflexivity]. }
  assert (H := tangent_parabola_positive (Rabs o) (Rabs q) (Rabs_pos_lt o Ho) (Rabs_pos q)).
  rewrite Hk, !pow2_abs in H; lra.
Qed.

(** ... and at 0, where the slope is 1/4. *)
Theorem even_part_tangent_zero (q : R) : even_part q <= q ^ 2 / 4.
Proof.
  rewrite <- (even_part_abs q), <- (pow2_abs q); assert (Hq := Rabs_pos q); set (x := Rabs q) in *.
  assert (H := sigmoid_concave 0 x ltac:(lra) Hq); rewrite Ropp_0, sigmoid_zero in H; unfold even_part; nra.
Qed.

(** The chord over [0, M^2] lies below. *)
Theorem even_part_chord (M q : R) : Rabs q <= M -> even_part M * q ^ 2 <= even_part q * M ^ 2.
Proof.
  intro HM; destruct (Req_dec q 0) as [Hq|Hq]; [rewrite Hq, even_part_zero; ring_simplify; lra|].
  assert (H0 := even_part_tangent q 0 Hq); assert (H1 := even_part_tangent q M Hq).
  rewrite even_part_zero in H0; set (k := parabola_slope q) in *; set (E := even_part q) in *.
  assert (Hm : q ^ 2 <= M ^ 2).
  { rewrite <- (pow2_abs q); apply pow_incr; split; [apply Rabs_pos|exact HM]. }
  assert (H2 := pow2_ge_0 q); set (m := q ^ 2) in *; set (n := M ^ 2) in *; clearbody m n k E.
  assert (A : even_part M * m <= (E + k * (n - m)) * m) by (apply Rmult_le_compat_r; lra).
  assert (B : 0 <= (E - k * m) * (n - m)) by (apply Rmult_le_pos; lra); nra.
Qed.

(** * Terms of a functional: omega even_part(q) - w q^2 from below over |q| <= M *)

Theorem tangent_relaxation (omega w o M q : R) : omega <= 0 -> o <> 0 -> Rabs q <= M ->
  let touch := omega * even_part o - w * o ^ 2 in
  let tilt := omega * parabola_slope o - w in
  Rmin (touch - tilt * o ^ 2) (touch + tilt * (M ^ 2 - o ^ 2)) <= omega * even_part q - w * q ^ 2.
Proof.
  intros Homega Ho HM touch tilt; assert (H := even_part_tangent o q Ho).
  assert (Hline : touch + tilt * (q ^ 2 - o ^ 2) <= omega * even_part q - w * q ^ 2).
  { unfold touch, tilt; nra. }
  assert (Hm : q ^ 2 <= M ^ 2).
  { rewrite <- (pow2_abs q); apply pow_incr; split; [apply Rabs_pos|exact HM]. }
  assert (H2 := pow2_ge_0 q); destruct (Rle_lt_dec 0 tilt).
  - eapply Rle_trans; [apply Rmin_l|]; nra.
  - eapply Rle_trans; [apply Rmin_r|]; nra.
Qed.

Theorem chord_relaxation (omega w M q : R) : 0 <= omega -> Rabs q <= M ->
  Rmin 0 (omega * even_part M - w * M ^ 2) <= omega * even_part q - w * q ^ 2.
Proof.
  intros Homega HM; assert (H := even_part_chord M q HM).
  assert (Hm : q ^ 2 <= M ^ 2).
  { rewrite <- (pow2_abs q); apply pow_incr; split; [apply Rabs_pos|exact HM]. }
  assert (H2 := pow2_ge_0 q); destruct (Req_dec q 0) as [Hq|Hq].
  { rewrite Hq, even_part_zero; eapply Rle_trans; [apply Rmin_l|]; right; ring. }
  assert (Hpos : 0 < q ^ 2) by (apply pow2_gt_0; exact Hq).
  set (m := q ^ 2) in *; set (n := M ^ 2) in *; set (E := even_part q) in *; set (F := even_part M) in *.
  clearbody m n E F.
  assert (Hscaled : (omega * F - w * n) * m <= (omega * E - w * m) * n) by nra.
  destruct (Rle_lt_dec 0 (omega * E - w * m)) as [Hs|Hs].
  - eapply Rle_trans; [apply Rmin_l|exact Hs].
  - eapply Rle_trans; [apply Rmin_r|].
    assert ((omega * E - w * m) * n <= (omega * E - w * m) * m) by nra.
    apply Rmult_le_reg_r with m; [exact Hpos|lra].
Qed.

(** * Parabolas that touch from below *)

Lemma even_slope_derivative (q : R) : is_derive even_slope q (silu_curvature q).
Proof.
  apply is_derive_ext with (fun x => silu_slope x - / 2); [reflexivity|].
  assert (Hhalf : is_derive (fun _ : R => / 2) q 0) by (auto_derive; [trivial|reflexivity]).
  replace (silu_curvature q) with (silu_curvature q - 0) by ring.
  apply (is_derive_minus silu_slope (fun _ => / 2)); [apply silu_slope_derivative|exact Hhalf].
Qed.

Lemma silu_curvature_abs (q : R) : silu_curvature (Rabs q) = silu_curvature q.
Proof.
  unfold Rabs; destruct (Rcase_abs q); [|reflexivity].
  rewrite !silu_curvature_bend, bend_even, Ropp_involutive; ring.
Qed.

Lemma curvature_bend (q : R) : 0 <= silu_curvature q -> bend q <= 2.
Proof.
  rewrite silu_curvature_bend; intro H; assert (Hs := sigmoid_range q); assert (Hn := sigmoid_range (- q)).
  assert (0 < sigmoid q * sigmoid (- q)) by (apply Rmult_lt_0_compat; lra); nra.
Qed.

Lemma curvature_decreasing (p q : R) : 0 <= p <= q -> bend q <= 2 -> silu_curvature q <= silu_curvature p.
Proof.
  intros Hpq Hq; rewrite !silu_curvature_bend.
  assert (Hb := bend_increasing p q Hpq); assert (Hd := sigmoid_slope_decreasing p q Hpq).
  assert (Hs := sigmoid_range q); assert (Hn := sigmoid_range (- q)).
  assert (0 < sigmoid q * sigmoid (- q)) by (apply Rmult_lt_0_compat; lra); nra.
Qed.

(** Where the curvature is at least 2c, c >= 0, it is so all the way in between. *)
Lemma curvature_between (c o q x : R) : 0 <= c -> 2 * c <= silu_curvature o -> 2 * c <= silu_curvature q ->
  Rmin o q <= x <= Rmax o q -> 2 * c <= silu_curvature x.
Proof.
  intros Hc Ho Hq Hx.
  assert (Hreach : forall p, 2 * c <= silu_curvature p -> Rabs x <= Rabs p -> 2 * c <= silu_curvature x).
  { intros p Hp Hxp; eapply Rle_trans; [exact Hp|]; rewrite <- (silu_curvature_abs p), <- (silu_curvature_abs x).
    apply curvature_decreasing; [split; [apply Rabs_pos|exact Hxp]|rewrite bend_abs; apply curvature_bend; lra]. }
  assert (Hcase : Rabs x <= Rabs o \/ Rabs x <= Rabs q).
  { unfold Rmin, Rmax in Hx; unfold Rabs.
    destruct (Rle_dec o q), (Rcase_abs x), (Rcase_abs o), (Rcase_abs q); lra. }
  destruct Hcase; [apply (Hreach o)|apply (Hreach q)]; assumption.
Qed.

(** Any r with 2 <= bend(r) bounds where silu is convex: r = 2.4 will do. *)
Lemma bend_reach (r q : R) : 0 <= r -> 2 <= bend r -> bend q <= 2 -> Rabs q <= r.
Proof.
  intros Hr Hb Hq; destruct (Rle_lt_dec (Rabs q) r) as [|H]; [assumption|exfalso].
  rewrite <- bend_abs in Hq; set (x := Rabs q) in *; clearbody x; unfold bend in Hq, Hb.
  assert (Hs := sigmoid_increasing r x ltac:(lra)).
  assert (Hpos : 0 < 2 * sigmoid r - 1) by nra.
  assert (x * (2 * sigmoid r - 1) <= x * (2 * sigmoid x - 1)) by (apply Rmult_le_compat_l; lra); nra.
Qed.

Definition less_parabola (c q : R) : R := even_part q - c * q ^ 2.
Definition less_parabola_slope (c q : R) : R := even_slope q - 2 * c * q.

Lemma less_parabola_slope_derivative (c q : R) : is_derive (less_parabola_slope c) q (silu_curvature q - 2 * c).
Proof.
  assert (Hline : is_derive (fun x => 2 * c * x) q (2 * c)) by (auto_derive; [trivial|ring]).
  apply (is_derive_minus even_slope (fun x => 2 * c * x)); [apply even_slope_derivative|exact Hline].
Qed.

(** The bound at the touching point, wherever the curvature is at least 2c. *)
Lemma touch_inside (r c o m q : R) : 0 <= r -> 2 <= bend r -> 0 <= c ->
  2 * c <= silu_curvature o -> 2 * c <= silu_curvature q ->
  less_parabola c o - m * o - 2 * r * Rabs (less_parabola_slope c o - m) <= less_parabola c q - m * q.
Proof.
  intros Hr Hb Hc Ho Hq.
  assert (Ht : less_parabola c o + less_parabola_slope c o * (q - o) <= less_parabola c q).
  { apply (tangent_below _ _ (fun x => silu_curvature x - 2 * c)); [intro; apply less_parabola_derivative|
      intro; apply less_parabola_slope_derivative|].
    intros x Hx; assert (H := curvature_between c o q x Hc Ho Hq Hx); lra. }
  assert (Hreach : Rabs (q - o) <= 2 * r).
  { assert (H1 := bend_reach r o Hr Hb (curvature_bend o ltac:(lra))).
    assert (H2 := bend_reach r q Hr Hb (curvature_bend q ltac:(lra))).
    unfold Rminus; eapply Rle_trans; [apply Rabs_triang|rewrite Rabs_Ropp; lra]. }
  set (v := less_parabola_slope c o - m).
  assert (Hv : - (2 * r * Rabs v) <= v * (q - o)).
  { assert (H := Rle_abs (- (v * (q - o)))); rewrite Rabs_Ropp, Rabs_mult in H; assert (Hp := Rabs_pos v); nra. }
  unfold v in *; nra.
Qed.

Lemma curvature_continuous : continuity silu_curvature.
Proof.
  intro x; apply continuity_pt_filterlim; apply (ex_derive_continuous (K := R_AbsRing) (V := R_NormedModule)).
  assert (H := exp_pos (- x)); assert (H' := exp_pos (- - x)).
  unfold silu_curvature, sigmoid; auto_derive; repeat split; lra.
Qed.

(** Beyond, the function is concave, so that it is least at an end: where the curvature is 2c, or M. *)
Lemma touch_right (r c o m M q : R) : 0 <= r -> 2 <= bend r -> 0 <= c -> 2 * c <= silu_curvature o -> 0 <= q <= M ->
  Rmin (less_parabola c o - m * o - 2 * r * Rabs (less_parabola_slope c o - m)) (less_parabola c M - m * M)
    <= less_parabola c q - m * q.
Proof.
  intros Hr Hb Hc Ho Hq; destruct (Rle_lt_dec (2 * c) (silu_curvature q)) as [Hin|Hout].
  { eapply Rle_trans; [apply Rmin_l|apply touch_inside; assumption]. }
  assert (Hoq : Rabs o <= q).
  { destruct (Rle_lt_dec (Rabs o) q) as [|H]; [assumption|exfalso].
    assert (Hbo : bend (Rabs o) <= 2) by (rewrite bend_abs; apply curvature_bend; lra).
    assert (Hd := curvature_decreasing q (Rabs o) ltac:(lra) Hbo); rewrite silu_curvature_abs in Hd; lra. }
  destruct (IVT_gen silu_curvature (Rabs o) q (2 * c) curvature_continuous) as [e [He Heq]].
  { rewrite silu_curvature_abs, Rmin_right, Rmax_left; lra. }
  rewrite Rmin_left, Rmax_right in He by exact Hoq; assert (H0 := Rabs_pos o).
  assert (Hconcave : forall x, e <= x -> silu_curvature x - 2 * c <= 0).
  { intros x Hx; destruct (Rle_lt_dec (bend x) 2) as [Hbend|Hbend].
    - assert (H := curvature_decreasing e x ltac:(lra) Hbend); lra.
    - assert (H := silu_curvature_nonpositive x (Rlt_le _ _ Hbend)); lra. }
  assert (Htangent : forall y, e <= y -> less_parabola c y <= less_parabola c q + less_parabola_slope c q * (y - q)).
  { intros y Hy; apply (tangent_above _ _ (fun x => silu_curvature x - 2 * c)); [intro; apply less_parabola_derivative|
      intro; apply less_parabola_slope_derivative|].
    intros x [Hx _]; apply Hconcave, (between_lower e q y x); lra. }
  eapply Rle_trans; [|apply (below_tangents_ends (less_parabola c) (less_parabola_slope c) m e M q)].
  - apply Rmin_glb; [eapply Rle_trans; [apply Rmin_l|apply touch_inside; lra]|apply Rmin_r].
  - lra.
  - apply Htangent; lra.
  - apply Htangent; lra.
Qed.

Theorem even_part_touch (r c o m M q : R) : 0 <= r -> 2 <= bend r -> 0 <= c ->
  2 * c <= silu_curvature o -> Rabs q <= M ->
  Rmin (less_parabola c o - m * o - 2 * r * Rabs (less_parabola_slope c o - m)) (less_parabola c M - Rabs m * M)
    <= less_parabola c q - m * q.
Proof.
  intros Hr Hb Hc Ho HM; apply Rabs_le_between in HM.
  assert (Hm := Rle_abs m); assert (Hm' := Rle_abs (- m)); rewrite Rabs_Ropp in Hm'.
  destruct (Rle_lt_dec 0 q) as [Hq|Hq].
  - eapply Rle_trans; [|apply (touch_right r c o m M q); [exact Hr|exact Hb|exact Hc|exact Ho|lra]].
    apply Rle_min_compat_l; nra.
  - assert (Hfun : forall x, less_parabola c (- x) = less_parabola c x).
    { intro x; unfold less_parabola; rewrite even_part_even; ring. }
    assert (Ho' : 2 * c <= silu_curvature (- o)).
    { rewrite <- silu_curvature_abs, Rabs_Ropp, silu_curvature_abs; exact Ho. }
    assert (H := touch_right r c (- o) (- m) M (- q) Hr Hb Hc Ho' ltac:(lra)).
    assert (Hslope : less_parabola_slope c (- o) - - m = - (less_parabola_slope c o - m)).
    { unfold less_parabola_slope; rewrite even_slope_odd; ring. }
    rewrite Hslope, Rabs_Ropp, !Hfun in H.
    replace (- m * - o) with (m * o) in H by ring; replace (- m * - q) with (m * q) in H by ring.
    eapply Rle_trans; [apply Rle_min_compat_l|exact H]; nra.
Qed.

(** The same times omega > 0, without quotients: w = omega c, sigma = omega m. *)
Theorem touch_relaxation (r omega w sigma o M q : R) : 0 <= r -> 2 <= bend r -> 0 < omega -> 0 <= w ->
  2 * w <= omega * silu_curvature o -> Rabs q <= M ->
  Rmin (omega * even_part o - w * o ^ 2 - sigma * o - 2 * r * Rabs (omega * even_slope o - 2 * w * o - sigma))
       (omega * even_part M - w * M ^ 2 - Rabs sigma * M)
    <= omega * even_part q - w * q ^ 2 - sigma * q.
Proof.
  intros Hr Hb Homega Hw Ho HM; set (c := w / omega); set (m := sigma / omega).
  assert (Hwc : w = omega * c) by (unfold c; field; lra); assert (Hsm : sigma = omega * m) by (unfold m; field; lra).
  clearbody c m; subst w sigma.
  assert (Hc : 0 <= c) by nra; assert (Ho' : 2 * c <= silu_curvature o) by nra.
  assert (H := even_part_touch r c o m M q Hr Hb Hc Ho' HM); unfold less_parabola, less_parabola_slope in H.
  replace (omega * even_slope o - 2 * (omega * c) * o - omega * m)
    with (omega * (even_slope o - 2 * c * o - m)) by ring.
  rewrite !Rabs_mult, !(Rabs_pos_eq omega) by lra.
  set (v := Rabs (even_slope o - 2 * c * o - m)) in *.
  apply Rmult_le_compat_l with (r := omega) in H; [|lra].
  eapply Rle_trans; [|eapply Rle_trans; [exact H|right; ring]].
  unfold Rmin at 2; destruct (Rle_dec _ _).
  - eapply Rle_trans; [apply Rmin_l|right; ring].
  - eapply Rle_trans; [apply Rmin_r|right; ring].
Qed.
