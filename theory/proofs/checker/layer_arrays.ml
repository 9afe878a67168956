(** The arrays of one layer of a certificate, and what must hold of them whatever the model is: lengths, no NaN in a
    bound, ends in order, exponent at most zeta at most zero, witnesses within their bounds. *)

type t = {
  layer : int;
  channels : int;
  tensors : (string, Stored_tensor.t) Hashtbl.t;  (** of the whole arrays file *)
  read : (string, Z.t array) Hashtbl.t;  (** what was read so far *)
}

let tensor arrays name = Hashtbl.find_opt arrays.tensors (Printf.sprintf "layer.%d.%s" arrays.layer name)

(** The patterns of an array of the layer, read at its first use. *)
let find arrays name =
  match Hashtbl.find_opt arrays.read name with
  | Some patterns -> Some patterns
  | None ->
    let read (tensor : Stored_tensor.t) =
      let patterns = Array.of_list (Stored_tensor.patterns tensor) in
      Hashtbl.replace arrays.read name patterns;
      patterns
    in
    Option.map read (tensor arrays name)

let get arrays name =
  match find arrays name with
  | Some patterns -> patterns
  | None -> Problem.rejected "layer %d, %s: the arrays file has no such array" arrays.layer name

let create ~layer ~channels tensors = { layer; channels; tensors; read = Hashtbl.create 32 }

let reject arrays name channel format =
  Printf.ksprintf (fun what -> Problem.rejected "layer %d, %s, channel %d: %s" arrays.layer name channel what) format

let per_channel =
  [ "preactivation.lower"; "preactivation.upper"; "step_size.lower"; "step_size.upper"; "zeta.lower"; "zeta.upper";
    "exponent.upper"; "state_bound.upper"; "gain.initial.upper"; "gain.x.upper"; "gain.B.upper"; "gain.C.upper";
    "gain.step.upper"; "gain.A_log.upper"; "zeta.witness"; "exponent.witness" ]

let optional_per_channel =
  [ "output_gain.upper"; "preactivation.witness"; "sustained_preactivation.lower"; "sustained_preactivation.witness" ]

let relaxations = [| "interval"; "norm"; "linear"; "quadratic"; "quadratic-tapwise"; "vocabulary"; "exact" |]
let lower_by code = "preactivation.lower_by." ^ String.map (fun c -> if c = '-' then '_' else c) relaxations.(code)

let ends_with suffix name = Filename.check_suffix name suffix

(** Bounds are numbers: no NaN, no upper bound of minus infinity, no lower bound of infinity. *)
let require_bound arrays name =
  let wrong_infinity =
    if ends_with ".upper" name then Binary64.negative_infinity_pattern else Binary64.infinity_pattern in
  Array.iteri (fun channel x ->
      if Binary64.is_nan x then reject arrays name channel "NaN is no bound";
      if Z.equal x wrong_infinity then reject arrays name channel "%s is no bound" (Binary64.to_hex x))
    (get arrays name)

let require_shape arrays name format shape =
  match tensor arrays name with
  | Some tensor when tensor.format = format && tensor.shape = shape -> ()
  | Some tensor ->
    Problem.rejected "layer %d, %s: dtype %s and shape %s are not %s and %s" arrays.layer name
      (Stored_tensor.format_name tensor.format) (Stored_tensor.shape_text tensor.shape)
      (Stored_tensor.format_name format) (Stored_tensor.shape_text shape)
  | None -> Problem.rejected "layer %d, %s: the arrays file has no such array" arrays.layer name

let require_per_channel arrays name =
  require_shape arrays name F64 [ arrays.channels ];
  if ends_with ".upper" name || ends_with ".lower" name then require_bound arrays name

(** [below] is nowhere above [above]; NaN passes. *)
let require_order arrays below above =
  let upper = get arrays above in
  Array.iteri (fun channel x ->
      if (not (Binary64.is_nan x)) && (not (Binary64.is_nan upper.(channel)))
         && Binary64.compare_numbers x upper.(channel) > 0 then
        reject arrays below channel "%s is above %s, %s" (Binary64.to_hex x) above (Binary64.to_hex upper.(channel)))
    (get arrays below)

let require_order_if_there arrays below above =
  if tensor arrays below <> None && tensor arrays above <> None then require_order arrays below above

let require_sign arrays name expected =
  Array.iteri (fun channel x ->
      if Binary64.compare_numbers x Z.zero * expected < 0 then
        reject arrays name channel "%s is %s zero" (Binary64.to_hex x) (if expected > 0 then "below" else "above"))
    (get arrays name)

let require_relaxations arrays =
  require_shape arrays "relaxation" U8 [ arrays.channels ];
  Array.iteri (fun channel code ->
      if Z.to_int code >= Array.length relaxations then reject arrays "relaxation" channel "no method has this number")
    (get arrays "relaxation");
  for code = 0 to Array.length relaxations - 1 do
    let name = lower_by code in
    if tensor arrays name <> None then begin
      require_shape arrays name F64 [ arrays.channels ];
      let require_number channel x = if Binary64.is_nan x then reject arrays name channel "NaN is no bound" in
      Array.iteri require_number (get arrays name);
      require_order arrays name "preactivation.lower"
    end
  done

(** The universal bounds of the layer fit together. *)
let require_universal arrays =
  List.iter (require_per_channel arrays) per_channel;
  let there = List.filter (fun name -> tensor arrays name <> None) optional_per_channel in
  List.iter (require_per_channel arrays) there;
  List.iter (fun (below, above) -> require_order arrays below above)
    [ ("preactivation.lower", "preactivation.upper"); ("step_size.lower", "step_size.upper");
      ("zeta.lower", "zeta.upper"); ("exponent.upper", "zeta.upper");
      ("zeta.witness", "zeta.upper"); ("exponent.witness", "exponent.upper") ];
  List.iter (fun (below, above) -> require_order_if_there arrays below above)
    [ ("preactivation.lower", "preactivation.witness");
      ("sustained_preactivation.lower", "sustained_preactivation.witness") ];
  require_sign arrays "zeta.upper" (-1);
  require_sign arrays "step_size.lower" 1;
  let magnitudes = List.filter (fun n -> String.length n > 5 && String.sub n 0 5 = "gain.") per_channel in
  List.iter (fun name -> require_sign arrays name 1)
    (("state_bound.upper" :: magnitudes) @ List.filter (( = ) "output_gain.upper") there);
  require_relaxations arrays

(** Every pair of .lower and .upper of the trajectory tier: no NaN, ends in order, one shape; no growing exponent. *)
let require_trajectory arrays =
  List.iter (fun part ->
      let lower = "trajectory." ^ part ^ ".lower" and upper = "trajectory." ^ part ^ ".upper" in
      match (tensor arrays lower, tensor arrays upper) with
      | None, None when part = "output" -> ()
      | Some a, Some b when a.format = F64 && b.format = F64 && a.shape = b.shape ->
        require_bound arrays lower;
        require_bound arrays upper;
        require_order arrays lower upper
      | _ -> Problem.rejected "layer %d, %s: lower and upper ends must be two F64 arrays of one shape" arrays.layer
               ("trajectory." ^ part))
    [ "exponent"; "final_state"; "output" ];
  require_sign arrays "trajectory.exponent.upper" (-1)

(** Index and number of the first largest entry that is no NaN. *)
let largest patterns =
  let best = ref None in
  Array.iteri (fun i x ->
      if not (Binary64.is_nan x) then
        match !best with
        | Some (_, y) when Binary64.compare_numbers x y <= 0 -> ()
        | _ -> best := Some (i, x))
    patterns;
  !best

let smallest patterns =
  Array.fold_left (fun a x -> if Binary64.compare_numbers x a < 0 then x else a) Binary64.infinity_pattern patterns
