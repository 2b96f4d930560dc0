// Adds to eventfds without ever waiting, whatever their other owners do to them.
#pragma once

#include <linux/aio_abi.h>

#include <cstdint>

namespace ptnet::os {

/** A write to an eventfd waits while its counter is full, unless O_NONBLOCK is set; but that is set on the open file,
   which a peer that has the eventfd too may change at any moment. The kernel's own signals never wait: those that tell
   of a finished asynchronous operation. So the eventfd is named in an operation that is finished as soon as it is
   begun. */
class EventSignaller {
 public:
  EventSignaller() = default;
  ~EventSignaller();
  EventSignaller(const EventSignaller&) = delete;
  EventSignaller& operator=(const EventSignaller&) = delete;

  /** The calling thread's own, opened. */
  static EventSignaller& OfThisThread();

  /** False where the kernel offers no asynchronous operations, or no more of them; then Signal() does nothing. */
  bool Open();
  /** Adds one to an eventfd; one that is full stays so, and is readable all the same. One thread at a time. @return
     false when nothing was done. */
  bool Signal(int eventfd);

 private:
  void Reap();

  aio_context_t context_ = 0;
  int ready_fd_ = -1;      // can be written to at any time
  uint32_t finished_ = 0;  // operations that have not been taken back
};

/** Sends a byte by a socket, which wakes who waits there. Never waits: one that is full is readable already, and one
   whose other end is gone needs no waking. Always true. */
bool SendWake(int socket) noexcept;

}  // namespace ptnet::os
