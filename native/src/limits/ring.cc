// Two threads and one ring: how fast slots go from one to the other when nothing else is done with them.
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>

#include "limits/limits.h"
#include "limits/threads.h"
#include "memory/layout.h"
#include "os/short_slice.h"
#include "ring/copy.h"

namespace ptnet::limits {
namespace {

constexpr uint32_t kSpinsBeforeYield = 512;  // as the driver model: the other thread may need this very core
constexpr uint64_t kMark = 0x70746e65746d6170;

/// As a guest's tx ring with its CSB: slots in a shared array, each side's index in a cache line of its own.
/// Indices count on for ever, so that they are the progress too.
struct Shared {
  alignas(kCacheLine) std::atomic<uint64_t> head{0};  // the sender's
  alignas(kCacheLine) std::atomic<uint64_t> tail{0};  // the receiver's: slots taken and given back
  alignas(kCacheLine) std::atomic<bool> stop{false};
  alignas(kCacheLine) NetmapSlot slots[kRingSlots];
};
static_assert(sizeof(NetmapSlot) == 16);

using Buffers = std::unique_ptr<uint8_t[]>;

Buffers NewBuffers() { return Buffers(new uint8_t[size_t{kRingSlots} * kRingBufSize]()); }
uint8_t* BufferOf(const Buffers& buffers, uint64_t i) { return buffers.get() + (i % kRingSlots) * kRingBufSize; }

void Wait(uint32_t* spins) {
  if (++*spins < kSpinsBeforeYield)
    _mm_pause();
  else
    sched_yield();
}

void Send(Shared& ring) {
  os::KeepToShortSlices();
  uint64_t head = 0, tail = 0;
  uint32_t spins = 0;
  while (!ring.stop.load(std::memory_order_relaxed)) {
    // Acquire: the receiver has read the slots up to tail; pairs with its release store in Receive().
    if (head - tail == kRingSlots) tail = ring.tail.load(std::memory_order_acquire);
    const uint64_t n = std::min<uint64_t>(kRingSlots - (head - tail), kRingBatch);
    if (n == 0) {
      Wait(&spins);
      continue;
    }
    spins = 0;
    for (const uint64_t end = head + n; head != end; ++head) {
      const auto i = static_cast<uint32_t>(head % kRingSlots);
      ring.slots[i] = {i, static_cast<uint16_t>(kRingCopyBytes), 0, head ^ kMark};
    }
    // Release: the slots before head; pairs with the acquire load in Receive().
    ring.head.store(head, std::memory_order_release);
  }
}

template <bool copy>
void Receive(Shared& ring, const Buffers& from, const Buffers& to, uint64_t* wrong) {
  os::KeepToShortSlices();
  uint64_t head = 0, tail = 0, bad = 0;
  uint32_t spins = 0;
  while (!ring.stop.load(std::memory_order_relaxed)) {
    if (head == tail) head = ring.head.load(std::memory_order_acquire);
    const uint64_t n = std::min<uint64_t>(head - tail, kRingBatch);
    if (n == 0) {
      Wait(&spins);
      continue;
    }
    spins = 0;
    for (const uint64_t end = tail + n; tail != end; ++tail) {
      const NetmapSlot slot = ring.slots[tail % kRingSlots];
      bad += slot.ptr != (tail ^ kMark);
      if constexpr (copy) CopyPacket(BufferOf(to, tail), BufferOf(from, slot.buf_idx), slot.len);
    }
    ring.tail.store(tail, std::memory_order_release);
  }
  *wrong = bad;
}

}  // namespace

Measured MeasureRing(bool copy, double seconds) {
  auto ring = std::make_unique<Shared>();
  const Buffers from = NewBuffers(), to = NewBuffers();
  uint64_t wrong = 0;
  std::thread receiver(
      [&] { copy ? Receive<true>(*ring, from, to, &wrong) : Receive<false>(*ring, from, to, &wrong); });
  std::thread sender([&] { Send(*ring); });
  Measured measured = CountFor(seconds, ring->tail);
  ring->stop.store(true, std::memory_order_relaxed);
  sender.join();
  receiver.join();
  measured.wrong = wrong;
  return measured;
}

}  // namespace ptnet::limits
