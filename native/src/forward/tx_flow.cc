// TxFlow: parking of the flow of a tx ring.
#include "forward/tx_flow.h"

namespace ptnet {

bool TxFlow::HasWork() noexcept {
  uint32_t head;
  return LoadWork(k_, &head) && ReadPacket(k_, k_.hwcur, head, &packet_);
}

bool TxFlow::Arm() noexcept {
  if (!k_.attached()) return false;
  StoreRelaxed(k_.ktoa->kern_need_kick, 1);
  // Full barrier: kern_need_kick before head; pairs with the guest, which stores head before it reads the flag.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (uint32_t head; !LoadWork(k_, &head) || !HasWork()) return false;
  Disarm();
  return true;
}

}  // namespace ptnet
