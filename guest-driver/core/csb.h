// The communication status block: its layout, and the guest's loads and stores with the orders the protocol asks for.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ptnet::guest {

/// Guest-to-host entry (`atok`) of one ring. Written by the guest only, except at CREATE.
struct alignas(64) CsbGuestToHost {
  uint32_t head;
  uint32_t cur;
  uint32_t appl_need_kick;
  uint32_t sync_flags;
};
static_assert(sizeof(CsbGuestToHost) == 64);
static_assert(offsetof(CsbGuestToHost, head) == 0 && offsetof(CsbGuestToHost, cur) == 4);
static_assert(offsetof(CsbGuestToHost, appl_need_kick) == 8 && offsetof(CsbGuestToHost, sync_flags) == 12);

/// Host-to-guest entry (`ktoa`) of one ring. Written by the host only.
struct alignas(64) CsbHostToGuest {
  uint32_t hwcur;
  uint32_t hwtail;
  uint32_t kern_need_kick;
};
static_assert(sizeof(CsbHostToGuest) == 64);
static_assert(offsetof(CsbHostToGuest, hwcur) == 0 && offsetof(CsbHostToGuest, hwtail) == 4);
static_assert(offsetof(CsbHostToGuest, kern_need_kick) == 8);

inline uint32_t Load(uint32_t& word, std::memory_order order) { return std::atomic_ref<uint32_t>(word).load(order); }
inline void Store(uint32_t& word, uint32_t value, std::memory_order order) {
  std::atomic_ref<uint32_t>(word).store(value, order);
}

/// Publishes the slots before `head`: the release stores pair with the host's acquire loads of head, then cur.
inline void StoreCurThenHead(CsbGuestToHost& csb, uint32_t head) {
  Store(csb.cur, head, std::memory_order_relaxed);
  // Orders slots, payload and cur before head: whoever sees this head sees them.
  Store(csb.head, head, std::memory_order_release);
}

struct HostIndices {
  uint32_t hwcur;
  uint32_t hwtail;
};

/// Reads hwtail, then hwcur: pairs with the host's release store of hwtail, made after hwcur and after the slots.
inline HostIndices LoadTailThenCur(CsbHostToGuest& csb) {
  const uint32_t tail = Load(csb.hwtail, std::memory_order_acquire);
  return {Load(csb.hwcur, std::memory_order_acquire), tail};
}

/// Whether a locked instruction, which is what a compiler's full fence is, is no barrier: QEMU emulates it by a plain
/// load and store where the machine has one CPU, and wake-ups get lost. Set before there are threads, see cpu.h.
inline bool locked_is_no_barrier = false;

/// Orders our head (or appl_need_kick) before our load of the host's kern_need_kick (or hwtail): the host does the
/// same with its own flag and our head before it sleeps, so at least one of the two sees the other.
inline void FullBarrier() {
#if defined(__x86_64__) && !defined(atomic_thread_fence)  // which the model checker defines
  // A barrier in such a machine too, but on a processor it takes twice as long.
  if (locked_is_no_barrier) [[unlikely]] {
    asm volatile("mfence" ::: "memory");
    return;
  }
#endif
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

}  // namespace ptnet::guest
