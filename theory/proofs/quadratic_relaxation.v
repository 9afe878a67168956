(** The quadratic relaxation: a functional that lies above a quadratic function of vectors in balls lies above the
    number which completing the square gives; no inverse is needed, any y will do.
    theory/theorems/quadratic_relaxation.md *)
From Coq Require Import Reals Lra Lia.
From Lyap Require Import finite_sums quadratic_forms.
Open Scope R_scope.

(** lambda |u|^2 + e.u >= -|e|^2/(4 lambda) *)
Lemma linear_over_square (d : nat) (lambda : R) (e u : nat -> R) : 0 < lambda ->
  - (norm_squared d e / lambda / 4) <= lambda * norm_squared d u + dot d e u.
Proof.
  intro Hl; unfold norm_squared, dot.
  replace (- (sum d (fun i => e i ^ 2) / lambda / 4)) with (- / (4 * lambda) * sum d (fun i => e i ^ 2)) by (field;
      lra).
  rewrite <- !sum_scaled, <- sum_plus; apply sum_le; intros i _.
  assert (H := pow2_ge_0 (u i + e i / (2 * lambda))).
  replace (lambda * u i ^ 2 + e i * u i)
    with (lambda * (u i + e i / (2 * lambda)) ^ 2 + - / (4 * lambda) * e i ^ 2) by (field; lra).
  nra.
Qed.

(** (4): a matrix R, any y, the residual e = l - R y. *)
Theorem completed_square (d : nat) (A : nat -> nat -> R) (lambda : R) (l y z : nat -> R) :
  (forall i j, A i j = A j i) -> 0 < lambda ->
  (forall x, lambda * norm_squared d x <= quadratic_form d A x) ->
  let e := fun i => l i - image d A y i in
  - (quadratic_form d A y + 2 * dot d y e + norm_squared d e / lambda) / 4 <= dot d l z + quadratic_form d A z.
Proof.
  intros Hsym Hl HA e; set (u := fun i => z i + / 2 * y i).
  assert (Hu := HA u); assert (He := linear_over_square d lambda e u Hl).
  assert (Hcross : dot d y (image d A z) = dot d z (image d A y)).
  { rewrite dot_image, dot_symmetric; apply sum_same; intros i _; f_equal.
    apply sum_same; intros j _; rewrite Hsym; reflexivity. }
  assert (Hsquare : quadratic_form d A u
                    = quadratic_form d A z + dot d z (image d A y) + / 4 * quadratic_form d A y).
  { rewrite !form_image; unfold dot in *.
    rewrite (sum_same d _ (fun i => z i * image d A z i + / 2 * (z i * image d A y i) + / 2 * (y i * image d A z i)
                                    + / 4 * (y i * image d A y i))).
    - rewrite !sum_plus, !sum_scaled, Hcross; field.
    - intros i _; unfold u; rewrite image_line; field. }
  assert (Hlinear : dot d e u = dot d l z - dot d z (image d A y) + / 2 * dot d y e).
  { unfold dot; rewrite <- sum_scaled, <- sum_minus, <- sum_plus; apply sum_same; intros i _; unfold u, e; field. }
  lra.
Qed.

(** The same with R = M^T diag(w) M + diag(m), l = M^T t: only v = M y and e = M^T (t - w v) - m y are needed. *)
Section Factored.
Variables (rows d : nat) (M : nat -> nat -> R) (w t m : nat -> R).

Definition curvature_matrix (i j : nat) : R := gram rows w M i j + diagonal m i j.

Lemma form_curvature_matrix (z : nat -> R) :
  quadratic_form d curvature_matrix z = sum rows (fun k => w k * image d M z k ^ 2) + sum d (fun i => m i * z i ^ 2).
Proof. unfold curvature_matrix; rewrite form_plus, form_gram, form_diagonal; reflexivity. Qed.

Definition residual (y : nat -> R) (i : nat) : R :=
  transposed_image rows M (fun k => t k - w k * image d M y k) i - m i * y i.

(** 2 v.t - sum w v^2 - sum m y^2 + |e|^2/lambda, which is l.R^-1 l for the best y. *)
Definition completion (lambda : R) (y : nat -> R) : R :=
  2 * dot rows t (image d M y) - sum rows (fun k => w k * image d M y k ^ 2) - sum d (fun i => m i * y i ^ 2)
  + norm_squared d (residual y) / lambda.

Theorem factored_square (lambda : R) (y z : nat -> R) : 0 < lambda ->
  (forall x, lambda * norm_squared d x <= quadratic_form d curvature_matrix x) ->
  - completion lambda y / 4
  <= sum rows (fun k => t k * image d M z k + w k * image d M z k ^ 2) + sum d (fun i => m i * z i ^ 2).
Proof.
  intros Hl HR; set (u := fun i => z i + / 2 * y i); set (e := residual y).
  assert (Hu := HR u); rewrite form_curvature_matrix in Hu.
  assert (He := linear_over_square d lambda e u Hl).
  assert (Hlinear : dot d e u = sum rows (fun k => (t k - w k * image d M y k) * image d M u k)
                                - sum d (fun i => m i * y i * u i)).
  { change (sum rows (fun k => (t k - w k * image d M y k) * image d M u k))
      with (dot rows (fun k => t k - w k * image d M y k) (image d M u)).
    rewrite dot_image; unfold dot; rewrite <- sum_minus; apply sum_same; intros i _; unfold e, residual; ring. }
  assert (Hrows : sum rows (fun k => w k * image d M u k ^ 2)
                  + sum rows (fun k => (t k - w k * image d M y k) * image d M u k)
                  = sum rows (fun k => t k * image d M z k + w k * image d M z k ^ 2)
                    + / 2 * dot rows t (image d M y) - / 4 * sum rows (fun k => w k * image d M y k ^ 2)).
  { unfold dot; rewrite <- !sum_scaled, <- !sum_plus, <- sum_minus; apply sum_same; intros k _.
    unfold u; rewrite image_line; field. }
  assert (Hcoordinates : sum d (fun i => m i * u i ^ 2) - sum d (fun i => m i * y i * u i)
                         = sum d (fun i => m i * z i ^ 2) - / 4 * sum d (fun i => m i * y i ^ 2)).
  { rewrite <- sum_scaled, <- !sum_minus; apply sum_same; intros i _; unfold u; field. }
  unfold completion; fold e; lra.
Qed.
End Factored.

(** (3) and (4) for J vectors in balls: z = (n_0, .., n_(J-1)) stacked, radius^2 = d on the page. *)
Theorem ball_lower_bound (rows J d : nat) (M : nat -> nat -> R) (w t mu : nat -> R) (lambda radius_squared : R)
    (y : nat -> R) (n : nat -> nat -> R) (f f0 : R) : 0 < lambda ->
  (forall x, lambda * norm_squared (J * d) x
             <= quadratic_form (J * d) (curvature_matrix rows M w (per_block d mu)) x) ->
  (forall j, (j < J)%nat -> 0 <= mu j) ->
  (forall j, (j < J)%nat -> norm_squared d (n j) <= radius_squared) ->
  f0 + sum rows (fun k => t k * image (J * d) M (stacked d n) k + w k * image (J * d) M (stacked d n) k ^ 2) <= f ->
  f0 - radius_squared * sum J mu - completion rows (J * d) M w t (per_block d mu) lambda y / 4 <= f.
Proof.
  intros Hl HR Hmu Hn Hf.
  assert (H := factored_square rows (J * d) M w t (per_block d mu) lambda y (stacked d n) Hl HR).
  rewrite multipliers_stacked in H.
  assert (Hball : sum J (fun j => mu j * norm_squared d (n j)) <= radius_squared * sum J mu).
  { rewrite <- sum_scaled; apply sum_le; intros j Hj; rewrite Rmult_comm; apply Rmult_le_compat_r; auto. }
  lra.
Qed.

(** * From terms to the quadratic function *)

(** A lower parabola of a term in q = beta + e is one in e. *)
Definition slope_at (slope w beta : R) : R := slope + 2 * w * beta.
Definition constant_at (slope w kappa beta : R) : R := slope * beta + w * beta ^ 2 + kappa.

Lemma parabola_at (slope w kappa beta e : R) :
  slope * (beta + e) + w * (beta + e) ^ 2 + kappa
  = constant_at slope w kappa beta + (slope_at slope w beta * e + w * e ^ 2).
Proof. unfold slope_at, constant_at; ring. Qed.

(** (2): each term above its parabola of slope omega/2 + sigma, on the values that q takes. *)
Theorem sum_of_parabolas (rows : nat) (term : nat -> R -> R) (slope w kappa beta e : nat -> R) :
  (forall k, (k < rows)%nat ->
     slope k * (beta k + e k) + w k * (beta k + e k) ^ 2 + kappa k <= term k (beta k + e k)) ->
  sum rows (fun k => constant_at (slope k) (w k) (kappa k) (beta k))
  + sum rows (fun k => slope_at (slope k) (w k) (beta k) * e k + w k * e k ^ 2)
  <= sum rows (fun k => term k (beta k + e k)).
Proof.
  intro H; rewrite <- sum_plus; apply sum_le; intros k Hk; rewrite <- parabola_at; apply H; exact Hk.
Qed.

(** Rows known up to errors: silu's slope is at most 11/10, so each |e_k - e'_k| costs that much of |omega_k|. *)
Theorem sum_of_perturbed_terms (rows : nat) (g : R -> R) (lipschitz : R) (omega q q' delta : nat -> R) :
  (forall a b, Rabs (g a - g b) <= lipschitz * Rabs (a - b)) -> 0 <= lipschitz ->
  (forall k, (k < rows)%nat -> Rabs (q k - q' k) <= delta k) ->
  sum rows (fun k => omega k * g (q' k)) - lipschitz * sum rows (fun k => Rabs (omega k) * delta k)
  <= sum rows (fun k => omega k * g (q k)).
Proof.
  intros Hg Hl Hq; rewrite <- sum_scaled, <- sum_minus; apply sum_le; intros k Hk.
  assert (H : Rabs (- (omega k * (g (q k) - g (q' k)))) <= Rabs (omega k) * (lipschitz * delta k)).
  { rewrite Rabs_Ropp, Rabs_mult; apply Rmult_le_compat_l; [apply Rabs_pos|].
    eapply Rle_trans; [apply Hg|apply Rmult_le_compat_l; auto]. }
  assert (Hle := Rle_trans _ _ _ (Rle_abs _) H); lra.
Qed.

(** Coefficients known up to errors: delta_k sup |silu(q_k)| each. *)
Theorem sum_of_rounded_coefficients (rows : nat) (value size omega omega' delta : nat -> R) :
  (forall k, (k < rows)%nat -> Rabs (value k) <= size k) ->
  (forall k, (k < rows)%nat -> Rabs (omega k - omega' k) <= delta k) ->
  sum rows (fun k => omega' k * value k) - sum rows (fun k => delta k * size k)
  <= sum rows (fun k => omega k * value k).
Proof.
  intros Hv Ho; rewrite <- sum_minus; apply sum_le; intros k Hk.
  assert (H : Rabs (- ((omega k - omega' k) * value k)) <= delta k * size k).
  { rewrite Rabs_Ropp, Rabs_mult; apply Rmult_le_compat; auto using Rabs_pos. }
  assert (Hle := Rle_trans _ _ _ (Rle_abs _) H); lra.
Qed.

(** * Tap by tap *)

(** (sum c a)^2 <= (sum |c|) (sum |c| a^2), so that a concave term splits into one for each tap. *)
Theorem weighted_cauchy_schwarz (J : nat) (c a : nat -> R) :
  (sum J (fun j => c j * a j)) ^ 2 <= sum J (fun j => Rabs (c j)) * sum J (fun j => Rabs (c j) * a j ^ 2).
Proof.
  assert (H := cauchy_schwarz J (fun j => sqrt (Rabs (c j))) (fun j => sqrt (Rabs (c j)) * Rabs (a j))); cbv beta in H.
  rewrite (sum_same J (fun j => sqrt (Rabs (c j)) ^ 2) (fun j => Rabs (c j))) in H.
  2: { intros j _; rewrite pow2_sqrt; [reflexivity|apply Rabs_pos]. }
  rewrite (sum_same J (fun j => (sqrt (Rabs (c j)) * Rabs (a j)) ^ 2) (fun j => Rabs (c j) * a j ^ 2)) in H.
  2: { intros j _; rewrite Rpow_mult_distr, pow2_sqrt, <- Rsqr_pow2, <- Rsqr_abs, Rsqr_pow2;
       [reflexivity|apply Rabs_pos]. }
  eapply Rle_trans; [|exact H].
  rewrite (sum_same J (fun j => sqrt (Rabs (c j)) * (sqrt (Rabs (c j)) * Rabs (a j))) (fun j => Rabs (c j * a j))).
  2: { intros j _; rewrite <- Rmult_assoc, sqrt_def by apply Rabs_pos; rewrite Rabs_mult; reflexivity. }
  rewrite <- !Rsqr_pow2; rewrite (Rsqr_abs (sum J (fun j => c j * a j))).
  apply Rsqr_incr_1; [apply sum_abs|apply Rabs_pos|apply sum_nonnegative; intros; apply Rabs_pos].
Qed.

Theorem concave_term_by_taps (J : nat) (w : R) (c a : nat -> R) : w <= 0 ->
  sum J (fun j => w * sum J (fun i => Rabs (c i)) * Rabs (c j) * a j ^ 2) <= w * (sum J (fun j => c j * a j)) ^ 2.
Proof.
  intro Hw; assert (H := weighted_cauchy_schwarz J c a).
  rewrite (sum_same J _ (fun j => w * sum J (fun i => Rabs (c i)) * (Rabs (c j) * a j ^ 2))) by (intros; ring).
  rewrite sum_scaled; set (S := sum J (fun i => Rabs (c i))) in *; nra.
Qed.
