// Probe packets: sequenced packets whose every byte can be checked. The host's own reading of the format; the guest has
// its own (guest-driver/core/probe.h).
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

namespace ptnet {

enum class Payload : uint8_t { kNone, kStamp, kFull };

namespace probe {

inline constexpr uint32_t kHeaderLen = 32;
inline constexpr uint32_t kStreamsMax = 256;
inline constexpr uint16_t kEtherTypeLe = 0xb588;  // 0x88b5 in network order, as a little-endian load sees it

inline uint64_t Mix(uint64_t x) {
  x *= 0x9E3779B97F4A7C15u;
  return x ^ (x >> 32);
}
inline uint64_t CheckOf(uint64_t seq, uint16_t stream, uint32_t len) {
  return Mix(seq ^ (uint64_t{stream} << 48) ^ (uint64_t{len} << 32));
}
inline uint64_t WordAt(uint64_t seq, uint16_t stream, uint32_t offset) {
  return Mix(seq + offset + (uint64_t{stream} << 40));
}

struct Header {
  uint8_t dst[6];
  uint8_t src[6];
  uint16_t ethertype;
  uint16_t stream;
  uint64_t seq;
  uint64_t check;
};
static_assert(sizeof(Header) == kHeaderLen);

inline void Stamp(uint8_t* packet, const Header& base, uint64_t seq, uint32_t len) {
  Header h = base;
  h.seq = seq;
  h.check = CheckOf(seq, base.stream, len);
  memcpy(packet, &h, sizeof h);
}

/// Writes bytes [from, from + n) of packet `seq` to `to`; from is at least kHeaderLen.
inline void Fill(uint8_t* to, uint64_t seq, uint16_t stream, uint32_t from, uint32_t n) {
  if (const uint32_t skip = from % 8; skip > 0) [[unlikely]] {
    const uint64_t word = WordAt(seq, stream, from - skip) >> (8 * skip);
    const uint32_t take = 8 - skip < n ? 8 - skip : n;
    memcpy(to, &word, take);
    to += take, from += take, n -= take;
  }
  for (; n >= 8; n -= 8, to += 8, from += 8) {
    uint64_t word = WordAt(seq, stream, from);
    memcpy(to, &word, 8);
  }
  if (n > 0) {
    uint64_t word = WordAt(seq, stream, from);
    memcpy(to, &word, n);
  }
}

/// True when the bytes [from, from + n) are those of packet `seq`, for any alignment of `from`.
inline bool Matches(const uint8_t* p, uint64_t seq, uint16_t stream, uint32_t from, uint32_t n) {
  while (n > 0) {
    uint32_t skip = from % 8;
    uint32_t take = 8 - skip < n ? 8 - skip : n;
    uint64_t want = WordAt(seq, stream, from - skip) >> (8 * skip), have = 0;
    memcpy(&have, p, take);
    if (take < 8) want &= (uint64_t{1} << (8 * take)) - 1;
    if (have != want) return false;
    p += take, from += take, n -= take;
  }
  return true;
}

/// Which sequence number each stream shows next.
class Tracker {
 public:
  struct Tally {
    uint64_t lost = 0, late = 0, corrupt = 0;
  };
  void Seen(uint16_t stream, uint64_t seq, Tally* tally) {
    uint64_t& next = next_[stream];
    if (seq == next) [[likely]] {
      next++;
    } else if (seq > next) {
      tally->lost += seq - next;
      next = seq + 1;
    } else {
      tally->late++;
    }
  }
  void Reset() { next_.fill(0); }

 private:
  std::array<uint64_t, kStreamsMax> next_{};
};

}  // namespace probe
}  // namespace ptnet
