(** A sum of terms omega_k silu(q_k) above a constant and a quadratic in e_k = q_k - beta_k, the constant in dyadic
    numbers: weights that are rounded, inputs that are known within a slack, parabolas whose constants are computed.
    theory/theorems/quadratic_relaxation.md, section 1 *)
From Coq Require Import ZArith Reals Lra Lia List.
From Lyap Require Import finite_sums silu_shape dyadic packed_products quantised_products positive_definite
  curvature_rows scaled_relaxations silu_even_checks window_functional approximate_matrices.
Import ListNotations.
Open Scope Z_scope.

(** What a layer says of a channel of the convolution: silu's input without tokens, how well its other part is known,
    and a number that its magnitude does not exceed, the slack included. *)
Record silu_term := SiluTerm { input_constant : dyadic; input_slack : dyadic; input_reach : dyadic }.
Definition no_term : silu_term := SiluTerm zero zero zero.

(** The parabola under a term, w e^2 + t e + .., and the point that it is to touch. *)
Record parabola := Parabola { curvature : Z; linear : Z; touch : dyadic }.
Definition no_parabola : parabola := Parabola 0 0 zero.

(** Above silu's slope. *)
Definition steepest : dyadic := Dyadic 9 (-3).

(** Weights 2^-s within [error], curvatures 2^-b, linear coefficients 2^-l. *)
Definition term_floor (P s error b l omega : Z) (c : silu_term) (p : parabola) : dyadic :=
  let omega := Dyadic omega (- s) in
  let w := Dyadic (curvature p) (- b) in
  let t := Dyadic (linear p) (- l) in
  let beta := input_constant c in
  let sigma := subtract (subtract t (scale2 1 (multiply w beta))) (scale2 (-1) omega) in
  subtract
    (add (subtract (multiply t beta) (multiply w (squared beta)))
       (term_constant P omega w sigma (touch p) (input_reach c)))
    (multiply steepest
       (add (multiply (absolute omega) (input_slack c)) (multiply (Dyadic error (- s)) (input_reach c)))).

Fixpoint terms_floor (P s error b l : Z) (omegas : list Z) (cs : list silu_term) (ps : list parabola) (total : dyadic)
  : option dyadic :=
  match omegas, cs, ps with
  | omega :: omegas, c :: cs, p :: ps =>
      terms_floor P s error b l omegas cs ps (add total (term_floor P s error b l omega c p))
  | [], [], [] => Some total
  | _, _, _ => None
  end.

Open Scope R_scope.

Lemma value_steepest : value steepest = 9 / 8.
Proof. unfold value, power2; simpl; lra. Qed.

Lemma silu_zero : silu 0 = 0.
Proof. unfold silu; ring. Qed.

Lemma term_floor_below (P s error b l omega : Z) (c : silu_term) (p : parabola) (weight q e : R) :
  Rabs (weight - scaled s omega) <= scaled s error ->
  Rabs (q - (value (input_constant c) + e)) <= value (input_slack c) ->
  Rabs q + value (input_slack c) <= value (input_reach c) ->
  value (term_floor P s error b l omega c p)
  + (IZR (linear p) * power2 (- l) * e + IZR (curvature p) * power2 (- b) * e ^ 2) <= weight * silu q.
Proof.
  intros Hweight Hq Hreach.
  unfold term_floor; cbv zeta; set (omega' := Dyadic omega (- s)); set (w := Dyadic (curvature p) (- b)).
  set (t := Dyadic (linear p) (- l)); set (beta := input_constant c) in *.
  set (sigma := subtract (subtract t _) _).
  assert (Hsigma : value omega' / 2 + value sigma = value t - 2 * value w * value beta).
  { unfold sigma; rewrite !value_subtract, value_twice, value_halved, value_multiply; field. }
  set (q' := value beta + e) in *.
  assert (Hslack : 0 <= value (input_slack c)) by (eapply Rle_trans; [apply Rabs_pos|exact Hq]).
  assert (Hq' : Rabs q' <= value (input_reach c)).
  { replace q' with (q - (q - q')) by ring; eapply Rle_trans; [apply Rabs_triang|]; rewrite Rabs_Ropp; lra. }
  assert (Hterm := term_constant_sound P omega' w sigma (touch p) (input_reach c) q' Hq'); rewrite Hsigma in Hterm.
  set (kappa := term_constant P omega' w sigma (touch p) (input_reach c)) in *; clearbody kappa; clear Hsigma.
  fold (value t); fold (value w).
  change (scaled s omega) with (value omega') in Hweight.
  assert (Hsame := silu_slope_bound q' q).
  assert (Hsize := silu_slope_bound q 0); rewrite silu_zero, !Rminus_0_r in Hsize.
  assert (H1 : Rabs (value omega' * (silu q' - silu q)) <= 9 / 8 * (Rabs (value omega') * value (input_slack c))).
  { rewrite Rabs_mult; assert (Ho := Rabs_pos (value omega')).
    replace (9 / 8 * (Rabs (value omega') * value (input_slack c)))
      with (Rabs (value omega') * (9 / 8 * value (input_slack c))) by ring.
    apply Rmult_le_compat_l; [exact Ho|]; rewrite (Rabs_minus_sym q') in Hsame; lra. }
  assert (H2 : Rabs ((weight - value omega') * silu q) <= 9 / 8 * (scaled s error * value (input_reach c))).
  { rewrite Rabs_mult.
    replace (9 / 8 * (scaled s error * value (input_reach c)))
      with (scaled s error * (9 / 8 * value (input_reach c))) by ring.
    apply Rmult_le_compat; [apply Rabs_pos|apply Rabs_pos|exact Hweight|].
    assert (Hp := Rabs_pos q); lra. }
  rewrite !value_subtract, value_add, !value_multiply, value_subtract, !value_multiply, value_add, !value_multiply.
  rewrite value_steepest, value_absolute, value_squared.
  change (value (Dyadic error (- s))) with (scaled s error).
  change (IZR (linear p) * power2 (- l)) with (value t); change (IZR (curvature p) * power2 (- b)) with (value w).
  assert (Hlow := Rle_abs (value omega' * (silu q' - silu q))).
  assert (Hlow2 := Rle_abs (- ((weight - value omega') * silu q))); rewrite Rabs_Ropp in Hlow2.
  assert (Hsplit : weight * silu q
    = value omega' * silu q' - value omega' * (silu q' - silu q) - - ((weight - value omega') * silu q)) by ring.
  assert (Hexpand : (value t - 2 * value w * value beta) * q' + value w * q' ^ 2
    = value t * value beta - value w * value beta ^ 2 + (value t * e + value w * e ^ 2)) by (unfold q'; ring).
  lra.
Qed.

Theorem terms_floor_below (P s error b l : Z) (omegas : list Z) : forall (cs : list silu_term) (ps : list parabola)
  (total floor : dyadic) (weight q e : nat -> R),
  terms_floor P s error b l omegas cs ps total = Some floor ->
  (forall k, (k < length omegas)%nat -> Rabs (weight k - scaled s (entry omegas k)) <= scaled s error) ->
  (forall k, (k < length omegas)%nat -> let c := nth k cs no_term in
     Rabs (q k - (value (input_constant c) + e k)) <= value (input_slack c) /\
     Rabs (q k) + value (input_slack c) <= value (input_reach c)) ->
  length cs = length omegas /\ length ps = length omegas /\
  value floor - value total
  + sum (length omegas)
      (fun k => scaled_vector l (map linear ps) k * e k + scaled_vector b (map curvature ps) k * e k ^ 2)
  <= sum (length omegas) (fun k => weight k * silu (q k)).
Proof.
  induction omegas as [|omega omegas IH]; intros [|c cs] [|p ps] total floor weight q e; cbn [terms_floor];
    try discriminate.
  { intros H _ _; injection H as <-; repeat split; simpl; lra. }
  intros H Hweight Hq.
  destruct (IH cs ps _ floor (fun k => weight (S k)) (fun k => q (S k)) (fun k => e (S k)) H) as [H1 [H2 H3]].
  { intros k Hk; apply (Hweight (S k)); simpl; lia. }
  { intros k Hk; apply (Hq (S k)); simpl; lia. }
  split; [simpl; lia|split; [simpl; lia|]].
  cbn [length map]; rewrite !sum_first; rewrite value_add in H3.
  destruct (Hq O ltac:(simpl; lia)) as [Hq0 Hreach0]; cbn [nth] in Hq0, Hreach0.
  assert (Hfirst := term_floor_below P s error b l omega c p (weight O) (q O) (e O)
    (Hweight O ltac:(simpl; lia)) Hq0 Hreach0).
  change (scaled_vector l (linear p :: map linear ps) 0) with (IZR (linear p) * power2 (- l)).
  change (scaled_vector b (curvature p :: map curvature ps) 0) with (IZR (curvature p) * power2 (- b)).
  change (fun k => scaled_vector l (linear p :: map linear ps) (S k) * e (S k)
                   + scaled_vector b (curvature p :: map curvature ps) (S k) * e (S k) ^ 2)
    with (fun k => scaled_vector l (map linear ps) k * e (S k) + scaled_vector b (map curvature ps) k * e (S k) ^ 2).
  lra.
Qed.
