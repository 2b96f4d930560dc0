// Finding the C library's own functions.
#include "calls.h"

#include <dlfcn.h>

#include <atomic>

namespace ptnet::preload {
namespace {

Calls calls;
std::atomic<bool> found{false};

template <class Fn>
void Find(Fn* out, const char* name) {
  *out = reinterpret_cast<Fn>(dlsym(RTLD_NEXT, name));
}

/// Twice does no harm: each time the same is found.
void FindAll() {
  Find(&calls.open, "open");
  Find(&calls.openat, "openat");
  Find(&calls.close, "close");
  Find(&calls.close_range, "close_range");
  Find(&calls.closefrom, "closefrom");
  Find(&calls.dup, "dup");
  Find(&calls.dup2, "dup2");
  Find(&calls.dup3, "dup3");
  Find(&calls.fcntl, "fcntl");
  Find(&calls.ioctl, "ioctl");
  Find(&calls.mmap, "mmap");
  Find(&calls.poll, "poll");
  Find(&calls.ppoll, "ppoll");
  Find(&calls.select, "select");
  Find(&calls.pselect, "pselect");
  Find(&calls.epoll_ctl, "epoll_ctl");
  Find(&calls.epoll_pwait, "epoll_pwait");
  Find(&calls.epoll_pwait2, "epoll_pwait2");
  found.store(true, std::memory_order_release);
}

[[gnu::constructor]] void OnLoad() { FindAll(); }

}  // namespace

const Calls& Real() {
  // Another library's constructor may come before ours.
  if (!found.load(std::memory_order_acquire)) [[unlikely]]
    FindAll();
  return calls;
}

}  // namespace ptnet::preload
