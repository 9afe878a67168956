(** From the tests of a layer's channels to outcomes of its claims. A test that fails is a rejection, unless the claim
    may rest on a method that the proved checker does not have: then the channel is tested again with that claim relaxed
    to next to nothing, and what the theorem says of the others counts. *)

(** Each is true where the checker confirms the claims in its name. *)
type tests = { preactivation : bool; steps : bool; rates : bool; exponent : bool; states : bool }

let accepted t = t.preactivation && t.steps && t.rates && t.exponent && t.states

(** What is claimed instead of an array's entry; None: the entry itself. *)
type relaxation = string -> Z.t option

type layer = {
  arrays : Layer_arrays.t;
  theorem : string;
  tested : tests array;  (** by channel, of the claims as they are *)
  test_again : relaxation -> int -> tests;
  beyond_range : int -> string option;  (** a reason why the range of p may be sharper than the checker's *)
  beyond_exponent : string option;
  beyond_states : string option;
}

let largest_finite = Z.pred Binary64.infinity_pattern

(** Arrays that bound states and outputs, which one test decides together. *)
let state_arrays =
  [ "state_bound.upper"; "gain.x.upper"; "gain.B.upper"; "gain.C.upper"; "gain.step.upper"; "gain.A_log.upper";
    "output_gain.upper" ]

let claim_of array = Filename.chop_suffix array ".upper"
let state_claims = List.map claim_of state_arrays
let lower_claims = [ "preactivation"; "step_size"; "zeta"; "gain.initial"; "exponent" ]
let all_claims = lower_claims @ state_claims

let without_states name = if List.mem name state_arrays then Some largest_finite else None

let without_exponent layer channel name =
  if name = "exponent.upper" then Some (Layer_arrays.get layer.arrays "zeta.upper").(channel) else None

(** -2^20, below every range of p that occurs. *)
let far_below = Binary64.of_float (-0x1p20)

(** Nothing about how small p and the step size can be, and so no rate. *)
let without_lower_end = function
  | "preactivation.lower" -> Some far_below
  | "step_size.lower" | "zeta.upper" | "exponent.upper" -> Some Z.zero
  | "gain.initial.upper" -> Some largest_finite
  | _ -> None

let both (a : relaxation) (b : relaxation) : relaxation =
  fun name -> match a name with Some instead -> Some instead | None -> b name

let nothing : relaxation = fun _ -> None

(** The claim among those of states and outputs that fails on its own. *)
let failing_state_claim layer channel =
  let fails array =
    Layer_arrays.tensor layer.arrays array <> None
    && not (layer.test_again (fun other -> if other = array then None else without_states other) channel).states
  in
  match List.find_opt fails state_arrays with Some array -> claim_of array | None -> "state_bound and gains"

(** Initial gain and rates are decided by one test. *)
let failing_rate_claim layer channel =
  let without_gain name = if name = "gain.initial.upper" then Some largest_finite else None in
  if (layer.test_again without_gain channel).rates then "gain.initial" else "zeta"

(** The claim of a channel that must be rejected, if any. *)
let wrong_claim layer channel =
  let t = layer.tested.(channel) in
  if not t.steps then Some "step_size"
  else if not t.rates then Some (failing_rate_claim layer channel)
  else if (not t.preactivation) && layer.beyond_range channel = None then Some "preactivation"
  else if (not t.exponent) && layer.beyond_exponent = None then Some "exponent"
  else if (not t.states) && layer.beyond_states = None then Some (failing_state_claim layer channel)
  else None

(** Claims that the theorem gives for a channel, and why not the others. *)
let proved_claims layer channel =
  let t = layer.tested.(channel) in
  if accepted t then (all_claims, None)
  else begin
    let relax_if fails relaxation claims (so_far, left_out) =
      if fails then (both so_far relaxation, left_out @ claims) else (so_far, left_out) in
    let relaxation, left_out =
      (nothing, [])
      |> relax_if (not t.states) without_states state_claims
      |> relax_if (not t.preactivation) without_lower_end lower_claims
      |> relax_if (not t.exponent) (without_exponent layer channel) [ "exponent" ]
    in
    let reason =
      if not t.preactivation then layer.beyond_range channel
      else if not t.exponent then layer.beyond_exponent
      else layer.beyond_states
    in
    let kept = List.filter (fun claim -> not (List.mem claim left_out)) all_claims in
    if kept <> [] && accepted (layer.test_again relaxation channel) then (kept, reason) else ([], reason)
  end

let outcome layer proved claim : Coverage.outcome =
  let left = List.filter (fun i -> not (List.mem claim (fst proved.(i)))) (List.init (Array.length proved) Fun.id) in
  let reason = match left with [] -> "" | i :: _ -> Option.value (snd proved.(i)) ~default:"not derived" in
  let basis =
    if left = [] then Coverage.Proved layer.theorem
    else if List.length left = Array.length proved then Not_covered reason
    else Proved_except (layer.theorem, left, reason)
  in
  { claim; basis }

let outcomes layer =
  let channels = List.init (Array.length layer.tested) Fun.id in
  let wrong channel = Option.map (fun claim -> (claim, channel)) (wrong_claim layer channel) in
  match List.find_map wrong channels with
  | Some (claim, channel) -> [ { Coverage.claim; basis = Wrong (Some channel, "the claim could not be confirmed") } ]
  | None ->
    let proved = Array.of_list (List.map (proved_claims layer) channels) in
    let is_there claim = claim <> "output_gain" || Layer_arrays.tensor layer.arrays "output_gain.upper" <> None in
    List.map (outcome layer proved) (List.filter is_there all_claims)
