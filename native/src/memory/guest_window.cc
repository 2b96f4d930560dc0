// GuestWindow: the mapping.
#include "memory/guest_window.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "os/inspect.h"

namespace ptnet {

Status GuestWindow::Map(int fd, uint64_t offset, uint64_t length, std::unique_ptr<GuestWindow>* out) {
  auto fail = [](const char* call) {
    int err = errno;
    return Status::Fail(err, std::string("guest memory: ") + call + ": " + strerror(err));
  };
  // Pages that come from a disk, or from another process, would keep a worker and all its VMs waiting; and even to ask
  // such a file what it is may do so.
  if (!os::IsMemory(fd) && errno == EBADF) return fail("fcntl");
  if (!os::IsMemory(fd))
    return Status::Fail(
        EINVAL, "guest memory: its file is not in memory: a memfd, or a file on tmpfs or hugetlbfs, would be right");
  struct statfs fs;
  if (fstatfs(fd, &fs) != 0) return fail("fstatfs");
  uint64_t page =
      fs.f_type == HUGETLBFS_MAGIC ? static_cast<uint64_t>(fs.f_bsize) : static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  std::unique_ptr<GuestWindow> w(new GuestWindow());
  w->peer_ = os::PeerOf(fd);
  w->skip_ = offset & (page - 1);
  w->map_length_ = (w->skip_ + length + page - 1) & ~(page - 1);
  void* p =
      mmap(nullptr, w->map_length_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, static_cast<off_t>(offset - w->skip_));
  if (p == MAP_FAILED) return fail("mmap");
  if (!os::TakePeerMap(w->peer_)) {
    munmap(p, w->map_length_);
    return Status::Fail(
        ENOSPC,
        "guest memory: mapped as often as its client's share allows, which keeps undoing that waiting by "
        "what else it has sent");
  }
  w->map_ = static_cast<uint8_t*>(p);
  if (!w->guard_.Watch(p, w->map_length_))
    return Status::Fail(ENOSPC, "guest memory: too many CSBs are mapped: 4096 is the limit");
  *out = std::move(w);
  return Status::Ok();
}

GuestWindow::~GuestWindow() {
  guard_.Release();
  if (map_ != nullptr) os::UnmapElsewhere(map_, map_length_, peer_);
}

}  // namespace ptnet
