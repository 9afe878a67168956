(** Ranges over a vocabulary of functionals that are known as integers: tokens are normalised in dyadic arithmetic, quantised
    in blocks, and every functional is taken at every token. *)
From Coq Require Import ZArith Reals Lra Lia Bool List.
From Flocq Require Import Core.Raux.
From Lyap Require Import finite_sums norm_ball dyadic floating_formats packed_integers packed_products quantised_products
  block_input input_checks front_checks approximate_matrices mamba1_functionals collected vocabulary check_mamba1.
Import ListNotations.
Open Scope Z_scope.

(** * One normed token *)

Fixpoint sum_of_squares (xs : list dyadic) : dyadic :=
  match xs with [] => zero | x :: xs => add (multiply x x) (sum_of_squares xs) end.

Lemma sum_of_squares_value (xs : list dyadic) :
  value (sum_of_squares xs) = sum (length xs) (fun i => value (nth i xs zero) ^ 2)%R.
Proof.
  induction xs as [|x xs IH]; cbn [sum_of_squares length]; [cbn [sum]; apply value_zero|].
  rewrite value_add, value_multiply, IH, sum_first; cbn [nth]; simpl; ring.
Qed.

(** 1 / sqrt(s) for s > 0 between two positive dyadics. *)
Definition inverse_root (P : Z) (low high : dyadic) : range :=
  let root := square_root_up P high in Range (divide_down P one root) (divide_up P root low).

Lemma inverse_root_contains (P : Z) (low high : dyadic) (s : R) :
  (0 < value low)%R -> (value low <= s <= value high)%R -> contains (inverse_root P low high) (/ sqrt s).
Proof.
  intros Hlow [Hl Hh]; assert (Hs : (0 < s)%R) by lra; assert (Hroot := sqrt_lt_R0 s Hs).
  assert (Hup := square_root_up_above P high ltac:(lra)); assert (Hmono := sqrt_le_1_alt s (value high) Hh).
  set (root := square_root_up P high) in *; assert (Hr : (0 < value root)%R) by lra.
  unfold inverse_root; fold root; split; cbn [lower upper].
  - eapply Rle_trans; [apply divide_down_below; exact Hr|]; rewrite value_one; unfold Rdiv; rewrite Rmult_1_l.
    apply Rinv_le_contravar; lra.
  - eapply Rle_trans; [|apply divide_up_above; exact Hlow].
    assert (Hq := sqrt_sqrt s ltac:(lra)).
    apply Rmult_le_reg_r with (value low * sqrt s)%R; [apply Rmult_lt_0_compat; assumption|].
    replace (/ sqrt s * (value low * sqrt s))%R with (value low) by (field; lra).
    replace (value root / value low * (value low * sqrt s))%R with (value root * sqrt s)%R by (field; lra).
    nra.
Qed.

(** The mean square plus epsilon, from below and above. *)
Definition mean_square (P : Z) (width : nat) (eps : dyadic) (xs : list dyadic) : range :=
  let s := sum_of_squares xs in
  let d := of_integer (Z.of_nat width) in Range (add (divide_down P s d) eps) (add (divide_up P s d) eps).

(** The token's numbers x_i / rms at scale s, within two units; None where the precision does not reach. *)
Definition normed_vector (P s : Z) (width : nat) (eps : dyadic) (xs : list dyadic) : option vector :=
  let m := mean_square P width eps xs in
  let scale := inverse_root P (lower m) (upper m) in
  let largest := fold_left (fun a x => larger a (absolute x)) xs zero in
  if (length xs =? width)%nat && (0 <? mantissa (lower m))
     && at_most (multiply largest (subtract (upper scale) (lower scale))) (Dyadic 1 (- s))
  then Some (Vector s 2 (map (fun x => quantise s (multiply x (lower scale))) xs))
  else None.

Lemma largest_of_list (xs : list dyadic) : forall (a : dyadic) (i : nat), (i < length xs)%nat ->
  (Rabs (value (nth i xs zero)) <= value (fold_left (fun a x => larger a (absolute x)) xs a))%R.
Proof.
  assert (Hgrow : forall ys a, (value a <= value (fold_left (fun a x => larger a (absolute x)) ys a))%R).
  { induction ys as [|y ys IH]; intro a; cbn [fold_left]; [lra|].
    eapply Rle_trans; [|apply IH]; rewrite value_larger; apply Rmax_l. }
  induction xs as [|x xs IH]; intros a i Hi; [simpl in Hi; lia|]; cbn [fold_left].
  destruct i as [|i]; cbn [nth]; [|apply IH; simpl in Hi; lia].
  eapply Rle_trans; [|apply Hgrow]; rewrite value_larger, value_absolute; apply Rmax_r.
Qed.

Theorem normed_vector_sound (P s : Z) (width : nat) (eps : dyadic) (xs : list dyadic) (v : vector) (x : nat -> R) :
  (0 < width)%nat -> normed_vector P s width eps xs = Some v ->
  (forall i, (i < width)%nat -> x i = value (nth i xs zero)) ->
  approximates_vector v width (rms_normalised width (value eps) x).
Proof.
  intros Hwidth; unfold normed_vector; cbv zeta; set (m := mean_square P width eps xs).
  set (scale := inverse_root P (lower m) (upper m)); set (largest := fold_left _ xs zero).
  destruct (Nat.eqb_spec (length xs) width) as [Hlen|]; [|discriminate].
  destruct (Z.ltb_spec 0 (mantissa (lower m))) as [Hpos|]; [|discriminate].
  destruct (at_most _ (Dyadic 1 (- s))) eqn:Hwide; [|discriminate]; cbn [andb]; intros H Hx; injection H as <-.
  apply at_most_value in Hwide; rewrite value_multiply, value_subtract in Hwide.
  assert (Hlow : (0 < value (lower m))%R).
  { destruct (Rlt_le_dec 0 (value (lower m))) as [|Hle]; [assumption|apply value_sign in Hle; lia]. }
  set (msq := (sum width (fun k => x k ^ 2) / INR width + value eps)%R).
  assert (Hd : (0 < value (of_integer (Z.of_nat width)))%R)
    by (rewrite value_of_integer; apply IZR_lt; lia).
  assert (Hsum : value (sum_of_squares xs) = sum width (fun k => x k ^ 2)%R).
  { rewrite sum_of_squares_value, Hlen; apply sum_same; intros i Hi; rewrite Hx by exact Hi; reflexivity. }
  assert (Hmsq : (value (lower m) <= msq <= value (upper m))%R).
  { unfold m, mean_square, msq; cbn [lower upper]; rewrite !value_add, INR_IZR_INZ.
    assert (H1 := divide_down_below P (sum_of_squares xs) _ Hd); assert (H2 := divide_up_above P (sum_of_squares xs) _ Hd).
    rewrite Hsum, value_of_integer in *; lra. }
  assert (Hin := inverse_root_contains P (lower m) (upper m) msq Hlow Hmsq); fold scale in Hin; destruct Hin as [Ha Hb].
  split; [cbn [v_entries]; rewrite map_length; exact Hlen|split; [cbn [v_error]; lia|]].
  intros i Hi; cbn [v_entries v_error v_scale]; unfold entry.
  rewrite (nth_indep _ 0 (quantise s (multiply zero (lower scale)))) by (rewrite map_length; lia).
  rewrite (map_nth (fun x => quantise s (multiply x (lower scale)))).
  assert (Hq := quantise_error s (multiply (nth i xs zero) (lower scale))); rewrite value_multiply in Hq.
  unfold rms_normalised; fold msq; rewrite (Hx i Hi); set (y := value (nth i xs zero)) in *.
  assert (Hy : (Rabs y <= value largest)%R) by (apply largest_of_list; lia).
  change 2 with (1 + 1); rewrite scaled_plus.
  fold (scaled s (quantise s (multiply (nth i xs zero) (lower scale)))) in Hq; fold (scaled s 1) in Hq, Hwide.
  replace (y / sqrt msq - scaled s (quantise s (multiply (nth i xs zero) (lower scale))))%R
    with (y * (/ sqrt msq - value (lower scale)) +
          (y * value (lower scale) - scaled s (quantise s (multiply (nth i xs zero) (lower scale)))))%R
    by (unfold Rdiv; ring).
  eapply Rle_trans; [apply Rabs_triang|]; apply Rplus_le_compat; [|exact Hq].
  rewrite Rabs_mult, (Rabs_pos_eq (/ sqrt msq - value (lower scale))) by lra.
  eapply Rle_trans; [|exact Hwide]; apply Rmult_le_compat; [apply Rabs_pos|lra|exact Hy|lra].
Qed.
