(** The certificate is about this model: description, files, and their SHA-256; and its layers and claims are those of
    one run. *)

open Json_text

let weight_types (model : Model.t) =
  Hashtbl.fold (fun _ (t : Stored_tensor.t) types -> Stored_tensor.format_name t.format :: types) model.files.tensors []
  |> List.sort_uniq compare

let require_description (certificate : Certificate.t) (model : Model.t) =
  let number n = Number (string_of_int n) in
  let expected =
    Object
      [ ("family", String model.family); ("layout", String model.layout); ("layers", number model.layers);
        ("d_model", number model.d_model); ("vocabulary", number model.vocabulary);
        ("weight_types", List (List.map (fun name -> String name) (weight_types model))) ]
  in
  Option.iter (fun difference -> Problem.rejected "%s" difference)
    (Expected_claims.difference "model" expected certificate.model)

(** config.json, the index where there is one, every weight file; each exactly once, in the certificate's order. *)
let files (model : Model.t) =
  ("config.json" :: Option.to_list model.files.index) @ List.map fst model.files.weights

let require_files (certificate : Certificate.t) model =
  let named = List.map fst certificate.digests and found = files model in
  if named <> found then
    Problem.rejected "model.files: names %s, where the model has %s" (Problem.one_line (String.concat ", " named))
      (Problem.one_line (String.concat ", " found))

let require_digest name expected found =
  if found <> expected then
    Problem.rejected "%s: its SHA-256 is %s, but the certificate was made for %s" (Problem.one_line name) found expected

let kind_name (model : Model.t) = match model.kind with Mamba1 _ -> "mamba1" | Mamba2 _ -> "mamba2"

(** Layers in increasing order within the range that was asked for, all of them where the universal tier was. *)
let require_layers (certificate : Certificate.t) (model : Model.t) =
  let file = certificate.file in
  let first = certificate.first_layer and last = certificate.last_layer in
  if first > last || last >= model.layers then
    Problem.bad_input file "options.layers is not a range of the model's layers";
  if not (List.mem certificate.tier [ "universal"; "trajectory"; "both" ]) then
    Problem.bad_input file "options.tier is %s" (Problem.quoted certificate.tier);
  let require_next next (layer : Certificate.layer) =
    if layer.index < next || layer.index > last then
      Problem.rejected "layers: layer %d is out of order or was not asked for" layer.index;
    if layer.kind <> kind_name model then
      Problem.rejected "layer %d, kind: %s, where the model has %s" layer.index (Problem.quoted layer.kind)
        (kind_name model);
    if (layer.universal <> None) <> (certificate.tier <> "trajectory") then
      Problem.rejected "layer %d: universal bounds do not fit the tier %s" layer.index certificate.tier;
    if layer.trajectory <> None && certificate.tier = "universal" then
      Problem.rejected "layer %d: a trajectory does not fit the tier universal" layer.index;
    (match layer.universal with
     | Some { over_vocabulary = true; _ } when layer.index > 0 ->
       Problem.rejected "layer %d, domain: only the first layer reads embeddings" layer.index
     | _ -> ());
    layer.index + 1
  in
  ignore (List.fold_left require_next first certificate.layers);
  if certificate.layers = [] then Problem.rejected "layers: there is none";
  if certificate.tier <> "trajectory" && List.length certificate.layers <> last - first + 1 then
    Problem.rejected "layers: %d entries for layers %d to %d" (List.length certificate.layers) first last

(** The two structural claims, then each layer's; returns the latter by layer. *)
let split_claims (certificate : Certificate.t) model =
  let structural = List.map Expected_claims.json_of (Expected_claims.structural model) in
  let rec split expected claims =
    match (expected, claims) with
    | [], rest -> rest
    | claim :: expected, found :: rest -> (
      match Expected_claims.difference "claim" claim found with
      | None -> split expected rest
      | Some difference -> Problem.rejected "structural claims: %s" difference)
    | _, [] -> Problem.rejected "structural claims: one is missing"
  in
  let index_of claim = match find "layer" claim with Some value -> Json_text.natural value | None -> None in
  let rec by_layer (layers : Certificate.layer list) claims =
    match layers with
    | [] ->
      if claims <> [] then Problem.rejected "claims: %d are out of order or of no layer" (List.length claims);
      []
    | layer :: rest ->
      let rec take taken = function
        | claim :: claims when index_of claim = Some layer.index -> take (claim :: taken) claims
        | claims -> (List.rev taken, claims)
      in
      let own, others = take [] claims in
      (layer, own) :: by_layer rest others
  in
  by_layer certificate.layers (split structural certificate.claims)
