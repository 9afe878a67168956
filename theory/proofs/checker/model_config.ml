(** A config.json, or an object inside one, read key by key. A key whose value is null counts as absent; numbers are the
    nearest binary64. *)

type t = { file : string; prefix : string; members : (string * Json_text.t) list }

let largest_size = 2147483647

let read path =
  match Json_text.read_file ~bare_words:true ~limit:10_000_000 path with
  | Json_text.Object members -> { file = path; prefix = ""; members }
  | _ -> Problem.bad_input path "must hold a JSON object"

let refuse config key format =
  Printf.ksprintf (fun what -> Problem.bad_input config.file "%s%s: %s" config.prefix key what) format

let find config key =
  match List.assoc_opt key config.members with None | Some Json_text.Null -> None | Some value -> Some value

let has config key = find config key <> None

let size_option config key =
  match find config key with
  | None -> None
  | Some value -> (
    match Json_text.natural value with
    | Some n when n >= 1 && n <= largest_size -> Some n
    | _ -> refuse config key "a positive integer up to %d was expected" largest_size)

let size config key =
  match size_option config key with Some n -> n | None -> refuse config key "is missing"

let size_or config key fallback = Option.value (size_option config key) ~default:fallback

let flag config key =
  match find config key with
  | None -> None
  | Some (Json_text.Bool value) -> Some value
  | Some _ -> refuse config key "true or false was expected"

let flag_or config key fallback = Option.value (flag config key) ~default:fallback

let text config key =
  match find config key with
  | None -> None
  | Some (Json_text.String value) -> Some value
  | Some _ -> refuse config key "a string was expected"

(** A number, "Infinity" or { "__float__": "Infinity" }, as a binary64 pattern. *)
let number config key value =
  let text =
    match value with
    | Json_text.Number text -> text
    | Object [ ("__float__", String (("Infinity" | "-Infinity") as word)) ] -> word
    | _ -> refuse config key "a number was expected"
  in
  match Binary64.of_json_number text with
  | Some pattern -> pattern
  | None -> refuse config key "the number %s is not one that binary64 holds" (Problem.quoted text)

(** A finite number above zero, as a pattern; [fallback] is its JSON text. *)
let epsilon_or config key fallback =
  let value = Option.value (find config key) ~default:(Json_text.Number fallback) in
  let pattern = number config key value in
  if Binary64.is_negative pattern || Binary64.is_zero pattern || Binary64.is_infinite pattern then
    refuse config key "a finite number above 0 was expected";
  pattern

(** [multiplied] times the number at [key], in binary64, rounded down. *)
let scaled_size config key fallback multiplied =
  let factor =
    match find config key with
    | None -> fallback
    | Some value -> Int64.float_of_bits (Z.to_int64 (Z.signed_extract (number config key value) 0 64))
  in
  let product = Float.floor (factor *. float_of_int multiplied) in
  if not (product >= 1.0 && product <= float_of_int largest_size) then
    refuse config key "times %d it must be at least 1 and at most %d" multiplied largest_size;
  int_of_float product

(** Clamp of the step size: patterns of lower and upper limit, lower <= upper, 0 <= both; absent: 0, infinity. *)
let step_limits config key =
  match find config key with
  | None -> (Z.zero, Binary64.infinity_pattern)
  | Some (Json_text.List [ lower; upper ]) ->
    let not_below_zero x = if Binary64.is_negative x then Z.zero else x in
    let lower = number config key lower and upper = number config key upper in
    let ordered =
      Binary64.compare_numbers lower upper <= 0
      && Binary64.compare_numbers upper Z.zero >= 0
      && not (Z.equal lower Binary64.infinity_pattern)
    in
    if not ordered then refuse config key "a finite lower limit, not above an upper limit of at least 0, was expected";
    (not_below_zero lower, not_below_zero upper)
  | Some _ -> refuse config key "a list of two numbers was expected"

let require_flag config key expected reason =
  if flag_or config key expected <> expected then refuse config key "is %b; %s" (not expected) reason

let require_silu config key =
  match text config key with
  | None | Some ("silu" | "swish") -> ()
  | Some other -> refuse config key "the activation %s is not supported; silu is" (Problem.quoted other)

let require_divides config key divisor number =
  if number mod divisor <> 0 then refuse config key "%d does not divide %d" divisor number

let object_or_empty config key =
  let prefix = config.prefix ^ key ^ "." in
  match find config key with
  | None -> { config with prefix; members = [] }
  | Some (Json_text.Object members) -> { config with prefix; members }
  | Some _ -> refuse config key "an object was expected"

let is_empty config key =
  match find config key with None | Some (Json_text.List [] | Object []) -> true | Some _ -> false

let refuse_unknown_keys config known =
  let require_known (key, _) =
    if not (List.mem key known) then refuse config (Problem.one_line key) "is an unknown option" in
  List.iter require_known config.members
