(** The long-run mean of one functional sum_k omega_k x_k of a Mamba-1 layer's scan inputs, and of p of a channel, from
    a witness; the exponent from that mean. theory/theorems/sustained_bound.md

    The witness may be anything. Scales: rows 2^-a, taps 2^-g, curvatures 2^-b, the point 2^-c; linear coefficients
    2^-(a+b+g+c), the multiplier 2^-(2a+b+2g). None for blocks with an in_proj bias or other than four taps. *)
From Coq Require Import ZArith Reals Lra Lia Bool List Arith.
From Coquelicot Require Import Coquelicot.
From Lyap Require Import recurrence theorem_1_state_deviation step_sizes selective_recurrence finite_sums norm_ball
  dyadic floating_formats packed_products quantised_products mamba2_block step_size_checks block_input input_checks
  front_checks channel_claims approximate_matrices mamba1_block mamba1_functionals check_mamba1 check_mamba1_sound
  quadratic_forms finite_fourier sustained_bound positive_definite curvature_rows curvature_checks
  completed_square_checks sustained_checks scaled_relaxations window_functional parabola_terms token_windows
  quadratic_channel token_rows collected.
Import ListNotations.
Open Scope Z_scope.
Opaque terms_floor sustained_floor exponential_bounds.exp_range.

Record sustained_witness := SustainedWitness {
  mean_curvature_scale : Z;
  mean_point_scale : Z;
  mean_parabolas : list parabola;    (** one per channel *)
  mean_multiplier : Z;
  mean_solution : list Z;            (** near R(0)^-1 l_0 *)
  part_scale : Z;                    (** ends of the parts of cos theta's range, in units of 1/part_scale *)
  parts : list range_part;
  still : factor_proof               (** of R(0) *)
}.

Definition range_part_of (end_of_part : Z) (first second third fourth : factor_proof) : range_part :=
  RangePart end_of_part first second third fourth.

(** * What runs *)

Definition sustained_lower (P : Z) (d : mamba1_data) (ts : token_rows) (omega : vector) (x : sustained_witness)
  : option dyadic :=
  let width := data_width (front_part d) in
  let a := projected_scale ts in
  let g := tap_scale ts in
  let b := mean_curvature_scale x in
  let c := mean_point_scale x in
  let ps := mean_parabolas x in
  if (length (mean_solution x) =? width)%nat then
    let* floor := terms_floor P (v_scale omega) (v_error omega) b (a + b + g + c) (v_entries omega) (token_terms ts) ps
      zero in
    let* bound := sustained_floor (projected_rows ts) (tap_rows ts) (map curvature ps) (map linear ps)
      (mean_multiplier x) (mean_solution x) (part_scale x) (parts x) (still x) in
    Some (round_down P (subtract (add floor (Dyadic bound (- (2 * a + b + 2 * g + 2 * c + 2))))
      (Dyadic (Z.of_nat width * mean_multiplier x) (- (2 * a + b + 2 * g)))))
  else None.

(** A lower bound of the long-run mean of p of channel i. *)
Definition mean_preactivation_lower (P : Z) (d : mamba1_data) (pr : prepared) (ts : token_rows) (i : nat)
  (x : sustained_witness) : option dyadic :=
  let* omega := step_weights d pr i in
  let* bias := number_at (fst (dt_bias_row d)) (snd (dt_bias_row d)) i in
  let* least := sustained_lower P d ts omega x in
  Some (add bias least).

(** At most the cut-off's factor. *)
Definition cut_off_factor_below (P : Z) : dyadic :=
  subtract one (divide_up P (of_integer 1031) (of_integer 10000000000000)).

(** -alpha (1 - 1.031e-10) softplus(pbar) <= claim, for every alpha of a range. *)
Definition mean_rate_accepted (P : Z) (alpha : range) (pbar claim : dyadic) : bool :=
  let c := negate claim in
  let factor := cut_off_factor_below P in
  (0 <=? mantissa c) && (0 <? mantissa (lower alpha)) && (0 <? mantissa factor)
  && softplus_at_least P pbar (divide_up P c (multiply (lower alpha) factor)).

Definition channel_alphas (P : Z) (d : mamba1_data) (i : nat) : option (list range) :=
  collect (fun n => let* A := number_at (A_log_format d) (A_log_row d i) n in alpha_range P A) 0 (state_count d).

(** The claimed exponent of every state of a channel. *)
Definition mean_exponents_accepted (P : Z) (d : mamba1_data) (i : nat) (pbar claim : dyadic) : bool :=
  match channel_alphas P d i with
  | Some alphas => forallb (fun alpha => mean_rate_accepted P alpha pbar claim) alphas
  | None => false
  end.

(** * Soundness *)

Open Scope R_scope.

Lemma mean_at_least_weaken (x y : nat -> R) (m m' : R) : (forall t, x t = y t) -> m' <= m ->
  mean_at_least x m -> mean_at_least y m'.
Proof.
  intros Hxy Hm H eps Heps; destruct (H eps Heps) as [N HN]; exists N; intros T HT; specialize (HN T HT).
  replace (total y T) with (total x T); [lra|].
  clear -Hxy; induction T as [|T IH]; cbn [total]; [reflexivity|rewrite IH, Hxy; reflexivity].
Qed.

Section Sound.
Variable P : Z.
Variable d : mamba1_data.
Let front := front_part d.
Let fb := front_of front.
Let n := inner_count d.
Let b := mamba1_of d.
Hypothesis Hwidth : (0 < data_width front)%nat.
Hypothesis Hepsilon : 0 < value (epsilon front).
Variable ts : token_rows.
Hypothesis Hts : token_rows_hold d ts.

Theorem sustained_lower_sound (omega : vector) (weight : nat -> R) (x : sustained_witness) (least : dyadic)
  (offset : R) :
  approximates_vector omega n weight -> sustained_lower P d ts omega x = Some least ->
  forall r : stream,
    mean_at_least (fun t => offset + sum n (fun k => weight k * scan_input fb r t k)) (offset + value least).
Proof.
  intros [Hlen [_ Hnear]]; unfold sustained_lower; cbv zeta.
  set (a := projected_scale ts); set (g := tap_scale ts).
  set (bw := mean_curvature_scale x); set (c := mean_point_scale x).
  destruct (Nat.eqb_spec (length (mean_solution x)) (data_width (front_part d))) as [Hpoint|]; [|discriminate].
  destruct (terms_floor _ _ _ _ _ _ _ _ _) as [floor|] eqn:Hfloor; [|discriminate].
  destruct (sustained_floor _ _ _ _ _ _ _ _ _) as [bound|] eqn:Hbound; [|discriminate].
  intros H r; assert (Hsome : forall u v : dyadic, Some u = Some v -> v = u) by congruence; apply Hsome in H.
  destruct Hts as [Hrows Hterms Hinputs]; set (width := data_width front) in *.
  set (W := scaled_matrix a (projected_rows ts)); set (taps := scaled_matrix g (tap_rows ts)).
  assert (Hstep : forall u, value floor + scaled_window_value a bw c g (projected_rows ts) (tap_rows ts)
      (map curvature (mean_parabolas x)) (map linear (mean_parabolas x)) (mean_solution x) (token_sequence fb r) u
    <= sum n (fun k => weight k * scan_input fb r (S (3 + u)) k)).
  { intro u.
    destruct (terms_floor_below _ _ _ _ _ _ _ _ _ _ weight (silu_input fb r (S (3 + u)))
      (fun k => window_term width 4 W taps (token_sequence fb r) k u) Hfloor) as [_ [_ Hsum]].
    - rewrite Hlen; exact Hnear.
    - rewrite Hlen; intros k Hk; exact (Hinputs r u k Hk).
    - rewrite value_zero, Rminus_0_r, Hlen in Hsum; eapply Rle_trans; [right|exact Hsum]; f_equal.
      unfold scaled_window_value, window_value; rewrite Hrows, Hpoint; reflexivity. }
  assert (Hmean := sustained_lower_bound a bw c g _ _ _ _ _ _ _ _ _ _ Hbound (token_sequence fb r) (INR width)
    (offset + value floor) 3 (fun t => offset + sum n (fun k => weight k * scan_input fb r t k))).
  rewrite Hpoint in Hmean; specialize (Hmean (fun u => token_in_ball d Hwidth Hepsilon r u)).
  specialize (Hmean (fun u =>
    Rle_trans _ _ _ (Req_le _ _ (Rplus_assoc _ _ _)) (Rplus_le_compat_l offset _ _ (Hstep u)))).
  refine (mean_at_least_weaken _ _ _ _ (fun t => eq_refl) _ Hmean); rewrite H.
  change (data_width (front_part d)) with width.
  assert (Hround := round_down_below P (subtract (add floor (Dyadic bound (- (2 * a + bw + 2 * g + 2 * c + 2))))
    (Dyadic (Z.of_nat width * mean_multiplier x) (- (2 * a + bw + 2 * g))))).
  assert (Hexact : value (subtract (add floor (Dyadic bound (- (2 * a + bw + 2 * g + 2 * c + 2))))
      (Dyadic (Z.of_nat width * mean_multiplier x) (- (2 * a + bw + 2 * g))))
    = value floor - INR width * scaled_number (2 * a + bw + 2 * g) (mean_multiplier x)
      + scaled_number (2 * a + bw + 2 * g + 2 * c) bound / 4).
  { rewrite value_subtract, value_add; unfold value at 2 3; unfold mantissa, exponent.
    rewrite mult_IZR, <- INR_IZR_INZ.
    replace (- (2 * a + bw + 2 * g + 2 * c + 2))%Z with (- (2 * a + bw + 2 * g + 2 * c) + -2)%Z by lia.
    rewrite power2_plus; change (power2 (-2)) with (/ 4); unfold scaled_number; field. }
  rewrite Hexact in Hround; lra.
Qed.

Theorem mean_preactivation_lower_sound (sigma : nat -> R) (pr : prepared) (i : nat) (x : sustained_witness)
  (p : dyadic) :
  provided d sigma pr -> mean_preactivation_lower P d pr ts i x = Some p ->
  forall r, mean_at_least (fun t => mamba1_block.preactivation b r t i) (value p).
Proof.
  intros Hpr; unfold mean_preactivation_lower.
  destruct (step_weights d pr i) as [omega|] eqn:Homega; [|discriminate].
  destruct (number_at _ _ i) as [bias|] eqn:Hbias; [|discriminate].
  destruct (sustained_lower P d ts omega x) as [least|] eqn:Hleast; [|discriminate].
  intros H r; injection H as <-; apply (step_weights_sound d Hwidth sigma) in Homega; [|exact Hpr].
  assert (H := sustained_lower_sound omega _ x least (value bias) Homega Hleast r).
  refine (mean_at_least_weaken _ _ _ _ _ _ H); [|rewrite value_add; apply Rle_refl].
  intro t; rewrite preactivation_functional; change (inner_width b) with n.
  change (dt_bias_of b i) with (row_value (fst (dt_bias_row d)) (snd (dt_bias_row d)) i).
  rewrite (number_at_value _ _ _ _ Hbias); reflexivity.
Qed.

Lemma cut_off_factor_below_sound : value (cut_off_factor_below P) <= cut_off_factor.
Proof.
  unfold cut_off_factor_below, cut_off_factor; rewrite value_subtract, value_one.
  assert (H := divide_up_above P (of_integer 1031) (of_integer 10000000000000)); rewrite !value_of_integer in H.
  specialize (H ltac:(lra)); lra.
Qed.

Theorem mean_rate_accepted_sound (alpha : range) (pbar claim : dyadic) (a : R) (f : R -> R) (p : nat -> R) :
  mean_rate_accepted P alpha pbar claim = true -> contains alpha a -> step_program f -> mean_at_least p (value pbar) ->
  Rbar_le (theorem_1_state_deviation.exponent a (fun t => clamped (limits_of no_limits) (f (p t))))
    (Finite (value claim)).
Proof.
  unfold mean_rate_accepted; cbv zeta; rewrite !andb_true_iff; intros [[[Hc Hl] Hk] Hsoftplus] [Ha _] Hf Hp.
  apply Z.leb_le, mantissa_nonnegative in Hc; rewrite value_negate in Hc.
  apply Z.ltb_lt, mantissa_positive in Hl; apply Z.ltb_lt, mantissa_positive in Hk.
  apply softplus_at_least_sound in Hsoftplus; assert (Hs := softplus_positive (value pbar)).
  assert (Hbelow := cut_off_factor_below_sound).
  set (l := value (lower alpha)) in *; set (k := value (cut_off_factor_below P)) in *.
  assert (Hproduct : 0 < l * k) by (apply Rmult_lt_0_compat; assumption).
  assert (Hq := divide_up_above P (negate claim) (multiply (lower alpha) (cut_off_factor_below P))).
  rewrite value_negate, value_multiply in Hq; fold l k in Hq; specialize (Hq Hproduct).
  assert (Ha' : 0 <= a) by lra.
  eapply Rbar_le_trans; [apply (sustained_exponent a (value pbar) p); [exact Ha'| |exact Hp]|].
  - intro t; destruct (cut_off_softplus_lower (p (S t))) as [H1 H2].
    unfold clamped, limits_of, no_limits; cbn [highest_step lowest_step option_map highest lowest]; rewrite value_zero.
    eapply Rle_trans; [|apply Rmax_r]; destruct Hf as [->| ->]; assumption.
  - cbn [Rbar_le].
    assert (Hclaim : - value claim <= l * k * softplus (value pbar)).
    { apply Rmult_le_compat_l with (r := l * k) in Hq; [|lra].
      replace (l * k * (- value claim / (l * k))) with (- value claim) in Hq by (field; lra).
      apply Rle_trans with (1 := Hq); apply Rmult_le_compat_l; lra. }
    assert (Hfactors : l * k <= a * cut_off_factor) by (apply Rmult_le_compat; lra).
    assert (H := Rmult_le_compat_r _ _ _ (Rlt_le _ _ Hs) Hfactors); lra.
Qed.

Theorem mean_exponents_accepted_sound (sigma : nat -> R) (pr : prepared) (i : nat) (x : sustained_witness)
  (pbar claim : dyadic) :
  provided d sigma pr -> mean_preactivation_lower P d pr ts i x = Some pbar ->
  mean_exponents_accepted P d i pbar claim = true ->
  forall (f : R -> R) (r : stream) (m : nat), step_program f -> (m < state_count d)%nat ->
  Rbar_le (theorem_1_state_deviation.exponent (exp (A_log_of b i m))
             (fun t => clamped (limits_of no_limits) (f (mamba1_block.preactivation b r t i))))
          (Finite (value claim)).
Proof.
  intros Hpr Hp; unfold mean_exponents_accepted, channel_alphas.
  match goal with
  | |- context [collect ?g 0 (state_count d)] => destruct (collect g 0 (state_count d)) as [alphas|] eqn:Halphas
  end.
  2: { intro H; discriminate H. }
  intros Hall f r m Hf Hm.
  destruct (collect_sound _ (dyadic.point zero) _ _ _ Halphas) as [Hlen Halpha].
  specialize (Halpha m Hm); rewrite Nat.add_0_l in Halpha.
  rewrite forallb_forall in Hall.
  apply (mean_rate_accepted_sound (nth m alphas (dyadic.point zero)) pbar claim); [| |exact Hf|].
  - apply Hall, nth_In; lia.
  - revert Halpha; destruct (number_at (A_log_format d) (A_log_row d i) m) as [A|] eqn:HA; [|discriminate].
    intro Halpha.
    change (A_log_of b i m) with (row_value (A_log_format d) (A_log_row d i) m).
    rewrite (number_at_value _ _ _ _ HA); apply (alpha_range_contains P); exact Halpha.
  - apply (mean_preactivation_lower_sound sigma pr i x); assumption.
Qed.
End Sound.
