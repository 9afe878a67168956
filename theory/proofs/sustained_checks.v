(** The sustained bound of one channel in integers, for windows of up to four tokens (missing taps are zeros):
    R(theta) >= 0 at every frequency from control points over parts of cos theta's range, then the completed square at
    theta = 0. theory/theorems/sustained_bound.md

    Scales: W 2^-a, taps 2^-g, w 2^-b, t 2^-(a+b+g+c), mu 2^-(2a+b+2g), y 2^-c, ends of the parts 2^-h; the result has
    2^-(2a+b+2g+2c). The theorem reads all integers as they are, so its tokens are 2^c times the page's. *)
From Coq Require Import ZArith List Reals Lra Lia Bool.
From Lyap Require Import finite_sums quadratic_forms quadratic_relaxation finite_fourier sustained_bound frequency_cover
  packed_products positive_definite curvature_rows curvature_checks completed_square_checks.
Import ListNotations.
Open Scope Z_scope.

(** * The test *)

(** c_0 + .. + c_3, and sum_ij c_i c_j v_|i-j|. *)
Definition tap_total (c : list Z) : Z := entry c 0 + entry c 1 + entry c 2 + entry c 3.
Definition combined (v c : list Z) : Z :=
  entry v 0 * (entry c 0 * entry c 0 + entry c 1 * entry c 1 + entry c 2 * entry c 2 + entry c 3 * entry c 3)
  + 2 * (entry v 1 * (entry c 0 * entry c 1 + entry c 1 * entry c 2 + entry c 2 * entry c 3)
         + entry v 2 * (entry c 0 * entry c 2 + entry c 1 * entry c 3) + entry v 3 * (entry c 0 * entry c 3)).

(** The control points of the part [a/H, b/H], times 3 H^3. *)
Definition control_values (H a b : Z) (q : nat) : list Z :=
  let x := match q with O => 3 * a | 1%nat => 2 * a + b | 2%nat => a + 2 * b | _ => 3 * b end in
  let xx := match q with O => 3 * a * a | 1%nat => a * (a + 2 * b) | 2%nat => b * (2 * a + b) | _ => 3 * b * b end in
  let xxx := match q with O => 3 * a * a * a | 1%nat => 3 * a * a * b | 2%nat => 3 * a * b * b | _ => 3 * b * b * b
      end in
  [3 * (H * H * H); x * (H * H); 2 * (xx * H) - 3 * (H * H * H); 4 * xxx - 3 * (x * (H * H))].

Section Channel.
Variables (W c : list (list Z)) (w t : list Z) (mu : Z) (y : list Z).

Definition each_coordinate (x : Z) : list Z := map (fun _ => x) y.

Definition control_semidefinite (H a b : Z) (q : nat) (p : factor_proof) : bool :=
  match eigenvalue_bound p (products w (map (combined (control_values H a b q)) c))
          (each_coordinate (3 * (H * H * H) * mu)) W with
  | Some lambda => 0 <=? lambda
  | None => false
  end.

(** A part of cos theta's range, from the last one's end to its own, with proofs for its four control points. *)
Record range_part := RangePart { part_end : Z; proof_0 : factor_proof; proof_1 : factor_proof; proof_2 : factor_proof;
  proof_3 : factor_proof }.

Fixpoint parts_semidefinite (H a : Z) (parts : list range_part) : bool :=
  match parts with
  | [] => H <=? a
  | part :: parts =>
      let b := part_end part in
      (a <? b) && control_semidefinite H a b 0 (proof_0 part) && control_semidefinite H a b 1 (proof_1 part)
      && control_semidefinite H a b 2 (proof_2 part) && control_semidefinite H a b 3 (proof_3 part)
      && parts_semidefinite H b parts
  end.

(** Four times a lower bound of the quadratic function at rest. *)
Definition sustained_floor (H : Z) (parts : list range_part) (still : factor_proof) : option Z :=
  if (1 <=? H) && (0 <=? mu) && parts_semidefinite H (- H) parts then
    square_bound still (products w (map (fun c_k => tap_total c_k * tap_total c_k) c)) (products t (map tap_total c))
      (each_coordinate mu) y W
  else None.

(** * Soundness *)

Let d : nat := length y.
Let rows : nat := length W.

Lemma each_coordinate_length (x : Z) : length (each_coordinate x) = d.
Proof. apply map_length. Qed.

Lemma each_coordinate_entry (x : Z) (i : nat) : (i < d)%nat -> vector_of (each_coordinate x) i = IZR x.
Proof.
  intro Hi; unfold vector_of, entry, each_coordinate; f_equal.
  rewrite (nth_indep _ 0 ((fun _ => x) 0)) by (rewrite map_length; exact Hi); exact (map_nth (fun _ => x) y 0 i).
Qed.

Lemma uniform_form (x : Z) (z : nat -> R) :
  sum d (fun i => (vector_of (each_coordinate x) i * z i ^ 2)%R) = (IZR x * norm_squared d z)%R.
Proof.
  unfold norm_squared; rewrite <- sum_scaled; apply sum_same; intros i Hi; rewrite each_coordinate_entry by exact Hi.
  reflexivity.
Qed.

Lemma vector_of_products (f : list Z -> Z) (u : list Z) (k : nat) : f [] = 0 ->
  vector_of (products u (map f c)) k = (vector_of u k * IZR (f (row_of c k)))%R.
Proof.
  intro Hf; unfold vector_of; rewrite entry_products, mult_IZR; do 2 f_equal; unfold row_of.
  unfold entry; rewrite <- Hf; apply map_nth.
Qed.

Lemma tap_total_real (k : nat) : IZR (tap_total (row_of c k)) = sum 4 (matrix_of c k).
Proof. unfold tap_total, matrix_of; rewrite !plus_IZR; simpl; ring. Qed.

Lemma combined_none (v : list Z) : combined v [] = 0.
Proof.
  unfold combined; change (entry [] 0) with 0; change (entry [] 1) with 0; change (entry [] 2) with 0;
    change (entry [] 3) with 0; ring.
Qed.

Lemma combined_real (v : list Z) (k : nat) (s : R) (u : nat -> R) :
  (forall r, (r < 4)%nat -> IZR (entry v r) = s * u r)%R ->
  IZR (combined v (row_of c k)) = (s * combined_response 4 (matrix_of c k) u)%R.
Proof.
  intro Hv; unfold combined.
  rewrite !plus_IZR, !mult_IZR, !plus_IZR, !mult_IZR, !plus_IZR, !mult_IZR, !Hv by lia.
  unfold combined_response, matrix_of, distance; simpl; ring.
Qed.

Lemma control_values_real (H a b : Z) (q r : nat) : 0 < H -> (r < 4)%nat ->
  IZR (entry (control_values H a b q) r)
  = (IZR (3 * (H * H * H)) * (control_point (IZR a / IZR H) (IZR b / IZR H) q r / 3))%R.
Proof.
  intros HH Hr; assert (HH' : IZR H <> 0%R) by (apply not_0_IZR; lia).
  destruct r as [|[|[|[|r]]]]; [| | | |lia]; destruct q as [|[|[|q]]];
    unfold control_values, entry, control_point; cbn [nth];
    repeat rewrite ?minus_IZR, ?plus_IZR, ?mult_IZR; field; exact HH'.
Qed.

Lemma control_semidefinite_sound (H a b : Z) (q : nat) (p : factor_proof) (z : nat -> R) : 0 < H ->
  control_semidefinite H a b q p = true ->
  (0 <= control_form d rows 4 (matrix_of W) (matrix_of c) (vector_of w) (IZR mu)
          (fun r => control_point (IZR a / IZR H) (IZR b / IZR H) q r / 3) z)%R.
Proof.
  intros HH; unfold control_semidefinite.
  destruct (eigenvalue_bound _ _ _ _) as [lambda|] eqn:Heigen; [|discriminate]; intro Hl; apply Z.leb_le, IZR_le in Hl.
  apply eigenvalue_bound_sound with (z := z) in Heigen; rewrite each_coordinate_length, form_curvature_matrix,
      uniform_form
    in Heigen; fold rows in Heigen.
  set (s := IZR (3 * (H * H * H))).
  assert (Hs : (0 < s)%R) by (apply IZR_lt; nia).
  assert (HN := norm_squared_nonnegative d z).
  assert (Hscaled : (0 <= s * control_form d rows 4 (matrix_of W) (matrix_of c) (vector_of w) (IZR mu)
                           (fun r => control_point (IZR a / IZR H) (IZR b / IZR H) q r / 3) z)%R).
  { unfold control_form; rewrite Rmult_plus_distr_l, <- sum_scaled.
    rewrite mult_IZR in Heigen; fold s in Heigen.
    rewrite (sum_same rows _ (fun k => (s * (vector_of w k
               * combined_response 4 (matrix_of c k) (fun r => control_point (IZR a / IZR H) (IZR b / IZR H) q r / 3)
               * image d (matrix_of W) z k ^ 2))%R)) in Heigen.
    - assert (0 <= IZR lambda * norm_squared d z)%R by (apply Rmult_le_pos; assumption); lra.
    - intros k _; rewrite vector_of_products by apply combined_none.
      rewrite (combined_real _ k s (fun r => control_point (IZR a / IZR H) (IZR b / IZR H) q r / 3)%R); [ring|].
      intros r Hr; apply control_values_real; assumption. }
  apply Rmult_le_reg_l with s; [exact Hs|lra].
Qed.

Lemma parts_semidefinite_sound (H : Z) (parts : list range_part) : 0 < H -> forall a,
  parts_semidefinite H a parts = true -> exists ends : list (R * R), parts_cover (IZR a / IZR H) 1 ends /\
  forall u v, In (u, v) ends -> (u < v)%R /\ forall q z, (q < 4)%nat ->
    (0 <= control_form d rows 4 (matrix_of W) (matrix_of c) (vector_of w) (IZR mu) (fun r => control_point u v q r /
        3) z)%R.
Proof.
  intro HH; assert (HH' : (0 < IZR H)%R) by (apply IZR_lt; exact HH).
  induction parts as [|part parts IH]; intros a; cbn [parts_semidefinite].
  - intro Ha; apply Z.leb_le, IZR_le in Ha; exists nil; split; [|intros u v []].
    apply no_parts; apply Rmult_le_reg_r with (IZR H); [exact HH'|].
    unfold Rdiv; rewrite Rmult_assoc, Rinv_l; lra.
  - intro Htest; repeat (apply andb_prop in Htest; destruct Htest as [Htest ?]).
    apply Z.ltb_lt, IZR_lt in Htest; destruct (IH (part_end part) ltac:(assumption)) as [ends [Hcover Hends]].
    exists ((IZR a / IZR H, IZR (part_end part) / IZR H)%R :: ends); split.
    + apply more_parts; [apply Rle_refl|exact Hcover].
    + intros u v [Heq|Hin]; [injection Heq as <- <-|apply Hends; exact Hin].
      split; [apply Rmult_lt_compat_r; [apply Rinv_0_lt_compat; exact HH'|exact Htest]|].
      intros q z Hq; destruct q as [|[|[|[|q]]]]; [| | | |lia]; eapply control_semidefinite_sound; eassumption.
Qed.

Theorem sustained_floor_sound (H : Z) (parts : list range_part) (still : factor_proof) (floor : Z) :
  sustained_floor H parts still = Some floor ->
  (0 <= IZR mu)%R /\
  (forall theta z, 0 <= frequency_form d rows 4 (matrix_of W) (matrix_of c) (vector_of w) (IZR mu) theta z)%R /\
  (forall z, IZR floor / 4
             <= still_value d rows 4 (matrix_of W) (matrix_of c) (vector_of w) (vector_of t) (IZR mu) z)%R.
Proof.
  unfold sustained_floor; destruct (_ && _) eqn:Htest; [|discriminate]; intro Hsquare.
  apply andb_prop in Htest; destruct Htest as [Htest Hparts]; apply andb_prop in Htest; destruct Htest as [HH Hmu].
  apply Z.leb_le in HH; apply Z.leb_le, IZR_le in Hmu.
  split; [exact Hmu|split].
  - destruct (parts_semidefinite_sound H parts ltac:(lia) _ Hparts) as [ends [Hcover Hends]].
    apply (every_frequency_covered d rows 4 (matrix_of W) (matrix_of c) (vector_of w) (IZR mu) ends); [lia| |exact
        Hends].
    replace (-1)%R with (IZR (- H) / IZR H)%R; [exact Hcover|].
    rewrite opp_IZR; field; apply not_0_IZR; lia.
  - intro z; apply (square_bound_sound still floor _ _ _ _ _ z) in Hsquare; fold rows in Hsquare.
    rewrite each_coordinate_length, uniform_form in Hsquare; eapply Rle_trans; [exact Hsquare|right].
    unfold still_value; f_equal; apply sum_same; intros k _; unfold still_t, still_w.
    rewrite !vector_of_products by reflexivity; rewrite mult_IZR, tap_total_real; ring.
Qed.
End Channel.
