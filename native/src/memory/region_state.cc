// Region: what another process goes on with, and going on with what one had.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "memory/region.h"

namespace ptnet {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW;

}  // namespace

RegionState Region::State() const {
  return {fd_, ifs_.holders(), rings_.holders(), bufs_.holders(), last_holder_, owned_, extra_holders_};
}

Status Region::Adopt(uint16_t id, const RegionShape& shape, const RegionPages& pages, const RegionState& state,
                     std::shared_ptr<Region>* out) {
  std::shared_ptr<Region> r;
  if (Status s = Place(id, shape, pages, &r); !s.ok()) return s;
  auto fail = [&](const char* what) {
    return Status::Fail(EINVAL, "region " + std::to_string(id) + ": taken over: " + what);
  };
  if (!r->ifs_.Restore(state.ifs) || !r->rings_.Restore(state.rings) || !r->bufs_.Restore(state.bufs))
    return fail("its pools are of another size");
  for (const auto* holders : {&state.ifs, &state.rings, &state.bufs})
    if (state.last_holder == UINT32_MAX ||
        std::ranges::any_of(*holders, [&](Holder holder) { return holder > state.last_holder; }))
      return fail("a holder that there cannot be");
  if (Status s = r->Take(state.fd); !s.ok()) return s;
  // Where its pages come from was decided when it was made.
  if (Status s = r->Map({.hugepages = pages.hugepages}); !s.ok()) return s;
  r->last_holder_ = state.last_holder;
  r->owned_ = state.owned;
  r->extra_holders_ = state.extra_holders;
  *out = std::move(r);
  return Status::Ok();
}

/// Memory that is as long as it has to be, and stays so.
Status Region::Take(int fd) {
  auto fail = [&](int error, const char* what) {
    return Status::Fail(error, "region " + std::to_string(id_) + ": taken over: " + what);
  };
  struct stat status;
  if (fstat(fd, &status) != 0) return fail(errno, "no descriptor");
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals) return fail(EINVAL, "its memory may become shorter");
  if (static_cast<uint64_t>(status.st_size) != bar_size_) return fail(EINVAL, "its memory is of another size");
  fd_ = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  return fd_ >= 0 ? Status::Ok() : fail(errno, "no descriptor is left");
}

uint8_t* Region::AdoptObject(const Pool& pool, Holder holder, uint64_t offset) {
  if (holder == 0 || offset < pool.offset() || (offset - pool.offset()) % pool.size() != 0) return nullptr;
  const uint64_t index = (offset - pool.offset()) / pool.size();
  if (index >= pool.num() || pool.holder(static_cast<uint32_t>(index)) != holder) return nullptr;
  return adopted_.insert(offset).second ? base_ + offset : nullptr;
}

NetmapIf* Region::AdoptIf(Holder holder, uint64_t offset) {
  return reinterpret_cast<NetmapIf*>(AdoptObject(ifs_, holder, offset));
}

NetmapRing* Region::AdoptRing(Holder holder, uint64_t offset) {
  return reinterpret_cast<NetmapRing*>(AdoptObject(rings_, holder, offset));
}

void Region::ReleaseLost() {
  std::set<Holder> lost;
  for (const Pool* pool : {&ifs_, &rings_, &bufs_})
    for (uint32_t i = 0; i < pool->num(); i++) lost.insert(pool->holder(i));
  lost.erase(0);
  for (const TrackedRing& t : tracked_) lost.erase(t.holder);
  for (const Holder holder : lost) Release(holder);
}

}  // namespace ptnet
