// What an interface's driver can do for AF_XDP, as the kernel tells it (netdev generic netlink, Linux 6.3).
#pragma once

#include <cstdint>

namespace ptnet {

/// Whether frames may lie in the memory of an AF_XDP socket from the driver on. False too where the kernel does not
/// say. In the namespace of the calling thread.
bool HasXdpZeroCopy(uint32_t interface_index);

}  // namespace ptnet
