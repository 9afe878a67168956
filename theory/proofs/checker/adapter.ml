(** The one place that knows the names of the extracted checker: hands it a layer's raw bit patterns and claims, and
    turns its answers into outcomes. *)

(** Bits of the ranges in which the checker computes. *)
let precision = Z.of_int 128

let format_of : Stored_tensor.format -> Extracted.format = function
  | F32 -> Extracted.float32
  | BF16 -> Extracted.bfloat16
  | F16 -> Extracted.float16
  | F64 -> Extracted.float64
  | U8 -> invalid_arg "weights are not U8"

let dyadic pattern =
  let mantissa, exponent = Binary64.mantissa_and_exponent pattern in
  { Extracted.mantissa; exponent = Z.of_int exponent }

(** Format and patterns of a whole tensor of one axis. *)
let vector (tensor : Stored_tensor.t) = (format_of tensor.format, Stored_tensor.patterns tensor)

(** The theorems behind the structural claims. *)
let structural =
  [ ("T1, all layers: no exponent above zero", "theorem_1_no_growth, theorem_1_exponent");
    ("T2, all layers: outputs follow states", "theorem_2_output") ]

(** * Claims of a channel or head *)

(** The arrays in the order of the fields of the checker's claims. *)
let claimed_arrays =
  [ "preactivation.lower"; "preactivation.upper"; "step_size.lower"; "step_size.upper"; "zeta.lower"; "zeta.upper";
    "exponent.upper"; "state_bound.upper"; "gain.initial.upper"; "gain.x.upper"; "gain.B.upper"; "gain.C.upper";
    "gain.step.upper"; "gain.A_log.upper"; "output_gain.upper" ]

(** Patterns of a channel's claims; an array that is absent claims next to nothing. *)
let patterns arrays (relaxation : Channel_verdicts.relaxation) channel =
  let pattern name =
    match (relaxation name, Layer_arrays.find arrays name) with
    | Some instead, _ -> instead
    | None, Some values -> values.(channel)
    | None, None -> Channel_verdicts.largest_finite
  in
  List.map pattern claimed_arrays

let claims arrays relaxation channel =
  match Extracted.claims_of_patterns (patterns arrays relaxation channel) with
  | Some claims -> claims
  | None ->
    Problem.rejected "layer %d, channel %d: a claim is infinite where only a number can hold" arrays.Layer_arrays.layer
      channel

let tests_of (t : Extracted.recurrence_tests) : Channel_verdicts.tests =
  { preactivation = t.preactivation_ok; steps = t.channel_ok.steps_ok; rates = t.channel_ok.rates_ok;
    exponent = t.channel_ok.exponent_ok; states = t.channel_ok.states_ok }

let underivable layer = Problem.rejected "layer %d: the checker could not derive bounds from its weights" layer

(** Norm, in_proj and convolution; [feeding_row]: the row of in_proj that feeds a channel of the convolution. *)
let front_data (model : Model.t) layer ~taps ~feeding_row : Extracted.front_data =
  let tensor = Model.mixer_tensor model layer and tensor_if present = Model.mixer_tensor_if present model layer in
  let in_proj = tensor "in_proj.weight" and convolution = tensor "conv1d.weight" in
  let norm = Model.norm_tensor model layer in
  { data_width = model.d_model; data_taps = taps; gain_format = format_of norm.format;
    gain_row = Stored_tensor.patterns norm; epsilon = dyadic model.norm_epsilon; in_format = format_of in_proj.format;
    in_row = Stored_tensor.row in_proj;
    in_bias_row = Option.map vector (tensor_if model.projection_bias "in_proj.bias");
    conv_format = format_of convolution.format; conv_taps = Stored_tensor.row convolution;
    conv_bias_row = Option.map vector (tensor_if model.conv_bias "conv1d.bias"); feeding_row }

(** * Mamba-2 *)

let mamba2_data (model : Model.t) (sizes : Model.mamba2_sizes) layer : Extracted.mamba2_data =
  let tensor = Model.mixer_tensor model layer in
  let lowest, highest = sizes.step_limits in
  let feeding_row channel = (sizes.heads * sizes.head_dim) + channel in
  { front_part0 = front_data model layer ~taps:sizes.conv_width ~feeding_row;
    head_count = sizes.heads; head_width = sizes.head_dim; state_count0 = sizes.state_size; group_count = sizes.groups;
    dt_bias_row0 = vector (tensor "dt_bias"); a_log_row0 = vector (tensor "A_log");
    data_limits =
      { lowest_step = dyadic lowest;
        highest_step = (if Binary64.is_infinite highest then None else Some (dyadic highest)) } }

let check_mamba2 model sizes arrays layer =
  let data = mamba2_data model sizes layer in
  let test relaxation =
    let claims = Array.init sizes.Model.heads (claims arrays relaxation) in
    let tested = List.concat (Extracted.test_layer precision data (fun head -> claims.(head))) in
    if List.length tested <> sizes.heads then underivable layer;
    Array.of_list (List.map tests_of tested)
  in
  Channel_verdicts.outcomes
    { arrays; theorem = "check_mamba2_sound"; tested = test Channel_verdicts.nothing;
      test_again = (fun relaxation head -> (test relaxation).(head)); beyond_range = (fun _ -> None);
      beyond_exponent = None; beyond_states = None }

(** * Mamba-1 *)

let mamba1_data (model : Model.t) (sizes : Model.mamba1_sizes) layer : Extracted.mamba1_data =
  let tensor = Model.mixer_tensor model layer in
  let x_proj = tensor "x_proj.weight" and dt_proj = tensor "dt_proj.weight" and a_log = tensor "A_log" in
  { front_part = front_data model layer ~taps:sizes.d_conv ~feeding_row:Fun.id; inner_count = sizes.d_inner;
    rank_count = sizes.dt_rank; state_count = sizes.d_state; x_format = format_of x_proj.format;
    x_row = Stored_tensor.row x_proj; dt_format = format_of dt_proj.format; dt_row = Stored_tensor.row dt_proj;
    dt_bias_row = vector (tensor "dt_proj.bias"); a_log_format = format_of a_log.format;
    a_log_row = Stored_tensor.row a_log }

let float_of { Extracted.mantissa; exponent } = Float.ldexp (Z.to_float mantissa) (Z.to_int exponent)

let line_over (range : Extracted.range) : Extracted.line =
  let line = Silu_lines.find (float_of range.lower) (float_of range.upper) in
  let exact value = dyadic (Binary64.of_float value) in
  { slope = exact line.slope; touch_left = exact line.touch_left; touch_middle = exact line.touch_middle;
    touch_right = exact line.touch_right; gap_lower = exact line.gap_lower; gap_upper = exact line.gap_upper }

(** A line under silu for each channel, to be tested by the checker, over the range that [input] derives for it. *)
let lines_over layer channels input =
  let line channel =
    match input channel with
    | Some range -> line_over range
    | None -> Problem.rejected "layer %d, channel %d: no range of its convolution could be derived" layer channel
  in
  List.init channels line

let lines_of layer (front : Extracted.front_data) channels =
  match Extracted.quantised_gain front with
  | Some gain -> lines_over layer channels (Extracted.silu_input_over precision front gain)
  | None -> Problem.rejected "layer %d: the norm's weights could not be read" layer

(** * The first layer over its vocabulary *)

let embedding_data (model : Model.t) : Extracted.vocabulary_data =
  let embedding = model.embedding in
  { token_count = model.vocabulary; embedding_format = format_of embedding.format;
    embedding_row = Stored_tensor.row embedding }

(** Multiplications of one pass over all tokens; beyond [most_products] the vocabulary is left out. *)
let vocabulary_products (model : Model.t) (sizes : Model.mamba1_sizes) =
  let rows = sizes.dt_rank + (2 * sizes.d_state) in
  model.vocabulary
  * ((model.d_model * sizes.d_inner) + (sizes.d_conv * ((rows * model.d_model) + (sizes.d_inner * sizes.dt_rank))))

let most_products = 20_000_000_000

let covers_vocabulary (model : Model.t) sizes =
  (not model.projection_bias) && vocabulary_products model sizes <= most_products

(** Ranges over all tokens, with lines of their own. *)
let prepare_vocabulary model (sizes : Model.mamba1_sizes) layer (data : Extracted.mamba1_data) =
  let vocabulary = embedding_data model in
  match Extracted.token_ranges precision data vocabulary with
  | None -> underivable layer
  | Some ranges ->
    let by_channel = Array.of_list ranges in
    let input channel =
      match Extracted.channel_taps data.front_part channel with
      | Some taps -> Extracted.token_input_over precision data.front_part channel taps by_channel.(channel)
      | None -> None
    in
    let lines = lines_over layer sizes.d_inner input in
    match Extracted.prepare_vocabulary precision data vocabulary ranges lines with
    | Some prepared -> prepared
    | None -> underivable layer

(** Reasons why a bound may be sharper than the interval and linear relaxations, which are proved, can make it. *)
let sharper_methods (model : Model.t) arrays ~over_vocabulary ~covered ~thorough =
  let codes = Layer_arrays.get arrays "relaxation" in
  let whole_layer =
    if model.projection_bias then Some "in_proj has a bias"
    else if over_vocabulary && thorough then Some "bounds over windows of tokens of --effort thorough"
    else if over_vocabulary && not covered then Some "bounds over a vocabulary of this size"
    else None
  in
  let refined = if thorough then Some "refined bounds of --effort thorough" else None in
  let first a b = match a with Some reason -> Some reason | None -> b in
  let range channel = first whole_layer (if Z.to_int codes.(channel) >= 3 then refined else None) in
  let is_sustained = Layer_arrays.tensor arrays "sustained_preactivation.lower" <> None in
  let sustained = if is_sustained then Some "sustained bounds of --effort thorough" else None in
  (range, first whole_layer sustained, first whole_layer refined)

let check_mamba1 model (sizes : Model.mamba1_sizes) arrays layer ~over_vocabulary ~thorough =
  let data = mamba1_data model sizes layer in
  if not (Extracted.mamba1_well_formed data) then underivable layer;
  match Extracted.prepare precision data (lines_of layer data.front_part sizes.d_inner) with
  | None -> underivable layer
  | Some prepared ->
    let covered = covers_vocabulary model sizes in
    let theorem, test_claims =
      if over_vocabulary && covered then
        let tokens = prepare_vocabulary model sizes layer data in
        ("check_vocabulary_sound", Extracted.test_vocabulary_channel precision data prepared tokens)
      else ("check_mamba1_sound", Extracted.test_mamba1_channel precision data prepared)
    in
    let test relaxation channel = tests_of (test_claims channel (claims arrays relaxation channel)) in
    let beyond_range, beyond_exponent, beyond_states =
      sharper_methods model arrays ~over_vocabulary ~covered ~thorough in
    Channel_verdicts.outcomes
      { arrays; theorem; tested = Array.init sizes.d_inner (test Channel_verdicts.nothing); test_again = test;
        beyond_range; beyond_exponent; beyond_states }

(** The universal claims of a layer. [thorough]: the certificate says that bounds were refined. *)
let check_layer model arrays layer ~over_vocabulary ~thorough =
  match model.Model.kind with
  | Mamba1 sizes -> check_mamba1 model sizes arrays layer ~over_vocabulary ~thorough
  | Mamba2 sizes -> check_mamba2 model sizes arrays layer
