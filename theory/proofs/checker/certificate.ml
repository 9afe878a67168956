(** The JSON of a certificate, read into records. A member that is missing or of another kind is bad input; a number
    whose two texts do not fit together is a rejection. Members that are not known here are named in [unknown]. *)

open Json_text

type rate = { upper : Z.t; channel : int; witness : Z.t option }

type universal = {
  zeta : rate;
  exponent : rate;
  state_bound : Z.t;
  step_size_lower : Z.t;
  output_gain : Z.t option;
  wins : (string * int) list;
  over_vocabulary : bool;
}

type layer = {
  index : int;
  kind : string;
  universal : universal option;
  trajectory : Json_text.t option;
  policies : Json_text.t list;
  pairs : Json_text.t list;
}

type t = {
  file : string;
  json : Json_text.t;
  verdict : string;
  undecided : string list;
  model : Json_text.t;
  digests : (string * string) list;  (** config.json and weights: file, SHA-256 *)
  tier : string;
  thorough : bool;  (** bounds were refined *)
  first_layer : int;
  last_layer : int;
  sequence : Json_text.t option;
  claims : Json_text.t list;
  fail_on : Json_text.t list;
  layers : layer list;
  not_covered : string list;
  arrays : string * string;
  unknown : string list;
}

let malformed file format = Problem.bad_input file format

let get file where name json =
  match find name json with
  | Some value -> value
  | None -> malformed file "%s has no member '%s'" where name

let text file where name json =
  match get file where name json with String s -> s | _ -> malformed file "%s.%s must be a string" where name

let list file where name json =
  match get file where name json with List items -> items | _ -> malformed file "%s.%s must be a list" where name

let natural file where name json =
  match Json_text.natural (get file where name json) with
  | Some n -> n
  | None -> malformed file "%s.%s must be a non-negative integer" where name

let option read file where name json =
  match get file where name json with Null -> None | _ -> Some (read file where name json)

let sentences file where name json =
  let sentence = function String s -> s | _ -> malformed file "%s.%s must hold strings" where name in
  List.map sentence (list file where name json)

(** The pattern of a number { hex, decimal }. *)
let number file where name json =
  match get file where name json with
  | Object [ ("hex", String hex); ("decimal", String _) ] | Object [ ("decimal", String _); ("hex", String hex) ] -> (
    match Binary64.of_hex hex with
    | Some pattern -> pattern
    | None -> Problem.rejected "%s.%s.hex: %s is not the text of a binary64 number" where name (Problem.quoted hex))
  | _ -> malformed file "%s.%s must have hex and decimal and nothing else" where name

(** * Decimals *)

(** Numbers that are proved from below, or reached: their decimals are rounded down. *)
let is_lower_number path =
  match path with
  | ("lower" | "lower_bound" | "witness") :: _ -> true
  | "value" :: "witness" :: _ -> true
  | _ -> false

(** Every { hex, decimal } anywhere: a canonical hexadecimal number and a decimal on its safe side. *)
let rec require_outward path json =
  let where () = String.concat "." (List.rev path) in
  match json with
  | Object members when List.mem_assoc "hex" members || List.mem_assoc "decimal" members -> (
    match List.sort compare members with
    | [ ("decimal", String decimal); ("hex", String hex) ] -> (
      match Binary64.of_hex hex with
      | None -> Problem.rejected "%s.hex: %s is not the text of a binary64 number" (where ()) (Problem.quoted hex)
      | Some pattern ->
        let direction = if is_lower_number path then Binary64.Down else Up in
        if not (Binary64.is_outward direction pattern decimal) then
          Problem.rejected "%s: the decimal %s is not %s its number %s" (where ()) (Problem.quoted decimal)
            (if direction = Up then "at or above" else "at or below") hex)
    | _ -> Problem.rejected "%s must have hex and decimal, both strings, and nothing else" (where ()))
  | Object members -> List.iter (fun (name, value) -> require_outward (name :: path) value) members
  | List items -> List.iteri (fun i item -> require_outward (string_of_int i :: path) item) items
  | _ -> ()

(** * Members that are known *)

let top_members =
  [ "schema_version"; "verdict"; "undecided"; "tool"; "model"; "command"; "date"; "options"; "sequence"; "model2";
    "adapter"; "trace"; "claims"; "fail_on"; "layers"; "not_covered"; "arrays" ]

let claim_members =
  [ "theorem"; "tier"; "comparison"; "method"; "policy"; "layer"; "quantity"; "statement"; "formula"; "domain";
    "soundness"; "verdict"; "bound"; "witness" ]

let optional_claim_members = [ "program"; "reason"; "lower_bound" ]

let layer_members =
  [ "index"; "kind"; "zeta"; "exponent"; "state_bound"; "step_size"; "output_gain"; "relaxation_wins"; "trajectory";
    "policies"; "pairs" ]

let optional_layer_members = [ "complete"; "domain" ]

(** Requires [required]; names what is neither there nor in [optional]. *)
let unknown_members file where required optional json =
  List.iter (fun name -> ignore (get file where name json)) required;
  match json with
  | Object members ->
    let is_unknown (name, _) = not (List.mem name required || List.mem name optional) in
    List.map (fun (name, _) -> where ^ "." ^ Problem.one_line ~limit:80 name) (List.filter is_unknown members)
  | _ -> malformed file "%s must be an object" where

(** * Layers *)

let read_rate file where name json =
  let rate = get file where name json in
  let where = where ^ "." ^ name in
  let witness = option number file where "witness" rate in
  { upper = number file where "upper" rate; channel = natural file where "channel" rate; witness }

let read_wins file where json =
  match get file where "relaxation_wins" json with
  | Object members ->
    List.map (fun (name, value) ->
        match Json_text.natural value with
        | Some n when n > 0 -> (name, n)
        | _ -> malformed file "%s.relaxation_wins.%s must be a positive integer" where (Problem.one_line name))
      members
  | _ -> malformed file "%s.relaxation_wins must be an object" where

let universal_names = [ "zeta"; "exponent"; "state_bound"; "step_size" ]

let read_universal file where json =
  let present = List.filter (fun name -> get file where name json <> Null) universal_names in
  if present = [] then begin
    if get file where "output_gain" json <> Null || read_wins file where json <> [] then
      malformed file "%s has universal bounds, but no zeta" where;
    None
  end
  else if present <> universal_names then malformed file "%s has a part of the universal bounds" where
  else
    let over_vocabulary =
      match text file where "domain" json with
      | "real" -> false
      | "vocabulary" -> true
      | other -> malformed file "%s.domain is %s" where (Problem.quoted other)
    in
    Some
      { zeta = read_rate file where "zeta" json; exponent = read_rate file where "exponent" json;
        state_bound = number file where "state_bound" json;
        step_size_lower = number file (where ^ ".step_size") "lower" (get file where "step_size" json);
        output_gain = option number file where "output_gain" json; wins = read_wins file where json; over_vocabulary }

let read_layer file i json =
  let where = Printf.sprintf "layers[%d]" i in
  { index = natural file where "index" json; kind = text file where "kind" json;
    universal = read_universal file where json; trajectory = option get file where "trajectory" json;
    policies = list file where "policies" json; pairs = list file where "pairs" json }

(** * The whole *)

let read_digest file where json =
  let digest = text file where "sha256" json in
  let is_hexadecimal c = Json_text.is_digit c || (c >= 'a' && c <= 'f') in
  if not (String.length digest = 64 && String.for_all is_hexadecimal digest) then
    malformed file "%s.sha256 must be 64 lower-case hexadecimal digits" where;
  (text file where "file" json, digest)

let indexed name read items = List.mapi (fun i item -> read (Printf.sprintf "%s[%d]" name i) item) items

let read path =
  let json = Json_text.read_file ~limit:1_000_000_000 path in
  let file = path in
  let unknown = unknown_members file "certificate" top_members [] json in
  if Json_text.natural (get file "certificate" "schema_version" json) <> Some 1 then
    malformed file "schema_version is not 1";
  let top = "certificate" in
  let model = get file top "model" json in
  let options = get file top "options" json in
  let range = get file "options" "layers" options in
  let claims = list file top "claims" json and layers = list file top "layers" json in
  let unknown_in required optional where item = unknown_members file where required optional item in
  let unknown =
    unknown
    @ List.concat (indexed "claims" (unknown_in claim_members optional_claim_members) claims)
    @ List.concat (indexed "layers" (unknown_in layer_members optional_layer_members) layers)
  in
  require_outward [] json;
  { file; json; verdict = text file top "verdict" json; undecided = sentences file top "undecided" json; model;
    digests = indexed "model.files" (read_digest file) (list file "model" "files" model);
    tier = text file "options" "tier" options; thorough = text file "options" "effort" options = "thorough";
    first_layer = natural file "options.layers" "first" range;
    last_layer = natural file "options.layers" "last" range; sequence = option get file top "sequence" json; claims;
    fail_on = list file top "fail_on" json; layers = List.mapi (read_layer file) layers;
    not_covered = sentences file top "not_covered" json;
    arrays = read_digest file "arrays" (get file top "arrays" json);
    unknown }
