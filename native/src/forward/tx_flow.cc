// TxFlow: parking of the flow of a tx ring.
#include "forward/tx_flow.h"

namespace ptnet {

bool TxFlow::HasWork() noexcept {
  uint32_t head;
  return LoadWork(k_, &head) && ReadPacket(k_, k_.hwcur, head, &packet_);
}

bool TxFlow::Arm() noexcept {
  if (!k_.attached()) return false;
  k_.EnableKicks();
  if (uint32_t head; !LoadWork(k_, &head) || !HasWork()) return false;
  Disarm();
  return true;
}

}  // namespace ptnet
