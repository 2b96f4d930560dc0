// KeptArea: a memfd of blocks and a stack of the free ones.
#include "datapath/kept_area.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ptnet {

namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW;

Status Failure(const char* call) {
  const int err = errno;
  return Status::Fail(err, std::string("sessions: ") + call + ": " + strerror(err));
}

}  // namespace

Status KeptArea::Create(uint32_t blocks, std::shared_ptr<KeptArea>* out) {
  std::shared_ptr<KeptArea> area(new KeptArea(blocks));
  area->fd_ = memfd_create("ptnetmap-sessions", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (area->fd_ < 0) return Failure("memfd_create");
  if (ftruncate(area->fd_, static_cast<off_t>(blocks * sizeof(Block))) != 0) return Failure("ftruncate");
  if (fcntl(area->fd_, F_ADD_SEALS, kSeals) != 0) return Failure("fcntl(F_ADD_SEALS)");
  if (Status s = area->Map(); !s.ok()) return s;
  *out = std::move(area);
  return Status::Ok();
}

Status KeptArea::Adopt(uint32_t blocks, int fd, std::shared_ptr<KeptArea>* out) {
  std::shared_ptr<KeptArea> area(new KeptArea(blocks));
  struct stat status;
  if (fstat(fd, &status) != 0) return Failure("fstat");
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals || static_cast<uint64_t>(status.st_size) != blocks * sizeof(Block))
    return Status::Fail(EINVAL, "sessions: not the memory of " + std::to_string(blocks) + " blocks");
  area->fd_ = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (area->fd_ < 0) return Failure("fcntl(F_DUPFD_CLOEXEC)");
  if (Status s = area->Map(); !s.ok()) return s;
  *out = std::move(area);
  return Status::Ok();
}

Status KeptArea::Map() {
  void* p = mmap(nullptr, count_ * sizeof(Block), PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (p == MAP_FAILED) return Failure("mmap");
  blocks_ = static_cast<Block*>(p);
  for (uint32_t i = count_; i-- > 0;) free_.push_back(i);
  return Status::Ok();
}

KeptArea::~KeptArea() {
  if (blocks_ != nullptr) munmap(blocks_, count_ * sizeof(Block));
  if (fd_ >= 0) close(fd_);
}

bool KeptArea::Alloc(uint32_t* block) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (free_.empty()) return false;
  *block = free_.back();
  free_.pop_back();
  word(*block).store(0, std::memory_order_relaxed);
  return true;
}

bool KeptArea::Take(uint32_t block) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::erase(free_, block) == 1;
}

void KeptArea::Free(uint32_t block) {
  const std::lock_guard<std::mutex> lock(mutex_);
  free_.push_back(block);
}

}  // namespace ptnet
