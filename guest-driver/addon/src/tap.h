// Taps for guests that are kernels: openTap(options) -> a descriptor for each queue.
#pragma once

#include <napi.h>

namespace ptnet::guest {

Napi::Value OpenTap(const Napi::CallbackInfo& info);

}  // namespace ptnet::guest
