// HasXdpZeroCopy: two questions of generic netlink, the family's number and the interface's features.
#include "netif/xdp_features.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <cstring>

#include "os/unique_fd.h"

namespace ptnet {
namespace {

// Of linux/netdev.h, which not every distribution has yet.
constexpr uint8_t kDeviceGet = 1;                 // NETDEV_CMD_DEV_GET
constexpr uint16_t kInterfaceIndex = 1;           // NETDEV_A_DEV_IFINDEX
constexpr uint16_t kXdpFeatures = 3;              // NETDEV_A_DEV_XDP_FEATURES
constexpr uint64_t kZeroCopy = uint64_t{1} << 3;  // NETDEV_XDP_ACT_XSK_ZEROCOPY

struct Message {
  nlmsghdr header{};
  genlmsghdr command{};
  alignas(NLMSG_ALIGNTO) uint8_t attributes[4096] = {};
};

/// Asks one question with one attribute, and copies one attribute of the answer. False when there is none.
bool Ask(int fd, uint16_t family, uint8_t command, uint16_t type, const void* value, size_t size, uint16_t wanted,
         void* out, size_t out_size) {
  Message m;
  auto* attribute = reinterpret_cast<nlattr*>(m.attributes);
  attribute->nla_type = type;
  attribute->nla_len = static_cast<uint16_t>(NLA_HDRLEN + size);
  memcpy(m.attributes + NLA_HDRLEN, value, size);
  m.header.nlmsg_len = static_cast<uint32_t>(NLMSG_LENGTH(GENL_HDRLEN) + NLA_ALIGN(attribute->nla_len));
  m.header.nlmsg_type = family;
  m.header.nlmsg_flags = NLM_F_REQUEST;
  m.command.cmd = command;
  m.command.version = 1;
  if (send(fd, &m, m.header.nlmsg_len, 0) < 0) return false;
  const ssize_t got = recv(fd, &m, sizeof m, 0);
  if (got < 0 || !NLMSG_OK(&m.header, static_cast<uint32_t>(got)) || m.header.nlmsg_type == NLMSG_ERROR) return false;
  const uint32_t end = m.header.nlmsg_len - static_cast<uint32_t>(NLMSG_LENGTH(GENL_HDRLEN));
  for (uint32_t at = 0; at + NLA_HDRLEN <= end;) {
    const auto* a = reinterpret_cast<const nlattr*>(m.attributes + at);
    if (a->nla_len < NLA_HDRLEN || at + a->nla_len > end) return false;
    if (a->nla_type == wanted && a->nla_len >= NLA_HDRLEN + out_size) {
      memcpy(out, m.attributes + at + NLA_HDRLEN, out_size);
      return true;
    }
    at += NLA_ALIGN(a->nla_len);
  }
  return false;
}

}  // namespace

bool HasXdpZeroCopy(uint32_t interface_index) {
  const os::UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC));
  constexpr char kFamily[] = "netdev";
  uint16_t family = 0;
  uint64_t features = 0;
  return fd &&
         Ask(fd.get(), GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, kFamily, sizeof kFamily,
             CTRL_ATTR_FAMILY_ID, &family, sizeof family) &&
         Ask(fd.get(), family, kDeviceGet, kInterfaceIndex, &interface_index, sizeof interface_index, kXdpFeatures,
             &features, sizeof features) &&
         (features & kZeroCopy) != 0;
}

}  // namespace ptnet
