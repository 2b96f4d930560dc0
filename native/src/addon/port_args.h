// Arguments that several files of the addon read: the shape of a port, its limits, and how it is served.
#pragma once

#include <napi.h>

#include "datapath/broker.h"
#include "forward/port.h"
#include "forward/port_limits.h"

namespace ptnet::addon {

// Each throws a TypeError or RangeError that names what does not fit, and returns false.
bool GetShape(Napi::Value value, PortShape* shape);
bool GetAttachOptions(Napi::Value value, AttachOptions* options);
/// Six bytes; undefined leaves `mac` as it is.
bool GetMac(Napi::Value value, uint8_t mac[6]);
bool GetLimits(Napi::Value value, PortLimits* limits);

}  // namespace ptnet::addon
