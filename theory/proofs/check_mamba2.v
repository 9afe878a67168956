(** The checker of a Mamba-2 layer: raw bits of its tensors and the claims of its heads, accepted, imply the claims for every
    residual stream, both step-size programs, every head, head dimension and state. *)
From Coq Require Import ZArith Reals Lra Lia Bool List.
From Lyap Require Import finite_sums silu_shape norm_ball selective_recurrence dyadic exponential_bounds floating_formats
  mamba2_block step_size_checks block_input input_checks front_checks channel_claims channel_claims_sound.
Import ListNotations.
Open Scope Z_scope.

Record mamba2_data := Mamba2Data {
  front_part : front_data;      (** its feeding rows: channel k of the convolution is row d_inner + k of in_proj *)
  head_count : nat;
  head_width : nat;
  state_count : nat;
  group_count : nat;
  dt_bias_row : format * list Z;
  A_log_row : format * list Z;
  data_limits : dyadic_limits
}.

Definition mamba2_of (d : mamba2_data) : mamba2 :=
  Mamba2 (front_of (front_part d)) (head_count d) (head_width d) (state_count d) (group_count d)
    (row_value (fst (dt_bias_row d)) (snd (dt_bias_row d))) (row_value (fst (A_log_row d)) (snd (A_log_row d)))
    (limits_of (data_limits d)).

(** * Tests of one head *)

Definition heads_per_group (d : mamba2_data) : nat := head_count d / group_count d.

(** Rows and channels of mamba2_block.v, from the sizes alone. *)
Definition inner_of (d : mamba2_data) : nat := head_count d * head_width d.
Definition step_row_of (d : mamba2_data) (h : nat) : nat := 2 * inner_of d + 2 * (group_count d * state_count d) + h.
Definition first_B_of (d : mamba2_data) (g : nat) : nat := inner_of d + g * state_count d.
Definition first_C_of (d : mamba2_data) (g : nat) : nat := inner_of d + group_count d * state_count d + g * state_count d.

(** Largest |value| over channels [first, first + count). *)
Fixpoint largest_input (P : Z) (d : front_data) (gain : quantised) (first count : nat) : option dyadic :=
  match count with
  | O => Some zero
  | S count =>
      match scan_input_over P d gain first, largest_input P d gain (S first) count with
      | Some r, Some m => Some (larger (magnitude r) m)
      | _, _ => None
      end
  end.

(** |B_n| and |C_n| for the states of a group: channels from B_first + n and from C_first + n. *)
Fixpoint state_magnitudes (P : Z) (d : front_data) (gain : quantised) (B_first C_first count : nat)
  : option (list (dyadic * dyadic)) :=
  match count with
  | O => Some []
  | S count =>
      match scan_input_over P d gain B_first, scan_input_over P d gain C_first,
            state_magnitudes P d gain (S B_first) (S C_first) count with
      | Some rB, Some rC, Some rest => Some ((magnitude rB, magnitude rC) :: rest)
      | _, _, _ => None
      end
  end.

Definition preactivation_over (P : Z) (d : mamba2_data) (gain : quantised) (h : nat) : option range :=
  let row := step_row_of d h in
  match row_reach P (front_part d) gain row, number_at (fst (dt_bias_row d)) (snd (dt_bias_row d)) h,
        optional_number (in_bias_row (front_part d)) row with
  | Some reached, Some bias, Some in_bias => Some (range_widen (point (add bias in_bias)) reached)
  | _, _, _ => None
  end.

Definition test_head (P : Z) (d : mamba2_data) (gain : quantised) (magnitudes : list (dyadic * dyadic)) (h : nat)
  (c : channel_claims) : recurrence_tests :=
  match preactivation_over P d gain h, number_at (fst (A_log_row d)) (snd (A_log_row d)) h,
        largest_input P (front_part d) gain (h * head_width d) (head_width d) with
  | Some p, Some A_log, Some x =>
      match alpha_range P A_log with
      | Some alpha =>
          RecurrenceTests (range_within p (Range (p_lower c) (p_upper c)))
            (test_channel P (data_limits d) x (map (fun m => StateDomain A_log alpha (fst m) (snd m)) magnitudes) c)
      | None => nothing_ok
      end
  | _, _, _ => nothing_ok
  end.

Definition well_formed (d : mamba2_data) : bool :=
  (0 <? data_width (front_part d))%nat && (0 <? mantissa (epsilon (front_part d))) && (0 <? group_count d)%nat
  && (0 <? heads_per_group d)%nat && (group_count d * heads_per_group d =? head_count d)%nat
  && (length (snd (dt_bias_row d)) =? head_count d)%nat && (length (snd (A_log_row d)) =? head_count d)%nat.

(** Heads of group g, in their order. *)
Definition test_group (P : Z) (d : mamba2_data) (gain : quantised) (claims : nat -> channel_claims) (g : nat)
  : list recurrence_tests :=
  let first := (g * heads_per_group d)%nat in
  match state_magnitudes P (front_part d) gain (first_B_of d g) (first_C_of d g) (state_count d) with
  | Some m => map (fun h => test_head P d gain m h (claims h)) (seq first (heads_per_group d))
  | None => map (fun _ => nothing_ok) (seq first (heads_per_group d))
  end.

Definition test_layer (P : Z) (d : mamba2_data) (claims : nat -> channel_claims) : list (list recurrence_tests) :=
  if well_formed d then
    match quantised_gain (front_part d) with
    | Some gain => map (test_group P d gain claims) (seq 0 (group_count d))
    | None => []
    end
  else [].

Definition verdict_of (tests : list (list recurrence_tests)) (g i : nat) : recurrence_tests := nth i (nth g tests []) nothing_ok.

(** * What acceptance means *)

(** Every claim about head h, for every input and both programs. *)
Definition head_statement (d : mamba2_data) (c : channel_claims) (h : nat) : Prop :=
  let b := mamba2_of d in
  forall (f : R -> R) (r : stream) (p : nat), step_program f -> (p < head_width d)%nat ->
  channel_statement c (state_count d) (fun _ => A_log b h) (fun t => step_size b f r t h)
    (fun t => preactivation b r t h) (fun n t => B_at b r t h n) (fun n t => C_at b r t h n) (fun t => x_at b r t h p).

Section Sound.
Variable P : Z.
Variable d : mamba2_data.
Variable gain : quantised.
Hypothesis Hwidth : (0 < data_width (front_part d))%nat.
Hypothesis Hepsilon : (0 < value (epsilon (front_part d)))%R.
Hypothesis Hgain : quantised_gain (front_part d) = Some gain.

Lemma largest_input_sound (first count : nat) (m : dyadic) : largest_input P (front_part d) gain first count = Some m ->
  (0 <= value m)%R /\
  forall (r : stream) (t i : nat), (i < count)%nat ->
    (Rabs (scan_input (front_of (front_part d)) r (S t) (first + i)) <= value m)%R.
Proof.
  revert first m; induction count as [|count IH]; intros first m; cbn [largest_input].
  { intro H; injection H as <-; rewrite value_zero; split; [lra|intros; lia]. }
  destruct (scan_input_over P (front_part d) gain first) as [x|] eqn:Hx; [|discriminate].
  destruct (largest_input P (front_part d) gain (S first) count) as [rest|] eqn:Hrest; [|discriminate].
  intro H; injection H as <-; destruct (IH (S first) rest Hrest) as [H0 Hall]; rewrite value_larger.
  split; [eapply Rle_trans; [exact H0|apply Rmax_r]|].
  intros r t [|i] Hi.
  - rewrite Nat.add_0_r; eapply Rle_trans; [|apply Rmax_l]; apply contains_magnitude.
    apply (scan_input_over_sound P (front_part d) gain first); assumption.
  - replace (first + S i)%nat with (S first + i)%nat by lia.
    eapply Rle_trans; [apply Hall; lia|apply Rmax_r].
Qed.

Lemma state_magnitudes_sound (B_first C_first count : nat) (m : list (dyadic * dyadic)) :
  state_magnitudes P (front_part d) gain B_first C_first count = Some m ->
  length m = count /\
  forall (r : stream) (t n : nat), (n < count)%nat ->
    (Rabs (scan_input (front_of (front_part d)) r (S t) (B_first + n)) <= value (fst (nth n m (zero, zero))))%R /\
    (Rabs (scan_input (front_of (front_part d)) r (S t) (C_first + n)) <= value (snd (nth n m (zero, zero))))%R.
Proof.
  revert B_first C_first m; induction count as [|count IH]; intros B_first C_first m; cbn [state_magnitudes].
  { intro H; injection H as <-; split; [reflexivity|intros; lia]. }
  destruct (scan_input_over P (front_part d) gain B_first) as [rB|] eqn:HB; [|discriminate].
  destruct (scan_input_over P (front_part d) gain C_first) as [rC|] eqn:HC; [|discriminate].
  destruct (state_magnitudes P (front_part d) gain (S B_first) (S C_first) count) as [rest|] eqn:Hrest; [|discriminate].
  intro H; injection H as <-; destruct (IH (S B_first) (S C_first) rest Hrest) as [Hlen Hall]; split; [simpl; lia|].
  intros r t [|n] Hn; cbn [nth fst snd].
  - rewrite !Nat.add_0_r; split; apply contains_magnitude;
      [apply (scan_input_over_sound P (front_part d) gain B_first)|apply (scan_input_over_sound P (front_part d) gain C_first)];
      assumption.
  - replace (B_first + S n)%nat with (S B_first + n)%nat by lia; replace (C_first + S n)%nat with (S C_first + n)%nat by lia.
    apply Hall; lia.
Qed.

Lemma preactivation_over_sound (h : nat) (p : range) (r : stream) (t : nat) :
  preactivation_over P d gain h = Some p -> contains p (preactivation (mamba2_of d) r t h).
Proof.
  unfold preactivation_over; cbv zeta; change (step_row_of d h) with (step_row (mamba2_of d) h).
  set (row := step_row (mamba2_of d) h).
  destruct (row_reach P (front_part d) gain row) as [S0|] eqn:HS; [|discriminate].
  destruct (number_at _ _ h) as [bias|] eqn:Hbias; [|discriminate].
  destruct (optional_number _ row) as [in_bias|] eqn:Hin; [|discriminate]; intro H; injection H as <-.
  destruct (row_reach_sound P (front_part d) gain row S0 r t Hwidth Hepsilon Hgain HS) as [_ Hreach].
  apply contains_widen with (value (add bias in_bias)); [apply contains_point|].
  unfold preactivation; fold row; simpl; rewrite (number_at_value _ _ _ _ Hbias), (optional_number_value _ _ _ Hin), value_add.
  match goal with |- (Rabs ?e <= _)%R => replace e with (projected (front_of (front_part d)) r t row) by ring end.
  exact Hreach.
Qed.

Theorem test_head_sound (g : nat) (m : list (dyadic * dyadic)) (h : nat) (c : channel_claims) :
  group_of (mamba2_of d) h = g ->
  state_magnitudes P (front_part d) gain (first_B_of d g) (first_C_of d g) (state_count d) = Some m ->
  accepted (test_head P d gain m h c) = true -> head_statement d c h.
Proof.
  intros Hg Hm; unfold test_head.
  destruct (preactivation_over P d gain h) as [p|] eqn:Hp; [|discriminate].
  destruct (number_at (fst (A_log_row d)) _ h) as [A|] eqn:HA; [|discriminate].
  destruct (largest_input P (front_part d) gain _ (head_width d)) as [x|] eqn:Hx; [|discriminate].
  destruct (alpha_range P A) as [alpha|] eqn:Halpha; [|discriminate].
  unfold accepted; rewrite !andb_true_iff; intros [[[[Hpre Hsteps] Hrates] Hexponent] Hstates].
  cbn [preactivation_ok channel_ok] in *; intros f r q Hf Hq.
  destruct (state_magnitudes_sound _ _ _ m Hm) as [Hlen Hmag]; destruct (largest_input_sound _ _ x Hx) as [Hx0 Hxall].
  assert (HAvalue : A_log (mamba2_of d) h = value A) by (simpl; apply number_at_value; exact HA).
  set (states := map (fun m => StateDomain A alpha (fst m) (snd m)) m) in *.
  assert (Hcount : length states = state_count d) by (unfold states; rewrite map_length; exact Hlen).
  assert (Hstate : forall n, (n < state_count d)%nat ->
            state_at states n = StateDomain A alpha (fst (nth n m (zero, zero))) (snd (nth n m (zero, zero)))).
  { intros n Hn; unfold state_at, states.
    rewrite (nth_indep _ no_state (StateDomain A alpha (fst (zero, zero)) (snd (zero, zero))))
      by (rewrite map_length; lia).
    apply (map_nth (fun m => StateDomain A alpha (fst m) (snd m))). }
  rewrite <- Hcount.
  apply (test_channel_sound P (data_limits d) x states c f (fun _ => A_log (mamba2_of d) h)
           (fun t => preactivation (mamba2_of d) r t h)); try assumption.
  - intro t; apply (contains_within p (Range (p_lower c) (p_upper c))); [exact Hpre|].
    apply (preactivation_over_sound h p r (S t) Hp).
  - intros n Hn; rewrite Hcount in Hn; rewrite Hstate by exact Hn; cbn [alpha_enclosure].
    rewrite HAvalue; apply (alpha_range_contains P); exact Halpha.
  - intros n t Hn; rewrite Hcount in Hn; rewrite Hstate by exact Hn; cbn [B_magnitude].
    destruct (Hmag r t n Hn) as [H _]; unfold B_at, B_channel; rewrite Hg; exact H.
  - intros n t Hn; rewrite Hcount in Hn; rewrite Hstate by exact Hn; cbn [C_magnitude].
    destruct (Hmag r t n Hn) as [_ H]; unfold C_at, C_channel; rewrite Hg; exact H.
  - intro t; apply Hxall; exact Hq.
Qed.
End Sound.

(** Head i of group g is head g (heads / groups) + i of the model. *)
Theorem check_mamba2_sound (P : Z) (d : mamba2_data) (claims : nat -> channel_claims) (g i : nat) :
  (g < group_count d)%nat -> (i < heads_per_group d)%nat ->
  accepted (verdict_of (test_layer P d claims) g i) = true ->
  let h := (g * heads_per_group d + i)%nat in head_statement d (claims h) h.
Proof.
  intros Hg Hi; unfold verdict_of, test_layer.
  destruct (well_formed d) eqn:Hwell; [|destruct g; destruct i; discriminate].
  destruct (quantised_gain (front_part d)) as [gain|] eqn:Hgain; [|destruct g; destruct i; discriminate].
  unfold well_formed in Hwell; rewrite !andb_true_iff in Hwell.
  destruct Hwell as [[[[[[Hwidth Heps] Hgroups] Hper] Hheads] _] _].
  apply Nat.ltb_lt in Hwidth; apply Z.ltb_lt, mantissa_positive in Heps; apply Nat.eqb_eq in Hheads.
  apply Nat.ltb_lt in Hper.
  rewrite (nth_indep _ [] (test_group P d gain claims 0)) by (rewrite map_length, seq_length; exact Hg).
  rewrite map_nth, seq_nth by exact Hg; cbn [plus]; unfold test_group; cbv zeta.
  set (first := (g * heads_per_group d)%nat).
  destruct (state_magnitudes P (front_part d) gain _ _ (state_count d)) as [m|] eqn:Hm.
  - rewrite (nth_indep _ nothing_ok (test_head P d gain m 0 (claims 0%nat))) by (rewrite map_length, seq_length; exact Hi).
    rewrite (map_nth (fun h => test_head P d gain m h (claims h))), seq_nth by exact Hi.
    apply (test_head_sound P d gain Hwidth Heps Hgain g m); [|exact Hm].
    unfold group_of; simpl; fold (heads_per_group d); unfold first; symmetry; apply (Nat.div_unique _ _ _ i); lia.
  - intro H; exfalso; revert H.
    rewrite (map_nth (fun _ => nothing_ok) (seq first (heads_per_group d)) 0%nat i); discriminate.
Qed.
