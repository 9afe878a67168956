#pragma once

/// Every elementary function of Interval: what a template over the scalar type needs in scope to be used with it.
#include "numerics/exponential.hpp"
#include "numerics/hyperbolic_tangent.hpp"
#include "numerics/interval.hpp"
#include "numerics/logarithm.hpp"
#include "numerics/sigmoid.hpp"
#include "numerics/silu.hpp"
#include "numerics/softplus.hpp"
#include "numerics/square_root.hpp"
