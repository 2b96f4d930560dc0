// A block of a monitor's copies: what lies in shared memory is looked at once, four slots at a time, and the buffers
// are asked for before those of the block before are copied.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ring/copy.h"
#include "ring/quad.h"

namespace ptnet {

class MonitorBlock {
 public:
  static constexpr uint32_t kPackets = 16;
  static constexpr uint16_t kNotAlone = NS_MOREFRAG | NS_INDIRECT;

  /// What a packet and its place must be like to be one of a block: compared as signed numbers shifted by 2^31, as in
  /// PlainSlots.
  class Rules {
   public:
    /// `flag`: of each copy.
    Rules(const Kring& from, const Kring& to, uint16_t flag)
        : from_(from),
          to_(to),
          skipped_(from.vnet_hdr_len),
          from_bufs_(Most(from.num_bufs - kReservedBufs - 1)),
          to_bufs_(Most(to.num_bufs - kReservedBufs - 1)),
          len_most_(Most(std::min({from.buf_size, to.buf_size + skipped_, uint32_t{UINT16_MAX}}) - skipped_ - 1)),
          len_shift_(_mm_set1_epi32(static_cast<int>(kSign - skipped_ - 1))),
          to_word_(_mm_set1_epi32(static_cast<int>((uint32_t{flag} << 16) - skipped_))) {}

   private:
    friend class MonitorBlock;
    static constexpr uint32_t kSign = 0x80000000;
    static __m128i Most(uint32_t v) { return _mm_set1_epi32(static_cast<int>(v ^ kSign)); }
    /// Lanes that are no buffer's index.
    static __m128i NoBuffer(__m128i buf_idx, __m128i bufs) {
      return _mm_cmpgt_epi32(_mm_add_epi32(buf_idx, _mm_set1_epi32(static_cast<int>(kSign - kReservedBufs))), bufs);
    }

    const Kring &from_, &to_;
    const uint32_t skipped_;  // bytes of virtio-net header, which no copy has
    const __m128i from_bufs_, to_bufs_, len_most_, len_shift_, to_word_;
  };

  /// Looks at packets from slot `i` on and at the slots from `o` on that they go to, up to `most` of them: as many
  /// fours as are plain, fit a block and lie in both rings without a wrap. Shows their lengths, which nobody sees
  /// before hwtail. @return packets
  uint32_t Look(const Rules& rules, uint32_t i, uint32_t o, uint32_t most) noexcept;
  /// @return bytes
  uint64_t Copy() noexcept;

 private:
  template <typename CopyOne>
  void CopyEach(CopyOne copy) const noexcept {
    for (uint32_t n = 0; n < packets_; n++) copy(to_[n], from_[n]);
  }

  uint32_t packets_ = 0;
  bool same_ = false;  // all are as long as the first
  const uint8_t* from_[kPackets];
  uint8_t* to_[kPackets];
  alignas(16) uint32_t len_[kPackets];  // with the copy's flag above them
};

inline uint32_t MonitorBlock::Look(const Rules& rules, uint32_t i, uint32_t o, uint32_t most) noexcept {
  const Kring &from = rules.from_, &to = rules.to_;
  const uint32_t room = std::min({most, kPackets, from.num_slots - i, to.num_slots - o});
  const __m128i alone = _mm_set1_epi32(static_cast<int>(UINT16_MAX | uint32_t{kNotAlone} << 16));
  const uint8_t* const from_base = from.buf_base + rules.skipped_;
  const uint64_t from_size = from.buf_size, to_size = to.buf_size;
  __m128i first{}, other = _mm_setzero_si128();
  uint32_t n = 0;
  for (; room - n >= kQuad; n += kQuad) {
    const Quad sent = ReadQuad(from.slots + i + n), shown = ReadQuad(to.slots + o + n);
    const __m128i len = _mm_and_si128(sent.len_and_flags(), alone);
    const __m128i bad = _mm_or_si128(_mm_or_si128(Rules::NoBuffer(sent.buf_idx(), rules.from_bufs_),
                                                  Rules::NoBuffer(shown.buf_idx(), rules.to_bufs_)),
                                     _mm_cmpgt_epi32(_mm_add_epi32(len, rules.len_shift_), rules.len_most_));
    if (_mm_movemask_epi8(bad) != 0) [[unlikely]]
      break;
    const __m128i word = _mm_add_epi32(len, rules.to_word_);
    _mm_store_si128(reinterpret_cast<__m128i*>(len_ + n), word);
    if (n == 0) first = _mm_shuffle_epi32(word, 0);
    other = _mm_or_si128(other, _mm_xor_si128(word, first));
    alignas(16) uint32_t sent_idx[kQuad], shown_idx[kQuad];
    _mm_store_si128(reinterpret_cast<__m128i*>(sent_idx), sent.buf_idx());
    _mm_store_si128(reinterpret_cast<__m128i*>(shown_idx), shown.buf_idx());
    for (uint32_t s = 0; s < kQuad; s++) {
      from_[n + s] = from_base + sent_idx[s] * from_size;
      to_[n + s] = to.buf_base + shown_idx[s] * to_size;
      PrefetchForWrite(to_[n + s]);
    }
    // As UpdateSlot.
    if (AllOnes(_mm_cmpeq_epi32(shown.len_and_flags(), word))) [[likely]]
      continue;
    for (uint32_t s = 0; s < kQuad; s++)
      WriteSlot(to.slots[o + n + s],
                {shown_idx[s], static_cast<uint16_t>(len_[n + s]), static_cast<uint16_t>(len_[n + s] >> 16)});
  }
  same_ = AllOnes(_mm_cmpeq_epi32(other, _mm_setzero_si128()));
  return packets_ = n;
}

inline uint64_t MonitorBlock::Copy() noexcept {
  // What CopyPacket() would decide for each is decided once.
  if (const uint32_t len = static_cast<uint16_t>(len_[0]); same_) {
    if (len >= 32 && len < 64) {
      CopyEach([len](uint8_t* to, const uint8_t* from) { CopyMiddling(to, from, len); });
    } else {
      CopyEach([len](uint8_t* to, const uint8_t* from) { CopyPacket(to, from, len); });
    }
    return uint64_t{len} * packets_;
  }
  uint64_t bytes = 0;
  for (uint32_t n = 0; n < packets_; n++) {
    const uint32_t len = static_cast<uint16_t>(len_[n]);
    CopyPacket(to_[n], from_[n], len);
    bytes += len;
  }
  return bytes;
}

}  // namespace ptnet
