(** Lines under silu, one per channel: a slope, and how far silu(q) - slope q can be from zero over the range of q. They
    are found in ordinary floating point; the extracted checker tests each, so nothing rests on how they were found. *)

type t = {
  slope : float;
  touch_left : float;  (** where tangents are taken: on the left, middle and right piece of constant curvature *)
  touch_middle : float;
  touch_right : float;
  gap_lower : float;
  gap_upper : float;
}

(** silu is convex within [inner] of zero and concave beyond [outer]; in between it is neither that can be named. *)
let inner = 0x1.331e23ad9de10p+1

let outer = 0x1.331e23ad9de12p+1

let sigmoid q = if q >= 0.0 then 1.0 /. (1.0 +. exp (-.q)) else exp q /. (1.0 +. exp q)
let silu q = q *. sigmoid q
let derivative q = sigmoid q *. (1.0 +. (q *. sigmoid (-.q)))

(** The chord of silu over [a, b]; what the certifier takes as slope. *)
let chord a b =
  if b -. a > 1e-6 then (silu b -. silu a) /. (b -. a) else derivative (a +. (0.5 *. (b -. a)))

(** A point of [a, b] where the derivative is near [slope], the derivative being monotone there; else an end. *)
let touching slope a b =
  let increasing = derivative b > derivative a in
  let rec bisect low high n =
    if n = 0 || not (low < high) then low +. (0.5 *. (high -. low))
    else
      let middle = low +. (0.5 *. (high -. low)) in
      if increasing = (derivative middle < slope) then bisect middle high (n - 1) else bisect low middle (n - 1)
  in
  Float.min b (Float.max a (bisect a b 60))

(** Relative and absolute room for the rounding of what is computed here. *)
let room = 0x1p-47

let find lower upper =
  let slope = chord lower upper in
  let slope = if Float.is_finite slope then slope else 0.5 in
  let touch a b fallback =
    let a = Float.max a lower and b = Float.min b upper in
    if a < b then touching slope a b else fallback
  in
  let touch_left = touch neg_infinity (-.outer) (-.outer) in
  let touch_middle = touch (-.inner) inner 0.0 in
  let touch_right = touch outer infinity outer in
  let residual q = silu q -. (slope *. q) in
  let inside q = lower <= q && q <= upper in
  let points =
    lower :: upper :: List.filter inside [ touch_left; touch_middle; touch_right; -.outer; -.inner; inner; outer ] in
  let values = List.map residual points in
  let sizes = List.map (fun q -> Float.abs (silu q) +. Float.abs (slope *. q)) points in
  let slack = room *. (0x1p-10 +. List.fold_left Float.max 0.0 sizes) in
  { slope; touch_left; touch_middle; touch_right;
    gap_lower = List.fold_left Float.min infinity values -. slack;
    gap_upper = List.fold_left Float.max neg_infinity values +. slack }
