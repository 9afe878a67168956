(** Cosine and sine sums of sequences of period T at the frequencies 2 pi s/T: orthogonality, Parseval's identity, and
    what a window of J taps does to them. theory/theorems/sustained_bound.md, section 2 *)
From Coq Require Import Reals Lra Lia Arith.
From Lyap Require Import finite_sums quadratic_forms.
Open Scope R_scope.

Definition frequency (T s : nat) : R := 2 * PI * INR s / INR T.
Definition cosine_sum (T : nat) (x : nat -> R) (theta : R) : R := sum T (fun t => x t * cos (theta * INR t)).
Definition sine_sum (T : nat) (x : nat -> R) (theta : R) : R := sum T (fun t => x t * sin (theta * INR t)).
(** |sum_t x_t exp(-i theta t)|^2 *)
Definition power (T : nat) (x : nat -> R) (theta : R) : R := cosine_sum T x theta ^ 2 + sine_sum T x theta ^ 2.

(** * Orthogonality *)

Lemma cosines_telescope (n : nat) (phi : R) :
  2 * sin (phi / 2) * sum n (fun s => cos (INR s * phi)) = sin (INR n * phi - phi / 2) + sin (phi / 2).
Proof.
  induction n as [|n IH].
  - simpl; replace (0 * phi - phi / 2) with (- (phi / 2)) by lra; rewrite sin_neg; ring.
  - change (sum (S n) (fun s => cos (INR s * phi))) with (sum n (fun s => cos (INR s * phi)) + cos (INR n * phi)).
    rewrite Rmult_plus_distr_l, IH, S_INR.
    replace ((INR n + 1) * phi - phi / 2) with (INR n * phi + phi / 2) by field.
    rewrite sin_plus, sin_minus; ring.
Qed.

Lemma cosines_vanish (T m : nat) : (0 < m < T)%nat -> sum T (fun s => cos (frequency T s * INR m)) = 0.
Proof.
  intros [Hm HT]; set (phi := 2 * PI * INR m / INR T).
  assert (HT' : 0 < INR T) by (apply lt_0_INR; lia).
  assert (Hm' : 0 < INR m) by (apply lt_0_INR; lia).
  assert (HmT : INR m < INR T) by (apply lt_INR; exact HT).
  assert (Hpi := PI_RGT_0).
  assert (Hhalf : phi / 2 = PI * (INR m / INR T)) by (unfold phi; field; lra).
  assert (Hratio : 0 < INR m / INR T < 1).
  { split; [apply Rdiv_lt_0_compat; assumption|].
    apply Rmult_lt_reg_r with (INR T); [exact HT'|]; unfold Rdiv; rewrite Rmult_assoc, Rinv_l; lra. }
  assert (Hsin : 0 < sin (phi / 2)) by (rewrite Hhalf; apply sin_gt_0; nra).
  assert (H := cosines_telescope T phi).
  replace (INR T * phi - phi / 2) with (- (phi / 2) + 2 * INR m * PI) in H by (unfold phi; field; lra).
  rewrite sin_period, sin_neg in H.
  rewrite (sum_same _ _ (fun s => cos (INR s * phi))).
  - assert (Hzero : sin (phi / 2) * sum T (fun s => cos (INR s * phi)) = 0) by lra.
    apply Rmult_integral in Hzero; destruct Hzero; [lra|assumption].
  - intros s _; f_equal; unfold phi, frequency; field; lra.
Qed.

Lemma cosines_orthogonal (T t u : nat) : (t < T)%nat -> (u < T)%nat ->
  sum T (fun s => cos (frequency T s * INR t - frequency T s * INR u)) = if (t =? u)%nat then INR T else 0.
Proof.
  assert (Hordered : forall a b, (b < a < T)%nat ->
            sum T (fun s => cos (frequency T s * INR a - frequency T s * INR b)) = 0).
  { intros a b Hab; rewrite <- (cosines_vanish T (a - b)) by lia; apply sum_same; intros s _.
    rewrite minus_INR by lia; f_equal; ring. }
  intros Ht Hu; destruct (Nat.eqb_spec t u) as [->|Hne].
  - rewrite (sum_same _ _ (fun _ => 1)).
    + clear; induction T as [|T IH]; [reflexivity|rewrite S_INR; simpl; rewrite IH; reflexivity].
    + intros s _; rewrite Rminus_diag_eq by reflexivity; apply cos_0.
  - destruct (Nat.lt_ge_cases u t); [apply Hordered; lia|].
    rewrite <- (Hordered u t) by lia; apply sum_same; intros s _; rewrite <- cos_neg; f_equal; ring.
Qed.

(** * Parseval *)

Lemma power_form (T : nat) (x : nat -> R) (theta : R) :
  power T x theta = quadratic_form T (fun t u => cos (theta * INR t - theta * INR u)) x.
Proof.
  unfold power, cosine_sum, sine_sum.
  assert (Hsquare : forall f : nat -> R, sum T f ^ 2 = sum T (fun t => sum T (fun u => f t * f u))).
  { intro f; rewrite (sum_same _ (fun t => sum T (fun u => f t * f u)) (fun t => f t * sum T f)).
    - rewrite sum_scaled_right; ring.
    - intros t _; apply sum_scaled. }
  rewrite !Hsquare, <- sum_plus; apply sum_same; intros t _; rewrite <- sum_plus; apply sum_same; intros u _.
  rewrite cos_minus; ring.
Qed.

Theorem parseval (T : nat) (x : nat -> R) :
  sum T (fun s => power T x (frequency T s)) = INR T * sum T (fun t => x t ^ 2).
Proof.
  rewrite (sum_same _ _ (fun s => quadratic_form T (fun t u => cos (frequency T s * INR t - frequency T s * INR u)) x))
    by (intros; apply power_form).
  unfold quadratic_form; rewrite sum_swap, <- sum_scaled; apply sum_same; intros t Ht.
  rewrite sum_swap, <- (sum_single T t (fun u => INR T * x u ^ 2) Ht); apply sum_same; intros u Hu.
  rewrite sum_scaled_right, cosines_orthogonal by assumption.
  destruct (Nat.eqb_spec t u) as [->|_]; ring.
Qed.

(** * Windows *)

(** e_t = sum_j c_j x_(t+j): the window that starts at t. *)
Definition windowed (J : nat) (c x : nat -> R) (t : nat) : R := sum J (fun j => c j * x (t + j)%nat).
(** |sum_j c_j exp(i j theta)|^2 *)
Definition response (J : nat) (c : nat -> R) (theta : R) : R :=
  sum J (fun j => c j * cos (theta * INR j)) ^ 2 + sum J (fun j => c j * sin (theta * INR j)) ^ 2.

Lemma cyclic_sum (T j : nat) (h : nat -> R) : (forall t, h (t + T)%nat = h t) ->
  sum T (fun t => h (t + j)%nat) = sum T h.
Proof.
  intro Hh; induction j as [|j IH]; [apply sum_same; intros t _; f_equal; lia|].
  rewrite <- IH; clear IH.
  assert (Hstep : forall n f, sum n (fun t => f (S t)) = sum n f + f n - f O).
  { intros n f; induction n as [|n IHn]; simpl; [ring|rewrite IHn; ring]. }
  rewrite (sum_same _ _ (fun t => (fun v => h (v + j)%nat) (S t))) by (intros; f_equal; lia).
  rewrite (Hstep T (fun v => h (v + j)%nat)); simpl.
  replace (T + j)%nat with (j + T)%nat by lia; rewrite Hh; ring.
Qed.

Lemma frequency_period (T s t : nat) (phi : R) : (0 < T)%nat ->
  frequency T s * INR (t + T) - phi = frequency T s * INR t - phi + 2 * INR s * PI.
Proof. intro HT; unfold frequency; rewrite plus_INR; field; apply not_0_INR; lia. Qed.

Lemma windowed_sums (T J s : nat) (c x : nat -> R) : (0 < T)%nat -> (forall t, x (t + T)%nat = x t) ->
  let theta := frequency T s in
  let C := sum J (fun j => c j * cos (theta * INR j)) in
  let D := sum J (fun j => c j * sin (theta * INR j)) in
  cosine_sum T (windowed J c x) theta = C * cosine_sum T x theta + D * sine_sum T x theta /\
  sine_sum T (windowed J c x) theta = C * sine_sum T x theta - D * cosine_sum T x theta.
Proof.
  intros HT Hx theta C D; unfold cosine_sum, sine_sum, windowed.
  assert (Hcos : forall j, sum T (fun t => x (t + j)%nat * cos (theta * INR t))
                 = cos (theta * INR j) * sum T (fun t => x t * cos (theta * INR t))
                   + sin (theta * INR j) * sum T (fun t => x t * sin (theta * INR t))).
  { intro j; rewrite <- !sum_scaled, <- sum_plus.
    rewrite (sum_same _ _ (fun t => (fun v => x v * cos (theta * INR v - theta * INR j)) (t + j)%nat)).
    - rewrite (cyclic_sum T j (fun v => x v * cos (theta * INR v - theta * INR j))).
      + apply sum_same; intros t _; rewrite cos_minus; ring.
      + intro t; rewrite Hx; unfold theta; rewrite frequency_period, cos_period by exact HT; reflexivity.
    - intros t _; rewrite plus_INR; do 2 f_equal; ring. }
  assert (Hsin : forall j, sum T (fun t => x (t + j)%nat * sin (theta * INR t))
                 = cos (theta * INR j) * sum T (fun t => x t * sin (theta * INR t))
                   - sin (theta * INR j) * sum T (fun t => x t * cos (theta * INR t))).
  { intro j; rewrite <- !sum_scaled, <- sum_minus.
    rewrite (sum_same _ _ (fun t => (fun v => x v * sin (theta * INR v - theta * INR j)) (t + j)%nat)).
    - rewrite (cyclic_sum T j (fun v => x v * sin (theta * INR v - theta * INR j))).
      + apply sum_same; intros t _; rewrite sin_minus; ring.
      + intro t; rewrite Hx; unfold theta; rewrite frequency_period, sin_period by exact HT; reflexivity.
    - intros t _; rewrite plus_INR; do 2 f_equal; ring. }
  split.
  - rewrite (sum_same _ _ (fun t => sum J (fun j => c j * (x (t + j)%nat * cos (theta * INR t))))).
    + rewrite sum_swap; unfold C, D; rewrite <- !sum_scaled_right, <- sum_plus; apply sum_same; intros j _.
      rewrite sum_scaled, Hcos; ring.
    + intros t _; rewrite <- sum_scaled_right; apply sum_same; intros; ring.
  - rewrite (sum_same _ _ (fun t => sum J (fun j => c j * (x (t + j)%nat * sin (theta * INR t))))).
    + rewrite sum_swap; unfold C, D; rewrite <- !sum_scaled_right, <- sum_minus; apply sum_same; intros j _.
      rewrite sum_scaled, Hsin; ring.
    + intros t _; rewrite <- sum_scaled_right; apply sum_same; intros; ring.
Qed.

Theorem windowed_energy (T J : nat) (c x : nat -> R) : (0 < T)%nat -> (forall t, x (t + T)%nat = x t) ->
  INR T * sum T (fun t => windowed J c x t ^ 2)
  = sum T (fun s => response J c (frequency T s) * power T x (frequency T s)).
Proof.
  intros HT Hx; rewrite <- parseval; apply sum_same; intros s _; unfold power, response.
  destruct (windowed_sums T J s c x HT Hx) as [-> ->]; ring.
Qed.

Lemma windowed_total (T J : nat) (c x : nat -> R) : (forall t, x (t + T)%nat = x t) ->
  sum T (windowed J c x) = sum J c * sum T x.
Proof.
  intro Hx; unfold windowed; rewrite sum_swap, <- sum_scaled_right; apply sum_same; intros j _.
  rewrite sum_scaled, cyclic_sum by exact Hx; reflexivity.
Qed.

Lemma response_zero (J : nat) (c : nat -> R) : response J c 0 = sum J c ^ 2.
Proof.
  unfold response; rewrite (sum_same _ _ c) by (intros; rewrite Rmult_0_l, cos_0; ring).
  rewrite (sum_same _ (fun j => c j * sin (0 * INR j)) (fun _ => 0)) by (intros; rewrite Rmult_0_l, sin_0; ring).
  rewrite sum_zero; ring.
Qed.
