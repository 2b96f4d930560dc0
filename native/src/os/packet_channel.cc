// Packets with descriptors over a Unix socket.
#include "os/packet_channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <cstring>

#include "os/socket.h"

namespace ptnet::os {
namespace {

using Clock = std::chrono::steady_clock;

/** Waits for `events` until `deadline`. */
Error Await(int socket, short events, Clock::time_point deadline, const char* syscall) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd entry{socket, events, 0};
    const int ready = poll(&entry, 1, left > 0 ? static_cast<int>(left) : 0);
    if (ready > 0) return {};
    if (ready == 0 && left <= 0) return {ETIMEDOUT, syscall};
    if (ready < 0 && errno != EINTR) return Error::Last("poll");
  }
}

Clock::time_point In(int timeout_ms) { return Clock::now() + std::chrono::milliseconds(timeout_ms); }

}  // namespace

Error ConnectPackets(const std::string& path, UniqueFd* out) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return {ENAMETOOLONG, "connect"};
  memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return Error::Last("socket");
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return Error::Last("connect");
  *out = std::move(fd);
  return {};
}

Error AcceptPackets(int listener, UniqueFd* out) {
  UniqueFd fd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) return Error::Last("accept");
  *out = std::move(fd);
  return {};
}

Error SendPacket(int socket, std::span<const uint8_t> bytes, std::span<const int> fds, int timeout_ms) {
  if (bytes.empty() || bytes.size() > kPacketBytesMax || fds.size() > kMaxScmFds) return {EMSGSIZE, "sendmsg"};
  iovec part{const_cast<uint8_t*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxScmFds * sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  const auto deadline = In(timeout_ms);
  while (sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
    if (errno != EAGAIN && errno != EINTR) return Error::Last("sendmsg");
    if (const Error error = Await(socket, POLLOUT, deadline, "sendmsg")) return error;
  }
  return {};
}

Error ReceivePacket(int socket, int timeout_ms, Packet* out) {
  if (const Error error = Await(socket, POLLIN, In(timeout_ms), "recvmsg")) return error;
  out->bytes.resize(kPacketBytesMax);
  out->fds.clear();
  iovec part{out->bytes.data(), out->bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxScmFds * sizeof(int))];
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  // The other end is gone and had not read everything, which is told once, before what it has sent.
  if (got < 0 && errno == ECONNRESET) got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0 && errno != ECONNRESET) return Error::Last("recvmsg");
  for (cmsghdr* header = got < 0 ? nullptr : CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = 0; at + CMSG_LEN(sizeof(int)) <= header->cmsg_len; at += sizeof(int)) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + at, sizeof fd);
      out->fds.emplace_back(fd);
    }
  }
  out->bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0) return {};
  out->fds.clear();
  return {EMSGSIZE, "recvmsg"};
}

}  // namespace ptnet::os
