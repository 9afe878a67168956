(** lyap-check-proved: the program around the extracted checker. *)

let show_progress (command : Command_line.t) done_ total =
  if (not command.quiet) && Unix.isatty Unix.stderr then
    Printf.eprintf "\r%d of %d parts checked%s%!" done_ total (if done_ = total then "\r\027[K" else "")

(** Exit code, text for stdout, text for stderr. *)
let check (command : Command_line.t) =
  let refused code verdict message =
    (code, (if command.json then Verdict.refusal_json verdict message else ""),
     Printf.sprintf "lyap check: %s%s\n" (if code = 1 then "rejected: " else "") message)
  in
  match Check_certificate.run command ~progress:(show_progress command) with
  | report ->
    ((if Verdict.is_complete report then 0 else 3), (if command.json then Verdict.json report else Verdict.text report), "")
  | exception Problem.Rejected message -> refused 1 "rejected" message
  | exception Problem.Bad_input (file, message) -> refused 65 "bad input" (Problem.one_line file ^ ": " ^ message)
  | exception Worker_pool.Worker_lost message -> refused 70 "not checked" message
  | exception Out_of_memory -> refused 70 "not checked" "out of memory"
  | exception ((Stack_overflow | Invalid_argument _ | Failure _ | Not_found | Unix.Unix_error _ | Sys_error _) as error)
    -> refused 70 "not checked" (Printexc.to_string error)

let finish (code, output, message) =
  let written = try print_string output; flush stdout; true with Sys_error _ -> false in
  prerr_string message;
  flush stderr;
  Unix._exit (if code = 0 && not written then 70 else code)

let () =
  Sys.set_signal Sys.sigpipe Sys.Signal_ignore;
  let words = List.tl (Array.to_list Sys.argv) in
  if words = [] || List.mem "--help" words || List.mem "-h" words then begin
    print_string Command_line.help;
    exit (if words = [] then 2 else 0)
  end;
  try
    finish (check (Command_line.parse words))
  with
  | Problem.Usage message -> finish (2, "", Printf.sprintf "lyap check: %s\n" message)
  | Sys_error message -> finish (70, "", Printf.sprintf "lyap check: %s\n" message)
