// Interfaces that another process has open, as JavaScript tells of them.
#pragma once

#include <napi.h>

#include <memory>

#include "netif/netif.h"
#include "os/tap.h"

namespace ptnet::addon {

/// Of interfaceState() in that process, with `counters`. Undefined: none, and true. False when it has thrown.
bool GetTakenTap(Napi::Value value, std::shared_ptr<const os::TapState>* out);
bool GetTakenNetif(Napi::Value value, std::shared_ptr<const NetifState>* out);

}  // namespace ptnet::addon
