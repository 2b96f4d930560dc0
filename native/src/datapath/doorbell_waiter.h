// Waits for the eventfds that clients ring doorbells with, on a thread for each device.
#pragma once

#include <memory>
#include <vector>

#include "datapath/doorbell.h"
#include "os/peer_fd.h"

namespace ptnet {

/// An eventfd that a client has too may be in a hundred thousand epoll sets of its, and be signalled all the time: then
/// to add it to a set of ours, or to take it away, takes as long as it likes, and whoever waits for that set waits too.
/// So neither a worker nor the control plane does: each device has a set of its own, and the thread that waits for it
/// is the only one that touches it.
class DoorbellWaiter {
 public:
  DoorbellWaiter();
  /// Does not wait for the thread, which may be held up: it ends when it can.
  ~DoorbellWaiter();
  DoorbellWaiter(const DoorbellWaiter&) = delete;
  DoorbellWaiter& operator=(const DoorbellWaiter&) = delete;

  /// Soon, and in place of those before: eventfd i (-1: none) rings ring i of the target as long as that is there. What
  /// was signalled before is rung too. False, and there are none, when no thread can be had.
  bool Set(std::vector<os::PeerFd> doorbells, std::weak_ptr<DoorbellTarget> target);
  void Clear() { Set({}, {}); }

 private:
  struct State;
  static void Run(State& state);

  std::shared_ptr<State> state_;  // the thread's too
  bool started_ = false;
};

}  // namespace ptnet
