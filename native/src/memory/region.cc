// Region: limits, the sealed memfd, and who holds which object.
#include "memory/region.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <map>

#include "os/memory.h"

namespace ptnet {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kHugePage = 2 << 20;

constexpr int kLooks = 4;  // at rings in use, to find the buffers that none of them shows

uint64_t RoundUp(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

// Slots are shared with whoever uses the ring.
uint32_t ReadIndex(const NetmapSlot& slot) {
  return std::atomic_ref<uint32_t>(const_cast<NetmapSlot&>(slot).buf_idx).load(std::memory_order_relaxed);
}
void WriteIndex(NetmapSlot& slot, uint32_t index) {
  std::atomic_ref<uint32_t>(slot.buf_idx).store(index, std::memory_order_relaxed);
}

struct PoolLimits {
  const char* name;
  uint64_t size_min, size_max, num_min, num_max;
};
constexpr PoolLimits kIfLimits{"if", sizeof(NetmapIf), 4096, 1, 10000};
constexpr PoolLimits kRingLimits{"ring", sizeof(NetmapRing), 131072, 2, 1024};
constexpr PoolLimits kBufLimits{"buf", 64, 65536, 4, 1000000};

Status CheckShape(uint16_t id, const PoolLimits& limits, const PoolShape& shape) {
  auto fail = [&](const char* what, uint64_t value, uint64_t min, uint64_t max) {
    return Status::Fail(EINVAL, "region " + std::to_string(id) + ": " + limits.name + "-" + what + " " +
                                    std::to_string(value) + " is out of range: use " + std::to_string(min) + " to " +
                                    std::to_string(max));
  };
  if (shape.size < limits.size_min || shape.size > limits.size_max)
    return fail("size", shape.size, limits.size_min, limits.size_max);
  if (shape.num < limits.num_min || shape.num > limits.num_max)
    return fail("num", shape.num, limits.num_min, limits.num_max);
  return Status::Ok();
}

Status SystemFailure(uint16_t id, const char* call) {
  int err = errno;
  return Status::Fail(err, "region " + std::to_string(id) + ": " + call + ": " + strerror(err));
}

}  // namespace

Status Region::Create(uint16_t id, const RegionShape& shape, const RegionPages& pages, std::shared_ptr<Region>* out) {
  std::shared_ptr<Region> r;
  if (Status s = Place(id, shape, pages, &r); !s.ok()) return s;
  if (Status s = r->Make(pages); !s.ok()) return s;
  if (Status s = r->Map(pages); !s.ok()) return s;
  *out = std::move(r);
  return Status::Ok();
}

/// Where the pools lie, of memory that is still to come.
Status Region::Place(uint16_t id, const RegionShape& shape, const RegionPages& pages, std::shared_ptr<Region>* out) {
  if (id == 0) return Status::Fail(EINVAL, "region 0: 0 is not an id: use 1 to 65535");
  for (const auto& [limits, pool] :
       {std::pair{kIfLimits, shape.ifs}, {kRingLimits, shape.rings}, {kBufLimits, shape.bufs}}) {
    if (Status s = CheckShape(id, limits, pool); !s.ok()) return s;
  }
  std::shared_ptr<Region> r(new Region());
  r->id_ = id;
  r->hugepages_ = pages.hugepages;
  uint64_t at = 0;
  auto place = [&](const PoolShape& pool, uint32_t reserved) {
    uint32_t size = static_cast<uint32_t>(RoundUp(pool.size, kCacheLine));
    Pool placed(at, pool.num, size, reserved);
    at = RoundUp(at + uint64_t{pool.num} * size, kPage);
    return placed;
  };
  r->ifs_ = place(shape.ifs, 0);
  r->rings_ = place(shape.rings, 0);
  r->bufs_ = place(shape.bufs, kReservedBufs);
  r->memsize_ = at;
  r->bar_size_ = std::bit_ceil(pages.hugepages ? RoundUp(at, kHugePage) : at);
  *out = std::move(r);
  return Status::Ok();
}

Status Region::Make(const RegionPages& pages) {
  std::string name = "ptnetmap-region-" + std::to_string(id_);
  unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | (pages.hugepages ? MFD_HUGETLB : 0u);
  fd_ = memfd_create(name.c_str(), flags);
  if (fd_ < 0) return SystemFailure(id_, "memfd_create");
  if (ftruncate(fd_, static_cast<off_t>(bar_size_)) != 0) return SystemFailure(id_, "ftruncate");
  // A peer that got the descriptor must not be able to take pages away under the workers.
  if (fcntl(fd_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return SystemFailure(id_, "fcntl(F_ADD_SEALS)");
  return Status::Ok();
}

Status Region::Map(const RegionPages& pages) {
  void* p = mmap(nullptr, bar_size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (p == MAP_FAILED && pages.hugepages && errno == ENOMEM)
    return Status::Fail(ENOMEM, "region " + std::to_string(id_) + ": too few hugepages are free: it takes " +
                                    std::to_string(bar_size_ / kHugePage) +
                                    " of 2 MiB: raise /proc/sys/vm/nr_hugepages");
  if (p == MAP_FAILED) return SystemFailure(id_, "mmap");
  base_ = static_cast<uint8_t*>(p);
  // Its size is sealed, but a peer can punch out pages, and of huge ones there may be none left to put there.
  if (!guard_.Watch(p, bar_size_))
    return Status::Fail(ENOSPC, "region " + std::to_string(id_) + ": too many mappings are guarded: 4096 is the limit");
  madvise(p, bar_size_, MADV_DONTDUMP);
  if (!pages.numa_node) return Status::Ok();
  // A page stays where it was when it was touched first, so this comes before any of the pools is used.
  if (os::Error error = os::PreferNode(p, bar_size_, *pages.numa_node))
    return Status::Fail(error.number, "region " + std::to_string(id_) + ": NUMA node " +
                                          std::to_string(*pages.numa_node) + ": " + error.syscall + ": " +
                                          strerror(error.number));
  // A hugepage's file does not remember the node: where it lies is up to the mapping that touches it first.
  for (uint64_t at = 0; pages.hugepages && at < bar_size_; at += kHugePage)
    std::atomic_ref<uint8_t>(base_[at]).store(0, std::memory_order_relaxed);
  return Status::Ok();
}

Region::~Region() {
  guard_.Release();
  if (base_ != nullptr) munmap(base_, bar_size_);
  if (fd_ >= 0) close(fd_);
}

PoolNeeds Region::Available() const { return {ifs_.available(), rings_.available(), bufs_.available()}; }

Status Region::Check(const std::string& who, const PoolNeeds& needs) const {
  PoolNeeds have = Available();
  std::string lacking;
  auto look = [&](const char* pool, uint32_t want, uint32_t free) {
    if (want <= free) return;
    if (!lacking.empty()) lacking += ", ";
    lacking += std::to_string(want) + " " + pool + " (" + std::to_string(free) + " free)";
  };
  look("netmap_if", needs.ifs, have.ifs);
  look("rings", needs.rings, have.rings);
  look("buffers", needs.bufs, have.bufs);
  if (lacking.empty()) return Status::Ok();
  return Status::Fail(ENOMEM, who + ": region " + std::to_string(id_) + " is too small: needs " + lacking +
                                  ": raise if-num, ring-num or buf-num");
}

NetmapIf* Region::AllocIf(Holder holder) {
  uint32_t index = ifs_.Alloc(holder);
  auto* p = base_ + ifs_.offset() + uint64_t{index} * ifs_.size();
  memset(p, 0, ifs_.size());
  return reinterpret_cast<NetmapIf*>(p);
}

NetmapRing* Region::AllocRing(Holder holder) {
  uint32_t index = rings_.Alloc(holder);
  auto* p = base_ + rings_.offset() + uint64_t{index} * rings_.size();
  memset(p, 0, rings_.size());
  auto* ring = reinterpret_cast<NetmapRing*>(p);
  ring->buf_ofs = static_cast<int64_t>(base_ + bufs_.offset() - p);
  ring->buf_size = bufs_.size();
  return ring;
}

void Region::TrackRing(Holder holder, const NetmapSlot* slots, uint32_t num_slots) {
  tracked_.push_back({holder, slots, num_slots});
}

/// By buffer: the holder of a ring that shows it, 0: no ring does. Rings in use swap buffers meanwhile: one that went
/// to a ring that had been looked at is missed. Then another one is read twice, and they are looked at again in the
/// opposite order; what no look saw is in none of them.
std::vector<Holder> Region::ShownBy() const {
  std::vector<Holder> shown_by(bufs_.num(), 0);
  bool unsure = true;
  for (int look = 0; look < kLooks && unsure; look++) {
    std::vector<bool> seen(bufs_.num(), false);
    unsure = false;
    for (size_t n = 0; n < tracked_.size(); n++) {
      const TrackedRing& t = tracked_[look % 2 ? tracked_.size() - 1 - n : n];
      for (uint32_t i = 0; i < t.num_slots; i++) {
        const uint32_t index = ReadIndex(t.slots[i]);
        if (index >= bufs_.num() || seen[index]) {
          unsure = true;
          continue;
        }
        seen[index] = true;
        shown_by[index] = t.holder;
      }
    }
  }
  return shown_by;
}

void Region::MendSlots(Holder holder) {
  const std::vector<Holder> shown_by = ShownBy();
  std::vector<bool> mine(bufs_.num(), false);
  std::vector<NetmapSlot*> broken;
  for (const TrackedRing& t : tracked_) {
    for (uint32_t i = 0; t.holder == holder && i < t.num_slots; i++) {
      const uint32_t index = ReadIndex(t.slots[i]);
      if (index < bufs_.num() && bufs_.holder(index) != 0 && !mine[index])
        mine[index] = true;
      else
        broken.push_back(const_cast<NetmapSlot*>(&t.slots[i]));
    }
  }
  uint32_t next = 0;
  for (NetmapSlot* slot : broken) {
    while (next < bufs_.num() && (bufs_.holder(next) != holder || shown_by[next] != 0)) next++;
    if (next < bufs_.num())
      WriteIndex(*slot, next++);
    else if (bufs_.available() > 0)
      WriteIndex(*slot, AllocBuf(holder));
  }
}

void Region::Release(Holder holder) {
  std::vector<bool> here(bufs_.num(), false);
  for (const TrackedRing& t : tracked_) {
    for (uint32_t i = 0; t.holder == holder && i < t.num_slots; i++)
      if (const uint32_t index = ReadIndex(t.slots[i]); index < bufs_.num()) here[index] = true;
  }
  std::erase_if(tracked_, [&](const TrackedRing& t) { return t.holder == holder; });
  const std::vector<Holder> shown_by = ShownBy();
  const auto free_unless_shown = [&](uint32_t index) {
    shown_by[index] != 0 ? bufs_.set_holder(index, shown_by[index]) : void(bufs_.Free(index));
  };
  std::vector<uint32_t> brought, elsewhere;
  for (uint32_t i = 0; i < bufs_.num(); i++) {
    const bool own = bufs_.holder(i) == holder;
    if (own && here[i])
      free_unless_shown(i);
    else if (own)
      elsewhere.push_back(i);
    else if (bufs_.holder(i) != 0 && here[i] && shown_by[i] == 0)
      brought.push_back(i);
  }
  // One for one, so that it does not matter where those are that rings in use pass on just now.
  for (const uint32_t index : elsewhere) {
    if (brought.empty()) {
      free_unless_shown(index);
      continue;
    }
    bufs_.set_holder(index, bufs_.holder(brought.back()));
    bufs_.Free(brought.back());
    brought.pop_back();
  }
  for (Pool* pool : {&ifs_, &rings_}) {
    for (uint32_t i = 0; i < pool->num(); i++)
      if (pool->holder(i) == holder) pool->Free(i);
  }
  owned_.erase(holder);
  extra_holders_.erase(holder);
  if (extra_holders_.empty()) FreeUnshown(shown_by);
}

/// What whoever had buffers in no ring has not put back: nobody has any now, so what others hold beyond what they were
/// given, and no ring shows, is free.
void Region::FreeUnshown(const std::vector<Holder>& shown_by) {
  std::map<Holder, uint32_t> held;
  for (uint32_t i = 0; i < bufs_.num(); i++) held[bufs_.holder(i)]++;
  for (uint32_t i = 0; i < bufs_.num(); i++) {
    const Holder holder = bufs_.holder(i);
    if (holder == 0 || shown_by[i] != 0 || held[holder] <= owned_[holder]) continue;
    held[holder]--;
    bufs_.Free(i);
  }
}

}  // namespace ptnet
