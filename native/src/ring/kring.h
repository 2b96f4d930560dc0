// The host's side of one netmap ring: its own copies of what it needs, the indices, and the CSB that drives it.
// Ring headers in shared memory are written once, at creation, and never read back.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "memory/layout.h"
#include "ring/csb.h"
#include "ring/spinlock.h"
#include "stats/counters.h"

namespace ptnet {

class Interrupt;
struct ObserverList;

enum class Dir : uint8_t { kTx, kRx };

struct Kring {
  // Set at creation, then read only.
  alignas(kCacheLine) NetmapSlot* slots = nullptr;
  uint8_t* buf_base = nullptr;
  uint32_t num_slots = 0;
  uint32_t num_bufs = 0;
  uint32_t buf_size = 0;  // bytes between buffers
  /// The most that a slot holds, for who takes it that packets begin where buffers do. 0: they do not, and whoever
  /// finds a slot too long for that looks at its offset.
  uint32_t plain_room = 0;
  RingCounters* counters = nullptr;

  // Set while an attachment drives the ring; null otherwise.
  CsbAtok* atok = nullptr;
  CsbKtoa* ktoa = nullptr;
  Interrupt* interrupt = nullptr;

  // Written by the one who serves the ring: its worker, or for a VALE rx ring whoever holds the lock.
  alignas(kCacheLine) uint32_t hwcur = 0;
  uint32_t hwtail = 0;
  uint16_t index = 0;           // set at creation
  uint16_t room = 0;            // bytes that a slot of an rx ring can be filled with, whatever its offset is
  bool waited_in_vain = false;  // VALE: patience ended before there was room to speak of; until there is, nobody waits
  bool blocked = false;         // a bad index or slot was met and reported: quiet until a kick or an attach
  SpinLock lock;
  std::atomic<const ObserverList*> observers{nullptr};
  uint32_t observed = 0;          // what is before it has been shown to the observers, while there are any
  bool alone = false;             // what they are being shown are packets of one slot each: nobody has to look for that
  Dir dir = Dir::kTx;             // set at creation
  uint8_t vnet_hdr_len = 0;       // of the virtio-net header that each packet begins with; by attachment
  uint64_t observed_packets = 0;  // of its counter when it was last shown to them

  // Set at creation, for the control plane and for what is done on the way to a receiver without virtio-net header.
  NetmapRing* ring = nullptr;
  uint32_t mtu = 0;  // the port's
  // Offsets (NETMAP_REQ_OPT_OFFSETS): set by the control plane while nobody serves the ring (forward/offsets.h).
  uint32_t offset_max = 0;   // what a slot has beyond that is cut to it
  uint64_t offset_mask = 0;  // of `ptr` in slots; 0: packets begin where buffers do

  uint32_t Next(uint32_t i) const { return ++i == num_slots ? 0 : i; }
  uint32_t Prev(uint32_t i) const { return (i == 0 ? num_slots : i) - 1; }
  /// Slots from `from` up to `to`, going forward.
  uint32_t Distance(uint32_t from, uint32_t to) const { return to >= from ? to - from : to + num_slots - from; }
  /// Of an rx ring: slots that can still be filled from `tail` on; one always stays empty.
  uint32_t FreeSlots(uint32_t tail) const { return Distance(tail, Prev(hwcur)); }
  uint32_t Advance(uint32_t i, uint32_t n) const { return (i += n) >= num_slots ? i - num_slots : i; }
  bool attached() const { return atok != nullptr; }
  uint8_t* Buf(uint32_t buf_idx) const { return buf_base + uint64_t{buf_idx} * buf_size; }
  /// Less than that and nothing fits: a packet of a few bytes would cost its sender many slots.
  static constexpr uint32_t kRoomMin = 64;
  void SetBufSize(uint32_t bytes) {
    buf_size = bytes;
    SetOffsets(0, 0, bytes);
  }
  /// `gap`: what a slot may be filled with at most.
  void SetOffsets(uint64_t mask, uint32_t most, uint32_t gap) {
    offset_mask = mask;
    offset_max = most;
    const uint32_t fits = std::min({buf_size - most, gap, uint32_t{UINT16_MAX}});
    room = static_cast<uint16_t>(fits < kRoomMin ? 0 : fits);
    plain_room = mask == 0 ? room : 0;
  }
  /// In the ring's header: the client's, which may write there too.
  void ShowOffsetMask() const {
    std::atomic_ref<uint64_t>(ring->offset_mask).store(offset_mask, std::memory_order_relaxed);
  }
  bool has_offsets() const { return plain_room == 0; }
  /// Where the packet of a slot begins in its buffer: read once, at most offset_max.
  uint32_t OffsetOf(const NetmapSlot& slot) const {
    if (!has_offsets()) return 0;
    const uint64_t ptr = std::atomic_ref<uint64_t>(const_cast<NetmapSlot&>(slot).ptr).load(std::memory_order_relaxed);
    return static_cast<uint32_t>(std::min(ptr & offset_mask, uint64_t{offset_max}));
  }
  /// What else `ptr` has stays there.
  void SetOffset(NetmapSlot& slot, uint32_t offset) const {
    std::atomic_ref<uint64_t> ptr(slot.ptr);
    const uint64_t old = ptr.load(std::memory_order_relaxed), now = (old & ~offset_mask) | offset;
    if (now != old) ptr.store(now, std::memory_order_relaxed);
  }
  /// Of an rx ring, where a packet for a slot that shows this buffer goes. An offset that was too great is cut in the
  /// slot too: the client is to find the packet.
  uint8_t* PlaceOf(NetmapSlot& slot, uint32_t buf_idx) const {
    if (!has_offsets()) return Buf(buf_idx);
    const uint32_t offset = OffsetOf(slot);
    SetOffset(slot, offset);
    return Buf(buf_idx) + offset;
  }
  /// Slots of an rx ring that so many bytes take, at least one; more than any packet may have when none can be filled.
  uint32_t SlotsFor(uint32_t len) const { return room > 0 ? std::max((len + room - 1u) / room, 1u) : UINT32_MAX; }
  bool ValidBuf(uint32_t buf_idx) const { return buf_idx - kReservedBufs < num_bufs - kReservedBufs; }
  /// For prefetching: where the buffer of slot `i` is as far as can be told now, some address of the region when that
  /// is nowhere.
  uint8_t* BufAhead(uint32_t i) const {
    uint32_t buf_idx = std::atomic_ref<uint32_t>(slots[i].buf_idx).load(std::memory_order_relaxed);
    return Buf(ValidBuf(buf_idx) ? buf_idx : 0);
  }

  /// Copies the guest's head into `*head`. False, counted and the ring blocked, when head or cur lies outside what
  /// the guest owns.
  bool LoadHead(uint32_t* head) {
    if (TryHead(head)) return true;
    if (blocked) return false;
    Block(&counters->bad_index);
    // Full barrier: kern_need_kick before one more look; pairs with the guest that mends its indices.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!TryHead(head)) return false;
    blocked = false;  // kicks stay on until the flow is next disarmed: it may be about to park
    return true;
  }
  /// Slots that the guest has published since hwcur; UINT32_MAX when its head is no index of the ring.
  uint32_t Published() const {
    const uint32_t head = LoadRelaxed(atok->head);
    return head < num_slots ? Distance(hwcur, head) : UINT32_MAX;
  }
  /// One look at the guest's head; false when head or cur lies outside what it owns.
  bool TryHead(uint32_t* head) {
    // Acquire: the slots up to head, and cur, are read after it; pairs with the guest's store of cur, then head.
    const uint32_t h = LoadAcquire(atok->head);
    if (h == *head) return true;
    const uint32_t c = LoadRelaxed(atok->cur);
    const uint32_t from = hwcur, owned = Distance(from, hwtail);
    auto owns = [&](uint32_t i) { return i < num_slots && Distance(from, i) <= owned; };
    if (!owns(h) || (c != h && !owns(c))) [[unlikely]]
      return false;
    *head = h;
    return true;
  }
  /// Whether there is somebody whose head is not where it was: the least that has to be known before LoadHead().
  bool HasNews() const { return attached() && !blocked && LoadRelaxed(atok->head) != hwcur; }

  /// The guest is asked for the kick that ends it: whatever the policy, somebody who mends his indices kicks.
  bool Block(uint64_t* counter) {
    if (!blocked) {
      Add(*counter, 1);
      StoreRelaxed(ktoa->kern_need_kick, 1);
    }
    blocked = true;
    return false;
  }

  void Unblock() {
    if (!blocked) return;
    blocked = false;
    DisableKicks();
  }

  /// Before its flow is parked: what the guest has published must be looked at once more after this.
  void EnableKicks() {
    StoreRelaxed(ktoa->kern_need_kick, 1);
    // Full barrier: kern_need_kick before head; pairs with the guest, which stores head before it reads the flag.
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }

  /// While the ring is polled; a blocked one keeps its kicks enabled.
  void DisableKicks() {
    if (attached() && !blocked) StoreRelaxed(ktoa->kern_need_kick, 0);
  }

  /// For whoever goes on when this process is killed: before anything is shown or counted.
  void Record() const { PlaceRecord{hwcur, dir == Dir::kTx ? hwcur : hwtail}.Store(*counters); }
  /// Of a tx ring: the slots before `taken` are being dealt with. Who goes on does not deal with them once more.
  void RecordTaken(uint32_t taken) const { PlaceRecord{hwcur, taken}.Store(*counters); }

  /// Where the slots end that observers may see: taken from the guest, or filled for it.
  uint32_t ObservedUpTo() const { return dir == Dir::kTx ? hwcur : hwtail; }
  void ShowTo(const ObserverList& list) noexcept;
  void ShowToObservers() noexcept {
    // Acquire: the list before what it holds; pairs with its publication by AddObserver().
    if (const ObserverList* list = observers.load(std::memory_order_acquire)) [[unlikely]]
      ShowTo(*list);
  }

  /// Whether there are any.
  bool TellTakers(const ObserverList& list, uint32_t from, uint32_t slots) noexcept;
  /// Of an rx ring: the slots before `head` are the host's again. True while somebody takes their buffers.
  bool TakeBack(uint32_t head) noexcept {
    // Acquire: as in ShowToObservers().
    const ObserverList* list = observers.load(std::memory_order_acquire);
    const bool taken = list != nullptr && TellTakers(*list, hwcur, Distance(hwcur, head));
    hwcur = head;
    return taken;
  }

  /// Shows hwcur and hwtail to the guest, what is new to the observers first.
  void Publish() {
    ShowToObservers();
    StoreRelaxed(ktoa->hwcur, hwcur);
    // Release: slots, payload and hwcur before hwtail; pairs with the acquire load of hwtail in the guest's sync.
    StoreRelease(ktoa->hwtail, hwtail);
  }
};

/// The first eight bytes of a slot, read or written at once: the guest may change the shared slot at any time, so
/// what was checked must be what is used.
struct SlotWord {
  uint32_t buf_idx;
  uint16_t len;
  uint16_t flags;
};
static_assert(sizeof(SlotWord) == 8);

inline SlotWord ReadSlot(NetmapSlot& slot) {
  uint64_t word = std::atomic_ref<uint64_t>(reinterpret_cast<uint64_t&>(slot)).load(std::memory_order_relaxed);
  return std::bit_cast<SlotWord>(word);
}
inline void WriteSlot(NetmapSlot& slot, SlotWord word) {
  std::atomic_ref<uint64_t>(reinterpret_cast<uint64_t&>(slot))
      .store(std::bit_cast<uint64_t>(word), std::memory_order_relaxed);
}
/// Writes `word` over `old`, which was just read there. A slot that stays as it is costs no transfer of its cache
/// line between the cores: rings full of packets of one size are the common case.
inline void UpdateSlot(NetmapSlot& slot, SlotWord old, SlotWord word) {
  if (std::bit_cast<uint64_t>(old) != std::bit_cast<uint64_t>(word)) WriteSlot(slot, word);
}

/// Asks for the cache line of `p` in a state that can be written at once.
inline void PrefetchForWrite(const void* p) { asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(p))); }

}  // namespace ptnet
