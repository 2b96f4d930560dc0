// Syncs and polls a descriptor of /dev/netmap; what a loop has published goes into the rings' headers before, what the
// host has added comes out of them after.
#include "netmap_loop.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <cstring>

namespace ptnet::guest {
namespace {

constexpr unsigned long kTxSync = _IO('i', 148);  // NIOCTXSYNC
constexpr unsigned long kRxSync = _IO('i', 149);  // NIOCRXSYNC

/// The slots follow their ring's header.
netmap_ring& HeaderOf(const Ring& ring) { return reinterpret_cast<netmap_ring*>(ring.slots)[-1]; }

uint32_t HeadOf(const Ring& ring) { return Load(ring.gh->head, std::memory_order_relaxed); }

bool IsAsked(const Ring& ring) { return Load(ring.gh->appl_need_kick, std::memory_order_relaxed) != 0; }

}  // namespace

void NetmapRings::ToHeaders() {
  for (const auto* rings : {&config_.tx, &config_.rx})
    for (const Ring& ring : *rings) HeaderOf(ring).head = HeaderOf(ring).cur = HeadOf(ring);
}

void NetmapRings::FromHeaders() {
  // A slot that was sent is the program's again once the host is done with it: until then it is on its way.
  for (const Ring& ring : config_.tx) {
    const uint32_t tail = HeaderOf(ring).tail;
    Store(ring.hg->hwcur, ring.Next(tail), std::memory_order_relaxed);
    Store(ring.hg->hwtail, tail, std::memory_order_release);
  }
  for (const Ring& ring : config_.rx) {
    Store(ring.hg->hwcur, HeadOf(ring), std::memory_order_relaxed);
    Store(ring.hg->hwtail, HeaderOf(ring).tail, std::memory_order_release);
  }
}

bool NetmapRings::Sync() {
  ToHeaders();
  const bool sent = config_.tx.empty() || ioctl(fd_, kTxSync) == 0;
  const bool received = config_.rx.empty() || ioctl(fd_, kRxSync) == 0;
  FromHeaders();
  return sent && received;
}

bool NetmapRings::Wait(int stop_fd, int64_t ns) {
  short events = 0;
  for (const Ring& ring : config_.tx)
    if (IsAsked(ring)) events |= POLLOUT;
  for (const Ring& ring : config_.rx)
    if (IsAsked(ring)) events |= POLLIN;
  pollfd fds[] = {{fd_, events, 0}, {stop_fd, POLLIN, 0}};
  const timespec limit = {ns / kNsPerSecond, ns % kNsPerSecond};
  ToHeaders();
  ppoll(fds, 2, ns < 0 ? nullptr : &limit, nullptr);
  FromHeaders();
  return fds[0].revents != 0;
}

bool NetmapKicker::Kick(uint32_t) {
  if (rings_.Sync()) return true;
  error_ = std::string("sync: ") + std::strerror(errno);
  return false;
}

}  // namespace ptnet::guest
