// What there is to know about an interface of the host, in a network namespace or in ours.
#pragma once

#include <net/if.h>

#include <cstdint>
#include <string>

#include "memory/status.h"

namespace ptnet {

struct InterfaceInfo {
  std::string name;
  uint32_t index = 0;
  uint32_t mtu = 0;
  uint32_t flags = 0;   // IFF_*
  uint32_t queues = 1;  // receive queues
  std::string kind;     // of a virtual one, as `ip -d link` names it: veth, bridge, vxlan; empty for hardware
  std::string master;   // the bridge or bond that it belongs to; else empty
  uint32_t master_index = 0;

  bool loopback() const { return flags & IFF_LOOPBACK; }
  bool up() const { return flags & IFF_UP; }
  bool running() const { return flags & IFF_RUNNING; }
};

/// Fills `out`. `object` begins the message of an error, as "netmap:eth1" does. ENODEV: there is no such interface.
Status LookUpInterface(const std::string& object, const std::string& name, const std::string& netns,
                       InterfaceInfo* out);

}  // namespace ptnet
