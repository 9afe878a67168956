(** Functions on integers that the extraction names (extraction.v): what Coq's Z.log2, Z.sqrt and Z.even compute. *)

let log2 n = if Z.sign n <= 0 then Z.zero else Z.of_int (Z.numbits n - 1)
let square_root n = if Z.sign n <= 0 then Z.zero else Z.sqrt n
let is_even n = Z.is_even n
