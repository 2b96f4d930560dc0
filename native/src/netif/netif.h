// An interface of the host, opened for its frames: a socket for each queue, of the kind that suits it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "memory/status.h"
#include "netif/frame_socket.h"
#include "netif/packet_socket.h"
#include "os/link.h"

namespace ptnet {

enum class NetifAccess : uint8_t {
  kAuto,    // AF_XDP where the driver has zero-copy for all of the interface, else AF_PACKET
  kXdp,     // AF_XDP, with a copy where the driver has nothing better
  kPacket,  // AF_PACKET
};

/// An interface that another process has open, and that is gone on with: its descriptors are that process's.
struct NetifState {
  std::vector<FrameSocketState> sockets;  // one for each queue
  int promiscuous = -1;                   // a socket that holds that mode; -1: it is not held
  int links = -1, news = -1;              // as in Netif
  os::LinkState link;
  bool lro = false, served = false;
  uint32_t mtu_before = 0;
  FrameLosses lost_before;           // by sockets that are gone
  std::vector<uint32_t> counters{};  // of a member of a switch: blocks of the statistics
};

/// What is known of an interface that a process which has died had open.
struct NetifLeft {
  uint32_t index = 0;  // the kernel's
  uint32_t mtu_before = 0;
  FrameLosses losses;
  std::vector<uint32_t> counters{};  // as in NetifState
};

struct NetifOptions {
  std::string object{};  // what messages begin with: `netmap:eth1`
  std::string name{};    // of the interface
  std::string netns{};   // as for os::InNetns
  uint32_t queues = 1;
  uint32_t mtu = 0;  // 0: what it has
  NetifAccess access = NetifAccess::kAuto;
  uint32_t slots = 512;                               // frames of each queue and direction, a power of 2
  std::shared_ptr<const NetifState> taken = nullptr;  // it is open already; null: it is not
  std::shared_ptr<const NetifLeft> left = nullptr;    // it is opened anew, and may be gone; null: it was not open
};

struct Netif {
  os::LinkState link;
  std::vector<std::unique_ptr<FrameSocket>> sockets;
  bool lro = false;         // as os::HasLro
  uint32_t mtu_before = 0;  // to be put back; 0: it is as it was
  os::LinkSocket links;     // of its namespace
  os::LinkSocket news;      // of the interface, link.index
};

/// Opens it. What is wrong is told with what would be right, and nothing of it stays then: ENODEV, EINVAL (the
/// loopback; one that belongs to a bridge or a bond; an mtu that it cannot have), EPERM, ENOENT (a namespace, libxdp),
/// what OpenXdpSocket says. The interface's own state but its mtu is left as it is.
Status OpenNetif(const NetifOptions& options, Netif* out);

/// Goes on with `options.taken`, whose descriptors are duplicated: nothing of the interface is changed. EINVAL when
/// they are not as `options` want it.
Status AdoptNetif(const NetifOptions& options, Netif* out);

}  // namespace ptnet
