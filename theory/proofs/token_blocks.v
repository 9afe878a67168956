(** Functionals at every token of a block of the vocabulary: one product of packed rows per functional; ranges over blocks
    are joined. *)
From Coq Require Import ZArith Reals Lra Lia Bool List.
From Lyap Require Import finite_sums norm_ball dyadic floating_formats packed_integers packed_products quantised_products
  block_input input_checks front_checks approximate_matrices mamba1_functionals collected vocabulary check_mamba1
  vocabulary_checks.
Import ListNotations.
Open Scope Z_scope.

(** * Transposition *)

Fixpoint cons_each (row : list Z) (columns : list (list Z)) : list (list Z) :=
  match row, columns with x :: row, c :: columns => (x :: c) :: cons_each row columns | _, _ => [] end.

Fixpoint transpose (width : nat) (rows : list (list Z)) : list (list Z) :=
  match rows with [] => repeat [] width | row :: rows => cons_each row (transpose width rows) end.

Lemma cons_each_spec (row : list Z) : forall columns : list (list Z), length columns = length row ->
  length (cons_each row columns) = length row /\
  forall i, (i < length row)%nat -> nth i (cons_each row columns) [] = nth i row 0 :: nth i columns [].
Proof.
  induction row as [|x row IH]; intros [|c columns] Hlen; try discriminate Hlen.
  { split; [reflexivity|intros i Hi; simpl in Hi; lia]. }
  simpl in Hlen; destruct (IH columns ltac:(lia)) as [H1 H2]; cbn [cons_each]; split; [simpl; lia|].
  intros [|i] Hi; cbn [nth]; [reflexivity|apply H2; simpl in Hi; lia].
Qed.

Lemma transpose_spec (width : nat) (rows : list (list Z)) : (forall row, In row rows -> length row = width) ->
  length (transpose width rows) = width /\
  forall i, (i < width)%nat -> length (nth i (transpose width rows) []) = length rows /\
    forall v, entry (nth i (transpose width rows) []) v = entry (nth v rows []) i.
Proof.
  induction rows as [|row rows IH]; intro Hall; cbn [transpose].
  { rewrite repeat_length; split; [reflexivity|]; intros i Hi; rewrite nth_repeat; split; [reflexivity|].
    intro v; unfold entry; destruct v; destruct i; reflexivity. }
  destruct IH as [Hlen Hentry]; [intros x Hx; apply Hall; right; exact Hx|].
  assert (Hrow : length row = width) by (apply Hall; left; reflexivity).
  destruct (cons_each_spec row (transpose width rows) ltac:(lia)) as [H1 H2]; split; [lia|].
  intros i Hi; rewrite H2 by lia; destruct (Hentry i Hi) as [H3 H4]; split; [simpl; lia|].
  intros [|v]; unfold entry; cbn [nth]; [reflexivity|apply H4].
Qed.

(** * A block of tokens *)

Section Block.
Variable P s : Z.
Variable width : nat.
Variable eps : dyadic.
Variable f : format.
Variable embedding : nat -> list Z.
Hypothesis Hwidth : (0 < width)%nat.

Definition embedding_value (v i : nat) : R := row_value f (embedding v) i.

Definition token_vector (v : nat) : option vector :=
  if (length (embedding v) =? width)%nat then
    let* xs := decode_row f (embedding v) in normed_vector P s width eps xs
  else None.

Lemma token_vector_sound (v : nat) (u : vector) : token_vector v = Some u ->
  v_scale u = s /\ v_error u = 2 /\ approximates_vector u width (rms_normalised width (value eps) (embedding_value v)).
Proof.
  unfold token_vector; destruct (Nat.eqb_spec (length (embedding v)) width) as [Hlen|]; [|discriminate].
  destruct (decode_row f (embedding v)) as [xs|] eqn:Hxs; [|discriminate]; intro H.
  destruct (decode_row_value _ _ _ Hxs) as [_ Hvalue].
  assert (Hu := normed_vector_sound P s width eps xs u (embedding_value v) Hwidth H
    (fun i Hi => Hvalue i (eq_ind_r (fun m => (i < m)%nat) Hi Hlen))).
  unfold normed_vector in H; cbv zeta in H.
  destruct ((length xs =? width)%nat && _ && _); [|discriminate]; injection H as <-; repeat split; apply Hu.
Qed.

(** Rows: coordinates; columns: tokens first .. first + count - 1. *)
Definition block_matrix (first count : nat) : option matrix :=
  let* us := collect token_vector first count in Some (Matrix s 2 (transpose width (map v_entries us))).

Definition token (v : nat) : nat -> R := rms_normalised width (value eps) (embedding_value v).

Lemma block_matrix_sound (first count : nat) (m : matrix) : block_matrix first count = Some m ->
  approximates_matrix m width count (fun i v => token (first + v) i).
Proof.
  unfold block_matrix; destruct (collect token_vector first count) as [us|] eqn:Hus; [|discriminate].
  intro H; injection H as <-; destruct (collect_sound _ no_vector _ _ _ Hus) as [Hlen Hall].
  assert (Hlengths : forall row, In row (map v_entries us) -> length row = width).
  { intros row Hrow; apply in_map_iff in Hrow; destruct Hrow as [u [<- Hu]].
    destruct (In_nth us u no_vector Hu) as [v [Hv <-]].
    destruct (token_vector_sound _ _ (Hall v ltac:(lia))) as [_ [_ [H _]]]; exact H. }
  destruct (transpose_spec width (map v_entries us) Hlengths) as [H1 H2].
  split; [exact H1|split; [cbn [m_error]; lia|]]; intros i Hi; cbn [m_rows m_error m_scale].
  destruct (H2 i Hi) as [H3 H4]; split; [rewrite H3, map_length; exact Hlen|].
  intros v Hv; rewrite H4; change (@nil Z) with (v_entries no_vector); rewrite map_nth.
  destruct (token_vector_sound _ _ (Hall v Hv)) as [Hs [He [_ [_ Hnear]]]]; specialize (Hnear i Hi).
  rewrite Hs, He in Hnear; exact Hnear.
Qed.
End Block.

(** * Ranges of functionals over a block, over a list of blocks *)

Definition smallest_entry (xs : list Z) : Z := match xs with [] => 0 | x :: xs => fold_left Z.min xs x end.
Definition largest_entry (xs : list Z) : Z := match xs with [] => 0 | x :: xs => fold_left Z.max xs x end.

Lemma extremes_spec (xs : list Z) (v : nat) : (v < length xs)%nat -> smallest_entry xs <= entry xs v <= largest_entry xs.
Proof.
  destruct xs as [|x xs]; intro Hv; [simpl in Hv; lia|]; unfold smallest_entry, largest_entry, entry.
  assert (Hmin : forall ys a, fold_left Z.min ys a <= a /\ forall y, In y ys -> fold_left Z.min ys a <= y).
  { induction ys as [|y ys IH]; intro a; cbn [fold_left]; [split; [lia|intros y []]|].
    destruct (IH (Z.min a y)) as [H1 H2]; split; [lia|]; intros z [<-|Hz]; [lia|apply H2; exact Hz]. }
  assert (Hmax : forall ys a, a <= fold_left Z.max ys a /\ forall y, In y ys -> y <= fold_left Z.max ys a).
  { induction ys as [|y ys IH]; intro a; cbn [fold_left]; [split; [lia|intros y []]|].
    destruct (IH (Z.max a y)) as [H1 H2]; split; [lia|]; intros z [<-|Hz]; [lia|apply H2; exact Hz]. }
  destruct v as [|v]; cbn [nth]; [split; [apply (proj1 (Hmin xs x))|apply (proj1 (Hmax xs x))]|].
  assert (Hin : In (nth v xs 0) xs) by (apply nth_In; simpl in Hv; lia).
  split; [apply Hmin; exact Hin|apply Hmax; exact Hin].
Qed.

(** All entries, their error included. *)
Definition range_of_vector (v : vector) : range :=
  Range (Dyadic (smallest_entry (v_entries v) - v_error v) (- v_scale v))
        (Dyadic (largest_entry (v_entries v) + v_error v) (- v_scale v)).

Lemma range_of_vector_contains (v : vector) (n : nat) (x : nat -> R) (i : nat) :
  approximates_vector v n x -> (i < n)%nat -> contains (range_of_vector v) (x i).
Proof.
  intros [Hlen [_ H]] Hi; specialize (H i Hi); destruct (extremes_spec (v_entries v) i ltac:(lia)) as [Hlo Hhi].
  unfold contains, range_of_vector; cbn [lower upper].
  fold (scaled (v_scale v) (smallest_entry (v_entries v) - v_error v)).
  fold (scaled (v_scale v) (largest_entry (v_entries v) + v_error v)).
  apply (scaled_le (v_scale v)) in Hlo; apply (scaled_le (v_scale v)) in Hhi.
  unfold Z.sub; rewrite !scaled_plus.
  replace (scaled (v_scale v) (- v_error v)) with (- scaled (v_scale v) (v_error v))%R
    by (unfold scaled, value; cbn [mantissa exponent]; rewrite opp_IZR; ring).
  apply Flocq.Core.Raux.Rabs_le_inv in H; lra.
Qed.

(** Entry by entry; the first list may be empty at the start. *)
Fixpoint hull_lists (rs ss : list range) : list range :=
  match rs, ss with r :: rs, t :: ss => range_hull r t :: hull_lists rs ss | _, _ => [] end.

Lemma hull_lists_spec (rs : list range) : forall (ss : list range) (q : nat) (x : R), length ss = length rs ->
  length (hull_lists rs ss) = length rs /\
  ((q < length rs)%nat -> contains (nth q rs (point zero)) x \/ contains (nth q ss (point zero)) x ->
    contains (nth q (hull_lists rs ss) (point zero)) x).
Proof.
  induction rs as [|r rs IH]; intros [|t ss] q x Hlen; try discriminate Hlen; cbn [hull_lists].
  { split; [reflexivity|intro Hq; simpl in Hq; lia]. }
  simpl in Hlen; split; [simpl; destruct (IH ss 0%nat 0%R ltac:(lia)) as [H _]; lia|].
  intros Hq; destruct q as [|q]; cbn [nth]; intro H; [apply contains_hull; exact H|].
  apply (IH ss q x ltac:(lia)); [simpl in Hq; lia|exact H].
Qed.

(** Joins what [of_block first count] says over blocks of [step] tokens; [fuel] blocks at most. *)
Fixpoint over_blocks (of_block : nat -> nat -> option (list range)) (step fuel first left : nat) : option (list range) :=
  match fuel with
  | O => None
  | S fuel =>
      if (left <=? step)%nat then of_block first left
      else
        match of_block first step, over_blocks of_block step fuel (first + step)%nat (left - step)%nat with
        | Some here, Some later => if (length later =? length here)%nat then Some (hull_lists here later) else None
        | _, _ => None
        end
  end.

Theorem over_blocks_sound (of_block : nat -> nat -> option (list range)) (step : nat) (x : nat -> nat -> R) :
  (forall first count rs, of_block first count = Some rs ->
     forall q v, (q < length rs)%nat -> (v < count)%nat -> contains (nth q rs (point zero)) (x q (first + v)%nat)) ->
  forall fuel first left rs, over_blocks of_block step fuel first left = Some rs ->
  forall q v, (q < length rs)%nat -> (v < left)%nat -> contains (nth q rs (point zero)) (x q (first + v)%nat).
Proof.
  intro Hblock; induction fuel as [|fuel IH]; intros first left rs; cbn [over_blocks]; [discriminate|].
  destruct (Nat.leb_spec left step) as [Hlast|Hmore]; [apply Hblock|].
  destruct (of_block first step) as [here|] eqn:Hhere; [|discriminate].
  destruct (over_blocks of_block step fuel (first + step) (left - step)) as [later|] eqn:Hlater; [|discriminate].
  destruct (Nat.eqb_spec (length later) (length here)) as [Hlen|]; [|discriminate].
  intro H; injection H as <-; intros q v Hq Hv.
  destruct (hull_lists_spec here later q (x q (first + v)%nat) Hlen) as [Hlength Hcontains]; rewrite Hlength in Hq.
  apply Hcontains; [exact Hq|].
  destruct (Nat.lt_ge_cases v step) as [Hv'|Hv'].
  - left; apply (Hblock first step here Hhere); assumption.
  - right; replace (first + v)%nat with (first + step + (v - step))%nat by lia.
    apply (IH _ _ later Hlater); lia.
Qed.
