// AF_PACKET as a FrameSocket: any interface will do. Frames come and go through rings that are mapped (TPACKET_V2),
// each with a virtio-net header (PACKET_VNET_HDR).
#pragma once

#include <memory>
#include <string>

#include "memory/status.h"
#include "netif/frame_socket.h"
#include "os/link.h"
#include "os/unique_fd.h"

namespace ptnet {

struct FrameSocketOptions {
  std::string object = {};  // begins every message: "netmap:eth1"
  std::string netns = {};   // as os::InNetns has it
  uint32_t queue = 0;       // AF_XDP: the interface's queue
  /// Several sockets share the frames that come, each flow of packets by one of them: `sibling` is one of the others,
  /// null for the first.
  bool shared = false;
  const FrameSocket* sibling = nullptr;
  bool promiscuous = true;
  uint32_t slots = 512;  // frames each way, a power of 2
};

/// ENODEV, EPERM, or what else the kernel says. The interface's own state is not touched: what is asked for
/// (promiscuous mode) ends with the socket, however that ends.
Status OpenPacketSocket(const os::LinkState& link, const FrameSocketOptions& options,
                        std::unique_ptr<FrameSocket>* out);

/// Goes on with `state`, whose descriptors are duplicated: nothing of it is changed, and nothing is read. EINVAL when
/// it is no such socket of this interface.
Status AdoptPacketSocket(const os::LinkState& link, const FrameSocketOptions& options, const FrameSocketState& state,
                         std::unique_ptr<FrameSocket>* out);

/// Promiscuous mode for as long as the descriptor is open.
Status HoldPromiscuous(const os::LinkState& link, const FrameSocketOptions& options, os::UniqueFd* out);

}  // namespace ptnet
