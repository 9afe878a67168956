(** A Mamba or Mamba-2 model: what config.json and the tensors say about its blocks. Other architectures, and tensors
    that the description does not call for, are refused. *)

open Model_config

type mamba1_sizes = { d_inner : int; d_state : int; d_conv : int; dt_rank : int }

type mamba2_sizes = {
  heads : int;
  head_dim : int;
  state_size : int;
  groups : int;
  conv_width : int;
  step_limits : Z.t * Z.t;  (** binary64 patterns *)
}

type kind = Mamba1 of mamba1_sizes | Mamba2 of mamba2_sizes

type t = {
  family : string;
  layout : string;
  layers : int;
  d_model : int;
  vocabulary : int;
  norm_epsilon : Z.t;  (** binary64 pattern *)
  kind : kind;
  projection_bias : bool;
  conv_bias : bool;
  prefix : string;  (** of embedding, layers and last norm *)
  embedding : Stored_tensor.t;
  files : Model_files.t;
}

let channels model = match model.kind with Mamba1 s -> s.d_inner | Mamba2 s -> s.heads
let norm_name model layer = Printf.sprintf "%slayers.%d.norm.weight" model.prefix layer
let mixer_name model layer part = Printf.sprintf "%slayers.%d.mixer.%s" model.prefix layer part
let tensor model name = Hashtbl.find model.files.tensors name
let norm_tensor model layer = tensor model (norm_name model layer)
let mixer_tensor model layer part = tensor model (mixer_name model layer part)
let mixer_tensor_if present model layer part = if present then Some (mixer_tensor model layer part) else None

(** Parts of a mixer and their shapes. *)
let mixer_shapes model =
  let conv_bias, projection_bias = (model.conv_bias, model.projection_bias) in
  let when_ present entries = if present then entries else [] in
  match model.kind with
  | Mamba1 s ->
    [ ("in_proj.weight", [ 2 * s.d_inner; model.d_model ]); ("conv1d.weight", [ s.d_inner; 1; s.d_conv ]);
      ("x_proj.weight", [ s.dt_rank + (2 * s.d_state); s.d_inner ]); ("dt_proj.weight", [ s.d_inner; s.dt_rank ]);
      ("dt_proj.bias", [ s.d_inner ]); ("A_log", [ s.d_inner; s.d_state ]); ("D", [ s.d_inner ]);
      ("out_proj.weight", [ model.d_model; s.d_inner ]) ]
    @ when_ conv_bias [ ("conv1d.bias", [ s.d_inner ]) ]
    @ when_ projection_bias [ ("in_proj.bias", [ 2 * s.d_inner ]); ("out_proj.bias", [ model.d_model ]) ]
  | Mamba2 s ->
    let d_inner = s.heads * s.head_dim in
    let conv_channels = d_inner + (2 * s.groups * s.state_size) in
    let projected = d_inner + conv_channels + s.heads in
    [ ("in_proj.weight", [ projected; model.d_model ]); ("conv1d.weight", [ conv_channels; 1; s.conv_width ]);
      ("dt_bias", [ s.heads ]); ("A_log", [ s.heads ]); ("D", [ s.heads ]); ("norm.weight", [ d_inner ]);
      ("out_proj.weight", [ model.d_model; d_inner ]) ]
    @ when_ conv_bias [ ("conv1d.bias", [ conv_channels ]) ]
    @ when_ projection_bias [ ("in_proj.bias", [ projected ]); ("out_proj.bias", [ model.d_model ]) ]

let require_tensor (files : Model_files.t) name shape =
  match Hashtbl.find_opt files.tensors name with
  | None -> Problem.bad_input files.folder "tensor %s is missing, but config.json implies it with shape %s"
              (Problem.quoted name) (Stored_tensor.shape_text shape)
  | Some tensor ->
    if tensor.shape <> shape then
      Problem.bad_input tensor.file.path "tensor %s has shape %s, but config.json implies %s" (Problem.quoted name)
        (Stored_tensor.shape_text tensor.shape) (Stored_tensor.shape_text shape);
    if tensor.format = U8 then Problem.bad_input tensor.file.path "tensor %s has dtype U8" (Problem.quoted name);
    tensor

(** Every tensor that the description calls for, and no other. *)
let require_tensors config model ~separate_head =
  let expected = Hashtbl.create 1024 in
  let require name shape =
    ignore (require_tensor model.files name shape);
    Hashtbl.replace expected name ()
  in
  require model.embedding.name [ model.vocabulary; model.d_model ];
  require (model.prefix ^ "norm_f.weight") [ model.d_model ];
  if separate_head then require "lm_head.weight" [ model.vocabulary; model.d_model ];
  let shapes = mixer_shapes model in
  for layer = 0 to model.layers - 1 do
    require (norm_name model layer) [ model.d_model ];
    List.iter (fun (part, shape) -> require (mixer_name model layer part) shape) shapes
  done;
  let require_expected name (tensor : Stored_tensor.t) =
    if not (Hashtbl.mem expected name) then
      Problem.bad_input tensor.file.path "tensor %s is unexpected: the model that %s describes has no such tensor"
        (Problem.quoted name) config.file
  in
  Hashtbl.iter require_expected model.files.tensors

(** Embedding and head, then all tensors; [tied]: what the config says, if it does. *)
let assemble config (files : Model_files.t) ~tied model =
  let stored = Hashtbl.mem files.tensors "lm_head.weight" in
  let singular = model.prefix ^ "embedding.weight" in
  let name = if Hashtbl.mem files.tensors singular then singular else model.prefix ^ "embeddings.weight" in
  let embedding = require_tensor files name [ model.vocabulary; model.d_model ] in
  let model = { model with embedding } in
  require_tensors config model ~separate_head:(stored || tied = Some false);
  model

let no_tensor (files : Model_files.t) =
  match files.weights with
  | (_, file) :: _ -> { Stored_tensor.name = ""; format = F32; shape = [ 0 ]; strides = [ 1 ]; file; first = 0 }
  | [] -> Problem.bad_input files.folder "holds no weights"

let rank_or_automatic config key d_model =
  match find config key with
  | None | Some (Json_text.String "auto") -> (d_model + 15) / 16
  | Some _ -> size config key

(** * The layout of transformers; defaults are those of MambaConfig and Mamba2Config *)

let huggingface_prefix (files : Model_files.t) =
  let has = Hashtbl.mem files.tensors in
  if (not (has "backbone.layers.0.norm.weight")) && has "layers.0.norm.weight" then "" else "backbone."

let huggingface config files family kind ~bias_by_default =
  require_silu config "hidden_act";
  require_flag config "rms_norm" true "norms other than RMSNorm are not supported";
  assemble config files ~tied:(flag config "tie_word_embeddings")
    { family; layout = "huggingface"; layers = size config "num_hidden_layers"; d_model = size config "hidden_size";
      vocabulary = size config "vocab_size"; norm_epsilon = epsilon_or config "layer_norm_epsilon" "1e-5"; kind;
      projection_bias = flag_or config "use_bias" bias_by_default; conv_bias = flag_or config "use_conv_bias" true;
      prefix = huggingface_prefix files; embedding = no_tensor files; files }

let huggingface_mamba config files =
  let d_model = size config "hidden_size" in
  let d_inner =
    match size_option config "intermediate_size" with Some n -> n | None -> scaled_size config "expand" 2.0 d_model in
  let sizes =
    { d_inner; d_state = size_or config "state_size" 16; d_conv = size_or config "conv_kernel" 4;
      dt_rank = rank_or_automatic config "time_step_rank" d_model }
  in
  huggingface config files "mamba" (Mamba1 sizes) ~bias_by_default:true

let huggingface_mamba2 config files =
  let sizes =
    { heads = size_or config "num_heads" 128; head_dim = size_or config "head_dim" 64;
      state_size = size_or config "state_size" 128; groups = size_or config "n_groups" 8;
      conv_width = size_or config "conv_kernel" 4; step_limits = step_limits config "time_step_limit" }
  in
  let d_inner = scaled_size config "expand" 2.0 (size config "hidden_size") in
  if sizes.heads * sizes.head_dim <> d_inner then
    refuse config "num_heads" "%d heads of %d are not the %d channels that expand implies" sizes.heads sizes.head_dim
      d_inner;
  require_divides config "n_groups" sizes.groups sizes.heads;
  huggingface config files "mamba2" (Mamba2 sizes) ~bias_by_default:false

(** * The layout of mamba-ssm *)

let mamba1_options =
  [ "layer"; "d_state"; "d_conv"; "expand"; "dt_rank"; "bias"; "conv_bias"; "dt_min"; "dt_max"; "dt_init"; "dt_scale";
    "dt_init_floor"; "use_fast_path" ]

let mamba2_options =
  [ "layer"; "d_state"; "d_conv"; "expand"; "headdim"; "ngroups"; "d_ssm"; "D_has_hdim"; "rmsnorm"; "norm_before_gate";
    "dt_limit"; "bias"; "conv_bias"; "dt_min"; "dt_max"; "dt_init_floor"; "A_init_range"; "chunk_size"; "conv_init";
    "use_mem_eff_path"; "sequence_parallel"; "activation"; "use_fast_path" ]

let mamba_ssm_sizes options d_model =
  refuse_unknown_keys options mamba1_options;
  Mamba1
    { d_inner = scaled_size options "expand" 2.0 d_model; d_state = size_or options "d_state" 16;
      d_conv = size_or options "d_conv" 4; dt_rank = rank_or_automatic options "dt_rank" d_model }

let mamba_ssm2_sizes options d_model =
  refuse_unknown_keys options mamba2_options;
  require_flag options "D_has_hdim" false "a D per channel is not supported";
  require_flag options "rmsnorm" true "a gate without RMSNorm is not supported";
  require_flag options "norm_before_gate" false "the norm before the gate is not supported";
  require_silu options "activation";
  let d_inner = scaled_size options "expand" 2.0 d_model in
  if size_or options "d_ssm" d_inner <> d_inner then
    refuse options "d_ssm" "a scan over a part of the channels is not supported";
  let head_dim = size_or options "headdim" 64 in
  require_divides options "headdim" head_dim d_inner;
  let heads = d_inner / head_dim and groups = size_or options "ngroups" 1 in
  require_divides options "ngroups" groups heads;
  Mamba2
    { heads; head_dim; state_size = size_or options "d_state" 128; groups; conv_width = size_or options "d_conv" 4;
      step_limits = step_limits options "dt_limit" }

let mamba_ssm config files =
  require_flag config "rms_norm" true "LayerNorm is not supported";
  (match find config "d_intermediate" with
   | None | Some (Json_text.Number "0") -> ()
   | Some _ -> refuse config "d_intermediate" "MLP layers between the blocks are not supported");
  if not (is_empty config "attn_layer_idx") then
    refuse config "attn_layer_idx" "attention layers among the blocks are not supported";
  let options = object_or_empty config "ssm_cfg" in
  let d_model = size config "d_model" in
  let family, kind =
    match Option.value (text options "layer") ~default:"Mamba1" with
    | "Mamba1" -> ("mamba", mamba_ssm_sizes options d_model)
    | "Mamba2" -> ("mamba2", mamba_ssm2_sizes options d_model)
    | other -> refuse options "layer" "%s is not supported; Mamba1 and Mamba2 are" (Problem.quoted other)
  in
  let multiple = size_or config "pad_vocab_size_multiple" 8 in
  let vocabulary = (size config "vocab_size" + multiple - 1) / multiple * multiple in
  let epsilon = epsilon_or { config with members = [] } "epsilon" "1e-5" in
  assemble config files ~tied:(flag config "tie_embeddings")
    { family; layout = "mamba-ssm"; layers = size config "n_layer"; d_model; vocabulary; norm_epsilon = epsilon; kind;
      projection_bias = flag_or options "bias" false; conv_bias = flag_or options "conv_bias" true;
      prefix = "backbone."; embedding = no_tensor files; files }

let open_folder folder =
  if not (try Sys.is_directory folder with Sys_error _ -> false) then Problem.bad_input folder "is not a folder";
  let config = Model_config.read (Filename.concat folder "config.json") in
  let read =
    match text config "model_type" with
    | Some "mamba" -> huggingface_mamba
    | Some "mamba2" -> huggingface_mamba2
    | None when has config "d_model" && has config "n_layer" -> mamba_ssm
    | None -> refuse config "model_type" "is missing, and so are d_model and n_layer of mamba-ssm's layout"
    | Some other -> refuse config "model_type" "the architecture %s is not supported; mamba and mamba2 are"
                      (Problem.quoted other)
  in
  read config (Model_files.open_folder folder)
