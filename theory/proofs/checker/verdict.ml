(** The verdict of an accepted certificate, as text or JSON. *)

open Check_certificate

let plural n word = Printf.sprintf "%d %s%s" n word (if n = 1 then "" else "s")

let unit_word (report : report) = match report.model.kind with Mamba1 _ -> "channel" | Mamba2 _ -> "head"

(** Every claim is proved, but for witnesses, which prove nothing. *)
let is_complete report = report.left_out = 0 && (not report.other_claims) && List.for_all Coverage.is_proved report.rows

let row_line report (row : Coverage.row) =
  let theorems = String.concat ", " row.theorems in
  if Coverage.is_proved row then
    Printf.sprintf "  %-23s proved for every %s of %s: %s" row.name (unit_word report) (plural row.layers "layer")
      theorems
  else
    let layers = String.concat ", " (List.map string_of_int row.open_layers) in
    Printf.sprintf "  %-23s %d of %d %ss proved%s; not proved in layers %s%s" row.name row.proved row.channels
      (unit_word report) (if theorems = "" then "" else ": " ^ theorems) layers
      (if row.reasons = [] then "" else " (" ^ String.concat "; " row.reasons ^ ")")

let text report =
  let structural (claim, theorem) = Printf.sprintf "  %s: proved, %s" claim theorem in
  let not_covered =
    if report.not_covered = [] then []
    else "not checked by this engine:" :: List.map (fun what -> "  " ^ what) report.not_covered in
  let lines =
    [ Printf.sprintf "accepted by the proved engine%s: %s is a certificate of %s (%s, %s)"
        (if is_complete report then "" else ", in part") report.certificate.file report.model.files.folder
        report.model.family (plural report.model.layers "layer") ]
    @ List.map structural Adapter.structural
    @ List.map (row_line report) report.rows
    @ not_covered
  in
  String.concat "\n" lines ^ "\n"

let quoted text =
  let buffer = Buffer.create (String.length text + 2) in
  Buffer.add_char buffer '"';
  String.iter (function
      | '"' -> Buffer.add_string buffer "\\\""
      | '\\' -> Buffer.add_string buffer "\\\\"
      | c when c < ' ' -> Printf.bprintf buffer "\\u%04x" (Char.code c)
      | c -> Buffer.add_char buffer c)
    text;
  Buffer.add_char buffer '"';
  Buffer.contents buffer

let list items = "[" ^ String.concat ", " items ^ "]"

let row_json (row : Coverage.row) =
  Printf.sprintf
    "{\"claim\": %s, \"layers\": %d, \"channels\": %d, \"proved\": %d, \"theorems\": %s, \"not_proved_in\": %s, \
     \"reasons\": %s}"
    (quoted row.name) row.layers row.channels row.proved (list (List.map quoted row.theorems))
    (list (List.map string_of_int row.open_layers)) (list (List.map quoted row.reasons))

let structural_json (claim, theorem) =
  Printf.sprintf "{\"claim\": %s, \"theorems\": %s}" (quoted claim) (list [ quoted theorem ])

let json report =
  Printf.sprintf
    "{\"verdict\": \"accepted\", \"engine\": \"proved\", \"complete\": %b, \"certificate\": %s, \"model\": %s,\n\
    \ \"structural\": %s,\n \"claims\": %s,\n \"not_checked\": %s}\n"
    (is_complete report) (quoted report.certificate.file) (quoted report.model.files.folder)
    (list (List.map structural_json Adapter.structural)) (list (List.map row_json report.rows))
    (list (List.map quoted report.not_covered))

let refusal_json verdict message =
  Printf.sprintf "{\"verdict\": %s, \"engine\": \"proved\", \"reason\": %s}\n" (quoted verdict) (quoted message)
