// Threads that nobody joins, because a peer may keep them in a system call for as long as it likes; and threads that
// have what they need when they are started.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <functional>
#include <latch>
#include <memory>
#include <thread>
#include <utility>

namespace ptnet::os {

inline constexpr size_t kSmallStackBytes = 256 * 1024;

/** Runs `run` on a thread with a small stack; signals find another one, but for a fault in guest memory, which is the
    thread's own. False when no thread can be had. */
bool StartDetached(const char* name, std::function<void()> run);

/** A thread that is joined, and that there may be none of: whoever asks for one is told, where std::thread would end
   the process. */
class Thread {
 public:
  Thread() = default;
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;
  ~Thread() { Join(); }

  /** False when no thread can be had. */
  bool Start(const char* name, std::function<void()> run);
  /** Waits for its end, if it was started. */
  void Join();
  bool started() const { return started_; }

 private:
  pthread_t thread_ = {};
  bool started_ = false;
};

/** Starts a thread that does `begin`, then `run`; returns when it has begun, so that no descriptor of its own comes
    later. */
template <class Begin, class Run>
std::thread StartBegun(Begin begin, Run run) {
  const auto begun = std::make_shared<std::latch>(1);
  std::thread thread([begun, begin = std::move(begin), run = std::move(run)] {
    begin();
    begun->count_down();
    run();
  });
  begun->wait();
  return thread;
}

}  // namespace ptnet::os
