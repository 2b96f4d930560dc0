// What the interfaces of a network namespace are made of: which of them are tunnels or VLANs, and what carries them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "os/error.h"

namespace ptnet::os {

/** An interface, as far as it matters for how long packets may be on its way. */
struct OverlayLink {
  uint32_t index = 0;
  std::string name;
  uint32_t mtu = 0;
  uint32_t master = 0;  // index of the bridge or the like that it belongs to; 0: none
  std::string kind;     // as `ip -d link` says it: vxlan, geneve, vlan, gretap, bridge, tun, ...; empty: a device
  uint32_t lower = 0;   // index of what carries it, by its own settings or by the route to its peer; 0: nobody knows
  bool ipv6 = false;    // of a tunnel: it goes over IPv6
};

/** All interfaces, as the network namespace of the calling thread has them. */
Error ListOverlayLinks(std::vector<OverlayLink>* out);

}  // namespace ptnet::os
