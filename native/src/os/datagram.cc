// One datagram to a Unix socket, sent without waiting.
#include "os/datagram.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "os/unique_fd.h"

namespace ptnet::os {

Error SendDatagram(const std::string& address, const std::string& text) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (address.empty() || address.find('\0') != std::string::npos) return {EINVAL, "sendto"};
  // A path wants room for its zero; an abstract name has its zero in front, and none behind.
  const bool abstract = address[0] == '@';
  if (address.size() + (abstract ? 0 : 1) > sizeof to.sun_path) return {ENAMETOOLONG, "sendto"};
  memcpy(to.sun_path, address.data(), address.size());
  if (abstract) to.sun_path[0] = '\0';
  const socklen_t length =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size() + (abstract ? 0 : 1));
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return Error::Last("socket");
  const ssize_t sent = sendto(socket.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                              reinterpret_cast<const sockaddr*>(&to), length);
  return sent < 0 ? Error::Last("sendto") : Error{};
}

}  // namespace ptnet::os
