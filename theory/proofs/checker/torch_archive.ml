(** pytorch_model.bin: a zip archive with a pickle of the state dict and one member per storage. The pickle machine
    knows the opcodes and names of plain tensors and refuses every other; nothing in the file is ever run. *)

let storage_formats =
  [ ("torch.FloatStorage", Stored_tensor.F32); ("torch.BFloat16Storage", BF16); ("torch.HalfStorage", F16);
    ("torch.DoubleStorage", F64); ("torch.ByteStorage", U8) ]

let known_names =
  [ "collections.OrderedDict"; "torch.Size"; "torch._utils._rebuild_tensor_v2"; "torch._utils._rebuild_parameter" ]
  @ List.map fst storage_formats

type view = {
  format : Stored_tensor.format;
  key : string;  (** of the storage *)
  count : int;  (** elements of the storage *)
  offset : int;
  shape : int list;
  strides : int list;
}

type value =
  | Mark
  | Nothing
  | Truth
  | Real
  | Integer of int
  | Text of string
  | Name of string
  | Tuple of value list
  | Items of value list ref  (** a list, backwards *)
  | Dictionary of (value * value) list ref  (** backwards *)
  | Storage of Stored_tensor.format * string * int
  | Tensor of view

exception Refusal of string

let refuse format = Printf.ksprintf (fun what -> raise (Refusal what)) format

type machine = { pickle : string; mutable at : int; mutable stack : value list; memo : (int, value) Hashtbl.t }

let take machine length =
  if length < 0 || length > 65536 || length > String.length machine.pickle - machine.at then
    refuse "ends in the middle (truncated)";
  machine.at <- machine.at + length;
  String.sub machine.pickle (machine.at - length) length

let byte machine = Char.code (take machine 1).[0]

let unsigned machine width =
  let text = take machine width in
  let rec go i value = if i < 0 then value else go (i - 1) ((value lsl 8) lor Char.code text.[i]) in
  go (width - 1) 0

let signed machine width =
  if width > 7 then refuse "has an integer of %d bytes" width;
  let value = unsigned machine width in
  if width > 0 && value lsr ((8 * width) - 1) = 1 then value - (1 lsl (8 * width)) else value

let line machine =
  match String.index_from_opt machine.pickle machine.at '\n' with
  | Some stop when stop - machine.at <= 256 ->
    let text = take machine (stop - machine.at) in
    machine.at <- machine.at + 1;
    text
  | _ -> refuse "has a name without an end"

let push machine value = machine.stack <- value :: machine.stack

let pop machine =
  match machine.stack with
  | [] | Mark :: _ -> refuse "takes a value that is not there"
  | value :: rest -> machine.stack <- rest; value

(** The values above the last mark, in the order in which they were pushed. *)
let pop_to_mark machine =
  let rec go found = function
    | [] -> refuse "has no mark on the stack"
    | Mark :: rest -> machine.stack <- rest; found
    | value :: rest -> go (value :: found) rest
  in
  go [] machine.stack

let natural what = function
  | Integer n when n >= 0 && n < 1 lsl 52 -> n
  | _ -> refuse "%s is not a non-negative integer" what

let naturals what = function
  | Tuple values when List.length values <= 16 -> List.map (natural what) values
  | _ -> refuse "%s is not a tuple of sizes" what

let storage_of = function
  | Tuple [ Text "storage"; Name name; Text key; Text _; count ] when String.length key <= 64 -> (
    match List.assoc_opt name storage_formats with
    | Some format -> Storage (format, key, natural "a storage's size" count)
    | None -> refuse "has a storage of %s, which is not read here" (Problem.quoted name))
  | _ -> refuse "a persistent id is not that of a tensor's storage"

let is_plain = function Nothing -> true | Dictionary items -> !items = [] | _ -> false

let rebuild_tensor storage offset shape strides hooks metadata =
  if not (List.for_all is_plain (hooks :: metadata)) then refuse "a tensor has hooks or metadata; save plain tensors";
  match storage with
  | Storage (format, key, count) ->
    let shape = naturals "a tensor's shape" shape and strides = naturals "a tensor's strides" strides in
    if List.length shape <> List.length strides then refuse "a tensor has shape and strides of different lengths";
    Tensor { format; key; count; offset = natural "a tensor's offset" offset; shape; strides }
  | _ -> refuse "rebuilds a tensor from something that is not a storage"

let call name arguments =
  match (name, arguments) with
  | Name "torch._utils._rebuild_tensor_v2", Tuple (storage :: offset :: shape :: strides :: Truth :: hooks :: metadata)
    when List.length metadata <= 1 -> rebuild_tensor storage offset shape strides hooks metadata
  | Name "torch._utils._rebuild_parameter", Tuple [ (Tensor _ as tensor); _; _ ] -> tensor
  | Name "torch.Size", Tuple [ (Tuple _ as sizes) ] -> sizes
  | Name "collections.OrderedDict", Tuple [] -> Dictionary (ref [])
  | Name name, _ -> refuse "calls %s in a way that plain tensors do not need; nothing was run" (Problem.quoted name)
  | _ -> refuse "calls something that is not an allowed name; nothing was run"

let rec pairs = function
  | [] -> []
  | key :: value :: rest -> (key, value) :: pairs rest
  | [ _ ] -> refuse "sets an item that has a key and no value"

let set_items machine items =
  match machine.stack with
  | Dictionary found :: _ -> found := List.rev_append (pairs items) !found
  | _ -> refuse "sets items of something that is not a dict"

let append machine items =
  match machine.stack with
  | Items found :: _ -> found := List.rev_append items !found
  | _ -> refuse "appends to something that is not a list"

(** A state dict's only attribute is _metadata, which is dropped. *)
let build machine =
  match (pop machine, machine.stack) with
  | Dictionary state, Dictionary _ :: _ when List.for_all (fun (key, _) -> key = Text "_metadata") !state -> ()
  | _ -> refuse "sets attributes that a state dict does not have"

let remember machine index =
  match machine.stack with
  | [] | Mark :: _ -> refuse "remembers a value that is not there"
  | value :: _ -> Hashtbl.replace machine.memo index value

let recall machine index =
  match Hashtbl.find_opt machine.memo index with
  | Some value -> push machine value
  | None -> refuse "memo index %d was never set" index

let tuple_of machine count =
  let rec go count found = if count = 0 then found else go (count - 1) (pop machine :: found) in
  push machine (Tuple (go count []))

(** Carries out one opcode; false at the end. *)
let step machine =
  let continue = true in
  match Char.chr (byte machine) with
  | '.' -> false
  | '(' -> push machine Mark; continue
  | 'N' -> push machine Nothing; continue
  | '\x88' | '\x89' -> push machine Truth; continue
  | 'K' -> push machine (Integer (byte machine)); continue
  | 'M' -> push machine (Integer (unsigned machine 2)); continue
  | 'J' -> push machine (Integer (signed machine 4)); continue
  | '\x8a' -> push machine (Integer (signed machine (byte machine))); continue
  | 'G' -> ignore (take machine 8); push machine Real; continue
  | 'X' -> push machine (Text (take machine (unsigned machine 4))); continue
  | ')' -> push machine (Tuple []); continue
  | '\x85' -> tuple_of machine 1; continue
  | '\x86' -> tuple_of machine 2; continue
  | '\x87' -> tuple_of machine 3; continue
  | 't' -> let items = pop_to_mark machine in push machine (Tuple items); continue
  | ']' -> push machine (Items (ref [])); continue
  | 'a' -> let item = pop machine in append machine [ item ]; continue
  | 'e' -> let items = pop_to_mark machine in append machine items; continue
  | '}' -> push machine (Dictionary (ref [])); continue
  | 's' -> let value = pop machine in let key = pop machine in set_items machine [ key; value ]; continue
  | 'u' -> let items = pop_to_mark machine in set_items machine items; continue
  | 'q' -> remember machine (byte machine); continue
  | 'r' -> remember machine (unsigned machine 4); continue
  | 'h' -> recall machine (byte machine); continue
  | 'j' -> recall machine (unsigned machine 4); continue
  | 'c' ->
    let first = line machine in
    let name = first ^ "." ^ line machine in
    if not (List.mem name known_names) then
      refuse "the name %s is not one that plain tensors need; nothing was run" (Problem.quoted name);
    push machine (Name name);
    continue
  | 'Q' -> let id = pop machine in push machine (storage_of id); continue
  | 'R' -> let arguments = pop machine in let name = pop machine in push machine (call name arguments); continue
  | 'b' -> build machine; continue
  | other -> refuse "the opcode 0x%02x is not one that plain tensors need; nothing was run" (Char.code other)

let state_dict pickle =
  let machine = { pickle; at = 0; stack = []; memo = Hashtbl.create 1024 } in
  if take machine 2 <> "\x80\x02" then refuse "has another pickle protocol than 2, which torch.save writes";
  while step machine do () done;
  if machine.at <> String.length pickle then refuse "goes on after its end";
  match machine.stack with
  | [ Dictionary items ] ->
    let entry = function Text name, Tensor view -> (name, view) | _ -> refuse "holds something else than tensors" in
    List.rev_map entry !items
  | _ -> refuse "does not hold a state dict"

(** Members by their path below the archive's one top folder. *)
let members_below_top (file : File_bytes.t) =
  let split (member : Zip_directory.member) =
    match String.index_opt member.name '/' with
    | Some slash ->
      let below = String.sub member.name (slash + 1) (String.length member.name - slash - 1) in
      (String.sub member.name 0 slash, (below, member))
    | None -> Problem.bad_input file.path "has the member %s outside a folder" (Problem.quoted member.name)
  in
  let members = List.map split (Zip_directory.read file) in
  if List.length (List.sort_uniq compare (List.map fst members)) <> 1 then
    Problem.bad_input file.path "has no or several top folders";
  List.map snd members

let placed (file : File_bytes.t) members (name, view) =
  let shown = "tensor " ^ Problem.quoted name in
  match List.assoc_opt ("data/" ^ view.key) members with
  | None -> Problem.bad_input file.path "%s has its numbers in a member that is missing" shown
  | Some (storage : Zip_directory.member) ->
    let width = Stored_tensor.bytes_of view.format in
    if storage.size <> view.count * width then
      Problem.bad_input file.path "%s has a storage of %d elements, but its member has %d bytes" shown view.count
        storage.size;
    let first = storage.first + (view.offset * width) in
    let { format; shape; strides; _ } = view in
    let tensor = { Stored_tensor.name; format; shape; strides; file; first } in
    if Stored_tensor.elements tensor > view.count then
      Problem.bad_input file.path "%s is larger than its storage" shown;
    let require_stride extent stride =
      if extent > 1 && stride > view.count then
        Problem.bad_input file.path "%s has a stride beyond its storage" shown
    in
    List.iter2 require_stride shape strides;
    if snd (Stored_tensor.extent_in_file tensor) > storage.first + storage.size then
      Problem.bad_input file.path "%s reaches beyond its storage" shown;
    tensor

let read (file : File_bytes.t) =
  let members = members_below_top file in
  let content name =
    Option.map (fun (m : Zip_directory.member) ->
        if m.size > 100_000_000 then Problem.bad_input file.path "member %s is too large" name;
        Bytes.unsafe_to_string (File_bytes.read file m.first m.size))
      (List.assoc_opt name members)
  in
  (match content "byteorder" with
   | None | Some "little" -> ()
   | Some _ -> Problem.bad_input file.path "was written in another byte order than little");
  match content "data.pkl" with
  | None -> Problem.bad_input file.path "has no member 'data.pkl'; torch.save writes one"
  | Some pickle -> (
    try List.map (placed file members) (state_dict pickle)
    with Refusal what -> Problem.bad_input file.path "data.pkl: %s" what)
