// Taps: interfaces of the kernel's network stack whose other side is a descriptor (Documentation/networking/tuntap of
// Linux). What is made here goes with the descriptors; a persistent tap of the user's is used as it is, and stays.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "memory/status.h"
#include "os/link.h"
#include "os/unique_fd.h"

namespace ptnet::os {

/// What the kernel may leave to the other side of a tap: the rest it does before a frame comes.
enum class TapOffloads : uint8_t {
  kNone,
  kChecksums,  // of TCP and UDP
  kSegments,   // and TCP of up to 64 KiB at once, which is still to be cut
};

/// A tap that another process has open, and that is gone on with: its descriptors are that process's, or whose it says.
struct TapState {
  std::vector<int> queues;
  int news = -1;  // a LinkSocket's, of what the interface has become since `link`
  LinkState link;
  bool made = false, backpressure = false, udp_segments = false;
  bool carrier = false;   // that it was given
  uint32_t vnet_hdr = 0;  // as it is now
  TapOffloads offloads = TapOffloads::kNone;
  std::vector<uint32_t> counters{};  // of a member of a switch: blocks of the statistics
};

struct TapOptions {
  std::string object;   // what messages begin with: `tap:lan`
  std::string name;     // of the interface, or a template such as `pt%d`: the first number that is free
  std::string netns{};  // as for InNetns
  uint32_t queues = 1;
  uint32_t mtu = 0;                      // 0: what it has
  std::vector<std::string> addresses{};  // `192.0.2.1/24`, `2001:db8::1/64`
  std::string beside{};                  // an interface that is to be there, whose mtu it has unless one is given
  uint32_t vnet_hdr = 0;                 // bytes of virtio-net header before each frame: 0, 10 or 12
  std::shared_ptr<const TapState> taken = nullptr;  // it is open already; null: it is not
};

struct Tap {
  LinkState link;
  bool made = false;             // it was not there before
  bool backpressure = false;     // a full queue holds the kernel's senders back, instead of dropping
  bool udp_segments = false;     // it cuts UDP (GSO_UDP_L4) that it is given; Linux 6.2
  std::vector<UniqueFd> queues;  // non-blocking; a frame a read or write
  LinkSocket news;               // of the interface, link.index
};

/** The kernel's limits (TUNSETIFF takes a name of IFNAMSIZ bytes with its end; tun_net_init() sets the MTUs). */
inline constexpr uint32_t kTapNameMax = 15;
inline constexpr uint32_t kTapMtuMin = 68, kTapMtuMax = 65521;

/**
 * Opens a tap, without carrier, and sets it up. When something of it cannot be had all of it is undone: a tap that was
 * made is gone, one that was there is as before. Errors name the object, what is wrong and what would be right: EINVAL,
 * EBUSY (somebody else has it), EPERM, ENOENT (a namespace), ENODEV (no taps in this kernel).
 */
Status OpenTap(const TapOptions& options, Tap* out);

/**
 * Goes on with `options.taken`, whose descriptors are duplicated: nothing of the tap is changed, and nothing is read.
 * EINVAL when they are no tap as `options` want it. Its interface may have been deleted: then `link` says so.
 */
Status AdoptTap(const TapOptions& options, Tap* out);

/** Whether the interface has a carrier, so that the kernel sends to it; any of its queues will do, from any namespace.
 */
Error SetTapCarrier(int queue, bool on);

/// Of a tap with a virtio-net header: how long it is from now on, 10 or 12 bytes, also on frames that wait already; and
/// what the kernel may leave undone in those that come.
Error SetTapVnetHdr(int queue, uint32_t bytes, TapOffloads offloads);

}  // namespace ptnet::os
