// A page of shared memory whose owner takes it away and brings it back when it likes: whoever touches it meanwhile
// waits, as for a file that is being punched, only that a test says how long.
#pragma once

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "check.h"

namespace ptnet::test {

class SlowPage {
 public:
  static constexpr uint64_t kPage = 4096;

  /// The page at `address`, which is mapped here from `fd` at `offset`.
  SlowPage(void* address, int fd, uint64_t offset)
      : address_(reinterpret_cast<uintptr_t>(address) & ~(kPage - 1)), fd_(fd), offset_(offset & ~(kPage - 1)) {
    uffd_ = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK));
    CHECK(uffd_ >= 0);
    uffdio_api api = {.api = UFFD_API, .features = 0, .ioctls = 0};
    CHECK(ioctl(uffd_, UFFDIO_API, &api) == 0);
    uffdio_register range = {.range = {address_, kPage}, .mode = UFFDIO_REGISTER_MODE_MISSING, .ioctls = 0};
    CHECK(ioctl(uffd_, UFFDIO_REGISTER, &range) == 0);
    thread_ = std::thread([this] { Run(); });
  }
  ~SlowPage() {
    stop_ = true;
    thread_.join();
    close(uffd_);
  }

  /// The next who touches it waits for so long.
  void TakeAway(uint32_t ms) {
    CHECK(pread(fd_, content_, kPage, static_cast<off_t>(offset_)) == static_cast<ssize_t>(kPage));
    ms_ = ms;
    CHECK(fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset_), kPage) == 0);
  }
  /// It is there again, once this thread has waited for it.
  void BringBack() { std::atomic_ref<uint32_t>(*reinterpret_cast<uint32_t*>(address_)).load(); }
  /// Times that somebody waited.
  uint32_t waits() const { return waits_; }

 private:
  void Run() {
    while (!stop_) {
      pollfd p = {uffd_, POLLIN, 0};
      uffd_msg message;
      if (poll(&p, 1, 10) <= 0 || read(uffd_, &message, sizeof message) != sizeof message) continue;
      usleep(1000 * ms_);
      uffdio_copy copy = {
          .dst = address_, .src = reinterpret_cast<uintptr_t>(content_), .len = kPage, .mode = 0, .copy = 0};
      waits_++;
      if (ioctl(uffd_, UFFDIO_COPY, &copy) == 0) continue;
      uffdio_range range = {address_, kPage};  // somebody has put a page there by another mapping
      CHECK(ioctl(uffd_, UFFDIO_WAKE, &range) == 0);
    }
  }

  const uintptr_t address_;
  const int fd_;
  const uint64_t offset_;
  int uffd_;
  alignas(4096) uint8_t content_[kPage] = {};
  std::atomic<uint32_t> ms_{0}, waits_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace ptnet::test
