// Probe packets as the guest's half makes and checks them.
#pragma once

#include <algorithm>
#include <vector>

#include "check.h"
#include "guest-driver/core/probe.h"
#include "guest_ring.h"

namespace ptnet::test {

/// A whole packet; `dst` and `src` are the bytes of the addresses 02:dst:dst:..., 0xff for everybody.
inline std::vector<uint8_t> Probe(uint64_t seq, uint32_t len = 60, uint16_t stream = 0, uint8_t dst = 0xff,
                                  uint8_t src = 1) {
  std::vector<uint8_t> packet(len);
  uint8_t to[6], from[6];
  memset(to, dst, 6);
  memset(from, src, 6);
  if (dst != 0xff) to[0] = 2;
  from[0] = 2;
  const guest::ProbeHeader header = guest::MakeHeader(to, from, stream);
  std::copy(header.begin(), header.end(), packet.begin());
  guest::WriteStamp(packet.data(), seq, stream, len);
  guest::WritePayload(packet.data(), seq, stream, len);
  return packet;
}

inline uint64_t SeqOf(const std::vector<uint8_t>& packet) {
  CHECK(packet.size() >= guest::kMinProbe);
  return guest::Get<uint64_t>(packet.data() + guest::kSeqAt);
}

/// Checks the probe packets that a guest receives: none lost, late or corrupt unless the test allows it.
struct Receiver {
  guest::StreamTracker tracker{0};
  uint64_t packets = 0;

  void Take(GuestRing& ring) {
    for (auto packet = ring.Take(); !packet.empty(); packet = ring.Take()) {
      packets++;
      tracker.Check<guest::Payload::kFull>(packet.data(), static_cast<uint32_t>(packet.size()));
    }
  }
  void CheckClean() const {
    CHECK_EQ(tracker.lost(), 0u);
    CHECK_EQ(tracker.late(), 0u);
    CHECK_EQ(tracker.corrupt(), 0u);
  }
};

}  // namespace ptnet::test
