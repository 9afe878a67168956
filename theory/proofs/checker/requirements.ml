(** The outcomes of --fail-on conditions and the overall verdict, recomputed from a certificate's layers and claims. *)

open Json_text

(** A bound or number on a line with both infinities. *)
type extended = Minus_infinity | Finite of Q.t | Plus_infinity

let extended_of pattern =
  if Binary64.is_infinite pattern then if Binary64.is_negative pattern then Minus_infinity else Plus_infinity
  else Finite (Binary64.rational pattern)

let compare_extended a b =
  match (a, b) with
  | Finite x, Finite y -> Q.compare x y
  | _ ->
    let place = function Minus_infinity -> -1 | Finite _ -> 0 | Plus_infinity -> 1 in
    compare (place a) (place b)

(** [+-] and up to four digits. *)
let exponent_of_text text =
  let signed = text <> "" && (text.[0] = '-' || text.[0] = '+') in
  let digits = if signed then String.sub text 1 (String.length text - 1) else text in
  if not (Binary64.all_digits digits && String.length digits <= 4) then None
  else Some (if text.[0] = '-' then -int_of_string digits else int_of_string digits)

(** [+-] digits [. digits] [e [+-] digits] or an infinity; None for other spellings, hexadecimal ones included. *)
let number_of_text text =
  let negative = text <> "" && text.[0] = '-' in
  let signed = text <> "" && (text.[0] = '-' || text.[0] = '+') in
  let unsigned = if signed then String.sub text 1 (String.length text - 1) else text in
  match String.lowercase_ascii unsigned with
  | "inf" | "infinity" -> Some (if negative then Minus_infinity else Plus_infinity)
  | lower -> (
    let mantissa, exponent =
      match String.index_opt lower 'e' with
      | None -> (lower, Some 0)
      | Some at ->
        (String.sub lower 0 at, exponent_of_text (String.sub lower (at + 1) (String.length lower - at - 1)))
    in
    match (String.split_on_char '.' mantissa, exponent) with
    | ([ _ ] | [ _; _ ] as parts), Some exponent
      when Binary64.all_digits (String.concat "" parts) && String.length mantissa <= 1100 ->
      let places = match parts with [ _; after ] -> String.length after | _ -> 0 in
      let digits = Q.of_bigint (Z.of_string (String.concat "" parts)) in
      let ten_to k = Q.of_bigint (Z.pow (Z.of_int 10) k) in
      let power = exponent - places in
      let value = if power >= 0 then Q.mul digits (ten_to power) else Q.div digits (ten_to (-power)) in
      Some (Finite (if negative then Q.neg value else value))
    | _ -> None)

type condition = { quantity : string; comparison : string; number : extended }

let operators = [ ">="; "<="; "=="; "!="; ">"; "<" ]

(** None where the text is not a condition whose number can be read here. *)
let parse text =
  let is_operator i = String.contains "<>=!" text.[i] in
  match List.find_opt is_operator (List.init (String.length text) Fun.id) with
  | Some at ->
    let rest = String.sub text at (String.length text - at) in
    let is_prefix sign = String.length rest >= String.length sign && String.sub rest 0 (String.length sign) = sign in
    Option.bind (List.find_opt is_prefix operators) (fun comparison ->
        let skipped = String.length comparison in
        let number = number_of_text (String.sub rest skipped (String.length rest - skipped)) in
        Option.map (fun number -> { quantity = String.sub text 0 at; comparison; number }) number)
  | _ -> None

let holds condition pattern =
  let order = compare_extended (extended_of pattern) condition.number in
  match condition.comparison with
  | ">=" -> order >= 0
  | ">" -> order > 0
  | "<=" -> order <= 0
  | "<" -> order < 0
  | "==" -> order = 0
  | _ -> order <> 0

(** What the bound [upper] and the largest reached value establish about the condition's negation. *)
let verdict condition upper witness =
  let holds_for_bound = holds condition upper in
  match condition.comparison with
  | ">=" | ">" ->
    if not holds_for_bound then "proven"
    else if Option.fold ~none:false ~some:(holds condition) witness then "refuted"
    else "undecided"
  | "<=" | "<" ->
    if holds_for_bound then "refuted"
    else if Option.fold ~none:false ~some:(fun w -> not (holds condition w)) witness then "proven"
    else "undecided"
  | _ -> if holds_for_bound then "refuted" else "proven"

(** The largest upper bound over the layers, the first layer that has it, and the largest reached value. *)
let value quantity (layers : Certificate.layer list) =
  let consider found (layer : Certificate.layer) =
    match layer.universal with
    | None -> found
    | Some bounds ->
      let upper, reached =
        match quantity with
        | "zeta" -> (bounds.zeta.upper, bounds.zeta.witness)
        | "exponent" -> (bounds.exponent.upper, bounds.exponent.witness)
        | _ -> (bounds.state_bound, None)
      in
      let larger a b = match (a, b) with
        | Some x, Some y -> if Binary64.compare_numbers y x > 0 then b else a
        | None, other | other, None -> other
      in
      match found with
      | Some (best, _, witness) when Binary64.compare_numbers upper best <= 0 ->
        Option.map (fun (u, l, _) -> (u, l, larger witness reached)) found
      | Some (_, _, witness) -> Some (upper, layer.index, larger witness reached)
      | None -> Some (upper, layer.index, reached)
  in
  List.fold_left consider None layers

(** Rejects an outcome that differs from the recomputed one; true where it could be recomputed. *)
let require_outcome (certificate : Certificate.t) i outcome =
  let file = certificate.file and where = Printf.sprintf "fail_on[%d]" i in
  let text = Certificate.text file where "condition" outcome in
  match parse text with
  | Some ({ quantity = "zeta" | "exponent" | "state_bound"; _ } as condition) -> (
    match value condition.quantity certificate.layers with
    | None -> Problem.rejected "%s: no layer has a bound of %s" where condition.quantity
    | Some (upper, layer, witness) ->
      let expected =
        Object
          [ ("value", Expected_claims.number upper); ("layer", Expected_claims.number_of_index layer);
            ("holds", Bool (holds condition upper));
            ("witness", Option.fold ~none:Null ~some:Expected_claims.number witness);
            ("verdict", String (verdict condition upper witness)) ]
      in
      Option.iter (Problem.rejected "%s") (Expected_claims.difference where expected outcome);
      true)
  | Some condition ->
    let holds_for_value = holds condition (Certificate.number file where "value" outcome) in
    if find "holds" outcome <> Some (Bool holds_for_value) then
      Problem.rejected "%s: %s is %b for its value" where (Problem.one_line text) holds_for_value;
    false
  | None -> false

(** * The overall verdict *)

let member name json = match find name json with Some (String text) -> text | _ -> ""

let undecided_claim claim =
  if member "verdict" claim <> "undecided" then None
  else
    let place =
      match find "layer" claim with Some (Number index) -> "layer " ^ index | _ -> "all layers" in
    let parts = List.filter (( <> ) "") [ member "policy" claim; member "method" claim ] in
    let name = String.concat ", "
        ([ member "theorem" claim; member "tier" claim ^ " tier"; place; member "quantity" claim ] @ parts) in
    Some (name ^ ": " ^ member "reason" claim)

let undecided_condition file i outcome =
  if member "verdict" outcome <> "undecided" then None
  else
    let where = Printf.sprintf "fail_on[%d]" i in
    let text = member "condition" outcome in
    let value = Expected_claims.short_upper (Certificate.number file where "value" outcome) in
    let counts = String.length text >= 13 && String.sub text 0 13 = "uninformative" in
    Some
      (if counts then
         Printf.sprintf "--fail-on %s: %s bounds are as large as what they bound the change of, and decide nothing."
           text value
       else
         Printf.sprintf "--fail-on %s: the bound %s in layer %d does not settle whether the real quantity meets it."
           text value (Certificate.natural file where "layer" outcome))

(** Rejects a verdict or a list of undecided claims that the claims do not imply; returns conditions not recomputed. *)
let require (certificate : Certificate.t) =
  let outcomes = certificate.fail_on in
  let recomputed = List.mapi (require_outcome certificate) outcomes in
  let verdicts = List.map (member "verdict") (certificate.claims @ outcomes) in
  let known v = List.mem v [ "proven"; "refuted"; "undecided" ] in
  if not (List.for_all known verdicts) then Problem.bad_input certificate.file "a claim has an unknown verdict";
  let expected =
    if List.mem "refuted" verdicts then "refuted"
    else if List.mem "undecided" verdicts then "undecided"
    else "proven"
  in
  if certificate.verdict <> expected then
    Problem.rejected "verdict: %s, where the claims imply %s" (Problem.quoted certificate.verdict) expected;
  let sentences =
    List.filter_map undecided_claim certificate.claims
    @ List.filter_map Fun.id (List.mapi (undecided_condition certificate.file) outcomes)
  in
  if sentences <> certificate.undecided then
    Problem.rejected "undecided: the list is not that of the undecided claims (%d sentences, expected %d)"
      (List.length certificate.undecided) (List.length sentences);
  let unread recomputed outcome = if recomputed then None else Some (member "condition" outcome) in
  List.filter_map Fun.id (List.map2 unread recomputed outcomes)
