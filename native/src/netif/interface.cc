// LookUpInterface: one question to rtnetlink.
#include "netif/interface.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "netif/namespace.h"
#include "os/unique_fd.h"

namespace ptnet {
namespace {

struct Request {
  nlmsghdr header;
  ifinfomsg link;
  rtattr attribute;
  char name[IFNAMSIZ];
};

std::string Text(const rtattr* a) {
  const char* text = static_cast<const char*>(RTA_DATA(a));
  return std::string(text, strnlen(text, RTA_PAYLOAD(a)));
}

uint32_t Number(const rtattr* a) {
  uint32_t value = 0;
  if (RTA_PAYLOAD(a) >= sizeof value) std::memcpy(&value, RTA_DATA(a), sizeof value);
  return value;
}

template <class Each>
void ForEach(const rtattr* a, int left, Each each) {
  for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) each(a, a->rta_type & NLA_TYPE_MASK);
}

void Read(const nlmsghdr* message, InterfaceInfo* out) {
  const auto* link = static_cast<const ifinfomsg*>(NLMSG_DATA(message));
  out->index = static_cast<uint32_t>(link->ifi_index);
  out->flags = link->ifi_flags;
  ForEach(IFLA_RTA(link), static_cast<int>(IFLA_PAYLOAD(message)), [&](const rtattr* a, int type) {
    if (type == IFLA_IFNAME) out->name = Text(a);
    if (type == IFLA_MTU) out->mtu = Number(a);
    if (type == IFLA_NUM_RX_QUEUES) out->queues = Number(a);
    if (type == IFLA_MASTER) out->master_index = Number(a);
    if (type == IFLA_LINKINFO)
      ForEach(static_cast<const rtattr*>(RTA_DATA(a)), static_cast<int>(RTA_PAYLOAD(a)),
              [&](const rtattr* info, int kind) {
                if (kind == IFLA_INFO_KIND) out->kind = Text(info);
              });
  });
}

/// One RTM_GETLINK. @return 0 or an errno.
int Ask(const std::string& name, uint32_t index, InterfaceInfo* out) {
  os::UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd) return errno;
  Request request{};
  request.header = {.nlmsg_len = NLMSG_LENGTH(sizeof request.link),
                    .nlmsg_type = RTM_GETLINK,
                    .nlmsg_flags = NLM_F_REQUEST,
                    .nlmsg_seq = 1,
                    .nlmsg_pid = 0};
  request.link.ifi_index = static_cast<int>(index);
  if (!name.empty()) {
    request.attribute = {.rta_len = static_cast<uint16_t>(RTA_LENGTH(name.size() + 1)), .rta_type = IFLA_IFNAME};
    std::memcpy(request.name, name.c_str(), name.size() + 1);
    request.header.nlmsg_len += RTA_ALIGN(request.attribute.rta_len);
  }
  if (send(fd.get(), &request, request.header.nlmsg_len, 0) < 0) return errno;
  alignas(nlmsghdr) std::array<char, 32768> answer;
  const ssize_t bytes = recv(fd.get(), answer.data(), answer.size(), 0);
  if (bytes < 0) return errno;
  const auto* message = reinterpret_cast<const nlmsghdr*>(answer.data());
  if (!NLMSG_OK(message, static_cast<size_t>(bytes))) return EPROTO;
  if (message->nlmsg_type == NLMSG_ERROR) return -static_cast<const nlmsgerr*>(NLMSG_DATA(message))->error;
  if (message->nlmsg_type != RTM_NEWLINK) return EPROTO;
  Read(message, out);
  return 0;
}

}  // namespace

Status LookUpInterface(const std::string& object, const std::string& name, const std::string& netns,
                       InterfaceInfo* out) {
  if (name.empty() || name.size() >= IFNAMSIZ)
    return Status::Fail(EINVAL, object + ": '" + name + "' is no name of an interface: it has 1 to " +
                                    std::to_string(IFNAMSIZ - 1) + " characters");
  return WithinNamespace(object, netns, [&] {
    *out = {};
    if (const int error = Ask(name, 0, out)) {
      if (error != ENODEV) return Status::Fail(error, object + ": rtnetlink: " + std::strerror(error));
      return Status::Fail(error, object + ": there is no interface " + name +
                                     (netns.empty() ? "" : " in network namespace " + netns) +
                                     ": 'ip link' shows those that there are");
    }
    InterfaceInfo master;
    if (out->master_index != 0 && Ask("", out->master_index, &master) == 0) out->master = master.name;
    return Status::Ok();
  });
}

}  // namespace ptnet
