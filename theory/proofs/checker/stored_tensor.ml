(** A tensor in a file: where its numbers are, and rows of them as raw bit patterns. *)

type format = F32 | BF16 | F16 | F64 | U8

let formats = [ ("F32", F32); ("BF16", BF16); ("F16", F16); ("F64", F64); ("U8", U8) ]
let format_name format = fst (List.find (fun (_, f) -> f = format) formats)
let bytes_of = function F32 -> 4 | BF16 | F16 -> 2 | F64 -> 8 | U8 -> 1

type t = {
  name : string;
  format : format;
  shape : int list;
  strides : int list;  (** in elements *)
  file : File_bytes.t;
  first : int;  (** byte of the file *)
}

let shape_text shape = "(" ^ String.concat ", " (List.map string_of_int shape) ^ ")"

(** Product of sizes; refuses more than 2^52. *)
let elements_of_shape ~file ~name shape =
  let times product extent =
    if extent <> 0 && product > (1 lsl 52) / extent then
      Problem.bad_input file "tensor %s has shape %s, which is too large" (Problem.quoted name) (shape_text shape);
    product * extent
  in
  List.fold_left times 1 shape

let elements tensor = elements_of_shape ~file:tensor.file.path ~name:tensor.name tensor.shape

let row_major_strides shape =
  List.fold_right (fun extent (strides, next) -> (next :: strides, next * extent)) shape ([], 1) |> fst

let is_row_major shape strides =
  List.exists (( = ) 0) shape
  || List.for_all2 (fun (extent, stride) expected -> extent = 1 || stride = expected)
       (List.combine shape strides) (row_major_strides shape)

(** The pattern of element [i] of little-endian numbers. *)
let pattern format bytes i =
  match format with
  | U8 -> Z.of_int (Bytes.get_uint8 bytes i)
  | BF16 | F16 -> Z.of_int (Bytes.get_uint16_le bytes (2 * i))
  | F32 -> Z.of_int (Int32.to_int (Bytes.get_int32_le bytes (4 * i)) land 0xffffffff)
  | F64 ->
    let low = Int32.to_int (Bytes.get_int32_le bytes (8 * i)) land 0xffffffff in
    let high = Int32.to_int (Bytes.get_int32_le bytes ((8 * i) + 4)) land 0xffffffff in
    if high < 0x40000000 then Z.of_int ((high lsl 32) lor low)
    else Z.add (Z.shift_left (Z.of_int high) 32) (Z.of_int low)

(** Appends the elements of the view, backwards, to [patterns]. *)
let rec read_view tensor shape strides element patterns =
  let width = bytes_of tensor.format in
  if is_row_major shape strides then begin
    let count = List.fold_left ( * ) 1 shape in
    let bytes = File_bytes.read tensor.file (tensor.first + (element * width)) (count * width) in
    let rec go i patterns = if i < 0 then patterns else go (i - 1) (pattern tensor.format bytes i :: patterns) in
    go (count - 1) patterns
  end
  else
    match (shape, strides) with
    | extent :: shape, stride :: strides ->
      let rec go i patterns =
        if i < 0 then patterns
        else go (i - 1) (read_view tensor shape strides (element + (i * stride)) patterns)
      in
      go (extent - 1) patterns
    | _ -> assert false

(** Every element's pattern, the last axis fastest. *)
let patterns tensor = read_view tensor tensor.shape tensor.strides 0 []

let rows tensor = match tensor.shape with [] -> 1 | extent :: _ -> extent

(** Row [i] of the first axis, its other axes flattened. *)
let row tensor i =
  match (tensor.shape, tensor.strides) with
  | extent :: shape, stride :: strides when i >= 0 && i < extent -> read_view tensor shape strides (i * stride) []
  | _ -> invalid_arg (Printf.sprintf "row %d of tensor %s" i tensor.name)

(** Bytes [first, last) that the view touches. *)
let extent_in_file tensor =
  let width = bytes_of tensor.format in
  if List.exists (( = ) 0) tensor.shape then (tensor.first, tensor.first)
  else
    let last = List.fold_left2 (fun sum extent stride -> sum + ((extent - 1) * stride)) 0 tensor.shape tensor.strides in
    (tensor.first, tensor.first + ((last + 1) * width))

(** Refuses NaN and infinities in everything between the first and the last element of the view. *)
let require_finite tensor =
  let width = bytes_of tensor.format in
  let exponent_ones =
    match tensor.format with
    | U8 -> fun _ _ -> false
    | F16 -> fun bytes i -> Bytes.get_uint16_le bytes i land 0x7c00 = 0x7c00
    | BF16 -> fun bytes i -> Bytes.get_uint16_le bytes i land 0x7f80 = 0x7f80
    | F32 -> fun bytes i -> Int32.to_int (Bytes.get_int32_le bytes i) land 0x7f800000 = 0x7f800000
    | F64 -> fun bytes i -> Bytes.get_uint16_le bytes (i + 6) land 0x7ff0 = 0x7ff0
  in
  let first, last = extent_in_file tensor in
  let rec scan offset =
    if offset < last then begin
      let bytes = File_bytes.read tensor.file offset (min (File_bytes.stretch) (last - offset)) in
      let at = ref 0 in
      while !at < Bytes.length bytes do
        if exponent_ones bytes !at then
          Problem.bad_input tensor.file.path "tensor %s holds NaN or infinity, element %d of its storage"
            (Problem.quoted tensor.name) ((offset + !at - first) / width);
        at := !at + width
      done;
      scan (offset + Bytes.length bytes)
    end
  in
  scan first
