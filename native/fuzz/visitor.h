// A member of a switch that has no rings, comes and goes, and looks at every byte that it is given.
#pragma once

#include "forward/switch_batch.h"
#include "forward/switch_member.h"
#include "input.h"

namespace ptnet::fuzz {

class Visitor final : public SwitchMember {
 public:
  bool Deliver(MemberPackets* packets, uint32_t, const Budget& budget, Used* used) noexcept override {
    while (!packets->empty() && used->bytes < budget.bytes) {
      const Pieces packet = packets->Take();
      uint32_t len = 0;
      for (uint32_t f = 0; f < packet.count; f++) {
        const Frag& frag = packet.frags[f];
        for (uint32_t i = 0; i < frag.len; i += 8) sum_ += frag.data[i];
        if (frag.len > 0) sum_ += frag.data[frag.len - 1];
        len += frag.len;
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

}  // namespace ptnet::fuzz
