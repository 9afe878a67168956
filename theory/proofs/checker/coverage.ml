(** Which claims rest on a theorem, for how many channels, and which do not. *)

type basis =
  | Proved of string  (** by this theorem, for every channel *)
  | Proved_except of string * int list * string  (** by this theorem, but not for these channels; why *)
  | Wrong of int option * string  (** the channel, and what does not hold *)
  | Not_covered of string  (** why *)

(** A claim's name: a quantity (zeta, exponent, ..) or an array without a claim of its own (gain.x, ..). *)
type outcome = { claim : string; basis : basis }

type row = {
  name : string;
  layers : int;
  channels : int;
  proved : int;  (** channels *)
  theorems : string list;
  reasons : string list;  (** of what is not covered *)
  open_layers : int list;  (** that have a channel which is not covered *)
}

let add value values = if List.mem value values then values else values @ [ value ]

let require_none_wrong layer outcome =
  match outcome.basis with
  | Wrong (Some channel, what) -> Problem.rejected "layer %d, %s, channel %d: %s" layer outcome.claim channel what
  | Wrong (None, what) -> Problem.rejected "layer %d, %s: %s" layer outcome.claim what
  | Proved _ | Proved_except _ | Not_covered _ -> ()

let extend layer channels rows outcome =
  let empty =
    { name = outcome.claim; layers = 0; channels = 0; proved = 0; theorems = []; reasons = []; open_layers = [] } in
  let row = Option.value (List.find_opt (fun row -> row.name = outcome.claim) rows) ~default:empty in
  let row = { row with layers = row.layers + 1; channels = row.channels + channels } in
  let row =
    match outcome.basis with
    | Proved theorem -> { row with proved = row.proved + channels; theorems = add theorem row.theorems }
    | Proved_except (theorem, left, reason) ->
      { row with proved = row.proved + channels - List.length left; theorems = add theorem row.theorems;
                 reasons = add reason row.reasons; open_layers = add layer row.open_layers }
    | Not_covered reason -> { row with reasons = add reason row.reasons; open_layers = add layer row.open_layers }
    | Wrong _ -> row
  in
  if List.exists (fun r -> r.name = row.name) rows then
    List.map (fun r -> if r.name = row.name then row else r) rows
  else rows @ [ row ]

(** Rows over layers, each with its outcomes; raises where an outcome is wrong. *)
let rows channels layers =
  List.iter (fun (layer, outcomes) -> List.iter (require_none_wrong layer) outcomes) layers;
  List.fold_left (fun rows (layer, outcomes) -> List.fold_left (extend layer channels) rows outcomes) [] layers

let is_proved row = row.proved = row.channels
