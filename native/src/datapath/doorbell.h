// What a doorbell rings: the interface between the thread that reads sockets and whoever serves the rings.
#pragma once

#include <cstdint>

namespace ptnet {

/** Rung on the kick thread, with the session locked: must neither block nor call back into Kick. */
class DoorbellTarget {
 public:
  virtual void Ring(uint32_t ring) noexcept = 0;
  virtual uint32_t rings() const noexcept = 0;
  /** The control plane's: the doorbells come on this socket, -1 for none any more. Whoever serves the rings may be woken
      by it as well; it stays the caller's, and only the kick thread reads it. */
  virtual void WatchSocket(int) noexcept {}

 protected:
  ~DoorbellTarget() = default;
};

}  // namespace ptnet
