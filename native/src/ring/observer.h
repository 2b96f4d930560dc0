// Who looks at what passes through a ring, batch by batch, or takes it: monitors. A ring without observers pays one
// load a batch.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace ptnet {

struct Kring;
struct Pieces;

class RingObserver {
 public:
  /// `slots` slots from index `from` on are about to be shown to the other side: of a tx ring those that the host has
  /// taken, of an rx ring those that it has filled. By whoever serves the ring, one batch at a time; must not wait. The
  /// slots are the guest's to change, so what is read of them is checked as everywhere.
  virtual void OnBatch(const Kring& k, uint32_t from, uint32_t slots) noexcept = 0;

 protected:
  ~RingObserver() = default;
};

/// Who takes the packets themselves when everybody else is done with them, and leaves other buffers in their slots: a
/// zero-copy monitor.
class SlotTaker {
 public:
  /// `slots` slots from index `from` on are done with: of a tx ring the host has passed on what they hold, of an rx
  /// ring its client has given them back. They are not yet anybody else's. By whoever serves the ring; must not wait.
  virtual void OnDone(Kring& k, uint32_t from, uint32_t slots) noexcept = 0;

 protected:
  ~SlotTaker() = default;
};

/// The same where no ring of a guest is: packets on their way from, or to, a member of a switch.
class MemberObserver {
 public:
  /// Around the packets of a batch. Several threads may bring one; must not wait.
  virtual void Begin() noexcept = 0;
  virtual void OnPacket(const Pieces& packet, uint32_t vnet_hdr_len) noexcept = 0;
  virtual void End() noexcept = 0;

 protected:
  ~MemberObserver() = default;
};

struct MemberObservers {
  std::vector<MemberObserver*> observers;
};

/// Never changed once it is published: adding and removing publishes another one.
struct ObserverList {
  std::vector<RingObserver*> observers;
  /// One for slots whose packets were received, one for those that were sent: a zero-copy monitor's ring has both.
  std::array<SlotTaker*, 2> takers{};
};

}  // namespace ptnet
