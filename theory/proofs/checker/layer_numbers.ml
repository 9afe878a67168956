(** The numbers that a certificate's JSON gives for a layer are those of its arrays. *)

open Json_text
open Certificate

let differs (layer : layer) what shown expected =
  Problem.rejected "layer %d, %s: the JSON says %s, but the arrays imply %s" layer.index what shown expected

let require_equal layer what json arrays =
  if not (Binary64.equal_numbers json arrays) then differs layer what (Binary64.to_hex json) (Binary64.to_hex arrays)

let largest arrays name =
  match Layer_arrays.largest (Layer_arrays.get arrays name) with
  | Some found -> found
  | None -> Problem.rejected "layer %d, %s: has no number" arrays.Layer_arrays.layer name

let require_rate layer arrays name (rate : rate) =
  let channel, upper = largest arrays (name ^ ".upper") in
  require_equal layer (name ^ ".upper") rate.upper upper;
  if rate.channel <> channel then
    differs layer (name ^ ".channel") (string_of_int rate.channel) (string_of_int channel);
  match (rate.witness, Layer_arrays.largest (Layer_arrays.get arrays (name ^ ".witness"))) with
  | None, None -> ()
  | Some json, Some (_, found) -> require_equal layer (name ^ ".witness") json found
  | _ -> Problem.rejected "layer %d, %s.witness: is in one of JSON and arrays only" layer.index name

let require_wins (layer : layer) arrays (bounds : universal) =
  let counts = Array.make (Array.length Layer_arrays.relaxations) 0 in
  let count code = counts.(Z.to_int code) <- counts.(Z.to_int code) + 1 in
  Array.iter count (Layer_arrays.get arrays "relaxation");
  let named = Array.map2 (fun name n -> (name, n)) Layer_arrays.relaxations counts in
  let found = List.filter (fun (_, n) -> n > 0) (Array.to_list named) in
  if List.sort compare bounds.wins <> List.sort compare found then
    differs layer "relaxation_wins" "other counts"
      (String.concat ", " (List.map (fun (name, n) -> Printf.sprintf "%s %d" name n) found))

let require_universal (layer : layer) arrays bounds =
  require_rate layer arrays "zeta" bounds.zeta;
  require_rate layer arrays "exponent" bounds.exponent;
  require_equal layer "state_bound" bounds.state_bound (snd (largest arrays "state_bound.upper"));
  require_equal layer "step_size.lower" bounds.step_size_lower
    (Layer_arrays.smallest (Layer_arrays.get arrays "step_size.lower"));
  (match (bounds.output_gain, Layer_arrays.tensor arrays "output_gain.upper") with
   | None, None -> ()
   | Some json, Some _ -> require_equal layer "output_gain" json (snd (largest arrays "output_gain.upper"))
   | _ -> Problem.rejected "layer %d, output_gain: is in one of JSON and arrays only" layer.index);
  require_wins layer arrays bounds

(** * Trajectory tier *)

let probabilities = [ "0.0"; "0.05"; "0.25"; "0.5"; "0.75"; "0.95"; "1.0" ]

let require_quantile file (layer : layer) lower upper i quantile =
  let where = Printf.sprintf "trajectory.quantiles[%d]" i in
  let probability =
    match find "probability" quantile with
    | Some (Number text) -> float_of_string text
    | _ -> malformed file "%s has no probability" where
  in
  if probability <> float_of_string (List.nth probabilities i) then
    differs layer where (string_of_float probability) (List.nth probabilities i);
  let k = int_of_float (Float.round (probability *. float_of_int (Array.length lower - 1))) in
  require_equal layer (where ^ ".lower") (number file where "lower" quantile) lower.(k);
  require_equal layer (where ^ ".upper") (number file where "upper" quantile) upper.(k)

let sorted patterns =
  let copy = Array.copy patterns in
  Array.sort Binary64.compare_numbers copy;
  copy

let require_trajectory file (layer : layer) arrays json =
  let where = "trajectory" in
  let lower = sorted (Layer_arrays.get arrays "trajectory.exponent.lower") in
  let upper = sorted (Layer_arrays.get arrays "trajectory.exponent.upper") in
  let exponents = natural file where "exponents" json in
  if exponents <> Array.length upper || exponents = 0 then
    differs layer "trajectory.exponents" (string_of_int exponents) (string_of_int (Array.length upper));
  let quantiles = list file where "quantiles" json in
  if List.length quantiles <> List.length probabilities then
    malformed file "layer %d: trajectory.quantiles must have %d entries" layer.index (List.length probabilities);
  List.iteri (require_quantile file layer lower upper) quantiles;
  let sizes name = Array.map Binary64.magnitude (Layer_arrays.get arrays name) in
  let larger a b = if Z.gt a b then a else b in
  let largest = Array.fold_left larger Z.zero
      (Array.append (sizes "trajectory.final_state.lower") (sizes "trajectory.final_state.upper")) in
  require_equal layer "trajectory.state_upper" (number file where "state_upper" json) largest

(** * Deviations *)

let text_or_empty file where name json = Option.value (option text file where name json) ~default:""

(** The arrays' names begin with this. *)
let deviation_prefix file where json =
  let policy = text_or_empty file where "policy" json and how = text file where "method" json in
  let question = text file where "question" json in
  match text file where "comparison" json with
  | "policy" -> Printf.sprintf "policy.%s.%s." policy (if question = "universal" then question else how)
  | _ -> if policy = "" then Printf.sprintf "pair.%s." question else Printf.sprintf "pair.%s.%s.%s." question policy how

(** The largest of each array is [staying]; [bound] is not below either part. *)
let require_deviation file (layer : layer) arrays where json =
  let prefix = deviation_prefix file where json in
  List.iter (fun quantity ->
      match get file where quantity json with
      | Null when quantity = "block_output_deviation" ->
        if Layer_arrays.tensor arrays (prefix ^ quantity ^ ".upper") <> None then
          Problem.rejected "layer %d, %s%s: is in the arrays only" layer.index prefix quantity
      | values ->
        let name = prefix ^ quantity ^ ".upper" in
        if Layer_arrays.tensor arrays name <> None then Layer_arrays.require_bound arrays name;
        let part name = number file (where ^ "." ^ quantity) name values in
        require_equal layer (name ^ ", staying") (part "staying") (snd (largest arrays name));
        let decaying = part "decaying" and staying = part "staying" and bound = part "bound" in
        let covers =
          if Binary64.is_zero decaying then Binary64.equal_numbers bound staying
          else Binary64.is_infinite bound
               || (not (Binary64.is_infinite decaying || Binary64.is_infinite staying))
                  && Q.geq (Binary64.rational bound) (Q.add (Binary64.rational decaying) (Binary64.rational staying))
        in
        if not covers then Problem.rejected "layer %d, %s: bound is not the sum of its parts" layer.index name)
    [ "state_deviation"; "output_deviation"; "block_output_deviation" ]

(** The claims that the entries of [policies] or [pairs] imply, as members that must be there. *)
let deviation_claims file (layer : layer) where json =
  let comparison = get file where "comparison" json and policy = get file where "policy" json in
  let tier = if text file where "question" json = "universal" then "universal" else "trajectory" in
  List.filter_map (fun quantity ->
      match get file where quantity json with
      | Null -> None
      | values ->
        let bound = number file where "bound" values in
        Some
          (Object
             [ ("theorem", String (if quantity = "state_deviation" then "T3" else "T4")); ("tier", String tier);
               ("comparison", comparison); ("policy", policy); ("method", get file where "method" json);
               ("layer", Expected_claims.number_of_index layer.index); ("quantity", String quantity);
               ("soundness", String (if policy = Null then "REAL" else "DEPLOYED"));
               ("verdict", String (if Binary64.is_infinite bound then "undecided" else "proven"));
               ("bound", Expected_claims.number bound) ]))
    [ "state_deviation"; "output_deviation"; "block_output_deviation" ]

(** * The layer *)

let comparison_of claim = match find "comparison" claim with Some (String c) -> c | _ -> ""

let require_claims (layer : layer) what expected actual =
  if List.length expected <> List.length actual then
    Problem.rejected "layer %d: %d %s claims, where its numbers imply %d" layer.index (List.length actual) what
      (List.length expected);
  List.iteri (fun i (expected, actual) ->
      let quantity = match find "quantity" expected with Some (String q) -> q | _ -> "" in
      match Expected_claims.difference "claim" expected actual with
      | Some difference -> Problem.rejected "layer %d, %s, %s claim %d: %s" layer.index quantity what i difference
      | None ->
        (* A proven claim has no reason, and only enclosures have a lower bound. *)
        List.iter (fun name ->
            if find name actual <> None && find name expected = None
               && comparison_of expected = "none"
            then Problem.rejected "layer %d, %s: the claim has a %s" layer.index quantity name)
          [ "reason"; "lower_bound"; "program" ])
    (List.combine expected actual)

(** Everything that JSON and arrays say about a layer fits together. [claims]: those of this layer, in their order. *)
let require (certificate : Certificate.t) model arrays (layer : layer) claims =
  let file = certificate.file in
  Option.iter (fun bounds ->
      Layer_arrays.require_universal arrays;
      require_universal layer arrays bounds)
    layer.universal;
  let universal = Option.fold ~none:[] ~some:(Expected_claims.universal model arrays) layer.universal in
  let trajectory =
    match (layer.trajectory, certificate.sequence) with
    | None, _ -> []
    | Some _, None -> malformed file "layer %d has a trajectory, but the certificate names no sequence" layer.index
    | Some json, Some sequence ->
      Layer_arrays.require_trajectory arrays;
      require_trajectory file layer arrays json;
      Expected_claims.trajectory model arrays file sequence (natural file "trajectory" "steps" json)
  in
  let own, others = List.partition (fun claim -> comparison_of claim = "none") claims in
  require_claims layer "universal and trajectory" (List.map Expected_claims.json_of (universal @ trajectory)) own;
  let of_policies, of_pairs = List.partition (fun claim -> comparison_of claim = "policy") others in
  List.iter (fun (what, entries, claims) ->
      let where = Printf.sprintf "layer %d, %s" layer.index what in
      List.iter (require_deviation file layer arrays where) entries;
      require_claims layer what (List.concat_map (deviation_claims file layer where) entries) claims)
    [ ("policies", layer.policies, of_policies); ("pairs", layer.pairs, of_pairs) ]
