// What a descriptor is: for checking those that a peer sent before they are used.
#include "os/inspect.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace ptnet::os {

namespace {

/// The name under which the kernel lists it: no question to the file itself.
void ReadName(int fd, char* name, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, name, size - 1);
  name[length > 0 ? length : 0] = 0;
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
  out->write_sealed = (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0;
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
  char name[64];
  ReadName(fd, name, sizeof name);
  if (name[0] == '/')
    out->kind = FdKind::kFile;
  else if (strcmp(name, "anon_inode:[eventfd]") == 0)
    out->kind = FdKind::kEventfd;
  return {};
}

Error SetNonblocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return Error::Last("fcntl");
  return {};
}

}  // namespace ptnet::os
