// StatsArea: a memfd of counter blocks and a stack of the free ones.
#include "stats/area.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <new>

namespace ptnet {

Status StatsArea::Create(uint32_t blocks, std::shared_ptr<StatsArea>* out) {
  std::shared_ptr<StatsArea> area(new StatsArea());
  area->count_ = blocks;
  auto fail = [](const char* call) {
    int err = errno;
    return Status::Fail(err, std::string("statistics: ") + call + ": " + strerror(err));
  };
  area->fd_ = memfd_create("ptnetmap-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (area->fd_ < 0) return fail("memfd_create");
  if (ftruncate(area->fd_, static_cast<off_t>(area->size())) != 0) return fail("ftruncate");
  void* p = mmap(nullptr, area->size(), PROT_READ | PROT_WRITE, MAP_SHARED, area->fd_, 0);
  if (p == MAP_FAILED) return fail("mmap");
  area->blocks_ = static_cast<RingCounters*>(p);
  for (uint32_t i = blocks; i-- > 0;) area->free_.push_back(i);
  *out = std::move(area);
  return Status::Ok();
}

StatsArea::~StatsArea() {
  if (blocks_ != nullptr) munmap(blocks_, size());
  if (fd_ >= 0) close(fd_);
}

RingCounters* StatsArea::Alloc() {
  uint32_t index = free_.back();
  free_.pop_back();
  return new (&blocks_[index]) RingCounters();
}

void StatsArea::Free(RingCounters* block) { free_.push_back(IndexOf(block)); }

}  // namespace ptnet
