// A window into guest memory: the pages of a CSB array, mapped from the descriptor that came with a DMA map.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "memory/sigbus_guard.h"
#include "memory/status.h"
#include "os/peer_fd.h"

namespace ptnet {

/// The descriptor's owner may truncate the file at any time. Then the window's pages turn into private zero pages,
/// instead of a SIGBUS that ends the host: the guest has only cut itself off.
class GuestWindow {
 public:
  /// Maps `length` bytes at `offset` of `fd`, read and write. EAGAIN when that takes longer than `patience`, which is
  /// halved then: on hugetlbfs a mapping waits for whoever allocates pages of the file (fallocate), 0.1 s for a GiB.
  static Status Map(int fd, uint64_t offset, uint64_t length, std::chrono::milliseconds* patience,
                    std::unique_ptr<GuestWindow>* out);
  ~GuestWindow();
  GuestWindow(const GuestWindow&) = delete;
  GuestWindow& operator=(const GuestWindow&) = delete;

  uint8_t* data() const { return map_ + skip_; }
  /// Whether its pages were taken away and replaced.
  bool lost() const { return guard_.lost(); }

 private:
  GuestWindow() = default;
  uint8_t* map_ = nullptr;
  uint64_t map_length_ = 0;
  uint64_t skip_ = 0;
  os::PeerId peer_ = 0;
  SigbusGuard guard_;
};

}  // namespace ptnet
