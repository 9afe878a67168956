"""The kinds of mutation. Each changes a Forgery and says what an engine may answer:

  refuse     any acceptance is wrong
  slack      accepted only where no bound moved inward by more than SLACK (what the certifier's rounding leaves)
  part       as slack; a claim that moved may also be named as not covered, with exit code 3
  domain     as part, for every universal claim of layer 0
  condition  refused, or accepted in part where the condition is named as not recomputed
  text       the proved engine refuses; the native engine reads a sentence for its bound only
  order      the proved engine refuses; the native engine lets claims and files stand in any order
  witness    the proved engine names witnesses as not checked; the native engine refuses
  true       nothing false is claimed: any answer
"""

from bound_kinds import (
    bound,
    bound_by_ulps,
    bound_outward_elsewhere,
    bounds_of_a_channel,
    deciding_bound,
    non_finite,
    random_bits,
    stored_input,
    whole_array,
    witness,
)
from evasions import (
    consistent_evasion,
    evasion,
    narrower_domain,
    relaxation_code,
    wider_domain,
)
from file_kinds import (
    array_dropped,
    array_header,
    array_renamed,
    arrays_swapped,
    changed_config,
    channels_swapped,
    file_cut_or_extended,
    json_cut,
    other_model,
    stale_arrays,
    weight_bit,
    weight_bit_stale,
    wrong_hash,
)
from json_kinds import (
    condition,
    item_dropped_or_twice,
    items_swapped,
    json_boolean,
    json_decimal,
    json_integer,
    json_number,
    json_text,
    layer_contents_swapped,
    member_dropped,
    member_duplicated,
    member_null,
    member_renamed,
    sentence_number,
    zero_rate,
)

# Weights of the draw
KINDS = {
    bound: 30, bound_by_ulps: 7, deciding_bound: 6, bounds_of_a_channel: 6, whole_array: 3,
    bound_outward_elsewhere: 3, non_finite: 6, random_bits: 5, json_number: 7, json_decimal: 3, json_integer: 3,
    json_text: 4, sentence_number: 2, zero_rate: 3, condition: 3, json_boolean: 1, member_dropped: 3,
    member_renamed: 2, member_null: 2, member_duplicated: 2, item_dropped_or_twice: 2, items_swapped: 2,
    layer_contents_swapped: 1, arrays_swapped: 3, channels_swapped: 3, array_dropped: 2, array_renamed: 2,
    array_header: 2, file_cut_or_extended: 2, json_cut: 1, stale_arrays: 2, wrong_hash: 2, other_model: 2,
    weight_bit_stale: 2, weight_bit: 7, changed_config: 2, evasion: 4, consistent_evasion: 4, wider_domain: 1,
    narrower_domain: 1, relaxation_code: 2, witness: 3, stored_input: 1,
}
