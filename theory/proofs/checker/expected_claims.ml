(** What the claims of a certificate must say, given the numbers in its layers and arrays: theorem, quantity, sentence,
    formula, domain, verdict, bound and witness. A certificate whose sentences say something else is rejected. *)

open Json_text

let short_upper x = Binary64.to_decimal Up ~digits:3 x
let short_lower x = Binary64.to_decimal Down ~digits:3 x
let number_of_index i = Number (string_of_int i)
let number pattern = Object [ ("hex", String (Binary64.to_hex pattern)) ]

type claim = {
  theorem : string;
  tier : string;
  layer : Json_text.t;
  quantity : string;
  statement : string;
  formula : string;
  domain : string;
  reason : string option;  (** why undecided; none: proven *)
  bound : Z.t option;
  lower_bound : Z.t option;
  witness : Json_text.t;
}

let proven =
  { theorem = ""; tier = ""; layer = Null; quantity = ""; statement = ""; formula = ""; domain = ""; reason = None;
    bound = None; lower_bound = None; witness = Null }

let json_of claim =
  let optional name = function Some value -> [ (name, value) ] | None -> [] in
  Object
    ([ ("theorem", String claim.theorem); ("tier", String claim.tier); ("comparison", String "none"); ("method", Null);
       ("policy", Null); ("layer", claim.layer); ("quantity", String claim.quantity);
       ("statement", String claim.statement); ("formula", String claim.formula); ("domain", String claim.domain);
       ("soundness", String "REAL");
       ("verdict", String (if claim.reason = None then "proven" else "undecided"));
       ("bound", match claim.bound with Some x -> number x | None -> Null); ("witness", claim.witness) ]
     @ optional "reason" (Option.map (fun text -> String text) claim.reason)
     @ optional "lower_bound" (Option.map number claim.lower_bound))

(** Whether [actual] has every member of [expected] with the same value; where it differs, the path. *)
let rec difference path expected actual =
  match (expected, actual) with
  | Object members, Object _ ->
    List.find_map (fun (name, value) ->
        match find name actual with
        | None -> Some (path ^ "." ^ name ^ " is missing")
        | Some found -> difference (path ^ "." ^ name) value found)
      members
  | List a, List b when List.length a = List.length b ->
    let difference_at i (x, y) = difference (Printf.sprintf "%s[%d]" path i) x y in
    List.find_map Fun.id (List.mapi difference_at (List.combine a b))
  | a, b when a = b -> None
  | String a, String b ->
    Some (Printf.sprintf "%s says %s where %s was expected" path (Problem.one_line b) (Problem.one_line a))
  | _ -> Some (path ^ " differs from what the other numbers of the certificate imply")

(** * Structural claims *)

let structural (model : Model.t) =
  let layers = if model.layers = 1 then "the one layer" else Printf.sprintf "all %d layers" model.layers in
  [ { proven with
      theorem = "T1"; tier = "structural"; layer = String "all"; quantity = "exponent"; bound = Some Z.zero;
      statement = "In " ^ layers ^ ", the distance of a state between two runs with the same inputs never grows: no \
                   exponent is above zero.";
      formula = "|h'_T - h_T| = exp(-alpha sum Delta_t) |h'_0 - h_0| <= |h'_0 - h_0|, lambda <= 0";
      domain = "every real input sequence; rests only on A_log being finite, which was checked for every layer" };
    { proven with
      theorem = "T2"; tier = "structural"; layer = String "all"; quantity = "output_deviation";
      statement = "In " ^ layers ^ ", two runs with the same inputs give scan outputs whose distance is at most the \
                   sum over states of |C| times the distance of the state.";
      formula = "|y'_t - y_t| <= sum_n |C_{t,n}| |h'_{t,n} - h_{t,n}|";
      domain = "every real input sequence; rests only on the form of the recurrence" } ]

(** * Universal claims *)

let clamp_words (model : Model.t) =
  match model.kind with
  | Mamba2 { step_limits = lower, upper; _ }
    when not (Binary64.is_zero lower && Z.equal upper Binary64.infinity_pattern) ->
    Printf.sprintf "; for programs that clamp the step size to [%s, %s]" (short_lower lower) (short_upper upper)
  | _ -> ""

let universal_domain model over_vocabulary =
  (if over_vocabulary then
     "every sequence of the model's tokens, of any length, the first steps included (this block reads their embeddings)"
   else
     "every sequence of real block inputs of any length, the first steps included (the block's own norm layer bounds \
      what it can see)")
  ^ clamp_words model

(** The largest number of the witness array, if a search was made; the pair says how, and names the array with the input
    that reaches it. *)
let witness (model : Model.t) arrays name (beginning, input) =
  match Layer_arrays.largest (Layer_arrays.get arrays name) with
  | None -> Null
  | Some (channel, value) ->
    let unit_word, found =
      match model.kind with
      | Mamba1 _ -> ("channel", "found by search")
      | Mamba2 _ -> ("head", "along the head's own weights")
    in
    let stored =
      match Layer_arrays.tensor arrays input with
      | Some _ -> Printf.sprintf "%slayer.%d.%s in the arrays file" beginning arrays.layer input
      | None -> ""
    in
    let how =
      Printf.sprintf "reached by an input %s, its value enclosed rigorously, in %s %d%s" found unit_word channel stored
    in
    Object [ ("value", number value); ("channel", number_of_index channel); ("how", String how) ]

let zeta_statement layer upper =
  let two_runs =
    Printf.sprintf "In layer %d, for two runs with the same inputs, no step lets the distance of a state grow" layer in
  if Binary64.compare_numbers upper Z.zero < 0 then
    Printf.sprintf "%s; every step shrinks it at least by the factor exp(%s), whatever the inputs." two_runs
      (short_upper upper)
  else two_runs ^ ", whatever the inputs. The bound of the one-step rate is zero: nothing is said about shrinking."

let universal model arrays (bounds : Certificate.universal) =
  let layer = arrays.Layer_arrays.layer in
  let claim theorem quantity bound =
    { proven with theorem; tier = "universal"; quantity; layer = number_of_index layer; bound = Some bound;
                  domain = universal_domain model bounds.over_vocabulary } in
  let finite = not (Binary64.is_infinite bounds.state_bound) in
  let decays = Binary64.compare_numbers bounds.exponent.upper Z.zero < 0 in
  [ { (claim "T1" "zeta" bounds.zeta.upper) with
      statement = zeta_statement layer bounds.zeta.upper;
      formula = "|h'_T - h_T| <= exp((T - t) zeta) |h'_t - h_t|, zeta = -min alpha inf Delta <= bound";
      witness = witness model arrays "zeta.witness" (", at the last step of the block input ", "input") };
    { (claim "T1" "exponent" bounds.exponent.upper) with
      statement =
        Printf.sprintf
          "The Lyapunov exponent of every state of layer %d, under every infinite input sequence, is at most %s nats \
           per step." layer (short_upper bounds.exponent.upper);
      formula = "lambda = limsup_T -(alpha/T) sum_{t<=T} Delta_t <= bound";
      witness = witness model arrays "exponent.witness" (", by repeating the block input ", "sustained_input") };
    { (claim "T1" "strict_decay" bounds.exponent.upper) with
      statement =
        Printf.sprintf
          "Every state of layer %d forgets its initial value exponentially fast, whatever the inputs: its exponent is \
           below zero." layer;
      formula = "lambda < 0";
      reason =
        (if decays then None
         else
           Some "the upper bound of the exponent is zero: no negative rate that binary64 can hold was established.") };
    { (claim "T1" "state_bound" bounds.state_bound) with
      statement =
        (if finite then
           Printf.sprintf "Started from zero, no state of layer %d ever exceeds %s in size, at any step of any input."
             layer (short_upper bounds.state_bound)
         else
           Printf.sprintf "Started from zero, the states of layer %d stay within a bound that binary64 can hold."
             layer);
      formula = "|h_t| <= H = sup |v_t|, h_0 = 0";
      reason = (if finite then None else Some "the bound that was derived exceeds the largest binary64 number.") } ]
  @
  match bounds.output_gain with
  | None -> []
  | Some gain ->
    let finite = not (Binary64.is_infinite gain) in
    [ { (claim "T2" "output_gain" gain) with
        statement =
          (if finite then
             Printf.sprintf
               "In layer %d, two runs with the same inputs give scan outputs that differ by at most %s times the \
                largest distance of their states, at every step." layer (short_upper gain)
           else Printf.sprintf "In layer %d, outputs follow states with a gain that binary64 can hold." layer);
        formula = "|y'_t - y_t| <= (sup_t sum_n |C_{t,n}|) max_n |h'_{t,n} - h_{t,n}|, same inputs and parameters";
        reason = (if finite then None else Some "the gain that was derived exceeds the largest binary64 number.") } ]

(** * Trajectory claims *)

let sequence_domain file sequence steps =
  let name = Certificate.text file "sequence" "file" sequence in
  let available = Certificate.natural file "sequence" "steps_available" sequence in
  let is_cut = available > Certificate.natural file "sequence" "steps" sequence in
  match Certificate.text file "sequence" "kind" sequence with
  | "activations" ->
    Printf.sprintf "exactly the %d block inputs stored for this layer in %s, as stored%s" steps name
      (if is_cut then Printf.sprintf " (the first %d)" steps else "")
  | _ ->
    Printf.sprintf
      "exactly the %d block inputs that lyap's float32 run of the %s%d tokens of %s produced, taken as the floats they \
       are" steps (if is_cut then "first " else "") steps name

let trajectory model arrays file sequence steps =
  let layer = arrays.Layer_arrays.layer in
  let claim theorem quantity =
    { proven with theorem; tier = "trajectory"; quantity; layer = number_of_index layer;
                  domain = sequence_domain file sequence steps ^ "; the state starts at zero" ^ clamp_words model } in
  let upper = snd (Option.get (Layer_arrays.largest (Layer_arrays.get arrays "trajectory.exponent.upper"))) in
  let lower = Layer_arrays.smallest (Layer_arrays.get arrays "trajectory.exponent.lower") in
  let slowest =
    if Binary64.is_zero upper then " The upper end is zero: for the slowest state no decay is established." else "" in
  { (claim "T1" "trajectory_exponent") with
    bound = Some upper; lower_bound = Some lower;
    formula = "|h'_T - h_T| = exp(T lambda_T) |h'_0 - h_0|, lambda_T = -(alpha/T) sum_{t<=T} Delta_t";
    statement =
      Printf.sprintf
        "On this sequence the finite-time exponents of layer %d lie between %s and %s nats per step; each has its own \
         enclosure in the arrays file.%s" layer (short_lower lower) (short_upper upper) slowest }
  ::
  (if Layer_arrays.tensor arrays "trajectory.output.upper" = None then []
   else
     [ { (claim "T2" "output") with
         formula = "output.lower <= y_t = sum_n C_{t,n} h_{t,n} + D x_t <= output.upper";
         statement =
           Printf.sprintf
             "On this sequence every scan output of layer %d, after D and before the gate, lies in its enclosure in \
              the arrays file." layer } ])
