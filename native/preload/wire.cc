// Requests and their answers. Each answer comes by a socket of its own, which goes with the request: so threads and
// processes that share an open file do not take each other's, and no descriptor is kept.
#include "wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "calls.h"

namespace ptnet::preload {
namespace {

/// 0 or an errno; waits for room.
int SendWithFd(int fd, const uint8_t* bytes, size_t size, int passed) {
  iovec part = {const_cast<uint8_t*>(bytes), size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof passed)] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* c = CMSG_FIRSTHDR(&message);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof passed);
  memcpy(CMSG_DATA(c), &passed, sizeof passed);
  for (;;) {
    if (sendmsg(fd, &message, MSG_NOSIGNAL) >= 0) return 0;
    if (errno == EAGAIN) {
      pollfd entry = {fd, POLLOUT, 0};
      (void)Real().poll(&entry, 1, -1);
    } else if (errno != EINTR) {
      return IsHangUp(errno) ? ENXIO : errno;
    }
  }
}

bool Parse(const uint8_t* bytes, size_t size, Reply* reply) {
  const auto take = [&](void* to, size_t length, size_t most) {
    if (length > most || length > size) return false;
    memcpy(to, bytes, length);
    bytes += length;
    size -= length;
    return true;
  };
  ReplyHeader& h = reply->header;
  if (!take(&h, sizeof h, sizeof h) || h.type != kRequest || h.version != kVersion) return false;
  if (!take(reply->body, h.body_bytes, sizeof reply->body)) return false;
  if (h.statuses > kOptionsMax || !take(reply->statuses, h.statuses * sizeof(uint32_t), sizeof reply->statuses))
    return false;
  if (!take(reply->contents, h.content_bytes, sizeof reply->contents)) return false;
  reply->bound = h.binding_bytes != 0;
  if (!reply->bound) return size == 0;
  if (!take(&reply->binding, sizeof reply->binding, sizeof reply->binding) || reply->binding.rings > kRingsMax)
    return false;
  return take(reply->rings, reply->binding.rings * sizeof(WireRing), sizeof reply->rings) && size == 0;
}

/// 0 or an errno.
int Receive(int fd, Reply* reply) {
  uint8_t bytes[kMessageMax];
  iovec part = {bytes, sizeof bytes};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof reply->fds)];
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t size;
  do size = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  while (size < 0 && errno == EINTR);
  if (size < 0) return errno;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t length = c->cmsg_len - CMSG_LEN(0);
    memcpy(reply->fds, CMSG_DATA(c), length < sizeof reply->fds ? length : sizeof reply->fds);
  }
  // The host has closed its end: it is gone.
  if (size == 0) return ENXIO;
  return Parse(bytes, static_cast<size_t>(size), reply) ? 0 : EPROTO;
}

}  // namespace

bool IsHangUp(int error) { return error == EPIPE || error == ECONNRESET || error == ENOTCONN; }

int Ask(int fd, const uint8_t* request, size_t bytes, Reply* reply) {
  const int before = errno;
  for (int& none : reply->fds) none = -1;
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return errno;
  int error = SendWithFd(fd, request, bytes, pair[1]);
  Real().close(pair[1]);
  if (error == 0) error = Receive(pair[0], reply);
  Real().close(pair[0]);
  if (error != 0) CloseFds(reply);
  errno = before;
  return error;
}

int Ask(int fd, Operation operation, Reply* reply) {
  const RequestHeader header = {kRequest, kVersion, static_cast<uint32_t>(operation)};
  return Ask(fd, reinterpret_cast<const uint8_t*>(&header), sizeof header, reply);
}

void CloseFds(Reply* reply) {
  for (int& fd : reply->fds) {
    if (fd >= 0) Real().close(fd);
    fd = -1;
  }
}

}  // namespace ptnet::preload
