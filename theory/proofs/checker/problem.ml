(** The ways in which a check ends without acceptance, and messages that fit on one line. *)

(** The certificate says something that does not hold or cannot be confirmed: exit 1. *)
exception Rejected of string

(** The command line asks for something that the program does not do: exit 2. *)
exception Usage of string

(** A file, and what is wrong with it: exit 65. *)
exception Bad_input of string * string

let rejected format = Printf.ksprintf (fun message -> raise (Rejected message)) format
let usage format = Printf.ksprintf (fun message -> raise (Usage message)) format
let bad_input file format = Printf.ksprintf (fun message -> raise (Bad_input (file, message))) format

(** The text with control characters escaped, at most [limit] bytes of it. *)
let one_line ?(limit = 160) text =
  let shown = Buffer.create (String.length text) in
  let add c = if c < ' ' || c = '\127' then Printf.bprintf shown "\\x%02x" (Char.code c) else Buffer.add_char shown c in
  String.iteri (fun i c -> if i < limit then add c) text;
  if String.length text > limit then Buffer.add_string shown "...";
  Buffer.contents shown

let quoted name = "'" ^ one_line ~limit:80 name ^ "'"
