// Interfaces of the kernel: routing netlink, as far as it is needed here (rtnetlink(7), netlink(7)).
#include "os/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <bit>

namespace ptnet::os {
namespace {

constexpr size_t kAnswerMax = 32 << 10;  // the kernel's own limit of one message, and more
constexpr uint32_t kLowerUp =
    1 << 16;  // IFF_LOWER_UP, which net/if.h lacks and linux/if.h, which has it, may not be beside it

/// A message to the kernel: its header, what it is about, attributes.
template <class Body>
struct Request {
  nlmsghdr header{};
  Body body{};
  alignas(NLMSG_ALIGNTO) uint8_t attributes[128] = {};
};

template <class Body>
Request<Body> MakeRequest(uint16_t type, uint16_t flags, const Body& body) {
  Request<Body> request;
  request.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(Body)),
                    .nlmsg_type = type,
                    .nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags),
                    .nlmsg_seq = 0,
                    .nlmsg_pid = 0};
  request.body = body;
  return request;
}

void AddAttribute(nlmsghdr* header, uint16_t type, const void* data, size_t size) {
  auto* to = reinterpret_cast<uint8_t*>(header) + NLMSG_ALIGN(header->nlmsg_len);
  auto* attribute = reinterpret_cast<rtattr*>(to);
  attribute->rta_type = type;
  attribute->rta_len = static_cast<uint16_t>(RTA_LENGTH(size));
  memcpy(RTA_DATA(attribute), data, size);
  header->nlmsg_len = static_cast<uint32_t>(NLMSG_ALIGN(header->nlmsg_len) + RTA_ALIGN(attribute->rta_len));
}

LinkState ReadLink(const nlmsghdr* header) {
  const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(header));
  LinkState link;
  link.index = static_cast<uint32_t>(info->ifi_index);
  link.up = (info->ifi_flags & IFF_UP) != 0;
  link.carrier = (info->ifi_flags & kLowerUp) != 0;
  link.loopback = (info->ifi_flags & IFF_LOOPBACK) != 0;
  link.removed = header->nlmsg_type == RTM_DELLINK;
  bool elsewhere = false;  // what `peer` counts in
  auto left = static_cast<int>(IFLA_PAYLOAD(header));
  for (const rtattr* a = IFLA_RTA(info); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
    if (a->rta_type == IFLA_IFNAME) link.name = static_cast<const char*>(RTA_DATA(a));
    if (a->rta_type == IFLA_MTU) memcpy(&link.mtu, RTA_DATA(a), sizeof link.mtu);
    if (a->rta_type == IFLA_NUM_RX_QUEUES) memcpy(&link.rx_queues, RTA_DATA(a), sizeof link.rx_queues);
    if (a->rta_type == IFLA_LINK) memcpy(&link.peer, RTA_DATA(a), sizeof link.peer);
    if (a->rta_type == IFLA_LINK_NETNSID) elsewhere = true;
    if (a->rta_type == IFLA_MASTER) memcpy(&link.master, RTA_DATA(a), sizeof link.master);
  }
  if (elsewhere) link.peer = 0;
  return link;
}

/// A request of the older kind, by ioctl.
Error Ioctl(unsigned long call, const char* name, ifreq* request) {
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return Error::Last("socket");
  memset(request->ifr_name, 0, sizeof request->ifr_name);
  strncpy(request->ifr_name, name, sizeof request->ifr_name - 1);
  return ioctl(fd.get(), call, request) == 0 ? Error{} : Error::Last("ioctl");
}

}  // namespace

bool ParseLinkAddress(const std::string& text, LinkAddress* out) {
  const size_t slash = text.find('/');
  const std::string address = text.substr(0, slash);
  out->family = address.find(':') == std::string::npos ? AF_INET : AF_INET6;
  if (inet_pton(out->family, address.c_str(), out->bytes) != 1) return false;
  const uint32_t bits = out->family == AF_INET ? 32 : 128;
  out->prefix = static_cast<uint8_t>(bits);
  if (slash == std::string::npos) return true;
  const std::string digits = text.substr(slash + 1);
  if (digits.empty() || digits.size() > 3 || digits.find_first_not_of("0123456789") != std::string::npos) return false;
  const auto prefix = static_cast<uint32_t>(std::stoul(digits));
  out->prefix = static_cast<uint8_t>(prefix);
  return prefix <= bits;
}

Error LinkSocket::Open(bool news) {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (news ? SOCK_NONBLOCK : 0), NETLINK_ROUTE));
  if (!fd) return Error::Last("socket");
  sockaddr_nl address{.nl_family = AF_NETLINK, .nl_pad = 0, .nl_pid = 0, .nl_groups = news ? RTMGRP_LINK : 0u};
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return Error::Last("bind");
  fd_ = std::move(fd);
  return {};
}

Status LinkSocket::Adopt(const std::string& object, int fd, bool news) {
  auto option = [fd](int level, int option) {
    // Of memberships there are several words, or none where there has never been one.
    int values[32] = {};
    socklen_t size = sizeof values;
    return getsockopt(fd, level, option, values, &size) == 0 ? values[0] : -1;
  };
  constexpr int kLinks = 1 << (RTNLGRP_LINK - 1);
  if (option(SOL_SOCKET, SO_DOMAIN) != AF_NETLINK || option(SOL_SOCKET, SO_PROTOCOL) != NETLINK_ROUTE ||
      option(SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS) != (news ? kLinks : 0))
    return Status::Fail(EINVAL, object + ": taken over: what tells of it is no socket of routing netlink");
  fd_ = UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  return fd_ ? Status::Ok() : Status::Fail(errno, object + ": taken over: " + strerror(errno));
}

/// One request and its answer: a link, when it is asked for one, or the kernel's errno.
Error LinkSocket::Ask(void* request, LinkState* out) {
  auto* header = static_cast<nlmsghdr*>(request);
  header->nlmsg_seq = ++sequence_;
  if (send(fd_.get(), request, header->nlmsg_len, 0) < 0) return Error::Last("send");
  alignas(NLMSG_ALIGNTO) uint8_t answer[kAnswerMax];
  for (;;) {
    const ssize_t size = recv(fd_.get(), answer, sizeof answer, 0);
    if (size < 0) return Error::Last("recv");
    auto left = static_cast<uint32_t>(size);
    for (auto* h = reinterpret_cast<nlmsghdr*>(answer); NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
      if (h->nlmsg_seq != sequence_) continue;
      if (h->nlmsg_type == NLMSG_ERROR) {
        const int err = -static_cast<const nlmsgerr*>(NLMSG_DATA(h))->error;
        return err == 0 ? Error{} : Error{err, "netlink"};
      }
      if (h->nlmsg_type != RTM_NEWLINK || out == nullptr) continue;
      *out = ReadLink(h);
      return {};
    }
  }
}

Error LinkSocket::Get(const std::string& name, LinkState* out) {
  auto request = MakeRequest(RTM_GETLINK, 0, ifinfomsg{});
  if (name.empty() || name.size() >= IFNAMSIZ) return {ENODEV, "netlink"};
  AddAttribute(&request.header, IFLA_IFNAME, name.c_str(), name.size() + 1);
  return Ask(&request, out);
}

Error LinkSocket::SetMtu(const LinkState& link, uint32_t mtu) {
  ifinfomsg info{};
  info.ifi_index = static_cast<int>(link.index);
  auto request = MakeRequest(RTM_NEWLINK, NLM_F_ACK, info);
  AddAttribute(&request.header, IFLA_MTU, &mtu, sizeof mtu);
  return Ask(&request, nullptr);
}

Error LinkSocket::SetUp(const LinkState& link, bool up) {
  ifinfomsg info{};
  info.ifi_index = static_cast<int>(link.index);
  info.ifi_flags = up ? IFF_UP : 0;
  info.ifi_change = IFF_UP;
  auto request = MakeRequest(RTM_NEWLINK, NLM_F_ACK, info);
  return Ask(&request, nullptr);
}

Error LinkSocket::ChangeAddress(uint16_t type, uint16_t flags, const LinkState& link, const LinkAddress& address) {
  auto request = MakeRequest(type, NLM_F_ACK | flags, ifaddrmsg{});
  request.body = {.ifa_family = static_cast<uint8_t>(address.family),
                  .ifa_prefixlen = address.prefix,
                  .ifa_flags = static_cast<uint8_t>(address.family == AF_INET6 ? IFA_F_NODAD : 0),
                  .ifa_scope = RT_SCOPE_UNIVERSE,
                  .ifa_index = link.index};
  const size_t size = address.family == AF_INET ? 4 : 16;
  AddAttribute(&request.header, IFA_LOCAL, address.bytes, size);
  AddAttribute(&request.header, IFA_ADDRESS, address.bytes, size);
  return Ask(&request, nullptr);
}

Error LinkSocket::AddAddress(const LinkState& link, const LinkAddress& address) {
  return ChangeAddress(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, link, address);
}

Error LinkSocket::RemoveAddress(const LinkState& link, const LinkAddress& address) {
  return ChangeAddress(RTM_DELADDR, 0, link, address);
}

std::vector<LinkState> LinkSocket::TakeNews(uint32_t index) {
  std::vector<LinkState> news;
  alignas(NLMSG_ALIGNTO) uint8_t message[kAnswerMax];
  for (;;) {
    const ssize_t size = recv(fd_.get(), message, sizeof message, MSG_DONTWAIT);
    if (size < 0 && errno == ENOBUFS) continue;  // some were lost: what comes after them says how it is now
    if (size <= 0) return news;
    auto left = static_cast<uint32_t>(size);
    for (auto* h = reinterpret_cast<nlmsghdr*>(message); NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
      if (h->nlmsg_type != RTM_NEWLINK && h->nlmsg_type != RTM_DELLINK) continue;
      // A bridge tells of its ports in messages of its own family.
      const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(h));
      if (info->ifi_family != AF_UNSPEC || static_cast<uint32_t>(info->ifi_index) != index) continue;
      news.push_back(ReadLink(h));
    }
  }
}

bool HasAddress(const std::string& name, const LinkAddress& address) {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return false;
  bool found = false;
  for (const ifaddrs* a = all; a != nullptr && !found; a = a->ifa_next) {
    if (a->ifa_addr == nullptr || a->ifa_netmask == nullptr || a->ifa_addr->sa_family != address.family ||
        name != a->ifa_name)
      continue;
    const bool v4 = address.family == AF_INET;
    auto bytes = [v4](const sockaddr* s) -> const uint8_t* {
      return v4 ? reinterpret_cast<const uint8_t*>(&reinterpret_cast<const sockaddr_in*>(s)->sin_addr)
                : reinterpret_cast<const sockaddr_in6*>(s)->sin6_addr.s6_addr;
    };
    uint32_t prefix = 0;
    for (size_t i = 0; i < (v4 ? 4u : 16u); i++) prefix += std::popcount(bytes(a->ifa_netmask)[i]);
    found = prefix == address.prefix && memcmp(bytes(a->ifa_addr), address.bytes, v4 ? 4 : 16) == 0;
  }
  freeifaddrs(all);
  return found;
}

uint32_t RxChannels(const LinkState& link) {
  ethtool_channels channels{};
  channels.cmd = ETHTOOL_GCHANNELS;
  ifreq request{};
  request.ifr_data = reinterpret_cast<char*>(&channels);
  if (Ioctl(SIOCETHTOOL, link.name.c_str(), &request)) return link.rx_queues;
  return channels.rx_count + channels.combined_count;
}

bool HasLro(const std::string& name) {
  ethtool_value flags{};
  flags.cmd = ETHTOOL_GFLAGS;
  ifreq request{};
  request.ifr_data = reinterpret_cast<char*>(&flags);
  return !Ioctl(SIOCETHTOOL, name.c_str(), &request) && (flags.data & ETH_FLAG_LRO) != 0;
}

std::string DriverOf(const std::string& name) {
  ethtool_drvinfo driver{};
  driver.cmd = ETHTOOL_GDRVINFO;
  ifreq request{};
  request.ifr_data = reinterpret_cast<char*>(&driver);
  if (Ioctl(SIOCETHTOOL, name.c_str(), &request)) return "";
  return std::string(driver.driver, strnlen(driver.driver, sizeof driver.driver));
}

}  // namespace ptnet::os
