// GuestWindow: the mapping, and the SIGBUS handler that replaces pages taken away under us.
#include "memory/guest_window.h"

#include <errno.h>
#include <linux/magic.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

#include "os/inspect.h"

namespace ptnet {
namespace {

// Signal handlers are the process's, so this table is too. Entries are claimed by `begin` and live while it is set.
struct Guarded {
  std::atomic<uintptr_t> begin{0};
  std::atomic<uintptr_t> length{0};
  std::atomic<bool> lost{false};
};
constexpr int kGuardedMax = 4096;
Guarded guarded[kGuardedMax];
struct sigaction previous;

void OnSigbus(int signal, siginfo_t* info, void* context) {
  bool sent = info->si_code <= 0;  // by kill(): there is no address
  auto at = reinterpret_cast<uintptr_t>(info->si_addr);
  for (Guarded& g : guarded) {
    if (sent) break;
    uintptr_t begin = g.begin.load(std::memory_order_acquire);
    uintptr_t length = g.length.load(std::memory_order_relaxed);
    if (begin == 0 || at < begin || at >= begin + length) continue;
    // The system call itself: what stands before it in a libc or a sanitizer need not be safe in a signal handler.
    long p = syscall(SYS_mmap, begin, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (p == -1) continue;
    g.lost.store(true, std::memory_order_relaxed);
    return;
  }
  // Not ours: what would have happened without us.
  if ((previous.sa_flags & SA_SIGINFO) && previous.sa_sigaction != nullptr)
    return previous.sa_sigaction(signal, info, context);
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) return previous.sa_handler(signal);
  ::signal(SIGBUS, SIG_DFL);
  if (sent) raise(SIGBUS);  // a fault comes again by itself
}

void InstallOnce() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action = {};
    action.sa_sigaction = OnSigbus;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(SIGBUS, &action, &previous);
  });
}

int Guard(uintptr_t begin, uintptr_t length) {
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  for (int i = 0; i < kGuardedMax; i++) {
    if (guarded[i].begin.load(std::memory_order_relaxed) != 0) continue;
    guarded[i].length.store(length, std::memory_order_relaxed);
    guarded[i].lost.store(false, std::memory_order_relaxed);
    guarded[i].begin.store(begin, std::memory_order_release);
    return i;
  }
  return -1;
}

}  // namespace

Status GuestWindow::Map(int fd, uint64_t offset, uint64_t length, std::unique_ptr<GuestWindow>* out) {
  auto fail = [](const char* call) {
    int err = errno;
    return Status::Fail(err, std::string("guest memory: ") + call + ": " + strerror(err));
  };
  // Pages that come from a disk, or from another process, would keep a worker and all its VMs waiting; and even to ask such
  // a file what it is may do so.
  if (!os::IsMemory(fd) && errno == EBADF) return fail("fcntl");
  if (!os::IsMemory(fd))
    return Status::Fail(EINVAL, "guest memory: its file is not in memory: a memfd, or a file on tmpfs or hugetlbfs, would be right");
  struct statfs fs;
  if (fstatfs(fd, &fs) != 0) return fail("fstatfs");
  uint64_t page = fs.f_type == HUGETLBFS_MAGIC ? static_cast<uint64_t>(fs.f_bsize)
                                               : static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  std::unique_ptr<GuestWindow> w(new GuestWindow());
  w->peer_ = os::PeerOf(fd);
  w->skip_ = offset & (page - 1);
  w->map_length_ = (w->skip_ + length + page - 1) & ~(page - 1);
  InstallOnce();
  void* p = mmap(nullptr, w->map_length_, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                 static_cast<off_t>(offset - w->skip_));
  if (p == MAP_FAILED) return fail("mmap");
  w->map_ = static_cast<uint8_t*>(p);
  w->slot_ = Guard(reinterpret_cast<uintptr_t>(p), w->map_length_);
  if (w->slot_ < 0) return Status::Fail(ENOSPC, "guest memory: too many CSBs are mapped: 4096 is the limit");
  *out = std::move(w);
  return Status::Ok();
}

bool GuestWindow::lost() const { return guarded[slot_].lost.load(std::memory_order_relaxed); }

GuestWindow::~GuestWindow() {
  if (slot_ >= 0) guarded[slot_].begin.store(0, std::memory_order_release);
  if (map_ != nullptr) os::UnmapElsewhere(map_, map_length_, peer_);
}

}  // namespace ptnet
