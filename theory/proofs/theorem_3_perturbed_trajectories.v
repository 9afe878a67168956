(** Theorem 3: a perturbation at every step. The oriented, gap-free form, with (1 - exp(-tau)).
    theory/theorems/theorem_3_perturbed_trajectories.md *)
From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From Lyap Require Import recurrence.
Open Scope R_scope.

(** (1 - exp(-s))/s decreases: for 0 < x <= y, x (1 - exp(-y)) <= y (1 - exp(-x)). *)
Lemma one_minus_exp_sublinear (x y : R) : 0 < x <= y -> x * (1 - exp (- y)) <= y * (1 - exp (- x)).
Proof.
  intros [Hx Hxy].
  assert (Hex : 1 + x <= exp x) by (apply Rlt_le, exp_ineq1; lra).
  set (g := fun u => u * (1 - exp (- x)) - x * (1 - exp (- u))).
  assert (Hg : forall u, is_derive g u (1 - exp (- x) - x * exp (- u))).
  { intro u; unfold g; auto_derive; [trivial|ring]. }
  destruct (MVT_gen g x y (fun u => 1 - exp (- x) - x * exp (- u))) as [c [Hc Heq]].
  - intros u _; apply Hg.
  - intros u _; apply continuity_pt_filterlim.
    apply (ex_derive_continuous (K := R_AbsRing) (V := R_NormedModule)); eexists; apply Hg.
  - rewrite Rmin_left, Rmax_right in Hc by lra.
    assert (Hgx : g x = 0) by (unfold g; ring).
    assert (Hslope : 0 <= 1 - exp (- x) - x * exp (- c)).
    { assert (Hdec : exp (- c) <= exp (- x)).
      { destruct (Req_dec c x) as [->|]; [lra|left; apply exp_increasing; lra]. }
      assert (Hinv : exp (- x) * exp x = 1) by (rewrite <- exp_plus, Rplus_opp_l; apply exp_0).
      assert (Hpos := exp_pos (- x)); assert (Hposc := exp_pos (- c)).
      nra. }
    assert (Hgy : 0 <= g y) by (rewrite Hgx in Heq; nra).
    unfold g in Hgy; lra.
Qed.

(** The ratio: |a' - a| <= (1 - exp(-tau)) (1 - min(a, a')) where |log s' - log s| <= tau. *)
Lemma decay_change_ratio_ordered (s s' tau : R) :
  0 < s <= s' -> ln s' - ln s <= tau -> exp (- s) - exp (- s') <= (1 - exp (- tau)) * (1 - exp (- s')).
Proof.
  intros [Hs Hss] Htau.
  assert (Hsub := one_minus_exp_sublinear s s' (conj Hs Hss)).
  assert (Hratio : exp (- tau) * s' <= s).
  { assert (H1 : exp (- tau) <= exp (ln s - ln s')).
    { destruct (Req_dec (- tau) (ln s - ln s')) as [->|]; [lra|left; apply exp_increasing; lra]. }
    assert (H2 : exp (ln s - ln s') = s / s').
    { unfold Rminus; rewrite exp_plus, exp_Ropp, !exp_ln by lra; reflexivity. }
    rewrite H2 in H1.
    apply Rle_trans with (s / s' * s'); [apply Rmult_le_compat_r; lra|right; field; lra]. }
  assert (Hes : 0 < exp (- s') <= 1) by (apply decay_bounds; lra).
  assert (Hrest : exp (- tau) * (1 - exp (- s')) <= 1 - exp (- s)).
  { apply Rmult_le_reg_l with s'; [lra|].
    apply Rle_trans with (s * (1 - exp (- s'))); [|rewrite Rmult_comm in Hsub; lra].
    replace (s' * (exp (- tau) * (1 - exp (- s')))) with ((exp (- tau) * s') * (1 - exp (- s'))) by ring.
    apply Rmult_le_compat_r; lra. }
  lra.
Qed.

Theorem decay_change_ratio (s s' tau : R) :
  0 < s -> 0 < s' -> Rabs (ln s' - ln s) <= tau ->
  Rabs (exp (- s') - exp (- s)) <= (1 - exp (- tau)) * (1 - Rmin (exp (- s)) (exp (- s'))).
Proof.
  intros Hs Hs' Htau.
  assert (Hboth : - tau <= ln s' - ln s <= tau) by (apply Rabs_le_between; exact Htau).
  destruct (Rle_lt_dec s s') as [Hle|Hlt].
  - assert (Hord : exp (- s') <= exp (- s)).
    { destruct (Req_dec s s') as [->|]; [lra|left; apply exp_increasing; lra]. }
    rewrite Rmin_right by exact Hord.
    rewrite Rabs_left1 by lra.
    assert (H := decay_change_ratio_ordered s s' tau (conj Hs Hle)); lra.
  - assert (Hord : exp (- s) <= exp (- s')) by (left; apply exp_increasing; lra).
    rewrite Rmin_left by exact Hord.
    rewrite Rabs_pos_eq by lra.
    assert (H := decay_change_ratio_ordered s' s tau (conj Hs' (Rlt_le _ _ Hlt))); lra.
Qed.

(** One state in terms of its target v: h_t = a_t h_(t-1) + (1 - a_t) v_t. *)
Definition drawn_to (a v h : nat -> R) : Prop := forall t, h (S t) = a (S t) * h t + (1 - a (S t)) * v (S t).

(** One step: a* = min(a, a'), r bounds |a' - a|/(1 - a* ). Where a* = 1 nothing is divided by 0. *)
Lemma step_oriented (a a' v v' h h' E V G r : R) :
  0 <= a <= 1 -> 0 <= a' <= 1 -> 0 <= r ->
  Rabs (a' - a) <= r * (1 - Rmin a a') ->
  Rabs (h' - h) <= E -> Rabs (v' - v) <= V -> Rabs (h - v) <= G -> Rabs (h' - v') <= G ->
  Rabs ((a' * h' + (1 - a') * v') - (a * h + (1 - a) * v)) <= Rmin a a' * E + (1 - Rmin a a') * (V + r * G).
Proof.
  intros Ha Ha' Hr Hratio HE HV HG HG'.
  destruct (Rle_lt_dec a' a) as [Hle|Hlt].
  - rewrite Rmin_right in Hratio |- * by exact Hle.
    replace ((a' * h' + (1 - a') * v') - (a * h + (1 - a) * v))
      with (a' * (h' - h) + ((1 - a') * (v' - v) + (a' - a) * (h - v))) by ring.
    eapply Rle_trans; [apply Rabs_triang|].
    apply Rplus_le_compat.
    + rewrite Rabs_mult, (Rabs_pos_eq a') by lra; apply Rmult_le_compat_l; [lra|exact HE].
    + eapply Rle_trans; [apply Rabs_triang|].
      rewrite !Rabs_mult, (Rabs_pos_eq (1 - a')) by lra.
      assert (Hv : (1 - a') * Rabs (v' - v) <= (1 - a') * V) by (apply Rmult_le_compat_l; lra).
      assert (Hh : Rabs (a' - a) * Rabs (h - v) <= r * (1 - a') * G).
      { apply Rmult_le_compat; try apply Rabs_pos; assumption. }
      lra.
  - rewrite Rmin_left in Hratio |- * by lra.
    replace ((a' * h' + (1 - a') * v') - (a * h + (1 - a) * v))
      with (a * (h' - h) + ((1 - a) * (v' - v) + (a' - a) * (h' - v'))) by ring.
    eapply Rle_trans; [apply Rabs_triang|].
    apply Rplus_le_compat.
    + rewrite Rabs_mult, (Rabs_pos_eq a) by lra; apply Rmult_le_compat_l; [lra|exact HE].
    + eapply Rle_trans; [apply Rabs_triang|].
      rewrite !Rabs_mult, (Rabs_pos_eq (1 - a)) by lra.
      assert (Hv : (1 - a) * Rabs (v' - v) <= (1 - a) * V) by (apply Rmult_le_compat_l; lra).
      assert (Hh : Rabs (a' - a) * Rabs (h' - v') <= r * (1 - a) * G).
      { apply Rmult_le_compat; try apply Rabs_pos; assumption. }
      lra.
Qed.

(** (1): K is any bound of the constants of all steps. *)
Theorem theorem_3_gap_free (a a' v v' h h' V G r : nat -> R) (K : R) (T : nat) :
  drawn_to a v h -> drawn_to a' v' h' ->
  (forall t, 0 <= a t <= 1) -> (forall t, 0 <= a' t <= 1) -> (forall t, 0 <= r t) ->
  (forall t, Rabs (a' (S t) - a (S t)) <= r (S t) * (1 - Rmin (a (S t)) (a' (S t)))) ->
  (forall t, Rabs (v' (S t) - v (S t)) <= V (S t)) ->
  (forall t, Rabs (h t - v (S t)) <= G (S t)) -> (forall t, Rabs (h' t - v' (S t)) <= G (S t)) ->
  (forall t, V (S t) + r (S t) * G (S t) <= K) ->
  let P := product (fun t => Rmin (a t) (a' t)) in
  Rabs (h' T - h T) <= P T * Rabs (h' 0%nat - h 0%nat) + (1 - P T) * K.
Proof.
  intros H H' Ha Ha' Hr Hratio HV HG HG' HK P.
  assert (Hmin : forall t, 0 <= Rmin (a t) (a' t) <= 1).
  { intro t; specialize (Ha t); specialize (Ha' t); split; [apply Rmin_glb; lra|].
    apply Rle_trans with (a t); [apply Rmin_l|lra]. }
  induction T as [|t IH]; [unfold P; simpl; lra|].
  rewrite (H t), (H' t).
  eapply Rle_trans.
  - apply (step_oriented (a (S t)) (a' (S t)) (v (S t)) (v' (S t)) (h t) (h' t)
             (P t * Rabs (h' 0%nat - h 0%nat) + (1 - P t) * K) (V (S t)) (G (S t)) (r (S t)));
      auto.
  - unfold P in *; simpl; set (m := Rmin (a (S t)) (a' (S t))) in *.
    specialize (HK t); assert (Hm := Hmin (S t)); fold m in Hm.
    assert (HKm : (1 - m) * (V (S t) + r (S t) * G (S t)) <= (1 - m) * K) by (apply Rmult_le_compat_l; lra).
    set (Q := product (fun t => Rmin (a t) (a' t)) t) in *.
    replace (Q * m * Rabs (h' 0%nat - h 0%nat) + (1 - Q * m) * K)
      with (m * (Q * Rabs (h' 0%nat - h 0%nat) + (1 - Q) * K) + (1 - m) * K) by ring.
    lra.
Qed.

Corollary theorem_3_maximum (a a' v v' h h' V G r : nat -> R) (K : R) (T : nat) :
  drawn_to a v h -> drawn_to a' v' h' ->
  (forall t, 0 <= a t <= 1) -> (forall t, 0 <= a' t <= 1) -> (forall t, 0 <= r t) ->
  (forall t, Rabs (a' (S t) - a (S t)) <= r (S t) * (1 - Rmin (a (S t)) (a' (S t)))) ->
  (forall t, Rabs (v' (S t) - v (S t)) <= V (S t)) ->
  (forall t, Rabs (h t - v (S t)) <= G (S t)) -> (forall t, Rabs (h' t - v' (S t)) <= G (S t)) ->
  (forall t, V (S t) + r (S t) * G (S t) <= K) ->
  Rabs (h' T - h T) <= Rmax (Rabs (h' 0%nat - h 0%nat)) K.
Proof.
  intros H H' Ha Ha' Hr Hratio HV HG HG' HK.
  assert (Hmain := theorem_3_gap_free a a' v v' h h' V G r K T H H' Ha Ha' Hr Hratio HV HG HG' HK).
  cbv zeta in Hmain; eapply Rle_trans; [exact Hmain|].
  assert (HP : 0 <= product (fun t => Rmin (a t) (a' t)) T <= 1).
  { apply product_bounds; intro t; specialize (Ha t); specialize (Ha' t); split; [apply Rmin_glb; lra|].
    apply Rle_trans with (a t); [apply Rmin_l|lra]. }
  set (P := product _ T) in *.
  assert (Hl := Rmax_l (Rabs (h' 0%nat - h 0%nat)) K).
  assert (Hrr := Rmax_r (Rabs (h' 0%nat - h 0%nat)) K).
  nra.
Qed.
