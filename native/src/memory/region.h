// A netmap memory region: one sealed memfd with the pools of netmap_if, netmap_ring and buffers, in that order.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "memory/layout.h"
#include "memory/pool.h"
#include "memory/sigbus_guard.h"
#include "memory/status.h"

namespace ptnet {

struct PoolShape {
  uint32_t num = 0;
  uint32_t size = 0;  // bytes; rounded up to a cache line
};

struct RegionShape {
  PoolShape ifs;
  PoolShape rings;
  PoolShape bufs;
};

/// Where the pages of a region come from.
struct RegionPages {
  bool hugepages = false;  // of 2 MiB
  /// The NUMA node that they come from while it has free ones; none: that of the thread that touches a page first.
  std::optional<uint32_t> numa_node = std::nullopt;
};

/// How many objects of each pool are free, or wanted.
struct PoolNeeds {
  uint32_t ifs = 0;
  uint32_t rings = 0;
  uint32_t bufs = 0;
};

/// What a process knows of a region beyond the memory itself: another one goes on with it.
struct RegionState {
  int fd = -1;                           // of the memory; duplicated
  std::vector<Holder> ifs, rings, bufs;  // by object
  Holder last_holder = 0;
  std::map<Holder, uint32_t> owned;
  std::set<Holder> extra_holders;
};

class Region {
 public:
  /// Maps a new region. Fails with EINVAL naming the limit of netmap's allocator that `shape` breaks, or with the errno
  /// of the call that failed.
  static Status Create(uint16_t id, const RegionShape& shape, const RegionPages& pages, std::shared_ptr<Region>* out);
  /// The region of another process, with what lies in it: nothing there is written. EINVAL when it is not of this
  /// shape.
  static Status Adopt(uint16_t id, const RegionShape& shape, const RegionPages& pages, const RegionState& state,
                      std::shared_ptr<Region>* out);
  RegionState State() const;
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  uint16_t id() const { return id_; }
  int fd() const { return fd_; }
  uint8_t* base() const { return base_; }
  /// Bytes that the pools take, a page multiple.
  uint64_t memsize() const { return memsize_; }
  /// Bytes of the memfd and of BAR 1: memsize rounded up to a power of two.
  uint64_t bar_size() const { return bar_size_; }
  bool hugepages() const { return hugepages_; }
  /// A peer has taken pages away: what is here now is ours alone, and zero.
  bool lost() const { return guard_.lost(); }
  const Pool& ifs() const { return ifs_; }
  const Pool& rings() const { return rings_; }
  const Pool& bufs() const { return bufs_; }
  PoolNeeds Available() const;

  Holder NewHolder() { return ++last_holder_; }
  /// EOK, or ENOMEM with what is wanted and what is there.
  Status Check(const std::string& who, const PoolNeeds& needs) const;
  NetmapIf* AllocIf(Holder holder);
  NetmapRing* AllocRing(Holder holder);
  uint32_t AllocBuf(Holder holder) {
    owned_[holder]++;
    return bufs_.Alloc(holder);
  }
  /// One that no ring shows at first.
  uint32_t AllocExtraBuf(Holder holder) {
    extra_holders_.insert(holder);
    return AllocBuf(holder);
  }
  uint8_t* Buf(uint32_t index) const { return base_ + bufs_.offset() + uint64_t{index} * bufs_.size(); }
  /// Of a region that was adopted: the object at this offset, once. Null: the holder has none there, or it was asked
  /// for before.
  NetmapIf* AdoptIf(Holder holder, uint64_t offset);
  NetmapRing* AdoptRing(Holder holder, uint64_t offset);
  uint64_t OffsetOf(const void* object) const {
    return static_cast<uint64_t>(static_cast<const uint8_t*>(object) - base_);
  }
  uint32_t ring_slots_max() const { return (rings_.size() - sizeof(NetmapRing)) / sizeof(NetmapSlot); }

  /// Takes everything back that `holder` was given; nobody serves its rings any more. Buffers of others that its rings
  /// show (they were swapped there) are freed as its own ones are, and as many of its own that are elsewhere now belong
  /// to those others, wherever they are. What is left, of a list of extra ones, passes to the holder of the ring that
  /// shows it, and is freed when no ring does; for each that has passed one is freed that came from there, at the
  /// latest when nobody has extra buffers any more.
  void Release(Holder holder);
  /// Of one that was adopted, when all rings that somebody goes on with are tracked: what others had is free.
  void ReleaseLost();
  /// Ring headers are the guest's to overwrite, so the slots of a ring are registered by its owner.
  void TrackRing(Holder holder, const NetmapSlot* slots, uint32_t num_slots);
  /// Gives the slots of a holder's rings that show no buffer, one that nobody was given, or one that another of these
  /// slots shows, a buffer of their own again, as far as there are any.
  void MendSlots(Holder holder);

 private:
  Region() = default;
  static Status Place(uint16_t id, const RegionShape& shape, const RegionPages& pages, std::shared_ptr<Region>* out);
  Status Make(const RegionPages& pages);
  Status Take(int fd);
  Status Map(const RegionPages& pages);
  uint8_t* AdoptObject(const Pool& pool, Holder holder, uint64_t offset);
  std::vector<Holder> ShownBy() const;
  void FreeUnshown(const std::vector<Holder>& shown_by);

  struct TrackedRing {
    Holder holder;
    const NetmapSlot* slots;
    uint32_t num_slots;
  };

  uint16_t id_ = 0;
  int fd_ = -1;
  uint8_t* base_ = nullptr;
  uint64_t memsize_ = 0;
  uint64_t bar_size_ = 0;
  bool hugepages_ = false;
  SigbusGuard guard_;
  Pool ifs_, rings_, bufs_;
  Holder last_holder_ = 0;
  std::vector<TrackedRing> tracked_;
  std::map<Holder, uint32_t> owned_;  // buffers that it was given
  std::set<Holder> extra_holders_;
  std::set<uint64_t> adopted_;  // offsets of objects that somebody goes on with
};

}  // namespace ptnet
