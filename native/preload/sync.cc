// Publishing, looking at the host's indices, doorbells and wake-ups.
#include "sync.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>

#include "calls.h"
#include "patience.h"

namespace ptnet::preload {
namespace {

using guest::Load;
using guest::Store;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;

constexpr uint32_t kIdleSyncs = 4096;  // between two looks
constexpr int kLooks = 4;              // at indices that are wrong

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

/// Who syncs a ring keeps its other threads and processes out of it. The word lies behind the ring's entry of the CSB,
/// which is the program's. Who holds it waits for nobody, so one that holds it for long was killed with it.
class Lock {
 public:
  explicit Lock(const Ring& ring) : word_(reinterpret_cast<uint32_t*>(ring.gh)[kWord]) {
    int times = 0;
    for (uint32_t free = 0; !word_.compare_exchange_strong(free, 1, memory_order_acquire); free = 0) {
      if (++times > Patience::kTimes) break;
      Patience::Pause(times);
    }
  }
  ~Lock() { word_.store(0, memory_order_release); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  static constexpr size_t kWord = 4;
  static_assert((kWord + 1) * sizeof(uint32_t) <= sizeof(guest::CsbGuestToHost));

  std::atomic_ref<uint32_t> word_;
};

}  // namespace

bool Publish(int fd, Context& context, Ring& ring, uint32_t head, uint32_t cur) {
  const uint32_t published = Load(ring.gh->head, memory_order_relaxed);
  // Slots and payload of what the host has added are read after it.
  const uint32_t tail = Load(ring.hg->hwtail, memory_order_acquire);
  const uint32_t owned = Distance(ring, published, tail);
  if (!Owns(ring, published, owned, head) || !Owns(ring, head, Distance(ring, head, tail), cur)) return false;
  if (head != published || cur != Load(ring.gh->cur, memory_order_relaxed)) {
    Store(ring.gh->cur, cur, memory_order_relaxed);
    // Slots, payload and cur before head: pairs with the host's acquire load of head.
    Store(ring.gh->head, head, memory_order_release);
  }
  // Full barrier: our head before kern_need_kick; pairs with the host, which sets that before it looks at head again.
  guest::FullBarrier();
  if (Load(ring.hg->kern_need_kick, memory_order_relaxed) != 0 && head != Load(ring.hg->hwcur, memory_order_relaxed))
    Kick(fd, context, ring);
  return true;
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
  const Lock lock(ring);
  bool good = false;
  // Another thread of the program's may be about to move both: what is wrong stays so.
  for (int look = 0; !good && look < kLooks; look++) {
    if (look > 0) sched_yield();
    good = Publish(fd, context, ring, Load(shared.head, memory_order_acquire), Load(shared.cur, memory_order_relaxed));
  }
  if (!good) {
    Restore(ring);
    return false;
  }
  Store(shared.tail, Load(ring.hg->hwtail, memory_order_acquire), memory_order_relaxed);
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
