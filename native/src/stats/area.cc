// StatsArea: a memfd of counter blocks and a stack of the free ones.
#include "stats/area.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <new>

namespace ptnet {

namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW;

Status Failure(const char* call) {
  const int err = errno;
  return Status::Fail(err, std::string("statistics: ") + call + ": " + strerror(err));
}

}  // namespace

Status StatsArea::Create(uint32_t blocks, std::shared_ptr<StatsArea>* out) {
  std::shared_ptr<StatsArea> area(new StatsArea());
  area->count_ = blocks;
  area->fd_ = memfd_create("ptnetmap-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (area->fd_ < 0) return Failure("memfd_create");
  if (ftruncate(area->fd_, static_cast<off_t>(area->size())) != 0) return Failure("ftruncate");
  // Whoever maps it, another host too, needs no guard against pages that are gone.
  if (fcntl(area->fd_, F_ADD_SEALS, kSeals) != 0) return Failure("fcntl(F_ADD_SEALS)");
  if (Status s = area->Map(); !s.ok()) return s;
  *out = std::move(area);
  return Status::Ok();
}

Status StatsArea::Adopt(uint32_t blocks, int fd, std::shared_ptr<StatsArea>* out) {
  std::shared_ptr<StatsArea> area(new StatsArea());
  area->count_ = blocks;
  struct stat status;
  if (fstat(fd, &status) != 0) return Failure("fstat");
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals || static_cast<uint64_t>(status.st_size) != area->size())
    return Status::Fail(EINVAL, "statistics: taken over: not the memory of " + std::to_string(blocks) + " blocks");
  area->fd_ = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (area->fd_ < 0) return Failure("fcntl(F_DUPFD_CLOEXEC)");
  if (Status s = area->Map(); !s.ok()) return s;
  *out = std::move(area);
  return Status::Ok();
}

Status StatsArea::Map() {
  void* p = mmap(nullptr, size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (p == MAP_FAILED) return Failure("mmap");
  blocks_ = static_cast<RingCounters*>(p);
  for (uint32_t i = count_; i-- > 0;) free_.push_back(i);
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

RingCounters* StatsArea::Take(uint32_t index) { return std::erase(free_, index) == 1 ? &blocks_[index] : nullptr; }

void StatsArea::Free(RingCounters* block) { free_.push_back(IndexOf(block)); }

}  // namespace ptnet
