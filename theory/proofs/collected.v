(** Lists made entry by entry, each of which may fail; sums of dyadic numbers. *)
From Coq Require Import ZArith Reals Lra Lia List.
From Lyap Require Import finite_sums dyadic quantised_products.
Import ListNotations.

(** f first, f (first + 1), .. when none fails. *)
Fixpoint collect {A : Type} (f : nat -> option A) (first count : nat) : option (list A) :=
  match count with
  | O => Some []
  | S count =>
      match f first, collect f (S first) count with
      | Some x, Some rest => Some (x :: rest)
      | _, _ => None
      end
  end.

Lemma collect_sound {A : Type} (f : nat -> option A) (default : A) (count : nat) : forall (first : nat) (xs : list A),
  collect f first count = Some xs ->
  length xs = count /\ forall i, (i < count)%nat -> f (first + i)%nat = Some (nth i xs default).
Proof.
  induction count as [|count IH]; intros first xs; cbn [collect].
  { intro H; injection H as <-; split; [reflexivity|intros; lia]. }
  destruct (f first) as [x|] eqn:Hx; [|discriminate].
  destruct (collect f (S first) count) as [rest|] eqn:Hrest; [|discriminate].
  intro H; injection H as <-; destruct (IH _ _ Hrest) as [Hlen Hall]; split; [simpl; lia|].
  intros [|i] Hi; cbn [nth]; [rewrite Nat.add_0_r; exact Hx|].
  replace (first + S i)%nat with (S first + i)%nat by lia; apply Hall; lia.
Qed.

Fixpoint sum_of_dyadics (xs : list dyadic) : dyadic := match xs with [] => zero | x :: xs => add x (sum_of_dyadics xs) end.

Lemma sum_of_dyadics_value (xs : list dyadic) :
  value (sum_of_dyadics xs) = sum (length xs) (fun i => value (nth i xs zero)).
Proof.
  induction xs as [|x xs IH]; cbn [sum_of_dyadics length]; [cbn [sum]; apply value_zero|].
  rewrite value_add, IH, sum_first; reflexivity.
Qed.
