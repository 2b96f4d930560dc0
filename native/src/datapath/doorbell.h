// What a doorbell rings: the interface between the thread that reads sockets and whoever serves the rings.
#pragma once

#include <cstdint>

namespace ptnet {

class Worker;

/** Rung on the kick thread, with the session locked: must neither block nor call back into Kick. */
class DoorbellTarget {
 public:
  /** Notes that the ring has something to do. @return the worker, kept by this target, that has to be told, by its
     ServeHere() or Wake(); null: nobody. */
  virtual Worker* Ring(uint32_t ring) noexcept = 0;
  virtual uint32_t rings() const noexcept = 0;

 protected:
  ~DoorbellTarget() = default;
};

}  // namespace ptnet
