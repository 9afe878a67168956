(** The shape of silu(q) = q sigmoid(q): where it falls and rises, its least value, where it is convex and where
    concave, and the bounds of its slope. theory/theorems/universal_domain.md *)
From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From Lyap Require Import step_sizes.
Open Scope R_scope.

Definition silu (q : R) : R := q * sigmoid q.
Definition silu_slope (q : R) : R := sigmoid q * (1 + q * sigmoid (- q)).
Definition silu_curvature (q : R) : R := sigmoid q * sigmoid (- q) * (2 + q * (1 - 2 * sigmoid q)).

(** * Sigmoid *)

Lemma sigmoid_range (q : R) : 0 < sigmoid q < 1.
Proof.
  assert (H := exp_pos (- q)); unfold sigmoid; split; [apply Rinv_0_lt_compat; lra|].
  rewrite <- Rinv_1; apply Rinv_lt_contravar; lra.
Qed.

Lemma sigmoid_negated (q : R) : sigmoid (- q) = 1 - sigmoid q.
Proof.
  unfold sigmoid; rewrite Ropp_involutive, exp_Ropp; assert (H := exp_pos q); field; lra.
Qed.

Lemma sigmoid_zero : sigmoid 0 = / 2.
Proof. unfold sigmoid; rewrite Ropp_0, exp_0; reflexivity. Qed.

(** sigmoid(-q) = exp(-q) sigmoid(q) and its mirror image. *)
Lemma sigmoid_odds (q : R) : sigmoid q = exp q * sigmoid (- q).
Proof.
  unfold sigmoid; rewrite Ropp_involutive, exp_Ropp; assert (H := exp_pos q); field; lra.
Qed.

Lemma sigmoid_increasing (p q : R) : p <= q -> sigmoid p <= sigmoid q.
Proof.
  intro Hpq; unfold sigmoid; assert (H := exp_pos (- q)); apply Rinv_le_contravar; [lra|].
  apply Rplus_le_compat_l; destruct Hpq as [Hlt|Heq]; [left; apply exp_increasing; lra|right; rewrite Heq; reflexivity].
Qed.

Lemma sigmoid_half (q : R) : 0 <= q -> / 2 <= sigmoid q.
Proof. intro Hq; rewrite <- sigmoid_zero; apply sigmoid_increasing; exact Hq. Qed.

Lemma sigmoid_derivative (q : R) : is_derive sigmoid q (sigmoid q * sigmoid (- q)).
Proof.
  assert (H := exp_pos (- q)); rewrite sigmoid_negated; unfold sigmoid; auto_derive; [lra|field; lra].
Qed.

Lemma silu_derivative (q : R) : is_derive silu q (silu_slope q).
Proof.
  assert (Hd := sigmoid_derivative q).
  assert (He : Derive sigmoid q = sigmoid q * sigmoid (- q)) by (apply is_derive_unique; exact Hd).
  unfold silu, silu_slope; auto_derive; [exists (sigmoid q * sigmoid (- q)); exact Hd|].
  change (Derive (fun x => sigmoid x) q) with (Derive sigmoid q); rewrite He; ring.
Qed.

Lemma silu_slope_derivative (q : R) : is_derive silu_slope q (silu_curvature q).
Proof.
  assert (Hd := sigmoid_derivative q).
  apply is_derive_ext with (fun x => sigmoid x * (1 + x * (1 - sigmoid x))).
  { intro x; unfold silu_slope; rewrite sigmoid_negated; reflexivity. }
  assert (He : Derive sigmoid q = sigmoid q * sigmoid (- q)) by (apply is_derive_unique; exact Hd).
  unfold silu_curvature; rewrite sigmoid_negated in *.
  auto_derive; [repeat split; eexists; exact Hd|].
  change (Derive (fun x => sigmoid x) q) with (Derive sigmoid q); rewrite He; ring.
Qed.

(** * Differentiable functions: monotone pieces and tangents *)

Lemma mean_value (f f' : R -> R) (a b : R) : (forall x, is_derive f x (f' x)) ->
  exists c, Rmin a b <= c <= Rmax a b /\ f b - f a = f' c * (b - a).
Proof.
  intro Hf; apply MVT_gen; intros x _; [apply Hf|].
  apply continuity_pt_filterlim; apply (ex_derive_continuous (K := R_AbsRing) (V := R_NormedModule) f).
  exists (f' x); apply Hf.
Qed.

Lemma rises (f f' : R -> R) (a b : R) : (forall x, is_derive f x (f' x)) -> a <= b ->
  (forall x, a <= x <= b -> 0 <= f' x) -> f a <= f b.
Proof.
  intros Hf Hab Hpos; destruct (mean_value f f' a b Hf) as [c [Hc Heq]].
  rewrite Rmin_left, Rmax_right in Hc by exact Hab; specialize (Hpos c Hc); nra.
Qed.

Lemma falls (f f' : R -> R) (a b : R) : (forall x, is_derive f x (f' x)) -> a <= b ->
  (forall x, a <= x <= b -> f' x <= 0) -> f b <= f a.
Proof.
  intros Hf Hab Hneg; destruct (mean_value f f' a b Hf) as [c [Hc Heq]].
  rewrite Rmin_left, Rmax_right in Hc by exact Hab; specialize (Hneg c Hc); nra.
Qed.

Lemma tangent_below (f f' f'' : R -> R) (t q : R) :
  (forall x, is_derive f x (f' x)) -> (forall x, is_derive f' x (f'' x)) ->
  (forall x, Rmin t q <= x <= Rmax t q -> 0 <= f'' x) -> f t + f' t * (q - t) <= f q.
Proof.
  intros Hf Hf' Hpos; destruct (mean_value f f' t q Hf) as [c [Hc Heq]].
  destruct (Rle_lt_dec t q) as [Htq|Htq].
  - rewrite Rmin_left, Rmax_right in Hc, Hpos by exact Htq.
    assert (f' t <= f' c) by (apply (rises f' f''); [exact Hf'|lra|intros; apply Hpos; lra]); nra.
  - rewrite Rmin_right, Rmax_left in Hc, Hpos by lra.
    assert (f' c <= f' t) by (apply (rises f' f''); [exact Hf'|lra|intros; apply Hpos; lra]); nra.
Qed.

Lemma tangent_above (f f' f'' : R -> R) (t q : R) :
  (forall x, is_derive f x (f' x)) -> (forall x, is_derive f' x (f'' x)) ->
  (forall x, Rmin t q <= x <= Rmax t q -> f'' x <= 0) -> f q <= f t + f' t * (q - t).
Proof.
  intros Hf Hf' Hneg.
  assert (H : - f t + - f' t * (q - t) <= - f q); [|lra].
  apply (tangent_below (fun x => - f x) (fun x => - f' x) (fun x => - f'' x)).
  - intro x; apply (is_derive_opp f x (f' x)), Hf.
  - intro x; apply (is_derive_opp f' x (f'' x)), Hf'.
  - intros x Hx; specialize (Hneg x Hx); lra.
Qed.

(** * Falling, rising, the least value *)

Lemma silu_slope_sign (q : R) : silu_slope q = sigmoid q * sigmoid (- q) * (1 + q + exp q).
Proof.
  assert (H := sigmoid_odds q); assert (Hn := sigmoid_negated q); unfold silu_slope.
  replace (sigmoid q * sigmoid (- q) * (1 + q + exp q))
    with (sigmoid q * (sigmoid (- q) + q * sigmoid (- q) + exp q * sigmoid (- q))) by ring.
  rewrite <- H, Hn; ring.
Qed.

Lemma silu_slope_nonnegative (q : R) : 0 <= silu_slope q <-> 0 <= 1 + q + exp q.
Proof.
  rewrite silu_slope_sign; assert (H := sigmoid_range q); assert (H' := sigmoid_range (- q)).
  assert (0 < sigmoid q * sigmoid (- q)) by (apply Rmult_lt_0_compat; lra); split; intro; nra.
Qed.

Lemma silu_slope_nonpositive (q : R) : silu_slope q <= 0 <-> 1 + q + exp q <= 0.
Proof.
  rewrite silu_slope_sign; assert (H := sigmoid_range q); assert (H' := sigmoid_range (- q)).
  assert (0 < sigmoid q * sigmoid (- q)) by (apply Rmult_lt_0_compat; lra); split; intro; nra.
Qed.

Lemma exp_at_most (p q : R) : p <= q -> exp p <= exp q.
Proof. intros [H|H]; [left; apply exp_increasing; exact H|right; rewrite H; reflexivity]. Qed.

Theorem silu_falls (p q c : R) : 1 + c + exp c <= 0 -> p <= q <= c -> silu q <= silu p.
Proof.
  intros Hc Hpq; apply (falls silu silu_slope); [apply silu_derivative|lra|].
  intros x Hx; apply silu_slope_nonpositive; assert (H := exp_at_most x c ltac:(lra)); lra.
Qed.

Theorem silu_rises (p q c : R) : 0 <= 1 + c + exp c -> c <= p <= q -> silu p <= silu q.
Proof.
  intros Hc Hpq; apply (rises silu silu_slope); [apply silu_derivative|lra|].
  intros x Hx; apply silu_slope_nonnegative; assert (H := exp_at_most c x ltac:(lra)); lra.
Qed.

Theorem silu_upper (L U q : R) : L <= q <= U -> silu q <= Rmax (silu L) (silu U).
Proof.
  intro Hq; destruct (Rle_lt_dec 0 (1 + q + exp q)) as [H|H].
  - eapply Rle_trans; [apply (silu_rises q U q); lra|apply Rmax_r].
  - eapply Rle_trans; [apply (silu_falls L q q); lra|apply Rmax_l].
Qed.

Theorem silu_lower_rising (L q : R) : 0 <= 1 + L + exp L -> L <= q -> silu L <= silu q.
Proof. intros HL Hq; apply (silu_rises L q L); lra. Qed.

Theorem silu_lower_falling (U q : R) : 1 + U + exp U <= 0 -> q <= U -> silu U <= silu q.
Proof. intros HU Hq; apply (silu_falls q U U); lra. Qed.

(** The minimum is -exp(c) where 1 + c + exp(c) = 0, c = -1.278...; every c a little above gives a lower bound. *)
Theorem silu_global_lower (c q : R) : 0 <= 1 + c + exp c -> - exp c <= silu q.
Proof.
  intro Hc; assert (Hs := sigmoid_range q); assert (He := exp_ineq1_le (c - q)).
  assert (Hsplit : exp (c - q) = exp c * exp (- q)) by (rewrite <- exp_plus; f_equal; ring).
  assert (Hone : sigmoid q * (1 + exp (- q)) = 1) by (unfold sigmoid; field; assert (H := exp_pos (- q)); lra).
  assert (H : 0 <= sigmoid q * (q + exp c + exp (c - q))) by (apply Rmult_le_pos; lra).
  rewrite Hsplit in H.
  replace (sigmoid q * (q + exp c + exp c * exp (- q))) with (q * sigmoid q + exp c * (sigmoid q * (1 + exp (- q))))
    in H by ring.
  rewrite Hone in H; unfold silu; lra.
Qed.

Lemma silu_abs (q : R) : Rabs (silu q) <= Rabs q.
Proof.
  unfold silu; rewrite Rabs_mult; assert (H := sigmoid_range q); assert (Hq := Rabs_pos q).
  rewrite (Rabs_pos_eq (sigmoid q)) by lra; nra.
Qed.

Lemma silu_at_least_half (q : R) : q / 2 <= silu q.
Proof.
  unfold silu; destruct (Rle_lt_dec 0 q) as [Hq|Hq].
  - assert (H := sigmoid_half q Hq); nra.
  - assert (H := sigmoid_increasing q 0 ltac:(lra)); rewrite sigmoid_zero in H; nra.
Qed.

(** * Convex in the middle, concave outside *)

(** bend(q) = q tanh(q/2) decides: silu'' has the sign of 2 - bend. *)
Definition bend (q : R) : R := q * (2 * sigmoid q - 1).

Lemma bend_even (q : R) : bend (- q) = bend q.
Proof. unfold bend; rewrite sigmoid_negated; ring. Qed.

Lemma bend_increasing (p q : R) : 0 <= p <= q -> bend p <= bend q.
Proof.
  intro Hpq; unfold bend.
  assert (H := sigmoid_increasing p q ltac:(lra)); assert (Hp := sigmoid_half p ltac:(lra)).
  apply Rmult_le_compat; lra.
Qed.

Lemma bend_abs (q : R) : bend (Rabs q) = bend q.
Proof. unfold Rabs; destruct (Rcase_abs q); [apply bend_even|reflexivity]. Qed.

Lemma bend_at_most (q a : R) : - a <= q <= a -> bend q <= bend a.
Proof.
  intro Hq; rewrite <- bend_abs; apply bend_increasing; split; [apply Rabs_pos|apply Rabs_le; exact Hq].
Qed.

Lemma silu_curvature_bend (q : R) : silu_curvature q = sigmoid q * sigmoid (- q) * (2 - bend q).
Proof. unfold silu_curvature, bend; ring. Qed.

Lemma silu_curvature_nonnegative (q : R) : bend q <= 2 -> 0 <= silu_curvature q.
Proof.
  intro H; rewrite silu_curvature_bend; assert (Hs := sigmoid_range q); assert (Hn := sigmoid_range (- q)).
  apply Rmult_le_pos; [apply Rmult_le_pos|]; lra.
Qed.

Lemma silu_curvature_nonpositive (q : R) : 2 <= bend q -> silu_curvature q <= 0.
Proof.
  intro H; rewrite silu_curvature_bend; assert (Hs := sigmoid_range q); assert (Hn := sigmoid_range (- q)).
  assert (0 < sigmoid q * sigmoid (- q)) by (apply Rmult_lt_0_compat; lra); nra.
Qed.

Lemma between_lower (l t q x : R) : l <= t -> l <= q -> Rmin t q <= x -> l <= x.
Proof. unfold Rmin; destruct (Rle_dec t q); lra. Qed.

Lemma between_upper (u t q x : R) : t <= u -> q <= u -> x <= Rmax t q -> x <= u.
Proof. unfold Rmax; destruct (Rle_dec t q); lra. Qed.

Theorem silu_convex (a t q : R) : bend a <= 2 -> - a <= t <= a -> - a <= q <= a ->
  silu t + silu_slope t * (q - t) <= silu q.
Proof.
  intros Ha Ht Hq; apply (tangent_below silu silu_slope silu_curvature); [apply silu_derivative|
    apply silu_slope_derivative|].
  intros x [Hl Hu]; apply silu_curvature_nonnegative; eapply Rle_trans; [|exact Ha].
  apply bend_at_most; split; [apply (between_lower _ t q)|apply (between_upper _ t q)]; lra.
Qed.

Theorem silu_concave_right (a t q : R) : 0 <= a -> 2 <= bend a -> a <= t -> a <= q ->
  silu q <= silu t + silu_slope t * (q - t).
Proof.
  intros Ha Hb Ht Hq; apply (tangent_above silu silu_slope silu_curvature); [apply silu_derivative|
    apply silu_slope_derivative|].
  intros x [Hl _]; apply silu_curvature_nonpositive; eapply Rle_trans; [exact Hb|].
  apply bend_increasing; split; [exact Ha|apply (between_lower _ t q); lra].
Qed.

Theorem silu_concave_left (a t q : R) : 0 <= a -> 2 <= bend a -> t <= - a -> q <= - a ->
  silu q <= silu t + silu_slope t * (q - t).
Proof.
  intros Ha Hb Ht Hq; apply (tangent_above silu silu_slope silu_curvature); [apply silu_derivative|
    apply silu_slope_derivative|].
  intros x [_ Hu]; apply silu_curvature_nonpositive; eapply Rle_trans; [exact Hb|].
  rewrite <- (bend_even x); apply bend_increasing; split; [exact Ha|].
  assert (x <= - a) by (apply (between_upper _ t q); lra); lra.
Qed.

(** What lies above its tangents, less any line, is greatest at an end; what lies below them is least at one. *)
Lemma above_tangents_ends (f f' : R -> R) (s a b q : R) : a <= q <= b ->
  f q + f' q * (a - q) <= f a -> f q + f' q * (b - q) <= f b -> f q - s * q <= Rmax (f a - s * a) (f b - s * b).
Proof.
  intros Hq Ha Hb; destruct (Rle_lt_dec s (f' q)).
  - eapply Rle_trans; [|apply Rmax_r]; nra.
  - eapply Rle_trans; [|apply Rmax_l]; nra.
Qed.

Lemma below_tangents_ends (f f' : R -> R) (s a b q : R) : a <= q <= b ->
  f a <= f q + f' q * (a - q) -> f b <= f q + f' q * (b - q) -> Rmin (f a - s * a) (f b - s * b) <= f q - s * q.
Proof.
  intros Hq Ha Hb; destruct (Rle_lt_dec s (f' q)).
  - eapply Rle_trans; [apply Rmin_l|]; nra.
  - eapply Rle_trans; [apply Rmin_r|]; nra.
Qed.

Theorem silu_convex_ends (c s a b q : R) : bend c <= 2 -> - c <= a -> b <= c -> a <= q <= b ->
  silu q - s * q <= Rmax (silu a - s * a) (silu b - s * b).
Proof.
  intros Hc Ha Hb Hq; apply (above_tangents_ends silu silu_slope); [exact Hq| |]; apply (silu_convex c); lra.
Qed.

Theorem silu_concave_right_ends (c s a b q : R) : 0 <= c -> 2 <= bend c -> c <= a -> a <= q <= b ->
  Rmin (silu a - s * a) (silu b - s * b) <= silu q - s * q.
Proof.
  intros H0 Hc Ha Hq; apply (below_tangents_ends silu silu_slope); [exact Hq| |]; apply (silu_concave_right c); lra.
Qed.

Theorem silu_concave_left_ends (c s a b q : R) : 0 <= c -> 2 <= bend c -> b <= - c -> a <= q <= b ->
  Rmin (silu a - s * a) (silu b - s * b) <= silu q - s * q.
Proof.
  intros H0 Hc Hb Hq; apply (below_tangents_ends silu silu_slope); [exact Hq| |]; apply (silu_concave_left c); lra.
Qed.

(** * The slope *)

Lemma silu_slope_negated (q : R) : silu_slope (- q) = 1 - silu_slope q.
Proof. unfold silu_slope; rewrite Ropp_involutive, sigmoid_negated; ring. Qed.

Lemma exp_two_fifths : 11 <= exp (12 / 5).
Proof.
  assert (H := exp_ge_taylor (3 / 5) 4 ltac:(lra)); simpl in H.
  assert (Hbase : 18214 / 10000 <= exp (3 / 5)) by lra; clear H.
  replace (exp (12 / 5)) with ((exp (3 / 5) * exp (3 / 5)) * (exp (3 / 5) * exp (3 / 5)))
    by (rewrite <- !exp_plus; f_equal; lra).
  assert (331 / 100 <= exp (3 / 5) * exp (3 / 5)) by nra.
  assert (33166 / 10000 <= exp (3 / 5) * exp (3 / 5)) by nra; nra.
Qed.

(** silu' <= 1.1: with E = exp(q), E/10 + 11/(10 E) + 6/5 - q is least at E = 11, where it is 12/5 - log 11 > 0. *)
Lemma silu_slope_upper (q : R) : silu_slope q <= 11 / 10.
Proof.
  set (E := exp q); assert (HE : 0 < E) by apply exp_pos.
  assert (Hq : q <= E / 11 + 7 / 5).
  { assert (H := exp_ineq1_le (q - 12 / 5)).
    unfold Rminus in H; rewrite exp_plus, exp_Ropp in H; fold E in H.
    assert (Hi : / exp (12 / 5) <= / 11) by (apply Rinv_le_contravar; [lra|apply exp_two_fifths]); nra. }
  assert (Hs : sigmoid q * (1 + E) = E).
  { unfold sigmoid; rewrite exp_Ropp; fold E; field; lra. }
  unfold silu_slope; rewrite sigmoid_negated; set (s := sigmoid q) in *.
  assert (Hr : (1 - s) * (1 + E) = 1) by lra.
  apply Rmult_le_reg_r with ((1 + E) * (1 + E)); [nra|].
  replace (s * (1 + q * (1 - s)) * ((1 + E) * (1 + E)))
    with (s * (1 + E) * (1 + E) + q * (s * (1 + E)) * ((1 - s) * (1 + E))) by ring.
  rewrite Hs, Hr.
  assert (E * q <= E * (E / 11 + 7 / 5)) by (apply Rmult_le_compat_l; lra).
  assert (Hsquare := Rle_0_sqr (E - 11)); unfold Rsqr in Hsquare; nra.
Qed.

Theorem silu_slope_range (q : R) : - (1 / 10) <= silu_slope q <= 11 / 10.
Proof.
  split; [|apply silu_slope_upper].
  assert (H := silu_slope_upper (- q)); rewrite silu_slope_negated in H; lra.
Qed.

(** Between two points silu moves by a slope in [-1/10, 11/10]. *)
Theorem silu_lipschitz (a q : R) : a <= q ->
  silu a - 1 / 10 * (q - a) <= silu q <= silu a + 11 / 10 * (q - a).
Proof.
  intro Haq; destruct (mean_value silu silu_slope a q silu_derivative) as [c [_ Heq]].
  assert (H := silu_slope_range c); nra.
Qed.
