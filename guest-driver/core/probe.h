// Probe packets: sequenced, verifiable; how to write one, how to check one, and what a receiver remembers of a stream.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

namespace ptnet::guest {

enum class Payload { kNone, kStamp, kFull };

// Offsets in a packet; little-endian but for the ethertype.
inline constexpr uint32_t kEthertypeAt = 12;
inline constexpr uint32_t kStreamAt = 14;
inline constexpr uint32_t kSeqAt = 16;
inline constexpr uint32_t kCheckAt = 24;
inline constexpr uint32_t kPayloadAt = 32;
inline constexpr uint32_t kMinProbe = 32;
inline constexpr uint32_t kIntendedAt = 32;   // a ping's: when it should have been sent
inline constexpr uint32_t kPublishedAt = 40;  // and when it was
inline constexpr uint32_t kMinPing = 48;
inline constexpr uint16_t kEthertypeBytes = 0xb588;  // 0x88b5 big-endian, as a little-endian load sees it
inline constexpr uint32_t kStreams = 256;

template <typename T>
inline T Get(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <typename T>
inline void Put(uint8_t* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

inline uint64_t Mix(uint64_t x) {
  const uint64_t m = x * 0x9E3779B97F4A7C15u;
  return m ^ (m >> 32);
}

inline uint64_t CheckOf(uint64_t seq, uint64_t stream, uint64_t len) { return Mix(seq ^ (stream << 48) ^ (len << 32)); }

/// What stays the same for every packet of a stream: bytes 0 to 15.
using ProbeHeader = std::array<uint8_t, 16>;

inline ProbeHeader MakeHeader(const uint8_t dst[6], const uint8_t src[6], uint16_t stream) {
  ProbeHeader header;
  std::memcpy(&header[0], dst, 6);
  std::memcpy(&header[6], src, 6);
  Put(&header[kEthertypeAt], kEthertypeBytes);
  Put(&header[kStreamAt], stream);
  return header;
}

inline void WriteStamp(uint8_t* packet, uint64_t seq, uint16_t stream, uint32_t len) {
  Put(packet + kSeqAt, seq);
  Put(packet + kCheckAt, CheckOf(seq, stream, len));
}

inline void WritePayload(uint8_t* packet, uint64_t seq, uint16_t stream, uint32_t len) {
  const uint64_t key = seq + (static_cast<uint64_t>(stream) << 40);
  uint32_t o = kPayloadAt;
  for (; o + 8 <= len; o += 8) Put(packet + o, Mix(key + o));
  if (o < len) {
    const uint64_t word = Mix(key + o);
    std::memcpy(packet + o, &word, len - o);
  }
}

inline bool PayloadMatches(const uint8_t* packet, uint64_t seq, uint16_t stream, uint32_t len) {
  const uint64_t key = seq + (static_cast<uint64_t>(stream) << 40);
  uint64_t difference = 0;
  uint32_t o = kPayloadAt;
  for (; o + 8 <= len; o += 8) difference |= Get<uint64_t>(packet + o) ^ Mix(key + o);
  if (o < len) {
    const uint64_t word = Mix(key + o);
    difference |= static_cast<uint64_t>(std::memcmp(packet + o, &word, len - o) != 0);
  }
  return difference == 0;
}

struct Traffic {
  uint64_t packets = 0;
  uint64_t bytes = 0;
};

/// What a receiver knows of the streams it has seen.
class StreamTracker {
 public:
  explicit StreamTracker(uint64_t first_seq) { expected_.fill(first_seq); }

  /// Checks a whole packet: its first `kMinProbe` bytes, or all of them at level kFull, lie at `packet`.
  template <Payload P>
  void Check(const uint8_t* packet, uint32_t len) {
    if (len < kMinProbe || Get<uint16_t>(packet + kEthertypeAt) != kEthertypeBytes) [[unlikely]] {
      ++corrupt_;
      return;
    }
    const uint16_t stream = Get<uint16_t>(packet + kStreamAt);
    const uint64_t seq = Get<uint64_t>(packet + kSeqAt);
    bool good = stream < kStreams && Get<uint64_t>(packet + kCheckAt) == CheckOf(seq, stream, len);
    if constexpr (P == Payload::kFull) good = good && PayloadMatches(packet, seq, stream, len);
    if (!good) [[unlikely]] {
      ++corrupt_;
      return;
    }
    uint64_t& expected = expected_[stream];
    if (seq == expected) [[likely]] {
      ++expected;
    } else if (seq > expected) {
      lost_ += seq - expected;
      expected = seq + 1;
    } else {
      ++late_;
    }
  }

  void AddCorrupt() { ++corrupt_; }
  uint64_t lost() const { return lost_; }
  uint64_t late() const { return late_; }
  uint64_t corrupt() const { return corrupt_; }

 private:
  std::array<uint64_t, kStreams> expected_;
  uint64_t lost_ = 0;
  uint64_t late_ = 0;
  uint64_t corrupt_ = 0;
};

}  // namespace ptnet::guest
