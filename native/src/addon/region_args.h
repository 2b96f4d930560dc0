// The shape of a region, as an argument.
#pragma once

#include <napi.h>

#include "memory/region.h"

namespace ptnet::addon {

/// Throws a TypeError or RangeError that names what does not fit, and returns false.
bool GetRegionShape(Napi::Value value, uint16_t* id, RegionShape* shape, RegionPages* pages);

}  // namespace ptnet::addon
