(** silu's inputs of a Mamba-1 layer as a moving window over a sequence of tokens, from stored bits: every channel's row
    of the projection as integers, its four taps, its constant and its reach. For blocks with four taps and without an
    in_proj bias. theory/theorems/sustained_bound.md, section 2 *)
From Coq Require Import ZArith Reals Lra Lia Bool List Arith.
From Lyap Require Import finite_sums norm_ball dyadic floating_formats packed_products quantised_products block_input
  input_checks front_checks approximate_matrices mamba1_block mamba1_functionals collected check_mamba1
  check_mamba1_sound quadratic_forms finite_fourier sustained_bound positive_definite curvature_rows
  scaled_relaxations window_functional parabola_terms.
Import ListNotations.
Open Scope Z_scope.
Opaque silu_input_over.

(** Rows at 2^-projected_scale within one unit; taps at 2^-tap_scale, exactly, oldest first. *)
Record token_rows := TokenRows {
  projected_scale : Z;
  tap_scale : Z;
  projected_rows : list (list Z);
  tap_rows : list (list Z);
  token_terms : list silu_term
}.

Definition token_digits : Z := 64.

(** Taps as integers at 2^-g; None where one is no multiple of 2^-g. *)
Fixpoint exact_taps (g : Z) (newest_first : list dyadic) (found : list Z) : option (list Z) :=
  match newest_first with
  | [] => Some found
  | x :: rest =>
      if (0 <=? exponent x + g) || (mantissa x =? 0) then exact_taps g rest (quantise g x :: found) else None
  end.

Definition places (x : dyadic) : Z := if mantissa x =? 0 then 0 else - exponent x.
Definition largest_places (xs : list dyadic) : Z := fold_left (fun m x => Z.max m (places x)) xs 0.

(** What rounding the rows can do to silu's input. *)
Definition moving_slack (a : Z) (width : nat) (taps : list dyadic) : dyadic :=
  multiply (Dyadic (Z.of_nat width) (- a)) (sum_of_dyadics (map absolute taps)).

Definition moving_term (P a : Z) (d : front_data) (gain : quantised) (k : nat) : option silu_term :=
  let* q := silu_input_over P d gain k in
  let* beta := optional_number (conv_bias_row d) k in
  let* taps := channel_taps d k in
  let slack := moving_slack a (data_width d) taps in
  Some (SiluTerm beta slack (round_up P (add (magnitude q) slack))).

Definition token_rows_of (P : Z) (d : mamba1_data) : option token_rows :=
  let front := front_part d in
  let n := inner_count d in
  match in_bias_row front with
  | Some _ => None
  | None =>
      if (data_taps front =? 4)%nat then
        let* gain := quantised_gain front in
        let* gains := decode_row (gain_format front) (gain_row front) in
        let row_of k := in_row front (feeding_row front k) in
        let a := token_digits - (rows_size (in_format front) row_of 0 n + largest_size gains) in
        let* rows := scaled_rows a (in_format front) row_of gains 0 n in
        let* taps := collect (channel_taps front) 0 n in
        let g := fold_left (fun m xs => Z.max m (largest_places xs)) taps 0 in
        let* exact := collect (fun k => exact_taps g (nth k taps []) []) 0 n in
        let* terms := collect (moving_term P a front gain) 0 n in
        Some (TokenRows a g rows exact terms)
      else None
  end.

Open Scope R_scope.

(** The sequence of normed tokens, the first at index 0. *)
Definition token_sequence (b : front) (r : stream) (u : nat) : nat -> R := normed b (r (S u)).

Lemma exact_taps_spec (g : Z) (newest_first : list dyadic) : forall (found row : list Z),
  exact_taps g newest_first found = Some row ->
  exists zs, row = rev_append zs found /\ length zs = length newest_first /\
    forall j, (j < length newest_first)%nat -> scaled g (entry zs j) = value (nth j newest_first zero).
Proof.
  induction newest_first as [|x rest IH]; intros found row; cbn [exact_taps].
  { intro H; injection H as <-; exists []; repeat split; simpl; intros; lia. }
  destruct (_ || _) eqn:Htest; [|discriminate]; intro H.
  destruct (IH _ _ H) as [zs [-> [Hlen Hvalue]]]; exists (quantise g x :: zs); repeat split; [simpl; lia|].
  intros [|j] Hj; unfold entry; cbn [nth]; [|apply Hvalue; simpl in Hj; lia].
  apply orb_prop in Htest; destruct Htest as [Htest|Htest].
  - apply Z.leb_le in Htest; apply quantise_exact; exact Htest.
  - apply Z.eqb_eq in Htest; unfold scaled, quantise, value; rewrite Htest, Z.shiftl_0_l; cbn [mantissa exponent]; ring.
Qed.

Lemma exact_taps_value (g : Z) (newest_first : list dyadic) (row : list Z) : exact_taps g newest_first [] = Some row ->
  forall j, (j < length newest_first)%nat ->
    scaled g (entry row j) = tap_value newest_first (length newest_first - 1 - j).
Proof.
  intros H j Hj; destruct (exact_taps_spec g newest_first [] row H) as [zs [-> [Hlen Hvalue]]].
  unfold tap_value; rewrite <- Hvalue by lia; rewrite rev_append_rev, app_nil_r; unfold entry; f_equal.
  rewrite rev_nth by lia; f_equal; lia.
Qed.

Lemma absolute_total (taps : list dyadic) :
  value (sum_of_dyadics (map absolute taps)) = sum (length taps) (fun j => Rabs (tap_value taps j)).
Proof.
  rewrite sum_of_dyadics_value, map_length; apply sum_same; intros j Hj; unfold tap_value.
  rewrite (nth_indep _ zero (absolute zero)) by (rewrite map_length; exact Hj); rewrite map_nth; apply value_absolute.
Qed.

Lemma sum_reversed (n : nat) (f : nat -> R) : sum n (fun j => f (n - 1 - j)%nat) = sum n f.
Proof.
  induction n as [|n IH]; [reflexivity|]; rewrite sum_first; cbn [sum]; rewrite <- IH, Rplus_comm; f_equal.
  - apply sum_same; intros j Hj; f_equal; lia.
  - f_equal; lia.
Qed.

(** |z_1| + .. + |z_d| <= d where |z|^2 <= d. *)
Lemma ball_total (d : nat) (z : nat -> R) : norm_squared d z <= INR d -> sum d (fun i => Rabs (z i)) <= INR d.
Proof.
  intro Hz; apply Rle_trans with (sum d (fun i => / 2 * z i ^ 2 + / 2)).
  - apply sum_le; intros i _; rewrite <- (pow2_abs (z i)); assert (H := pow2_ge_0 (Rabs (z i) - 1)); nra.
  - rewrite sum_plus, sum_scaled, sum_constant; fold (norm_squared d z); lra.
Qed.

Section Sound.
Variable P : Z.
Variable d : mamba1_data.
Let front := front_part d.
Let fb := front_of front.
Let n := inner_count d.
Let width := data_width front.
Hypothesis Hwidth : (0 < width)%nat.
Hypothesis Hepsilon : 0 < value (epsilon front).

Lemma token_in_ball (r : stream) (u : nat) : norm_squared width (token_sequence fb r u) <= INR width.
Proof. apply (rms_norm_in_ball width (norm_epsilon fb) (r (S u)) Hwidth Hepsilon). Qed.

(** What the certified integers say of silu's input at step u + 4. *)
Record token_rows_hold (ts : token_rows) : Prop := TokenRowsHold {
  rows_count : length (projected_rows ts) = n;
  terms_count : length (token_terms ts) = n;
  inputs_are_near : forall r u k, (k < n)%nat -> let c := nth k (token_terms ts) no_term in
    Rabs (silu_input fb r (S (3 + u)) k - (value (input_constant c)
      + window_term width 4 (scaled_matrix (projected_scale ts) (projected_rows ts))
          (scaled_matrix (tap_scale ts) (tap_rows ts)) (token_sequence fb r) k u)) <= value (input_slack c) /\
    Rabs (silu_input fb r (S (3 + u)) k) + value (input_slack c) <= value (input_reach c)
}.

Lemma silu_input_moving (r : stream) (u k : nat) : data_taps front = 4%nat -> in_bias_row front = None ->
  silu_input fb r (S (3 + u)) k = conv_bias fb k
    + sum 4 (fun j => conv_weight fb k j
        * sum width (fun i => in_weight fb (conv_row fb k) i * norm_gain fb i * token_sequence fb r (u + j) i)).
Proof.
  intros Htaps Hbias; unfold silu_input; f_equal; change (taps fb) with (data_taps front); rewrite Htaps.
  rewrite <- (sum_reversed 4); apply sum_same; intros j Hj.
  destruct (Nat.ltb_spec (4 - 1 - j) (S (3 + u))); [|lia].
  replace (in_bias fb (conv_row fb k)) with 0 by (unfold fb; cbn [in_bias front_of]; rewrite Hbias; reflexivity).
  rewrite Rplus_0_r; unfold projected, token_sequence.
  replace (S (3 + u) - (4 - 1 - j))%nat with (S (u + j)) by lia.
  replace (4 - 1 - (4 - 1 - j))%nat with j by lia; reflexivity.
Qed.

Lemma moving_term_sound (a g : Z) (gain : quantised) (rows exact : list (list Z)) (k : nat) (taps : list dyadic)
  (c : silu_term) (r : stream) (u : nat) :
  data_taps front = 4%nat -> in_bias_row front = None -> quantised_gain front = Some gain ->
  moving_term P a front gain k = Some c -> channel_taps front k = Some taps ->
  exact_taps g taps [] = Some (nth k exact []) ->
  (forall i, (i < width)%nat ->
     Rabs (in_weight fb (conv_row fb k) i * norm_gain fb i - scaled_matrix a rows k i) <= power2 (- a)) ->
  Rabs (silu_input fb r (S (3 + u)) k - (value (input_constant c)
    + window_term width 4 (scaled_matrix a rows) (scaled_matrix g exact) (token_sequence fb r) k u))
  <= value (input_slack c) /\
  Rabs (silu_input fb r (S (3 + u)) k) + value (input_slack c) <= value (input_reach c).
Proof.
  intros Hfour Hbias Hgain; unfold moving_term; cbv zeta; intros Hterm Htaps Hexact Hrows.
  destruct (silu_input_over P front gain k) as [q|] eqn:Hq; [|discriminate].
  destruct (optional_number (conv_bias_row front) k) as [beta|] eqn:Hbeta; [|discriminate].
  rewrite Htaps in Hterm; injection Hterm as <-; cbn [input_constant input_slack input_reach].
  destruct (channel_taps_sound front k taps Htaps) as [Htlen Htap]; rewrite Hfour in Htlen, Htap.
  split.
  2: { eapply Rle_trans; [|apply round_up_above]; rewrite value_add; apply Rplus_le_compat_r.
       apply contains_magnitude, (silu_input_over_sound P front gain k q r (3 + u)); assumption. }
  rewrite silu_input_moving by assumption; unfold moving_slack; rewrite value_multiply, absolute_total, Htlen.
  replace (conv_bias fb k) with (value beta)
    by (unfold fb; cbn [conv_bias front_of]; symmetry; apply (optional_number_value _ _ _ Hbeta)).
  assert (Htapvalue : forall j, (j < 4)%nat -> scaled_matrix g exact k j = conv_weight fb k j).
  { intros j Hj; unfold scaled_matrix, matrix_of, row_of.
    change (IZR (entry (nth k exact []) j) * power2 (- g)) with (scaled g (entry (nth k exact []) j)).
    rewrite (exact_taps_value g taps _ Hexact) by lia; rewrite Htlen, <- Htap by lia.
    unfold fb; cbn [conv_weight front_of]; f_equal; lia. }
  unfold window_term, windowed.
  match goal with |- Rabs (?x + ?y - (?x + ?z)) <= _ => replace (x + y - (x + z)) with (y - z) by ring end.
  rewrite <- sum_minus; eapply Rle_trans; [apply sum_abs|].
  apply Rle_trans with (sum 4 (fun j => Rabs (tap_value taps (4 - 1 - j)) * (power2 (- a) * INR width))).
  2: { rewrite sum_scaled_right, (sum_reversed 4 (fun j => Rabs (tap_value taps j))).
       unfold value at 1; cbn [mantissa exponent]; rewrite <- INR_IZR_INZ; fold width; right; ring. }
  apply sum_le; intros j Hj; rewrite Htapvalue by exact Hj.
  rewrite <- Rmult_minus_distr_l, Rabs_mult.
  replace (Rabs (conv_weight fb k j)) with (Rabs (tap_value taps (4 - 1 - j))).
  2: { rewrite <- Htap by lia; unfold fb; cbn [conv_weight front_of]; do 2 f_equal; lia. }
  apply Rmult_le_compat_l; [apply Rabs_pos|].
  unfold fed, image; rewrite <- sum_minus; eapply Rle_trans; [apply sum_abs|].
  apply Rle_trans with (sum width (fun i => power2 (- a) * Rabs (token_sequence fb r (u + j) i))).
  - apply sum_le; intros i Hi; rewrite <- Rmult_minus_distr_r, Rabs_mult.
    apply Rmult_le_compat_r; [apply Rabs_pos|apply Hrows; exact Hi].
  - rewrite sum_scaled; apply Rmult_le_compat_l; [left; apply power2_positive|].
    apply ball_total, token_in_ball.
Qed.

Theorem token_rows_of_sound (ts : token_rows) : token_rows_of P d = Some ts -> token_rows_hold ts.
Proof.
  unfold token_rows_of; cbv zeta; fold front n.
  destruct (in_bias_row front) as [bias|] eqn:Hbias; [discriminate|].
  destruct (Nat.eqb_spec (data_taps front) 4) as [Hfour|]; [|discriminate].
  destruct (quantised_gain front) as [gain|] eqn:Hgain; [|discriminate].
  destruct (decode_row _ _) as [gains|] eqn:Hgains; [|discriminate].
  match goal with |- context [scaled_rows ?s (in_format front)] => set (a := s) end; clearbody a.
  destruct (scaled_rows a _ _ gains 0 n) as [rows|] eqn:Hrows; [|discriminate].
  destruct (collect (channel_taps front) 0 n) as [taps|] eqn:Htaps; [|discriminate].
  match goal with |- context [exact_taps ?s] => set (g := s) end; clearbody g.
  destruct (collect (fun k => exact_taps g (nth k taps []) []) 0 n) as [exact|] eqn:Hexact; [|discriminate].
  destruct (collect (moving_term P a front gain) 0 n) as [terms|] eqn:Hterms; [|discriminate].
  intro H; injection H as <-.
  destruct (decode_row_value _ _ _ Hgains) as [Hglen Hg].
  assert (Hwide : length (gain_row front) = width).
  { unfold quantised_gain in Hgain; destruct (Nat.eqb_spec (length (gain_row front)) (data_width front)); [assumption|].
    discriminate. }
  apply scaled_rows_sound in Hrows; destruct Hrows as [Hr1 [_ Hr2]]; cbn [m_rows m_error m_scale] in Hr1, Hr2.
  destruct (collect_sound _ [] _ _ _ Htaps) as [_ Ht]; destruct (collect_sound _ [] _ _ _ Hexact) as [_ He].
  destruct (collect_sound _ no_term _ _ _ Hterms) as [Hlen Hall]; cbn [plus] in Ht, He, Hall.
  constructor; cbn [projected_rows tap_rows token_terms projected_scale tap_scale]; [exact Hr1|exact Hlen|].
  intros r u k Hk; apply (moving_term_sound a g gain rows exact k (nth k taps [])); try assumption.
  - apply Hall; exact Hk.
  - apply Ht; exact Hk.
  - apply He; exact Hk.
  - intros i Hi; destruct (Hr2 k Hk) as [_ Hnear]; specialize (Hnear i ltac:(lia)); cbv beta in Hnear.
    rewrite <- Hg in Hnear by lia.
    replace (power2 (- a)) with (scaled a 1) by (unfold scaled, value; cbn [mantissa exponent]; ring).
    exact Hnear.
Qed.
End Sound.
