// Fills TX rings with probe packets, a batch at a time.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "config.h"

namespace ptnet::guest {

/// The sender of one TX ring and the stream it carries.
class Sender {
 public:
  Sender(Ring& ring, const LoopConfig& config, uint16_t stream, uint64_t count)
      : ring_(ring),
        stream_(stream),
        vnet_hdr_len_(config.vnet_hdr_len),
        size_(config.size),
        frags_(config.frags),
        eager_(config.rhythm == Rhythm::kNative),
        header_(MakeHeader(config.dst, config.src, stream)),
        spread_(config.spread),
        seq_(config.first_seq),
        left_(count),
        filled_(ring.num_slots, kNotFilled) {
    const uint32_t whole = vnet_hdr_len_ + size_;
    if (frags_ > 1) packet_.resize(whole);
    for (uint32_t i = 0; i < frags_; ++i)
      frag_len_.push_back(static_cast<uint16_t>(whole / frags_ + (i < whole % frags_ ? 1 : 0)));
  }

  Ring& ring() { return ring_; }
  uint64_t left() const { return left_; }
  const std::string& error() const { return error_; }

  /// Writes up to `limit` packets into the ring's free slots and moves head past them; does not publish.
  template <Payload P>
  uint32_t Fill(uint32_t limit) {
    limit = static_cast<uint32_t>(std::min<uint64_t>(limit, left_));
    if (limit == 0) return 0;
    uint32_t done;
    if (frags_ == 1) [[likely]] {
      const uint32_t n = std::min(ring_.AvailableOrRefresh(eager_ ? limit : 1), limit);
      const uint32_t first = std::min(n, ring_.num_slots - ring_.head);
      done = FillRun<P>(ring_.head, first);
      if (done == first && n > first) done += FillRun<P>(0, n - first);
      ring_.head = ring_.Advance(ring_.head, done);
    } else {
      done = FillFragmented<P>(limit);
    }
    left_ -= left_ == kNoLimit ? 0 : done;
    return done;
  }

 private:
  static constexpr uint64_t kNotFilled = 0;  // buffer 0 is never handed out

  /// How many of the first slots are as we left them: at least that many, in fours.
  static uint32_t CountUnchanged(const netmap_slot* slots, const uint64_t* filled, uint32_t n) {
    uint32_t i = 0;
    for (; n - i >= 4; i += 4) {
      const auto difference = [&](uint32_t k) { return SlotWord(slots[k]) ^ filled[k]; };
      if ((difference(i) | difference(i + 1) | difference(i + 2) | difference(i + 3)) != 0) break;
    }
    return i;
  }

  /// Slots [from, from + n), which do not wrap. @return how many were filled: fewer only after an error.
  template <Payload P>
  uint32_t FillRun(uint32_t from, uint32_t n) {
    netmap_slot* slots = ring_.slots + from;
    uint64_t* filled = filled_.data() + from;
    for (uint32_t i = 0; i < n; ++i) {
      if constexpr (P == Payload::kNone) {
        i += CountUnchanged(slots + i, filled + i, n - i);
        if (i == n) break;
      } else {
        const uint32_t ahead = i + kPrefetch < n ? i + kPrefetch : i;
        __builtin_prefetch(ring_.Buffer(slots[ahead].buf_idx), 1);
      }
      // Only a slot that is not as we left it is written: the others' cache lines stay shared with the host.
      const uint64_t word = SlotWord(slots[i]);
      if (word != filled[i]) [[unlikely]] {
        if (!Prepare(slots[i], filled[i], from + i)) {
          n = i;
          break;
        }
      }
      if constexpr (P != Payload::kNone) {
        uint8_t* packet = ring_.Buffer(static_cast<uint32_t>(word)) + vnet_hdr_len_;
        WriteStamp(packet, seq_ + i, stream_, size_);
        if constexpr (P == Payload::kFull) WritePayload(packet, seq_ + i, stream_, size_);
      }
    }
    seq_ += n;
    return n;
  }

  /// Writes what is the same in every packet: length, flags, and the header into this slot's buffer.
  bool Prepare(netmap_slot& slot, uint64_t& filled, uint32_t at) {
    const uint32_t buf_idx = slot.buf_idx;
    if (!CheckBuffer(buf_idx)) return false;
    slot.len = static_cast<uint16_t>(vnet_hdr_len_ + size_);
    slot.flags = 0;
    std::memset(ring_.Buffer(buf_idx), 0, vnet_hdr_len_);
    uint8_t* packet = ring_.Buffer(buf_idx) + vnet_hdr_len_;
    WriteHeader(packet, at);
    WriteStamp(packet, seq_, stream_, size_);
    filled = SlotWord(slot);
    return true;
  }

  /// The header of the packet in slot `at`, or with number `at`: only its destination depends on that.
  void WriteHeader(uint8_t* packet, uint64_t at) {
    std::memcpy(packet, header_.data(), header_.size());
    if (spread_ > 1) packet[5] = static_cast<uint8_t>(packet[5] + at % spread_);
  }

  bool CheckBuffer(uint32_t buf_idx) {
    if (buf_idx < ring_.buf_count && buf_idx != 0) [[likely]]
      return true;
    error_ = "ring " + std::to_string(ring_.index) + ": the host left buf_idx " + std::to_string(buf_idx) +
             " in a slot: must be 1 to " + std::to_string(ring_.buf_count - 1);
    return false;
  }

  /// Packets of several slots: whole ones only. A slot's place in its packet changes from lap to lap, so nothing
  /// is taken as written before.
  template <Payload P>
  uint32_t FillFragmented(uint32_t limit) {
    uint32_t room = ring_.AvailableOrRefresh(eager_ ? limit * frags_ : frags_);
    uint32_t done = 0;
    while (done < limit && room >= frags_) {
      uint8_t* const packet = packet_.data() + vnet_hdr_len_;
      WriteHeader(packet, seq_);
      WriteStamp(packet, seq_, stream_, size_);
      if constexpr (P == Payload::kFull) WritePayload(packet, seq_, stream_, size_);
      if (!Scatter(vnet_hdr_len_ + (P == Payload::kFull ? size_ : kMinProbe))) break;
      room -= frags_;
      ++seq_;
      ++done;
    }
    ring_.starved = done == 0;
    return done;
  }

  /// Spreads packet_ over the slots from head on, copying its first `bytes` only, and moves head past them.
  bool Scatter(uint32_t bytes) {
    uint32_t at = ring_.head;
    uint32_t offset = 0;
    for (uint32_t f = 0; f < frags_; ++f) {
      netmap_slot& slot = ring_.slots[at];
      const uint32_t buf_idx = slot.buf_idx;
      if (!CheckBuffer(buf_idx)) return false;
      const uint16_t len = frag_len_[f];
      slot.len = len;
      slot.flags = f + 1 < frags_ ? NS_MOREFRAG : 0;
      if (offset < bytes)
        std::memcpy(ring_.Buffer(buf_idx), packet_.data() + offset, std::min<uint32_t>(len, bytes - offset));
      offset += len;
      at = ring_.Next(at);
    }
    ring_.head = at;
    return true;
  }

  Ring& ring_;
  uint16_t stream_;
  uint32_t vnet_hdr_len_;
  uint32_t size_;
  uint32_t frags_;
  bool eager_;  // looks at the host's indices as soon as a batch does not fit, not only when nothing does
  ProbeHeader header_;
  uint32_t spread_;
  uint64_t seq_;
  uint64_t left_;
  std::vector<uint64_t> filled_;  // by slot: its SlotWord() when its buffer got our header
  std::vector<uint16_t> frag_len_;
  std::vector<uint8_t> packet_;
  std::string error_;
};

}  // namespace ptnet::guest
