(** What acceptance by check_mamba1.v means. *)
From Coq Require Import ZArith Reals Lra Lia Bool List.
From Lyap Require Import finite_sums silu_shape norm_ball selective_recurrence dyadic silu_ranges floating_formats
  packed_integers packed_products quantised_products mamba2_block step_size_checks block_input input_checks front_checks
  channel_claims channel_claims_sound weighted_ranges approximate_matrices linear_relaxation mamba1_block
  mamba1_functionals collected gram_reach check_mamba1.
Import ListNotations.
Open Scope R_scope.
Opaque exponential_bounds.exp_range silu_range silu_input_over ball_reach functional_over test_channel.

Lemma approximates_matrix_same (m : matrix) (rows n : nat) (x y : nat -> nat -> R) :
  (forall k i, (k < rows)%nat -> (i < n)%nat -> x k i = y k i) ->
  approximates_matrix m rows n x -> approximates_matrix m rows n y.
Proof.
  intros Hxy [Hlen [He H]]; split; [exact Hlen|split; [exact He|]]; intros k Hk; destruct (H k Hk) as [H1 H2].
  split; [exact H1|]; apply (near_same n _ _ _ (x k)); [intros i Hi; apply Hxy; assumption|exact H2].
Qed.

Lemma approximates_vector_same (v : vector) (n : nat) (x y : nat -> R) :
  (forall i, (i < n)%nat -> x i = y i) -> approximates_vector v n x -> approximates_vector v n y.
Proof. intros Hxy [H1 [H2 H3]]; repeat split; try assumption; apply (near_same n _ _ _ x); assumption. Qed.

Lemma nth_of_firstn {A : Type} (default : A) (m : nat) : forall (xs : list A) (k : nat),
  (k < m)%nat -> nth k (firstn m xs) default = nth k xs default.
Proof.
  induction m as [|m IH]; intros xs k Hk; [lia|].
  destruct xs as [|x xs]; [destruct k; reflexivity|]; destruct k as [|k]; cbn [firstn nth]; [reflexivity|apply IH; lia].
Qed.

Section Sound.
Variable P : Z.
Variable d : mamba1_data.
Let front := front_part d.
Let fb := front_of front.
Let b := mamba1_of d.
Let n := inner_count d.
Let J := data_taps front.
Hypothesis Hwidth : (0 < data_width front)%nat.
Hypothesis Hepsilon : 0 < value (epsilon front).

Variable sigma : nat -> R.

(** What [prepare] has to provide. *)
Record provided (pr : prepared) : Prop := Provided {
  inputs_hold : forall r t k, (k < n)%nat -> contains (nth k (inputs pr) (point zero)) (scan_input fb r (S t) k);
  interval_holds : forall r t, spreads (interval_spread pr) n (scan_input fb r (S t));
  rest_holds : forall r t, spreads (rest_spread pr) n (fun k =>
    sigma k * window_constant fb k (Nat.min (S t) J) + (scan_input fb r (S t) k - sigma k * silu_input fb r (S t) k));
  x_holds : exists m, x_packed pr = pack_matrix m /\ approximates_matrix m (rank_count d) n (x_weight b);
  taps_hold : forall j, (j < J)%nat -> exists m, nth j (tap_grams pr) no_gram = gram_of m /\
    approximates_matrix m (rank_count d) (data_width front) (fun q => tap_functional fb n (x_weight b q) sigma j);
  B_count : length (B_ranges pr) = state_count d;
  C_count : length (C_ranges pr) = state_count d;
  B_holds : forall r t i, (i < state_count d)%nat ->
    contains (nth i (B_ranges pr) (point zero)) (mamba1_block.B_at b r (S t) i);
  C_holds : forall r t i, (i < state_count d)%nat ->
    contains (nth i (C_ranges pr) (point zero)) (mamba1_block.C_at b r (S t) i)
}.

(** A functional over the layer, from its vector and the reach of its taps. *)
Lemma functional_at (omega : nat -> R) (v : vector) (interval rest : spread) (reaches : list dyadic) (r : stream) (t : nat) :
  approximates_vector v n omega -> spreads interval n (scan_input fb r (S t)) ->
  spreads rest n (fun k => sigma k * window_constant fb k (Nat.min (S t) J)
    + (scan_input fb r (S t) k - sigma k * silu_input fb r (S t) k)) ->
  length reaches = J ->
  (forall j, (j < J)%nat -> 0 <= value (nth j reaches zero) /\
     INR (data_width front) * sum (data_width front) (fun i => tap_functional fb n omega sigma j i ^ 2)
       <= value (nth j reaches zero) ^ 2) ->
  contains (functional_over v interval rest (sum_of_dyadics reaches)) (sum n (fun k => omega k * scan_input fb r (S t) k)).
Proof.
  intros Hv Hi Hr Hlen Hreach.
  apply (functional_over_contains fb n omega sigma v interval rest (fun j => value (nth j reaches zero)));
    try assumption.
  - intro j; destruct (Nat.lt_ge_cases j J) as [Hj|Hj]; [apply Hreach; exact Hj|].
    rewrite nth_overflow by lia; rewrite value_zero; lra.
  - intros j Hj; apply Hreach; exact Hj.
  - rewrite sum_of_dyadics_value, Hlen; apply Rle_refl.
Qed.

(** The taps' functional of row i of dt_proj x_proj comes from those of x_proj's rows. *)
Lemma step_tap_functional (i j k : nat) :
  sum (rank_count d) (fun q => dt_weight b i q * tap_functional fb n (x_weight b q) sigma j k)
  = tap_functional fb n (step_weight b i) sigma j k.
Proof.
  unfold tap_functional, step_weight.
  rewrite (sum_same (rank_count d) _ (fun q => sum n (fun c => dt_weight b i q * x_weight b q c *
    (sigma c * conv_weight fb c (taps fb - 1 - j)) * (in_weight fb (conv_row fb c) k * norm_gain fb k)))).
  2: { intros q _; rewrite <- sum_scaled; apply sum_same; intros c _; ring. }
  rewrite sum_swap; apply sum_same; intros c _; rewrite <- !sum_scaled_right; reflexivity.
Qed.

Lemma step_vector_sound (i : nat) (v : vector) :
  step_vector d i = Some v -> approximates_vector v (rank_count d) (dt_weight b i).
Proof.
  unfold step_vector; destruct (Nat.eqb_spec (length (dt_row d i)) (rank_count d)) as [Hlen|]; [|discriminate].
  destruct (quantise_stored digits (dt_format d) (dt_row d i)) as [q|] eqn:Hq; [|discriminate].
  intro H; injection H as <-; apply quantise_stored_sound in Hq; rewrite Hlen in Hq; destruct Hq as [H1 H2].
  split; [exact H1|split; [cbn [v_error]; lia|exact H2]].
Qed.

Lemma preactivation_over_sound (pr : prepared) (i : nat) (p : range) (r : stream) (t : nat) :
  provided pr -> preactivation_over P d pr i = Some p -> contains p (mamba1_block.preactivation b r (S t) i).
Proof.
  intros Hpr; unfold preactivation_over.
  destruct (step_vector d i) as [v|] eqn:Hv; [|discriminate].
  destruct (times (inner_count d) v (x_packed pr)) as [omega|] eqn:Homega; [|discriminate].
  destruct (collect _ 0 (data_taps (front_part d))) as [reaches|] eqn:Hreaches; [|discriminate].
  destruct (number_at _ _ i) as [bias|] eqn:Hbias; [|discriminate]; intro H; injection H as <-.
  apply step_vector_sound in Hv.
  destruct (x_holds pr Hpr) as [X [HX HXm]]; rewrite HX in Homega.
  assert (Ho := times_sound _ _ v X omega _ _ Hv HXm Homega).
  destruct (collect_sound _ zero _ _ _ Hreaches) as [Hlen Hall].
  rewrite preactivation_functional; apply contains_add.
  - assert (Hb : dt_bias_of b i = value bias) by (apply (number_at_value _ _ _ _ Hbias)).
    rewrite Hb; apply contains_point.
  - apply (functional_at (step_weight b i)); [|apply (interval_holds pr Hpr)|apply (rest_holds pr Hpr)|exact Hlen|].
    + apply shrink_sound; exact Ho.
    + intros j Hj; specialize (Hall j Hj); cbn [plus] in Hall.
      destruct (taps_hold pr Hpr j Hj) as [U [HU HUm]]; rewrite HU in Hall.
      destruct (gram_reach_sound P _ _ v U _ _ _ Hv HUm Hall) as [H0 Hreach]; split; [exact H0|].
      rewrite (sum_same _ (fun k => tap_functional fb n (step_weight b i) sigma j k ^ 2)
        (fun k => sum (rank_count d) (fun q => dt_weight b i q * tap_functional fb n (x_weight b q) sigma j k) ^ 2));
        [exact Hreach|intros k _; rewrite step_tap_functional; reflexivity].
Qed.

Lemma channel_states_sound (B C : list range) (i : nat) (states : list state_domain) :
  channel_states P d B C i = Some states ->
  length states = state_count d /\
  forall m, (m < state_count d)%nat ->
    contains (alpha_enclosure (state_at states m)) (exp (A_log_of b i m)) /\
    B_magnitude (state_at states m) = magnitude (nth m B (point zero)) /\
    C_magnitude (state_at states m) = magnitude (nth m C (point zero)).
Proof.
  unfold channel_states; intro H; destruct (collect_sound _ no_state _ _ _ H) as [Hlen Hall]; split; [exact Hlen|].
  intros m Hm; specialize (Hall m Hm); cbn [plus] in Hall.
  destruct (number_at (A_log_format d) (A_log_row d i) m) as [A|] eqn:HA; [|discriminate].
  destruct (alpha_range P A) as [alpha|] eqn:Halpha; [|discriminate].
  injection Hall as Hall; unfold state_at; rewrite <- Hall; cbn [alpha_enclosure B_magnitude C_magnitude].
  split; [|split; reflexivity].
  assert (Hv : A_log_of b i m = value A) by (apply (number_at_value _ _ _ _ HA)).
  rewrite Hv; apply (alpha_range_contains P); exact Halpha.
Qed.

Theorem test_mamba1_channel_sound (pr : prepared) (i : nat) (c : channel_claims) : provided pr -> (i < n)%nat ->
  accepted (test_mamba1_channel P d pr i c) = true -> channel_claimed d c i.
Proof.
  intros Hpr Hi; unfold test_mamba1_channel.
  destruct (channel_states P d (B_ranges pr) (C_ranges pr) i) as [states|] eqn:Hstates; [|discriminate].
  unfold accepted; rewrite !andb_true_iff; intros [[[[Hpre Hsteps] Hrates] Hexponent] Hsts].
  cbn [preactivation_ok channel_ok] in *.
  destruct (preactivation_over P d pr i) as [p|] eqn:Hp; [|discriminate].
  destruct (channel_states_sound _ _ i states Hstates) as [Hlen Hall].
  intros f r Hf; rewrite <- Hlen.
  apply (test_channel_sound P no_limits (magnitude (nth i (inputs pr) (point zero))) states c f (A_log_of b i)
           (fun t => mamba1_block.preactivation b r t i)); try assumption.
  - eapply Rle_trans; [|apply (contains_magnitude _ _ (inputs_hold pr Hpr r 0 i Hi))]; apply Rabs_pos.
  - intro t; apply (contains_within p (Range (p_lower c) (p_upper c))); [exact Hpre|].
    apply (preactivation_over_sound pr i p r t Hpr Hp).
  - intros m Hm; rewrite Hlen in Hm; apply Hall; exact Hm.
  - intros m t Hm; rewrite Hlen in Hm; destruct (Hall m Hm) as [_ [-> _]]; apply contains_magnitude, (B_holds pr Hpr); exact Hm.
  - intros m t Hm; rewrite Hlen in Hm; destruct (Hall m Hm) as [_ [_ ->]]; apply contains_magnitude, (C_holds pr Hpr); exact Hm.
  - intro t; apply contains_magnitude, (inputs_hold pr Hpr); exact Hi.
Qed.
End Sound.

Lemma tap_vectors_count (d : mamba1_data) (G : packed_matrix) (x_size : Z) (channels : list channel_input) (j : nat)
  (us : list vector) : tap_vectors d G x_size channels j = Some us -> length us = (rank_count d + 2 * state_count d)%nat.
Proof.
  unfold tap_vectors; cbv zeta; destruct (scaled_rows _ (x_format d) _ _ 0 _); [|discriminate].
  intro H; apply (collect_sound _ no_vector _ _ _ H).
Qed.

(** Rows of x_proj diag(slope c_j) W diag(g), given W diag(g). *)
Lemma tap_vectors_of (d : mamba1_data) (W : matrix) (x_size : Z) (channels : list channel_input) (sigma : nat -> R) (j : nat)
  (us : list vector) : let fb := front_of (front_part d) in let n := inner_count d in
  approximates_matrix W n (data_width (front_part d)) (fun k i => in_weight fb (conv_row fb k) i * norm_gain fb i) ->
  length channels = n ->
  (forall k, (k < n)%nat ->
     value (nth j (sloped_taps (nth k channels no_input)) zero) = sigma k * conv_weight fb k (taps fb - 1 - j)) ->
  tap_vectors d (pack_matrix W) x_size channels j = Some us ->
  forall q, (q < rank_count d + 2 * state_count d)%nat ->
    approximates_vector (nth q us no_vector) (data_width (front_part d))
      (tap_functional fb n (x_weight (mamba1_of d) q) sigma j).
Proof.
  intros fb n HW Hcslen Hslopes; unfold tap_vectors; cbv zeta.
  set (factors := map (fun c => nth j (sloped_taps c) zero) channels).
  set (sa := (digits - (x_size + largest_size factors))%Z); clearbody sa.
  destruct (scaled_rows sa (x_format d) (x_row d) factors 0 _) as [A|] eqn:HA; [|discriminate].
  intro H; destruct (collect_sound _ no_vector _ _ _ H) as [_ Hall].
  assert (HAm := scaled_rows_sound sa _ _ factors _ 0 A HA).
  assert (Hfactors : length factors = n) by (unfold factors; rewrite map_length; exact Hcslen).
  rewrite Hfactors in HAm; intros q Hq; specialize (Hall q Hq); cbn [plus] in Hall.
  assert (Hv := times_sound _ _ _ _ _ _ _ (row_vector_sound _ _ _ q _ HAm Hq) HW Hall).
  refine (approximates_vector_same _ _ _ _ _ Hv); intros i Hi; cbn [plus].
  unfold tap_functional; apply sum_same; intros k Hk; f_equal; f_equal.
  assert (Hnth : nth k factors zero = nth j (sloped_taps (nth k channels no_input)) zero).
  { unfold factors; rewrite (nth_indep _ zero (nth j (sloped_taps no_input) zero))
      by (rewrite map_length, Hcslen; exact Hk).
    apply (map_nth (fun c => nth j (sloped_taps c) zero)). }
  rewrite Hnth; apply Hslopes; exact Hk.
Qed.

(** * What [prepare] provides *)

Section Prepare.
Variable P : Z.
Variable d : mamba1_data.
Variable lines : list line.
Variable gain : quantised.
Variable cs : list channel_input.
Variable gains : list dyadic.
Let front := front_part d.
Let fb := front_of front.
Let b := mamba1_of d.
Let n := inner_count d.
Let J := data_taps front.
Let rows := (rank_count d + 2 * state_count d)%nat.
Hypothesis Hwidth : (0 < data_width front)%nat.
Hypothesis Hepsilon : 0 < value (epsilon front).
Hypothesis Hcount : length lines = n.
Hypothesis Hgain : quantised_gain front = Some gain.
Hypothesis Hcs : channel_inputs P front gain 0 lines = Some cs.
Hypothesis Hgains : decode_row (gain_format front) (gain_row front) = Some gains.

Definition line_slope (k : nat) : R := value (slope (nth k lines no_line)).

Lemma gains_sound : length gains = data_width front /\
  forall i, (i < data_width front)%nat -> value (nth i gains zero) = norm_gain fb i.
Proof.
  destruct (decode_row_value _ _ _ Hgains) as [H1 H2]; unfold quantised_gain in Hgain.
  destruct (Nat.eqb_spec (length (gain_row front)) (data_width front)) as [Hlen|]; [|discriminate].
  rewrite <- Hlen; split; [exact H1|]; intros i Hi; symmetry; apply H2; exact Hi.
Qed.

Lemma channels_sound (r : stream) (t k : nat) : (k < n)%nat ->
  contains (x_range (nth k cs no_input)) (scan_input fb r (S t) k) /\
  contains (rest_range (nth k cs no_input)) (line_slope k * window_constant fb k (Nat.min (S t) J)
    + (scan_input fb r (S t) k - line_slope k * silu_input fb r (S t) k)) /\
  forall j, (j < J)%nat ->
    value (nth j (sloped_taps (nth k cs no_input)) zero) = line_slope k * conv_weight fb k (J - 1 - j).
Proof.
  intro Hk; destruct (channel_inputs_sound P front gain Hwidth Hepsilon Hgain lines 0 cs Hcs) as [_ H].
  specialize (H r t k ltac:(rewrite Hcount; exact Hk)); cbn [plus] in H; exact H.
Qed.

Lemma cs_length : length cs = n.
Proof.
  destruct (channel_inputs_sound P front gain Hwidth Hepsilon Hgain lines 0 cs Hcs) as [H _]; rewrite H; exact Hcount.
Qed.

Lemma projection_sound (s : Z) (W : list (list Z)) :
  scaled_rows s (in_format front) (fun k => in_row front (feeding_row front k)) gains 0 n = Some W ->
  approximates_matrix (Matrix s 1 W) n (data_width front)
    (fun k i => in_weight fb (conv_row fb k) i * norm_gain fb i).
Proof.
  intro H; destruct gains_sound as [Hlen Hvalue]; rewrite <- Hlen.
  apply (approximates_matrix_same _ _ _ _ _ (fun k i _ Hi => f_equal (Rmult _) (Hvalue i (eq_ind _ (fun m => (i < m)%nat) Hi _ Hlen)))
           (scaled_rows_sound s _ _ gains n 0 W H)).
Qed.

Lemma x_rows_sound (s : Z) (X : list (list Z)) :
  scaled_rows s (x_format d) (x_row d) (repeat one n) 0 rows = Some X ->
  approximates_matrix (Matrix s 1 X) rows n (x_weight b).
Proof.
  intro H; assert (Hm := scaled_rows_sound s _ _ (repeat one n) rows 0 X H); rewrite repeat_length in Hm.
  refine (approximates_matrix_same _ _ _ _ _ _ Hm); intros q k _ Hk; cbn [plus].
  rewrite nth_error_nth with (x := one); [rewrite value_one; apply Rmult_1_r|].
  rewrite nth_error_repeat by exact Hk; reflexivity.
Qed.

Lemma tap_vectors_sound (s : Z) (W : list (list Z)) (x_size : Z) (channels : list channel_input) (sigma : nat -> R) (j : nat)
  (us : list vector) :
  scaled_rows s (in_format front) (fun k => in_row front (feeding_row front k)) gains 0 n = Some W ->
  length channels = n ->
  (forall k, (k < n)%nat ->
     value (nth j (sloped_taps (nth k channels no_input)) zero) = sigma k * conv_weight fb k (taps fb - 1 - j)) ->
  tap_vectors d (pack_matrix (Matrix s 1 W)) x_size channels j = Some us ->
  length us = rows /\ forall q, (q < rows)%nat ->
    approximates_vector (nth q us no_vector) (data_width front) (tap_functional fb n (x_weight b q) sigma j).
Proof.
  intros HW Hlen Hslopes Hus; split.
  - exact (tap_vectors_count _ _ _ _ _ _ Hus).
  - exact (tap_vectors_of d (Matrix s 1 W) x_size channels sigma j us (projection_sound s W HW) Hlen Hslopes Hus).
Qed.

Lemma ranges_spread (t0 : Z) (pick : channel_input -> range) (x : nat -> R) :
  pick no_input = point zero -> (forall k, (k < n)%nat -> contains (pick (nth k cs no_input)) (x k)) ->
  spreads (spread_of t0 (map pick cs)) n x.
Proof.
  intros Hnone Hx; assert (Hlen : length (map pick cs) = n) by (rewrite map_length; apply cs_length).
  rewrite <- Hlen; apply spread_of_sound; rewrite Hlen; intros k Hk.
  rewrite <- Hnone, map_nth; apply Hx; exact Hk.
Qed.
End Prepare.

(** The same for the whole layer. *)
Lemma firstn_matrix (s e : Z) (X : list (list Z)) (rows first n : nat) (x : nat -> nat -> R) :
  (first <= rows)%nat -> approximates_matrix (Matrix s e X) rows n x ->
  approximates_matrix (Matrix s e (firstn first X)) first n x.
Proof.
  intros Hle [Hlen [He H]]; cbn [m_rows m_error m_scale] in *; split; [|split; [exact He|]]; cbn [m_rows m_error m_scale].
  - rewrite firstn_length; lia.
  - intros k Hk; rewrite nth_of_firstn by exact Hk; apply H; lia.
Qed.

Theorem prepare_sound (P : Z) (d : mamba1_data) (lines : list line) (pr : prepared) :
  (0 < data_width (front_part d))%nat -> 0 < value (epsilon (front_part d)) ->
  prepare P d lines = Some pr -> provided d (line_slope lines) pr.
Proof.
  intros Hwidth Hepsilon; unfold prepare; cbv zeta.
  set (front := front_part d) in *; set (n := inner_count d); set (J := data_taps front).
  set (rows := (rank_count d + 2 * state_count d)%nat).
  destruct (Nat.eqb_spec (length lines) n) as [Hcount|]; [|discriminate].
  destruct (quantised_gain front) as [gain|] eqn:Hgain; [|discriminate].
  destruct (channel_inputs P front gain 0 lines) as [cs|] eqn:Hcs; [|discriminate].
  destruct (decode_row _ _) as [gains|] eqn:Hgains; [|discriminate].
  match goal with |- context [scaled_rows ?s (in_format front)] => set (s_in := s) end; clearbody s_in.
  destruct (scaled_rows s_in _ _ gains 0 n) as [W|] eqn:HW; [|discriminate].
  set (x_size := rows_size _ _ 0 rows); clearbody x_size.
  destruct (scaled_rows (digits - x_size) _ _ (repeat one n) 0 rows) as [X|] eqn:HX; [|discriminate].
  destruct (collect (tap_vectors d _ x_size cs) 0 J) as [U|] eqn:HU; [|discriminate].
  match goal with |- context [collect ?f 0%nat J] => set (stack_of := f) end.
  destruct (collect stack_of 0 J) as [stacked|] eqn:Hstacked; [|discriminate].
  set (interval := spread_of _ (map x_range cs)); set (rest := spread_of _ (map rest_range cs)).
  match goal with |- context [collect ?f (rank_count d) (state_count d)] => set (range_of := f) end.
  destruct (collect range_of (rank_count d) (state_count d)) as [B|] eqn:HB; [|discriminate].
  destruct (collect range_of (rank_count d + state_count d) (state_count d)) as [C|] eqn:HC; [|discriminate].
  intro H; injection H as <-.
  assert (Hchannels := channels_sound P d lines gain cs Hwidth Hepsilon Hcount Hgain Hcs).
  assert (Hn : length cs = n) by (apply (cs_length P d lines gain cs); assumption).
  assert (Hinterval : forall r t, spreads interval n (scan_input (front_of front) r (S t))).
  { intros r t; apply (ranges_spread P d lines gain cs); try assumption; [reflexivity|intros k Hk; apply Hchannels; exact Hk]. }
  assert (Hrest : forall r t, spreads rest n (fun k =>
    line_slope lines k * window_constant (front_of front) k (Nat.min (S t) J)
    + (scan_input (front_of front) r (S t) k - line_slope lines k * silu_input (front_of front) r (S t) k))).
  { intros r t; apply (ranges_spread P d lines gain cs); try assumption; [reflexivity|intros k Hk; apply Hchannels; exact Hk]. }
  assert (HXm := x_rows_sound d (digits - x_size) X HX); fold rows n in HXm.
  destruct (collect_sound _ [] _ _ _ HU) as [HUlen HUall].
  assert (HUrows : forall j, (j < J)%nat -> length (nth j U []) = rows /\ forall q, (q < rows)%nat ->
    approximates_vector (nth q (nth j U []) no_vector) (data_width front)
      (tap_functional (front_of front) n (x_weight (mamba1_of d) q) (line_slope lines) j)).
  { intros j Hj; apply (tap_vectors_sound d gain gains Hgain Hgains s_in W x_size cs (line_slope lines) j);
      [exact HW|exact Hn| |apply (HUall j Hj)].
    intros k Hk; apply (Hchannels (fun _ _ => 0) 0%nat k Hk); exact Hj. }
  assert (Hrange : forall r t q, (q < rows)%nat ->
    contains (functional_over (row_vector (Matrix (digits - x_size) 1 X) q) interval rest
      (sum_of_dyadics (map (fun u => ball_reach P (nth q u no_vector)) U))) (projected_input (mamba1_of d) r (S t) q)).
  { intros r t q Hq; apply (functional_at d Hwidth Hepsilon (line_slope lines) (x_weight (mamba1_of d) q)); try apply Hinterval; try apply Hrest.
    - exact (row_vector_sound _ rows n q _ HXm Hq).
    - rewrite map_length; exact HUlen.
    - intros j Hj; destruct (HUrows j Hj) as [_ Hv]; specialize (Hv q Hq).
      rewrite (nth_indep _ zero (ball_reach P (nth q [] no_vector))) by (rewrite map_length, HUlen; exact Hj).
      rewrite (map_nth (fun u => ball_reach P (nth q u no_vector)) U [] j).
      exact (ball_reach_sound P _ _ _ Hv). }
  constructor; cbn [inputs interval_spread rest_spread x_packed tap_grams B_ranges C_ranges].
  - intros r t k Hk; change (point zero) with (x_range no_input); rewrite map_nth; apply Hchannels; exact Hk.
  - exact Hinterval.
  - exact Hrest.
  - exists (Matrix (digits - x_size) 1 (firstn (rank_count d) X)); split; [reflexivity|].
    apply (firstn_matrix _ _ _ rows); [unfold rows; lia|exact HXm].
  - intros j Hj; destruct (collect_sound _ (Matrix 0 0 []) _ _ _ Hstacked) as [Hslen Hsall].
    specialize (Hsall j Hj); unfold stack_of in Hsall; cbn [plus] in Hsall.
    exists (nth j stacked (Matrix 0 0 [])); split.
    + change no_gram with (gram_of (Matrix 0 0 [])); apply map_nth.
    + destruct (HUrows j Hj) as [Hlen Hv].
      assert (Hfirst : length (firstn (rank_count d) (nth j U [])) = rank_count d)
        by (rewrite firstn_length, Hlen; unfold rows; lia).
      rewrite <- Hfirst; apply (stack_sound _ _ _ _ _) with (2 := Hsall).
      intros q Hq; rewrite Hfirst in Hq; change (Vector 0 0 []) with no_vector.
      rewrite nth_of_firstn by exact Hq; apply Hv; unfold rows; lia.
  - apply (collect_sound _ (point zero) _ _ _ HB).
  - apply (collect_sound _ (point zero) _ _ _ HC).
  - intros r t i Hi; destruct (collect_sound _ (point zero) _ _ _ HB) as [_ Hall]; specialize (Hall i Hi).
    unfold range_of in Hall; injection Hall as Hall; rewrite <- Hall.
    exact (Hrange r t (rank_count d + i)%nat ltac:(unfold rows; lia)).
  - intros r t i Hi; destruct (collect_sound _ (point zero) _ _ _ HC) as [_ Hall]; specialize (Hall i Hi).
    unfold range_of in Hall; injection Hall as Hall; rewrite <- Hall.
    exact (Hrange r t (rank_count d + state_count d + i)%nat ltac:(unfold rows; lia)).
Qed.

Theorem check_mamba1_sound (P : Z) (d : mamba1_data) (lines : list line) (claims : nat -> channel_claims) (i : nat) :
  (i < inner_count d)%nat -> accepted (nth i (test_mamba1_layer P d lines claims) nothing_ok) = true ->
  channel_claimed d (claims i) i.
Proof.
  intros Hi; unfold test_mamba1_layer.
  destruct (mamba1_well_formed d) eqn:Hwell; [|destruct i; discriminate].
  unfold mamba1_well_formed in Hwell; rewrite !andb_true_iff in Hwell; destruct Hwell as [[Hwidth Heps] _].
  apply Nat.ltb_lt in Hwidth; apply Z.ltb_lt, mantissa_positive in Heps.
  destruct (prepare P d lines) as [pr|] eqn:Hpr; [|destruct i; discriminate].
  rewrite (nth_indep _ nothing_ok (test_mamba1_channel P d pr 0 (claims 0%nat))) by (rewrite map_length, seq_length; exact Hi).
  rewrite (map_nth (fun i => test_mamba1_channel P d pr i (claims i))), seq_nth by exact Hi; cbn [plus].
  apply (test_mamba1_channel_sound P d Hwidth Heps (line_slope lines)); [|exact Hi].
  apply (prepare_sound P); assumption.
Qed.
