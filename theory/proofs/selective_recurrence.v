(** The selective recurrence as released programs compute it (Euler steps), its invariant bound with the target scale
    psi(alpha Delta)/alpha, and its exponent from the mean step size or the mean pre-activation.
    theory/theorems/invariant_bound.md, gains.md ('Why psi has these properties'), sustained_bound.md section 1 *)
From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From Lyap Require Import recurrence theorem_1_state_deviation theorem_3_perturbed_trajectories step_sizes.
Open Scope R_scope.

(** h_t = exp(-alpha Delta_t) h_(t-1) + Delta_t B_t x_t for every step t >= 1. *)
Definition euler_steps (alpha : R) (Delta B x h : nat -> R) : Prop :=
  forall t, h (S t) = exp (- (alpha * Delta (S t))) * h t + Delta (S t) * B (S t) * x (S t).

(** psi(s) = s/(1 - exp(-s)), psi(0) = 1. *)
Definition psi (s : R) : R := if Req_EM_T s 0 then 1 else s / (1 - exp (- s)).

Lemma one_minus_exp_positive (s : R) : 0 < s -> 0 < 1 - exp (- s) < 1.
Proof.
  intro Hs; assert (Hpos := exp_pos (- s)).
  assert (exp (- s) < 1); [|lra].
  rewrite <- exp_0; apply exp_increasing; lra.
Qed.

Lemma psi_positive_argument (s : R) : 0 < s -> psi s = s / (1 - exp (- s)).
Proof. intro Hs; unfold psi; destruct (Req_EM_T s 0); [lra|reflexivity]. Qed.

Lemma psi_zero : psi 0 = 1.
Proof. unfold psi; destruct (Req_EM_T 0 0); [reflexivity|lra]. Qed.

(** What psi is for: s = (1 - exp(-s)) psi(s), at zero too. *)
Lemma psi_equation (s : R) : 0 <= s -> (1 - exp (- s)) * psi s = s.
Proof.
  intros [Hs|<-]; [|rewrite psi_zero, Ropp_0, exp_0; ring].
  rewrite psi_positive_argument by exact Hs; assert (H := one_minus_exp_positive s Hs); field; lra.
Qed.

Lemma psi_bounds (s : R) : 0 <= s -> 1 <= psi s <= 1 + s.
Proof.
  intros [Hs|<-]; [|rewrite psi_zero; lra].
  assert (Hunit := one_minus_exp_positive s Hs); assert (Heq := psi_equation s (Rlt_le _ _ Hs)).
  assert (Hlow := exp_ineq1_le (- s)); assert (Hexp := exp_ineq1_le s).
  assert (Hinv : exp (- s) * exp s = 1) by (rewrite <- exp_plus, Rplus_opp_l; apply exp_0).
  set (e := exp (- s)) in *; split; apply Rmult_le_reg_l with (1 - e); nra.
Qed.

Lemma psi_increasing (s s' : R) : 0 <= s <= s' -> psi s <= psi s'.
Proof.
  intros [[Hs|<-] Hss]; [|rewrite psi_zero; apply psi_bounds; exact Hss].
  rewrite !psi_positive_argument by lra.
  assert (H := one_minus_exp_positive s Hs); assert (H' := one_minus_exp_positive s' ltac:(lra)).
  assert (Hsub := one_minus_exp_sublinear s s' (conj Hs Hss)).
  apply Rmult_le_reg_r with ((1 - exp (- s)) * (1 - exp (- s'))); [nra|].
  replace (s / (1 - exp (- s)) * ((1 - exp (- s)) * (1 - exp (- s')))) with (s * (1 - exp (- s'))) by (field; lra).
  replace (s' / (1 - exp (- s')) * ((1 - exp (- s)) * (1 - exp (- s')))) with (s' * (1 - exp (- s))) by (field; lra).
  exact Hsub.
Qed.

(** The target scale: what B x is multiplied by in the state's target, Delta/(1 - exp(-alpha Delta)). *)
Definition target_scale (alpha Delta : R) : R := psi (alpha * Delta) / alpha.

Lemma target_scale_positive_step (alpha Delta : R) : 0 < alpha -> 0 < Delta ->
  target_scale alpha Delta = Delta / (1 - exp (- (alpha * Delta))).
Proof.
  intros Halpha HDelta; assert (Hs : 0 < alpha * Delta) by nra; unfold target_scale.
  rewrite psi_positive_argument by exact Hs.
  assert (H := one_minus_exp_positive _ Hs); field; lra.
Qed.

Lemma target_scale_zero (alpha : R) : target_scale alpha 0 = / alpha.
Proof. unfold target_scale; rewrite Rmult_0_r, psi_zero; unfold Rdiv; ring. Qed.

(** Delta = (1 - a) * target scale. *)
Lemma target_scale_equation (alpha Delta : R) : 0 < alpha -> 0 <= Delta ->
  (1 - exp (- (alpha * Delta))) * target_scale alpha Delta = Delta.
Proof.
  intros Halpha HDelta; unfold target_scale.
  replace ((1 - exp (- (alpha * Delta))) * (psi (alpha * Delta) / alpha))
    with ((1 - exp (- (alpha * Delta))) * psi (alpha * Delta) / alpha) by (field; lra).
  rewrite psi_equation by nra; field; lra.
Qed.

Lemma target_scale_bounds (alpha Delta : R) : 0 < alpha -> 0 <= Delta ->
  0 < / alpha <= target_scale alpha Delta /\ target_scale alpha Delta <= / alpha + Delta.
Proof.
  intros Halpha HDelta; assert (Hinv := Rinv_0_lt_compat _ Halpha).
  assert (H := psi_bounds (alpha * Delta) ltac:(nra)); unfold target_scale, Rdiv.
  split; [split; [exact Hinv|nra]|].
  replace (/ alpha + Delta) with ((1 + alpha * Delta) * / alpha) by (field; lra); nra.
Qed.

Lemma target_scale_increasing (alpha Delta Delta' : R) : 0 < alpha -> 0 <= Delta <= Delta' ->
  target_scale alpha Delta <= target_scale alpha Delta'.
Proof.
  intros Halpha HDelta; unfold target_scale; apply Rmult_le_compat_r; [left; apply Rinv_0_lt_compat; exact Halpha|].
  apply psi_increasing; nra.
Qed.

(** A test without division: G >= target scale where D <= G (1 - exp(-alpha D)), D > 0. *)
Lemma target_scale_at_most (alpha D G : R) : 0 < alpha -> 0 < D ->
  D <= G * (1 - exp (- (alpha * D))) -> target_scale alpha D <= G.
Proof.
  intros Halpha HD HG; rewrite target_scale_positive_step by assumption.
  assert (H := one_minus_exp_positive (alpha * D) ltac:(nra)).
  apply Rmult_le_reg_r with (1 - exp (- (alpha * D))); [lra|].
  replace (D / (1 - exp (- (alpha * D))) * (1 - exp (- (alpha * D)))) with D by (field; lra); exact HG.
Qed.

(** The recurrence is drawn to targets; steps of size zero included. *)
Theorem euler_steps_drawn (alpha : R) (Delta B x h : nat -> R) :
  0 < alpha -> (forall t, 0 <= Delta (S t)) -> euler_steps alpha Delta B x h ->
  drawn_to (fun t => exp (- (alpha * Delta t))) (fun t => target_scale alpha (Delta t) * (B t * x t)) h.
Proof.
  intros Halpha HDelta Hh t; rewrite (Hh t).
  rewrite <- Rmult_assoc, (target_scale_equation alpha (Delta (S t)) Halpha (HDelta t)); ring.
Qed.

(** [invariant_bound] with hypotheses on the steps t >= 1 alone. *)
Lemma drawn_to_within (a v h : nat -> R) (H : R) (T : nat) :
  drawn_to a v h -> (forall t, 0 <= a (S t) <= 1) -> Rabs (h 0%nat) <= H -> (forall t, Rabs (v (S t)) <= H) ->
  Rabs (h T) <= H.
Proof.
  intros Hh Ha H0 Hv; induction T as [|t IH]; [exact H0|].
  rewrite (Hh t); specialize (Ha t); specialize (Hv t).
  eapply Rle_trans; [apply Rabs_triang|].
  rewrite !Rabs_mult, (Rabs_pos_eq (a (S t))), (Rabs_pos_eq (1 - a (S t))) by lra.
  nra.
Qed.

(** |v_t| <= G Bm X. *)
Lemma target_within (alpha D Bm X G Delta B x : R) :
  0 < alpha -> 0 <= Delta <= D -> Rabs B <= Bm -> Rabs x <= X -> target_scale alpha D <= G ->
  Rabs (target_scale alpha Delta * (B * x)) <= G * Bm * X.
Proof.
  intros Halpha HDelta HB Hx HG.
  destruct (target_scale_bounds alpha Delta Halpha ltac:(lra)) as [[Hinv Hscale] _].
  assert (Hmono := target_scale_increasing alpha Delta D Halpha HDelta).
  rewrite !Rabs_mult, (Rabs_pos_eq (target_scale alpha Delta)), Rmult_assoc by lra.
  apply Rmult_le_compat; [lra|apply Rmult_le_pos; apply Rabs_pos|lra|].
  apply Rmult_le_compat; try apply Rabs_pos; assumption.
Qed.

(** The invariant bound in the certificate's form. *)
Theorem selective_invariant_bound (alpha D Bm X G : R) (Delta B x h : nat -> R) (T : nat) :
  0 < alpha -> euler_steps alpha Delta B x h ->
  (forall t, 0 <= Delta (S t) <= D) -> (forall t, Rabs (B (S t)) <= Bm) -> (forall t, Rabs (x (S t)) <= X) ->
  target_scale alpha D <= G ->
  Rabs (h T) <= Rmax (Rabs (h 0%nat)) (G * Bm * X).
Proof.
  intros Halpha Hh HDelta HB Hx HG.
  refine (drawn_to_within _ _ h _ T (euler_steps_drawn alpha Delta B x h Halpha (fun t => proj1 (HDelta t)) Hh)
            _ (Rmax_l _ _) _); intro t.
  - specialize (HDelta t); assert (Hs : 0 <= alpha * Delta (S t)) by nra.
    assert (H := decay_bounds _ Hs); lra.
  - eapply Rle_trans; [|apply Rmax_r]; apply (target_within alpha D); auto.
Qed.

Corollary selective_state_bound (alpha D Bm X G : R) (Delta B x h : nat -> R) (T : nat) :
  0 < alpha -> euler_steps alpha Delta B x h ->
  (forall t, 0 <= Delta (S t) <= D) -> (forall t, Rabs (B (S t)) <= Bm) -> (forall t, Rabs (x (S t)) <= X) ->
  target_scale alpha D <= G -> Rabs (h 0%nat) <= G * Bm * X ->
  Rabs (h T) <= G * Bm * X.
Proof.
  intros Halpha Hh HDelta HB Hx HG H0.
  eapply Rle_trans; [apply (selective_invariant_bound alpha D Bm X G Delta B x h T); assumption|].
  apply Rmax_lub; [exact H0|apply Rle_refl].
Qed.

(** The one-step rate: -alpha Delta_t <= -alpha lo. *)
Lemma one_step_rate (alpha lo Delta : R) : 0 <= alpha -> lo <= Delta -> - (alpha * Delta) <= - (alpha * lo).
Proof. intros; apply Ropp_le_contravar, Rmult_le_compat_l; assumption. Qed.

(** liminf of the mean of x_1 .. x_T is at least m. *)
Definition mean_at_least (x : nat -> R) (m : R) : Prop :=
  forall eps, 0 < eps -> eventually (fun T => m - eps <= total x T / INR T).

Lemma mean_at_least_liminf (x : nat -> R) (m : R) :
  Rbar_le (Finite m) (LimInf_seq (fun T => total x T / INR T)) -> mean_at_least x m.
Proof.
  intros Hm eps Heps; unfold LimInf_seq in Hm.
  destruct (ex_LimInf_seq (fun T => total x T / INR T)) as [[l| |] Hl]; simpl in Hm, Hl; [| |contradiction].
  - destruct (proj2 (Hl (mkposreal eps Heps))) as [N HN]; exists N; intros T HT; specialize (HN T HT); simpl in HN; lra.
  - destruct (Hl m) as [N HN]; exists N; intros T HT; specialize (HN T HT); lra.
Qed.

Lemma mean_at_least_bound (x : nat -> R) (m : R) : (forall t, m <= x (S t)) -> mean_at_least x m.
Proof.
  intros Hx eps Heps; exists 1%nat; intros T HT; assert (H := total_ge x m T Hx).
  assert (HpT : 0 < INR T) by (apply lt_0_INR; lia).
  apply Rmult_le_reg_r with (INR T); [exact HpT|].
  replace (total x T / INR T * INR T) with (total x T) by (field; lra); nra.
Qed.

(** The exponent from the mean step size ... *)
Theorem exponent_from_mean (alpha m : R) (Delta : nat -> R) :
  0 <= alpha -> mean_at_least Delta m -> Rbar_le (exponent alpha Delta) (Finite (- (alpha * m))).
Proof.
  intros Halpha Hm.
  assert (Heps : forall eps, 0 < eps -> Rbar_le (exponent alpha Delta) (Finite (- (alpha * (m - eps))))).
  { intros eps Heps; unfold exponent; rewrite <- (LimSup_seq_const (- (alpha * (m - eps)))).
    apply LimSup_le; destruct (Hm eps Heps) as [N HN]; exists (S N); intros T HT.
    assert (HpT : 0 < INR T) by (apply lt_0_INR; lia).
    replace (- (alpha / INR T) * total Delta T) with (- (alpha * (total Delta T / INR T))) by (field; lra).
    apply one_step_rate; [exact Halpha|apply HN; lia]. }
  destruct (exponent alpha Delta) as [l| |]; simpl in Heps |- *;
    [|exact (Heps 1 Rlt_0_1)|exact I].
  apply le_epsilon; intros e He.
  assert (H := Heps (e / (1 + alpha)) ltac:(apply Rdiv_lt_0_compat; lra)).
  assert (Hsmall : alpha * (e / (1 + alpha)) <= e).
  { apply Rmult_le_reg_r with (1 + alpha); [lra|].
    replace (alpha * (e / (1 + alpha)) * (1 + alpha)) with (alpha * e) by (field; lra); nra. }
  lra.
Qed.

(** ... and in terms of Coquelicot's liminf. *)
Corollary exponent_from_liminf (alpha m : R) (Delta : nat -> R) :
  0 <= alpha -> Rbar_le (Finite m) (LimInf_seq (fun T => total Delta T / INR T)) ->
  Rbar_le (exponent alpha Delta) (Finite (- (alpha * m))).
Proof. intros Halpha Hm; apply exponent_from_mean; [exact Halpha|apply mean_at_least_liminf; exact Hm]. Qed.

(** softplus lies above its tangents. *)
Lemma softplus_tangent (m p : R) : softplus m + exp m / (1 + exp m) * (p - m) <= softplus p.
Proof.
  assert (Hm := exp_pos m); assert (Hp := exp_pos p); set (r := exp m / (1 + exp m)).
  assert (Hr : r * (1 + exp m) = exp m) by (unfold r; field; lra).
  assert (Hr1 : 0 < r < 1).
  { unfold r; split; [apply Rdiv_lt_0_compat; lra|].
    apply Rmult_lt_reg_r with (1 + exp m); [lra|]; fold r; lra. }
  set (z := r * (p - m)); assert (Hz := exp_pos z).
  (* weighted means: exp z <= (1 - r) + r exp (p - m) *)
  assert (Hconvex : exp z <= (1 - r) + r * exp (p - m)).
  { assert (H0 := exp_ineq1_le (0 - z)); assert (H1 := exp_ineq1_le (p - m - z)).
    assert (E0 : exp z * exp (0 - z) = 1) by (rewrite <- exp_plus, <- exp_0; f_equal; ring).
    assert (E1 : exp z * exp (p - m - z) = exp (p - m)) by (rewrite <- exp_plus; f_equal; ring).
    assert (H0' : exp z * (1 + (0 - z)) <= 1) by (rewrite <- E0; apply Rmult_le_compat_l; lra).
    assert (H1' : exp z * (1 + (p - m - z)) <= exp (p - m)) by (rewrite <- E1; apply Rmult_le_compat_l; lra).
    assert (Hsum : (1 - r) * (exp z * (1 + (0 - z))) + r * (exp z * (1 + (p - m - z))) = exp z) by (unfold z; ring).
    nra. }
  assert (Hratio : (1 + exp m) * exp z <= 1 + exp p).
  { apply Rle_trans with ((1 + exp m) * ((1 - r) + r * exp (p - m))); [apply Rmult_le_compat_l; lra|].
    assert (Epm : exp m * exp (p - m) = exp p) by (rewrite <- exp_plus; f_equal; ring).
    replace ((1 + exp m) * (1 - r + r * exp (p - m)))
      with ((1 + exp m) - r * (1 + exp m) + r * (1 + exp m) * exp (p - m)) by ring.
    rewrite Hr, Epm; lra. }
  unfold softplus; rewrite <- (ln_exp z), <- ln_mult by lra.
  destruct Hratio as [Hlt|Heq]; [left; apply ln_increasing; [nra|exact Hlt]|right; rewrite Heq; reflexivity].
Qed.

Lemma softplus_shift (p eps : R) : 0 <= eps -> softplus p - eps <= softplus (p - eps).
Proof.
  intro Heps; assert (H := softplus_tangent p (p - eps)); assert (Hp := exp_pos p).
  assert (Hr : exp p / (1 + exp p) <= 1).
  { apply Rmult_le_reg_r with (1 + exp p); [lra|].
    replace (exp p / (1 + exp p) * (1 + exp p)) with (exp p) by (field; lra); lra. }
  nra.
Qed.

Lemma softplus_increasing (p p' : R) : p <= p' -> softplus p <= softplus p'.
Proof.
  intros [Hlt|<-]; [|apply Rle_refl]; unfold softplus; assert (Hp := exp_pos p).
  left; apply ln_increasing; [lra|]; assert (H := exp_increasing p p' Hlt); lra.
Qed.

(** Jensen: the mean of softplus is at least softplus of the mean. *)
Theorem softplus_jensen (p : nat -> R) (T : nat) : (0 < T)%nat ->
  softplus (total p T / INR T) <= total (fun t => softplus (p t)) T / INR T.
Proof.
  intro HT; assert (HpT : 0 < INR T) by (apply lt_0_INR; exact HT).
  set (m := total p T / INR T); set (r := exp m / (1 + exp m)).
  assert (Hsum : forall N, INR N * softplus m + r * (total p N - INR N * m) <= total (fun t => softplus (p t)) N).
  { intro N; induction N as [|n IH]; [simpl; lra|].
    rewrite S_INR; simpl total; assert (H := softplus_tangent m (p (S n))); fold r in H; lra. }
  specialize (Hsum T); replace (total p T - INR T * m) with 0 in Hsum by (unfold m; field; lra).
  apply Rmult_le_reg_r with (INR T); [exact HpT|].
  replace (total (fun t => softplus (p t)) T / INR T * INR T) with (total (fun t => softplus (p t)) T) by (field; lra).
  lra.
Qed.

(** The exponent from the mean pre-activation: every step size is at least c softplus(p_t). *)
Theorem exponent_from_mean_preactivation (alpha c pbar : R) (p Delta : nat -> R) :
  0 <= alpha -> 0 <= c -> (forall t, c * softplus (p (S t)) <= Delta (S t)) -> mean_at_least p pbar ->
  Rbar_le (exponent alpha Delta) (Finite (- (alpha * (c * softplus pbar)))).
Proof.
  intros Halpha Hc HDelta Hp; apply exponent_from_mean; [exact Halpha|]; intros eps Heps.
  destruct (Hp (eps / (1 + c)) ltac:(apply Rdiv_lt_0_compat; lra)) as [N HN]; exists (S N); intros T HT.
  assert (HpT : 0 < INR T) by (apply lt_0_INR; lia); specialize (HN T ltac:(lia)).
  assert (Hle : c * total (fun t => softplus (p t)) T <= total Delta T).
  { clear -HDelta; induction T as [|t IH]; simpl; [lra|]; specialize (HDelta t); lra. }
  assert (Hjensen := softplus_jensen p T ltac:(lia)).
  assert (Hmono := softplus_increasing _ _ HN).
  assert (Hshift := softplus_shift pbar (eps / (1 + c)) ltac:(left; apply Rdiv_lt_0_compat; lra)).
  assert (Hsmall : c * (eps / (1 + c)) <= eps).
  { apply Rmult_le_reg_r with (1 + c); [lra|].
    replace (c * (eps / (1 + c)) * (1 + c)) with (c * eps) by (field; lra); nra. }
  assert (Hmean : c * (total (fun t => softplus (p t)) T / INR T) <= total Delta T / INR T).
  { unfold Rdiv; rewrite <- Rmult_assoc; apply Rmult_le_compat_r; [left; apply Rinv_0_lt_compat; exact HpT|exact Hle]. }
  assert (Hall : c * (softplus pbar - eps / (1 + c)) <= c * (total (fun t => softplus (p t)) T / INR T)).
  { apply Rmult_le_compat_l; [exact Hc|lra]. }
  lra.
Qed.

(** Programs return p above 20 instead of softplus(p): they lose at most this factor, at any p. *)
Definition cut_off_factor : R := 1 - 1031 / 10 ^ 13.
Definition cut_off_softplus (p : R) : R := if Rlt_dec 20 p then p else softplus p.

Lemma exp_20_lower : 484966053 <= exp 20.
Proof.
  assert (He : 685 / 252 <= exp 1).
  { assert (H := exp_ge_taylor 1 7 ltac:(lra)); eapply Rle_trans; [|exact H].
    assert (Hfact : forall n, INR (fact (S n)) = INR (S n) * INR (fact n)).
    { intro n; rewrite <- mult_INR; reflexivity. }
    right; unfold sum_f_R0; rewrite !pow1, !Hfact; change (fact 0) with 1%nat; simpl INR; field. }
  assert (Hpow : forall n, exp (INR n) = exp 1 ^ n).
  { intro n; induction n as [|n IH]; [apply exp_0|]; rewrite S_INR, Rplus_comm, exp_plus, IH; reflexivity. }
  replace 20 with (INR 20) by (simpl; lra); rewrite Hpow.
  apply Rle_trans with ((685 / 252) ^ 20); [lra|apply pow_incr; lra].
Qed.

Lemma softplus_cut_off (p : R) : 20 < p -> cut_off_factor * softplus p <= p.
Proof.
  intro Hp; assert (Hpos := exp_pos p); assert (Hneg := exp_pos (- p)).
  assert (Heq : softplus p <= p + exp (- p)).
  { unfold softplus; replace (1 + exp p) with (exp p * (1 + exp (- p))).
    - rewrite ln_mult, ln_exp by lra; apply Rplus_le_compat_l.
      assert (H := exp_ineq1_le (ln (1 + exp (- p)))); rewrite exp_ln in H by lra; lra.
    - rewrite Rmult_plus_distr_l, Rmult_1_r, <- exp_plus, Rplus_opp_r, exp_0; ring. }
  assert (Hsmall : exp (- p) * 484966053 <= 1).
  { apply Rle_trans with (exp (- p) * exp p); [|rewrite <- exp_plus, Rplus_opp_l, exp_0; lra].
    apply Rmult_le_compat_l; [lra|]; assert (H := exp_increasing 20 p Hp); assert (H20 := exp_20_lower); lra. }
  assert (Hsp := softplus_positive p); unfold cut_off_factor; lra.
Qed.

(** Both softplus and what programs return in its place are at least the factor times softplus. *)
Theorem cut_off_softplus_lower (p : R) :
  cut_off_factor * softplus p <= softplus p /\ cut_off_factor * softplus p <= cut_off_softplus p.
Proof.
  assert (Hsp := softplus_positive p).
  assert (Hfirst : cut_off_factor * softplus p <= softplus p) by (unfold cut_off_factor; lra).
  split; [exact Hfirst|unfold cut_off_softplus].
  destruct (Rlt_dec 20 p); [apply softplus_cut_off; assumption|exact Hfirst].
Qed.

(** The cut-off only lowers. *)
Lemma cut_off_softplus_upper (p : R) : cut_off_softplus p <= softplus p.
Proof.
  unfold cut_off_softplus; destruct (Rlt_dec 20 p); [|apply Rle_refl].
  unfold softplus; assert (Hp := exp_pos p); rewrite <- (ln_exp p) at 1; left; apply ln_increasing; lra.
Qed.

(** (5) of the sustained bound, for programs with or without the cut-off; a lower clamp keeps the hypothesis true. *)
Corollary sustained_exponent (alpha pbar : R) (p Delta : nat -> R) :
  0 <= alpha -> (forall t, cut_off_factor * softplus (p (S t)) <= Delta (S t)) -> mean_at_least p pbar ->
  Rbar_le (exponent alpha Delta) (Finite (- (alpha * (cut_off_factor * softplus pbar)))).
Proof.
  intros Halpha HDelta Hp; apply (exponent_from_mean_preactivation alpha cut_off_factor pbar p Delta); try assumption.
  unfold cut_off_factor; lra.
Qed.
