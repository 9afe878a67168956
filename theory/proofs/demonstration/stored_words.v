(** Rows of 32-bit words as literals: 0x3f800000_bf000000 of type [row], eight hexadecimal digits a word, the first word
    first. A literal is a chain of digits and nothing else: an integer, one constructor a bit, takes four times as long
    to read. *)
From Coq Require Import ZArith List.
Import ListNotations.

Inductive row : Set := Row (digits : Hexadecimal.uint).

Definition row_of_number (n : Number.uint) : option row :=
  match n with Number.UIntHexadecimal digits => Some (Row digits) | Number.UIntDecimal _ => None end.
Definition number_of_row (r : row) : option Number.uint :=
  match r with Row digits => Some (Number.UIntHexadecimal digits) end.

Declare Scope row_scope.
Delimit Scope row_scope with row.
Bind Scope row_scope with row.
Number Notation row row_of_number number_of_row : row_scope.

Open Scope Z_scope.

Fixpoint digit_values (digits : Hexadecimal.uint) : list Z :=
  match digits with
  | Hexadecimal.Nil => []
  | Hexadecimal.D0 ds => 0 :: digit_values ds | Hexadecimal.D1 ds => 1 :: digit_values ds
  | Hexadecimal.D2 ds => 2 :: digit_values ds | Hexadecimal.D3 ds => 3 :: digit_values ds
  | Hexadecimal.D4 ds => 4 :: digit_values ds | Hexadecimal.D5 ds => 5 :: digit_values ds
  | Hexadecimal.D6 ds => 6 :: digit_values ds | Hexadecimal.D7 ds => 7 :: digit_values ds
  | Hexadecimal.D8 ds => 8 :: digit_values ds | Hexadecimal.D9 ds => 9 :: digit_values ds
  | Hexadecimal.Da ds => 10 :: digit_values ds | Hexadecimal.Db ds => 11 :: digit_values ds
  | Hexadecimal.Dc ds => 12 :: digit_values ds | Hexadecimal.Dd ds => 13 :: digit_values ds
  | Hexadecimal.De ds => 14 :: digit_values ds | Hexadecimal.Df ds => 15 :: digit_values ds
  end.

(** Every eight digits as an integer below 2^32: the bit patterns. *)
Fixpoint words_of_digits (ds : list Z) : list Z :=
  match ds with
  | a :: b :: c :: d :: e :: f :: g :: h :: ds =>
      16 * (16 * (16 * (16 * (16 * (16 * (16 * a + b) + c) + d) + e) + f) + g) + h :: words_of_digits ds
  | _ => []
  end.

Definition patterns (r : row) : list Z := match r with Row digits => words_of_digits (digit_values digits) end.

(** Row k of a tensor. *)
Definition row_patterns (tensor : list row) (k : nat) : list Z := patterns (nth k tensor (Row Hexadecimal.Nil)).

Example first_word_first : patterns 0x3f800000_80000001 = [0x3f800000; 0x80000001].
Proof. reflexivity. Qed.
