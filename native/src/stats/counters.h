// What is counted for each ring, and how far it is: one block of shared memory a ring, one writer a cache line.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ptnet {

/// Why a packet was dropped, or a ring stopped. The order is that of RingCounters::drops.
enum class Drop : uint8_t {
  kFull,           // no room in the destination ring
  kDown,           // the destination port is not being served
  kNoDestination,  // no other port on the switch
  kBadBuf,         // buf_idx outside the region
  kBadLen,         // len beyond the buffer, or too short for an Ethernet header
  kBadFlags,       // NS_INDIRECT
  kBadFrags,       // more than 64 slots
  kBadVnet,        // a virtio-net header that does not fit its packet
  kTooLong,        // datagrams of a virtio-net header that are longer than the receiver's MTU
  kRate,           // more than the receiver's limit lets through
  kStorm,          // broadcast, multicast or unknown unicast beyond the sender's storm control
  kFiltered,       // the switch's lookup function lets it go nowhere
  kCount
};

inline void Add(uint64_t& counter, uint64_t n) {
  std::atomic_ref<uint64_t> ref(counter);
  ref.store(ref.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

/// Layout known to native/stats.ts by the names in RingCounterNames().
struct alignas(256) RingCounters {
  // Written by whoever serves the ring (for a VALE rx ring: under its lock).
  uint64_t packets = 0;
  uint64_t bytes = 0;
  uint64_t syncs = 0;
  uint64_t interrupts = 0;
  uint64_t bad_index = 0;  // head or cur outside [hwcur, hwtail]: the ring waits for the next kick
  /// Where a process goes on that finds the ring as one left it that was killed; first and second half. An rx ring:
  /// hwcur, hwtail; the one of a pipe stands for the tx ring that it is joined to, whose own is not used. Another tx
  /// ring: hwcur, and where the slots end that are being dealt with, which are not to be dealt with once more.
  uint64_t place = 0;
  uint64_t sent = 0;  // packets that a null port's source has made; those between this and `place` were shown to nobody
  alignas(64) uint64_t drops[static_cast<int>(Drop::kCount)] = {};
  uint64_t reraised = 0;  // interrupts raised once more, because the guest seems to have overlooked one
  uint64_t lost = 0;      // what a verifying sink found
  uint64_t late = 0;
  uint64_t corrupt = 0;
  // Written by those who see doorbells: the reader of the sockets, and those who wait for ioeventfds.
  alignas(64) uint64_t kicks = 0;
  // Written by whoever raises an interrupt.
  uint64_t irq_slow = 0;  // 1 where raising one took so long that the device's are raised on a thread of their own now
  // Written by whoever has waited for the device's memory: of its first ring.
  uint64_t mem_slow = 0;  // times that it was not touched for a while, because it kept others waiting

  void CountDrop(Drop cause, uint64_t n = 1) { Add(drops[static_cast<int>(cause)], n); }
  /// The same where several threads count this cause at once.
  void CountSharedDrop(Drop cause, uint64_t n) {
    std::atomic_ref<uint64_t>(drops[static_cast<int>(cause)]).fetch_add(n, std::memory_order_relaxed);
  }
};
static_assert(sizeof(RingCounters) == 256 && offsetof(RingCounters, kicks) == 192);
static_assert(offsetof(RingCounters, place) < 64 && offsetof(RingCounters, sent) < 64);

/// Drops of what is not recorded yet: they are counted when it is, so that nobody who goes on counts them once more.
class HeldDrops {
 public:
  void Count(Drop cause) {
    any_ = true;
    drops_[static_cast<int>(cause)]++;
  }
  void CountIn(RingCounters& counters) {
    if (!any_) [[likely]]
      return;
    for (int cause = 0; cause < static_cast<int>(Drop::kCount); cause++)
      if (drops_[cause] > 0) counters.CountDrop(static_cast<Drop>(cause), drops_[cause]);
  }

 private:
  uint32_t drops_[static_cast<int>(Drop::kCount)] = {};
  bool any_ = false;
};

/// The halves of RingCounters::place.
struct PlaceRecord {
  uint32_t first, second;

  static PlaceRecord Of(const RingCounters& counters) {
    const uint64_t word =
        std::atomic_ref<uint64_t>(const_cast<uint64_t&>(counters.place)).load(std::memory_order_relaxed);
    return {static_cast<uint32_t>(word), static_cast<uint32_t>(word >> 32)};
  }
  /// Behind what it says, in front of what shows it. What counts is the order of one thread's stores: whoever reads
  /// them does so when the process is gone.
  void Store(RingCounters& counters) const {
    // Release: slots and payload before the record; pairs with waitpid(2) of whoever waits for the process's end.
    std::atomic_ref<uint64_t>(counters.place).store(first | uint64_t{second} << 32, std::memory_order_release);
    // For the compiler: what is counted and shown after it stays after it.
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
};

}  // namespace ptnet
