// What a descriptor is: for checking those that a peer sent before they are used.
#pragma once

#include <cstdint>

#include "os/error.h"

namespace ptnet::os {

/**
 * Memory: what can be sealed, which is a memfd, or a file on tmpfs or hugetlbfs. A file: all else that has a path, a
 * disk's or FUSE's as well as a device. What a file is asked, its server may leave unanswered, so that is all that is
 * found out.
 */
enum class FdKind { kMemory, kFile, kEventfd, kOther };

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
  bool write_sealed = false;
};

/** Never waits, whatever it is. Size, device, inode and seals are those of memory only. */
Error InspectFd(int fd, FdInfo* out);
bool IsMemory(int fd);

Error SetNonblocking(int fd);

}  // namespace ptnet::os
