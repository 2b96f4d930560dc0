// HeldBack: how much one poll may move, and what it did move.
#include "datapath/held_back.h"

#include <algorithm>

#include "datapath/clock.h"
#include "datapath/flow.h"
#include "ring/kring.h"

namespace ptnet {
namespace {

constexpr uint32_t kSlotBytes = 2048;  // of a flow without a ring: about what its packets have

uint64_t Count(const uint64_t& counter) {
  return std::atomic_ref<uint64_t>(const_cast<uint64_t&>(counter)).load(std::memory_order_relaxed);
}

}  // namespace

/// Bytes; 0: nothing, until due_ns_.
uint64_t HeldBack::Allowed(uint64_t now_ns) noexcept {
  uint64_t allowed = UINT64_MAX;
  due_ns_ = 0;
  for (const RateLimit* limit : limits_) {
    if (limit == nullptr) break;
    const uint64_t tokens = limit->Tokens(now_ns);
    if (tokens == 0) due_ns_ = std::max(due_ns_, limit->DueNs());
    // So little is no batch: it is made up for afterwards.
    allowed = std::min(allowed, tokens == 0 ? 0 : std::max(tokens, limit->share()));
  }
  return allowed;
}

Used HeldBack::Poll(Flow& flow, const Budget& budget) noexcept {
  const uint64_t now = NowNs(), allowed = Allowed(now);
  if (allowed == 0) return {};
  Budget limited = budget;
  const uint64_t slots = allowed / (k_ != nullptr ? k_->buf_size : kSlotBytes);
  limited.slots = static_cast<uint32_t>(std::clamp<uint64_t>(slots, 1, budget.slots));
  limited.bytes = static_cast<uint32_t>(std::clamp<uint64_t>(allowed, 1, budget.bytes));
  const uint64_t bytes = Count(counters_.bytes), packets = Count(counters_.packets);
  const Used used = flow.Poll(limited);
  const uint64_t headers = k_ != nullptr ? (Count(counters_.packets) - packets) * k_->vnet_hdr_len : 0;
  const uint64_t passed = Count(counters_.bytes) - bytes;
  // A packet may be shorter than the header that it should have.
  for (RateLimit* limit : limits_)
    if (limit != nullptr) limit->Take(passed - std::min(passed, headers), now);
  return used;
}

}  // namespace ptnet
