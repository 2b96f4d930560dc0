// OpenNetif: what the interface is, what suits it, and its sockets.
#include "netif/netif.h"

#include <errno.h>
#include <net/if.h>

#include <cstring>

#include "netif/xdp_features.h"
#include "netif/xdp_library.h"
#include "netif/xdp_socket.h"
#include "os/netns.h"

namespace ptnet {
namespace {

class Opening {
 public:
  Opening(const NetifOptions& options, Netif* netif) : o_(options), netif_(*netif) {}

  Status Run() {
    if (Error e = netif_.links.Open(false)) return Fail(e.number, std::string(e.syscall) + ": " + strerror(e.number));
    if (Status s = Find(); !s.ok()) return s;
    if (Status s = SetMtu(); !s.ok()) return s;
    Status s = OpenSockets();
    if (s.ok())
      if (Error e = netif_.news.Open(true)) s = Fail(e.number, std::string(e.syscall) + ": " + strerror(e.number));
    if (!s.ok() && netif_.mtu_before != 0) (void)netif_.links.SetMtu(netif_.link, netif_.mtu_before);
    return s;
  }

 private:
  using Error = os::Error;

  Status Fail(int err, const std::string& text) const { return Status::Fail(err, o_.object + ": " + text); }
  std::string Quoted() const { return "'" + o_.name + "'"; }

  Status Find() {
    if (Error e = netif_.links.Get(o_.name, &netif_.link)) {
      if (e.number == ENODEV)
        return Fail(ENODEV, "there is no interface " + Quoted() + (o_.netns.empty() ? "" : " in its namespace") +
                                ": one that 'ip link' shows would be right");
      return Fail(e.number, std::string(e.syscall) + ": " + strerror(e.number));
    }
    if (netif_.link.loopback)
      return Fail(EINVAL, Quoted() +
                              " is the loopback, which reaches nobody else: 'tap:lan' would be right for the "
                              "host's own network");
    netif_.lro = os::HasLro(o_.name);
    return CheckMaster();
  }

  /// Frames of a bridge's port, or a bond's, are the bridge's to forward.
  Status CheckMaster() const {
    char name[IF_NAMESIZE] = {};
    if (netif_.link.master == 0 || if_indextoname(netif_.link.master, name) == nullptr) return Status::Ok();
    const std::string master = name, kind = os::DriverOf(master);
    if (kind == "vrf") return Status::Ok();
    std::string what = "interface", right = "an interface of its own";
    if (kind == "bridge") {
      what = kind;
      right = "a tap that belongs to it too ('tap:lan', then 'ip link set lan master " + master + "')";
    } else if (kind == "bonding" || kind == "team") {
      what = kind == "team" ? "team" : "bond";
      right = "'netmap:" + master + "'";
    }
    return Fail(EINVAL, Quoted() + " belongs to the " + what + " '" + master + "', which takes its frames: " + right +
                            ", or 'ip link set " + o_.name + " nomaster', would be right");
  }

  Status SetMtu() {
    const uint32_t before = netif_.link.mtu;
    if (o_.mtu == 0 || o_.mtu == before) return Status::Ok();
    if (Error e = netif_.links.SetMtu(netif_.link, o_.mtu)) {
      const std::string what = "mtu " + std::to_string(o_.mtu);
      if (e.number == EPERM)
        return Fail(
            EPERM, what + " takes CAP_NET_ADMIN: 'ip link set " + o_.name + " " + what + "' beforehand would be right");
      if (e.number == EINVAL || e.number == ERANGE)
        return Fail(EINVAL, what + " is not for " + Quoted() + ": what 'ip -d link show " + o_.name +
                                "' gives as minmtu to maxmtu would be right");
      return Fail(e.number, what + ": " + strerror(e.number));
    }
    netif_.link.mtu = o_.mtu;
    netif_.mtu_before = before;
    return Status::Ok();
  }

  Status OpenSockets() {
    const uint32_t channels = os::RxChannels(netif_.link);
    if (o_.access == NetifAccess::kXdp) {
      if (o_.queues != channels)
        return Fail(EINVAL, "AF_XDP takes frames by queue: " + Quoted() + " has " + std::to_string(channels) +
                                " and there are " + std::to_string(o_.queues) + " pairs of rings: 'ethtool -L " +
                                o_.name + " combined " + std::to_string(o_.queues) +
                                "', or as many rings as queues, "
                                "would be right");
      return OpenAll(OpenXdpSocket);
    }
    std::string why;
    // Without zero-copy AF_PACKET is as good, and tells of checksums and segments.
    if (o_.access == NetifAccess::kAuto && o_.queues == channels && netif_.link.mtu <= kXdpMtuMax &&
        HasXdpZeroCopy(netif_.link.index) && LoadXdpLibrary(&why) != nullptr) {
      if (OpenAll(OpenXdpSocket).ok()) return Status::Ok();
      netif_.sockets.clear();
    }
    return OpenAll(OpenPacketSocket);
  }

  Status OpenAll(Status (*open)(const os::LinkState&, const FrameSocketOptions&, std::unique_ptr<FrameSocket>*)) {
    for (uint32_t i = 0; i < o_.queues; i++) {
      const FrameSocket* sibling = i == 0 ? nullptr : netif_.sockets[0].get();
      const FrameSocketOptions options{.object = o_.object,
                                       .netns = o_.netns,
                                       .queue = i,
                                       .shared = o_.queues > 1,
                                       .sibling = sibling,
                                       .promiscuous = false,
                                       .slots = o_.slots};
      std::unique_ptr<FrameSocket> socket;
      if (Status s = open(netif_.link, options, &socket); !s.ok()) return s;
      netif_.sockets.push_back(std::move(socket));
    }
    return Status::Ok();
  }

  const NetifOptions& o_;
  Netif& netif_;
};

}  // namespace

Status AdoptNetif(const NetifOptions& options, Netif* out) {
  const NetifState& state = *options.taken;
  if (state.sockets.size() != options.queues)
    return Status::Fail(EINVAL, options.object + ": taken over: it has another number of queues");
  Netif netif;
  netif.link = state.link;
  netif.lro = state.lro;
  netif.mtu_before = state.mtu_before;
  if (Status s = netif.links.Adopt(options.object, state.links, false); !s.ok()) return s;
  if (Status s = netif.news.Adopt(options.object, state.news, true); !s.ok()) return s;
  const FrameSocketOptions each{.object = options.object, .shared = options.queues > 1, .slots = options.slots};
  for (const FrameSocketState& socket : state.sockets)
    if (Status s = AdoptPacketSocket(state.link, each, socket, &netif.sockets.emplace_back()); !s.ok()) return s;
  *out = std::move(netif);
  return Status::Ok();
}

Status OpenNetif(const NetifOptions& options, Netif* out) {
  return os::InNetns(options.object, options.netns, [&] {
    Netif netif;
    Status status = Opening(options, &netif).Run();
    if (status.ok()) *out = std::move(netif);
    return status;
  });
}

}  // namespace ptnet
