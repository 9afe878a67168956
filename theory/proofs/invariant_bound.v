(** The invariant bound H: a state that is drawn to targets of size at most H never exceeds H.
    theory/theorems/invariant_bound.md *)
From Coq Require Import Reals Lra Lia.
From Lyap Require Import recurrence theorem_3_perturbed_trajectories.
Open Scope R_scope.

Theorem invariant_bound (a v h : nat -> R) (H : R) (T : nat) :
  drawn_to a v h -> (forall t, 0 <= a t <= 1) -> Rabs (h 0%nat) <= H -> (forall t, Rabs (v (S t)) <= H) ->
  Rabs (h T) <= H.
Proof.
  intros Hh Ha H0 Hv; induction T as [|t IH]; [exact H0|].
  rewrite (Hh t); specialize (Ha (S t)); specialize (Hv t).
  eapply Rle_trans; [apply Rabs_triang|].
  rewrite !Rabs_mult, (Rabs_pos_eq (a (S t))), (Rabs_pos_eq (1 - a (S t))) by lra.
  nra.
Qed.

(** Euler steps h = exp(-alpha Delta) h + Delta B x are of that form with v = Delta/(1 - a) B x where Delta > 0 ... *)
Lemma euler_target (alpha Delta Bx : R) : 0 < alpha -> 0 < Delta ->
  Delta * Bx = (1 - exp (- (alpha * Delta))) * (Delta / (1 - exp (- (alpha * Delta))) * Bx).
Proof.
  intros Halpha HDelta; field.
  assert (exp (- (alpha * Delta)) < 1); [|lra].
  rewrite <- exp_0; apply exp_increasing; nra.
Qed.

(** ... and |v| <= (1/alpha + Delta) |B x|: no lower bound of Delta enters. *)
Lemma euler_target_bound (alpha Delta Bx : R) : 0 < alpha -> 0 < Delta ->
  Rabs (Delta / (1 - exp (- (alpha * Delta))) * Bx) <= (/ alpha + Delta) * Rabs Bx.
Proof.
  intros Halpha HDelta.
  set (s := alpha * Delta); assert (Hs : 0 < s) by (unfold s; nra).
  assert (Hexp : 1 + s <= exp s) by (left; apply exp_ineq1; lra).
  assert (Hinv : exp (- s) * exp s = 1) by (rewrite <- exp_plus, Rplus_opp_l; apply exp_0).
  assert (Hpos := exp_pos (- s)).
  assert (Hrest : 0 < 1 - exp (- s)) by (assert (exp (- s) < 1); [rewrite <- exp_0; apply exp_increasing; lra|lra]).
  (* s <= (1 + s) (1 - exp(-s)) *)
  assert (Hkey : s <= (1 + s) * (1 - exp (- s))) by nra.
  set (e := exp (- s)) in *.
  assert (Hfactor : Delta / (1 - e) <= / alpha + Delta).
  { apply Rmult_le_reg_r with (alpha * (1 - e)); [nra|].
    replace (Delta / (1 - e) * (alpha * (1 - e))) with (alpha * Delta) by (field; lra).
    replace ((/ alpha + Delta) * (alpha * (1 - e))) with ((1 + alpha * Delta) * (1 - e)) by (field; lra).
    exact Hkey. }
  rewrite Rabs_mult; apply Rmult_le_compat_r; [apply Rabs_pos|].
  rewrite Rabs_pos_eq; [exact Hfactor|].
  left; apply Rmult_lt_0_compat; [exact HDelta|apply Rinv_0_lt_compat; exact Hrest].
Qed.

(** Zero-order hold: b = (1 - a)/alpha B x, v = B x/alpha. *)
Lemma zero_order_hold_target (alpha a Bx : R) : alpha <> 0 -> (1 - a) / alpha * Bx = (1 - a) * (Bx / alpha).
Proof. intro; field; assumption. Qed.
