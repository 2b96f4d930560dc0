// The communication status block: guest memory through which both sides publish ring indices (netmap's
// net/netmap.h).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ptnet {

/// One ring's guest-to-host entry; the guest writes it.
struct alignas(64) CsbAtok {
  uint32_t head;
  uint32_t cur;
  uint32_t appl_need_kick;
  uint32_t sync_flags;
};

/// One ring's host-to-guest entry; we write it.
struct alignas(64) CsbKtoa {
  uint32_t hwcur;
  uint32_t hwtail;
  uint32_t kern_need_kick;
};

static_assert(sizeof(CsbAtok) == 64 && sizeof(CsbKtoa) == 64);
static_assert(offsetof(CsbAtok, appl_need_kick) == 8 && offsetof(CsbKtoa, kern_need_kick) == 8);

inline uint32_t LoadRelaxed(uint32_t& from) { return std::atomic_ref<uint32_t>(from).load(std::memory_order_relaxed); }
inline uint32_t LoadAcquire(uint32_t& from) { return std::atomic_ref<uint32_t>(from).load(std::memory_order_acquire); }
inline void StoreRelaxed(uint32_t& to, uint32_t value) {
  std::atomic_ref<uint32_t>(to).store(value, std::memory_order_relaxed);
}
inline void StoreRelease(uint32_t& to, uint32_t value) {
  std::atomic_ref<uint32_t>(to).store(value, std::memory_order_release);
}

}  // namespace ptnet
