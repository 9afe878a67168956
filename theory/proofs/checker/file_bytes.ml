(** Bytes of a file by offset and length, and its SHA-256. Plain reads, no mapping: a file that shrinks is an error
    message and memory is what a caller holds. *)

type t = {
  path : string;
  size : int;
  identity : int * int * int * float;  (** device, inode, size, time of the last change *)
  mutable opened : (int * Unix.file_descr) option;  (** by this process: file positions are shared across fork *)
}

let identity_of (s : Unix.LargeFile.stats) =
  (s.st_dev, s.st_ino, Int64.to_int s.st_size, s.st_mtime)

let open_read_only path =
  try Unix.openfile path [ Unix.O_RDONLY; Unix.O_CLOEXEC ] 0
  with Unix.Unix_error (error, _, _) -> Problem.bad_input path "cannot be opened: %s" (Unix.error_message error)

(** Opens a regular file. *)
let open_file path =
  let descriptor = open_read_only path in
  let stats = Unix.LargeFile.fstat descriptor in
  if stats.st_kind <> Unix.S_REG then Problem.bad_input path "is not a regular file";
  { path; size = Int64.to_int stats.st_size; identity = identity_of stats;
    opened = Some (Unix.getpid (), descriptor) }

(** This process's own descriptor of the same, unchanged file. *)
let descriptor file =
  match file.opened with
  | Some (owner, descriptor) when owner = Unix.getpid () -> descriptor
  | _ ->
    let descriptor = open_read_only file.path in
    if identity_of (Unix.LargeFile.fstat descriptor) <> file.identity then
      Problem.bad_input file.path "changed while it was read";
    file.opened <- Some (Unix.getpid (), descriptor);
    descriptor

(** Fills [buffer] from [offset]; refuses a file that ends earlier. *)
let read_into file offset buffer =
  let descriptor = descriptor file in
  let length = Bytes.length buffer in
  try
    ignore (Unix.LargeFile.lseek descriptor (Int64.of_int offset) Unix.SEEK_SET);
    let rec fill at =
      if at < length then
        match Unix.read descriptor buffer at (length - at) with
        | 0 -> Problem.bad_input file.path "ends at byte %d, but bytes up to %d are needed (truncated)" (offset + at)
                 (offset + length)
        | count -> fill (at + count)
    in
    fill 0
  with Unix.Unix_error (error, _, _) -> Problem.bad_input file.path "cannot be read: %s" (Unix.error_message error)

let read file offset length =
  if offset < 0 || length < 0 || offset > file.size - length then
    Problem.bad_input file.path "has %d bytes, but bytes %d to %d are needed (truncated)" file.size offset
      (offset + length);
  let buffer = Bytes.create length in
  read_into file offset buffer;
  buffer

(** The whole file as text; refuses more than [limit] bytes. *)
let read_text ~limit path =
  let file = open_file path in
  if file.size > limit then
    Problem.bad_input path "has %d bytes, more than the %d that such a file may have" file.size limit;
  Bytes.unsafe_to_string (read file 0 file.size)

let stretch = 1 lsl 20

(** Lower-case hexadecimal SHA-256 of the whole file. *)
let sha256 file =
  let context = Sha256.init () in
  let rec update offset =
    if offset < file.size then begin
      let piece = read file offset (min stretch (file.size - offset)) in
      Sha256.update_string context (Bytes.unsafe_to_string piece);
      update (offset + Bytes.length piece)
    end
  in
  update 0;
  Sha256.to_hex (Sha256.finalize context)
