// Ports behind /dev/netmap: openNetmap(name) -> what startLoop() wants of a port.
#pragma once

#include <napi.h>

namespace ptnet::guest {

Napi::Value OpenNetmap(const Napi::CallbackInfo& info);

}  // namespace ptnet::guest
