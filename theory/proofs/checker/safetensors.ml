(** The safetensors container: eight bytes of header length, a JSON header, and tensors that tile the rest exactly. *)

let largest_header = 100_000_000

let read_header (file : File_bytes.t) =
  let prefix = File_bytes.read file 0 (min 8 file.size) in
  if file.size < 8 then Problem.bad_input file.path "is too short for a safetensors file (truncated)";
  let length = Bytes.get_int64_le prefix 0 in
  if Int64.compare length 0L < 0 || Int64.compare length (Int64.of_int largest_header) > 0 then
    Problem.bad_input file.path "its header length %Lu is over the limit (not a safetensors file?)" length;
  let length = Int64.to_int length in
  if length > file.size - 8 then Problem.bad_input file.path "its header should have %d bytes (truncated)" length;
  let text = Bytes.unsafe_to_string (File_bytes.read file 8 length) in
  if text = "" || text.[0] <> '{' then Problem.bad_input file.path "its header does not begin with '{'";
  (Json_text.parse ~file:file.path text, 8 + length)

let natural (file : File_bytes.t) what value =
  match Json_text.natural value with
  | Some n -> n
  | None -> Problem.bad_input file.path "%s must be a non-negative integer" what

(** One tensor of the header, and one past its last byte. *)
let read_entry (file : File_bytes.t) data_begin (name, value) =
  let shown = "tensor " ^ Problem.quoted name in
  let members = match value with Json_text.Object m -> m | _ -> Problem.bad_input file.path "%s is no object" shown in
  match List.sort compare members with
  | [ ("data_offsets", List [ first; last ]); ("dtype", String dtype); ("shape", List shape) ] ->
    let format =
      match List.assoc_opt dtype Stored_tensor.formats with
      | Some format -> format
      | None -> Problem.bad_input file.path "%s has dtype %s, which is not read here" shown (Problem.quoted dtype)
    in
    let shape = List.map (natural file (shown ^ ": shape")) shape in
    let first = natural file (shown ^ ": data_offsets") first and last = natural file (shown ^ ": data_offsets") last in
    let bytes = Stored_tensor.(elements_of_shape ~file:file.path ~name shape * bytes_of format) in
    if last - first <> bytes then
      Problem.bad_input file.path "%s of dtype %s and shape %s takes %d bytes, but its data_offsets span %d" shown dtype
        (Stored_tensor.shape_text shape) bytes (last - first);
    let strides = Stored_tensor.row_major_strides shape in
    ({ Stored_tensor.name; format; shape; strides; file; first = data_begin + first }, data_begin + last)
  | _ -> Problem.bad_input file.path "%s must have dtype, shape and data_offsets and nothing else" shown

let require_metadata (file : File_bytes.t) value =
  let is_text (_, value) = match value with Json_text.String _ -> true | _ -> false in
  match value with
  | Json_text.Object members when List.for_all is_text members -> ()
  | _ -> Problem.bad_input file.path "__metadata__ must be an object of strings"

(** The tensors of a file, in the order of their bytes, which they fill without overlap, hole or remains. *)
let read (file : File_bytes.t) =
  let header, data_begin = read_header file in
  let members = match header with Json_text.Object members -> members | _ -> [] in
  let metadata, tensors = List.partition (fun (name, _) -> name = "__metadata__") members in
  List.iter (fun (_, value) -> require_metadata file value) metadata;
  let entries = List.map (read_entry file data_begin) tensors in
  let by_place ((a : Stored_tensor.t), a_end) ((b : Stored_tensor.t), b_end) =
    compare (a.first, a_end) (b.first, b_end) in
  let entries = List.sort by_place entries in
  let require_next expected ((tensor : Stored_tensor.t), last) =
    if tensor.first <> expected then
      Problem.bad_input file.path "tensor %s begins at byte %d where %d was expected: data_offsets %s"
        (Problem.quoted tensor.name) tensor.first expected
        (if tensor.first < expected then "overlap" else "leave a hole");
    last
  in
  let last = List.fold_left require_next data_begin entries in
  if last <> file.size then
    Problem.bad_input file.path "its tensors end at byte %d, but the file has %d bytes%s" last file.size
      (if last > file.size then " (truncated)" else "");
  List.map fst entries
