// The SIGBUS handler, and the table of memory that it replaces.
#include "memory/sigbus_guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

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
    long p = syscall(SYS_mmap, begin, length, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
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

}  // namespace

SigbusGuard::~SigbusGuard() { Release(); }

void SigbusGuard::Release() {
  if (slot_ >= 0) guarded[slot_].begin.store(0, std::memory_order_release);
  slot_ = -1;
}

bool SigbusGuard::lost() const { return slot_ >= 0 && guarded[slot_].lost.load(std::memory_order_relaxed); }

bool SigbusGuard::Watch(void* address, uint64_t size) {
  InstallOnce();
  const auto begin = reinterpret_cast<uintptr_t>(address);
  const auto length = static_cast<uintptr_t>(size);
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  for (int i = 0; i < kGuardedMax; i++) {
    if (guarded[i].begin.load(std::memory_order_relaxed) != 0) continue;
    guarded[i].length.store(length, std::memory_order_relaxed);
    guarded[i].lost.store(false, std::memory_order_relaxed);
    guarded[i].begin.store(begin, std::memory_order_release);
    slot_ = i;
    return true;
  }
  return false;
}

}  // namespace ptnet
