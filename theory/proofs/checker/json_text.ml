(** JSON without doubles, comments or remains after the end; numbers stay the text that they are. *)

type t =
  | Null
  | Bool of bool
  | Number of string
  | String of string
  | List of t list
  | Object of (string * t) list  (** in the order of the file; names are distinct *)

let deepest = 100

exception Malformed of int * string

type reader = { text : string; mutable at : int; bare_words : bool }

let fail reader what = raise (Malformed (reader.at + 1, what))
let peek reader = if reader.at < String.length reader.text then reader.text.[reader.at] else '\000'
let skip reader = reader.at <- reader.at + 1

let rec skip_blanks reader =
  match peek reader with
  | (' ' | '\t' | '\n' | '\r') when reader.at < String.length reader.text -> skip reader; skip_blanks reader
  | _ -> ()

let expect reader c =
  if peek reader <> c then fail reader (Printf.sprintf "'%c' was expected" c);
  skip reader

let starts_with reader word =
  let length = String.length word in
  reader.at + length <= String.length reader.text && String.sub reader.text reader.at length = word

let take_word reader word value =
  if not (starts_with reader word) then fail reader "a value was expected";
  reader.at <- reader.at + String.length word;
  value

let is_digit c = c >= '0' && c <= '9'

let skip_digits reader =
  if not (is_digit (peek reader)) then fail reader "a digit was expected";
  while is_digit (peek reader) do skip reader done

(** -? (0 | [1-9][0-9]* ) (.[0-9]+)? ([eE][+-]?[0-9]+)? *)
let read_number reader =
  let first = reader.at in
  if peek reader = '-' then skip reader;
  if peek reader = '0' then skip reader else skip_digits reader;
  if peek reader = '.' then (skip reader; skip_digits reader);
  if peek reader = 'e' || peek reader = 'E' then begin
    skip reader;
    if peek reader = '+' || peek reader = '-' then skip reader;
    skip_digits reader
  end;
  Number (String.sub reader.text first (reader.at - first))

let read_hexadecimal4 reader =
  let digit () =
    let c = peek reader in
    skip reader;
    match c with
    | '0' .. '9' -> Char.code c - 48
    | 'a' .. 'f' -> Char.code c - 87
    | 'A' .. 'F' -> Char.code c - 55
    | _ -> fail reader "four hexadecimal digits were expected"
  in
  let a = digit () in
  let b = digit () in
  let c = digit () in
  let d = digit () in
  (((((a * 16) + b) * 16) + c) * 16) + d

(** The character after "\u", a pair of surrogates included. *)
let read_unicode_escape reader buffer =
  let first = read_hexadecimal4 reader in
  let code =
    if first < 0xd800 || first > 0xdfff then first
    else if first > 0xdbff then fail reader "a lone surrogate"
    else begin
      expect reader '\\';
      expect reader 'u';
      let second = read_hexadecimal4 reader in
      if second < 0xdc00 || second > 0xdfff then fail reader "a lone surrogate";
      0x10000 + ((first - 0xd800) lsl 10) + (second - 0xdc00)
    end
  in
  Buffer.add_utf_8_uchar buffer (Uchar.of_int code)

let read_string reader =
  expect reader '"';
  let buffer = Buffer.create 32 in
  let rec go () =
    if reader.at >= String.length reader.text then fail reader "a string does not end";
    let c = peek reader in
    skip reader;
    match c with
    | '"' -> Buffer.contents buffer
    | '\\' -> escape (); go ()
    | c when c < ' ' -> fail reader "a control character in a string"
    | c -> Buffer.add_char buffer c; go ()
  and escape () =
    let c = peek reader in
    skip reader;
    match c with
    | '"' | '\\' | '/' -> Buffer.add_char buffer c
    | 'b' -> Buffer.add_char buffer '\b'
    | 'f' -> Buffer.add_char buffer '\012'
    | 'n' -> Buffer.add_char buffer '\n'
    | 'r' -> Buffer.add_char buffer '\r'
    | 't' -> Buffer.add_char buffer '\t'
    | 'u' -> read_unicode_escape reader buffer
    | _ -> fail reader "an unknown escape"
  in
  go ()

let rec read_value reader depth =
  if depth > deepest then fail reader "nested too deeply";
  skip_blanks reader;
  match peek reader with
  | '{' -> read_object reader depth
  | '[' -> read_list reader depth
  | '"' -> String (read_string reader)
  | 'n' -> take_word reader "null" Null
  | 't' -> take_word reader "true" (Bool true)
  | 'f' -> take_word reader "false" (Bool false)
  | 'I' when reader.bare_words -> take_word reader "Infinity" (Number "Infinity")
  | 'N' when reader.bare_words -> take_word reader "NaN" (Number "NaN")
  | '-' when reader.bare_words && starts_with reader "-I" -> take_word reader "-Infinity" (Number "-Infinity")
  | '-' | '0' .. '9' -> read_number reader
  | _ -> fail reader "a value was expected"

(** The items between an opening character, which is next, and [close]. *)
and read_items : 'a. reader -> char -> (unit -> 'a) -> 'a list = fun reader close read_item ->
  skip reader;
  skip_blanks reader;
  if peek reader = close then (skip reader; [])
  else begin
    let rec go items =
      let item = read_item () in
      skip_blanks reader;
      if peek reader = ',' then (skip reader; go (item :: items))
      else (expect reader close; List.rev (item :: items))
    in
    go []
  end

and read_list reader depth = List (read_items reader ']' (fun () -> read_value reader (depth + 1)))

and read_object reader depth =
  let seen = Hashtbl.create 16 in
  let read_member () =
    skip_blanks reader;
    let name = read_string reader in
    if Hashtbl.mem seen name then fail reader (Printf.sprintf "the name %s appears twice" (Problem.quoted name));
    Hashtbl.add seen name ();
    skip_blanks reader;
    expect reader ':';
    (name, read_value reader (depth + 1))
  in
  Object (read_items reader '}' read_member)

(** Byte of the first sequence that is not UTF-8; surrogates and overlong forms are none. *)
let invalid_utf_8 text =
  let length = String.length text in
  let byte i = if i < length then Char.code text.[i] else 0 in
  let continues i = byte i land 0xc0 = 0x80 in
  let rec go i =
    if i >= length then None
    else
      let first = byte i and second = byte (i + 1) in
      if first < 0x80 then go (i + 1)
      else if first >= 0xc2 && first <= 0xdf && continues (i + 1) then go (i + 2)
      else if
        first land 0xf0 = 0xe0 && continues (i + 1) && continues (i + 2)
        && (first <> 0xe0 || second >= 0xa0) && (first <> 0xed || second < 0xa0)
      then go (i + 3)
      else if
        first >= 0xf0 && first <= 0xf4 && continues (i + 1) && continues (i + 2) && continues (i + 3)
        && (first <> 0xf0 || second >= 0x90) && (first <> 0xf4 || second < 0x90)
      then go (i + 4)
      else Some (i + 1)
  in
  go 0

(** [bare_words]: Infinity, -Infinity and NaN are read as numbers, as Python writes them. *)
let parse ?(bare_words = false) ~file text =
  let reader = { text; at = 0; bare_words } in
  Option.iter (Problem.bad_input file "is not valid JSON, byte %d: not UTF-8") (invalid_utf_8 text);
  try
    let value = read_value reader 0 in
    skip_blanks reader;
    if reader.at < String.length text then fail reader "something follows the end";
    value
  with Malformed (byte, what) -> Problem.bad_input file "is not valid JSON, byte %d: %s" byte what

let read_file ?bare_words ~limit path = parse ?bare_words ~file:path (File_bytes.read_text ~limit path)

let find name = function Object members -> List.assoc_opt name members | _ -> None

(** A non-negative integer written with digits alone. *)
let natural = function
  | Number text when text <> "" && String.for_all is_digit text && String.length text <= 18 -> int_of_string_opt text
  | _ -> None
