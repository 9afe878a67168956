(** The integer tests of the quadratic and the sustained relaxation, read at their scales: what they say about a
    functional of tokens in a ball, per step and in the mean over time. theory/theorems/quadratic_relaxation.md,
    sustained_bound.md *)
From Coq Require Import ZArith List Reals Lra Lia Bool Arith.
From Lyap Require Import dyadic finite_sums recurrence theorem_1_state_deviation selective_recurrence quadratic_forms
  quadratic_relaxation finite_fourier sustained_bound sustained_mean frequency_cover packed_products positive_definite
  curvature_rows curvature_checks completed_square_checks sustained_checks.
Import ListNotations.
Open Scope R_scope.

(** Integers at the scale 2^-s. *)
Definition scaled_vector (s : Z) (xs : list Z) (i : nat) : R := vector_of xs i * power2 (- s).
Definition scaled_matrix (s : Z) (rows : list (list Z)) (k i : nat) : R := matrix_of rows k i * power2 (- s).
Definition scaled_number (s x : Z) : R := IZR x * power2 (- s).

Lemma image_scaled (d : nat) (s : Z) (rows : list (list Z)) (z : nat -> R) (k : nat) (u : R) :
  image d (matrix_of rows) (fun i => z i * u) k = image d (scaled_matrix s rows) z k * (u * power2 s).
Proof.
  assert (Hs : power2 (- s) * power2 s = 1).
  { rewrite <- power2_plus; replace (- s + s)%Z with 0%Z by lia; reflexivity. }
  unfold image, scaled_matrix; rewrite <- sum_scaled_right; apply sum_same; intros i _.
  replace (matrix_of rows k i * power2 (- s) * z i * (u * power2 s))
    with (matrix_of rows k i * (z i * u) * (power2 (- s) * power2 s)) by ring; rewrite Hs; ring.
Qed.

Lemma scale_split (a b : Z) : power2 (- (a + b)) = power2 (- a) * power2 (- b).
Proof. rewrite <- power2_plus; f_equal; lia. Qed.

Lemma scale_cancel (a : Z) : power2 a * power2 (- a) = 1.
Proof. rewrite <- power2_plus; replace (a + - a)%Z with 0%Z by lia; reflexivity. Qed.

Section Square.
Variables (a b c : Z).

(** t.(M z) + sum w (M z)^2 + sum m z^2 is at least a quarter of the test's number. *)
Theorem scaled_square_bound (p : factor_proof) (bound : Z) (w t m y : list Z) (M : list (list Z)) (z : nat -> R) :
  square_bound p w t m y M = Some bound ->
  scaled_number (2 * a + b + 2 * c) bound / 4
  <= sum (length M) (fun k => scaled_vector (a + b + c) t k * image (length m) (scaled_matrix a M) z k
                              + scaled_vector b w k * image (length m) (scaled_matrix a M) z k ^ 2)
     + sum (length m) (fun i => scaled_vector (2 * a + b) m i * z i ^ 2).
Proof.
  intro H; apply (square_bound_sound p bound w t m y M (fun i => z i * power2 c)) in H.
  set (A := power2 (- a)); set (B := power2 (- b)); set (C := power2 (- c)).
  assert (HA : power2 a * A = 1) by apply scale_cancel; assert (HC : power2 c * C = 1) by apply scale_cancel.
  assert (HABC : power2 (- (2 * a + b + 2 * c)) = A * A * B * (C * C)).
  { replace (2 * a + b + 2 * c)%Z with (a + a + b + (c + c))%Z by lia; rewrite !scale_split; reflexivity. }
  assert (Hpositive : 0 <= A * A * B * (C * C)) by (rewrite <- HABC; left; apply power2_positive).
  apply Rmult_le_compat_r with (r := A * A * B * (C * C)) in H; [|exact Hpositive].
  unfold scaled_number; rewrite HABC.
  eapply Rle_trans; [|eapply Rle_trans; [exact H|right]]; [right; field|].
  rewrite Rmult_plus_distr_r, <- !sum_scaled_right; f_equal; apply sum_same; intros k _.
  - rewrite (image_scaled (length m) a); set (e := image (length m) (scaled_matrix a M) z k).
    unfold scaled_vector; replace (a + b + c)%Z with (a + (b + c))%Z by lia; rewrite !scale_split.
    fold A B C.
    replace ((vector_of t k * (e * (power2 c * power2 a)) + vector_of w k * (e * (power2 c * power2 a)) ^ 2)
             * (A * A * B * (C * C)))
      with (vector_of t k * (A * (B * C)) * e * ((power2 a * A) * (power2 c * C))
            + vector_of w k * B * e ^ 2 * ((power2 a * A) * (power2 c * C)) ^ 2) by ring.
    rewrite HA, HC; ring.
  - unfold scaled_vector; replace (2 * a + b)%Z with (a + (a + b))%Z by lia; rewrite !scale_split; fold A B.
    replace (vector_of m k * (z k * power2 c) ^ 2 * (A * A * B * (C * C)))
      with (vector_of m k * (A * (A * B)) * z k ^ 2 * (power2 c * C) ^ 2) by ring.
    rewrite HC; ring.
Qed.

(** A multiplier per tap as one per coordinate. *)
Definition spread (d : nat) (mus : list Z) : list Z := concat (map (fun mu => repeat mu d) mus).

Lemma spread_length (d : nat) (mus : list Z) : length (spread d mus) = (length mus * d)%nat.
Proof.
  unfold spread; induction mus as [|mu mus IH]; cbn [map concat length]; [reflexivity|].
  rewrite app_length, repeat_length, IH; lia.
Qed.

Lemma repeat_entry (x : Z) (d i : nat) : (i < d)%nat -> nth i (repeat x d) 0%Z = x.
Proof. revert i; induction d as [|d IH]; intros [|i] Hi; cbn [repeat nth]; try lia; try reflexivity; apply IH; lia. Qed.

Lemma entry_spread (d i : nat) (mus : list Z) : forall j, (i < d)%nat -> entry (spread d mus) (j * d + i) = entry mus j.
Proof.
  unfold spread, entry; induction mus as [|mu mus IH]; intros j Hi; cbn [map concat].
  - destruct (j * d + i)%nat; destruct j; reflexivity.
  - destruct j as [|j]; cbn [nth].
    + rewrite app_nth1 by (rewrite repeat_length; lia); apply repeat_entry; exact Hi.
    + rewrite app_nth2 by (rewrite repeat_length; lia); rewrite repeat_length.
      replace (S j * d + i - d)%nat with (j * d + i)%nat by lia; apply IH; exact Hi.
Qed.

(** (3) and (4) from the test: J = length mus taps of tokens with |n_j|^2 <= radius_squared. *)
Theorem quadratic_lower_bound (p : factor_proof) (bound : Z) (d : nat) (w t mus y : list Z) (M : list (list Z))
    (radius_squared f f0 : R) (n : nat -> nat -> R) :
  square_bound p w t (spread d mus) y M = Some bound ->
  (forall j, (0 <= entry mus j)%Z) ->
  (forall j, (j < length mus)%nat -> norm_squared d (n j) <= radius_squared) ->
  f0 + sum (length M) (fun k =>
         scaled_vector (a + b + c) t k * image (length mus * d) (scaled_matrix a M) (stacked d n) k
         + scaled_vector b w k * image (length mus * d) (scaled_matrix a M) (stacked d n) k ^ 2) <= f ->
  f0 - radius_squared * sum (length mus) (scaled_vector (2 * a + b) mus) + scaled_number (2 * a + b + 2 * c) bound /
      4 <= f.
Proof.
  intros H Hmu Hn Hf; apply (scaled_square_bound p bound w t _ y M (stacked d n)) in H; rewrite spread_length in H.
  assert (Hmultipliers : sum (length mus * d) (fun i => scaled_vector (2 * a + b) (spread d mus) i * stacked d n i ^ 2)
                         <= radius_squared * sum (length mus) (scaled_vector (2 * a + b) mus)).
  { rewrite sum_blocks, <- sum_scaled; apply sum_le; intros j Hj.
    rewrite (sum_same d _ (fun i => scaled_vector (2 * a + b) mus j * n j i ^ 2)).
    - rewrite sum_scaled, (Rmult_comm radius_squared); fold (norm_squared d (n j)).
      apply Rmult_le_compat_l; [|apply Hn; exact Hj].
      apply Rmult_le_pos; [apply IZR_le, Hmu|left; apply power2_positive].
    - intros i Hi; rewrite stacked_at by exact Hi; unfold scaled_vector, vector_of; rewrite entry_spread by exact Hi.
      reflexivity. }
  lra.
Qed.
End Square.

Section Sustained.
Variables (a b c g : Z).
Variables (W taps : list (list Z)) (w t : list Z) (mu : Z) (y : list Z) (H : Z) (parts : list range_part)
  (still : factor_proof) (floor : Z).
Let d : nat := length y.
Let rows : nat := length W.
Hypothesis accepted : sustained_floor W taps w t mu y H parts still = Some floor.

(** What the page writes at step t, from the window n_u, .., n_(u+3). *)
Definition scaled_window_value (n : nat -> nat -> R) (u : nat) : R :=
  window_value d rows 4 (scaled_matrix a W) (scaled_matrix g taps) (scaled_vector b w) (scaled_vector (a + b + g + c)
      t) n u.

Lemma scaled_window_term (n : nat -> nat -> R) (k u : nat) :
  window_term d 4 (matrix_of W) (matrix_of taps) (fun s i => n s i * power2 c) k u
  = window_term d 4 (scaled_matrix a W) (scaled_matrix g taps) n k u * (power2 c * power2 a * power2 g).
Proof.
  unfold window_term, windowed; rewrite <- sum_scaled_right; apply sum_same; intros j _; unfold fed.
  rewrite (image_scaled d a); unfold scaled_matrix at 2.
  replace (matrix_of taps k j * power2 (- g) * image d (scaled_matrix a W) (n (u + j)%nat) k * (power2 c * power2 a *
      power2 g))
    with (matrix_of taps k j * (image d (scaled_matrix a W) (n (u + j)%nat) k * (power2 c * power2 a))
          * (power2 g * power2 (- g))) by ring.
  rewrite scale_cancel; ring.
Qed.

Lemma window_value_scaled (n : nat -> nat -> R) (u : nat) :
  window_value d rows 4 (matrix_of W) (matrix_of taps) (vector_of w) (vector_of t) (fun s i => n s i * power2 c) u
  * power2 (- (2 * a + b + 2 * g + 2 * c)) = scaled_window_value n u.
Proof.
  unfold scaled_window_value, window_value; rewrite <- sum_scaled_right; apply sum_same; intros k _.
  rewrite scaled_window_term.
  set (e := window_term d 4 (scaled_matrix a W) (scaled_matrix g taps) n k u).
  unfold scaled_vector.
  replace (2 * a + b + 2 * g + 2 * c)%Z with (a + a + b + (g + g) + (c + c))%Z by lia; rewrite !scale_split.
  assert (HA := scale_cancel a); assert (HC := scale_cancel c); assert (HG := scale_cancel g).
  set (A := power2 (- a)) in *; set (B := power2 (- b)) in *; set (C := power2 (- c)) in *; set (G := power2 (- g))
      in *.
  replace ((vector_of t k * (e * (power2 c * power2 a * power2 g)) + vector_of w k * (e * (power2 c * power2 a *
      power2 g)) ^ 2)
           * (A * A * B * (G * G) * (C * C)))
    with (vector_of t k * (A * B * G * C) * e * ((power2 a * A) * (power2 c * C) * (power2 g * G))
          + vector_of w k * B * e ^ 2 * ((power2 a * A) * (power2 c * C) * (power2 g * G)) ^ 2) by ring.
  rewrite HA, HC, HG; ring.
Qed.

(** (7) from the test; p is the sequence of pre-activations, first + u + 1 the step of the window that starts at u. *)
Theorem sustained_lower_bound (n : nat -> nat -> R) (radius_squared f0 : R) (first : nat) (p : nat -> R) :
  (forall u, norm_squared d (n u) <= radius_squared) ->
  (forall u, f0 + scaled_window_value n u <= p (S (first + u))) ->
  mean_at_least p (f0 - radius_squared * scaled_number (2 * a + b + 2 * g) mu
                   + scaled_number (2 * a + b + 2 * g + 2 * c) floor / 4).
Proof.
  intros Hn Hp; apply sustained_floor_sound in accepted; fold d rows in accepted.
  destruct accepted as [Hmu [Hfrequency Hfloor]].
  set (S2 := (2 * a + b + 2 * g + 2 * c)%Z) in *; set (unit := power2 (- S2)).
  assert (Hunit : 0 < unit) by apply power2_positive.
  set (n' := fun u i => n u i * power2 c).
  assert (HC := scale_cancel c).
  assert (Hball : in_ball d (radius_squared * (power2 c) ^ 2) n').
  { intro u; unfold n', norm_squared; rewrite (sum_same d _ (fun i => n u i ^ 2 * power2 c ^ 2)) by (intros; ring).
    rewrite sum_scaled_right; apply Rmult_le_compat_r; [apply pow2_ge_0|apply Hn]. }
  set (level := sustained_level (IZR mu) (radius_squared * power2 c ^ 2) (IZR floor / 4)).
  assert (Hlevel : f0 - radius_squared * scaled_number (2 * a + b + 2 * g) mu + scaled_number S2 floor / 4
                   = f0 + level * unit).
  { unfold level, sustained_level, scaled_number; fold unit.
    assert (Hu : unit = power2 (- (2 * a + b + 2 * g)) * (power2 (- c) * power2 (- c))).
    { unfold unit, S2; replace (2 * a + b + 2 * g + 2 * c)%Z with (2 * a + b + 2 * g + (c + c))%Z by lia.
      rewrite !(scale_split (2 * a + b + 2 * g)), (scale_split c c); reflexivity. }
    replace (radius_squared * (IZR mu * power2 (- (2 * a + b + 2 * g))))
      with (radius_squared * (IZR mu * power2 (- (2 * a + b + 2 * g))) * (power2 c * power2 (- c)) ^ 2)
      by (rewrite HC; ring).
    rewrite Rmult_minus_distr_r, Hu; field. }
  rewrite Hlevel.
  apply mean_from_sums with (INR 4 * (2 * value_size d rows 4 (matrix_of W) (matrix_of taps) (vector_of w) (vector_of t)
                                            (radius_squared * power2 c ^ 2)) * unit) first; intro T.
  assert (Hsum := sustained_bound d rows 4 (matrix_of W) (matrix_of taps) (vector_of w) (vector_of t) (IZR mu)
    (radius_squared * power2 c ^ 2) (fun theta z _ => Hfrequency theta z) (IZR floor / 4) Hfloor Hmu n' T Hball).
  fold level in Hsum.
  apply Rmult_le_compat_r with (r := unit) in Hsum; [|lra].
  rewrite <- sum_scaled_right in Hsum.
  rewrite (sum_same T _ (scaled_window_value n)) in Hsum by (intros u _; apply window_value_scaled).
  assert (Hp' : sum T (fun u => f0 + scaled_window_value n u) <= sum T (fun u => p (S (first + u))))
    by (apply sum_le; intros; apply Hp).
  rewrite sum_plus in Hp'.
  assert (Hconstant : sum T (fun _ => f0) = INR T * f0).
  { clear; induction T as [|T IH]; [simpl; ring|rewrite S_INR; simpl; rewrite IH; ring]. }
  rewrite Hconstant in Hp'; lra.
Qed.
End Sustained.
