(** The sustained bound: the mean over time of functions that each lie above the same quadratic function of J
    consecutive tokens. The mean of a quadratic function over a periodic sequence is a sum over frequencies; where
    R(theta) is semidefinite, only theta = 0 counts. theory/theorems/sustained_bound.md, section 2 *)
From Coq Require Import Reals Lra Lia Arith.
From Lyap Require Import finite_sums quadratic_forms quadratic_relaxation finite_fourier.
Open Scope R_scope.

Section Sustained.
Variables (d rows taps : nat).
Variable W : nat -> nat -> R.            (** row k, coordinate *)
Variable c : nat -> nat -> R.            (** row k, tap from the oldest token *)
Variables (w t : nat -> R) (mu radius_squared : R).

(** Tokens n_0, n_1, ..; the window of u is n_u, .., n_(u+taps-1). *)
Definition fed (n : nat -> nat -> R) (k u : nat) : R := image d W (n u) k.
Definition window_term (n : nat -> nat -> R) (k u : nat) : R := windowed taps (c k) (fed n k) u.
Definition window_value (n : nat -> nat -> R) (u : nat) : R :=
  sum rows (fun k => t k * window_term n k u + w k * window_term n k u ^ 2).
Definition in_ball (n : nat -> nat -> R) : Prop := forall u, norm_squared d (n u) <= radius_squared.

(** z.R(theta)z *)
Definition frequency_form (theta : R) (z : nat -> R) : R :=
  sum rows (fun k => w k * response taps (c k) theta * image d W z k ^ 2) + mu * norm_squared d z.

(** Cosine and sine parts of sum_u n_u exp(-i theta u). *)
Definition cosine_part (T : nat) (n : nat -> nat -> R) (theta : R) (i : nat) : R :=
  cosine_sum T (fun u => n u i) theta.
Definition sine_part (T : nat) (n : nat -> nat -> R) (theta : R) (i : nat) : R := sine_sum T (fun u => n u i) theta.

Lemma power_fed (T : nat) (n : nat -> nat -> R) (k : nat) (theta : R) :
  power T (fed n k) theta = image d W (cosine_part T n theta) k ^ 2 + image d W (sine_part T n theta) k ^ 2.
Proof.
  assert (H : forall g : nat -> R, sum T (fun u => fed n k u * g u) = image d W (fun i => sum T (fun u => n u i * g
      u)) k).
  { intro g; unfold fed, image; rewrite (sum_same T _ (fun u => sum d (fun i => W k i * (n u i * g u)))).
    - rewrite sum_swap; apply sum_same; intros i _; apply sum_scaled.
    - intros u _; rewrite <- sum_scaled_right; apply sum_same; intros; ring. }
  unfold power, cosine_sum, sine_sum; rewrite !H; reflexivity.
Qed.

Lemma power_tokens (T : nat) (n : nat -> nat -> R) (theta : R) :
  sum d (fun i => power T (fun u => n u i) theta)
  = norm_squared d (cosine_part T n theta) + norm_squared d (sine_part T n theta).
Proof. unfold power, norm_squared; rewrite <- sum_plus; reflexivity. Qed.

(** Parseval for the quadratic part. *)
Lemma periodic_energy (T : nat) (n : nat -> nat -> R) : (0 < T)%nat -> (forall u i, n (u + T)%nat i = n u i) ->
  INR T * (sum T (fun u => sum rows (fun k => w k * window_term n k u ^ 2)) + mu * sum T (fun u => norm_squared d (n
      u)))
  = sum T (fun s => frequency_form (frequency T s) (cosine_part T n (frequency T s))
                    + frequency_form (frequency T s) (sine_part T n (frequency T s))).
Proof.
  intros HT Hn.
  assert (Hfed : forall k u, fed n k (u + T)%nat = fed n k u).
  { intros k u; apply sum_same; intros i _; rewrite Hn; reflexivity. }
  assert (Hrows : INR T * sum T (fun u => sum rows (fun k => w k * window_term n k u ^ 2))
                  = sum T (fun s => sum rows (fun k =>
                      w k * response taps (c k) (frequency T s) * power T (fed n k) (frequency T s)))).
  { rewrite sum_swap, <- sum_scaled, sum_swap; apply sum_same; intros k _.
    rewrite sum_scaled; unfold window_term.
    replace (INR T * (w k * sum T (fun u => windowed taps (c k) (fed n k) u ^ 2)))
      with (w k * (INR T * sum T (fun u => windowed taps (c k) (fed n k) u ^ 2))) by ring.
    rewrite windowed_energy by (try exact HT; apply Hfed).
    rewrite <- sum_scaled; apply sum_same; intros; ring. }
  assert (Htokens : INR T * sum T (fun u => norm_squared d (n u))
                    = sum T (fun s => sum d (fun i => power T (fun u => n u i) (frequency T s)))).
  { unfold norm_squared; rewrite sum_swap, <- sum_scaled, sum_swap; apply sum_same; intros i _.
    symmetry; apply parseval. }
  rewrite Rmult_plus_distr_l, Hrows.
  replace (INR T * (mu * sum T (fun u => norm_squared d (n u)))) with (mu * (INR T * sum T (fun u => norm_squared d
      (n u))))
    by ring.
  rewrite Htokens, <- sum_scaled, <- sum_plus; apply sum_same; intros s _.
  rewrite power_tokens; unfold frequency_form.
  rewrite (sum_same rows (fun k => _ * power _ _ _)
             (fun k => w k * response taps (c k) (frequency T s) * image d W (cosine_part T n (frequency T s)) k ^ 2
                       + w k * response taps (c k) (frequency T s) * image d W (sine_part T n (frequency T s)) k ^ 2)).
  - rewrite sum_plus; ring.
  - intros k _; rewrite power_fed; ring.
Qed.

(** * Periodic sequences *)

Hypothesis every_frequency : forall theta z, 0 <= theta <= 2 * PI -> 0 <= frequency_form theta z.

Definition mean_token (T : nat) (n : nat -> nat -> R) (i : nat) : R := / INR T * sum T (fun u => n u i).

Lemma frequency_in_circle (T s : nat) : (s < T)%nat -> 0 <= frequency T s <= 2 * PI.
Proof.
  intro Hs; assert (HT : 0 < INR T) by (apply lt_0_INR; lia); assert (H0 := pos_INR s).
  assert (HsT : INR s < INR T) by (apply lt_INR; exact Hs); assert (Hpi := PI_RGT_0).
  assert (Hratio : 0 <= INR s / INR T <= 1).
  { split; [apply Rmult_le_pos; [exact H0|left; apply Rinv_0_lt_compat; exact HT]|].
    apply Rmult_le_reg_r with (INR T); [exact HT|]; unfold Rdiv; rewrite Rmult_assoc, Rinv_l; lra. }
  unfold frequency; replace (2 * PI * INR s / INR T) with (2 * PI * (INR s / INR T)) by (unfold Rdiv; ring); nra.
Qed.

Theorem periodic_mean (T : nat) (n : nat -> nat -> R) : (0 < T)%nat -> (forall u i, n (u + T)%nat i = n u i) ->
  INR T * frequency_form 0 (mean_token T n)
  <= sum T (fun u => sum rows (fun k => w k * window_term n k u ^ 2)) + mu * sum T (fun u => norm_squared d (n u)).
Proof.
  intros HT Hn; assert (HT' : 0 < INR T) by (apply lt_0_INR; exact HT).
  apply Rmult_le_reg_l with (INR T); [exact HT'|].
  rewrite periodic_energy by assumption.
  set (term := fun s => frequency_form (frequency T s) (cosine_part T n (frequency T s))
                        + frequency_form (frequency T s) (sine_part T n (frequency T s))).
  assert (Hterm : term 0%nat <= sum T term).
  { apply sum_term; [exact HT|]; intros s Hs; unfold term.
    assert (Hc := every_frequency _ (cosine_part T n (frequency T s)) (frequency_in_circle T s Hs)).
    assert (Hd := every_frequency _ (sine_part T n (frequency T s)) (frequency_in_circle T s Hs)); lra. }
  eapply Rle_trans; [|exact Hterm]; unfold term.
  assert (Hsine := every_frequency _ (sine_part T n (frequency T 0)) (frequency_in_circle T 0 HT)).
  assert (Hzero : frequency T 0 = 0) by (unfold frequency; simpl; field; lra).
  rewrite Hzero in *.
  assert (Hcosine : forall i, cosine_part T n 0 i = INR T * mean_token T n i).
  { intro i; unfold mean_token; rewrite <- Rmult_assoc, Rinv_r, Rmult_1_l by lra.
    apply sum_same; intros u _; rewrite Rmult_0_l, cos_0; ring. }
  replace (INR T * (INR T * frequency_form 0 (mean_token T n))) with (frequency_form 0 (cosine_part T n 0)); [lra|].
  unfold frequency_form, norm_squared.
  rewrite (sum_same d _ (fun i => INR T ^ 2 * mean_token T n i ^ 2)) by (intros i _; rewrite Hcosine; ring).
  rewrite (sum_same rows _ (fun k => INR T ^ 2 * (w k * response taps (c k) 0 * image d W (mean_token T n) k ^ 2))).
  - rewrite !sum_scaled; ring.
  - intros k _; replace (image d W (cosine_part T n 0) k) with (INR T * image d W (mean_token T n) k); [ring|].
    unfold image; rewrite <- sum_scaled; apply sum_same; intros i _; rewrite Hcosine; ring.
Qed.

Lemma window_term_total (T : nat) (n : nat -> nat -> R) (k : nat) : (0 < T)%nat ->
  (forall u i, n (u + T)%nat i = n u i) ->
  sum T (window_term n k) = INR T * (sum taps (c k) * image d W (mean_token T n) k).
Proof.
  intros HT Hn; unfold window_term; rewrite windowed_total.
  - replace (sum T (fed n k)) with (INR T * image d W (mean_token T n) k); [ring|].
    unfold fed, image; rewrite sum_swap, <- sum_scaled; apply sum_same; intros i _; unfold mean_token.
    rewrite sum_scaled; field; apply not_0_INR; lia.
  - intro u; apply sum_same; intros i _; rewrite Hn; reflexivity.
Qed.

(** What is left at theta = 0: R(0) = W^T diag(w (sum c)^2) W + mu I, l_0 = W^T (t sum c). *)
Definition still_w (k : nat) : R := w k * sum taps (c k) ^ 2.
Definition still_t (k : nat) : R := t k * sum taps (c k).
Definition still_value (z : nat -> R) : R :=
  sum rows (fun k => still_t k * image d W z k + still_w k * image d W z k ^ 2) + mu * norm_squared d z.

Variable floor : R.
Hypothesis still_floor : forall z, floor <= still_value z.
Hypothesis mu_nonnegative : 0 <= mu.

Definition sustained_level : R := floor - radius_squared * mu.

Theorem periodic_bound (T : nat) (n : nat -> nat -> R) : (0 < T)%nat -> (forall u i, n (u + T)%nat i = n u i) ->
  in_ball n -> INR T * sustained_level <= sum T (window_value n).
Proof.
  intros HT Hn Hball; assert (HT' : 0 < INR T) by (apply lt_0_INR; exact HT).
  assert (Hmean := periodic_mean T n HT Hn).
  assert (Hfloor := still_floor (mean_token T n)); unfold still_value in Hfloor; rewrite sum_plus in Hfloor.
  assert (Htokens : sum T (fun u => norm_squared d (n u)) <= INR T * radius_squared).
  { replace (INR T * radius_squared) with (sum T (fun _ => radius_squared)).
    - apply sum_le; intros u _; apply Hball.
    - clear; induction T as [|T IH]; [simpl; ring|rewrite S_INR; simpl; rewrite IH; ring]. }
  assert (Hlinear : sum T (fun u => sum rows (fun k => t k * window_term n k u))
                    = INR T * sum rows (fun k => still_t k * image d W (mean_token T n) k)).
  { rewrite sum_swap, <- sum_scaled; apply sum_same; intros k _.
    rewrite sum_scaled, window_term_total by assumption; unfold still_t; ring. }
  unfold window_value.
  rewrite (sum_same T _ (fun u => sum rows (fun k => t k * window_term n k u)
                                  + sum rows (fun k => w k * window_term n k u ^ 2)))
    by (intros; apply sum_plus).
  rewrite sum_plus, Hlinear.
  unfold frequency_form in Hmean.
  rewrite (sum_same rows _ (fun k => still_w k * image d W (mean_token T n) k ^ 2)) in Hmean
    by (intros; rewrite response_zero; reflexivity).
  unfold sustained_level.
  set (L := sum rows (fun k => still_t k * image d W (mean_token T n) k)) in *.
  set (Q := sum rows (fun k => still_w k * image d W (mean_token T n) k ^ 2)) in *.
  set (N := norm_squared d (mean_token T n)) in *.
  assert (Hscaled : INR T * floor <= INR T * (L + Q + mu * N)) by (apply Rmult_le_compat_l; lra).
  assert (Hmu : mu * sum T (fun u => norm_squared d (n u)) <= mu * (INR T * radius_squared))
    by (apply Rmult_le_compat_l; assumption).
  lra.
Qed.

(** * All sequences *)

(** No window's value is larger than this. *)
Definition term_size (k : nat) : R := sum taps (fun j => Rabs (c k j)) * sum d (fun i => Rabs (W k i) * (1 +
    radius_squared)).
Definition value_size : R := sum rows (fun k => Rabs (t k) * term_size k + Rabs (w k) * term_size k ^ 2).

Lemma window_term_bound (n : nat -> nat -> R) (k u : nat) : in_ball n -> Rabs (window_term n k u) <= term_size k.
Proof.
  intro Hn; unfold window_term, windowed, term_size; eapply Rle_trans; [apply sum_abs|].
  rewrite <- sum_scaled_right; apply sum_le; intros j _.
  rewrite Rabs_mult; apply Rmult_le_compat_l; [apply Rabs_pos|].
  unfold fed, image; eapply Rle_trans; [apply sum_abs|]; apply sum_le; intros i Hi.
  rewrite Rabs_mult; apply Rmult_le_compat_l; [apply Rabs_pos|].
  assert (H := sum_term d i (fun i => n (u + j)%nat i ^ 2) Hi (fun i _ => pow2_ge_0 _)).
  specialize (Hn (u + j)%nat); unfold norm_squared in Hn; cbv beta in H.
  set (a := n (u + j)%nat i) in *; assert (Hsq := pow2_abs a); assert (Ha := Rabs_pos a); nra.
Qed.

Lemma window_value_bound (n : nat -> nat -> R) (u : nat) : in_ball n -> Rabs (window_value n u) <= value_size.
Proof.
  intro Hn; unfold window_value, value_size; eapply Rle_trans; [apply sum_abs|]; apply sum_le; intros k _.
  assert (H := window_term_bound n k u Hn); assert (H0 := Rabs_pos (window_term n k u)).
  eapply Rle_trans; [apply Rabs_triang|]; rewrite !Rabs_mult; apply Rplus_le_compat.
  - apply Rmult_le_compat_l; [apply Rabs_pos|exact H].
  - apply Rmult_le_compat_l; [apply Rabs_pos|]; rewrite <- RPow_abs; apply pow_incr; lra.
Qed.

Lemma window_value_same (n n' : nat -> nat -> R) (u : nat) :
  (forall j i, (j < taps)%nat -> n (u + j)%nat i = n' (u + j)%nat i) -> window_value n u = window_value n' u.
Proof.
  intro H; apply sum_same; intros k _.
  replace (window_term n' k u) with (window_term n k u); [reflexivity|].
  apply sum_same; intros j Hj; f_equal; apply sum_same; intros i _; rewrite H by exact Hj; reflexivity.
Qed.

(** Terms that may be negative only near the end. *)
Lemma sum_but_the_end (T J : nat) (h : nat -> R) (B : R) : 0 <= B -> (forall u, (u + J <= T)%nat -> 0 <= h u) ->
  (forall u, - B <= h u) -> - (INR J * B) <= sum T h.
Proof.
  intros HB Hearly Hlate.
  assert (Hconstant : forall m, sum m (fun _ => - B) = - (INR m * B)).
  { induction m as [|m IH]; [simpl; ring|rewrite S_INR; simpl; rewrite IH; ring]. }
  destruct (Nat.le_gt_cases J T) as [HJ|HJ].
  - replace T with ((T - J) + J)%nat by lia; rewrite sum_append.
    assert (0 <= sum (T - J) h) by (apply sum_nonnegative; intros u Hu; apply Hearly; lia).
    assert (sum J (fun _ => - B) <= sum J (fun i => h (T - J + i)%nat)) by (apply sum_le; intros; apply Hlate).
    rewrite Hconstant in *; lra.
  - assert (sum T (fun _ => - B) <= sum T h) by (apply sum_le; intros; apply Hlate).
    rewrite Hconstant in *; assert (INR T <= INR J) by (apply le_INR; lia); nra.
Qed.

(** (7) without the limit: the error of the mean is at most a constant over T. *)
Theorem sustained_bound (n : nat -> nat -> R) (T : nat) : in_ball n ->
  INR T * sustained_level - INR taps * (2 * value_size) <= sum T (window_value n).
Proof.
  intro Hn; assert (Hsize : 0 <= value_size).
  { eapply Rle_trans; [apply Rabs_pos|apply (window_value_bound n 0 Hn)]. }
  destruct (Nat.eq_dec T 0) as [->|HT].
  - simpl; assert (H := pos_INR taps); nra.
  - set (n' := fun u => n (u mod T)%nat).
    assert (Hball' : in_ball n') by (intro u; apply Hn).
    assert (Hperiod : forall u i, n' (u + T)%nat i = n' u i).
    { intros u i; unfold n'; f_equal; replace (u + T)%nat with (u + 1 * T)%nat by lia; apply Nat.mod_add; exact HT. }
    assert (H := periodic_bound T n' ltac:(lia) Hperiod Hball').
    assert (Hdifference : - (INR taps * (2 * value_size)) <= sum T (fun u => window_value n u - window_value n' u)).
    { apply sum_but_the_end; [lra| |].
      - intros u Hu; rewrite (window_value_same n n'); [lra|].
        intros j i Hj; unfold n'; rewrite Nat.mod_small by lia; reflexivity.
      - intro u; assert (H1 := window_value_bound n u Hn); assert (H2 := window_value_bound n' u Hball').
        rewrite <- Rabs_Ropp in H1; assert (H3 := Rle_abs (- window_value n u)).
        assert (H4 := Rle_abs (window_value n' u)); lra. }
    rewrite sum_minus in Hdifference; lra.
Qed.

End Sustained.

(** Completing the square gives the floor: -l_0.R(0)^-1 l_0/4. *)
Theorem still_floor_completion (d rows taps : nat) (W c : nat -> nat -> R) (w t : nat -> R) (mu lambda : R) (y z :
    nat -> R) :
  0 < lambda ->
  (forall x, lambda * norm_squared d x
             <= quadratic_form d (curvature_matrix rows W (still_w taps c w) (fun _ => mu)) x) ->
  - completion rows d W (still_w taps c w) (still_t taps c t) (fun _ => mu) lambda y / 4
  <= still_value d rows taps W c w t mu z.
Proof.
  intros Hl HR.
  assert (H := factored_square rows d W (still_w taps c w) (still_t taps c t) (fun _ => mu) lambda y z Hl HR).
  cbv beta in H; rewrite sum_scaled in H; exact H.
Qed.
