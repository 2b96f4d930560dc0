// The process that the tables are about: the one that loaded this library, or a child of fork, which has a copy of its
// own.
#include "process.h"

#include <pthread.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>

namespace ptnet::preload {
namespace {

std::atomic<pid_t> owner{0};  // 0: nothing is noted yet

void Own() { owner.store(getpid(), std::memory_order_relaxed); }

[[gnu::constructor]] void OnLoad() {
  Own();
  (void)pthread_atfork(nullptr, nullptr, Own);
}

}  // namespace

bool InParentsMemory() {
  const pid_t whose = owner.load(std::memory_order_relaxed);
  return whose != 0 && whose != getpid();
}

}  // namespace ptnet::preload
