// A lookup function that says anything of what guests send, and looks at what it is shown of it.
#pragma once

#include <algorithm>
#include <vector>

#include "forward/lookup.h"
#include "forward/vale_switch.h"
#include "input.h"

namespace ptnet::fuzz {

using Bytes = std::vector<uint8_t>;

inline constexpr uint32_t kMembers = 5;           // of the switch, at most
inline constexpr uint32_t kUnshown = 0xfffffff0;  // what no function says

/// A packet that a guest has sent: its frame as it is to arrive, and where it lies.
struct Sent {
  Bytes frame;
  uint64_t dst, src;
  bool learned;                 // where it comes from may be remembered
  uint8_t says;                 // of a function that says anything: what
  bool changed;                 // its guest writes to it when it has been shown
  std::vector<uint8_t*> where;  // of each byte of the frame
  uint32_t verdict = kUnshown;
};

/// A plug-in's function: looks at what it is shown, and says what the input wants.
class AnyLookup final : public Lookup {
 public:
  AnyLookup(std::vector<Sent>& sent, bool copies) : sent_(sent), copies_(copies) {}
  bool copies_heads() const noexcept override { return copies_; }
  void Joined(uint32_t port, const std::string& name) override { Require(port < kMembers && !name.empty()); }
  void Left(uint32_t port) override { Require(port < kMembers); }

  void Find(const ptnet_lookup_batch& batch) noexcept override {
    Require(batch.count > 0 && batch.count <= PTNET_LOOKUP_BATCH_MAX);
    for (uint32_t i = 0; i < batch.count; i++) {
      Require(next < sent_.size() && batch.to[i] == PTNET_LOOKUP_DROP);
      Sent& sent = sent_[next++];
      const ptnet_lookup_packet& packet = batch.packets[i];
      Require(packet.len == sent.frame.size());
      // Without a copy it is what lies in one slot.
      const uint32_t whole = std::min<uint32_t>(packet.len, PTNET_LOOKUP_HEAD_MAX);
      Require(copies_ ? packet.head_len == whole : packet.head_len >= kEthernetHeader && packet.head_len <= whole);
      Require(memcmp(packet.head, sent.frame.data(), packet.head_len) == 0);
      if (sent.says != kSilent) batch.to[i] = Says(sent.says, batch.source);
      sent.verdict = batch.to[i];
      if (copies_ && sent.changed) Change(sent);
    }
  }

  uint32_t next = 0;        // of what was sent
  bool has_copies = false;  // of whole packets: what guests write now nobody sees

 private:
  static constexpr uint8_t kSilent = 31;
  static uint32_t Says(uint8_t what, uint32_t source) {
    constexpr uint32_t kWild[] = {kMembers, 63, 64, 253, 254, 255, 256, 0x7fffffff, 0x80000000, 0xfffffffc, 1u << 16};
    switch (what) {
      case 8:
        return PTNET_LOOKUP_FLOOD;
      case 9:
        return PTNET_LOOKUP_DROP;
      case 10:
        return source;
      default:
        return what < kMembers ? what : what < 16 ? PTNET_LOOKUP_LEARNED : kWild[(what - 16) % std::size(kWild)];
    }
  }
  /// What the function has seen is what is delivered; what lies behind it is as its guest has it now.
  void Change(Sent& sent) const {
    for (size_t i = 0; i < sent.frame.size(); i += 5) {
      *sent.where[i] ^= 0xff;
      if (i >= PTNET_LOOKUP_HEAD_MAX && !has_copies) sent.frame[i] ^= 0xff;
    }
  }

  std::vector<Sent>& sent_;
  const bool copies_;
};

}  // namespace ptnet::fuzz
