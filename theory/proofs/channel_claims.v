(** What a certificate claims of one channel or head, as a statement about its recurrence, and the test that proves the
    claims about states and gains from ranges of Delta, B, C and x. theory/theorems/gains.md, invariant_bound.md *)
From Coq Require Import ZArith Reals Lra Lia Bool List.
From Coquelicot Require Import Coquelicot.
From Lyap Require Import recurrence theorem_1_state_deviation theorem_2_output_deviation finite_sums step_sizes
  selective_recurrence gains dyadic exponential_bounds floating_formats mamba2_block step_size_checks.
Import ListNotations.
Open Scope Z_scope.

(** Upper bounds are None where the claim is infinity. *)
Record channel_claims := ChannelClaims {
  p_lower : dyadic; p_upper : dyadic;
  step_lower : dyadic; step_upper : dyadic;
  zeta_lower : option dyadic; zeta_upper : dyadic; exponent_upper : dyadic;
  state_bound : option dyadic;
  gain_initial_upper : dyadic; gain_x_upper : option dyadic; gain_B_upper : option dyadic; gain_C_upper : option dyadic;
  gain_step_upper : option dyadic; gain_A_log_upper : option dyadic; output_gain_upper : option dyadic
}.

Definition bounded (x : R) (c : option dyadic) : Prop := match c with Some c => (x <= value c)%R | None => True end.
Definition bounded_below (c : option dyadic) (x : R) : Prop := match c with Some c => (value c <= x)%R | None => True end.
(** |d| <= gain e *)
Definition gained (d : R) (c : option dyadic) (e : R) : Prop :=
  match c with Some c => (Rabs d <= value c * e)%R | None => True end.

(** * Statements: one channel, N states; sequences are indexed by time, steps are 1, 2, .. *)

Section Statement.
Variable c : channel_claims.
Variable N : nat.
Variable A_log : nat -> R.
Variable Delta p : nat -> R.
Variable B C : nat -> nat -> R.  (** state, time *)
Variable x : nat -> R.

Definition alpha (n : nat) : R := exp (A_log n).

Definition steps_claimed : Prop := forall t,
  (value (p_lower c) <= p (S t) <= value (p_upper c))%R /\
  (value (step_lower c) <= Delta (S t) <= value (step_upper c))%R.

Definition rates_claimed : Prop := forall n, (n < N)%nat ->
  (forall t, bounded_below (zeta_lower c) (- (alpha n * Delta (S t))) /\
             (- (alpha n * Delta (S t)) <= value (zeta_upper c))%R) /\
  Rbar_le (theorem_1_state_deviation.exponent (alpha n) Delta) (Finite (value (exponent_upper c))).

(** One state from zero, and a second run beside it. *)
Definition states_claimed : Prop := forall n h, (n < N)%nat ->
  euler_steps (alpha n) Delta (B n) x h ->
  (forall h' T, euler_steps (alpha n) Delta (B n) x h' ->
     (Rabs (h' (S T) - h (S T)) <= value (gain_initial_upper c) * Rabs (h' O - h O))%R) /\
  (h O = 0%R ->
    (forall T, bounded (Rabs (h T)) (state_bound c)) /\
    (forall h' x' e T, euler_steps (alpha n) Delta (B n) x' h' -> h' O = h O ->
       (forall t, (Rabs (x' (S t) - x (S t)) <= e)%R) -> gained (h' T - h T) (gain_x_upper c) e) /\
    (forall h' B' e T, euler_steps (alpha n) Delta B' x h' -> h' O = h O ->
       (forall t, (Rabs (B' (S t) - B n (S t)) <= e)%R) -> gained (h' T - h T) (gain_B_upper c) e) /\
    (forall h' Delta' gamma T, euler_steps (alpha n) Delta' (B n) x h' -> h' O = h O -> (0 <= gamma)%R ->
       (forall t, within_factor gamma (Delta (S t)) (Delta' (S t))) ->
       gained (h' T - h T) (gain_step_upper c) (exp gamma - 1)) /\
    (forall h' A_log' gamma T, euler_steps (exp A_log') Delta (B n) x h' -> h' O = h O ->
       (Rabs (A_log' - A_log n) <= gamma)%R -> gained (h' T - h T) (gain_A_log_upper c) (exp gamma - 1))).

(** The output y = sum C h + D x of all states. *)
Definition outputs_claimed : Prop := forall (h : nat -> nat -> R) D,
  (forall n, (n < N)%nat -> euler_steps (alpha n) Delta (B n) x (h n)) ->
  (forall h' e t, (0 <= e)%R -> (forall n, (n < N)%nat -> (Rabs (h' n - h n (S t)) <= e)%R) ->
     gained (output (fun n => C n (S t)) h' D (x (S t)) N - output (fun n => C n (S t)) (fun n => h n (S t)) D (x (S t)) N)
            (output_gain_upper c) e) /\
  ((forall n, (n < N)%nat -> h n O = 0%R) ->
   forall C' e t, (0 <= e)%R -> (forall n, (n < N)%nat -> (Rabs (C' n - C n (S t)) <= e)%R) ->
     gained (output C' (fun n => h n (S t)) D (x (S t)) N - output (fun n => C n (S t)) (fun n => h n (S t)) D (x (S t)) N)
            (gain_C_upper c) e).

Definition channel_statement : Prop := steps_claimed /\ rates_claimed /\ states_claimed /\ outputs_claimed.
End Statement.

(** * Tests *)

(** A finite claim must hold; infinity is accepted only where the bound found is beyond binary64. *)
Definition claim_at_least (bound : option dyadic) (c : option dyadic) : bool :=
  match bound, c with
  | Some b, Some c => at_most b c
  | Some b, None => at_most (Dyadic 1 1023) b
  | None, None => true
  | None, Some _ => false
  end.

Lemma claim_at_least_bounded (b : dyadic) (c : option dyadic) (x : R) :
  claim_at_least (Some b) c = true -> (x <= value b)%R -> bounded x c.
Proof.
  destruct c as [c|]; simpl; [|trivial]; intros H Hx; apply at_most_value in H; lra.
Qed.

(** What a channel can do, as numbers: largest step, |x|, and for every state A_log and |B|, |C|. *)
Record state_domain := StateDomain { A_log_value : dyadic; alpha_enclosure : range; B_magnitude : dyadic; C_magnitude : dyadic }.

Record state_sums := StateSums {
  largest_state : dyadic; sum_of_states : dyadic; largest_per_x : dyadic; largest_per_B : dyadic; sum_of_C : dyadic }.

(** Bounds over the states; None where a target scale could not be bounded. *)
Fixpoint sums_over_states (P : Z) (step x : dyadic) (states : list state_domain) : option state_sums :=
  match states with
  | [] => Some (StateSums zero zero zero zero zero)
  | s :: rest =>
      match step_size_checks.target_scale P (alpha_enclosure s) step, sums_over_states P step x rest with
      | Some G, Some r =>
          let G := round_up P G in
          let per_x := round_up P (multiply G (B_magnitude s)) in
          let state := round_up P (multiply per_x x) in
          Some (StateSums (larger state (largest_state r)) (round_up P (add (sum_of_states r) state))
                 (larger per_x (largest_per_x r)) (larger (round_up P (multiply G x)) (largest_per_B r))
                 (round_up P (add (sum_of_C r) (C_magnitude s))))
      | _, _ => None
      end
  end.

Definition sums_accepted (r : state_sums) (c : channel_claims) : bool :=
  claim_at_least (Some (largest_state r)) (state_bound c)
  && claim_at_least (Some (largest_per_x r)) (gain_x_upper c)
  && claim_at_least (Some (largest_per_B r)) (gain_B_upper c)
  && claim_at_least (Some (sum_of_states r)) (gain_C_upper c)
  && claim_at_least (Some (scale2 1 (largest_state r))) (gain_step_upper c)
  && claim_at_least (Some (largest_state r)) (gain_A_log_upper c)
  && claim_at_least (Some (sum_of_C r)) (output_gain_upper c).

Fixpoint hull_of_alphas (states : list state_domain) : range :=
  match states with
  | [] => point one
  | [s] => alpha_enclosure s
  | s :: rest => range_hull (alpha_enclosure s) (hull_of_alphas rest)
  end.

Definition steps_accepted (P : Z) (l : dyadic_limits) (c : channel_claims) : bool :=
  (0 <=? mantissa (step_lower c))
  && limited_step_at_least P l (p_lower c) (p_upper c) (step_lower c)
  && limited_step_at_most P l (p_upper c) (step_upper c).

(** The smallest positive binary64 number: a rate of zero is claimed only where no larger one could be. *)
Definition smallest_rate : dyadic := Dyadic 1 (-1074).

Definition rates_accepted (P : Z) (l : dyadic_limits) (states : list state_domain) (c : channel_claims) : bool :=
  let alpha := hull_of_alphas states in
  (if mantissa (zeta_upper c) =? 0 then negb (rate_at_least P alpha l (p_lower c) (p_upper c) smallest_rate)
   else rate_at_least P alpha l (p_lower c) (p_upper c) (negate (zeta_upper c)))
  && match zeta_lower c with
     | Some z => rate_at_most P alpha l (p_upper c) (negate z)
     | None => negb (rate_at_most P alpha l (p_upper c) (Dyadic 1 1023))
     end
  && exp_at_most P (zeta_upper c) (gain_initial_upper c).

Definition exponent_accepted (c : channel_claims) : bool := at_most (zeta_upper c) (exponent_upper c).

Definition states_accepted (P : Z) (x_magnitude : dyadic) (states : list state_domain) (c : channel_claims) : bool :=
  match sums_over_states P (step_upper c) x_magnitude states with
  | Some r => sums_accepted r c
  | None => false
  end.

Record channel_tests := ChannelTests { steps_ok : bool; rates_ok : bool; exponent_ok : bool; states_ok : bool }.

Definition test_channel (P : Z) (l : dyadic_limits) (x_magnitude : dyadic) (states : list state_domain)
  (c : channel_claims) : channel_tests :=
  ChannelTests (steps_accepted P l c) (rates_accepted P l states c) (exponent_accepted c)
    (states_accepted P x_magnitude states c).

(** With the range of p itself. *)
Record recurrence_tests := RecurrenceTests { preactivation_ok : bool; channel_ok : channel_tests }.
Definition nothing_ok : recurrence_tests := RecurrenceTests false (ChannelTests false false false false).
Definition accepted (t : recurrence_tests) : bool :=
  preactivation_ok t && steps_ok (channel_ok t) && rates_ok (channel_ok t) && exponent_ok (channel_ok t)
  && states_ok (channel_ok t).

(** * Claims from the bit patterns of a certificate *)

Definition plus_infinity : Z := 9218868437227405312.    (** 0x7FF0000000000000 *)
Definition minus_infinity : Z := 18442240474082181120.  (** 0xFFF0000000000000 *)

Definition finite_number (x : Z) : option dyadic := decode float64 x.
(** None where the pattern is neither finite nor the infinity given. *)
Definition extended_number (infinity x : Z) : option (option dyadic) :=
  if x =? infinity then Some None else match decode float64 x with Some d => Some (Some d) | None => None end.

(** Binary64 patterns of one channel, in the order of the fields of [channel_claims]. *)
Definition claims_of_patterns (patterns : list Z) : option channel_claims :=
  match patterns with
  | [p_lo; p_hi; s_lo; s_hi; z_lo; z_hi; e_hi; h; g_init; g_x; g_B; g_C; g_step; g_A; g_out] =>
      match finite_number p_lo, finite_number p_hi, finite_number s_lo, finite_number s_hi,
            extended_number minus_infinity z_lo, finite_number z_hi, finite_number e_hi with
      | Some p_lo, Some p_hi, Some s_lo, Some s_hi, Some z_lo, Some z_hi, Some e_hi =>
          match extended_number plus_infinity h, finite_number g_init, extended_number plus_infinity g_x,
                extended_number plus_infinity g_B, extended_number plus_infinity g_C, extended_number plus_infinity g_step,
                extended_number plus_infinity g_A, extended_number plus_infinity g_out with
          | Some h, Some g_init, Some g_x, Some g_B, Some g_C, Some g_step, Some g_A, Some g_out =>
              Some (ChannelClaims p_lo p_hi s_lo s_hi z_lo z_hi e_hi h g_init g_x g_B g_C g_step g_A g_out)
          | _, _, _, _, _, _, _, _ => None
          end
      | _, _, _, _, _, _, _ => None
      end
  | _ => None
  end.
