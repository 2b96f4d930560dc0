// The layout of netmap's shared structures (ABI 15) as a guest reads them: the guest's own reading, shared with nobody.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ptnet::guest {

struct netmap_slot {
  uint32_t buf_idx;
  uint16_t len;
  uint16_t flags;
  uint64_t ptr;
};
static_assert(sizeof(netmap_slot) == 16);
static_assert(offsetof(netmap_slot, len) == 4 && offsetof(netmap_slot, flags) == 6);
static_assert(offsetof(netmap_slot, ptr) == 8);

/// A slot's buf_idx, len and flags in one word, from the lowest bits on.
inline uint64_t SlotWord(const netmap_slot& slot) {
  uint64_t word;
  std::memcpy(&word, &slot, sizeof word);
  return word;
}

inline constexpr uint16_t NS_BUF_CHANGED = 0x1;
inline constexpr uint16_t NS_REPORT = 0x2;
inline constexpr uint16_t NS_NO_LEARN = 0x8;
inline constexpr uint16_t NS_INDIRECT = 0x10;
inline constexpr uint16_t NS_MOREFRAG = 0x20;
inline constexpr uint32_t kMaxFrags = 64;

struct netmap_ring {
  int64_t buf_ofs;  // from the ring to the buffer pool
  uint32_t num_slots;
  uint32_t buf_size;
  uint16_t ringid;
  uint16_t dir;
  uint32_t head;
  uint32_t cur;
  uint32_t tail;
  uint32_t flags;
  uint32_t pad;
  int64_t ts[2];
  uint64_t offset_mask;
  uint64_t buf_align;
  alignas(128) uint8_t opaque[128];
  // The slots follow at +256.
};
static_assert(sizeof(netmap_ring) == 256);
static_assert(offsetof(netmap_ring, num_slots) == 8 && offsetof(netmap_ring, buf_size) == 12);
static_assert(offsetof(netmap_ring, ringid) == 16 && offsetof(netmap_ring, dir) == 18);
static_assert(offsetof(netmap_ring, head) == 20 && offsetof(netmap_ring, cur) == 24);
static_assert(offsetof(netmap_ring, tail) == 28 && offsetof(netmap_ring, flags) == 32);
static_assert(offsetof(netmap_ring, ts) == 40 && offsetof(netmap_ring, offset_mask) == 56);
static_assert(offsetof(netmap_ring, buf_align) == 64 && offsetof(netmap_ring, opaque) == 128);

struct netmap_if {
  char name[16];
  uint32_t version;
  uint32_t flags;
  uint32_t tx_rings;
  uint32_t rx_rings;
  uint32_t bufs_head;
  uint32_t host_tx_rings;
  uint32_t host_rx_rings;
  uint32_t spare[3];
  // int64_t ring_ofs[] follows at +56: NIC tx, host tx, NIC rx, host rx, each from the start of this netmap_if.
};
static_assert(sizeof(netmap_if) == 56);
static_assert(offsetof(netmap_if, version) == 16 && offsetof(netmap_if, tx_rings) == 24);
static_assert(offsetof(netmap_if, rx_rings) == 28 && offsetof(netmap_if, bufs_head) == 32);
static_assert(offsetof(netmap_if, host_tx_rings) == 36 && offsetof(netmap_if, host_rx_rings) == 40);

}  // namespace ptnet::guest
