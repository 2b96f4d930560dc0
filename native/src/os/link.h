// Interfaces of the kernel, as the network namespace of the calling thread has them: what they are, their settings, and
// news of their changes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "memory/status.h"
#include "os/error.h"
#include "os/unique_fd.h"

namespace ptnet::os {

/** What an interface is like now. */
struct LinkState {
  uint32_t index = 0;
  std::string name;
  uint32_t mtu = 0;
  bool up = false;       // IFF_UP: the administrator's word
  bool carrier = false;  // something is on the other side, and it is up
  bool loopback = false;
  uint32_t rx_queues = 0;
  uint32_t master = 0;  // index of the bridge, bond or the like that it belongs to; 0: none
  uint32_t peer = 0;    // index of the other end of a veth pair, or of what is below a VLAN, in this namespace; 0: none
  bool removed = false;  // it is gone; the rest is what it was like
};

/** An address with the length of its prefix. */
struct LinkAddress {
  int family = 0;  // AF_INET or AF_INET6
  uint8_t bytes[16] = {};
  uint8_t prefix = 0;
};

/** Reads `192.0.2.1/24` or `2001:db8::1/64`; without a prefix it is the host's alone. False when it is neither. */
bool ParseLinkAddress(const std::string& text, LinkAddress* out);

/** A socket of routing netlink, in the namespace of the thread that opened it, whoever uses it later. */
class LinkSocket {
 public:
  /** With `news` it hears of every change of an interface. */
  Error Open(bool news);
  /** One that another process has opened so: its descriptor is duplicated. EINVAL when it is none, for `object`'s
   * message. */
  Status Adopt(const std::string& object, int fd, bool news);
  int fd() const { return fd_.get(); }

  /** ENODEV when there is none of that name. */
  Error Get(const std::string& name, LinkState* out);
  Error SetMtu(const LinkState& link, uint32_t mtu);
  Error SetUp(const LinkState& link, bool up);
  /** IPv6 without duplicate address detection, which would wait for a carrier. EEXIST when it is there. */
  Error AddAddress(const LinkState& link, const LinkAddress& address);
  Error RemoveAddress(const LinkState& link, const LinkAddress& address);
  /** Changes of the interface since the last call, without waiting; only from a socket with news. */
  std::vector<LinkState> TakeNews(uint32_t index);

 private:
  Error Ask(void* request, LinkState* out);
  Error ChangeAddress(uint16_t type, uint16_t flags, const LinkState& link, const LinkAddress& address);

  UniqueFd fd_;
  uint32_t sequence_ = 0;
};

/** Whether the interface has this address, with this prefix. */
bool HasAddress(const std::string& name, const LinkAddress& address);

/** How many queues frames come by now; link.rx_queues where the driver does not say. */
uint32_t RxChannels(const LinkState& link);

/** Whether the interface merges what it receives before the kernel sees it (LRO), so that nobody can tell how to cut
 * it. */
bool HasLro(const std::string& name);

/** The kind of an interface as its driver calls itself, such as `tun`, `bridge` or `veth`; empty when it says nothing.
 */
std::string DriverOf(const std::string& name);

}  // namespace ptnet::os
