(** What acceptance by check_vocabulary.v means. *)
From Coq Require Import ZArith Reals Lra Lia Bool List.
From Lyap Require Import finite_sums silu_shape norm_ball dyadic silu_ranges silu_checks floating_formats packed_integers
  packed_products quantised_products mamba2_block step_size_checks block_input input_checks front_checks channel_claims
  channel_claims_sound weighted_ranges approximate_matrices linear_relaxation mamba1_block mamba1_functionals collected
  check_mamba1 check_mamba1_sound vocabulary vocabulary_checks token_blocks check_vocabulary.
Import ListNotations.
Open Scope R_scope.
Opaque exponential_bounds.exp_range silu_range linear_residual_within ball_reach weighted_over test_channel times stack
  scaled_rows.

Lemma contains_sum_of_ranges (rs : list range) (x : nat -> R) :
  (forall j, (j < length rs)%nat -> contains (nth j rs (point zero)) (x j)) ->
  contains (sum_of_ranges rs) (sum (length rs) x).
Proof.
  revert x; induction rs as [|r rs IH]; intros x H; cbn [sum_of_ranges length].
  { cbn [sum]; rewrite <- value_zero; apply contains_point. }
  rewrite sum_first; apply contains_add; [apply (H O); simpl; lia|].
  apply (IH (fun j => x (S j))); intros j Hj; apply (H (S j)); simpl; lia.
Qed.

Lemma sum_lists_spec (count : nat) (lists : list (list range)) : (forall l, In l lists -> length l = count) ->
  length (sum_lists lists count) = count /\
  forall q, (q < count)%nat ->
    value (lower (nth q (sum_lists lists count) (point zero)))
      = sum (length lists) (fun j => value (lower (nth q (nth j lists []) (point zero)))) /\
    value (upper (nth q (sum_lists lists count) (point zero)))
      = sum (length lists) (fun j => value (upper (nth q (nth j lists []) (point zero)))).
Proof.
  induction lists as [|l lists IH]; intro Hall; cbn [sum_lists length].
  { rewrite repeat_length; split; [reflexivity|]; intros q Hq; rewrite nth_repeat; cbn [sum]; split; apply value_zero. }
  destruct IH as [Hlen Hval]; [intros x Hx; apply Hall; right; exact Hx|].
  assert (Hl : length l = count) by (apply Hall; left; reflexivity).
  split; [rewrite map_length, combine_length; lia|]; intros q Hq; destruct (Hval q Hq) as [H1 H2].
  set (g := fun p : range * range => range_add (fst p) (snd p)).
  rewrite (nth_indep _ (point zero) (g (point zero, point zero))) by (rewrite map_length, combine_length; lia).
  rewrite (map_nth g), combine_nth by lia; unfold g; cbn [fst snd range_add lower upper].
  rewrite !value_add, !sum_first; cbn [nth]; rewrite H1, H2; split; reflexivity.
Qed.

Lemma over_blocks_length (of_block : nat -> nat -> option (list range)) (step length_of_one : nat) :
  (forall first count rs, of_block first count = Some rs -> length rs = length_of_one) ->
  forall fuel first left rs, over_blocks of_block step fuel first left = Some rs -> length rs = length_of_one.
Proof.
  intro Hblock; induction fuel as [|fuel IH]; intros first left rs; cbn [over_blocks]; [discriminate|].
  destruct (left <=? step)%nat; [apply Hblock|].
  destruct (of_block first step) as [here|] eqn:Hhere; [|discriminate].
  destruct (over_blocks of_block step fuel _ _) as [later|]; [|discriminate].
  destruct (Nat.eqb_spec (length later) (length here)) as [Hlen|]; [|discriminate]; intro H; injection H as <-.
  destruct (hull_lists_spec here later 0 0 Hlen) as [-> _]; apply (Hblock _ _ _ Hhere).
Qed.

Lemma blocks_of_sound (voc : vocabulary_data) (of_block : nat -> nat -> option (list range)) (m : nat) (x : nat -> nat -> R) (rs : list range) :
  (forall first count rs, of_block first count = Some rs -> length rs = m /\
     forall q v, (q < length rs)%nat -> (v < count)%nat -> contains (nth q rs (point zero)) (x q (first + v)%nat)) ->
  blocks_of voc of_block = Some rs ->
  length rs = m /\ forall q v, (q < m)%nat -> (v < token_count voc)%nat -> contains (nth q rs (point zero)) (x q v).
Proof.
  intros Hblock H; unfold blocks_of in H.
  assert (Hlen : length rs = m)
    by (apply (over_blocks_length of_block block_step m (fun f c s Hs => proj1 (Hblock f c s Hs)) _ _ _ _ H)).
  split; [exact Hlen|]; intros q v Hq Hv.
  apply (over_blocks_sound of_block block_step x (fun f c s Hs => proj2 (Hblock f c s Hs)) _ _ _ _ H); lia.
Qed.

Section Sound.
Variable P : Z.
Variable d : mamba1_data.
Variable voc : vocabulary_data.
Let front := front_part d.
Let fb := front_of front.
Let b := mamba1_of d.
Let n := inner_count d.
Let J := data_taps front.
Let E (v : nat) : nat -> R := row_value (embedding_format voc) (embedding_row voc v).
Let rows := (rank_count d + 2 * state_count d)%nat.
Variable r : stream.
Hypothesis Hwidth : (0 < data_width front)%nat.
Hypothesis Hepsilon : 0 < value (epsilon front).
Hypothesis Hr : over_vocabulary (data_width front) (token_count voc) E r.

Lemma tokens_of_block_sound (first count : nat) (T : packed_matrix) : tokens_of_block P d voc first count = Some T ->
  exists m, T = pack_matrix m /\
    approximates_matrix m (data_width front) count (fun i v => normed_token fb E (first + v) i).
Proof.
  unfold tokens_of_block; destruct (block_matrix _ _ _ _ _ _ first count) as [m|] eqn:Hm; [|discriminate].
  intro H; injection H as <-; exists m; split; [reflexivity|].
  exact (block_matrix_sound P token_scale _ _ _ _ Hwidth first count m Hm).
Qed.

Lemma times_tokens (w : nat -> R) (u c : vector) (first count : nat) (T : packed_matrix) :
  approximates_vector u (data_width front) w -> tokens_of_block P d voc first count = Some T ->
  times count u T = Some c -> approximates_vector c count (fun v => at_token fb E w (first + v)).
Proof.
  intros Hu HT Hc; destruct (tokens_of_block_sound first count T HT) as [m [-> Hm]].
  exact (times_sound _ _ _ _ _ _ _ Hu Hm Hc).
Qed.

Definition row_functional (k i : nat) : R := in_weight fb (conv_row fb k) i * norm_gain fb i.

Lemma projected_ranges_sound (W : matrix) (first count : nat) (rs : list range) :
  approximates_matrix W n (data_width front) row_functional -> projected_ranges P d voc W first count = Some rs ->
  length rs = n /\ forall k v, (k < length rs)%nat -> (v < count)%nat ->
    contains (nth k rs (point zero)) (at_token fb E (row_functional k) (first + v)).
Proof.
  intro HW; unfold projected_ranges.
  destruct (tokens_of_block P d voc first count) as [T|] eqn:HT; [|discriminate]; intro H.
  destruct (collect_sound _ (point zero) _ _ _ H) as [Hlen Hall]; split; [exact Hlen|]; intros k v Hk Hv.
  rewrite Hlen in Hk; specialize (Hall k Hk); cbn [plus] in Hall.
  destruct (times count (row_vector W k) T) as [u|] eqn:Hu; [|discriminate]; injection Hall as Hall; rewrite <- Hall.
  apply (range_of_vector_contains u count (fun v => at_token fb E (row_functional k) (first + v))); [|exact Hv].
  apply (times_tokens _ (row_vector W k) u first count T); [|exact HT|exact Hu].
  exact (row_vector_sound W n _ k _ HW Hk).
Qed.

(** * Taps *)

Variable sigma : nat -> R.

Definition functional_weight (q : nat) : nat -> R :=
  if (q <? n)%nat then step_weight b q else x_weight b (rank_count d + (q - n)).

Lemma step_at_token (i j v : nat) :
  sum (rank_count d) (fun q => dt_weight b i q * at_token fb E (tap_functional fb n (x_weight b q) sigma j) v)
  = at_token fb E (tap_functional fb n (step_weight b i) sigma j) v.
Proof.
  unfold at_token.
  rewrite (sum_same (rank_count d) _ (fun q => sum (width fb) (fun k =>
    dt_weight b i q * tap_functional fb n (x_weight b q) sigma j k * normed_token fb E v k))).
  2: { intros q _; rewrite <- sum_scaled; apply sum_same; intros k _; ring. }
  rewrite sum_swap; apply sum_same; intros k _; rewrite sum_scaled_right; f_equal.
  exact (step_tap_functional d sigma i j k).
Qed.

Lemma tap_ranges_sound (U : matrix) (j first count : nat) (rs : list range) :
  approximates_matrix U rows (data_width front) (fun q => tap_functional fb n (x_weight b q) sigma j) ->
  tap_ranges P d voc U first count = Some rs ->
  length rs = functional_count d /\ forall q v, (q < length rs)%nat -> (v < count)%nat ->
    contains (nth q rs (point zero)) (at_token fb E (tap_functional fb n (functional_weight q) sigma j) (first + v)).
Proof.
  intro HU; unfold tap_ranges.
  destruct (tokens_of_block P d voc first count) as [T|] eqn:HT; [|discriminate].
  destruct (collect _ 0 (rank_count d + 2 * state_count d)) as [zs|] eqn:Hzs; [|discriminate]; cbv zeta.
  destruct (stack _ _) as [Z|] eqn:HZ; [|discriminate].
  match goal with |- context [collect ?f 0%nat (inner_count d)] => set (step_of := f) end.
  destruct (collect step_of 0 (inner_count d)) as [steps|] eqn:Hsteps; [|discriminate].
  match goal with |- context [collect ?f 0%nat (2 * state_count d)] => set (other_of := f) end.
  destruct (collect other_of 0 (2 * state_count d)) as [others|] eqn:Hothers; [|discriminate].
  intro H; injection H as <-.
  destruct (collect_sound _ no_vector _ _ _ Hzs) as [Hzlen Hzall].
  destruct (collect_sound _ (point zero) _ _ _ Hsteps) as [Hslen Hsall].
  destruct (collect_sound _ (point zero) _ _ _ Hothers) as [Holen Hoall].
  assert (Hz : forall q, (q < rows)%nat -> approximates_vector (nth q zs no_vector) count
    (fun v => at_token fb E (tap_functional fb n (x_weight b q) sigma j) (first + v))).
  { intros q Hq; specialize (Hzall q Hq); cbn [plus] in Hzall.
    exact (times_tokens _ _ _ first count T (row_vector_sound U rows _ q _ HU Hq) HT Hzall). }
  split; [rewrite app_length, Hslen, Holen; reflexivity|].
  rewrite app_length, Hslen, Holen; fold n; intros q v Hq Hv; unfold functional_weight.
  destruct (Nat.ltb_spec q n) as [Hqn|Hqn].
  - assert (Happ : nth q (steps ++ others) (point zero) = nth q steps (point zero)) by (apply app_nth1; lia).
    rewrite Happ; specialize (Hsall q Hqn); unfold step_of in Hsall; cbn [plus] in Hsall.
    destruct (step_vector d q) as [sv|] eqn:Hsv; [|discriminate]; apply step_vector_sound in Hsv; try assumption.
    destruct (times count sv (pack_matrix Z)) as [u|] eqn:Hu; [|discriminate]; injection Hsall as Hsall; rewrite <- Hsall.
    assert (Hlow : length (firstn (rank_count d) zs) = rank_count d) by (rewrite firstn_length, Hzlen; lia).
    assert (HZm : approximates_matrix Z (rank_count d) count
      (fun q v => at_token fb E (tap_functional fb n (x_weight b q) sigma j) (first + v))).
    { rewrite <- Hlow; apply (stack_sound _ _ _ _ _) with (2 := HZ); intros p Hp; rewrite Hlow in Hp.
      change (Vector 0 0 []) with no_vector; rewrite nth_of_firstn by exact Hp; apply Hz; unfold rows; lia. }
    assert (Huv := times_sound _ _ _ _ _ _ _ Hsv HZm Hu).
    rewrite <- step_at_token; exact (range_of_vector_contains u count _ v Huv Hv).
  - assert (Happ : nth q (steps ++ others) (point zero) = nth (q - n) others (point zero))
      by (replace (q - n)%nat with (q - length steps)%nat by (rewrite Hslen; reflexivity); apply app_nth2; lia).
    rewrite Happ.
    assert (Hq2 : (q - n < 2 * state_count d)%nat) by lia.
    specialize (Hoall (q - n)%nat Hq2); unfold other_of in Hoall; cbn [plus] in Hoall; injection Hoall as Hoall; rewrite <- Hoall.
    exact (range_of_vector_contains _ count _ v (Hz (rank_count d + (q - n))%nat ltac:(unfold rows; lia)) Hv).
Qed.

(** * The convolution's input and output *)

Lemma token_input_over_sound (k : nat) (taps : list dyadic) (token q : range) (t : nat) :
  in_bias_row front = None -> channel_taps front k = Some taps ->
  (forall v, (v < token_count voc)%nat -> contains token (at_token fb E (row_functional k) v)) ->
  token_input_over P front k taps token = Some q -> contains q (silu_input fb r (S t) k).
Proof.
  intros Hnone Htaps Htoken; unfold token_input_over.
  destruct (optional_number (conv_bias_row front) k) as [beta|] eqn:Hbeta; [|discriminate]; cbv zeta.
  intro H; injection H as <-; apply contains_round.
  destruct (channel_taps_sound front k taps Htaps) as [Hlen Hvalue].
  unfold silu_input; apply contains_add.
  { assert (Hb : conv_bias fb k = value beta) by (apply (optional_number_value _ _ _ Hbeta)).
    rewrite Hb; apply contains_point. }
  set (reach := range_hull token (point zero)).
  change (block_input.taps fb) with (data_taps front); rewrite <- Hlen.
  set (g := fun c => range_multiply (point c) reach).
  replace (length taps) with (length (map g taps)) at 1 by apply map_length.
  apply contains_sum_of_ranges; rewrite map_length; intros j Hj.
  rewrite (nth_indep _ (point zero) (g zero)) by (rewrite map_length; exact Hj); rewrite (map_nth g); unfold g.
  assert (Hc : conv_weight fb k (length taps - 1 - j) = value (nth j taps zero))
    by (rewrite Hlen; apply Hvalue; lia).
  rewrite Hc.
  assert (Hzero : contains reach 0) by (apply contains_hull; right; rewrite <- value_zero; apply contains_point).
  destruct (Nat.ltb_spec j (S t)) as [Hjt|_].
  - apply contains_multiply; [apply contains_point|].
    assert (Hbias : in_bias fb (conv_row fb k) = 0) by (unfold fb, front_of; cbn [in_bias]; rewrite Hnone; reflexivity).
    rewrite Hbias, Rplus_0_r; apply contains_hull; left.
    replace (S t - j)%nat with (S (t - j)) by lia.
    destruct (step_is_token fb (token_count voc) E r Hr (t - j)) as [v [Hv Heq]].
    change (projected fb r (S (t - j)) (conv_row fb k))
      with (sum (width fb) (fun i => row_functional k i * normed fb (r (S (t - j))) i)).
    rewrite (Heq (row_functional k)); apply Htoken; exact Hv.
  - replace 0 with (value (nth j taps zero) * 0) by ring; apply contains_multiply; [apply contains_point|exact Hzero].
Qed.

Lemma token_channels_sound (lines : list line) : forall (first : nat) (tokens : list range) (cs : list channel_input),
  in_bias_row front = None ->
  (forall k v, (k < length lines)%nat -> (v < token_count voc)%nat ->
     contains (nth k tokens (point zero)) (at_token fb E (row_functional (first + k)) v)) ->
  (1 <= J)%nat -> token_channels P front first lines tokens = Some cs ->
  length cs = length lines /\
  forall (t k : nat), (k < length lines)%nat ->
    let c := nth k cs no_input in let l := nth k lines no_line in
    contains (x_range c) (scan_input fb r (S t) (first + k)) /\
    contains (rest_range c) (value (slope l) * window_constant fb (first + k) (Nat.min (S t) J)
       + (scan_input fb r (S t) (first + k) - value (slope l) * silu_input fb r (S t) (first + k))) /\
    forall j, (j < J)%nat ->
      value (nth j (sloped_taps c) zero) = value (slope l) * conv_weight fb (first + k) (J - 1 - j).
Proof.
  induction lines as [|l lines IH]; intros first tokens cs Hnone Htokens HJ; cbn [token_channels].
  { intro H; injection H as <-; split; [reflexivity|intros t k Hk; simpl in Hk; lia]. }
  destruct tokens as [|token tokens]; [discriminate|].
  destruct (token_channel P front first l token) as [c|] eqn:Hc; [|discriminate].
  destruct (token_channels P front (S first) lines tokens) as [rest|] eqn:Hrest; [|discriminate].
  intro H; injection H as <-.
  destruct (IH (S first) tokens rest Hnone) as [Hlen Hall]; [|exact HJ|exact Hrest|].
  { intros k v Hk Hv; replace (S first + k)%nat with (first + S k)%nat by lia; apply (Htokens (S k)); [simpl; lia|exact Hv]. }
  split; [simpl; lia|]; intros t [|k] Hk; cbn [nth].
  2: { replace (first + S k)%nat with (S first + k)%nat by lia; apply Hall; simpl in Hk; lia. }
  rewrite Nat.add_0_r; unfold token_channel in Hc.
  destruct (channel_taps front first) as [taps|] eqn:Htaps; [|discriminate].
  destruct (token_input_over P front first taps token) as [q|] eqn:Hq; [|discriminate].
  destruct (constant_over front first taps) as [cr|] eqn:Hcr; [|discriminate].
  destruct (line_accepted P q l) eqn:Hline; [|discriminate]; injection Hc as <-; cbn [x_range rest_range sloped_taps].
  assert (Hin : contains q (silu_input fb r (S t) first)).
  { apply (token_input_over_sound first taps token q t Hnone Htaps); [|exact Hq].
    intros v Hv; specialize (Htokens 0%nat v ltac:(simpl; lia) Hv); rewrite Nat.add_0_r in Htokens; exact Htokens. }
  destruct (channel_taps_sound front first taps Htaps) as [Htlen Hvalue].
  split; [|split].
  - apply silu_range_contains; exact Hin.
  - apply contains_round, contains_add.
    + apply contains_multiply; [apply contains_point|].
      apply (constant_over_sound front first taps); [exact Htaps|exact Hcr|unfold J in *; lia].
    + unfold line_accepted in Hline; exact (linear_residual_within_sound _ _ _ _ _ _ _ _ _ Hline _ Hin).
  - intros j Hj; rewrite (nth_indep _ zero (multiply (slope l) zero)) by (rewrite map_length; unfold J in *; lia).
    rewrite map_nth, value_multiply; fold (tap_value taps j); rewrite <- Hvalue by exact Hj; reflexivity.
Qed.
End Sound.

(** * The whole layer *)

Section Layer.
Variable P : Z.
Variable d : mamba1_data.
Variable voc : vocabulary_data.
Let front := front_part d.
Let fb := front_of front.
Let b := mamba1_of d.
Let n := inner_count d.
Let J := data_taps front.
Let E (v : nat) : nat -> R := row_value (embedding_format voc) (embedding_row voc v).
Let rows := (rank_count d + 2 * state_count d)%nat.
Hypothesis Hwidth : (0 < data_width front)%nat.
Hypothesis Hepsilon : 0 < value (epsilon front).
Variable tokens : list range.
Variable lines : list line.
Variable vp : vocabulary_prepared.
Hypothesis Htokens : token_ranges P d voc = Some tokens.
Hypothesis Hvp : prepare_vocabulary P d voc tokens lines = Some vp.
Variable r : stream.
Hypothesis Hr : over_vocabulary (data_width front) (token_count voc) E r.

(** A functional, known by its vector, with the taps' sum of index q. *)
Lemma token_functional (sigma omega : nat -> R) (v : vector) (interval rest : spread) (lists : list (list range)) (q t : nat) :
  (1 <= J)%nat -> approximates_vector v n omega -> (q < functional_count d)%nat ->
  omega = functional_weight d q -> length lists = J -> (forall l, In l lists -> length l = functional_count d) ->
  spreads interval n (scan_input fb r (S t)) ->
  spreads rest n (fun k => sigma k * window_constant fb k (Nat.min (S t) J)
    + (scan_input fb r (S t) k - sigma k * silu_input fb r (S t) k)) ->
  (forall j u, (j < J)%nat -> (u < token_count voc)%nat ->
     contains (nth q (nth j lists []) (point zero)) (at_token fb E (tap_functional fb n (functional_weight d q) sigma j) u)) ->
  (forall j, (1 <= j < J)%nat -> contains (nth q (nth j lists []) (point zero)) 0) ->
  contains (functional_over_taps v interval rest (nth q (sum_lists lists (functional_count d)) (point zero)))
    (sum n (fun k => omega k * scan_input fb r (S t) k)).
Proof.
  intros HJ [Hlen [Herr Hv]] Hq Homega Hlists Hlengths Hi Hrest Htaps Hzero; apply contains_meet.
  { apply (weighted_over_contains n); assumption. }
  assert (Hw := weighted_over_contains n _ _ _ _ _ _ Hlen Herr Hv Hrest).
  assert (Hlin := linear_over_tokens fb (token_count voc) E r Hr n omega sigma t
    (fun j => value (lower (nth q (nth j lists []) (point zero)))) (fun j => value (upper (nth q (nth j lists []) (point zero))))
    HJ).
  rewrite Homega in *.
  specialize (Hlin (fun u Hu => Htaps 0%nat u ltac:(unfold J in *; lia) Hu)
    (fun j Hj => conj (Hzero j Hj) (fun u Hu => Htaps j u (proj2 Hj) Hu))); cbv zeta in Hlin.
  unfold residual in Hlin; change (taps fb) with J in Hlin.
  destruct (sum_lists_spec (functional_count d) lists Hlengths) as [_ Hsums]; destruct (Hsums q Hq) as [Hlo Hhi].
  rewrite Hlists in Hlo, Hhi.
  set (f := sum n (fun k => functional_weight d q k * scan_input fb r (S t) k)) in *.
  set (base := sum n (fun k => functional_weight d q k * (sigma k * window_constant fb k (Nat.min (S t) J) + _))) in *.
  replace f with (base + (f - base)) by ring; apply contains_add; [exact Hw|].
  unfold contains; rewrite Hlo, Hhi; lra.
Qed.

Record provided_tokens : Prop := ProvidedTokens {
  token_inputs_hold : forall t k, (k < n)%nat -> contains (nth k (token_inputs vp) (point zero)) (scan_input fb r (S t) k);
  token_steps_hold : forall t i v, (i < n)%nat -> approximates_vector v n (step_weight b i) ->
    contains (functional_over_taps v (token_interval vp) (token_rest vp) (nth i (token_taps vp) (point zero)))
      (sum n (fun k => step_weight b i k * scan_input fb r (S t) k));
  token_B_holds : length (token_B vp) = state_count d /\ forall t i, (i < state_count d)%nat ->
    contains (nth i (token_B vp) (point zero)) (mamba1_block.B_at b r (S t) i);
  token_C_holds : length (token_C vp) = state_count d /\ forall t i, (i < state_count d)%nat ->
    contains (nth i (token_C vp) (point zero)) (mamba1_block.C_at b r (S t) i)
}.

Lemma projection_matrix_sound (W : matrix) : projection_matrix d = Some W ->
  approximates_matrix W n (data_width front) (row_functional d).
Proof.
  unfold projection_matrix; cbv zeta; fold front.
  destruct (Nat.eqb_spec (length (gain_row front)) (data_width front)) as [Hlen|]; [|discriminate].
  destruct (decode_row (gain_format front) (gain_row front)) as [gains|] eqn:Hgains; [|discriminate].
  match goal with |- context [scaled_rows ?s (in_format _)] => set (s_in := s) end; clearbody s_in.
  destruct (scaled_rows s_in _ _ gains 0 (inner_count d)) as [W0|] eqn:HW; [|discriminate].
  intro H; injection H as <-; destruct (decode_row_value _ _ _ Hgains) as [Hg Hvalue].
  assert (Hm := scaled_rows_sound s_in _ _ gains (inner_count d) 0 W0 HW); rewrite Hg, Hlen in Hm.
  refine (approximates_matrix_same _ _ _ _ _ _ Hm); intros k i Hk Hi; cbn [plus].
  rewrite <- Hvalue by (rewrite Hlen; exact Hi); reflexivity.
Qed.

Lemma token_ranges_sound (k v : nat) : (k < n)%nat -> (v < token_count voc)%nat ->
  contains (nth k tokens (point zero)) (at_token fb E (row_functional d k) v).
Proof.
  intros Hk Hv; unfold token_ranges in Htokens.
  destruct (projection_matrix d) as [W|] eqn:HW; [|discriminate]; apply projection_matrix_sound in HW.
  apply (blocks_of_sound voc (projected_ranges P d voc W) n (fun k v => at_token fb E (row_functional d k) v) tokens);
    [|exact Htokens|exact Hk|exact Hv].
  intros first count rs Hrs; exact (projected_ranges_sound P d voc Hwidth W first count rs HW Hrs).
Qed.

Lemma prepare_vocabulary_sound : provided_tokens.
Proof.
  assert (H := Hvp); unfold prepare_vocabulary in H; cbv zeta in H.
  destruct (in_bias_row (front_part d)) eqn:Hnone; [discriminate|].
  destruct (Nat.eqb_spec (length lines) (inner_count d)) as [Hcount|]; [|discriminate].
  destruct (Nat.ltb_spec 0 (token_count voc)) as [Hvoc|]; [|discriminate].
  destruct (Nat.ltb_spec 0 (data_taps (front_part d))) as [HJ|]; [|discriminate]; cbn [andb] in H.
  destruct (token_channels P (front_part d) 0 lines tokens) as [cs|] eqn:Hcs; [|discriminate].
  destruct (projection_matrix d) as [W|] eqn:HW; [|discriminate].
  set (x_size := rows_size _ _ 0 _) in H; clearbody x_size.
  destruct (scaled_rows (digits - x_size) _ _ (repeat one (inner_count d)) 0 _) as [X|] eqn:HX; [|discriminate].
  destruct (collect (tap_vectors d (pack_matrix W) x_size cs) 0 _) as [U|] eqn:HU; [|discriminate].
  destruct (collect (tap_over_blocks P d voc U) 0 _) as [lists|] eqn:Hlists; [|discriminate].
  set (interval := spread_of _ (map x_range cs)) in H; set (rest := spread_of _ (map rest_range cs)) in H.
  set (sums := sum_lists lists (functional_count d)) in H.
  match type of H with context [collect ?f (rank_count d) (state_count d)] => set (range_of := f) in H end.
  destruct (collect range_of (rank_count d) (state_count d)) as [B|] eqn:HB; [|discriminate].
  destruct (collect range_of (rank_count d + state_count d) (state_count d)) as [C|] eqn:HC; [|discriminate].
  injection H as Hrecord.
  destruct (token_channels_sound P d voc r Hwidth Hr lines 0 tokens cs Hnone) as [Hcslen Hchannels]; [|exact HJ|exact Hcs|].
  { intros k v Hk Hv; apply token_ranges_sound; [rewrite Hcount in Hk; exact Hk|exact Hv]. }
  rewrite Hcount in Hcslen, Hchannels; cbn [plus] in Hchannels.
  set (sigma := fun k => value (slope (nth k lines no_line))).
  assert (Hspread : forall t0 (pick : channel_input -> range) (x : nat -> R), pick no_input = point zero ->
            (forall k, (k < n)%nat -> contains (pick (nth k cs no_input)) (x k)) -> spreads (spread_of t0 (map pick cs)) n x).
  { intros t0 pick x Hnone' Hx; assert (Hl : length (map pick cs) = n) by (rewrite map_length; exact Hcslen).
    rewrite <- Hl; apply spread_of_sound; rewrite Hl; intros k Hk; rewrite <- Hnone', map_nth; apply Hx; exact Hk. }
  assert (Hinterval : forall t, spreads interval n (scan_input fb r (S t)))
    by (intro t; apply Hspread; [reflexivity|intros k Hk; apply (Hchannels t k Hk)]).
  assert (Hrest : forall t, spreads rest n (fun k => sigma k * window_constant fb k (Nat.min (S t) J)
    + (scan_input fb r (S t) k - sigma k * silu_input fb r (S t) k)))
    by (intro t; apply Hspread; [reflexivity|intros k Hk; apply (Hchannels t k Hk)]).
  assert (HWm := projection_matrix_sound W HW).
  assert (HXm : approximates_matrix (Matrix (digits - x_size) 1 X) rows n (x_weight b)) by exact (x_rows_sound d _ X HX).
  destruct (collect_sound _ [] _ _ _ HU) as [HUlen HUall].
  assert (HUrows : forall j, (j < J)%nat -> length (nth j U []) = rows /\ forall q, (q < rows)%nat ->
    approximates_vector (nth q (nth j U []) no_vector) (data_width front) (tap_functional fb n (x_weight b q) sigma j)).
  { intros j Hj; assert (Hu := HUall j Hj); cbn [plus] in Hu; split; [exact (tap_vectors_count d _ _ _ _ _ Hu)|].
    apply (tap_vectors_of d W x_size cs sigma j (nth j U [])); [exact HWm|exact Hcslen| |exact Hu].
    intros k Hk; apply (Hchannels 0%nat k Hk); exact Hj. }
  destruct (collect_sound _ [] _ _ _ Hlists) as [Hllen Hlall].
  assert (Htap : forall j, (j < J)%nat -> length (nth j lists []) = functional_count d /\ forall q, (q < functional_count d)%nat ->
    ((1 <= j)%nat -> contains (nth q (nth j lists []) (point zero)) 0) /\
    forall u, (u < token_count voc)%nat ->
      contains (nth q (nth j lists []) (point zero)) (at_token fb E (tap_functional fb n (functional_weight d q) sigma j) u)).
  { intros j Hj; assert (Hl := Hlall j Hj); cbn [plus] in Hl; unfold tap_over_blocks in Hl.
    cbv zeta in Hl; destruct (stack _ (nth j U [])) as [M|] eqn:HM; [|discriminate].
    destruct (HUrows j Hj) as [HUj Hv].
    assert (HMm : approximates_matrix M rows (data_width front) (fun q => tap_functional fb n (x_weight b q) sigma j)).
    { rewrite <- HUj; apply (stack_sound _ _ _ _ _) with (2 := HM); intros q Hq; rewrite HUj in Hq.
      change (Vector 0 0 []) with no_vector; apply Hv; exact Hq. }
    destruct (blocks_of voc (tap_ranges P d voc M)) as [rs|] eqn:Hrs; [|discriminate].
    destruct (blocks_of_sound voc (tap_ranges P d voc M) (functional_count d)
      (fun q v => at_token fb E (tap_functional fb n (functional_weight d q) sigma j) v) rs) with (2 := Hrs) as [Hlen Hall].
    { intros first count rs0 Hrs0; exact (tap_ranges_sound P d voc Hwidth sigma M j first count rs0 HMm Hrs0). }
    injection Hl as Hl; destruct (Nat.eqb_spec j 0) as [->|Hj0]; rewrite <- Hl.
    - split; [exact Hlen|]; intros q Hq; split; [lia|]; intros u Hu; apply Hall; assumption.
    - rewrite map_length; split; [exact Hlen|]; intros q Hq.
      set (g := fun r => range_hull r (point zero)).
      rewrite (nth_indep _ (point zero) (g (point zero))) by (rewrite map_length; lia); rewrite (map_nth g); unfold g.
      split; [intros _; apply contains_hull; right; rewrite <- value_zero; apply contains_point|].
      intros u Hu; apply contains_hull; left; apply Hall; assumption. }
  assert (Hlengths : forall l, In l lists -> length l = functional_count d).
  { intros l Hl; destruct (In_nth lists l [] Hl) as [j [Hj <-]]; apply Htap; rewrite Hllen in Hj; exact Hj. }
  assert (Hfunctional : forall omega v q t, approximates_vector v n omega -> (q < functional_count d)%nat ->
    omega = functional_weight d q ->
    contains (functional_over_taps v interval rest (nth q sums (point zero))) (sum n (fun k => omega k * scan_input fb r (S t) k))).
  { intros omega v q t Hv Hq Ho; apply (token_functional sigma omega v interval rest lists q t); try assumption.
    - apply Hinterval.
    - apply Hrest.
    - intros j u Hj Hu; apply (Htap j Hj); assumption.
    - intros j Hj; apply (Htap j (proj2 Hj)); [exact Hq|lia]. }
  assert (Hother : forall q t, (rank_count d <= q < rows)%nat ->
    contains (functional_over_taps (row_vector (Matrix (digits - x_size) 1 X) q) interval rest
      (nth (inner_count d + (q - rank_count d)) sums (point zero))) (projected_input b r (S t) q)).
  { intros q t Hq; apply (Hfunctional (x_weight b q)).
    - exact (row_vector_sound _ rows n q _ HXm (proj2 Hq)).
    - unfold functional_count, rows in *; lia.
    - unfold functional_weight; destruct (Nat.ltb_spec (inner_count d + (q - rank_count d)) (inner_count d)) as [|_]; [lia|].
      f_equal; lia. }
  constructor; rewrite <- Hrecord; cbn [token_inputs token_interval token_rest token_taps token_B token_C].
  - intros t k Hk; change (point zero) with (x_range no_input); rewrite map_nth; apply (Hchannels t k Hk).
  - intros t i v Hi Hv; apply (Hfunctional (step_weight b i)); [exact Hv|unfold functional_count; lia|].
    unfold functional_weight; destruct (Nat.ltb_spec i (inner_count d)); [reflexivity|lia].
  - destruct (collect_sound _ (point zero) _ _ _ HB) as [Hlen Hall]; split; [exact Hlen|]; intros t i Hi.
    specialize (Hall i Hi); unfold range_of in Hall; injection Hall as Hall; rewrite <- Hall.
    exact (Hother (rank_count d + i)%nat t ltac:(unfold rows; lia)).
  - destruct (collect_sound _ (point zero) _ _ _ HC) as [Hlen Hall]; split; [exact Hlen|]; intros t i Hi.
    specialize (Hall i Hi); unfold range_of in Hall; injection Hall as Hall; rewrite <- Hall.
    exact (Hother (rank_count d + state_count d + i)%nat t ltac:(unfold rows; lia)).
Qed.

Theorem test_vocabulary_channel_sound (pr : prepared) (sigma : nat -> R) (i : nat) (c : channel_claims) (f : R -> R) :
  provided d sigma pr ->
  (i < n)%nat -> step_program f ->
  accepted (test_vocabulary_channel P d pr vp i c) = true ->
  channel_statement c (state_count d) (A_log_of b i)
    (fun t => clamped (limits_of no_limits) (f (mamba1_block.preactivation b r t i)))
    (fun t => mamba1_block.preactivation b r t i)
    (fun m t => mamba1_block.B_at b r t m) (fun m t => mamba1_block.C_at b r t m) (fun t => mamba1_block.x_at b r t i).
Proof.
  intros Hpr Hi Hf; assert (HBlen := B_count d sigma pr Hpr); assert (HClen := C_count d sigma pr Hpr).
  destruct prepare_vocabulary_sound as [Hinputs Hsteps [HVB HB] [HVC HC]].
  unfold test_vocabulary_channel.
  set (Bs := meet_lists (B_ranges pr) (token_B vp)); set (Cs := meet_lists (C_ranges pr) (token_C vp)).
  destruct (channel_states P d Bs Cs i) as [states|] eqn:Hstates; [|discriminate].
  unfold accepted; rewrite !andb_true_iff; intros [[[[Hpre Hst] Hrates] Hexponent] Hsts].
  cbn [preactivation_ok channel_ok] in *.
  destruct (token_preactivation P d pr vp i) as [p|] eqn:Hp; [|discriminate].
  destruct (channel_states_sound P d Bs Cs i states Hstates) as [Hlen Hall].
  assert (Hmet : forall (rs ss : list range) m x, length rs = state_count d -> length ss = state_count d ->
    (m < state_count d)%nat -> contains (nth m rs (point zero)) x -> contains (nth m ss (point zero)) x ->
    contains (nth m (meet_lists rs ss) (point zero)) x).
  { intros rs ss m x Hrs Hss Hm H1 H2; unfold meet_lists; set (g := fun q : range * range => range_meet (fst q) (snd q)).
    rewrite (nth_indep _ (point zero) (g (point zero, point zero))) by (rewrite map_length, combine_length; lia).
    rewrite (map_nth g), combine_nth by lia; apply contains_meet; assumption. }
  set (x_range := range_meet (nth i (inputs pr) (point zero)) (nth i (token_inputs vp) (point zero))) in *.
  assert (Hxin : forall t, contains x_range (mamba1_block.x_at b r (S t) i))
    by (intro t; apply contains_meet; [apply (inputs_hold d sigma pr Hpr); exact Hi|apply Hinputs; exact Hi]).
  rewrite <- Hlen.
  apply (test_channel_sound P no_limits (magnitude x_range) states c f (A_log_of b i)
           (fun t => mamba1_block.preactivation b r t i)); try assumption.
  - eapply Rle_trans; [|apply (contains_magnitude _ _ (Hxin 0%nat))]; apply Rabs_pos.
  - intro t; apply (contains_within p (Range (p_lower c) (p_upper c))); [exact Hpre|].
    unfold token_preactivation in Hp.
    destruct (preactivation_over P d pr i) as [ball|] eqn:Hball; [|discriminate].
    destruct (step_vector d i) as [v|] eqn:Hv; [|discriminate].
    destruct (times (inner_count d) v (x_packed pr)) as [omega|] eqn:Homega; [|discriminate].
    destruct (number_at _ _ i) as [bias|] eqn:Hbias; [|discriminate]; injection Hp as <-.
    apply contains_meet; [exact (preactivation_over_sound P d Hwidth Hepsilon sigma pr i ball r t Hpr Hball)|].
    rewrite preactivation_functional; apply contains_add.
    + assert (Hb : dt_bias_of b i = value bias) by (apply (number_at_value _ _ _ _ Hbias)).
      rewrite Hb; apply contains_point.
    + apply step_vector_sound in Hv; try assumption.
      destruct (x_holds d sigma pr Hpr) as [X [HX HXm]]; rewrite HX in Homega.
      apply (Hsteps t i); [exact Hi|apply shrink_sound; exact (times_sound _ _ v X omega _ _ Hv HXm Homega)].
  - intros m Hm; rewrite Hlen in Hm; apply Hall; exact Hm.
  - intros m t Hm; rewrite Hlen in Hm; destruct (Hall m Hm) as [_ [-> _]]; apply contains_magnitude, Hmet; try assumption;
      [apply (B_holds d sigma pr Hpr); exact Hm|apply HB; exact Hm].
  - intros m t Hm; rewrite Hlen in Hm; destruct (Hall m Hm) as [_ [_ ->]]; apply contains_magnitude, Hmet; try assumption;
      [apply (C_holds d sigma pr Hpr); exact Hm|apply HC; exact Hm].
  - intro t; apply contains_magnitude, Hxin.
Qed.
End Layer.

(** Channel i of the first layer, for every sequence of tokens. *)
Theorem check_vocabulary_sound (P : Z) (d : mamba1_data) (voc : vocabulary_data) (lines token_lines : list line)
  (pr : prepared) (tokens : list range) (vp : vocabulary_prepared) (i : nat) (c : channel_claims) :
  mamba1_well_formed d = true -> prepare P d lines = Some pr -> token_ranges P d voc = Some tokens ->
  prepare_vocabulary P d voc tokens token_lines = Some vp -> (i < inner_count d)%nat ->
  accepted (test_vocabulary_channel P d pr vp i c) = true -> channel_claimed_over_tokens d voc c i.
Proof.
  unfold mamba1_well_formed; rewrite !andb_true_iff; intros [[Hwidth Heps] _] Hpr Htokens Hvp Hi Haccepted f r Hf Hr.
  apply Nat.ltb_lt in Hwidth; apply Z.ltb_lt, mantissa_positive in Heps.
  exact (test_vocabulary_channel_sound P d voc Hwidth Heps tokens token_lines vp Htokens Hvp r Hr pr (line_slope lines) i c f
    (prepare_sound P d lines pr Hwidth Heps Hpr) Hi Hf Haccepted).
Qed.
