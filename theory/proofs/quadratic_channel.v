(** One functional sum_k omega_k x_k of a Mamba-1 layer's scan inputs, at every step of every residual stream, by the
    quadratic relaxation from a witness: p of a channel (lower and upper end), rows of B and C.
    theory/theorems/quadratic_relaxation.md

    The witness may be anything. Scales: rows 2^-a, curvatures 2^-b, the point 2^-c; linear coefficients 2^-(a+b+c),
    multipliers 2^-(2a+b). None for blocks with an in_proj bias. *)
From Coq Require Import ZArith Reals Lra Lia Bool List Arith.
From Lyap Require Import finite_sums norm_ball dyadic floating_formats packed_products quantised_products block_input
  input_checks front_checks approximate_matrices mamba1_block mamba1_functionals check_mamba1 check_mamba1_sound
  quadratic_forms positive_definite curvature_rows curvature_checks completed_square_checks scaled_relaxations
  window_functional parabola_terms token_windows.
Import ListNotations.
Open Scope Z_scope.
Opaque terms_floor square_bound.

Record quadratic_witness := QuadraticWitness {
  curvature_scale : Z;
  point_scale : Z;
  parabolas : list parabola;      (** one per channel *)
  multipliers : list Z;           (** one per tap, the newest token's first *)
  solution : list Z;                 (** near R^-1 l, over the stacked window *)
  definite : factor_proof
}.

(** A proof of definiteness from its numbers: digits of a packed entry, bits by which M and w are rounded, the factor,
    its scale, the shift and a bound of the residual's norm. *)
Definition checked_factor (digits round_matrix round_weights : Z) (factor : list (list Z)) (scale shift norm : Z)
  : factor_proof := FactorProof digits round_matrix round_weights factor scale shift norm.

(** * What runs *)

Definition quadratic_lower (P : Z) (d : mamba1_data) (ws : token_windows) (omega : vector) (x : quadratic_witness)
  : option dyadic :=
  let width := data_width (front_part d) in
  let a := window_scale ws in
  let b := curvature_scale x in
  let c := point_scale x in
  let mus := multipliers x in
  if (length mus =? data_taps (front_part d))%nat && forallb (Z.leb 0) mus then
    let* floor := terms_floor P (v_scale omega) (v_error omega) b (a + b + c) (v_entries omega) (window_terms ws)
      (parabolas x) zero in
    let* bound := square_bound (definite x) (map curvature (parabolas x)) (map linear (parabolas x))
      (scaled_relaxations.spread width mus) (solution x) (window_rows ws) in
    Some (round_down P (subtract (add floor (Dyadic bound (- (2 * a + b + 2 * c + 2))))
      (Dyadic (Z.of_nat width * fold_right Z.add 0 mus) (- (2 * a + b)))))
  else None.

(** The weights as a vector: of a channel's p without its bias, of a row of x_proj; and of minus a functional. *)
Definition step_weights (d : mamba1_data) (pr : prepared) (i : nat) : option vector :=
  let* v := step_vector d i in
  let* omega := times (inner_count d) v (x_packed pr) in
  Some (shrink omega).

Definition projected_weights (d : mamba1_data) (q : nat) : option vector :=
  if (length (x_row d q) =? inner_count d)%nat then
    let* w := quantise_stored approximate_matrices.digits (x_format d) (x_row d q) in
    Some (Vector (scale w) 1 (entries w))
  else None.

Definition opposite (v : vector) : vector := Vector (v_scale v) (v_error v) (map Z.opp (v_entries v)).

(** Bounds of p of channel i. *)
Definition preactivation_lower (P : Z) (d : mamba1_data) (pr : prepared) (ws : token_windows) (i : nat)
  (x : quadratic_witness) : option dyadic :=
  let* omega := step_weights d pr i in
  let* bias := number_at (fst (dt_bias_row d)) (snd (dt_bias_row d)) i in
  let* least := quadratic_lower P d ws omega x in
  Some (add bias least).

Definition preactivation_upper (P : Z) (d : mamba1_data) (pr : prepared) (ws : token_windows) (i : nat)
  (x : quadratic_witness) : option dyadic :=
  let* omega := step_weights d pr i in
  let* bias := number_at (fst (dt_bias_row d)) (snd (dt_bias_row d)) i in
  let* least := quadratic_lower P d ws (opposite omega) x in
  Some (subtract bias least).

(** Bounds of row q of x_proj: of B and C behind the first dt_rank rows. *)
Definition projected_lower (P : Z) (d : mamba1_data) (ws : token_windows) (q : nat) (x : quadratic_witness)
  : option dyadic :=
  let* omega := projected_weights d q in quadratic_lower P d ws omega x.
Definition projected_upper (P : Z) (d : mamba1_data) (ws : token_windows) (q : nat) (x : quadratic_witness)
  : option dyadic :=
  let* omega := projected_weights d q in
  let* least := quadratic_lower P d ws (opposite omega) x in Some (negate least).

(** * Soundness *)

Open Scope R_scope.

Lemma fold_sum_of_integers (s : Z) (xs : list Z) :
  IZR (fold_right Z.add 0%Z xs) * power2 (- s) = sum (length xs) (scaled_vector s xs).
Proof.
  induction xs as [|x xs IH]; cbn [fold_right length]; [simpl; ring|].
  rewrite plus_IZR, sum_first, Rmult_plus_distr_r, IH; reflexivity.
Qed.

Lemma opposite_sound (v : vector) (n : nat) (x : nat -> R) :
  approximates_vector v n x -> approximates_vector (opposite v) n (fun k => - x k).
Proof.
  intros [H1 [H2 H3]]; split; [|split]; cbn [opposite v_entries v_error v_scale].
  - rewrite map_length; exact H1.
  - exact H2.
  - intros k Hk; specialize (H3 k Hk); unfold entry in *.
    change 0%Z with (- 0)%Z; rewrite map_nth; fold (scaled (v_scale v) (v_error v)).
    replace (- x k - scaled (v_scale v) (- nth k (v_entries v) 0%Z))
      with (- (x k - scaled (v_scale v) (nth k (v_entries v) 0%Z))); [rewrite Rabs_Ropp; exact H3|].
    unfold scaled, value; cbn [mantissa exponent]; rewrite opp_IZR; ring.
Qed.

Section Sound.
Variable P : Z.
Variable d : mamba1_data.
Let front := front_part d.
Let fb := front_of front.
Let n := inner_count d.
Let b := mamba1_of d.
Hypothesis Hwidth : (0 < data_width front)%nat.
Hypothesis Hepsilon : 0 < value (epsilon front).
Variable ws : token_windows.
Hypothesis Hws : windows_hold d ws.

Theorem quadratic_lower_sound (omega : vector) (weight : nat -> R) (x : quadratic_witness) (least : dyadic) :
  approximates_vector omega n weight -> quadratic_lower P d ws omega x = Some least ->
  forall (r : stream) (t : nat), value least <= sum n (fun k => weight k * scan_input fb r (S t) k).
Proof.
  intros [Hlen [_ Hnear]]; unfold quadratic_lower; cbv zeta.
  set (a := window_scale ws); set (bw := curvature_scale x); set (c := point_scale x); set (mus := multipliers x).
  destruct (Nat.eqb_spec (length mus) (data_taps (front_part d))) as [Hmus|]; [|discriminate]; cbn [andb].
  destruct (forallb (Z.leb 0) mus) eqn:Hpositive; [|discriminate].
  destruct (terms_floor _ _ _ _ _ _ _ _ _) as [floor|] eqn:Hfloor; [|discriminate].
  destruct (square_bound _ _ _ _ _ _) as [bound|] eqn:Hbound; [|discriminate].
  intros H r t; assert (Hsome : forall u v : dyadic, Some u = Some v -> v = u) by congruence; apply Hsome in H.
  rewrite H; clear H Hsome; eapply Rle_trans; [apply round_down_below|].
  destruct Hws as [Hrows Hrowsnear Hterms Hright].
  set (J := data_taps front) in *; set (width := data_width front) in *.
  set (z := stacked width (window fb r (S t))).
  set (e := image (J * width) (scaled_matrix a (window_rows ws)) z).
  destruct (terms_floor_below _ _ _ _ _ _ _ _ _ _ weight (silu_input fb r (S t)) e Hfloor) as [_ [_ Hsum]].
  { rewrite Hlen; exact Hnear. }
  { rewrite Hlen; intros k Hk; cbv zeta; destruct (Hright k Hk) as [Hslack Hchannel].
    destruct (Hchannel r t) as [Hconstant Hreach]; split; [|exact Hreach].
    change (window_constant fb k (Nat.min (S t) (taps fb)) = value (input_constant (nth k (window_terms ws) no_term)))
      in Hconstant.
    rewrite (silu_input_window fb r (S t) Hwidth k), Hconstant, Hslack.
    change (taps fb) with J; change (block_input.width fb) with width; fold z.
    match goal with |- Rabs (?u + ?v - (?u + e k)) <= _ => replace (u + v - (u + e k)) with (v - e k) by ring end.
    apply (images_near fb r (S t) Hwidth Hepsilon a (window_rows ws) (power2 (- a))).
    - left; apply power2_positive.
    - rewrite Hrows; exact Hrowsnear.
    - rewrite Hrows; exact Hk. }
  rewrite value_zero, Rminus_0_r, Hlen in Hsum.
  assert (Hlower := quadratic_lower_bound a bw c (definite x) bound width (map curvature (parabolas x))
    (map linear (parabolas x)) mus (solution x) (window_rows ws) (INR width)
    (sum n (fun k => weight k * scan_input fb r (S t) k)) (value floor) (window fb r (S t)) Hbound).
  rewrite Hmus, Hrows in Hlower; fold front J n in Hlower; fold z in Hlower; fold e in Hlower.
  assert (Hnonnegative : forall j, (0 <= entry mus j)%Z).
  { intro j; unfold entry; destruct (Nat.lt_ge_cases j (length mus)) as [Hj|Hj].
    - rewrite forallb_forall in Hpositive; apply Z.leb_le, Hpositive, nth_In; exact Hj.
    - rewrite nth_overflow by exact Hj; lia. }
  specialize (Hlower Hnonnegative (fun j _ => window_in_ball fb r (S t) Hwidth Hepsilon j) Hsum).
  eapply Rle_trans; [right|exact Hlower].
  rewrite value_subtract, value_add; unfold value at 2 3; unfold mantissa, exponent.
  rewrite mult_IZR, <- INR_IZR_INZ, Rmult_assoc, fold_sum_of_integers, Hmus; fold front width J.
  replace (- (2 * a + bw + 2 * c + 2))%Z with (- (2 * a + bw + 2 * c) + -2)%Z by lia; rewrite power2_plus.
  change (power2 (-2)) with (/ 4); unfold scaled_number; field.
Qed.

Lemma step_weights_sound (sigma : nat -> R) (pr : prepared) (i : nat) (omega : vector) :
  provided d sigma pr -> step_weights d pr i = Some omega -> approximates_vector omega n (step_weight b i).
Proof.
  intro Hpr; unfold step_weights.
  destruct (step_vector d i) as [v|] eqn:Hv; [|discriminate].
  destruct (times (inner_count d) v (x_packed pr)) as [product|] eqn:Hproduct; [|discriminate].
  intro H; injection H as <-; apply shrink_sound; apply (step_vector_sound d Hwidth) in Hv.
  destruct (x_holds _ _ _ Hpr) as [X [HX HXm]]; rewrite HX in Hproduct.
  exact (times_sound _ _ v X product _ _ Hv HXm Hproduct).
Qed.

Lemma projected_weights_sound (q : nat) (omega : vector) :
  projected_weights d q = Some omega -> approximates_vector omega n (x_weight b q).
Proof.
  unfold projected_weights; destruct (Nat.eqb_spec (length (x_row d q)) (inner_count d)) as [Hlen|]; [|discriminate].
  destruct (quantise_stored _ _ _) as [w|] eqn:Hw; [|discriminate]; intro H; injection H as <-.
  apply quantise_stored_sound in Hw; rewrite Hlen in Hw; destruct Hw as [H1 H2].
  split; [exact H1|split; [cbn [v_error]; lia|exact H2]].
Qed.

Lemma opposite_sum (weight : nat -> R) (y : nat -> R) :
  sum n (fun k => - weight k * y k) = - sum n (fun k => weight k * y k).
Proof.
  rewrite (sum_same n _ (fun k => -1 * (weight k * y k))) by (intros; ring); rewrite sum_scaled; ring.
Qed.

Theorem preactivation_lower_sound (sigma : nat -> R) (pr : prepared) (i : nat) (x : quadratic_witness) (p : dyadic) :
  provided d sigma pr -> preactivation_lower P d pr ws i x = Some p ->
  forall r t, value p <= mamba1_block.preactivation b r (S t) i.
Proof.
  intros Hpr; unfold preactivation_lower.
  destruct (step_weights d pr i) as [omega|] eqn:Homega; [|discriminate].
  destruct (number_at _ _ i) as [bias|] eqn:Hbias; [|discriminate].
  destruct (quadratic_lower P d ws omega x) as [least|] eqn:Hleast; [|discriminate].
  intros H r t; injection H as <-; rewrite value_add, preactivation_functional.
  apply (step_weights_sound sigma) in Homega; [|exact Hpr].
  assert (H := quadratic_lower_sound omega _ x least Homega Hleast r t).
  change (dt_bias_of b i) with (row_value (fst (dt_bias_row d)) (snd (dt_bias_row d)) i).
  rewrite (number_at_value _ _ _ _ Hbias); apply Rplus_le_compat_l; exact H.
Qed.

Theorem preactivation_upper_sound (sigma : nat -> R) (pr : prepared) (i : nat) (x : quadratic_witness) (p : dyadic) :
  provided d sigma pr -> preactivation_upper P d pr ws i x = Some p ->
  forall r t, mamba1_block.preactivation b r (S t) i <= value p.
Proof.
  intros Hpr; unfold preactivation_upper.
  destruct (step_weights d pr i) as [omega|] eqn:Homega; [|discriminate].
  destruct (number_at _ _ i) as [bias|] eqn:Hbias; [|discriminate].
  destruct (quadratic_lower P d ws (opposite omega) x) as [least|] eqn:Hleast; [|discriminate].
  intros H r t; injection H as <-; rewrite value_subtract, preactivation_functional.
  apply (step_weights_sound sigma) in Homega; [|exact Hpr]; apply opposite_sound in Homega.
  assert (H := quadratic_lower_sound _ _ x least Homega Hleast r t); cbv beta in H.
  rewrite (opposite_sum _ (scan_input fb r (S t))) in H.
  change (dt_bias_of b i) with (row_value (fst (dt_bias_row d)) (snd (dt_bias_row d)) i).
  rewrite (number_at_value _ _ _ _ Hbias); unfold x_at; change (front_of_block b) with fb.
  change (inner_width b) with n; lra.
Qed.

Theorem projected_lower_sound (q : nat) (x : quadratic_witness) (y : dyadic) :
  projected_lower P d ws q x = Some y -> forall r t, value y <= projected_input b r (S t) q.
Proof.
  unfold projected_lower; destruct (projected_weights d q) as [omega|] eqn:Homega; [|discriminate]; intros H r t.
  apply projected_weights_sound in Homega; exact (quadratic_lower_sound omega _ x y Homega H r t).
Qed.

Theorem projected_upper_sound (q : nat) (x : quadratic_witness) (y : dyadic) :
  projected_upper P d ws q x = Some y -> forall r t, projected_input b r (S t) q <= value y.
Proof.
  unfold projected_upper; destruct (projected_weights d q) as [omega|] eqn:Homega; [|discriminate].
  destruct (quadratic_lower P d ws (opposite omega) x) as [least|] eqn:Hleast; [|discriminate].
  intros H r t; injection H as <-; apply projected_weights_sound, opposite_sound in Homega.
  assert (H := quadratic_lower_sound _ _ x least Homega Hleast r t); cbv beta in H.
  rewrite (opposite_sum _ (scan_input fb r (S t))) in H.
  rewrite value_negate; unfold projected_input, x_at; change (front_of_block b) with fb; change (inner_width b) with n.
  lra.
Qed.
End Sound.
