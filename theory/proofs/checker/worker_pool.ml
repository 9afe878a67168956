(** Tasks shared out to processes that are forked once; a process asks for its next task when it has done one. Results
    come back through pipes. *)

(** Not the certificate's fault: memory, a process that was ended. *)
exception Worker_lost of string

(** What a task came to, in a form that survives a pipe. *)
type 'b outcome = Value of 'b | Rejection of string | Bad_file of string * string | Failure_of_process of string

let outcome_of run task =
  try Value (run task) with
  | Problem.Rejected message -> Rejection message
  | Problem.Bad_input (file, message) -> Bad_file (file, message)
  | Out_of_memory -> Failure_of_process "out of memory"
  | Stack_overflow -> Failure_of_process "out of stack"
  | error -> Failure_of_process (Printexc.to_string error)

let value_of = function
  | Some (Value value) -> value
  | Some (Rejection message) -> raise (Problem.Rejected message)
  | Some (Bad_file (file, message)) -> raise (Problem.Bad_input (file, message))
  | Some (Failure_of_process message) -> raise (Worker_lost message)
  | None -> raise (Worker_lost "a task was not run")

type worker = { pid : int; requests : out_channel; answers : in_channel; mutable task : int option }

let rec serve run requests answers =
  match (Marshal.from_channel requests : int) with
  | exception End_of_file -> ()
  | task ->
    Marshal.to_channel answers (outcome_of run task) [];
    flush answers;
    serve run requests answers

let start run others =
  let request_read, request_write = Unix.pipe ~cloexec:true () in
  let answer_read, answer_write = Unix.pipe ~cloexec:true () in
  match Unix.fork () with
  | 0 ->
    (* An inherited copy of another's request pipe would keep that one from seeing its end. *)
    List.iter (fun other -> Unix.close (Unix.descr_of_out_channel other.requests)) others;
    Unix.close request_write;
    Unix.close answer_read;
    (try serve run (Unix.in_channel_of_descr request_read) (Unix.out_channel_of_descr answer_write)
     with _ -> Unix._exit 70);
    Unix._exit 0
  | pid ->
    Unix.close request_read;
    Unix.close answer_write;
    let requests = Unix.out_channel_of_descr request_write and answers = Unix.in_channel_of_descr answer_read in
    { pid; requests; answers; task = None }

let lost () = raise (Worker_lost "a process of the check ended early")

let send worker task =
  worker.task <- Some task;
  try
    Marshal.to_channel worker.requests task [];
    flush worker.requests
  with Sys_error _ -> lost ()

let stop worker =
  close_out_noerr worker.requests;
  close_in_noerr worker.answers;
  ignore (Unix.waitpid [] worker.pid)

let receive worker : 'b outcome =
  try Marshal.from_channel worker.answers
  with End_of_file | Failure _ | Sys_error _ -> lost ()

let run_in_processes processes progress count run results =
  flush_all ();
  let rec start_all n others = if n = 0 then others else start_all (n - 1) (start run others :: others) in
  let workers = start_all (min processes count) [] in
  let next = ref 0 and finished = ref 0 in
  let give worker =
    if !next < count then (send worker !next; incr next) else worker.task <- None in
  let take worker =
    results.(Option.get worker.task) <- Some (receive worker);
    incr finished;
    progress !finished;
    give worker
  in
  Fun.protect ~finally:(fun () -> List.iter stop workers) (fun () ->
      List.iter give workers;
      while !finished < count do
        let busy = List.filter (fun w -> w.task <> None) workers in
        let ready, _, _ = Unix.select (List.map (fun w -> Unix.descr_of_in_channel w.answers) busy) [] [] (-1.0) in
        List.iter (fun w -> if List.mem (Unix.descr_of_in_channel w.answers) ready then take w) busy
      done)

(** [run] applied to 0 .. count - 1. Of the tasks that fail, the first decides which exception is raised. [progress] is
    called with the number of tasks done. *)
let map ~processes ~progress count (run : int -> 'b) : 'b array =
  let results = Array.make count None in
  if processes <= 1 || count <= 1 then
    for task = 0 to count - 1 do
      results.(task) <- Some (outcome_of run task);
      progress (task + 1)
    done
  else run_in_processes processes progress count run results;
  Array.map value_of results
