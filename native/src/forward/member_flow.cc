// MemberFlow: a batch on its way through the switch, in as many polls as it takes.
#include "forward/member_flow.h"

#include <utility>

namespace ptnet {

Used MemberFlow::Poll(const Budget& budget) noexcept {
  Used used;
  uint64_t nowhere = 0;
  if (!batch_open_) {
    batch_->Clear();
    used.bytes = static_cast<uint32_t>(Fill(batch_.get(), budget));
    used.moved = used.bytes > 0;
    if (batch_->empty()) return used;
    // Acquire: the list before what it holds; pairs with its publication by AddObserver().
    if (const MemberObservers* list = from_.sent_to.load(std::memory_order_acquire)) [[unlikely]]
      batch_->ShowTo(*list);
    Add(counters_.syncs, 1);
    nowhere = batch_->Route(switch_, from_, switch_.lookup(), false);
  }
  used.moved = true;
  batch_open_ = !batch_->Deliver(switch_, lane_, budget, &used, &nowhere);
  batch_->CountDrops(counters_);
  if (nowhere > 0) counters_.CountDrop(Drop::kNoDestination, nowhere);
  return used;
}

void MemberFlow::Settle() noexcept {
  // As a sender's own ring: each piece ends, and no receiver is waited for longer than the switch has patience.
  while (batch_open_) (void)Poll(kSyncBudget);
}

void MemberFlow::EndTx() noexcept {
  if (std::exchange(batch_open_, false)) batch_->Abandon();
}

}  // namespace ptnet
