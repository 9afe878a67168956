(** Members of a zip archive that stores them uncompressed, as torch.save writes it. *)

type member = { name : string; first : int;  (** byte of the file *) size : int }

let refuse (file : File_bytes.t) format = Problem.bad_input file.path format

(** A little-endian number of two, four or eight bytes. *)
let number (file : File_bytes.t) offset width =
  let bytes = File_bytes.read file offset width in
  match width with
  | 2 -> Bytes.get_uint16_le bytes 0
  | 4 -> Int32.to_int (Bytes.get_int32_le bytes 0) land 0xffffffff
  | _ ->
    let value = Bytes.get_int64_le bytes 0 in
    if Int64.compare value 0L < 0 || Int64.compare value (Int64.of_int file.size) > 0 then
      refuse file "its zip directory points outside the file";
    Int64.to_int value

let text file offset length = Bytes.unsafe_to_string (File_bytes.read file offset length)

(** Offset, bytes and entries of the directory; archives have no comment. *)
let find_directory (file : File_bytes.t) =
  let last = file.size - 22 in
  if last < 0 || text file last 4 <> "PK\005\006" || number file (last + 20) 2 <> 0 then
    refuse file "has no zip directory at its end (not a file of torch.save, or truncated)";
  let locator = last - 20 in
  if locator >= 0 && text file locator 4 = "PK\006\007" then begin
    let record = number file (locator + 8) 8 in
    if text file record 4 <> "PK\006\006" || record + 56 <> locator then refuse file "its zip64 directory is damaged";
    (number file (record + 48) 8, number file (record + 40) 8, number file (record + 32) 8, record)
  end
  else (number file (last + 16) 4, number file (last + 12) 4, number file (last + 10) 2, last)

(** Size, packed size and offset, widened by the zip64 extra field where they are all ones. *)
let rec widened file extra extra_end fields =
  if extra + 4 > extra_end then fields
  else begin
    let length = number file (extra + 2) 2 in
    if number file extra 2 <> 1 then widened file (extra + 4 + length) extra_end fields
    else begin
      let at = ref (extra + 4) in
      let widen value =
        if value <> 0xffffffff then value
        else begin
          if !at + 8 > extra + 4 + length then refuse file "a zip64 field is too short";
          at := !at + 8;
          number file (!at - 8) 8
        end
      in
      let size, packed, local = fields in
      let size = widen size in
      let packed = widen packed in
      (size, packed, widen local)
    end
  end

(** The member of a directory entry, and where the next entry begins. *)
let read_entry file at =
  if text file at 4 <> "PK\001\002" then refuse file "its zip directory is damaged";
  let name_length = number file (at + 28) 2 and extra_length = number file (at + 30) 2 in
  let name = text file (at + 46) name_length in
  let extra = at + 46 + name_length in
  let fields = (number file (at + 24) 4, number file (at + 20) 4, number file (at + 42) 4) in
  let size, packed, local = widened file extra (extra + extra_length) fields in
  let shown = "member " ^ Problem.quoted name in
  if number file (at + 8) 2 land 1 <> 0 then refuse file "%s is encrypted" shown;
  if number file (at + 10) 2 <> 0 || packed <> size then
    refuse file "%s is compressed; torch.save stores its members, so save the file again" shown;
  if text file local 4 <> "PK\003\004" then refuse file "%s has no local header where the directory says" shown;
  let local_name = number file (local + 26) 2 in
  if text file (local + 30) local_name <> name then refuse file "%s has another name in its local header" shown;
  let first = local + 30 + local_name + number file (local + 28) 2 in
  if size > file.size - first then refuse file "%s reaches beyond the end of the file" shown;
  ({ name; first; size }, local, extra + extra_length + number file (at + 32) 2)

let read (file : File_bytes.t) =
  let directory, bytes, entries, directory_end = find_directory file in
  if directory + bytes <> directory_end then refuse file "its zip directory is damaged";
  let rec go at count found =
    if count = 0 then begin
      if at <> directory_end then refuse file "its zip directory is damaged";
      List.rev found
    end
    else
      let member, local, next = read_entry file at in
      go next (count - 1) ((member, local) :: found)
  in
  let found = go directory entries [] in
  let by_place = List.sort (fun (_, a) (_, b) -> compare a b) found in
  let require_apart last (member, local) =
    if local < last then refuse file "member %s overlaps another" (Problem.quoted member.name);
    member.first + member.size
  in
  if List.fold_left require_apart 0 by_place > directory then refuse file "its members overlap the zip directory";
  let members = List.map fst found in
  if List.length (List.sort_uniq compare (List.map (fun m -> m.name) members)) <> List.length members then
    refuse file "has a member twice";
  members
