// What a loop is told (its configuration and the stop flag) and what it tells (its progress and its result).
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "histogram.h"
#include "probe.h"
#include "ring.h"

namespace ptnet::guest {

/// kStack: no packets of its own, but those of a kernel behind taps.
enum class Op { kSend, kReceive, kEcho, kDuplex, kPing, kListen, kStack };
/// When a loop looks at the host's indices, and how it waits.
/// kNative: as often as it helps, and polls for spin_ns before it sleeps.
/// kForeign: as drivers and applications that we did not write: a sender looks only when its ring is full, a receiver
/// takes all that is there; with nothing left to do both kick if the host wants it, and sleep at once.
enum class Rhythm { kNative, kForeign };
enum class Stopped { kCount, kSeconds, kIdle, kStop, kError };

inline const char* NameOf(Stopped stopped) {
  switch (stopped) {
    case Stopped::kCount:
      return "count";
    case Stopped::kSeconds:
      return "seconds";
    case Stopped::kIdle:
      return "idle";
    case Stopped::kStop:
      return "stop";
    case Stopped::kError:
      break;
  }
  return "error";
}

inline constexpr uint64_t kNoLimit = UINT64_MAX;
inline constexpr uint32_t kMaxBurst = 65536;
inline constexpr uint32_t kPrefetch = 8;  // slots ahead of the one in hand whose buffers are fetched

struct LoopConfig {
  Op op = Op::kSend;
  std::vector<Ring> tx;  // those to use, opened
  std::vector<Ring> rx;
  uint64_t count = kNoLimit;
  int64_t duration_ns = 0;  // 0: no limit
  int64_t idle_ns = 0;      // 0: no limit
  int64_t drain_ns = kNsDrain;
  Rhythm rhythm = Rhythm::kNative;
  bool sleep = false;
  int64_t spin_ns = 50'000;
  uint32_t vnet_hdr_len = 0;  // bytes of virtio-net header before each packet: those sent ask for nothing
  uint32_t size = 60;         // without it
  uint32_t frags = 1;
  uint32_t burst = 256;
  Payload payload = Payload::kStamp;
  uint16_t stream = 0;
  uint64_t first_seq = 0;  // of the streams sent, and the first one expected of the streams received
  uint8_t dst[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  uint8_t src[6] = {0x02, 0, 0, 0, 0, 0};
  uint8_t spread = 1;     // destinations in turn: dst and those that follow it in its last byte
  double rate = 0;        // packets per second, 0: as many as go
  std::vector<int> taps;  // of kStack: one for each pair of rings, open and non-blocking
  int capture = -1;       // of kStack: what is received is written there too, as pcap has it

  /// How long the end of a send waits without progress for the host to take what is in the rings.
  static constexpr int64_t kNsDrain = 1'000'000'000;
};

/// Says what is wrong with the configuration before a loop runs with it; empty when nothing is.
inline std::string Check(const LoopConfig& config) {
  const bool sends = config.op != Op::kReceive && config.op != Op::kListen;
  const bool receives = config.op != Op::kSend;
  if (sends && config.tx.empty()) return "txRings: none: sending takes at least one";
  if (receives && config.rx.empty()) return "rxRings: none: receiving takes at least one";
  if (config.op == Op::kStack && (config.taps.size() != config.tx.size() || config.taps.size() != config.rx.size()))
    return "taps: " + std::to_string(config.taps.size()) + " for " + std::to_string(config.tx.size()) + " tx and " +
           std::to_string(config.rx.size()) + " rx rings: must be one for each pair";
  if (config.rhythm == Rhythm::kForeign && (config.op == Op::kPing || config.op == Op::kListen))
    return "rhythm foreign: a loop that times packets has none: leave it out";
  if (config.burst == 0 || config.burst > kMaxBurst)
    return "burst " + std::to_string(config.burst) + ": must be 1 to " + std::to_string(kMaxBurst);
  if (config.vnet_hdr_len != 0 && (config.op == Op::kPing || config.op == Op::kListen))
    return "vnetHdrLen " + std::to_string(config.vnet_hdr_len) + ": a loop that times packets has none";
  if (config.op == Op::kPing && (config.size < kMinPing || config.size > config.tx[0].buf_size))
    return "size " + std::to_string(config.size) + ": a ping must be " + std::to_string(kMinPing) + " to " +
           std::to_string(config.tx[0].buf_size);
  if (config.op != Op::kSend && config.op != Op::kDuplex) return {};
  if (config.frags == 0 || config.frags > kMaxFrags)
    return "frags " + std::to_string(config.frags) + ": must be 1 to " + std::to_string(kMaxFrags);
  if (config.size < kMinProbe || config.size > 65535)
    return "size " + std::to_string(config.size) + ": must be " + std::to_string(kMinProbe) + " to 65535";
  if (config.spread == 0 || config.dst[5] + config.spread > 256)
    return "spread " + std::to_string(config.spread) + ": must be 1 or more, and dst's last byte + spread at most 256";
  if (config.frags > config.size)
    return "frags " + std::to_string(config.frags) + ": more than the packet's " + std::to_string(config.size) +
           " bytes";
  for (const Ring& ring : config.tx) {
    if (config.frags >= ring.num_slots)
      return "frags " + std::to_string(config.frags) + ": do not fit a ring of " + std::to_string(ring.num_slots) +
             " slots, of which one stays empty";
    const uint32_t whole = config.vnet_hdr_len + config.size;
    if (whole / config.frags + (whole % config.frags != 0) > ring.buf_size)
      return "size " + std::to_string(config.size) + " in " + std::to_string(config.frags) +
             " fragments: larger than a buffer of " + std::to_string(ring.buf_size) + ": add fragments";
  }
  return {};
}

/// What other threads see of a running loop, and their way to stop it.
struct LoopControl {
  std::atomic<bool> stop{false};
  alignas(64) std::atomic<uint64_t> sent{0};
  std::atomic<uint64_t> received{0};
};

/// What ping and listen have timed; those without a count did not happen.
struct Latency {
  Percentiles round_trip;  // ping: from a packet's intended time until its echo was seen
  Percentiles service;     // ping: from head's store until hwcur had followed, without a doorbell
  Percentiles kicked;      // ping: the same with one
  Percentiles wake_up;     // listen: from the sender's publication until we were awake
};

struct LoopResult {
  Traffic sent;
  Traffic received;
  uint64_t lost = 0;
  uint64_t late = 0;
  uint64_t corrupt = 0;
  double seconds = 0;  // from the first to the last packet, to within kClockEvery fruitless passes
  uint64_t kicks = 0;
  uint64_t idle_kicks = 0;  // of these, with nothing new: only at a foreign rhythm
  uint64_t interrupts = 0;
  uint64_t syncs = 0;    // publications of an index
  uint64_t full = 0;     // times a TX ring had no room
  uint64_t pending = 0;  // slots sent that the host had not taken when the loop ended
  Latency latency;
  Stopped stopped = Stopped::kStop;
  std::string error;
};

}  // namespace ptnet::guest
