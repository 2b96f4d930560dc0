// Who looks at what passes through a ring, batch by batch: monitors. A ring without observers pays one load a batch.
#pragma once

#include <cstdint>
#include <vector>

namespace ptnet {

struct Kring;

class RingObserver {
 public:
  /// `slots` slots from index `from` on are about to be shown to the other side: of a tx ring those that the host has
  /// taken, of an rx ring those that it has filled. By whoever serves the ring, one batch at a time; must not wait. The
  /// slots are the guest's to change, so what is read of them is checked as everywhere.
  virtual void OnBatch(const Kring& k, uint32_t from, uint32_t slots) noexcept = 0;

 protected:
  ~RingObserver() = default;
};

/// Never changed once it is published: adding and removing publishes another one.
struct ObserverList {
  std::vector<RingObserver*> observers;
};

}  // namespace ptnet
