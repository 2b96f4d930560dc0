// One datagram to a Unix socket, with descriptors or without.
#include "os/datagram.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "os/socket.h"
#include "os/unique_fd.h"

namespace ptnet::os {

Error SendDatagram(const std::string& address, const std::string& text, std::span<const int> fds, int patience_ms) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (fds.size() > kMaxScmFds) return {E2BIG, "sendmsg"};
  if (address.empty() || address.find('\0') != std::string::npos) return {EINVAL, "sendmsg"};
  // A path wants room for its zero; an abstract name has its zero in front, and none behind.
  const bool abstract = address[0] == '@';
  if (address.size() + (abstract ? 0 : 1) > sizeof to.sun_path) return {ENAMETOOLONG, "sendmsg"};
  memcpy(to.sun_path, address.data(), address.size());
  if (abstract) to.sun_path[0] = '\0';
  const socklen_t length =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size() + (abstract ? 0 : 1));
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return Error::Last("socket");
  iovec bytes{const_cast<char*>(text.data()), text.size()};
  msghdr message{&to, length, &bytes, 1, nullptr, 0, 0};
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(kMaxScmFds * sizeof(int))] = {};
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    *rights = {CMSG_LEN(fds.size_bytes()), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(rights), fds.data(), fds.size_bytes());
  }
  const timeval patience{patience_ms / 1000, patience_ms % 1000 * 1000};
  if (patience_ms > 0 && setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0)
    return Error::Last("setsockopt");
  const ssize_t sent = sendmsg(socket.get(), &message, MSG_NOSIGNAL | (patience_ms > 0 ? 0 : MSG_DONTWAIT));
  return sent < 0 ? Error::Last("sendmsg") : Error{};
}

}  // namespace ptnet::os
