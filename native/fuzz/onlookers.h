// Who gets to see what hostile guests send, and looks at every byte of it that it may: a member of a switch that has no
// rings, and an observer of rings.
#pragma once

#include "forward/switch_batch.h"
#include "forward/switch_member.h"
#include "input.h"
#include "ring/observer.h"
#include "ring/packet.h"

namespace ptnet::fuzz {

/// The sum of one byte of each eight, and of the last one.
inline uint8_t Look(const Frag& frag) {
  uint8_t sum = 0;
  for (uint32_t i = 0; i < frag.len; i += 8) sum += frag.data[i];
  return frag.len > 0 ? sum + frag.data[frag.len - 1] : sum;
}

class Visitor final : public SwitchMember {
 public:
  bool Deliver(MemberPackets* packets, uint32_t, const Budget& budget, Used* used) noexcept override {
    while (!packets->empty() && used->bytes < budget.bytes) {
      const Pieces packet = packets->Take();
      uint32_t len = 0;
      for (uint32_t f = 0; f < packet.count; f++) {
        sum_ += Look(packet.frags[f]);
        len += packet.frags[f].len;
      }
      Require(len == packet.len);
      used->bytes += len;
    }
    used->destinations++;
    return packets->empty();
  }

 private:
  uint8_t sum_ = 0;
};

class Watcher final : public RingObserver {
 public:
  void OnBatch(const Kring& k, uint32_t from, uint32_t slots) noexcept override {
    Require(from < k.num_slots && slots > 0 && slots < k.num_slots);
    uint8_t sum = 0;
    for (uint32_t i = from; slots > 0; slots--, i = k.Next(i)) {
      const SlotWord w = ReadSlot(k.slots[i]);
      const uint32_t offset = k.OffsetOf(k.slots[i]);
      if (CheckSlot(k, w, k.buf_size - offset) == Drop::kCount) sum += Look({k.Buf(w.buf_idx) + offset, w.len});
    }
    seen_.fetch_add(sum, std::memory_order_relaxed);
  }

 private:
  std::atomic<uint8_t> seen_{0};
};

}  // namespace ptnet::fuzz
