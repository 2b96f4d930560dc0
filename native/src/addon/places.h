// Where ports of another process lie, as an argument.
#pragma once

#include <napi.h>

#include <memory>

#include "forward/port.h"

namespace ptnet::addon {

/// undefined: null. Throws a TypeError or RangeError that names what does not fit, and returns false.
bool GetPlaces(Napi::Value value, std::shared_ptr<const PortPlaces>* out);

}  // namespace ptnet::addon
