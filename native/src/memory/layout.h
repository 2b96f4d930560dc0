// The netmap structures in shared memory, to the byte (netmap's net/netmap.h, ABI 15).
#pragma once

#include <cstddef>
#include <cstdint>

namespace ptnet {

inline constexpr uint32_t kNetmapApi = 15;
inline constexpr uint32_t kCacheLine = 64;
/// Buffers 0 and 1 are never handed out; 0 means "no buffer".
inline constexpr uint32_t kReservedBufs = 2;
/// Slots that one packet may take.
inline constexpr uint32_t kMaxFrags = 64;

enum SlotFlag : uint16_t {
  NS_BUF_CHANGED = 0x1,
  NS_REPORT = 0x2,
  NS_FORWARD = 0x4,
  NS_NO_LEARN = 0x8,
  NS_INDIRECT = 0x10,
  NS_MOREFRAG = 0x20,
  NS_TXMON = 0x40,
};

struct NetmapSlot {
  uint32_t buf_idx;
  uint16_t len;
  uint16_t flags;
  uint64_t ptr;
};
static_assert(sizeof(NetmapSlot) == 16);

struct NetmapRing {
  int64_t buf_ofs;  // from this ring to the buffer pool
  uint32_t num_slots;
  uint32_t buf_size;
  uint16_t ringid;
  uint16_t dir;  // as implementations store it: 1 in tx rings, 0 in rx rings
  uint32_t head;
  uint32_t cur;
  uint32_t tail;
  uint32_t flags;
  uint32_t pad;
  int64_t ts_sec;
  int64_t ts_usec;
  uint64_t offset_mask;
  uint64_t buf_align;
  alignas(kCacheLine) uint8_t sem[128];

  NetmapSlot* slots() { return reinterpret_cast<NetmapSlot*>(this + 1); }
};
static_assert(offsetof(NetmapRing, num_slots) == 8 && offsetof(NetmapRing, buf_size) == 12);
static_assert(offsetof(NetmapRing, ringid) == 16 && offsetof(NetmapRing, dir) == 18);
static_assert(offsetof(NetmapRing, head) == 20 && offsetof(NetmapRing, cur) == 24);
static_assert(offsetof(NetmapRing, tail) == 28 && offsetof(NetmapRing, flags) == 32);
static_assert(offsetof(NetmapRing, ts_sec) == 40 && offsetof(NetmapRing, offset_mask) == 56);
static_assert(offsetof(NetmapRing, buf_align) == 64 && offsetof(NetmapRing, sem) == 128);
static_assert(sizeof(NetmapRing) == 256);

struct NetmapIf {
  char name[16];
  uint32_t version;
  uint32_t flags;
  uint32_t tx_rings;
  uint32_t rx_rings;
  uint32_t bufs_head;
  uint32_t host_tx_rings;
  uint32_t host_rx_rings;
  uint32_t spare[3];

  /// From this netmap_if: NIC tx, host tx, NIC rx, host rx rings.
  int64_t* ring_ofs() { return reinterpret_cast<int64_t*>(this + 1); }
};
static_assert(offsetof(NetmapIf, version) == 16 && offsetof(NetmapIf, tx_rings) == 24);
static_assert(offsetof(NetmapIf, bufs_head) == 32 && offsetof(NetmapIf, host_tx_rings) == 36);
static_assert(sizeof(NetmapIf) == 56);

}  // namespace ptnet
