// What a descriptor is: for checking those that a peer sent before they are used.
#pragma once

#include <cstdint>

#include "os/error.h"

namespace ptnet::os {

enum class FdKind { kFile, kEventfd, kOther };

struct FdInfo {
  FdKind kind = FdKind::kOther;
  uint64_t size = 0;
  uint64_t device = 0;
  uint64_t inode = 0;
  uint32_t page_size = 0;  // what a mapping of it must be a multiple of: the huge page for hugetlbfs
  bool readable = false;
  bool writable = false;
  bool nonblocking = false;
  bool shrink_sealed = false;
};

Error InspectFd(int fd, FdInfo* out);

/** Forbids shrinking a memfd, if its creator left that open; a mapping of a file that shrinks faults. */
void TrySealShrink(int fd);

Error SetNonblocking(int fd);

}  // namespace ptnet::os
