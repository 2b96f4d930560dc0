// Threads that nobody joins, because a peer may keep them in a system call for as long as it likes.
#pragma once

#include <cstddef>
#include <functional>

namespace ptnet::os {

inline constexpr size_t kSmallStackBytes = 256 * 1024;

/** Runs `run` on a thread with a small stack; signals find another one, but for a fault in guest memory, which is the
    thread's own. False when no thread can be had. */
bool StartDetached(const char* name, std::function<void()> run);

}  // namespace ptnet::os
