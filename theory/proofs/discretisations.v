(** Zero-order hold and Euler steps as one formula, how far their targets move, and Theorem 3 for two programs.
    theory/theorems/invariant_bound.md, theorem_3_perturbed_trajectories.md, gains.md (last section) *)
From Coq Require Import Reals Lra Lia.
From Lyap Require Import recurrence theorem_2_output_deviation theorem_3_perturbed_trajectories selective_recurrence
  gains.
Open Scope R_scope.

(** h_t = a_t h_(t-1) + (1 - a_t)/alpha B_t x_t, a_t = exp(-alpha Delta_t). *)
Definition zero_order_hold_steps (alpha : R) (Delta B x h : nat -> R) : Prop :=
  forall t, h (S t) = exp (- (alpha * Delta (S t))) * h t
                      + (1 - exp (- (alpha * Delta (S t)))) / alpha * B (S t) * x (S t).

Lemma zero_order_hold_drawn (alpha : R) (Delta B x h : nat -> R) : zero_order_hold_steps alpha Delta B x h ->
  drawn_to (fun t => exp (- (alpha * Delta t))) (fun t => / alpha * (B t * x t)) h.
Proof. intros Hh t; rewrite (Hh t); unfold Rdiv; ring. Qed.

Lemma decay_within_unit (alpha Delta : R) : 0 < alpha -> 0 <= Delta -> 0 <= exp (- (alpha * Delta)) <= 1.
Proof. intros Halpha HDelta; assert (H := decay_bounds (alpha * Delta) ltac:(nra)); lra. Qed.

Theorem zero_order_hold_invariant_bound (alpha Bm X : R) (Delta B x h : nat -> R) (T : nat) :
  0 < alpha -> zero_order_hold_steps alpha Delta B x h -> (forall t, 0 <= Delta (S t)) ->
  (forall t, Rabs (B (S t)) <= Bm) -> (forall t, Rabs (x (S t)) <= X) ->
  Rabs (h T) <= Rmax (Rabs (h 0%nat)) (/ alpha * (Bm * X)).
Proof.
  intros Halpha Hh HDelta HB Hx.
  refine (drawn_to_within _ _ h _ T (zero_order_hold_drawn alpha Delta B x h Hh) _ (Rmax_l _ _) _); intro t.
  - apply decay_within_unit; auto.
  - eapply Rle_trans; [|apply Rmax_r].
    assert (Hinv := Rinv_0_lt_compat _ Halpha); rewrite !Rabs_mult, (Rabs_pos_eq (/ alpha)) by lra.
    apply Rmult_le_compat_l; [lra|apply Rmult_le_compat; try apply Rabs_pos; auto].
Qed.

(** Scales (1/alpha, or psi/alpha) within exp(gamma) of each other, and what that makes of targets g B x. *)
Definition scales_within (gamma g g' : R) : Prop := 0 <= g /\ g' <= exp gamma * g /\ g <= exp gamma * g'.

Theorem target_change (gamma g g' B B' x x' : R) : 0 <= gamma -> scales_within gamma g g' ->
  Rabs (g' * (B' * x') - g * (B * x)) <=
  (exp gamma - 1) * Rabs (g * (B * x)) + exp gamma * g * (Rabs B' * Rabs (x' - x) + Rabs (B' - B) * Rabs x).
Proof.
  intros Hg [H0 [Hup Hdown]]; destruct (rho_bounds gamma Hg) as [Hone Hrho]; assert (Hinv := exp_opposite gamma).
  set (e := exp gamma) in *; set (m := exp (- gamma)) in *.
  assert (Hm : 0 < m) by (unfold m; apply exp_pos).
  assert (Hlow : m * g <= g').
  { apply Rle_trans with (m * (e * g')); [apply Rmult_le_compat_l; lra|rewrite <- Rmult_assoc, Hinv; lra]. }
  assert (Hg' : 0 <= g') by (assert (0 <= m * g) by (apply Rmult_le_pos; lra); lra).
  assert (Hdiff : Rabs (g' - g) <= (e - 1) * g) by (apply Rabs_le; split; nra).
  replace (g' * (B' * x') - g * (B * x)) with ((g' - g) * (B * x) + g' * (B' * x' - B * x)) by ring.
  eapply Rle_trans; [apply Rabs_triang|].
  rewrite (Rabs_mult (g' - g)), (Rabs_mult g'), (Rabs_mult g), (Rabs_pos_eq g), (Rabs_pos_eq g') by assumption.
  apply Rplus_le_compat.
  - rewrite <- Rmult_assoc; apply Rmult_le_compat_r; [apply Rabs_pos|exact Hdiff].
  - apply Rmult_le_compat; [exact Hg'|apply Rabs_pos|exact Hup|apply term_change].
Qed.

(** exp(A_log) changes by a factor within exp(gamma). *)
Lemma rate_upper (gamma A A' : R) : Rabs (A' - A) <= gamma -> exp A' <= exp gamma * exp A.
Proof.
  intro H; assert (Hle := Rle_abs (A' - A)); rewrite <- exp_plus.
  destruct (Rle_lt_or_eq_dec A' (gamma + A) ltac:(lra)) as [Hlt|Heq]; [left; apply exp_increasing; exact Hlt|].
  rewrite Heq; apply Rle_refl.
Qed.

Lemma zero_order_hold_scales (gamma A A' : R) : Rabs (A' - A) <= gamma -> scales_within gamma (/ exp A) (/ exp A').
Proof.
  intro H; rewrite <- !exp_Ropp; split; [left; apply exp_pos|split; apply rate_upper].
  - replace (- A' - - A) with (- (A' - A)) by ring; rewrite Rabs_Ropp; exact H.
  - replace (- A - - A') with (A' - A) by ring; exact H.
Qed.

(** Euler: the scale increases in Delta, decreases in alpha, and is multiplied by exp(gamma) where Delta is multiplied
    by it and alpha divided. *)
Lemma target_scale_decreasing (alpha alpha' Delta : R) : 0 < alpha <= alpha' -> 0 <= Delta ->
  target_scale alpha' Delta <= target_scale alpha Delta.
Proof.
  intros [Halpha Hle] [HDelta|<-]; [|rewrite !target_scale_zero; apply Rinv_le_contravar; assumption].
  rewrite !target_scale_positive_step by lra; apply Rmult_le_compat_l; [lra|].
  assert (H := one_minus_exp_positive (alpha * Delta) ltac:(nra)); apply Rinv_le_contravar; [lra|].
  destruct Hle as [Hlt|<-]; [|apply Rle_refl].
  assert (exp (- (alpha' * Delta)) < exp (- (alpha * Delta))) by (apply exp_increasing; nra); lra.
Qed.

Lemma target_scale_homogeneous (c alpha Delta : R) : 0 < c -> 0 < alpha ->
  target_scale (/ c * alpha) (c * Delta) = c * target_scale alpha Delta.
Proof.
  intros Hc Halpha; unfold target_scale.
  replace (/ c * alpha * (c * Delta)) with (alpha * Delta) by (field; lra); field; lra.
Qed.

Lemma euler_scale_upper (gamma A A' Delta Delta' : R) : Rabs (A' - A) <= gamma -> within_factor gamma Delta Delta' ->
  target_scale (exp A') Delta' <= exp gamma * target_scale (exp A) Delta.
Proof.
  intros HA HD; destruct (within_factor_nonnegative _ _ _ HD) as [H0 H0'].
  assert (Hp := exp_pos gamma); assert (HpA := exp_pos A).
  assert (Hlow : / exp gamma * exp A <= exp A').
  { rewrite Rabs_minus_sym in HA; assert (H := rate_upper _ _ _ HA).
    apply Rmult_le_reg_l with (exp gamma); [exact Hp|].
    rewrite <- Rmult_assoc, Rinv_r, Rmult_1_l by lra; exact H. }
  assert (Hpos : 0 < / exp gamma * exp A) by (apply Rmult_lt_0_compat; [apply Rinv_0_lt_compat|]; assumption).
  rewrite <- target_scale_homogeneous by assumption.
  apply Rle_trans with (target_scale (/ exp gamma * exp A) Delta').
  - apply target_scale_decreasing; [split; assumption|exact H0'].
  - apply target_scale_increasing; [exact Hpos|split; [exact H0'|apply within_factor_upper; exact HD]].
Qed.

Theorem euler_scales (gamma A A' Delta Delta' : R) : Rabs (A' - A) <= gamma -> within_factor gamma Delta Delta' ->
  scales_within gamma (target_scale (exp A) Delta) (target_scale (exp A') Delta').
Proof.
  intros HA HD; destruct (within_factor_nonnegative _ _ _ HD) as [H0 H0'].
  destruct (target_scale_bounds (exp A) Delta (exp_pos A) H0) as [[? ?] _].
  split; [lra|split; apply euler_scale_upper; try assumption].
  - rewrite Rabs_minus_sym; exact HA.
  - apply within_factor_symmetric; exact HD.
Qed.

(** s = alpha Delta changes by a factor within exp(gamma_A + gamma_D). *)
Lemma exponents_within (gamma_A gamma_D A A' Delta Delta' : R) :
  Rabs (A' - A) <= gamma_A -> within_factor gamma_D Delta Delta' ->
  within_factor (gamma_A + gamma_D) (exp A * Delta) (exp A' * Delta').
Proof.
  intros HA [[-> ->]|[H [H' Hln]]]; [left; lra|right].
  assert (HpA := exp_pos A); assert (HpA' := exp_pos A').
  repeat split; try (apply Rmult_lt_0_compat; assumption).
  rewrite !ln_mult, !ln_exp by assumption.
  replace (A' + ln Delta' - (A + ln Delta)) with ((A' - A) + (ln Delta' - ln Delta)) by ring.
  eapply Rle_trans; [apply Rabs_triang|lra].
Qed.

Lemma decay_ratio_within (tau s s' : R) : within_factor tau s s' ->
  Rabs (exp (- s') - exp (- s)) <= (1 - exp (- tau)) * (1 - Rmin (exp (- s)) (exp (- s'))).
Proof.
  intros [[-> ->]|[Hs [Hs' Hln]]]; [|apply decay_change_ratio; assumption].
  rewrite Rmin_left by apply Rle_refl; rewrite Ropp_0, exp_0, !Rminus_eq_0, Rabs_R0; lra.
Qed.

(** Theorem 3 for any two drawn recurrences whose exponents s stay within exp(tau): targets within V of each other,
    both trajectories within H. *)
Theorem drawn_programs_deviation (tau V H : R) (s s' v v' h h' : nat -> R) (T : nat) :
  drawn_to (fun t => exp (- s t)) v h -> drawn_to (fun t => exp (- s' t)) v' h' -> 0 <= tau ->
  (forall t, within_factor tau (s (S t)) (s' (S t))) ->
  (forall t, Rabs (v (S t)) <= H) -> (forall t, Rabs (v' (S t)) <= H) ->
  Rabs (h 0%nat) <= H -> Rabs (h' 0%nat) <= H -> (forall t, Rabs (v' (S t) - v (S t)) <= V) ->
  Rabs (h' T - h T) <= Rmax (Rabs (h' 0%nat - h 0%nat)) (V + (1 - exp (- tau)) * (2 * H)).
Proof.
  intros Hh Hh' Htau Hs Hv Hv' H0 H0' HV; destruct (rho_bounds tau Htau) as [_ Hrho].
  set (a := fun t => match t with O => 1 | S _ => exp (- s t) end).
  set (a' := fun t => match t with O => 1 | S _ => exp (- s' t) end).
  assert (Ha : forall t, 0 <= a t <= 1).
  { intros [|t]; simpl; [lra|]; destruct (within_factor_nonnegative _ _ _ (Hs t)) as [Hd _].
    assert (H1 := decay_bounds _ Hd); lra. }
  assert (Ha' : forall t, 0 <= a' t <= 1).
  { intros [|t]; simpl; [lra|]; destruct (within_factor_nonnegative _ _ _ (Hs t)) as [_ Hd].
    assert (H1 := decay_bounds _ Hd); lra. }
  assert (Hin : forall t, Rabs (h t) <= H).
  { intro t; apply (drawn_to_within a v h H t Hh (fun k => Ha (S k)) H0 Hv). }
  assert (Hin' : forall t, Rabs (h' t) <= H).
  { intro t; apply (drawn_to_within a' v' h' H t Hh' (fun k => Ha' (S k)) H0' Hv'). }
  assert (Hgap : forall p q, Rabs p <= H -> Rabs q <= H -> Rabs (p - q) <= 2 * H).
  { intros p q Hp Hq; unfold Rminus; eapply Rle_trans; [apply Rabs_triang|]; rewrite Rabs_Ropp; lra. }
  apply (theorem_3_maximum a a' v v' h h' (fun _ => V) (fun _ => 2 * H) (fun _ => 1 - exp (- tau))); auto.
  - intro t; lra.
  - intro t; apply decay_ratio_within; apply Hs.
  - intro t; apply Rle_refl.
Qed.

(** Two Euler programs, every parameter and input perturbed at every step: free of the length and of any gap. *)
Theorem euler_programs_deviation (A A' gamma_A gamma_D gamma D Bm X G eB ex H : R)
    (Delta Delta' B B' x x' h h' : nat -> R) (T : nat) :
  euler_steps (exp A) Delta B x h -> euler_steps (exp A') Delta' B' x' h' ->
  Rabs (A' - A) <= gamma_A -> 0 <= gamma_D -> (forall t, within_factor gamma_D (Delta (S t)) (Delta' (S t))) ->
  gamma_A <= gamma -> gamma_D <= gamma ->
  (forall t, Delta (S t) <= D) -> target_scale (exp A) D <= G ->
  (forall t, Rabs (B' (S t)) <= Bm) -> (forall t, Rabs (x (S t)) <= X) ->
  (forall t, Rabs (B' (S t) - B (S t)) <= eB) -> (forall t, Rabs (x' (S t) - x (S t)) <= ex) ->
  (forall t, Rabs (target_scale (exp A) (Delta (S t)) * (B (S t) * x (S t))) <= H) ->
  (forall t, Rabs (target_scale (exp A') (Delta' (S t)) * (B' (S t) * x' (S t))) <= H) ->
  Rabs (h 0%nat) <= H -> Rabs (h' 0%nat) <= H ->
  Rabs (h' T - h T) <= Rmax (Rabs (h' 0%nat - h 0%nat))
    ((exp gamma - 1) * H + exp gamma * G * (Bm * ex + eB * X) + (1 - exp (- (gamma_A + gamma_D))) * (2 * H)).
Proof.
  intros Hh Hh' HA HgD HD HgA HgD' HDhi HG HB Hx HeB Hex Hv Hv' H0 H0'.
  assert (HgA0 := Rle_trans _ _ _ (Rabs_pos _) HA).
  assert (Hpos : forall t, 0 <= Delta (S t) /\ 0 <= Delta' (S t)).
  { intro t; apply (within_factor_nonnegative gamma_D); apply HD. }
  apply (drawn_programs_deviation _ _ H (fun t => exp A * Delta t) (fun t => exp A' * Delta' t)
           (fun t => target_scale (exp A) (Delta t) * (B t * x t))
           (fun t => target_scale (exp A') (Delta' t) * (B' t * x' t))); try assumption.
  - apply euler_steps_drawn; [apply exp_pos|apply Hpos|exact Hh].
  - apply euler_steps_drawn; [apply exp_pos|apply Hpos|exact Hh'].
  - lra.
  - intro t; apply exponents_within; auto.
  - intro t; destruct (Hpos t) as [Hd _]; specialize (HDhi t).
    assert (Hw : within_factor gamma (Delta (S t)) (Delta' (S t))).
    { destruct (HD t) as [Hz|[Hp [Hp' Hln]]]; [left; exact Hz|right; repeat split; try assumption; lra]. }
    eapply Rle_trans; [apply (target_change gamma); [lra|apply euler_scales; [lra|exact Hw]]|].
    destruct (rho_bounds gamma ltac:(lra)) as [Hone _].
    destruct (target_scale_bounds (exp A) (Delta (S t)) (exp_pos A) Hd) as [[? ?] _].
    assert (Hmono := target_scale_increasing (exp A) _ D (exp_pos A) (conj Hd HDhi)).
    apply Rplus_le_compat; [apply Rmult_le_compat_l; [lra|apply Hv]|].
    apply Rmult_le_compat; [apply Rmult_le_pos; lra| |apply Rmult_le_compat_l; lra|].
    + apply Rplus_le_le_0_compat; apply Rmult_le_pos; apply Rabs_pos.
    + apply Rplus_le_compat; apply Rmult_le_compat; try apply Rabs_pos; auto.
Qed.

(** Zero-order hold: step sizes alone move the state by 2 H (exp(gamma) - 1) ... *)
Lemma zero_order_hold_step (a' E a h v v' H r q : R) : 0 <= a' <= 1 -> 0 <= r ->
  Rabs (a' - a) <= (1 - a') * r -> Rabs h <= H -> Rabs v <= H -> Rabs (v' - v) <= q ->
  E = (a' - a) * (h - v) + (1 - a') * (v' - v) -> Rabs E <= (1 - a') * (2 * H * r + q).
Proof.
  intros Ha' Hr Ha Hh Hv Hq ->; eapply Rle_trans; [apply Rabs_triang|].
  rewrite !Rabs_mult, (Rabs_pos_eq (1 - a')) by lra.
  assert (Hgap : Rabs (h - v) <= 2 * H).
  { unfold Rminus; eapply Rle_trans; [apply Rabs_triang|]; rewrite Rabs_Ropp; lra. }
  assert (Hprod := Rmult_le_compat _ _ _ _ (Rabs_pos _) (Rabs_pos _) Ha Hgap).
  assert ((1 - a') * Rabs (v' - v) <= (1 - a') * q) by (apply Rmult_le_compat_l; lra); lra.
Qed.

(** ... and with a change of A_log too, which moves the targets, by 3 H (exp(gamma) - 1). *)
Theorem zero_order_hold_gains (A A' gamma_A gamma_D H : R) (Delta Delta' B x h h' : nat -> R) (T : nat) :
  zero_order_hold_steps (exp A) Delta B x h -> zero_order_hold_steps (exp A') Delta' B x h' -> h' 0%nat = h 0%nat ->
  Rabs (A' - A) <= gamma_A -> 0 <= gamma_D -> (forall t, within_factor gamma_D (Delta (S t)) (Delta' (S t))) ->
  Rabs (h 0%nat) <= H -> (forall t, Rabs (/ exp A * (B (S t) * x (S t))) <= H) ->
  Rabs (h' T - h T) <= 2 * H * (exp (gamma_A + gamma_D) - 1) + (exp gamma_A - 1) * H.
Proof.
  intros Hh Hh' Hinit HA HgD HD H0 Hv.
  assert (HgA := Rle_trans _ _ _ (Rabs_pos _) HA); assert (HH := Rle_trans _ _ _ (Rabs_pos _) H0).
  destruct (rho_bounds (gamma_A + gamma_D) ltac:(lra)) as [Hone _]; destruct (rho_bounds gamma_A HgA) as [HoneA _].
  assert (Hpos : forall t, 0 <= Delta (S t) /\ 0 <= Delta' (S t)).
  { intro t; apply (within_factor_nonnegative gamma_D); apply HD. }
  assert (Hd := zero_order_hold_drawn _ _ _ _ _ Hh); assert (Hd' := zero_order_hold_drawn _ _ _ _ _ Hh').
  assert (Hunit : forall t, 0 <= exp (- (exp A' * Delta' (S t))) <= 1).
  { intro t; apply decay_within_unit; [apply exp_pos|apply Hpos]. }
  assert (Hin : forall t, Rabs (h t) <= H).
  { intro t; refine (drawn_to_within _ _ h H t Hd _ H0 Hv); intro k.
    apply decay_within_unit; [apply exp_pos|apply Hpos]. }
  set (v := fun t => / exp A * (B t * x t)) in *; set (v' := fun t => / exp A' * (B t * x t)) in *.
  apply (deviation_within (fun t => exp (- (exp A' * Delta' t)))
           (fun t => (exp (- (exp A' * Delta' t)) - exp (- (exp A * Delta t))) * (h (pred t) - v t)
                     + (1 - exp (- (exp A' * Delta' t))) * (v' t - v t)) (fun t => h' t - h t)); simpl.
  - intro t; rewrite (Hd t), (Hd' t); ring.
  - exact Hunit.
  - intro t; refine (zero_order_hold_step _ _ (exp (- (exp A * Delta (S t)))) (h t) (v (S t)) (v' (S t)) H
        (exp (gamma_A + gamma_D) - 1) _ (Hunit t) _ _ (Hin t) (Hv t) _ eq_refl); [lra| |].
    + apply decay_change_relative; [lra|apply exponents_within; auto].
    + assert (Hc := target_change gamma_A (/ exp A) (/ exp A') (B (S t)) (B (S t)) (x (S t)) (x (S t)) HgA
                      (zero_order_hold_scales gamma_A A A' HA)).
      rewrite !Rminus_eq_0, Rabs_R0 in Hc.
      assert (Hv1 : (exp gamma_A - 1) * Rabs (/ exp A * (B (S t) * x (S t))) <= (exp gamma_A - 1) * H).
      { apply Rmult_le_compat_l; [lra|apply Hv]. }
      unfold v, v'; lra.
  - rewrite Hinit, Rminus_eq_0, Rabs_R0; nra.
Qed.
