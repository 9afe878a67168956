(** silu's inputs of a Mamba-1 layer over windows of tokens, from stored bits: every channel's row over the stacked
    window as integers, its constant and its reach. For blocks without an in_proj bias, where a missing token is a zero.
    theory/theorems/quadratic_relaxation.md, (1) and section 5 *)
From Coq Require Import ZArith Reals Lra Lia Bool List Arith.
From Lyap Require Import finite_sums norm_ball dyadic floating_formats packed_products quantised_products block_input
  input_checks front_checks approximate_matrices mamba1_block mamba1_functionals collected check_mamba1
  quadratic_forms positive_definite curvature_rows scaled_relaxations window_functional parabola_terms.
Import ListNotations.
Open Scope Z_scope.
Opaque silu_input_over.

(** Rows at 2^-window_scale within one unit. *)
Record token_windows := TokenWindows {
  window_scale : Z;
  window_rows : list (list Z);
  window_terms : list silu_term
}.

(** Bits of the largest entry of the rows. *)
Definition window_digits : Z := 64.

Definition stacked_row (a : Z) (d : front_data) (gains : list dyadic) (k : nat) : option (list Z) :=
  let row := in_row d (feeding_row d k) in
  let* taps := channel_taps d k in
  let* parts := collect (fun j =>
    quantise_scaled a (in_format d) row (map (multiply (nth j taps zero)) gains) []) 0 (data_taps d) in
  Some (concat parts).

(** What rounding the rows can do to silu's input. *)
Definition window_slack (a : Z) (d : front_data) : dyadic := Dyadic (Z.of_nat (data_taps d * data_width d)) (- a).

Definition stacked_term (P a : Z) (d : front_data) (gain : quantised) (k : nat) : option silu_term :=
  let slack := window_slack a d in
  let* q := silu_input_over P d gain k in
  let* beta := optional_number (conv_bias_row d) k in
  Some (SiluTerm beta slack (round_up P (add (magnitude q) slack))).

Definition token_windows_of (P : Z) (d : mamba1_data) : option token_windows :=
  let front := front_part d in
  let n := inner_count d in
  match in_bias_row front with
  | Some _ => None
  | None =>
      let* gain := quantised_gain front in
      let* gains := decode_row (gain_format front) (gain_row front) in
      let a := window_digits - (rows_size (in_format front) (fun k => in_row front (feeding_row front k)) 0 n
                                + rows_size (conv_format front) (conv_taps front) 0 n + largest_size gains) in
      let* rows := collect (stacked_row a front gains) 0 n in
      let* terms := collect (stacked_term P a front gain) 0 n in
      Some (TokenWindows a rows terms)
  end.

Open Scope R_scope.

Section Sound.
Variable P : Z.
Variable d : mamba1_data.
Let front := front_part d.
Let fb := front_of front.
Let n := inner_count d.
Let width := data_width front.
Let J := data_taps front.
Hypothesis Hwidth : (0 < width)%nat.
Hypothesis Hepsilon : 0 < value (epsilon front).

Record windows_hold (ws : token_windows) : Prop := WindowsHold {
  rows_count : length (window_rows ws) = n;
  rows_are_near : forall k i, (k < n)%nat -> (i < J * width)%nat ->
    Rabs (window_row fb k i - scaled_matrix (window_scale ws) (window_rows ws) k i) <= power2 (- window_scale ws);
  terms_count : length (window_terms ws) = n;
  terms_are_right : forall k, (k < n)%nat -> let c := nth k (window_terms ws) no_term in
    value (input_slack c) = power2 (- window_scale ws) * INR (J * width) /\
    forall r t, window_constant fb k (Nat.min (S t) J) = value (input_constant c) /\
      Rabs (silu_input fb r (S t) k) + value (input_slack c) <= value (input_reach c)
}.

Lemma concat_entry (m : nat) (parts : list (list Z)) :
  (forall j, (j < length parts)%nat -> length (nth j parts []) = m) ->
  forall j i, (i < m)%nat -> (j < length parts)%nat -> entry (concat parts) (j * m + i) = entry (nth j parts []) i.
Proof.
  unfold entry; induction parts as [|part parts IH]; intros Hlen j i Hi Hj; [simpl in Hj; lia|]; cbn [concat].
  assert (H0 := Hlen O ltac:(simpl; lia)); cbn [nth] in H0.
  destruct j as [|j]; cbn [nth].
  - rewrite app_nth1 by lia; reflexivity.
  - rewrite app_nth2 by lia; rewrite H0; replace (S j * m + i - m)%nat with (j * m + i)%nat by lia.
    apply IH; [intros j' Hj'; apply (Hlen (S j')); simpl; lia|exact Hi|simpl in Hj; lia].
Qed.

Lemma stacked_row_sound (a : Z) (gains : list dyadic) (k : nat) (row : list Z) :
  (forall i, (i < width)%nat -> value (nth i gains zero) = norm_gain fb i) -> length gains = width ->
  stacked_row a front gains k = Some row ->
  forall i, (i < J * width)%nat -> Rabs (window_row fb k i - scaled a (entry row i)) <= power2 (- a).
Proof.
  intros Hgains Hlen; unfold stacked_row; cbv zeta.
  destruct (channel_taps front k) as [cs|] eqn:Htaps; [|discriminate].
  destruct (collect _ 0 (data_taps front)) as [parts|] eqn:Hparts; [|discriminate]; intro H; injection H as <-.
  destruct (channel_taps_sound front k cs Htaps) as [Htlen Htap].
  destruct (collect_sound _ [] _ _ _ Hparts) as [Hcount Hpart]; fold J in Hcount, Hpart; cbn [plus] in Hpart.
  assert (Hall : forall j, (j < J)%nat -> length (nth j parts []) = width /\
    near width 1 a (nth j parts []) (fun i => row_value (in_format front) (in_row front (feeding_row front k)) i
      * value (nth i (map (multiply (nth j cs zero)) gains) zero))).
  { intros j Hj; destruct (quantise_scaled_sound _ _ _ _ _ (Hpart j Hj)) as [H1 [H2 H3]].
    rewrite map_length, Hlen in H2; rewrite H2; split; [congruence|exact H3]. }
  intros i Hi; set (j := (i / width)%nat); set (m := (i mod width)%nat).
  assert (Hm : (m < width)%nat) by (apply Nat.mod_upper_bound; lia).
  assert (Hj : (j < J)%nat) by (apply Nat.div_lt_upper_bound; lia).
  assert (Hij : i = (j * width + m)%nat) by (unfold j, m; rewrite Nat.mul_comm; apply Nat.div_mod; lia).
  rewrite Hij; destruct (Hall j Hj) as [_ Hnear].
  rewrite (concat_entry width); [|intros j' Hj'; apply Hall; lia|exact Hm|lia].
  specialize (Hnear m Hm); cbv beta in Hnear.
  rewrite (nth_indep _ zero (multiply (nth j cs zero) zero)) in Hnear by (rewrite map_length; lia).
  rewrite map_nth, value_multiply, Hgains in Hnear by exact Hm.
  unfold window_row; rewrite stacked_at by exact Hm.
  replace (power2 (- a)) with (scaled a 1) by (unfold scaled, value; cbn [mantissa exponent]; ring).
  eapply Rle_trans; [right|exact Hnear]; f_equal; f_equal.
  unfold fb at 1 2; cbn [conv_weight taps front_of]; rewrite Htap by exact Hj.
  unfold tap_value.
  change (in_weight fb (conv_row fb k) m) with (row_value (in_format front) (in_row front (feeding_row front k)) m).
  ring.
Qed.

Lemma stacked_term_sound (a : Z) (gain : quantised) (k : nat) (c : silu_term) :
  in_bias_row front = None -> quantised_gain front = Some gain -> stacked_term P a front gain k = Some c ->
  value (input_slack c) = power2 (- a) * INR (J * width) /\
  forall r t, window_constant fb k (Nat.min (S t) J) = value (input_constant c) /\
    Rabs (silu_input fb r (S t) k) + value (input_slack c) <= value (input_reach c).
Proof.
  intros Hbias Hgain; unfold stacked_term; cbv zeta.
  destruct (silu_input_over P front gain k) as [q|] eqn:Hq; [|discriminate].
  destruct (optional_number (conv_bias_row front) k) as [beta|] eqn:Hbeta; [|discriminate].
  intro H; injection H as <-; cbn [input_slack input_constant input_reach]; split; [|intros r t; split].
  - unfold window_slack, value; cbn [mantissa exponent]; rewrite <- INR_IZR_INZ; apply Rmult_comm.
  - unfold window_constant, fb; cbn [conv_bias in_bias front_of]; rewrite Hbias, (optional_number_value _ _ _ Hbeta).
    cbn [optional_value]; ring.
  - eapply Rle_trans; [|apply round_up_above]; rewrite value_add; apply Rplus_le_compat_r.
    apply contains_magnitude, (silu_input_over_sound P front gain k q r t); assumption.
Qed.

Theorem token_windows_of_sound (ws : token_windows) : token_windows_of P d = Some ws -> windows_hold ws.
Proof.
  unfold token_windows_of; cbv zeta; fold front n.
  destruct (in_bias_row front) as [bias|] eqn:Hbias; [discriminate|].
  destruct (quantised_gain front) as [gain|] eqn:Hgain; [|discriminate].
  destruct (decode_row _ _) as [gains|] eqn:Hgains; [|discriminate].
  match goal with |- context [stacked_row ?s front] => set (a := s) end; clearbody a.
  destruct (collect (stacked_row a front gains) 0 n) as [rows|] eqn:Hrows; [|discriminate].
  destruct (collect (stacked_term P a front gain) 0 n) as [terms|] eqn:Hterms; [|discriminate].
  intro H; injection H as <-.
  assert (Hg := decode_row_value _ _ _ Hgains); destruct Hg as [Hglen Hg].
  assert (Hwide : length (gain_row front) = width).
  { unfold quantised_gain in Hgain; destruct (Nat.eqb_spec (length (gain_row front)) (data_width front)).
    - assumption.
    - discriminate. }
  destruct (collect_sound _ [] _ _ _ Hrows) as [Hr1 Hr2]; destruct (collect_sound _ no_term _ _ _ Hterms) as [Ht1 Ht2].
  cbn [plus] in Hr2, Ht2; constructor; cbn [window_rows window_terms window_scale]; try assumption.
  - intros k i Hk Hi; unfold scaled_matrix, matrix_of, row_of.
    change (IZR (entry (nth k rows []) i) * power2 (- a)) with (scaled a (entry (nth k rows []) i)).
    apply (stacked_row_sound a gains k); [|congruence|apply Hr2; exact Hk|exact Hi].
    intros m Hm; symmetry; apply Hg; lia.
  - intros k Hk; apply (stacked_term_sound a gain k); [exact Hbias|exact Hgain|apply Ht2; exact Hk].
Qed.
End Sound.
