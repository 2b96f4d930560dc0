// GuestWindow: the mapping.
#include "memory/guest_window.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "os/inspect.h"

namespace ptnet {

namespace {

/// A mapping that is made on a thread that may wait.
struct Mapped {
  std::mutex mutex;
  std::condition_variable changed;
  void* address = nullptr;  // MAP_FAILED with `error`
  int error = 0;
  bool abandoned = false;
};

/// As mmap, with its errno; EAGAIN when it takes longer than `patience`.
void* MapElsewhere(int fd, uint64_t offset, uint64_t length, os::PeerId peer, std::chrono::milliseconds* patience) {
  auto mapped = std::make_shared<Mapped>();
  auto file = std::make_shared<os::PeerFd>(os::DupPeerFd(fd));
  if (!*file) return MAP_FAILED;
  const bool taken = os::DoElsewhere(peer, [=] {
    void* p = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, file->get(), static_cast<off_t>(offset));
    const std::lock_guard lock(mapped->mutex);
    if (p != MAP_FAILED && mapped->abandoned) munmap(p, length);
    mapped->error = errno;
    mapped->address = p;
    mapped->changed.notify_all();
  });
  std::unique_lock lock(mapped->mutex);
  mapped->abandoned = !taken || !mapped->changed.wait_for(lock, *patience, [&] { return mapped->address != nullptr; });
  if (mapped->abandoned) *patience = std::max(*patience / 2, std::chrono::milliseconds(1));
  errno = mapped->abandoned ? EAGAIN : mapped->error;
  return mapped->abandoned ? MAP_FAILED : mapped->address;
}

}  // namespace

Status GuestWindow::Map(int fd, uint64_t offset, uint64_t length, std::chrono::milliseconds* patience,
                        std::unique_ptr<GuestWindow>* out) {
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
  const bool huge = fs.f_type == HUGETLBFS_MAGIC;
  const uint64_t page = static_cast<uint64_t>(huge ? fs.f_bsize : sysconf(_SC_PAGESIZE));
  std::unique_ptr<GuestWindow> w(new GuestWindow());
  w->peer_ = os::PeerOf(fd);
  w->skip_ = offset & (page - 1);
  w->map_length_ = (w->skip_ + length + page - 1) & ~(page - 1);
  const uint64_t start = offset - w->skip_;
  void* p = huge ? MapElsewhere(fd, start, w->map_length_, w->peer_, patience)
                 : mmap(nullptr, w->map_length_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, static_cast<off_t>(start));
  if (p == MAP_FAILED && huge && errno == EAGAIN)
    return Status::Fail(EAGAIN, "guest memory: mapping it takes long: pages of its file are being allocated");
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
