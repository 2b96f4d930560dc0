// The Internet checksum (RFC 1071): one's complement sums over bytes in any number of pieces, and copies that are
// summed up on the way.
#pragma once

#include <emmintrin.h>

#include <cstdint>
#include <cstring>

namespace ptnet {

/// A one's complement sum of 16-bit words as they lie in memory, carries folded in.
inline uint16_t FoldSum(uint64_t sum) {
  sum = (sum & UINT32_MAX) + (sum >> 32);
  sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

/// Sums up `n` bytes, 16 MiB at most, each of which is read once; with `copy` they go to `to` as they were summed up.
template <bool copy>
inline uint64_t SumOrCopy([[maybe_unused]] uint8_t* to, const uint8_t* from, uint32_t n) {
  uint64_t sum = 0;
  if (n >= 16) {
    const __m128i zero = _mm_setzero_si128();
    __m128i low = zero, high = zero;
    for (; n >= 16; n -= 16, from += 16) {
      __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
      if constexpr (copy) {
        // A guest may change its memory at any time: what is summed up is what is written.
        asm("" : "+x"(v));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to), v);
        to += 16;
      }
      low = _mm_add_epi64(low, _mm_unpacklo_epi32(v, zero));
      high = _mm_add_epi64(high, _mm_unpackhi_epi32(v, zero));
    }
    alignas(16) uint64_t lanes[2];
    _mm_store_si128(reinterpret_cast<__m128i*>(lanes), _mm_add_epi64(low, high));
    sum = lanes[0] + lanes[1];
  }
  auto words = [&]<class Word>(Word v) {
    memcpy(&v, from, sizeof v);
    if constexpr (copy) {
      asm("" : "+r"(v));
      memcpy(to, &v, sizeof v);
      to += sizeof v;
    }
    from += sizeof v;
    return v;
  };
  if (n & 8) {
    const uint64_t v = words(uint64_t{});
    sum += (v & UINT32_MAX) + (v >> 32);
  }
  if (n & 4) sum += words(uint32_t{});
  if (n & 2) sum += words(uint16_t{});
  if (n & 1) {
    uint8_t v = *from;
    if constexpr (copy) {
      asm("" : "+r"(v));
      *to = v;
    }
    sum += v;
  }
  return sum;
}

inline uint64_t SumBytes(const uint8_t* from, uint32_t n) { return SumOrCopy<false>(nullptr, from, n); }
inline uint64_t CopyAndSum(uint8_t* to, const uint8_t* from, uint32_t n) { return SumOrCopy<true>(to, from, n); }

/// The sum over pieces that lie behind each other, of any length each.
class InternetSum {
 public:
  explicit InternetSum(uint64_t sum = 0) : sum_(FoldSum(sum)) {}
  /// `sum` is that of the next `n` bytes.
  void Add(uint64_t sum, uint32_t n) {
    uint16_t folded = FoldSum(sum);
    // Behind an odd number of bytes high and low are exchanged.
    if (odd_) folded = __builtin_bswap16(folded);
    sum_ += folded;
    odd_ ^= n & 1;
  }
  uint16_t Folded() const { return FoldSum(sum_); }

 private:
  uint64_t sum_;
  bool odd_ = false;
};

/// A 16-bit field of a packet, in network order.
inline uint16_t LoadBe16(const uint8_t* p) {
  uint16_t v;
  memcpy(&v, p, 2);
  return __builtin_bswap16(v);
}
inline void StoreBe16(uint8_t* p, uint32_t v) {
  const uint16_t be = __builtin_bswap16(static_cast<uint16_t>(v));
  memcpy(p, &be, 2);
}
inline uint32_t LoadBe32(const uint8_t* p) {
  uint32_t v;
  memcpy(&v, p, 4);
  return __builtin_bswap32(v);
}
inline void StoreBe32(uint8_t* p, uint32_t v) {
  v = __builtin_bswap32(v);
  memcpy(p, &v, 4);
}

}  // namespace ptnet
