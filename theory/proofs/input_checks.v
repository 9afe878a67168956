(** From bit patterns to ranges of what the scan sees: reach of a projected row over the norm ball, ranges of silu's
    input. theory/theorems/universal_domain.md, sections 1 to 3 *)
From Coq Require Import ZArith Reals Lra Lia Bool List.
From Lyap Require Import finite_sums norm_ball dyadic floating_formats packed_products quantised_products block_input.
Import ListNotations.
Open Scope Z_scope.

(** * A stored row *)

(** Numbers of one format; out of the list they are zero. *)
Definition row_value (f : format) (row : list Z) (i : nat) : R := pattern_value f (nth i row 0).

(** Chooses a scale at which the largest number of a row has about [digits] bits; any scale is sound. *)
Definition row_scale (digits : Z) (f : format) (row : list Z) : Z :=
  let largest := fold_left (fun m x =>
    let high := Z.shiftr x (fraction_bits f) in
    Z.max m (if sign_place f <=? high then high - sign_place f else high)) row 0 in
  digits - (largest + exponent_offset f + fraction_bits f).

(** A row of integers at a scale, each within one unit of its number: |w_i - W_i 2^-s| <= 2^-s. *)
Record quantised := Quantised { scale : Z; entries : list Z }.

Definition quantise_stored (digits : Z) (f : format) (row : list Z) : option quantised :=
  let s := row_scale digits f row in
  match quantise_row s f row with Some q => Some (Quantised s q) | None => None end.

Definition quantises (q : quantised) (n : nat) (x : nat -> R) : Prop :=
  length (entries q) = n /\ near n 1 (scale q) (entries q) x.

Lemma quantise_stored_sound (digits : Z) (f : format) (row : list Z) (q : quantised) :
  quantise_stored digits f row = Some q -> quantises q (length row) (row_value f row).
Proof.
  unfold quantise_stored; cbv zeta; set (s := row_scale digits f row); clearbody s.
  destruct (quantise_row s f row) as [ys|] eqn:H; [|discriminate]; intro Hq; injection Hq as <-.
  destruct (quantise_row_error s f row ys H) as [Hlen [_ Herr]]; split; cbn [entries scale]; [exact Hlen|].
  intros k Hk; apply Herr; exact Hk.
Qed.

(** * Reach of a row over the ball *)

(** sum (|W_i| + 1)(|G_i| + 1) squared: an upper bound of sum (w_i g_i)^2. *)
Fixpoint products_squared (w g : list Z) (total : Z) : Z :=
  match w, g with
  | x :: w, y :: g => let p := (Z.abs x + 1) * (Z.abs y + 1) in products_squared w g (total + p * p)
  | _, _ => total
  end.

Definition reach_squared (width : Z) (w g : quantised) : dyadic :=
  Dyadic (width * products_squared (entries w) (entries g) 0) (- (scale w + scale g + (scale w + scale g))).

Definition reach (P width : Z) (w g : quantised) : dyadic := square_root_up P (round_up P (reach_squared width w g)).

Lemma products_squared_total (w g : list Z) : forall total : Z, total <= products_squared w g total.
Proof.
  revert g; induction w as [|x w IH]; intros [|y g] total; cbn [products_squared]; try lia.
  cbv zeta; eapply Z.le_trans; [|apply IH].
  assert (0 <= (Z.abs x + 1) * (Z.abs y + 1) * ((Z.abs x + 1) * (Z.abs y + 1))) by (apply Z.square_nonneg); lia.
Qed.

Lemma near_bound (n : nat) (s : Z) (X : list Z) (x : nat -> R) (k : nat) : near n 1 s X x -> (k < n)%nat ->
  (Rabs (x k) <= scaled s (Z.abs (entry X k) + 1))%R.
Proof. intros H Hk; exact (near_magnitude n 1 s X x H k Hk). Qed.

Lemma products_squared_bound (s t : Z) (w g : list Z) : forall (x y : nat -> R) (total : Z) (before : R),
  length g = length w -> near (length w) 1 s w x -> near (length w) 1 t g y ->
  (before <= scaled (s + t + (s + t)) total)%R ->
  (before + sum (length w) (fun i => (x i * y i) ^ 2) <= scaled (s + t + (s + t)) (products_squared w g total))%R.
Proof.
  revert g; induction w as [|a w IH]; intros [|b g] x y total before Hlen Hx Hy Hbefore; try discriminate Hlen.
  { cbn [products_squared length sum]; lra. }
  cbn [products_squared length]; cbv zeta; rewrite sum_first, <- Rplus_assoc.
  apply (IH g (fun i => x (S i)) (fun i => y (S i))).
  - simpl in Hlen; lia.
  - intros k Hk; apply (Hx (S k)); simpl; lia.
  - intros k Hk; apply (Hy (S k)); simpl; lia.
  - rewrite scaled_plus; apply Rplus_le_compat; [exact Hbefore|].
    assert (H1 := near_bound _ s _ x O Hx ltac:(simpl; lia)); assert (H2 := near_bound _ t _ y O Hy ltac:(simpl; lia)).
    unfold entry in H1, H2; cbn [nth] in H1, H2.
    rewrite scaled_multiply, scaled_multiply, <- (pow2_abs (x O * y O)), Rabs_mult.
    assert (Hp1 := Rabs_pos (x O)); assert (Hp2 := Rabs_pos (y O)).
    simpl; rewrite Rmult_1_r; apply Rmult_le_compat; try (apply Rmult_le_pos; assumption); apply Rmult_le_compat; assumption.
Qed.

Theorem reach_sound (P : Z) (width : nat) (w g : quantised) (x y : nat -> R) :
  quantises w width x -> quantises g width y ->
  (0 <= value (reach P (Z.of_nat width) w g))%R /\
  (INR width * sum width (fun i => (x i * y i) ^ 2) <= value (reach P (Z.of_nat width) w g) ^ 2)%R.
Proof.
  intros [Hw Hx] [Hg Hy]; unfold reach; set (r2 := reach_squared (Z.of_nat width) w g).
  assert (Hsum : (INR width * sum width (fun i => (x i * y i) ^ 2) <= value r2)%R).
  { unfold r2, reach_squared, value; cbn [mantissa exponent]; rewrite mult_IZR, <- INR_IZR_INZ, Rmult_assoc.
    apply Rmult_le_compat_l; [apply pos_INR|].
    rewrite <- Hw in *.
    assert (H := products_squared_bound (scale w) (scale g) (entries w) (entries g) x y 0 0 Hg Hx Hy).
    rewrite scaled_zero in H; specialize (H (Rle_refl 0)); rewrite Rplus_0_l in H; exact H. }
  assert (Hr := round_up_above P r2).
  assert (Hpos : (0 <= INR width * sum width (fun i => (x i * y i) ^ 2))%R)
    by (apply Rmult_le_pos; [apply pos_INR|apply sum_nonnegative; intros; apply pow2_ge_0]).
  assert (Hsqrt := square_root_up_above P (round_up P r2) ltac:(lra)).
  assert (Hs0 := sqrt_pos (value (round_up P r2))); split; [lra|].
  eapply Rle_trans; [exact Hsum|]; eapply Rle_trans; [exact Hr|].
  rewrite <- (pow2_sqrt (value (round_up P r2))) by lra; apply pow_incr; lra.
Qed.

(** * Silu's input: every number of present taps *)

(** Hull over m = 1, 2, .. present taps of  beta + b (c_1 + .. + c_m) +- (|c_1| + .. + |c_m|) S,  newest tap first.
    [sum_c] and [sum_abs] belong to the taps before. *)
Fixpoint window_hull (beta bias S : dyadic) (newest_first : list dyadic) (sum_c sum_abs : dyadic) : option range :=
  match newest_first with
  | [] => None
  | c :: rest =>
      let sum_c := add sum_c c in
      let sum_abs := add sum_abs (absolute c) in
      let here := range_widen (point (add beta (multiply bias sum_c))) (multiply sum_abs S) in
      match window_hull beta bias S rest sum_c sum_abs with
      | Some later => Some (range_hull here later)
      | None => Some here
      end
  end.

Definition tap_value (newest_first : list dyadic) (j : nat) : R := value (nth j newest_first zero).

Lemma window_hull_sound (beta bias S : dyadic) (taps : list dyadic) :
  forall (sum_c sum_abs : dyadic) (r : range) (m : nat) (q : R), (1 <= m <= length taps)%nat ->
  window_hull beta bias S taps sum_c sum_abs = Some r ->
  (Rabs (q - (value beta + value bias * (value sum_c + sum m (tap_value taps))))
    <= (value sum_abs + sum m (fun j => Rabs (tap_value taps j))) * value S)%R ->
  contains r q.
Proof.
  induction taps as [|c rest IH]; intros sum_c sum_abs r m q Hm; [simpl in Hm; lia|].
  cbn [window_hull]; cbv zeta.
  set (here := range_widen _ _); intros Hr Hq.
  destruct m as [|m]; [lia|].
  rewrite !sum_first in Hq; unfold tap_value in Hq; cbn [nth] in Hq; fold (tap_value rest) in Hq.
  assert (Hcase : (m = 0)%nat \/ (1 <= m <= length rest)%nat) by (simpl in Hm; lia).
  destruct Hcase as [->|Hm'].
  - assert (Hhere : contains here q).
    { unfold here; apply contains_widen with (value (add beta (multiply bias (add sum_c c)))); [apply contains_point|].
      rewrite value_add, !value_multiply, !value_add, value_absolute; cbn [sum] in Hq; rewrite !Rplus_0_r in Hq; exact Hq. }
    destruct (window_hull beta bias S rest _ _); injection Hr as <-; [apply contains_hull; left|]; exact Hhere.
  - destruct (window_hull beta bias S rest (add sum_c c) (add sum_abs (absolute c))) as [later|] eqn:Hlater.
    + injection Hr as <-; apply contains_hull; right; apply (IH _ _ later m q Hm' Hlater).
      rewrite !value_add, value_absolute; rewrite !Rplus_assoc; exact Hq.
    + destruct rest; [simpl in Hm'; lia|]; simpl in Hlater.
      destruct (window_hull _ _ _ rest _ _); discriminate.
Qed.
