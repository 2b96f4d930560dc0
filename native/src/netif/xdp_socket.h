// AF_XDP as a FrameSocket: frames of one queue of an interface pass the host's network stack by.
#pragma once

#include <memory>

#include "memory/status.h"
#include "netif/frame_socket.h"
#include "netif/packet_socket.h"

namespace ptnet {

/// The largest MTU that fits: a frame lies in one page, behind what XDP keeps for itself.
inline constexpr uint32_t kXdpMtuMax = 3498;

/// Zero-copy where the interface's driver has it, else with a copy by the kernel. What comes in on the queue no longer
/// reaches the host's stack until the socket is closed. ENOENT: libxdp is missing; EMSGSIZE: the MTU; EBUSY: somebody
/// else has the queue; EPERM; EOPNOTSUPP.
Status OpenXdpSocket(const os::LinkState& link, const FrameSocketOptions& options, std::unique_ptr<FrameSocket>* out);

}  // namespace ptnet
