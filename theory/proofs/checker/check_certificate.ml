(** One certificate against one model: the files' hashes, what must fit together, and every layer's claims through the
    proved checker. *)

type report = {
  certificate : Certificate.t;
  model : Model.t;
  rows : Coverage.row list;
  left_out : int;  (** layers that the command did not ask for *)
  other_claims : bool;  (** claims of other kinds, which this engine does not check *)
  not_covered : string list;  (** claims and members that this engine does not check, one phrase each *)
}

(** A file to hash, with the digest that it must have and the tensors in it that must be finite; or a layer to check. *)
type task =
  | Hash of string * File_bytes.t * string * Stored_tensor.t list
  | Layer of Certificate.layer * Json_text.t list

let arrays_file (certificate : Certificate.t) =
  let name = fst certificate.arrays in
  if Filename.basename name <> name || List.mem name [ ""; "."; ".." ] then
    Problem.bad_input certificate.file "arrays.file %s is not a plain file name" (Problem.quoted name);
  File_bytes.open_file (Filename.concat (Filename.dirname certificate.file) name)

let tensors_of_file (model : Model.t) (file : File_bytes.t) =
  let add _ (t : Stored_tensor.t) found = if t.file == file then t :: found else found in
  Hashtbl.fold add model.files.tensors []
  |> List.sort (fun (a : Stored_tensor.t) (b : Stored_tensor.t) -> compare a.first b.first)

let hash_tasks (certificate : Certificate.t) (model : Model.t) arrays =
  let task (name, expected) =
    match List.assoc_opt name model.files.weights with
    | Some file -> Hash (name, file, expected, tensors_of_file model file)
    | None -> Hash (name, File_bytes.open_file (Filename.concat model.files.folder name), expected, [])
  in
  Hash (fst certificate.arrays, arrays, snd certificate.arrays, []) :: List.map task certificate.digests

let universal_claims = [ "zeta"; "exponent"; "strict_decay"; "state_bound"; "output_gain" ]

(** Bounds per channel that no claim of their own summarises. *)
let universal_arrays =
  [ "preactivation"; "sustained_preactivation"; "step_size"; "gain.initial"; "gain.x"; "gain.B"; "gain.C"; "gain.step";
    "gain.A_log" ]

(** strict_decay says the sign of the exponent's bound, which was compared: it rests on what the exponent rests on. *)
let with_strict_decay outcomes =
  List.concat_map (fun (outcome : Coverage.outcome) ->
      if outcome.claim = "exponent" then [ outcome; { outcome with claim = "strict_decay" } ] else [ outcome ])
    outcomes

(** A claim or an array that the engine says nothing about must not look checked. *)
let complete (bounds : Certificate.universal) arrays outcomes =
  let is_there name =
    match name with
    | "output_gain" -> bounds.output_gain <> None
    | "sustained_preactivation" -> Layer_arrays.tensor arrays "sustained_preactivation.lower" <> None
    | _ -> true
  in
  let outcome claim =
    match List.find_opt (fun (o : Coverage.outcome) -> o.claim = claim) outcomes with
    | Some found -> found
    | None -> { Coverage.claim; basis = Not_covered "no theorem was applied" }
  in
  let names = List.filter is_there (universal_claims @ universal_arrays) in
  List.map outcome names @ List.filter (fun (o : Coverage.outcome) -> not (List.mem o.claim names)) outcomes

(** Whether the command asks for the bounds of this layer. *)
let is_asked_for (command : Command_line.t) (layer : Certificate.layer) =
  match command.layers with None -> true | Some (first, last) -> first <= layer.index && layer.index <= last

let check_layer command certificate model array_tensors (layer : Certificate.layer) claims =
  let arrays = Layer_arrays.create ~layer:layer.index ~channels:(Model.channels model) array_tensors in
  Layer_numbers.require certificate model arrays layer claims;
  match layer.universal with
  | Some bounds when is_asked_for command layer ->
    let outcomes =
      Adapter.check_layer model arrays layer.index ~over_vocabulary:bounds.over_vocabulary
        ~thorough:certificate.Certificate.thorough
    in
    (layer.index, complete bounds arrays (with_strict_decay outcomes))
  | _ -> (layer.index, [])

let run_task command certificate model array_tensors = function
  | Hash (name, file, expected, tensors) ->
    Model_match.require_digest name expected (File_bytes.sha256 file);
    List.iter Stored_tensor.require_finite tensors;
    None
  | Layer (layer, claims) -> Some (check_layer command certificate model array_tensors layer claims)

(** Arrays of layers that the certificate has no entry for, and other names. *)
let foreign_arrays (certificate : Certificate.t) array_tensors =
  let belongs name =
    List.exists (fun (layer : Certificate.layer) ->
        let prefix = Printf.sprintf "layer.%d." layer.index in
        String.length name > String.length prefix && String.sub name 0 (String.length prefix) = prefix)
      certificate.layers
  in
  Hashtbl.fold (fun name _ found -> if belongs name then found else name :: found) array_tensors [] |> List.sort compare

let counted (certificate : Certificate.t) =
  let count test = List.length (List.filter test certificate.claims) in
  let has name value claim = Json_text.find name claim = Some (Json_text.String value) in
  let phrase n what = if n = 0 then [] else [ Printf.sprintf "%d %s" n what ] in
  phrase (count (fun c -> has "tier" "trajectory" c && has "comparison" "none" c)) "claims about the given sequence"
  @ phrase (count (has "comparison" "policy")) "claims about precision policies"
  @ phrase (count (fun c -> has "comparison" "pair" c || has "comparison" "adapter" c)) "claims about a second model"

let has_witness (layer : Certificate.layer) =
  match layer.universal with Some u -> u.zeta.witness <> None || u.exponent.witness <> None | None -> false

let not_covered (certificate : Certificate.t) array_tensors unread_conditions =
  counted certificate
  @ (if List.exists has_witness certificate.layers then
       [ "that the witnesses' values are reached (they are within the bounds)" ]
     else [])
  @ List.map (fun c -> "the --fail-on condition " ^ Problem.one_line c) unread_conditions
  @ List.map (fun name -> "the array " ^ Problem.one_line name) (foreign_arrays certificate array_tensors)
  @ List.map (fun name -> "the member " ^ name) certificate.unknown

let run (command : Command_line.t) ~progress =
  let certificate = Certificate.read command.certificate in
  let model = Model.open_folder command.model in
  Model_match.require_description certificate model;
  Model_match.require_files certificate model;
  Model_match.require_layers certificate model;
  let unread_conditions = Requirements.require certificate in
  let claims = Model_match.split_claims certificate model in
  let arrays = arrays_file certificate in
  let array_tensors = Hashtbl.create 4096 in
  List.iter (fun (t : Stored_tensor.t) -> Hashtbl.replace array_tensors t.name t) (Safetensors.read arrays);
  let tasks =
    Array.of_list (hash_tasks certificate model arrays @ List.map (fun (layer, own) -> Layer (layer, own)) claims) in
  let results =
    Worker_pool.map ~processes:command.processes ~progress:(fun done_ -> progress done_ (Array.length tasks))
      (Array.length tasks) (fun i -> run_task command certificate model array_tensors tasks.(i))
  in
  let layers = List.filter_map Fun.id (Array.to_list results) in
  let left_out = List.length (List.filter (fun layer -> not (is_asked_for command layer)) certificate.layers) in
  if command.layers <> None && left_out = List.length certificate.layers then
    Problem.usage "--layers: the certificate has no such layer";
  let by_choice =
    if left_out = 0 then []
    else [ Printf.sprintf "the universal bounds of %d layers that --layers leaves out" left_out ] in
  { certificate; model; rows = Coverage.rows (Model.channels model) layers; left_out;
    other_claims = counted certificate <> [] || unread_conditions <> [];
    not_covered = by_choice @ not_covered certificate array_tensors unread_conditions }
