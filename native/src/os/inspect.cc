// What a descriptor is: for checking those that a peer sent before they are used.
#include "os/inspect.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "os/event.h"

namespace ptnet::os {

Error InspectFd(int fd, FdInfo* out) {
  *out = {};
  struct stat status;
  if (fstat(fd, &status) != 0) return Error::Last("fstat");
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return Error::Last("fcntl");
  out->device = status.st_dev;
  out->inode = status.st_ino;
  const int mode = flags & O_ACCMODE;
  // A descriptor opened with O_PATH neither reads nor maps.
  const bool usable = (flags & O_PATH) == 0;
  out->readable = usable && mode != O_WRONLY;
  out->writable = usable && mode != O_RDONLY;
  out->nonblocking = (flags & O_NONBLOCK) != 0;
  out->page_size = static_cast<uint32_t>(sysconf(_SC_PAGESIZE));
  if (S_ISREG(status.st_mode)) {
    out->kind = FdKind::kFile;
    out->size = static_cast<uint64_t>(status.st_size);
    struct statfs filesystem;
    if (fstatfs(fd, &filesystem) == 0 && filesystem.f_type == HUGETLBFS_MAGIC)
      out->page_size = static_cast<uint32_t>(filesystem.f_bsize);
    const int seals = fcntl(fd, F_GET_SEALS);
    out->shrink_sealed = seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
  } else if (IsEventfd(fd)) {
    out->kind = FdKind::kEventfd;
  }
  return {};
}

void TrySealShrink(int fd) {
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals >= 0 && (seals & (F_SEAL_SHRINK | F_SEAL_SEAL)) == 0) fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
}

Error SetNonblocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return Error::Last("fcntl");
  return {};
}

}  // namespace ptnet::os
