(** Binary64 numbers as 64-bit patterns in exact integers: their order, their value, and the texts that a certificate
    writes for them. No floating-point operation is used. *)

type t = Z.t  (** 0 <= pattern < 2^64 *)

let power2 k = Z.shift_left Z.one k
let sign_bit = power2 63
let infinity_pattern = Z.shift_left (Z.of_int 0x7ff) 52
let negative_infinity_pattern = Z.add sign_bit infinity_pattern

let is_negative (x : t) = Z.geq x sign_bit
let magnitude (x : t) = if is_negative x then Z.sub x sign_bit else x
let is_nan (x : t) = Z.gt (magnitude x) infinity_pattern
let is_infinite (x : t) = Z.equal (magnitude x) infinity_pattern
let is_zero (x : t) = Z.equal (magnitude x) Z.zero

(** Increases with the number; equal for both zeros. Not for NaN. *)
let order_key (x : t) = if is_negative x then Z.neg (magnitude x) else magnitude x

let compare_numbers x y = Z.compare (order_key x) (order_key y)
let equal_numbers x y = compare_numbers x y = 0

(** Mantissa and exponent of the exact value of a finite number. *)
let mantissa_and_exponent (x : t) =
  let field = Z.to_int (Z.shift_right (magnitude x) 52) in
  let fraction = Z.logand x (Z.pred (power2 52)) in
  let unsigned = if field = 0 then fraction else Z.add fraction (power2 52) in
  ((if is_negative x then Z.neg unsigned else unsigned), max field 1 - 1075)

let rational x =
  let mantissa, exponent = mantissa_and_exponent x in
  if exponent >= 0 then Q.of_bigint (Z.shift_left mantissa exponent) else Q.make mantissa (power2 (-exponent))

(** * Hexadecimal text: the one spelling of std::to_chars, with "0x" and with "0x0p+0" for both zeros *)

let to_hex x =
  let sign = if is_negative x then "-" else "" in
  if is_nan x then "nan"
  else if is_zero x then "0x0p+0"
  else if is_infinite x then sign ^ "inf"
  else begin
    let field = Z.to_int (Z.shift_right (magnitude x) 52) in
    let fraction = Z.logand x (Z.pred (power2 52)) in
    let digits = Printf.sprintf "%013x" (Z.to_int fraction) in
    let rec trimmed n = if n > 0 && digits.[n - 1] = '0' then trimmed (n - 1) else String.sub digits 0 n in
    let kept = trimmed 13 in
    Printf.sprintf "%s0x%d%sp%+d" sign (min field 1) (if kept = "" then "" else "." ^ kept) (max field 1 - 1023)
  end

(** sign, "0x", one digit, digits after the point, exponent; None where the text has another form. *)
let split_hex text =
  try Scanf.sscanf text "%[-]0x%[01]%[.]%[0-9a-f]p%[+-]%[0-9]%!" (fun a b c d e f -> Some (a, b, c, d, e, f))
  with Scanf.Scan_failure _ | End_of_file | Failure _ -> None

(** The number with exactly this hexadecimal text. *)
let of_hex text =
  let candidate =
    match text with
    | "inf" -> Some infinity_pattern
    | "-inf" -> Some negative_infinity_pattern
    | "0x0p+0" -> Some Z.zero
    | _ -> (
      match split_hex text with
      | Some (sign, lead, _, digits, exponent_sign, exponent)
        when String.length digits <= 13 && lead <> "" && exponent <> "" && String.length exponent <= 4 ->
        let fraction = Z.of_string_base 16 (digits ^ String.make (13 - String.length digits) '0') in
        let exponent = int_of_string exponent * if exponent_sign = "-" then -1 else 1 in
        let field = if lead = "1" then exponent + 1023 else 0 in
        if field < 0 || field > 2046 then None
        else
          let unsigned = Z.add (Z.shift_left (Z.of_int field) 52) fraction in
          Some (if sign = "" then unsigned else Z.add sign_bit unsigned)
      | _ -> None)
  in
  match candidate with Some x when to_hex x = text -> Some x | _ -> None

(** * Decimal text *)

let all_digits text = text <> "" && String.for_all Json_text.is_digit text

(** -? digits (. digits)? (e [+-] two or three digits)?, exactly. *)
let rational_of_decimal text =
  let negative = text <> "" && text.[0] = '-' in
  let text = if negative then String.sub text 1 (String.length text - 1) else text in
  let before, exponent =
    match String.index_opt text 'e' with
    | None -> (text, Some 0)
    | Some at ->
      let rest = String.sub text (at + 1) (String.length text - at - 1) in
      let digits = if rest = "" then "" else String.sub rest 1 (String.length rest - 1) in
      let well_formed = all_digits digits && (String.length digits = 2 || String.length digits = 3) in
      ( String.sub text 0 at,
        match rest with
        | "" -> None
        | _ when not well_formed -> None
        | _ when rest.[0] = '+' -> Some (int_of_string digits)
        | _ when rest.[0] = '-' -> Some (-int_of_string digits)
        | _ -> None )
  in
  let parts = String.split_on_char '.' before in
  match (parts, exponent) with
  | _, None -> None
  | ([ _ ] | [ _; _ ]), Some exponent when List.for_all all_digits parts ->
    let digits = Z.of_string (String.concat "" parts) in
    let fractional = match parts with [ _; after ] -> String.length after | _ -> 0 in
    let power = exponent - fractional in
    let ten_to k = Z.pow (Z.of_int 10) k in
    let unsigned = if power >= 0 then Q.of_bigint (Z.mul digits (ten_to power)) else Q.make digits (ten_to (-power)) in
    Some (if negative then Q.neg unsigned else unsigned)
  | _ -> None

type direction = Down | Up

(** Whether a decimal text is the number or lies on its safe side. *)
let is_outward direction x decimal =
  if is_infinite x then decimal = if is_negative x then "-inf" else "inf"
  else
    match rational_of_decimal decimal with
    | None -> false
    | Some shown ->
      let order = Q.compare shown (rational x) in
      if direction = Up then order >= 0 else order <= 0

(** "d.ddd" times ten to the exponent, or positional where that is short. *)
let lay_out digits exponent =
  let count = String.length digits in
  if exponent < -5 || exponent > 16 then
    Printf.sprintf "%s%s%s%se%s%02d" (String.sub digits 0 1)
      (if count > 1 then "." else "")
      (String.sub digits 1 (count - 1))
      ""
      (if exponent < 0 then "-" else "+")
      (abs exponent)
  else if exponent < 0 then "0." ^ String.make (-exponent - 1) '0' ^ digits
  else if count <= exponent + 1 then digits ^ String.make (exponent + 1 - count) '0'
  else String.sub digits 0 (exponent + 1) ^ "." ^ String.sub digits (exponent + 1) (count - exponent - 1)

(** The nearest decimal number of that many digits on the safe side. *)
let to_decimal direction ~digits x =
  if is_infinite x then if is_negative x then "-inf" else "inf"
  else if is_zero x then "0"
  else begin
    let negative = is_negative x in
    let size = Q.abs (rational x) in
    let away_from_zero = (direction = Up) <> negative in
    let ten_to k =
      if k >= 0 then Q.of_bigint (Z.pow (Z.of_int 10) k) else Q.make Z.one (Z.pow (Z.of_int 10) (-k)) in
    let rec leading_exponent e =
      if Q.lt size (ten_to e) then leading_exponent (e - 1)
      else if Q.geq size (ten_to (e + 1)) then leading_exponent (e + 1)
      else e
    in
    let bits = Z.numbits (Q.num size) - Z.numbits (Q.den size) in
    let exponent = leading_exponent (bits * 30103 / 100000) in
    let scaled = Q.mul size (ten_to (digits - 1 - exponent)) in
    let whole = (if away_from_zero then Z.cdiv else Z.fdiv) (Q.num scaled) (Q.den scaled) in
    let carried = Z.equal whole (Z.pow (Z.of_int 10) digits) in
    let text = Z.to_string whole in
    let rec trimmed n = if n > 1 && text.[n - 1] = '0' then trimmed (n - 1) else String.sub text 0 n in
    (if negative then "-" else "") ^ lay_out (trimmed (String.length text)) (if carried then exponent + 1 else exponent)
  end

let of_float value : t =
  let bits = Int64.bits_of_float value in
  if Int64.compare bits 0L >= 0 then Z.of_int64 bits else Z.add (Z.of_int64 bits) (power2 64)

(** The nearest binary64 to a JSON number (C's strtod), "Infinity" and "-Infinity" included; None for NaN and for what
    rounds to an infinity. *)
let of_json_number text =
  match text with
  | "Infinity" -> Some infinity_pattern
  | "-Infinity" -> Some negative_infinity_pattern
  | _ -> (
    match float_of_string_opt text with
    | Some value when Float.is_finite value -> Some (of_float value)
    | _ -> None)
