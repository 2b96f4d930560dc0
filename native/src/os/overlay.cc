// Overlays: a dump of all links by routing netlink, and the route to a tunnel's other end (rtnetlink(7)).
#include "os/overlay.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>
#include <functional>
#include <iterator>

#include "os/unique_fd.h"

namespace ptnet::os {
namespace {

constexpr size_t kAnswerMax = 64 << 10;

using Attribute = std::function<void(const rtattr&)>;

void ForEach(const rtattr* first, size_t size, const Attribute& fn) {
  auto left = static_cast<int>(size);
  for (const rtattr* a = first; RTA_OK(a, left); a = RTA_NEXT(a, left)) fn(*a);
}
void ForEachIn(const rtattr& nest, const Attribute& fn) {
  ForEach(static_cast<const rtattr*>(RTA_DATA(&nest)), RTA_PAYLOAD(&nest), fn);
}

uint32_t Number(const rtattr& a) {
  uint32_t value = 0;
  memcpy(&value, RTA_DATA(&a), std::min(sizeof value, size_t{RTA_PAYLOAD(&a)}));
  return value;
}

/// The address of a tunnel's other end.
struct Remote {
  uint8_t bytes[16] = {};
  size_t size = 0;  // 0: it has none, or it is everybody's
};

/// A tunnel, and the attributes of its settings that say where it goes.
struct TunnelKind {
  const char* kind;
  int lower, remote, remote6;  // 0: it has no such attribute
};
constexpr TunnelKind kTunnels[] = {
    {"vxlan", IFLA_VXLAN_LINK, IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6},
    {"geneve", 0, IFLA_GENEVE_REMOTE, IFLA_GENEVE_REMOTE6},
    {"gretap", IFLA_GRE_LINK, IFLA_GRE_REMOTE, 0},
    {"ip6gretap", IFLA_GRE_LINK, 0, IFLA_GRE_REMOTE},
};

void ReadTunnel(const rtattr& data, OverlayLink* link, Remote* remote) {
  const auto* tunnel = std::ranges::find_if(kTunnels, [&](const TunnelKind& t) { return link->kind == t.kind; });
  if (tunnel == std::end(kTunnels)) return;
  ForEachIn(data, [&](const rtattr& a) {
    if (tunnel->lower != 0 && a.rta_type == tunnel->lower && Number(a) != 0) link->lower = Number(a);
    const bool six = tunnel->remote6 != 0 && a.rta_type == tunnel->remote6;
    if (!six && (tunnel->remote == 0 || a.rta_type != tunnel->remote)) return;
    link->ipv6 = six;
    remote->size = std::min(sizeof remote->bytes, size_t{RTA_PAYLOAD(&a)});
    memcpy(remote->bytes, RTA_DATA(&a), remote->size);
  });
}

OverlayLink ReadLink(const nlmsghdr* header, Remote* remote) {
  const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(header));
  OverlayLink link;
  link.index = static_cast<uint32_t>(info->ifi_index);
  const rtattr* settings = nullptr;
  ForEach(IFLA_RTA(info), IFLA_PAYLOAD(header), [&](const rtattr& a) {
    if (a.rta_type == IFLA_IFNAME) link.name = static_cast<const char*>(RTA_DATA(&a));
    if (a.rta_type == IFLA_MTU) link.mtu = Number(a);
    if (a.rta_type == IFLA_MASTER) link.master = Number(a);
    if (a.rta_type == IFLA_LINK) link.lower = Number(a);
    if (a.rta_type != IFLA_LINKINFO) return;
    ForEachIn(a, [&](const rtattr& b) {
      if (b.rta_type == IFLA_INFO_KIND) link.kind = static_cast<const char*>(RTA_DATA(&b));
      if (b.rta_type == IFLA_INFO_DATA) settings = &b;
    });
  });
  if (settings != nullptr) ReadTunnel(*settings, &link, remote);
  return link;
}

/// Sends a request and hands each message of the answer over, up to the last one.
Error Ask(int fd, const void* request, size_t size, const std::function<void(const nlmsghdr*)>& on_message) {
  if (send(fd, request, size, 0) < 0) return Error::Last("send");
  alignas(NLMSG_ALIGNTO) uint8_t answer[kAnswerMax];
  for (;;) {
    const ssize_t got = recv(fd, answer, sizeof answer, 0);
    if (got < 0) return Error::Last("recv");
    auto left = static_cast<uint32_t>(got);
    for (auto* h = reinterpret_cast<nlmsghdr*>(answer); NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
      if (h->nlmsg_type == NLMSG_DONE) return {};
      if (h->nlmsg_type == NLMSG_ERROR) return {-static_cast<const nlmsgerr*>(NLMSG_DATA(h))->error, "netlink"};
      on_message(h);
      if ((h->nlmsg_flags & NLM_F_MULTI) == 0) return {};
    }
  }
}

/// By which interface packets for this address leave; 0: by none.
uint32_t RouteTo(int fd, const Remote& remote) {
  struct {
    nlmsghdr header{};
    rtmsg route{};
    alignas(NLMSG_ALIGNTO) uint8_t attributes[32] = {};
  } request;
  request.header.nlmsg_len = static_cast<uint32_t>(NLMSG_LENGTH(sizeof(rtmsg)) + RTA_SPACE(remote.size));
  request.header.nlmsg_type = RTM_GETROUTE;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.route.rtm_family = remote.size == 4 ? AF_INET : AF_INET6;
  request.route.rtm_dst_len = static_cast<uint8_t>(8 * remote.size);
  auto* to = reinterpret_cast<rtattr*>(request.attributes);
  to->rta_type = RTA_DST;
  to->rta_len = static_cast<uint16_t>(RTA_LENGTH(remote.size));
  memcpy(RTA_DATA(to), remote.bytes, remote.size);
  uint32_t out = 0;
  const Error e = Ask(fd, &request, request.header.nlmsg_len, [&](const nlmsghdr* h) {
    const auto* route = static_cast<const rtmsg*>(NLMSG_DATA(h));
    ForEach(RTM_RTA(route), RTM_PAYLOAD(h), [&](const rtattr& a) {
      if (a.rta_type == RTA_OIF) out = Number(a);
    });
  });
  return e ? 0 : out;
}

}  // namespace

Error ListOverlayLinks(std::vector<OverlayLink>* out) {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd) return Error::Last("socket");
  struct {
    nlmsghdr header{};
    ifinfomsg info{};
  } request;
  request.header.nlmsg_len = NLMSG_LENGTH(sizeof(ifinfomsg));
  request.header.nlmsg_type = RTM_GETLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  std::vector<Remote> remotes;
  if (Error e = Ask(fd.get(), &request, request.header.nlmsg_len, [&](const nlmsghdr* h) {
        remotes.emplace_back();
        out->push_back(ReadLink(h, &remotes.back()));
      }))
    return e;
  for (size_t i = 0; i < out->size(); i++)
    if ((*out)[i].lower == 0 && remotes[i].size > 0) (*out)[i].lower = RouteTo(fd.get(), remotes[i]);
  return {};
}

}  // namespace ptnet::os
