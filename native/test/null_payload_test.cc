// The null port's payloads: the sink looks at the bytes that its level says, wherever the packet is cut; the source
// writes those that its payload says, within its limits.
#include <errno.h>

#include "datapath/clock.h"
#include "forward/null_port.h"
#include "guest.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

struct Fixture {
  std::shared_ptr<Engine> engine = MakeEngine();
  std::shared_ptr<StatsArea> stats = MakeStats();
  std::shared_ptr<NullPort> port;
  Guest guest;

  explicit Fixture(PortShape shape = {"null:t", 1, 1, 64, 64, 0}, uint32_t buf_size = 2048) {
    CHECK_OK(NullPort::Create(MakeRegion(1, 8192, buf_size), stats, shape, &port));
    guest.Attach(engine, *port);
  }
  RingCounters& tx() { return *port->tx(0).counters; }
  void Send(const std::vector<uint8_t>& packet, uint32_t frags = 1) {
    CHECK(guest.tx().Put(packet.data(), static_cast<uint32_t>(packet.size()), frags));
    guest.tx().Publish();
    guest.Sync(guest.tx());
    CHECK(guest.tx().Drained());
  }
  /// All packets that the source makes for ring `r` now, each slot's length and flags checked and then spoiled.
  std::vector<std::vector<uint8_t>> Receive(uint32_t r = 0) {
    std::vector<std::vector<uint8_t>> packets;
    GuestRing& rx = guest.rx(r);
    for (guest.Sync(rx); rx.Mine() > 0;) {
      const uint32_t first = rx.head;
      packets.push_back(rx.Take());
      CHECK(!packets.back().empty());
      for (uint32_t i = first; i != rx.head; i = rx.Next(i)) rx.slot(i).len = 1, rx.slot(i).flags = NS_MOREFRAG;
    }
    rx.Publish();
    return packets;
  }
};

/// Bytes from `first` up to `end` of a packet, cut into so many slots, are looked at, and no others.
void LooksAt(Payload level, uint32_t first, uint32_t end, uint32_t frags) {
  constexpr uint32_t kLen = 101;
  Fixture f;
  f.port->sink(0).set_verify(level);
  for (uint32_t at = 12, seq = 0; at < kLen; at++, seq++) {
    const uint64_t before = f.tx().corrupt;
    auto packet = Probe(seq, kLen);
    f.Send(packet, frags);
    CHECK_EQ(f.tx().corrupt, before);
    packet = Probe(++seq, kLen);
    packet[at] ^= 0x10;
    f.Send(packet, frags);
    CHECK_EQ(f.tx().corrupt - before, at >= first && at < end ? 1u : 0u);
  }
}

void TheSinkLooksAtWhatItsLevelSays() {
  // Also where the header is cut: 5 pieces of 20 bytes, 10 of 10.
  for (const uint32_t frags : {1u, 2u, 3u, 5u, 10u}) {
    LooksAt(Payload::kFull, 12, 101, frags);
    LooksAt(Payload::kStamp, 12, 32, frags);
    LooksAt(Payload::kNone, 0, 0, frags);
  }
}

void WhatHasNoWholeHeaderIsCorrupt() {
  for (const Payload level : {Payload::kFull, Payload::kStamp}) {
    Fixture f;
    f.port->sink(0).set_verify(level);
    auto packet = Probe(0, 32);
    f.Send(packet);
    CHECK_EQ(f.tx().corrupt, 0u);
    packet.pop_back();
    f.Send(packet);
    CHECK_EQ(f.tx().corrupt, 1u);
    f.Send(Probe(1, 32, 255));
    CHECK_EQ(f.tx().corrupt, 1u);
    CHECK_EQ(f.tx().lost, 1u);  // of stream 255
    f.Send(Probe(0, 60, 256));
    CHECK_EQ(f.tx().corrupt, 2u);
    CHECK_EQ(f.tx().packets, 4u);
    CHECK_EQ(f.tx().syncs, 4u);
    CHECK_EQ(f.tx().bytes, 32u + 31 + 32 + 60);
  }
}

/// Each stream begins at 0 again when the level is set.
void ANewLevelForgetsWhatWasSeen() {
  Fixture f;
  f.port->sink(0).set_verify(Payload::kStamp);
  f.Send(Probe(0));
  f.Send(Probe(1));
  f.port->sink(0).set_verify(Payload::kFull);
  f.Send(Probe(0));
  CHECK_EQ(f.tx().lost + f.tx().late + f.tx().corrupt, 0u);
}

/// Every buffer is written as a whole in the first lap, and after that as far as the payload says. All slots are
/// spoiled by the guest meanwhile.
void TheSourceWritesWhatItsPayloadSays(Payload payload, uint32_t size) {
  constexpr uint32_t kSlots = 32, kBuf = 256;
  Fixture f({"null:t", 1, 1, 64, kSlots, 0}, kBuf);
  SourceConfig config;
  config.packets = 4 * kSlots;
  config.size = size;
  config.payload = payload;
  config.stream = 7;
  const uint8_t dst[6] = {2, 3, 4, 5, 6, 7}, src[6] = {2, 9, 8, 7, 6, 5};
  memcpy(config.dst, dst, 6);
  memcpy(config.src, src, 6);
  CHECK_OK(f.port->CheckSource(config));
  f.port->source(0).Configure(config);
  uint64_t seq = 0, slots = 0;
  for (auto packets = f.Receive(); !packets.empty(); packets = f.Receive()) {
    for (const auto& packet : packets) {
      CHECK_EQ(packet.size(), size);
      CHECK(memcmp(packet.data(), dst, 6) == 0 && memcmp(packet.data() + 6, src, 6) == 0);
      const auto want = Probe(seq, size, 7);
      const bool whole = payload == Payload::kFull || slots < kSlots;
      const size_t fresh = whole ? size : payload == Payload::kStamp ? sizeof(probe::Header) : 0;
      if (fresh > 12) CHECK(memcmp(packet.data() + 12, want.data() + 12, fresh - 12) == 0);
      if (fresh < size) CHECK(memcmp(packet.data() + 12, want.data() + 12, size - 12) != 0);
      seq++;
      slots += (size + kBuf - 1) / kBuf;
    }
  }
  CHECK_EQ(seq, config.packets);
  CHECK_EQ(f.port->rx(0).counters->packets, seq);
  CHECK_EQ(f.port->rx(0).counters->bytes, seq * size);
}

void StreamsFollowTheRings() {
  Fixture f({"null:t", 1, 3, 64, 16, 0});
  for (uint32_t r = 0; r < 3; r++) {
    SourceConfig config;
    config.packets = 1;
    config.payload = Payload::kFull;
    config.stream = 20;
    f.port->source(r).Configure(config);
    const auto packets = f.Receive(r);
    CHECK_EQ(packets.size(), 1u);
    const auto want = Probe(0, 60, static_cast<uint16_t>(20 + r));
    CHECK(memcmp(packets[0].data() + 12, want.data() + 12, 48) == 0);
  }
}

/// Whether the source may be told so, on a port of so many rx slots and rings.
int Told(uint32_t size, uint16_t stream = 0, uint32_t slots = 64, uint32_t rings = 1, uint32_t buf_size = 2048) {
  Fixture f({"null:t", 1, rings, 64, slots, 0}, buf_size);
  SourceConfig config;
  config.size = size;
  config.stream = stream;
  return f.port->CheckSource(config).err;
}

void LimitsOfTheSource() {
  CHECK_EQ(Told(31), EINVAL);
  CHECK_EQ(Told(32), 0);
  CHECK_EQ(Told(65535), 0);
  CHECK_EQ(Told(65536), EINVAL);
  // One slot of a ring always stays empty, and a packet has 64 at most.
  CHECK_EQ(Told(3 * 2048, 0, 4), 0);
  CHECK_EQ(Told(3 * 2048 + 1, 0, 4), EINVAL);
  CHECK_EQ(Told(64 * 512, 0, 128, 1, 512), 0);
  CHECK_EQ(Told(64 * 512 + 1, 0, 128, 1, 512), EINVAL);
  CHECK_EQ(Told(60, 255), 0);
  CHECK_EQ(Told(60, 256), EINVAL);
  CHECK_EQ(Told(60, 253, 16, 3), 0);
  CHECK_EQ(Told(60, 254, 16, 3), EINVAL);
}

/// At the time that its rate gives, counted from when the guest came; at no time when it is not time that it waits for.
void ThePaceSaysWhenTheNextIsDue() {
  constexpr uint64_t kSecond = 1'000'000'000;
  Fixture f;
  f.guest.Detach();
  SourceConfig config;
  config.packets = 10;
  config.rate = 1;
  f.port->source(0).Configure(config);
  const uint64_t before = NowNs();
  f.guest.Attach(f.engine, *f.port);
  f.guest.Sync(f.guest.rx());
  const uint64_t after = NowNs(), sent = f.port->rx(0).counters->packets, due = f.port->source(0).Due();
  CHECK(due >= before + (sent + 1) * kSecond && due <= after + (sent + 1) * kSecond);
  config.rate = 0;
  f.port->source(0).Configure(config);
  CHECK_EQ(f.port->source(0).Due(), 0u);
  CHECK_EQ(f.Receive().size(), 10u + sent);
  config.rate = 1;
  config.packets = 0;
  f.port->source(0).Configure(config);
  CHECK_EQ(f.port->source(0).Due(), 0u);
}

}  // namespace

int main() {
  TheSinkLooksAtWhatItsLevelSays();
  WhatHasNoWholeHeaderIsCorrupt();
  ANewLevelForgetsWhatWasSeen();
  for (const Payload payload : {Payload::kNone, Payload::kStamp, Payload::kFull})
    for (const uint32_t size : {60u, 61u, 256u, 257u, 1000u}) TheSourceWritesWhatItsPayloadSays(payload, size);
  // Of 3 slots each, so that another packet begins in each buffer from lap to lap.
  for (const Payload payload : {Payload::kStamp, Payload::kFull}) TheSourceWritesWhatItsPayloadSays(payload, 600);
  StreamsFollowTheRings();
  ThePaceSaysWhenTheNextIsDue();
  LimitsOfTheSource();
}
