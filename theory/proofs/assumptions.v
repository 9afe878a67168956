(** Prints what each headline theorem rests on; tests/proofs compares that with the axioms of the standard reals. *)
From Lyap Require Import theorem_1_state_deviation theorem_2_output_deviation theorem_3_perturbed_trajectories
  theorem_4_perturbed_outputs invariant_bound trajectory_recurrence counterexamples_to_theorem_3 step_sizes
  selective_recurrence gains norm_ball discretisations silu_shape exponential_bounds floating_formats packed_products
  quantised_products step_size_checks input_checks channel_claims_sound check_mamba2
  silu_ranges silu_checks silu_even_part silu_even_checks weighted_ranges
  approximate_matrices gram_reach linear_relaxation mamba1_functionals check_mamba1_sound check_vocabulary_sound quadratic_relaxation sustained_bound
  sustained_mean frequency_cover positive_definite curvature_checks sustained_checks scaled_relaxations window_functional
  quadratic_channel sustained_channel refined_channel.

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
Print Assumptions selective_state_bound.
Print Assumptions exponent_from_mean.
Print Assumptions softplus_jensen.
Print Assumptions sustained_exponent.
Print Assumptions cut_off_softplus_lower.
Print Assumptions gain_initial.
Print Assumptions gain_x.
Print Assumptions gain_B.
Print Assumptions gain_C.
Print Assumptions output_gain.
Print Assumptions gain_step.
Print Assumptions gain_A_log.
Print Assumptions rms_norm_strictly_inside.
Print Assumptions row_within.
Print Assumptions row_taps_within.
Print Assumptions group_norm_component.
Print Assumptions target_change.
Print Assumptions euler_scales.
Print Assumptions euler_programs_deviation.
Print Assumptions zero_order_hold_gains.
Print Assumptions silu_convex.
Print Assumptions silu_concave_right.
Print Assumptions silu_global_lower.
Print Assumptions silu_slope_range.
Print Assumptions exp_range_contains.
Print Assumptions decode_float32.
Print Assumptions decode_bfloat16.
Print Assumptions decode_float16.
Print Assumptions decode_float64.
Print Assumptions unpack_pack.
Print Assumptions row_times_matrix_near.
Print Assumptions rate_at_least_sound.
Print Assumptions rate_at_most_sound.
Print Assumptions target_scale_sound.
Print Assumptions silu_range_contains.
Print Assumptions even_part_tangent.
Print Assumptions even_part_chord.
Print Assumptions even_part_touch.
Print Assumptions term_constant_sound.
Print Assumptions weighted_over_contains.
Print Assumptions linear_residual_within_sound.
Print Assumptions test_channel_sound.
Print Assumptions check_mamba2_sound.
Print Assumptions check_mamba1_sound.
Print Assumptions linear_relaxation.
Print Assumptions functional_over_contains.
Print Assumptions times_sound.
Print Assumptions completed_square.
Print Assumptions ball_lower_bound.
Print Assumptions positive_definite_by_factor_sound.
Print Assumptions eigenvalue_bound_sound.
Print Assumptions sustained_bound.
Print Assumptions sustained_rate.
Print Assumptions every_frequency_covered.
Print Assumptions functional_lower_bound.
Print Assumptions check_vocabulary_sound.check_vocabulary_sound.
Print Assumptions gram_reach_sound.
Print Assumptions preactivation_lower_sound.
Print Assumptions preactivation_upper_sound.
Print Assumptions sustained_lower_sound.
Print Assumptions refined_ranges_hold.
Print Assumptions test_refined_channel_sound.
