// What a descriptor is: for checking those that a peer sent before they are used.
#include "os/inspect.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdio>

#include "os/event.h"

namespace ptnet::os {

namespace {

/// Whether the kernel lists it under a path: no question to the file itself.
bool HasPath(int fd) {
  char link[64];
  char first = 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  return readlink(link, &first, 1) == 1 && first == '/';
}

Error InspectMemory(int fd, int seals, FdInfo* out) {
  struct stat status;
  struct statfs filesystem;
  if (fstat(fd, &status) != 0) return Error::Last("fstat");
  if (fstatfs(fd, &filesystem) != 0) return Error::Last("fstatfs");
  out->kind = FdKind::kMemory;
  out->size = static_cast<uint64_t>(status.st_size);
  out->device = status.st_dev;
  out->inode = status.st_ino;
  if (filesystem.f_type == HUGETLBFS_MAGIC) out->page_size = static_cast<uint32_t>(filesystem.f_bsize);
  out->shrink_sealed = (seals & F_SEAL_SHRINK) != 0;
  return {};
}

}  // namespace

bool IsMemory(int fd) { return fcntl(fd, F_GET_SEALS) >= 0; }

Error InspectFd(int fd, FdInfo* out) {
  *out = {};
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return Error::Last("fcntl");
  const int mode = flags & O_ACCMODE;
  // A descriptor opened with O_PATH neither reads nor maps.
  const bool usable = (flags & O_PATH) == 0;
  out->readable = usable && mode != O_WRONLY;
  out->writable = usable && mode != O_RDONLY;
  out->nonblocking = (flags & O_NONBLOCK) != 0;
  out->page_size = static_cast<uint32_t>(sysconf(_SC_PAGESIZE));
  if (const int seals = fcntl(fd, F_GET_SEALS); seals >= 0) return InspectMemory(fd, seals, out);
  if (IsEventfd(fd)) out->kind = FdKind::kEventfd;
  else if (HasPath(fd)) out->kind = FdKind::kFile;
  return {};
}

Error SetNonblocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return Error::Last("fcntl");
  return {};
}

}  // namespace ptnet::os
