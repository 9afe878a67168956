(** The claims of a Mamba-1 channel by the interval, linear, quadratic and sustained relaxations together: where
    witnesses are given and hold, they sharpen the range of p, the ranges of B and C and the exponent; where they do
    not, they are passed over. theory/theorems/universal_domain.md, quadratic_relaxation.md, sustained_bound.md *)
From Coq Require Import ZArith Reals Lra Lia Bool List.
From Coquelicot Require Import Coquelicot.
From Lyap Require Import theorem_1_state_deviation selective_recurrence finite_sums dyadic mamba2_block step_size_checks
  block_input front_checks channel_claims channel_claims_sound mamba1_block mamba1_functionals check_mamba1
  check_mamba1_sound token_windows quadratic_channel token_rows sustained_channel.
Import ListNotations.
Open Scope Z_scope.
Opaque preactivation_lower preactivation_upper projected_lower projected_upper mean_preactivation_lower test_channel.

(** What the witnesses of a layer are tested against; None where its block is of another kind. *)
Record refinement := Refinement { of_windows : option token_windows; of_sequences : option token_rows }.
Definition refinement_of (P : Z) (d : mamba1_data) : refinement :=
  Refinement (token_windows_of P d) (token_rows_of P d).

(** * Ranges *)

Definition raise_lower (r : range) (bound : option dyadic) : range :=
  match bound with Some x => Range (larger (lower r) x) (upper r) | None => r end.
Definition reduce_upper (r : range) (bound : option dyadic) : range :=
  match bound with Some x => Range (lower r) (smaller (upper r) x) | None => r end.

Record range_witness := RangeWitness { for_lower : option quadratic_witness; for_upper : option quadratic_witness }.
Definition no_witness : range_witness := RangeWitness None None.

(** [test ws x] where there are windows and a witness. *)
Definition with_windows (m : refinement) (x : option quadratic_witness)
  (test : token_windows -> quadratic_witness -> option dyadic) : option dyadic :=
  match of_windows m, x with Some ws, Some x => test ws x | _, _ => None end.

Definition refined_preactivation (P : Z) (d : mamba1_data) (pr : prepared) (m : refinement) (i : nat)
  (x : range_witness) : option range :=
  let* p := preactivation_over P d pr i in
  Some (reduce_upper
    (raise_lower p (with_windows m (for_lower x) (fun ws x => preactivation_lower P d pr ws i x)))
    (with_windows m (for_upper x) (fun ws x => preactivation_upper P d pr ws i x))).

(** Row q of x_proj. *)
Definition refined_row (P : Z) (d : mamba1_data) (m : refinement) (q : nat) (r : range) (x : range_witness) : range :=
  reduce_upper (raise_lower r (with_windows m (for_lower x) (fun ws x => projected_lower P d ws q x)))
    (with_windows m (for_upper x) (fun ws x => projected_upper P d ws q x)).

Fixpoint refined_rows (P : Z) (d : mamba1_data) (m : refinement) (q : nat) (rs : list range) (xs : list range_witness)
  : list range :=
  match rs with
  | [] => []
  | r :: rs => refined_row P d m q r (hd no_witness xs) :: refined_rows P d m (S q) rs (tl xs)
  end.

(** The ranges of B and of C, from witnesses in the order of x_proj's rows. *)
Definition refined_B (P : Z) (d : mamba1_data) (pr : prepared) (m : refinement) (xs : list range_witness)
  : list range :=
  refined_rows P d m (rank_count d) (B_ranges pr) xs.
Definition refined_C (P : Z) (d : mamba1_data) (pr : prepared) (m : refinement) (xs : list range_witness)
  : list range :=
  refined_rows P d m (rank_count d + state_count d) (C_ranges pr) xs.

(** * One channel *)

Definition refined_exponent (P : Z) (d : mamba1_data) (pr : prepared) (m : refinement) (i : nat) (claim : dyadic)
  (x : option sustained_witness) : bool :=
  match of_sequences m, x with
  | Some ts, Some x =>
      match mean_preactivation_lower P d pr ts i x with
      | Some pbar => mean_exponents_accepted P d i pbar claim
      | None => false
      end
  | _, _ => false
  end.

(** B and C: ranges from [refined_B] and [refined_C], or the layer's own. *)
Definition test_refined_channel (P : Z) (d : mamba1_data) (pr : prepared) (m : refinement) (B C : list range) (i : nat)
  (c : channel_claims) (x : range_witness) (mean : option sustained_witness) : recurrence_tests :=
  match channel_states P d B C i with
  | Some states =>
      let tests := test_channel P no_limits (magnitude (nth i (inputs pr) (point zero))) states c in
      RecurrenceTests
        (match refined_preactivation P d pr m i x with
         | Some p => range_within p (Range (p_lower c) (p_upper c))
         | None => false
         end)
        (ChannelTests (steps_ok tests) (rates_ok tests)
           (exponent_ok tests || refined_exponent P d pr m i (exponent_upper c) mean) (states_ok tests))
  | None => nothing_ok
  end.

(** * Soundness *)

Open Scope R_scope.

Lemma raise_lower_contains (r : range) (bound : option dyadic) (x : R) :
  contains r x -> (forall b, bound = Some b -> value b <= x) -> contains (raise_lower r bound) x.
Proof.
  destruct bound as [b|]; simpl; [|trivial]; intros [H1 H2] Hb; specialize (Hb b eq_refl).
  split; cbn [lower upper]; [rewrite value_larger; apply Rmax_lub|]; assumption.
Qed.

Lemma reduce_upper_contains (r : range) (bound : option dyadic) (x : R) :
  contains r x -> (forall b, bound = Some b -> x <= value b) -> contains (reduce_upper r bound) x.
Proof.
  destruct bound as [b|]; simpl; [|trivial]; intros [H1 H2] Hb; specialize (Hb b eq_refl).
  split; cbn [lower upper]; [|rewrite value_smaller; apply Rmin_glb]; assumption.
Qed.

Section Sound.
Variable P : Z.
Variable d : mamba1_data.
Let front := front_part d.
Let fb := front_of front.
Let b := mamba1_of d.
Hypothesis Hwidth : (0 < data_width front)%nat.
Hypothesis Hepsilon : 0 < value (epsilon front).
Variable sigma : nat -> R.
Variable pr : prepared.
Hypothesis Hpr : provided d sigma pr.
Variable m : refinement.
Hypothesis Hwindows : forall ws, of_windows m = Some ws -> windows_hold d ws.
Hypothesis Hsequences : forall ts, of_sequences m = Some ts -> token_rows_hold d ts.

Lemma with_windows_some (x : option quadratic_witness) (test : token_windows -> quadratic_witness -> option dyadic)
  (bound : dyadic) : with_windows m x test = Some bound ->
  exists ws x', windows_hold d ws /\ test ws x' = Some bound.
Proof.
  unfold with_windows; destruct (of_windows m) as [ws|] eqn:Hws; [|discriminate].
  destruct x as [x|]; [|discriminate]; intro H; exists ws, x; split; [apply Hwindows; reflexivity|exact H].
Qed.

Lemma refined_preactivation_sound (i : nat) (x : range_witness) (p : range) (r : stream) (t : nat) :
  refined_preactivation P d pr m i x = Some p -> contains p (mamba1_block.preactivation b r (S t) i).
Proof.
  unfold refined_preactivation; destruct (preactivation_over P d pr i) as [base|] eqn:Hbase; [|discriminate].
  intro H; injection H as <-; apply reduce_upper_contains; [apply raise_lower_contains|].
  - apply (preactivation_over_sound P d Hwidth Hepsilon sigma pr); assumption.
  - intros bound Hbound; destruct (with_windows_some _ _ _ Hbound) as [ws [x' [Hws Htest]]].
    apply (preactivation_lower_sound P d Hwidth Hepsilon ws Hws sigma pr i x'); assumption.
  - intros bound Hbound; destruct (with_windows_some _ _ _ Hbound) as [ws [x' [Hws Htest]]].
    apply (preactivation_upper_sound P d Hwidth Hepsilon ws Hws sigma pr i x'); assumption.
Qed.

Lemma refined_row_sound (q : nat) (base : range) (x : range_witness) (r : stream) (t : nat) :
  contains base (projected_input b r (S t) q) -> contains (refined_row P d m q base x) (projected_input b r (S t) q).
Proof.
  intro Hbase; apply reduce_upper_contains; [apply raise_lower_contains; [exact Hbase|]|].
  - intros bound Hbound; destruct (with_windows_some _ _ _ Hbound) as [ws [x' [Hws Htest]]].
    apply (projected_lower_sound P d Hwidth Hepsilon ws Hws q x'); assumption.
  - intros bound Hbound; destruct (with_windows_some _ _ _ Hbound) as [ws [x' [Hws Htest]]].
    apply (projected_upper_sound P d Hwidth Hepsilon ws Hws q x'); assumption.
Qed.

Lemma refined_rows_sound (rs : list range) (r : stream) (t : nat) : forall (q : nat) (xs : list range_witness),
  (forall k, (k < length rs)%nat -> contains (nth k rs (point zero)) (projected_input b r (S t) (q + k))) ->
  forall k, (k < length rs)%nat ->
  contains (nth k (refined_rows P d m q rs xs) (point zero)) (projected_input b r (S t) (q + k)).
Proof.
  induction rs as [|base rs IH]; intros q xs Hbase k Hk; [simpl in Hk; lia|]; cbn [refined_rows].
  destruct k as [|k]; cbn [nth].
  - assert (Hfirst := Hbase O ltac:(simpl; lia)); rewrite Nat.add_0_r in *; apply refined_row_sound; exact Hfirst.
  - replace (q + S k)%nat with (S q + k)%nat by lia; apply IH; [|simpl in Hk; lia].
    intros k' Hk'; replace (S q + k')%nat with (q + S k')%nat by lia; apply (Hbase (S k')); simpl; lia.
Qed.

(** Ranges of B and C that hold at every step. *)
Definition ranges_hold (B C : list range) : Prop := forall (r : stream) (t k : nat), (k < state_count d)%nat ->
  contains (nth k B (point zero)) (mamba1_block.B_at b r (S t) k) /\
  contains (nth k C (point zero)) (mamba1_block.C_at b r (S t) k).

Lemma own_ranges_hold : ranges_hold (B_ranges pr) (C_ranges pr).
Proof. intros r t k Hk; split; [apply (B_holds _ _ _ Hpr)|apply (C_holds _ _ _ Hpr)]; exact Hk. Qed.

Theorem refined_ranges_hold (xs ys : list range_witness) : ranges_hold (refined_B P d pr m xs) (refined_C P d pr m ys).
Proof.
  intros r t k Hk; assert (HB := B_count _ _ _ Hpr); assert (HC := C_count _ _ _ Hpr); split.
  - apply refined_rows_sound; [|lia]; intros k' Hk'; apply (B_holds _ _ _ Hpr); lia.
  - apply refined_rows_sound; [|lia]; intros k' Hk'; apply (C_holds _ _ _ Hpr); lia.
Qed.

(** The claims with the one-step rate for the exponent. *)
Definition with_rate (c : channel_claims) : channel_claims :=
  ChannelClaims (p_lower c) (p_upper c) (step_lower c) (step_upper c) (zeta_lower c) (zeta_upper c) (zeta_upper c)
    (state_bound c) (gain_initial_upper c) (gain_x_upper c) (gain_B_upper c) (gain_C_upper c) (gain_step_upper c)
    (gain_A_log_upper c) (output_gain_upper c).

Lemma at_most_itself (x : dyadic) : at_most x x = true.
Proof.
  unfold at_most; apply Z.leb_le, value_sign; rewrite value_subtract, Rminus_eq_0; apply Rle_refl.
Qed.

Theorem test_refined_channel_sound (B C : list range) (i : nat) (c : channel_claims) (x : range_witness)
  (mean : option sustained_witness) :
  ranges_hold B C -> (i < inner_count d)%nat -> accepted (test_refined_channel P d pr m B C i c x mean) = true ->
  channel_claimed d c i.
Proof.
  intros HBC Hi; unfold test_refined_channel.
  destruct (channel_states P d B C i) as [states|] eqn:Hstates; [|discriminate].
  unfold accepted; rewrite !andb_true_iff; cbn [preactivation_ok channel_ok steps_ok rates_ok exponent_ok states_ok].
  intros [[[[Hpre Hsteps] Hrates] Hexponent] Hsts].
  destruct (refined_preactivation P d pr m i x) as [p|] eqn:Hp; [|discriminate].
  destruct (channel_states_sound P d B C i states Hstates) as [Hlen Hall].
  set (x_magnitude := magnitude (nth i (inputs pr) (point zero))) in *.
  assert (Hclaimed : forall c', let tests := test_channel P no_limits x_magnitude states c' in
    steps_ok tests = true -> rates_ok tests = true -> exponent_ok tests = true -> states_ok tests = true ->
    p_lower c' = p_lower c -> p_upper c' = p_upper c -> channel_claimed d c' i).
  { intros c' tests H1 H2 H3 H4 H5 H6 f r Hf; rewrite <- Hlen.
    apply (test_channel_sound P no_limits x_magnitude states c' f (A_log_of b i)
             (fun t => mamba1_block.preactivation b r t i)); try assumption.
    - eapply Rle_trans; [|apply (contains_magnitude _ _ (inputs_hold _ _ _ Hpr r 0 i Hi))]; apply Rabs_pos.
    - intro t; assert (Hin := refined_preactivation_sound i x p r t Hp); rewrite H5, H6.
      exact (contains_within _ _ _ Hpre Hin).
    - intros k Hk; apply Hall; lia.
    - intros k t Hk; destruct (Hall k ltac:(lia)) as [_ [-> _]]; apply contains_magnitude, HBC; lia.
    - intros k t Hk; destruct (Hall k ltac:(lia)) as [_ [_ ->]]; apply contains_magnitude, HBC; lia.
    - intro t; apply contains_magnitude, (inputs_hold _ _ _ Hpr); exact Hi. }
  apply orb_prop in Hexponent; destruct Hexponent as [Hexponent|Hexponent].
  { apply Hclaimed; try assumption; reflexivity. }
  assert (Hrate : channel_claimed d (with_rate c) i).
  { apply Hclaimed; try assumption; try reflexivity; exact (at_most_itself (zeta_upper c)). }
  intros f r Hf; destruct (Hrate f r Hf) as [Hsteps' [Hrates' [Hstates' Houtputs']]].
  split; [exact Hsteps'|split; [|split; assumption]].
  intros k Hk; split; [apply (Hrates' k Hk)|].
  unfold refined_exponent in Hexponent; destruct (of_sequences m) as [ts|] eqn:Hts; [|discriminate].
  destruct mean as [y|]; [|discriminate].
  destruct (mean_preactivation_lower P d pr ts i y) as [pbar|] eqn:Hpbar; [|discriminate].
  apply (mean_exponents_accepted_sound P d Hwidth Hepsilon ts (Hsequences ts eq_refl) sigma pr i y pbar); assumption.
Qed.
End Sound.

Theorem refinement_of_sound (P : Z) (d : mamba1_data) :
  (0 < data_width (front_part d))%nat -> 0 < value (epsilon (front_part d)) ->
  (forall ws, of_windows (refinement_of P d) = Some ws -> windows_hold d ws) /\
  (forall ts, of_sequences (refinement_of P d) = Some ts -> token_rows_hold d ts).
Proof.
  intros Hwidth Hepsilon; split; intros y Hy.
  - apply (token_windows_of_sound P); assumption.
  - apply (token_rows_of_sound P); assumption.
Qed.
