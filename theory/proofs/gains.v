(** The gains of a certificate: how far the recurrence moves per unit of one perturbation, at every step count.
    Each theorem takes the stated number [gain] and the inequality that makes it valid.
    theory/theorems/gains.md, (1) to (5) and the inequality before them *)
From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From Lyap Require Import finite_sums recurrence theorem_2_output_deviation theorem_3_perturbed_trajectories
  selective_recurrence.
Open Scope R_scope.

(** Two step sizes (or rates) within the factor exp(gamma) of each other; both may be zero. *)
Definition within_factor (gamma x x' : R) : Prop :=
  (x = 0 /\ x' = 0) \/ (0 < x /\ 0 < x' /\ Rabs (ln x' - ln x) <= gamma).

Lemma within_factor_symmetric (gamma x x' : R) : within_factor gamma x x' -> within_factor gamma x' x.
Proof. intros [[-> ->]|[Hx [Hx' H]]]; [left; auto|right; rewrite Rabs_minus_sym; auto]. Qed.

Lemma within_factor_upper (gamma x x' : R) : within_factor gamma x x' -> x' <= exp gamma * x.
Proof.
  intros [[-> ->]|[Hx [Hx' H]]]; [lra|].
  assert (Hle : ln x' <= gamma + ln x) by (assert (H' := Rle_abs (ln x' - ln x)); lra).
  rewrite <- (exp_ln x'), <- (exp_ln x) at 1 by assumption; rewrite <- exp_plus.
  destruct Hle as [Hlt|Heq]; [left; apply exp_increasing; exact Hlt|right; rewrite Heq; reflexivity].
Qed.

Lemma within_factor_nonnegative (gamma x x' : R) : within_factor gamma x x' -> 0 <= x /\ 0 <= x'.
Proof. intros [[-> ->]|[Hx [Hx' _]]]; lra. Qed.

(** exp(gamma) - 1 is nonnegative and at least 1 - exp(-gamma). *)
Lemma rho_bounds (gamma : R) : 0 <= gamma -> 1 <= exp gamma /\ 0 <= 1 - exp (- gamma) <= exp gamma - 1.
Proof.
  intro Hg; assert (Hlow := exp_ineq1_le gamma); assert (Hneg := exp_ineq1_le (- gamma)).
  assert (Hdecay := decay_bounds gamma Hg); lra.
Qed.

Lemma exp_opposite (gamma : R) : exp (- gamma) * exp gamma = 1.
Proof. rewrite <- exp_plus, Rplus_opp_l; apply exp_0. Qed.

(** |a' - a| <= (1 - a') (exp(tau) - 1). *)
Lemma decay_change_relative (s s' tau : R) : 0 <= tau -> within_factor tau s s' ->
  Rabs (exp (- s') - exp (- s)) <= (1 - exp (- s')) * (exp tau - 1).
Proof.
  intros Htau [[-> ->]|[Hs [Hs' Hln]]].
  { rewrite Ropp_0, exp_0, !Rminus_eq_0, Rabs_R0; lra. }
  destruct (rho_bounds tau Htau) as [Hone Hrho].
  assert (Hunit := one_minus_exp_positive s Hs); assert (Hunit' := one_minus_exp_positive s' Hs').
  assert (Hboth : - tau <= ln s' - ln s <= tau) by (apply Rabs_le_between; exact Hln).
  destruct (Rle_lt_dec s s') as [Hle|Hlt].
  - assert (H := decay_change_ratio_ordered s s' tau (conj Hs Hle) ltac:(lra)).
    rewrite Rabs_left1 by (destruct Hle as [Hlt| ->]; [assert (H' := exp_increasing (- s') (- s) ltac:(lra)); lra|lra]).
    assert (Hmore : (1 - exp (- tau)) * (1 - exp (- s')) <= (exp tau - 1) * (1 - exp (- s'))).
    { apply Rmult_le_compat_r; lra. }
    lra.
  - assert (H := decay_change_ratio_ordered s' s tau (conj Hs' (Rlt_le _ _ Hlt)) ltac:(lra)).
    assert (Hord := exp_increasing (- s) (- s') ltac:(lra)); rewrite Rabs_pos_eq by lra.
    assert (Hinv := exp_opposite tau); assert (Hpos := exp_pos tau).
    assert (Hrest : exp (- tau) * (1 - exp (- s)) <= 1 - exp (- s')) by lra.
    assert (Hscaled : 1 - exp (- s) <= exp tau * (1 - exp (- s'))).
    { apply Rmult_le_compat_l with (r := exp tau) in Hrest; [|lra].
      replace (exp tau * (exp (- tau) * (1 - exp (- s)))) with (exp (- tau) * exp tau * (1 - exp (- s))) in Hrest
        by ring.
      rewrite Hinv, Rmult_1_l in Hrest; exact Hrest. }
    lra.
Qed.

(** psi grows at most like its argument. *)
Lemma psi_growth (gamma s s' : R) : 0 <= gamma -> within_factor gamma s s' -> psi s' <= exp gamma * psi s.
Proof.
  intros Hg Hw; destruct (rho_bounds gamma Hg) as [Hone _].
  destruct (within_factor_nonnegative _ _ _ Hw) as [H0 H0'].
  assert (Hpsi := psi_bounds s H0).
  destruct (Rle_lt_dec s' s) as [Hle|Hlt].
  { assert (H := psi_increasing s' s (conj H0' Hle)); nra. }
  destruct H0 as [Hs|<-]; [|destruct Hw as [[_ ->]|[? _]]; lra].
  assert (Hup := within_factor_upper _ _ _ Hw).
  assert (Hs' : 0 < s') by lra.
  rewrite !psi_positive_argument by assumption.
  assert (Hu := one_minus_exp_positive s Hs); assert (Hu' := one_minus_exp_positive s' Hs').
  assert (Hord := exp_increasing (- s') (- s) ltac:(lra)).
  unfold Rdiv; rewrite <- Rmult_assoc; apply Rmult_le_compat; [lra|left; apply Rinv_0_lt_compat; lra|exact Hup|].
  apply Rinv_le_contravar; lra.
Qed.

(** Equal rates: the target scales of step sizes within exp(gamma) are within exp(gamma). *)
Lemma target_scale_growth (gamma alpha Delta Delta' : R) :
  0 <= gamma -> 0 < alpha -> within_factor gamma Delta Delta' ->
  target_scale alpha Delta' <= exp gamma * target_scale alpha Delta.
Proof.
  intros Hg Halpha Hw; unfold target_scale, Rdiv; rewrite <- Rmult_assoc.
  apply Rmult_le_compat_r; [left; apply Rinv_0_lt_compat; exact Halpha|apply psi_growth; [exact Hg|]].
  destruct Hw as [[-> ->]|[H [H' Hln]]]; [left; lra|right].
  rewrite !ln_mult by assumption; repeat split; try (apply Rmult_lt_0_compat; assumption).
  replace (ln alpha + ln Delta' - (ln alpha + ln Delta)) with (ln Delta' - ln Delta) by ring; exact Hln.
Qed.

(** The principle: what enters in proportion to 1 - a' never accumulates. *)
Lemma deviation_within (a e delta : nat -> R) (K : R) (T : nat) :
  (forall t, delta (S t) = a (S t) * delta t + e (S t)) -> (forall t, 0 <= a (S t) <= 1) ->
  (forall t, Rabs (e (S t)) <= (1 - a (S t)) * K) -> Rabs (delta 0%nat) <= K -> Rabs (delta T) <= K.
Proof.
  intros Hdelta Ha He H0; induction T as [|t IH]; [exact H0|].
  rewrite (Hdelta t); specialize (Ha t); specialize (He t).
  eapply Rle_trans; [apply Rabs_triang|].
  rewrite Rabs_mult, (Rabs_pos_eq (a (S t))) by lra.
  assert (a (S t) * Rabs (delta t) <= a (S t) * K) by (apply Rmult_le_compat_l; lra); lra.
Qed.

(** (1) gain.initial = exp(zeta): two states under equal inputs, every t >= 1; zeta bounds every -alpha Delta_t. *)
Theorem gain_initial (alpha zeta gain : R) (Delta B x h h' : nat -> R) (T : nat) :
  (forall t, - (alpha * Delta (S t)) <= zeta) -> zeta <= 0 -> exp zeta <= gain ->
  euler_steps alpha Delta B x h -> euler_steps alpha Delta B x h' ->
  Rabs (h' (S T) - h (S T)) <= gain * Rabs (h' 0%nat - h 0%nat).
Proof.
  intros Hzeta Hneg Hgain Hh Hh'.
  apply Rle_trans with (exp zeta * Rabs (h' 0%nat - h 0%nat)); [|apply Rmult_le_compat_r; [apply Rabs_pos|exact Hgain]].
  assert (Hexp : forall u, u <= zeta -> exp u <= exp zeta).
  { intros u [Hlt| ->]; [left; apply exp_increasing; exact Hlt|apply Rle_refl]. }
  assert (Hone : exp zeta <= 1).
  { rewrite <- exp_0; destruct Hneg as [Hlt| ->]; [left; apply exp_increasing; exact Hlt|apply Rle_refl]. }
  assert (Hpos := exp_pos zeta).
  assert (Hstep : forall t, Rabs (h' (S t) - h (S t)) <= exp zeta * Rabs (h' t - h t)).
  { intro t; rewrite (Hh t), (Hh' t); set (a := exp (- (alpha * Delta (S t)))).
    replace (a * h' t + Delta (S t) * B (S t) * x (S t) - (a * h t + Delta (S t) * B (S t) * x (S t)))
      with (a * (h' t - h t)) by ring.
    rewrite Rabs_mult, (Rabs_pos_eq a) by (left; apply exp_pos).
    apply Rmult_le_compat_r; [apply Rabs_pos|apply Hexp; apply Hzeta]. }
  induction T as [|t IH]; [apply Hstep|].
  assert (Hd := Rabs_pos (h' (S t) - h (S t))); specialize (Hstep (S t)); nra.
Qed.

(** Equal decays: the forcing differs by Delta_t w_t with |w_t| <= W. *)
Lemma forcing_deviation (alpha D G W : R) (Delta w delta : nat -> R) (T : nat) :
  0 < alpha -> (forall t, 0 <= Delta (S t) <= D) -> target_scale alpha D <= G -> (forall t, Rabs (w (S t)) <= W) ->
  (forall t, delta (S t) = exp (- (alpha * Delta (S t))) * delta t + Delta (S t) * w (S t)) ->
  delta 0%nat = 0 -> Rabs (delta T) <= G * W.
Proof.
  intros Halpha HDelta HG Hw Hdelta H0.
  assert (HW : 0 <= W) by (eapply Rle_trans; [apply Rabs_pos|apply (Hw 0%nat)]).
  assert (HD : 0 <= D) by (destruct (HDelta 0%nat); lra).
  assert (HG0 : 0 <= G) by (destruct (target_scale_bounds alpha D Halpha HD) as [[? ?] _]; lra).
  apply (deviation_within (fun t => exp (- (alpha * Delta t))) (fun t => Delta t * w t) delta); [exact Hdelta| | |].
  - intro t; specialize (HDelta t); assert (Hs : 0 <= alpha * Delta (S t)) by nra.
    assert (H := decay_bounds _ Hs); lra.
  - intro t; specialize (HDelta t); specialize (Hw t); destruct HDelta as [Hlow Hhigh].
    assert (Hdecay := decay_bounds (alpha * Delta (S t)) ltac:(nra)).
    assert (Hmono := target_scale_increasing alpha (Delta (S t)) D Halpha (conj Hlow Hhigh)).
    rewrite Rabs_mult, (Rabs_pos_eq (Delta (S t))) by exact Hlow.
    rewrite <- (target_scale_equation alpha (Delta (S t)) Halpha Hlow) at 1; rewrite Rmult_assoc.
    apply Rmult_le_compat_l; [lra|].
    apply Rmult_le_compat; [|apply Rabs_pos|lra|exact Hw].
    destruct (target_scale_bounds alpha (Delta (S t)) Halpha Hlow); lra.
  - rewrite H0, Rabs_R0; apply Rmult_le_pos; assumption.
Qed.

(** (2) gain.x = G Bm per unit of sup |x' - x| ... *)
Theorem gain_x (alpha D Bm G ex gain : R) (Delta B x x' h h' : nat -> R) (T : nat) :
  0 < alpha -> euler_steps alpha Delta B x h -> euler_steps alpha Delta B x' h' -> h' 0%nat = h 0%nat ->
  (forall t, 0 <= Delta (S t) <= D) -> target_scale alpha D <= G ->
  (forall t, Rabs (B (S t)) <= Bm) -> (forall t, Rabs (x' (S t) - x (S t)) <= ex) -> G * Bm <= gain ->
  Rabs (h' T - h T) <= gain * ex.
Proof.
  intros Halpha Hh Hh' H0 HDelta HG HB Hx Hgain.
  assert (Hex := Rle_trans _ _ _ (Rabs_pos _) (Hx 0%nat)).
  apply Rle_trans with (G * (Bm * ex)); [|rewrite <- Rmult_assoc; apply Rmult_le_compat_r; assumption].
  apply (forcing_deviation alpha D G (Bm * ex) Delta (fun t => B t * (x' t - x t)) (fun t => h' t - h t));
    try assumption.
  - intro t; rewrite Rabs_mult; apply Rmult_le_compat; try apply Rabs_pos; auto.
  - intro t; rewrite (Hh t), (Hh' t); ring.
  - rewrite H0; ring.
Qed.

(** ... and gain.B = G X per unit of sup |B' - B|. *)
Theorem gain_B (alpha D X G eB gain : R) (Delta B B' x h h' : nat -> R) (T : nat) :
  0 < alpha -> euler_steps alpha Delta B x h -> euler_steps alpha Delta B' x h' -> h' 0%nat = h 0%nat ->
  (forall t, 0 <= Delta (S t) <= D) -> target_scale alpha D <= G ->
  (forall t, Rabs (x (S t)) <= X) -> (forall t, Rabs (B' (S t) - B (S t)) <= eB) -> G * X <= gain ->
  Rabs (h' T - h T) <= gain * eB.
Proof.
  intros Halpha Hh Hh' H0 HDelta HG Hx HB Hgain.
  assert (HeB := Rle_trans _ _ _ (Rabs_pos _) (HB 0%nat)).
  apply Rle_trans with (G * (X * eB)); [|rewrite <- Rmult_assoc; apply Rmult_le_compat_r; assumption].
  apply (forcing_deviation alpha D G (X * eB) Delta (fun t => x t * (B' t - B t)) (fun t => h' t - h t));
    try assumption.
  - intro t; rewrite Rabs_mult; apply Rmult_le_compat; try apply Rabs_pos; auto.
  - intro t; rewrite (Hh t), (Hh' t); ring.
  - rewrite H0; ring.
Qed.

Lemma over_states_sum (x : nat -> R) (N : nat) : over_states x N = sum N x.
Proof. induction N as [|n IH]; simpl; [reflexivity|rewrite IH; reflexivity]. Qed.

(** (3) gain.C = sum of H_n per unit of max_n |C'_n - C_n|, in y; the states do not move. *)
Theorem gain_C (C C' h H : nat -> R) (D x eC gain : R) (N : nat) :
  (forall n, (n < N)%nat -> Rabs (h n) <= H n) -> (forall n, (n < N)%nat -> Rabs (C' n - C n) <= eC) -> 0 <= eC ->
  sum N H <= gain -> Rabs (output C' h D x N - output C h D x N) <= gain * eC.
Proof.
  intros Hh HC HeC Hgain; apply Rle_trans with (sum N H * eC); [|apply Rmult_le_compat_r; assumption].
  unfold output; rewrite !over_states_sum.
  match goal with |- Rabs (?a + ?c - (?b + ?c)) <= _ => replace (a + c - (b + c)) with (a - b) by ring end.
  rewrite <- sum_minus, <- sum_scaled_right; eapply Rle_trans; [apply sum_abs|]; apply sum_le; intros n Hn.
  replace (C' n * h n - C n * h n) with (h n * (C' n - C n)) by ring.
  rewrite Rabs_mult; apply Rmult_le_compat; try apply Rabs_pos; auto.
Qed.

(** output_gain = sup of sum_n |C_n| per unit of max_n |h'_n - h_n|, equal parameters and inputs at the step. *)
Theorem output_gain (C h h' : nat -> R) (D x E gain : R) (N : nat) :
  (forall n, (n < N)%nat -> Rabs (h' n - h n) <= E) -> 0 <= E -> sum N (fun n => Rabs (C n)) <= gain ->
  Rabs (output C h' D x N - output C h D x N) <= gain * E.
Proof.
  intros HE HE0 Hgain; eapply Rle_trans; [apply theorem_2_gain; exact HE|].
  rewrite over_states_sum; apply Rmult_le_compat_r; assumption.
Qed.

(** (4), one step: the change of the forcing. *)
Lemma forcing_step_change (alpha gamma Delta Delta' w H : R) :
  0 < alpha -> 0 <= gamma -> within_factor gamma Delta Delta' -> Rabs (target_scale alpha Delta * w) <= H ->
  Rabs ((Delta' - Delta) * w) <= (1 - exp (- (alpha * Delta'))) * ((exp gamma - 1) * H).
Proof.
  intros Halpha Hg Hw HH; destruct (within_factor_nonnegative _ _ _ Hw) as [H0 H0'].
  destruct (rho_bounds gamma Hg) as [Hone Hrho]; assert (Hinv := exp_opposite gamma).
  assert (Hdecay := decay_bounds (alpha * Delta') ltac:(nra)).
  assert (Heq := target_scale_equation alpha Delta' Halpha H0').
  destruct (target_scale_bounds alpha Delta Halpha H0) as [[Hp Hscale] _].
  destruct (target_scale_bounds alpha Delta' Halpha H0') as [[_ Hscale'] _].
  assert (Hgrow := target_scale_growth gamma alpha Delta Delta' Hg Halpha Hw).
  assert (Hup := within_factor_upper _ _ _ Hw).
  assert (Hup' := within_factor_upper _ _ _ (within_factor_symmetric _ _ _ Hw)).
  rewrite Rabs_mult, (Rabs_pos_eq (target_scale alpha Delta)) in HH by lra; rewrite Rabs_mult.
  set (g := target_scale alpha Delta) in *; set (g' := target_scale alpha Delta') in *.
  set (a' := exp (- (alpha * Delta'))) in *; set (r := exp gamma) in *; set (m := exp (- gamma)) in *.
  assert (Habs := Rabs_pos w).
  (* |Delta' - Delta| <= (1 - a') (r - 1) g *)
  assert (Hkey : Rabs (Delta' - Delta) <= (1 - a') * (r - 1) * g).
  { destruct (Rle_lt_dec Delta Delta') as [Hle|Hlt].
    - rewrite Rabs_pos_eq by lra.
      assert (Hm : m * Delta' <= Delta).
      { apply Rmult_le_compat_l with (r := m) in Hup; [|unfold m; left; apply exp_pos].
        rewrite <- Rmult_assoc, Hinv, Rmult_1_l in Hup; exact Hup. }
      assert (Hfirst : Delta' - Delta <= (1 - m) * ((1 - a') * (r * g))).
      { apply Rle_trans with ((1 - m) * Delta'); [lra|]; apply Rmult_le_compat_l; [lra|].
        rewrite <- Heq; apply Rmult_le_compat_l; lra. }
      replace ((1 - a') * (r - 1) * g) with ((1 - a') * (r - m * r) * g) by (rewrite Hinv; reflexivity); lra.
    - rewrite Rabs_left by lra.
      assert (Hmono : g' <= g) by (apply target_scale_increasing; [exact Halpha|lra]).
      apply Rle_trans with ((r - 1) * ((1 - a') * g')); [rewrite Heq; lra|].
      replace ((1 - a') * (r - 1) * g) with ((r - 1) * ((1 - a') * g)) by ring.
      apply Rmult_le_compat_l; [lra|apply Rmult_le_compat_l; lra]. }
  apply Rle_trans with ((1 - a') * (r - 1) * g * Rabs w); [apply Rmult_le_compat_r; assumption|].
  replace ((1 - a') * (r - 1) * g * Rabs w) with ((1 - a') * ((r - 1) * (g * Rabs w))) by ring.
  apply Rmult_le_compat_l; [lra|apply Rmult_le_compat_l; [lra|exact HH]].
Qed.

(** (4) gain.step = 2 H per unit of exp(gamma) - 1: every step size changes by a factor within exp(gamma). H bounds the
    first trajectory's targets and its initial state. *)
Theorem gain_step (alpha gamma H gain : R) (Delta Delta' B x h h' : nat -> R) (T : nat) :
  0 < alpha -> 0 <= gamma -> euler_steps alpha Delta B x h -> euler_steps alpha Delta' B x h' -> h' 0%nat = h 0%nat ->
  (forall t, within_factor gamma (Delta (S t)) (Delta' (S t))) ->
  Rabs (h 0%nat) <= H -> (forall t, Rabs (target_scale alpha (Delta (S t)) * (B (S t) * x (S t))) <= H) ->
  2 * H <= gain -> Rabs (h' T - h T) <= gain * (exp gamma - 1).
Proof.
  intros Halpha Hg Hh Hh' Hinit Hw H0 Hv Hgain.
  destruct (rho_bounds gamma Hg) as [Hone _].
  apply Rle_trans with (2 * H * (exp gamma - 1)); [|apply Rmult_le_compat_r; lra].
  assert (HDelta : forall t, 0 <= Delta (S t) /\ 0 <= Delta' (S t)).
  { intro t; apply (within_factor_nonnegative gamma); apply Hw. }
  assert (Hrange : forall s, 0 <= s -> 0 <= exp (- s) <= 1) by (intros s Hs; assert (H1 := decay_bounds s Hs); lra).
  assert (Hstate : forall t, Rabs (h t) <= H).
  { intro t; refine (drawn_to_within _ _ h H t
      (euler_steps_drawn alpha Delta B x h Halpha (fun t => proj1 (HDelta t)) Hh) _ H0 Hv).
    intro k; destruct (HDelta k); apply Hrange; nra. }
  apply (deviation_within (fun t => exp (- (alpha * Delta' t)))
           (fun t => (exp (- (alpha * Delta' t)) - exp (- (alpha * Delta t))) * h (pred t) +
                     (Delta' t - Delta t) * (B t * x t))
           (fun t => h' t - h t)); simpl.
  - intro t; rewrite (Hh t), (Hh' t); ring.
  - intro t; destruct (HDelta t); apply Hrange; nra.
  - intro t; destruct (HDelta t) as [Hd Hd']; specialize (Hrange (alpha * Delta' (S t)) ltac:(nra)).
    assert (Hlast := forcing_step_change alpha gamma _ _ (B (S t) * x (S t)) H Halpha Hg (Hw t) (Hv t)).
    assert (Hmiddle : Rabs (exp (- (alpha * Delta' (S t))) - exp (- (alpha * Delta (S t)))) <=
                      (1 - exp (- (alpha * Delta' (S t)))) * (exp gamma - 1)).
    { apply decay_change_relative; [exact Hg|].
      destruct (Hw t) as [[-> ->]|[Hp [Hp' Hln]]]; [left; lra|right].
      rewrite !ln_mult by assumption; repeat split; try (apply Rmult_lt_0_compat; assumption).
      replace (ln alpha + ln (Delta' (S t)) - (ln alpha + ln (Delta (S t)))) with (ln (Delta' (S t)) - ln (Delta (S t)))
        by ring; exact Hln. }
    eapply Rle_trans; [apply Rabs_triang|].
    rewrite (Rabs_mult (_ - _) (h t)).
    assert (Hprod := Rmult_le_compat _ _ _ _ (Rabs_pos _) (Rabs_pos _) Hmiddle (Hstate t)); lra.
  - rewrite Hinit, Rminus_eq_0, Rabs_R0; assert (HH := Rle_trans _ _ _ (Rabs_pos _) H0); nra.
Qed.

(** (5) gain.A_log = H per unit of exp(gamma) - 1, |A_log' - A_log| <= gamma; H bounds the first trajectory's states. *)
Theorem gain_A_log (A_log A_log' gamma H gain : R) (Delta B x h h' : nat -> R) (T : nat) :
  Rabs (A_log' - A_log) <= gamma -> (forall t, 0 <= Delta (S t)) ->
  euler_steps (exp A_log) Delta B x h -> euler_steps (exp A_log') Delta B x h' -> h' 0%nat = h 0%nat ->
  (forall t, Rabs (h t) <= H) -> H <= gain ->
  Rabs (h' T - h T) <= gain * (exp gamma - 1).
Proof.
  intros HA HDelta Hh Hh' Hinit Hstate Hgain.
  assert (Hg : 0 <= gamma) by (eapply Rle_trans; [apply Rabs_pos|exact HA]).
  destruct (rho_bounds gamma Hg) as [Hone _]; assert (Hpos := exp_pos A_log); assert (Hpos' := exp_pos A_log').
  apply Rle_trans with (H * (exp gamma - 1)); [|apply Rmult_le_compat_r; lra].
  apply (deviation_within (fun t => exp (- (exp A_log' * Delta t)))
           (fun t => (exp (- (exp A_log' * Delta t)) - exp (- (exp A_log * Delta t))) * h (pred t))
           (fun t => h' t - h t)); simpl.
  - intro t; rewrite (Hh t), (Hh' t); ring.
  - intro t; specialize (HDelta t); assert (H1 := decay_bounds (exp A_log' * Delta (S t)) ltac:(nra)); lra.
  - intro t; specialize (HDelta t).
    assert (Hmiddle : Rabs (exp (- (exp A_log' * Delta (S t))) - exp (- (exp A_log * Delta (S t)))) <=
                      (1 - exp (- (exp A_log' * Delta (S t)))) * (exp gamma - 1)).
    { apply decay_change_relative; [exact Hg|].
      destruct HDelta as [Hd|<-]; [right|left; lra].
      rewrite !ln_mult, !ln_exp by assumption; repeat split; try (apply Rmult_lt_0_compat; assumption).
      replace (A_log' + ln (Delta (S t)) - (A_log + ln (Delta (S t)))) with (A_log' - A_log) by ring; exact HA. }
    rewrite Rabs_mult, (Rmult_comm H), <- Rmult_assoc.
    apply Rmult_le_compat; try apply Rabs_pos; auto.
  - rewrite Hinit, Rminus_eq_0, Rabs_R0; assert (HH := Rle_trans _ _ _ (Rabs_pos _) (Hstate 0%nat)); nra.
Qed.

(** (4) and (5) with H = G Bm X, the certificate's state bound; the second trajectory may leave the domain. *)
Corollary gain_step_from_bounds (alpha gamma D Bm X G gain : R) (Delta Delta' B x h h' : nat -> R) (T : nat) :
  0 < alpha -> 0 <= gamma -> euler_steps alpha Delta B x h -> euler_steps alpha Delta' B x h' -> h' 0%nat = h 0%nat ->
  (forall t, within_factor gamma (Delta (S t)) (Delta' (S t))) ->
  (forall t, Delta (S t) <= D) -> (forall t, Rabs (B (S t)) <= Bm) -> (forall t, Rabs (x (S t)) <= X) ->
  target_scale alpha D <= G -> Rabs (h 0%nat) <= G * Bm * X -> 2 * (G * Bm * X) <= gain ->
  Rabs (h' T - h T) <= gain * (exp gamma - 1).
Proof.
  intros Halpha Hg Hh Hh' Hinit Hw HD HB Hx HG H0 Hgain.
  apply (gain_step alpha gamma (G * Bm * X) gain Delta Delta' B x); try assumption; intro t.
  apply (target_within alpha D); auto.
  destruct (within_factor_nonnegative _ _ _ (Hw t)); split; auto.
Qed.

Corollary gain_A_log_from_bounds (A_log A_log' gamma D Bm X G gain : R) (Delta B x h h' : nat -> R) (T : nat) :
  Rabs (A_log' - A_log) <= gamma ->
  euler_steps (exp A_log) Delta B x h -> euler_steps (exp A_log') Delta B x h' -> h' 0%nat = h 0%nat ->
  (forall t, 0 <= Delta (S t) <= D) -> (forall t, Rabs (B (S t)) <= Bm) -> (forall t, Rabs (x (S t)) <= X) ->
  target_scale (exp A_log) D <= G -> Rabs (h 0%nat) <= G * Bm * X -> G * Bm * X <= gain ->
  Rabs (h' T - h T) <= gain * (exp gamma - 1).
Proof.
  intros HA Hh Hh' Hinit HDelta HB Hx HG H0 Hgain.
  apply (gain_A_log A_log A_log' gamma (G * Bm * X) gain Delta B x); try assumption; intro t; [apply HDelta|].
  apply (selective_state_bound (exp A_log) D Bm X G Delta B x); auto; apply exp_pos.
Qed.
