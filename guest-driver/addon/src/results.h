// What a loop has done, as a JavaScript object.
#pragma once

#include <napi.h>

#include "core/config.h"

namespace ptnet::guest {

/// @param timed whether the loop was one that times packets
Napi::Object ToJs(Napi::Env env, const LoopResult& result, bool timed);

}  // namespace ptnet::guest
