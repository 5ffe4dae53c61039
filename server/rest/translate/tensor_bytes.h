#pragma once

#include <span>
#include <string>
#include <string_view>

#include "server/base/status.h"

namespace spikeserve::rest {

// Numbers as the bytes of a tensor, little-endian. `datatype`: FP32, FP64 or UINT8, the datatypes of inputs.
// INVALID_ARGUMENT, naming `what`, for another datatype and for a number that it does not hold: nothing is
// cut off or wrapped.
Result<std::string> ToTensorBytes(std::string_view datatype, std::span<const double> numbers,
                                  const std::string& what);

}  // namespace spikeserve::rest
