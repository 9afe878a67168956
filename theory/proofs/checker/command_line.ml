(** The options of `lyap check --engine proved`. *)

type t = {
  certificate : string;
  model : string;
  json : bool;
  quiet : bool;
  processes : int;
  layers : (int * int) option;  (** first and last whose bounds are derived; none: all *)
}

let help =
  "lyap check --engine proved: checks a certificate against its model, by code whose soundness is proved in Coq\n\n\
   Usage: lyap check --engine proved NAME.json MODEL [OPTIONS]\n\n\
  \  NAME.json            a certificate of lyap certify; its arrays file lies beside it\n\
  \  MODEL                the model's folder: config.json and weights\n\
  \  --layers A-B         derive the bounds of these layers only, A-B or A, counted from 0\n\
  \  --tokens F, --activations F\n\
  \                       accepted for the native engine's sake: this engine checks no trajectory\n\
  \  --processes N        processes that share the layers (default 2)\n\
  \  --json               the verdict as JSON on stdout\n\
  \  --no-progress        nothing but the verdict\n\
  \  --help\n\n\
   Exit codes: 0 every claim is proved, 1 rejected, 2 usage, 3 accepted in part, 65 a file is missing or malformed,\n\
  \            70 memory or a lost process.\n"

let processes_of text =
  match int_of_string_opt text with
  | Some n when n >= 1 && n <= 256 -> n
  | _ -> Problem.usage "--processes is a number from 1 to 256, not %s" (Problem.quoted text)

let layers_of text =
  match List.map (fun part -> Json_text.natural (Number part)) (String.split_on_char '-' text) with
  | [ Some only ] -> (only, only)
  | [ Some first; Some last ] when first <= last -> (first, last)
  | _ -> Problem.usage "--layers %s: write A-B with A <= B, counted from 0, or one number" (Problem.quoted text)

type found = { paths : string list; options : t }

let start =
  { paths = [];
    options = { certificate = ""; model = ""; json = false; quiet = false; processes = 2; layers = None } }

(** "--name=value" as two words. *)
let split_equals word =
  match String.index_opt word '=' with
  | Some at when String.length word > 2 && String.sub word 0 2 = "--" ->
    [ String.sub word 0 at; String.sub word (at + 1) (String.length word - at - 1) ]
  | _ -> [ word ]

let with_value = [ "--processes"; "--layers"; "--tokens"; "--activations" ]

let rec read found = function
  | [] -> found
  | "--json" :: rest -> read { found with options = { found.options with json = true } } rest
  | "--no-progress" :: rest -> read { found with options = { found.options with quiet = true } } rest
  | "--processes" :: value :: rest ->
    read { found with options = { found.options with processes = processes_of value } } rest
  | "--layers" :: value :: rest ->
    read { found with options = { found.options with layers = Some (layers_of value) } } rest
  | ("--tokens" | "--activations") :: _ :: rest -> read found rest
  | [ name ] when List.mem name with_value -> Problem.usage "%s needs a value" name
  | word :: _ when word <> "" && word.[0] = '-' ->
    Problem.usage "%s is not an option of the proved engine (lyap check --engine proved --help)" (Problem.quoted word)
  | path :: rest -> read { found with paths = found.paths @ [ path ] } rest

let parse words =
  match read start (List.concat_map split_equals words) with
  | { paths = [ certificate; model ]; options } -> { options with certificate; model }
  | { paths; _ } -> Problem.usage "a certificate and a model's folder were expected, not %d names (lyap check --help)"
                      (List.length paths)
