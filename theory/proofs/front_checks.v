(** The part of a block in front of the scan, from stored bits: the range of every scan input over all residual streams.
    theory/theorems/universal_domain.md *)
From Coq Require Import ZArith Reals Lra Lia Bool List.
From Lyap Require Import finite_sums silu_shape norm_ball dyadic silu_ranges floating_formats packed_products
  quantised_products block_input input_checks.
Import ListNotations.
Open Scope Z_scope.

(** Raw bit patterns and the numbers of config.json. Row k of a matrix is a list; a tensor that is absent is None. *)
Record front_data := FrontData {
  data_width : nat;
  data_taps : nat;
  gain_format : format; gain_row : list Z;
  epsilon : dyadic;
  in_format : format; in_row : nat -> list Z;
  in_bias_row : option (format * list Z);
  conv_format : format; conv_taps : nat -> list Z;     (** of one channel, oldest tap first *)
  conv_bias_row : option (format * list Z);
  feeding_row : nat -> nat                              (** the row of in_proj that feeds a channel *)
}.

Definition optional_value (o : option (format * list Z)) (i : nat) : R :=
  match o with Some (f, row) => row_value f row i | None => 0%R end.

(** The block in the reals that the bits mean. *)
Definition front_of (d : front_data) : front :=
  Front (data_width d) (data_taps d) (row_value (gain_format d) (gain_row d)) (value (epsilon d))
    (fun k => row_value (in_format d) (in_row d k)) (optional_value (in_bias_row d))
    (fun k => row_value (conv_format d) (conv_taps d k)) (optional_value (conv_bias_row d)) (feeding_row d).

(** * Single numbers *)

Definition number_at (f : format) (row : list Z) (i : nat) : option dyadic := decode f (nth i row 0).
Definition optional_number (o : option (format * list Z)) (i : nat) : option dyadic :=
  match o with Some (f, row) => number_at f row i | None => Some zero end.

Lemma number_at_value (f : format) (row : list Z) (i : nat) (x : dyadic) :
  number_at f row i = Some x -> row_value f row i = value x.
Proof. unfold number_at, row_value, pattern_value; intros ->; reflexivity. Qed.

Lemma optional_number_value (o : option (format * list Z)) (i : nat) (x : dyadic) :
  optional_number o i = Some x -> optional_value o i = value x.
Proof.
  destruct o as [[f row]|]; simpl; [apply number_at_value|intro H; injection H as <-; rewrite value_zero; reflexivity].
Qed.

(** Decodes a row; None where a number is not finite. The result is reversed. *)
Fixpoint decode_reversed (f : format) (row : list Z) (found : list dyadic) : option (list dyadic) :=
  match row with
  | [] => Some found
  | x :: row => match decode f x with Some d => decode_reversed f row (d :: found) | None => None end
  end.

Lemma decode_reversed_spec (f : format) (row : list Z) : forall found ds : list dyadic,
  decode_reversed f row found = Some ds ->
  exists numbers, ds = rev_append numbers found /\ length numbers = length row /\
    forall i, (i < length row)%nat -> row_value f row i = value (nth i numbers zero).
Proof.
  induction row as [|x row IH]; intros found ds; cbn [decode_reversed].
  { intro H; injection H as <-; exists []; repeat split; simpl; intros; lia. }
  destruct (decode f x) as [d|] eqn:Hd; [|discriminate]; intro H.
  destruct (IH _ _ H) as [numbers [-> [Hlen Hvalue]]]; exists (d :: numbers); repeat split; [simpl; lia|].
  intros [|i] Hi; unfold row_value; cbn [nth]; [unfold pattern_value; rewrite Hd; reflexivity|].
  apply Hvalue; simpl in Hi; lia.
Qed.

Lemma decode_reversed_value (f : format) (row : list Z) (ds : list dyadic) : decode_reversed f row [] = Some ds ->
  length ds = length row /\
  forall j, (j < length row)%nat -> row_value f row (length row - 1 - j) = tap_value ds j.
Proof.
  intro H; destruct (decode_reversed_spec f row [] ds H) as [numbers [-> [Hlen Hvalue]]].
  rewrite rev_append_rev, app_nil_r, rev_length; split; [exact Hlen|]; intros j Hj.
  unfold tap_value; rewrite rev_nth by lia; rewrite Hvalue by lia; do 2 f_equal; lia.
Qed.

(** * Reach and ranges *)

Definition quantised_digits : Z := 60.

Definition quantised_gain (d : front_data) : option quantised :=
  if (length (gain_row d) =? data_width d)%nat then quantise_stored quantised_digits (gain_format d) (gain_row d) else None.

(** At least |W_k (g n)| over the ball, without the bias. *)
Definition row_reach (P : Z) (d : front_data) (gain : quantised) (k : nat) : option dyadic :=
  let row := in_row d k in
  if (length row =? data_width d)%nat then
    match quantise_stored quantised_digits (in_format d) row with
    | Some w => Some (reach P (Z.of_nat (data_width d)) w gain)
    | None => None
    end
  else None.

Theorem row_reach_sound (P : Z) (d : front_data) (gain : quantised) (k : nat) (reached : dyadic) (r : stream) (t : nat) :
  (0 < data_width d)%nat -> (0 < value (epsilon d))%R -> quantised_gain d = Some gain -> row_reach P d gain k = Some reached ->
  (0 <= value reached)%R /\ (Rabs (projected (front_of d) r t k) <= value reached)%R.
Proof.
  intros Hwidth Heps Hgain; unfold quantised_gain in Hgain; unfold row_reach; cbv zeta.
  destruct (Nat.eqb_spec (length (gain_row d)) (data_width d)) as [Hg|]; [|discriminate].
  destruct (Nat.eqb_spec (length (in_row d k)) (data_width d)) as [Hw|]; [|discriminate].
  destruct (quantise_stored _ (in_format d) _) as [w|] eqn:Hq; [|discriminate]; intro H; injection H as <-.
  apply quantise_stored_sound in Hgain; apply quantise_stored_sound in Hq; rewrite Hg in Hgain; rewrite Hw in Hq.
  destruct (reach_sound P (data_width d) w gain _ _ Hq Hgain) as [H0 H]; split; [exact H0|].
  apply (projected_bound (front_of d) Hwidth Heps r t k); [exact H0|exact H].
Qed.

(** The range of silu's input at any step. *)
Definition silu_input_over (P : Z) (d : front_data) (gain : quantised) (k : nat) : option range :=
  let row := feeding_row d k in
  if (length (conv_taps d k) =? data_taps d)%nat then
    match row_reach P d gain row, decode_reversed (conv_format d) (conv_taps d k) [],
          optional_number (conv_bias_row d) k, optional_number (in_bias_row d) row with
    | Some reached, Some taps, Some beta, Some bias =>
        match window_hull beta bias reached taps zero zero with Some r => Some (range_round P r) | None => None end
    | _, _, _, _ => None
    end
  else None.

Theorem silu_input_over_sound (P : Z) (d : front_data) (gain : quantised) (k : nat) (q : range) (r : stream) (t : nat) :
  (0 < data_width d)%nat -> (0 < value (epsilon d))%R -> quantised_gain d = Some gain ->
  silu_input_over P d gain k = Some q -> contains q (silu_input (front_of d) r (S t) k).
Proof.
  intros Hwidth Heps Hgain; unfold silu_input_over; cbv zeta.
  destruct (Nat.eqb_spec (length (conv_taps d k)) (data_taps d)) as [Hlen|]; [|discriminate].
  destruct (row_reach P d gain (feeding_row d k)) as [S0|] eqn:HS; [|discriminate].
  destruct (decode_reversed _ _ _) as [taps|] eqn:Htaps; [|discriminate].
  destruct (optional_number (conv_bias_row d) k) as [beta|] eqn:Hbeta; [|discriminate].
  destruct (optional_number (in_bias_row d) _) as [bias|] eqn:Hbias; [|discriminate].
  destruct (window_hull beta bias S0 taps zero zero) as [hull|] eqn:Hhull; [|discriminate].
  intro H; injection H as <-; apply contains_round.
  destruct (decode_reversed_value _ _ _ Htaps) as [Htlen Hvalue].
  assert (Htaps0 : (1 <= length taps)%nat) by (destruct taps; [discriminate Hhull|simpl; lia]).
  apply (window_hull_sound beta bias S0 taps zero zero hull (Nat.min (S t) (data_taps d))); [lia|exact Hhull|].
  rewrite value_zero, !Rplus_0_l.
  assert (Hrange := silu_input_range (front_of d) r (S t) k (value S0)
    (fun s => proj2 (row_reach_sound P d gain _ S0 r s Hwidth Heps Hgain HS))).
  cbn [Lyap.block_input.taps front_of] in Hrange.
  unfold window_constant, window_reach in Hrange; cbn [conv_bias in_bias conv_row conv_weight Lyap.block_input.taps front_of] in Hrange.
  rewrite (optional_number_value _ _ _ Hbeta), (optional_number_value _ _ _ Hbias) in Hrange.
  assert (Hsame : forall j, (j < Nat.min (S t) (data_taps d))%nat ->
    row_value (conv_format d) (conv_taps d k) (data_taps d - 1 - j) = tap_value taps j).
  { intros j Hj; rewrite <- Hlen; apply Hvalue; lia. }
  rewrite (sum_same _ _ (tap_value taps) Hsame) in Hrange.
  rewrite (sum_same _ (fun j => Rabs (row_value _ _ _)) (fun j => Rabs (tap_value taps j))) in Hrange
    by (intros j Hj; rewrite Hsame by exact Hj; reflexivity).
  exact Hrange.
Qed.

(** The range of x, B or C: silu of that. *)
Definition scan_input_over (P : Z) (d : front_data) (gain : quantised) (k : nat) : option range :=
  match silu_input_over P d gain k with Some q => Some (silu_range P (lower q) (upper q)) | None => None end.

Theorem scan_input_over_sound (P : Z) (d : front_data) (gain : quantised) (k : nat) (x : range) (r : stream) (t : nat) :
  (0 < data_width d)%nat -> (0 < value (epsilon d))%R -> quantised_gain d = Some gain ->
  scan_input_over P d gain k = Some x -> contains x (scan_input (front_of d) r (S t) k).
Proof.
  intros Hwidth Heps Hgain; unfold scan_input_over.
  destruct (silu_input_over P d gain k) as [q|] eqn:Hq; [|discriminate]; intro H; injection H as <-.
  apply silu_range_contains; apply (silu_input_over_sound P d gain k); assumption.
Qed.
