(** Prints what each headline theorem rests on; tests/proofs compares that with the axioms of the standard reals. *)
From Lyap Require Import theorem_1_state_deviation theorem_2_output_deviation theorem_3_perturbed_trajectories
  theorem_4_perturbed_outputs invariant_bound trajectory_recurrence counterexamples_to_theorem_3 step_sizes.

Print Assumptions theorem_1_equality.
Print Assumptions theorem_1_from_step.
Print Assumptions theorem_1_exponential.
Print Assumptions theorem_1_rate.
Print Assumptions theorem_1_no_growth.
Print Assumptions theorem_1_exponent.
Print Assumptions theorem_2_output.
Print Assumptions theorem_2_gain.
Print Assumptions theorem_2_gate.
Print Assumptions decay_change_ratio.
Print Assumptions theorem_3_gap_free.
Print Assumptions theorem_3_maximum.
Print Assumptions theorem_4_output.
Print Assumptions theorem_4_gap_free.
Print Assumptions invariant_bound.
Print Assumptions euler_target_bound.
Print Assumptions trajectory_recurrence.
Print Assumptions persistent_perturbation_stays.
Print Assumptions no_rate_below_zero.
Print Assumptions no_constant_at_rate_zero.
Print Assumptions log_softplus_lipschitz.
Print Assumptions log_clamp_lipschitz.
Print Assumptions perturbation_distance.
