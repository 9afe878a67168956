(** Weighted sums of numbers known within radii, from quantised weights: the interval method for one functional.
    theory/theorems/universal_domain.md, section 4 (a) *)
From Coq Require Import ZArith Reals Lra Lia Bool List.
From Flocq Require Import Core.Raux.
From Lyap Require Import finite_sums dyadic floating_formats packed_integers packed_products quantised_products.
Import ListNotations.
Open Scope Z_scope.

(** Numbers x_k with |x_k - c_k 2^-t| <= r_k 2^-t. *)
Record spread := Spread { spread_scale : Z; centers : list Z; radii : list Z }.

Definition spreads (s : spread) (n : nat) (x : nat -> R) : Prop :=
  length (centers s) = n /\ length (radii s) = n /\
  forall k, (k < n)%nat ->
    (Rabs (x k - scaled (spread_scale s) (entry (centers s) k)) <= scaled (spread_scale s) (entry (radii s) k))%R.

Definition center_of (t : Z) (r : range) : Z := quantise t (scale2 (-1) (add (lower r) (upper r))).
Definition radius_of (t : Z) (r : range) : Z := quantise_up t (scale2 (-1) (subtract (upper r) (lower r))) + 1.
Definition spread_of (t : Z) (ranges : list range) : spread :=
  Spread t (map (center_of t) ranges) (map (radius_of t) ranges).

Lemma spread_of_sound (t : Z) (ranges : list range) (x : nat -> R) :
  (forall k, (k < length ranges)%nat -> contains (nth k ranges (point zero)) (x k)) ->
  spreads (spread_of t ranges) (length ranges) x.
Proof.
  intro H; unfold spread_of, spreads; cbn [centers radii spread_scale]; rewrite !map_length.
  split; [reflexivity|split; [reflexivity|]]; intros k Hk; specialize (H k Hk).
  unfold entry; rewrite (nth_indep _ 0 (center_of t (point zero))) by (rewrite map_length; exact Hk).
  rewrite (nth_indep (map (radius_of t) ranges) 0 (radius_of t (point zero))) by (rewrite map_length; exact Hk).
  rewrite !map_nth; set (r := nth k ranges (point zero)) in *; unfold center_of, radius_of.
  set (mid := scale2 (-1) (add (lower r) (upper r))); set (half := scale2 (-1) (subtract (upper r) (lower r))).
  assert (Hmid : value mid = ((value (lower r) + value (upper r)) / 2)%R).
  { unfold mid; rewrite value_scale2, value_add; change (power2 (-1)) with (/ 2)%R; lra. }
  assert (Hhalf : value half = ((value (upper r) - value (lower r)) / 2)%R).
  { unfold half; rewrite value_scale2, value_subtract; change (power2 (-1)) with (/ 2)%R; lra. }
  assert (Hq := quantise_error t mid); assert (Hr := quantise_up_above t half).
  unfold scaled; fold (scaled t (quantise t mid)) in Hq; fold (scaled t 1) in Hq; fold (scaled t (quantise_up t half)) in Hr.
  fold (scaled t (quantise t mid)); fold (scaled t (quantise_up t half + 1)); rewrite scaled_plus.
  destruct H as [Hl Hu].
  replace (x k - scaled t (quantise t mid))%R with ((x k - value mid) + (value mid - scaled t (quantise t mid)))%R by ring.
  eapply Rle_trans; [apply Rabs_triang|]; apply Rplus_le_compat; [|exact Hq].
  eapply Rle_trans; [|exact Hr]; eapply Rle_trans; [|apply Rle_abs]; apply Rabs_le; lra.
Qed.

(** sum |a_k| over the sum of the radii, a quantised within e units. *)
Definition weighted_radius (e : Z) (a : list Z) (s : spread) : Z :=
  magnitude_dot a (radii s) + e * (magnitude_sum (centers s) + magnitude_sum (radii s)).

(** The range of sum_k w_k x_k for weights within e 2^-s of a_k 2^-s. *)
Definition weighted_over (e s : Z) (a : list Z) (x : spread) : range :=
  let c := dot a (centers x) in
  let r := weighted_radius e a x in
  let at_scale z := Dyadic z (- (s + spread_scale x)) in
  Range (at_scale (c - r)) (at_scale (c + r)).

Lemma magnitude_dot_sum (s t : Z) (a r : list Z) : length r = length a ->
  scaled (s + t) (magnitude_dot a r) = sum (length a) (fun k => Rabs (scaled s (entry a k)) * scaled t (entry r k))%R.
Proof.
  intro H; rewrite magnitude_dot_dot_sum, scaled_dot_sum, map_length; apply sum_same; intros k Hk; f_equal.
  rewrite <- scaled_abs; f_equal; unfold entry.
  rewrite (nth_indep _ 0 (Z.abs 0)) by (rewrite map_length; exact Hk); apply map_nth.
Qed.

Theorem weighted_over_contains (n : nat) (e s : Z) (a : list Z) (w : nat -> R) (x : spread) (y : nat -> R) :
  length a = n -> 0 <= e -> near n e s a w -> spreads x n y ->
  contains (weighted_over e s a x) (sum n (fun k => w k * y k)%R).
Proof.
  intros Ha He Hw [Hc [Hr Hy]]; set (t := spread_scale x) in *.
  assert (Hdiff : (Rabs (sum n (fun k => w k * y k) - scaled (s + t) (dot a (centers x)))
                    <= scaled (s + t) (weighted_radius e a x))%R).
  { rewrite dot_dot_sum, scaled_dot_sum, Ha, <- sum_minus.
    eapply Rle_trans; [apply sum_abs|].
    unfold weighted_radius; rewrite scaled_plus, scaled_multiply, scaled_plus, !sum_magnitudes, Hc, Hr.
    rewrite magnitude_dot_sum by lia; rewrite Ha, <- sum_plus, <- sum_scaled, <- sum_plus.
    apply sum_le; intros k Hk; specialize (Hw k Hk); specialize (Hy k Hk).
    set (W := scaled s (entry a k)) in *; set (Y := scaled t (entry (centers x) k)) in *.
    set (rho := scaled t (entry (radii x) k)) in *; set (eps := scaled s e) in *.
    replace (w k * y k - W * Y)%R with (W * (y k - Y) + (w k - W) * Y + (w k - W) * (y k - Y))%R by ring.
    assert (H1 := Rabs_pos (w k - W)); assert (H2 := Rabs_pos (y k - Y)); assert (HW := Rabs_pos W); assert (HY := Rabs_pos Y).
    assert (Hrho := Rle_abs rho).
    eapply Rle_trans; [apply Rabs_triang|]; eapply Rle_trans; [apply Rplus_le_compat_r, Rabs_triang|].
    rewrite !Rabs_mult.
    assert (A1 : (Rabs W * Rabs (y k - Y) <= Rabs W * rho)%R) by (apply Rmult_le_compat_l; assumption).
    assert (A2 : (Rabs (w k - W) * Rabs Y <= eps * Rabs Y)%R) by (apply Rmult_le_compat_r; assumption).
    assert (A3 : (Rabs (w k - W) * Rabs (y k - Y) <= eps * Rabs rho)%R).
    { apply Rmult_le_compat; [exact H1|exact H2|exact Hw|lra]. }
    lra. }
  unfold contains, weighted_over; cbv zeta; cbn [lower upper]; fold t.
  fold (scaled (s + t) (dot a (centers x) - weighted_radius e a x)).
  fold (scaled (s + t) (dot a (centers x) + weighted_radius e a x)).
  rewrite scaled_plus; unfold Z.sub; rewrite scaled_plus.
  replace (scaled (s + t) (- weighted_radius e a x)) with (- scaled (s + t) (weighted_radius e a x))%R
    by (unfold scaled, value; cbn [mantissa exponent]; rewrite opp_IZR; ring).
  apply Rabs_le_inv in Hdiff; lra.
Qed.
