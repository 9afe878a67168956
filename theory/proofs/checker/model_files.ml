(** Which files hold a model's weights, and the tensors in them by name. *)

type t = {
  folder : string;
  index : string option;
  weights : (string * File_bytes.t) list;  (** name relative to the folder *)
  tensors : (string, Stored_tensor.t) Hashtbl.t;
}

let ( / ) = Filename.concat
let is_there path = match Unix.lstat path with _ -> true | exception Unix.Unix_error _ -> false

let canonical path =
  try Unix.realpath path
  with Unix.Unix_error (error, _, _) -> Problem.bad_input path "cannot be resolved: %s" (Unix.error_message error)

let lies_inside path folder =
  let folder = folder ^ "/" in
  String.length path > String.length folder && String.sub path 0 (String.length folder) = folder

(** A shard is a plain file name; a link may lead elsewhere in the folder, or from snapshots/ to blobs/ of a Hugging
    Face download cache. *)
let require_inside folder index shard =
  let leaves c = c = '/' || c = '\\' || c = '\000' in
  let plain = (not (List.mem shard [ ""; "."; ".." ])) && not (String.exists leaves shard) in
  if not plain then Problem.bad_input index "the shard path %s leaves the folder" (Problem.quoted shard);
  if not (is_there (folder / shard)) then Problem.bad_input (folder / shard) "no such file, but %s names it" index;
  let home = canonical folder and target = canonical (folder / shard) in
  let revisions = Filename.dirname home in
  let in_download_cache =
    Filename.basename revisions = "snapshots" && lies_inside target (Filename.dirname revisions / "blobs") in
  if not (lies_inside target home || in_download_cache) then
    Problem.bad_input index "the shard %s is a link that leaves the folder" (Problem.quoted shard)

let add_tensors tensors found =
  let add (tensor : Stored_tensor.t) =
    if Hashtbl.mem tensors tensor.name then
      Problem.bad_input tensor.file.path "tensor %s appears twice" (Problem.quoted tensor.name);
    Hashtbl.add tensors tensor.name tensor
  in
  List.iter add found

let open_weights read folder names index =
  let tensors = Hashtbl.create 1024 in
  let open_one name =
    let file = File_bytes.open_file (folder / name) in
    add_tensors tensors (read file);
    (name, file)
  in
  let weights = List.map open_one names in
  { folder; index; weights; tensors }

let read_index path =
  match Json_text.find "weight_map" (Json_text.read_file ~limit:100_000_000 path) with
  | Some (Json_text.Object ((_ :: _) as members)) ->
    let entry (tensor, value) =
      match value with
      | Json_text.String shard -> (tensor, shard)
      | _ -> Problem.bad_input path "weight_map: %s must name a file" (Problem.quoted tensor)
    in
    List.map entry members
  | _ -> Problem.bad_input path "has no object 'weight_map' with members"

(** The index places exactly the tensors that the shards hold, where they are. *)
let require_agreement files map path =
  let place (tensor, shard) =
    match Hashtbl.find_opt files.tensors tensor with
    | Some found when found.Stored_tensor.file.path = files.folder / shard -> ()
    | _ -> Problem.bad_input path "places tensor %s in %s, which does not hold it" (Problem.quoted tensor)
             (Problem.quoted shard)
  in
  List.iter place map;
  if List.length map <> Hashtbl.length files.tensors then
    Problem.bad_input path "names %d tensors, but its files hold %d" (List.length map) (Hashtbl.length files.tensors)

let open_shards read folder index =
  let path = folder / index in
  let map = read_index path in
  let shards = List.sort_uniq compare (List.map snd map) in
  List.iter (require_inside folder path) shards;
  let files = open_weights read folder shards (Some index) in
  require_agreement files map path;
  files

(** model.safetensors, else its index, else pytorch_model.bin, else its index. *)
let open_folder folder =
  let safetensors = Safetensors.read and torch = Torch_archive.read in
  let single read name = open_weights read folder [ name ] None in
  if is_there (folder / "model.safetensors") then single safetensors "model.safetensors"
  else if is_there (folder / "model.safetensors.index.json") then
    open_shards safetensors folder "model.safetensors.index.json"
  else if is_there (folder / "pytorch_model.bin") then single torch "pytorch_model.bin"
  else if is_there (folder / "pytorch_model.bin.index.json") then
    open_shards torch folder "pytorch_model.bin.index.json"
  else Problem.bad_input folder "holds no weights: expected model.safetensors, pytorch_model.bin or an index of either"
