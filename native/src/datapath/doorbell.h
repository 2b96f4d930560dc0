// What a doorbell rings: the interface between the thread that reads sockets and whoever serves the rings.
#pragma once

#include <cstdint>

namespace ptnet {

/// Who serves a ring that a doorbell is for.
enum class Service : uint8_t {
  kWorker,  // its worker, which is woken if it sleeps
  kHere,    // whoever rings, if the worker sleeps and there is little to do: that saves the wake-up
};

/** Rung on the kick thread, with the session locked: must neither block nor call back into Kick. */
class DoorbellTarget {
 public:
  virtual void Ring(uint32_t ring, Service service) noexcept = 0;
  virtual uint32_t rings() const noexcept = 0;

 protected:
  ~DoorbellTarget() = default;
};

}  // namespace ptnet
