#pragma once

#include <cstddef>
#include <functional>

namespace lyap::check {

/// Calls `body(i)` once for every i below `count`, on as many threads as there are processors; rows must not depend on
/// each other. What a row throws is thrown here, the earliest row's first.
void over_rows(std::size_t count, const std::function<void(std::size_t)>& body);

}  // namespace lyap::check
