// The echo port: every packet comes back once, with its addresses exchanged and everything else as it was; a full rx
// ring holds the sender back; bad rings are counted; under traffic nothing is lost whatever the policy.
#include "forward/echo.h"

#include <errno.h>

#include <algorithm>
#include <thread>

#include "traffic.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

struct Fixture {
  std::shared_ptr<Engine> engine = MakeEngine();
  std::shared_ptr<StatsArea> stats = MakeStats();
  std::shared_ptr<EchoPort> port;
  Guest guest;

  explicit Fixture(PortShape shape = {"echo:t", 1, 1, 64, 64, 0}, AttachOptions options = {.policy = Policy::kInline}) {
    CHECK_OK(EchoPort::Create(MakeRegion(), stats, shape, &port));
    guest.Attach(engine, *port, options);
  }
  void Send(const std::vector<uint8_t>& packet, uint32_t frags = 1, uint32_t ring = 0) {
    CHECK(guest.tx(ring).Put(packet.data(), static_cast<uint32_t>(packet.size()), frags));
    guest.tx(ring).Publish();
    guest.Sync(guest.tx(ring));
  }
  void Release(uint32_t ring = 0) {
    guest.rx(ring).Publish();
    guest.Sync(guest.rx(ring));
  }
  uint64_t drops(Kring& k, Drop cause) { return k.counters->drops[static_cast<int>(cause)]; }
};

std::vector<uint8_t> Exchanged(std::vector<uint8_t> packet) {
  std::swap_ranges(packet.begin(), packet.begin() + 6, packet.begin() + 6);
  return packet;
}

void EveryPacketComesBackExchanged() {
  Fixture f;
  for (uint32_t i = 0; i < 300; i++) {
    const uint32_t len = 12 + i * 7, frags = len >= 12 * (1 + i % 5) && len / (1 + i % 5) <= 2048 ? 1 + i % 5 : 2;
    auto packet = Probe(i, std::max(len, 32u), 3, 7, 8);
    f.Send(packet, packet.size() > 2048 ? 5 : frags);
    CHECK(f.guest.tx().Drained());
    CHECK(f.guest.rx().Take() == Exchanged(packet));
    f.Release();
  }
  CHECK_EQ(f.port->tx(0).counters->packets, 300u);
  CHECK_EQ(f.port->rx(0).counters->packets, 300u);
  CHECK_EQ(f.port->tx(0).counters->bytes, f.port->rx(0).counters->bytes);
}

void EachRingIsItsOwn() {
  Fixture f({"echo:t", 3, 3, 16, 16, 0});
  for (uint32_t ring : {2u, 0u, 1u}) {
    f.Send(Probe(ring), 1, ring);
    for (uint32_t other = 0; other < 3; other++) CHECK_EQ(f.guest.rx(other).Mine(), other == ring ? 1u : 0u);
    CHECK(f.guest.rx(ring).Take() == Exchanged(Probe(ring)));
    f.Release(ring);
  }
}

void RingsComeInPairs() {
  std::shared_ptr<EchoPort> port;
  Status s = EchoPort::Create(MakeRegion(), MakeStats(), {"echo:t", 2, 1, 16, 16, 0}, &port);
  CHECK_EQ(s.err, EINVAL);
  CHECK(s.message == "echo:t: 2 tx and 1 rx rings: an echo port has as many of each");
}

void AFullRingHoldsTheSenderBack() {
  Fixture f({"echo:t", 1, 1, 64, 8, 0});
  for (uint32_t i = 0; i < 20; i++) f.Send(Probe(i));
  CHECK(!f.guest.tx().Drained());
  for (uint32_t i = 0; i < 20; i++) {
    CHECK(f.guest.rx().Take() == Exchanged(Probe(i)));
    f.Release();
  }
  CHECK(f.guest.tx().Drained());
  // A packet that never fits does not stay for ever.
  f.Send(Probe(20, 800), 8);
  CHECK(f.guest.tx().Drained());
  CHECK_EQ(f.drops(f.port->rx(0), Drop::kBadFrags), 1u);
}

void BadPacketsAreCounted() {
  Fixture f;
  f.Send(std::vector<uint8_t>(11, 1));
  f.Send(Probe(0, 44), 4);  // 11 bytes each: the addresses are not in one piece
  CHECK_EQ(f.drops(f.port->tx(0), Drop::kBadLen), 2u);
  const uint32_t mine = f.guest.rx().slot(0).buf_idx;
  f.guest.rx().slot(0).buf_idx = UINT32_MAX;
  f.Send(Probe(1));
  CHECK_EQ(f.drops(f.port->rx(0), Drop::kBadBuf), 1u);
  f.guest.rx().slot(0).buf_idx = mine;
  f.guest.rx().WriteHead(40);
  f.Send(Probe(2));
  CHECK(!f.guest.tx().Drained());
  CHECK_EQ(f.port->rx(0).counters->bad_index, 1u);
  f.Release();
  CHECK(f.guest.tx().Drained() && f.guest.rx().Take() == Exchanged(Probe(2)));
  CHECK_EQ(f.guest.rx().Mine(), 0u);
}

/// A guest that sends and receives at once, in bursts, with rings so small that both are full again and again.
void NothingIsLostUnderTraffic(Random& random) {
  for (Policy policy : kPolicies) {
    Fixture f({"echo:t", 1, 1, 16, 8, 0}, Served(policy));
    f.guest.EnableInterrupts();
    constexpr uint64_t kPackets = 4000;
    std::thread sender([&, r = random.Split()]() mutable {
      Send(f.guest.tx(), 0, kPackets, r);
      Drain(f.guest.tx());
    });
    Receiver receiver;
    Receive(f.guest.rx(), receiver, kPackets, random.Split());
    sender.join();
    receiver.CheckClean();
    f.guest.Detach();
    CHECK_EQ(f.port->rx(0).counters->packets, kPackets);
  }
}

}  // namespace

int main() {
  Random random("echo_test");
  EveryPacketComesBackExchanged();
  EachRingIsItsOwn();
  RingsComeInPairs();
  AFullRingHoldsTheSenderBack();
  BadPacketsAreCounted();
  NothingIsLostUnderTraffic(random);
}
