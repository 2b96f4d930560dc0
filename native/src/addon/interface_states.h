// Interfaces that another process has open, as JavaScript tells of them.
#pragma once

#include <napi.h>

#include <memory>

#include "netif/netif.h"
#include "os/tap.h"

namespace ptnet::addon {

/// Of interfaceState() in that process, with `counters`. Undefined: none, and true. False when it has thrown.
bool GetTakenTap(Napi::Value value, std::shared_ptr<const os::TapState>* out);
/// The same for `taken`, or, of kind `left`, what is known of one that had died for `left`.
bool GetTakenNetif(Napi::Value value, NetifOptions* options);

}  // namespace ptnet::addon
