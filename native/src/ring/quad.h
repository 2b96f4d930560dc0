// Four slots at once: rings full of plain packets are the common case, and whether four slots are plain is told with
// the instructions that one slot would take. What is not goes the long way, slot by slot.
#pragma once

#include <emmintrin.h>

#include <bit>
#include <cstdint>

#include "ring/kring.h"

namespace ptnet {

inline constexpr uint32_t kQuad = 4;

/// The first words (SlotWord) of four slots that follow each other.
struct Quad {
  __m128i low, high;  // of slots 0 and 1, of slots 2 and 3

  __m128i buf_idx() const { return Pick<0x88>(); }
  /// The length in the lower half of each lane, the flags in the upper one.
  __m128i len_and_flags() const { return Pick<0xdd>(); }

 private:
  template <int lanes>
  __m128i Pick() const {
    return _mm_castps_si128(_mm_shuffle_ps(_mm_castsi128_ps(low), _mm_castsi128_ps(high), lanes));
  }
};

/// Each slot's word is read once and as a whole, as by ReadSlot.
inline Quad ReadQuad(NetmapSlot* slots) {
#if defined(__SANITIZE_THREAD__)
  auto pair = [&](int i) {
    return _mm_set_epi64x(std::bit_cast<int64_t>(ReadSlot(slots[i + 1])), std::bit_cast<int64_t>(ReadSlot(slots[i])));
  };
  return {pair(0), pair(2)};
#else
  auto pair = [&](int i) {
    const auto* first = reinterpret_cast<const __m128i*>(slots + i);
    const auto* second = reinterpret_cast<const double*>(slots + i + 1);
    __m128i both = _mm_castpd_si128(_mm_loadh_pd(_mm_castsi128_pd(_mm_loadl_epi64(first)), second));
    // The guest may change a slot at any time: what has been read is never read again.
    asm("" : "+x"(both));
    return both;
  };
  return {pair(0), pair(2)};
#endif
}

inline bool AllOnes(__m128i v) { return _mm_movemask_epi8(v) == 0xffff; }

/// Whether the words of both are the same.
inline bool Same(const Quad& a, const Quad& b) {
  return AllOnes(_mm_and_si128(_mm_cmpeq_epi32(a.low, b.low), _mm_cmpeq_epi32(a.high, b.high)));
}

/// Whether one of the four has one of these flags.
inline bool AnyHas(const Quad& q, uint16_t flags) {
  const __m128i mask = _mm_set1_epi64x(static_cast<int64_t>(uint64_t{flags} << 48));
  const __m128i set = _mm_and_si128(_mm_or_si128(q.low, q.high), mask);
  return !AllOnes(_mm_cmpeq_epi32(set, _mm_setzero_si128()));
}

/// Whether one of so many slots that follow each other has one of these flags.
inline bool AnyOf(const NetmapSlot* slots, uint32_t count, uint16_t flags) {
#if defined(__SANITIZE_THREAD__)
  uint16_t all = 0;
  for (uint32_t i = 0; i < count; i++) all |= ReadSlot(const_cast<NetmapSlot&>(slots[i])).flags;
  return all & flags;
#else
  static_assert(sizeof(NetmapSlot) == sizeof(__m128i) && offsetof(NetmapSlot, flags) == 6);
  __m128i all = _mm_setzero_si128();
  for (uint32_t i = 0; i < count; i++)
    all = _mm_or_si128(all, _mm_loadu_si128(reinterpret_cast<const __m128i*>(slots + i)));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(all)) >> 48 & flags;
#endif
}

/// What is plain on one ring: a buffer of its region, a length that fits it without an offset, and no flags. Unsigned
/// numbers are compared as signed ones that are shifted by 2^31, the only comparison that every x86-64 has.
class PlainSlots {
 public:
  explicit PlainSlots(const Kring& k)
      : bufs_most_(Shifted(k.num_bufs - kReservedBufs - 1)), len_most_(Shifted(k.plain_room)) {}

  bool All(const Quad& q) const {
    const __m128i buf = _mm_add_epi32(q.buf_idx(), _mm_set1_epi32(static_cast<int>(kSign - kReservedBufs)));
    const __m128i len = _mm_xor_si128(q.len_and_flags(), _mm_set1_epi32(static_cast<int>(kSign)));
    const __m128i beyond = _mm_or_si128(_mm_cmpgt_epi32(buf, bufs_most_), _mm_cmpgt_epi32(len, len_most_));
    return _mm_movemask_epi8(beyond) == 0;
  }

 private:
  static constexpr uint32_t kSign = 0x80000000;
  static __m128i Shifted(uint32_t v) { return _mm_set1_epi32(static_cast<int>(v ^ kSign)); }

  __m128i bufs_most_, len_most_;
};

/// The lengths of many quads without flags, added up lane by lane: at most 2^16 quads.
class LengthSum {
 public:
  void Add(const Quad& q) { sum_ = _mm_add_epi32(sum_, q.len_and_flags()); }
  uint64_t Total() const {
    alignas(16) uint32_t lanes[4];
    _mm_store_si128(reinterpret_cast<__m128i*>(lanes), sum_);
    return uint64_t{lanes[0]} + lanes[1] + lanes[2] + lanes[3];
  }

 private:
  __m128i sum_ = _mm_setzero_si128();
};

}  // namespace ptnet
