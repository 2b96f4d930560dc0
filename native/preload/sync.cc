// Publishing, looking at the host's indices, doorbells and wake-ups.
#include "sync.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "calls.h"

namespace ptnet::preload {
namespace {

using guest::Load;
using guest::Store;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;

constexpr uint32_t kIdleSyncs = 4096;  // between two looks

uint32_t Distance(const Ring& ring, uint32_t from, uint32_t to) {
  return to >= from ? to - from : to + ring.num_slots - from;
}

/// The rings' headers are the program's, and whoever shares its memory may write there: each value is read once.
bool Owns(const Ring& ring, uint32_t from, uint32_t owned, uint32_t index) {
  return index < ring.num_slots && Distance(ring, from, index) <= owned;
}

void Kick(int fd, Context& context, const Ring& ring) {
  const DoorbellMessage doorbell = {kDoorbell, ring.doorbell};
  const int before = errno;
  // A socket that is full holds doorbells that have not been looked at; the host looks after those that are lost, there
  // or for want of memory, once a second.
  if (send(fd, &doorbell, sizeof doorbell, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && IsHangUp(errno))
    context.gone.store(true, memory_order_relaxed);
  errno = before;
}

enum class Published { kYes, kNo, kRaced };

/// From `published`, which was read before head and cur were. Several threads may do so with one ring: each finds the
/// head as it has read it, or another one was quicker.
Published TryPublish(int fd, Context& context, Ring& ring, uint32_t published, uint32_t head, uint32_t cur) {
  // Slots and payload of what the host has added are read after it.
  const uint32_t tail = Load(ring.hg->hwtail, memory_order_acquire);
  const uint32_t owned = Distance(ring, published, tail);
  if (!Owns(ring, published, owned, head) || !Owns(ring, head, Distance(ring, head, tail), cur))
    return Load(ring.gh->head, memory_order_relaxed) == published ? Published::kNo : Published::kRaced;
  if (head != published || cur != Load(ring.gh->cur, memory_order_relaxed)) {
    Store(ring.gh->cur, cur, memory_order_relaxed);
    // Slots, payload and cur before head: pairs with the host's acquire load of head.
    std::atomic_ref shared(ring.gh->head);
    if (!shared.compare_exchange_strong(published, head)) return Published::kRaced;
  }
  // Full barrier: our head before kern_need_kick; pairs with the host, which sets that before it looks at head again.
  guest::FullBarrier();
  if (Load(ring.hg->kern_need_kick, memory_order_relaxed) != 0 && head != Load(ring.hg->hwcur, memory_order_relaxed))
    Kick(fd, context, ring);
  return Published::kYes;
}

}  // namespace

bool Publish(int fd, Context& context, Ring& ring, uint32_t head, uint32_t cur) {
  for (;;) {
    const uint32_t published = Load(ring.gh->head, memory_order_acquire);
    const Published done = TryPublish(fd, context, ring, published, head, cur);
    if (done != Published::kRaced) return done == Published::kYes;
  }
}

void Restore(Ring& ring) {
  guest::netmap_ring& shared = *ring.shared;
  const uint32_t published = Load(ring.gh->head, memory_order_relaxed);
  Store(shared.head, published, memory_order_relaxed);
  Store(shared.cur, published, memory_order_relaxed);
  Store(shared.tail, Load(ring.hg->hwtail, memory_order_acquire), memory_order_relaxed);
}

bool Sync(int fd, Context& context, Ring& ring) {
  guest::netmap_ring& shared = *ring.shared;
  Published done = Published::kRaced;
  while (done == Published::kRaced) {
    // Before the program's head: that is as new as what was published, or newer.
    const uint32_t published = Load(ring.gh->head, memory_order_acquire);
    const uint32_t head = Load(shared.head, memory_order_relaxed), cur = Load(shared.cur, memory_order_relaxed);
    done = TryPublish(fd, context, ring, published, head, cur);
  }
  if (done == Published::kNo) {
    Restore(ring);
    return false;
  }
  uint32_t shown = Load(shared.tail, memory_order_relaxed);
  const uint32_t tail = Load(ring.hg->hwtail, memory_order_acquire);
  // Another thread may have shown a newer one since.
  if (tail != shown) (void)std::atomic_ref(shared.tail).compare_exchange_strong(shown, tail);
  return true;
}

void Stamp(Ring& ring) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  ring.shared->ts[0] = now.tv_sec;
  ring.shared->ts[1] = now.tv_nsec / 1000;
}

bool HasRoom(const Ring& ring) {
  return Load(ring.shared->cur, memory_order_relaxed) != Load(ring.shared->tail, memory_order_relaxed);
}

bool IsUnpublished(const Ring& ring) {
  return Load(ring.shared->head, memory_order_relaxed) != Load(ring.gh->head, memory_order_relaxed);
}

bool Arm(Ring& ring) {
  // How many want to be told: for the host there are some or none.
  std::atomic_ref(ring.gh->appl_need_kick).fetch_add(1);
  // Full barrier: appl_need_kick before hwtail; pairs with the host, which stores hwtail before it reads the flag.
  guest::FullBarrier();
  return Load(ring.hg->hwtail, memory_order_relaxed) == Load(ring.shared->cur, memory_order_relaxed);
}

void Disarm(Ring& ring) {
  std::atomic_ref flag(ring.gh->appl_need_kick);
  uint32_t wanted = flag.load(memory_order_relaxed);
  while (wanted > 0 && !flag.compare_exchange_weak(wanted, wanted - 1)) {
  }
}

void LookForHost(int fd, Context& context) {
  if ((context.idle.fetch_add(1, memory_order_relaxed) + 1) % kIdleSyncs != 0) return;
  pollfd entry = {fd, 0, 0};
  const int before = errno;
  if (Real().poll(&entry, 1, 0) == 1 && (entry.revents & (POLLHUP | POLLERR)) != 0)
    context.gone.store(true, memory_order_relaxed);
  errno = before;
}

}  // namespace ptnet::preload
