// Arguments about what is to be watched.
#pragma once

#include "addon/interfaces.h"
#include "forward/onlooker.h"

namespace ptnet::addon {

/// One of the two is given, the other undefined. False: an error is pending.
bool GetWatchable(Napi::Value port, Napi::Value member, Watchable* watched);
/// {tx, rx}
Ways GetWays(Napi::Value value);

}  // namespace ptnet::addon
