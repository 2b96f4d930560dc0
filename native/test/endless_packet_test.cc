// A packet without an end that fills its ring: it cannot get one any more, so it is dropped and counted, on rings that
// are shorter than the longest packet as well; nobody gets it.
#include "forward/null_port.h"
#include "vale_net.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr uint32_t kSlots[] = {4, 16, 64, 65, 66, 128};

void Fill(GuestRing& tx) {
  const std::vector<uint8_t> piece = Frame(0xff, 1, 60);
  while (tx.Put(piece)) tx.LastPut().flags = NS_MOREFRAG;
  tx.Publish();
}

void ToASink(uint32_t slots) {
  auto engine = MakeEngine();
  std::shared_ptr<NullPort> port;
  CHECK_OK(NullPort::Create(MakeRegion(), MakeStats(), {"null:t", 1, 1, slots, 64, 0}, &port));
  Guest guest;
  guest.Attach(engine, *port);
  RingCounters& counters = *port->tx(0).counters;
  for (uint64_t round = 1; round <= 3; round++) {
    Fill(guest.tx());
    guest.Sync(guest.tx());
    CHECK(guest.tx().Drained());
    CHECK_EQ(counters.packets, round - 1);
    CHECK_EQ(counters.drops[static_cast<int>(Drop::kBadFrags)], round);
    // What comes behind it is a packet of its own.
    CHECK(guest.tx().Put(Probe(0)));
    guest.tx().Publish();
    guest.Sync(guest.tx());
    CHECK_EQ(counters.packets, round);
  }
}

void ToASwitch(uint32_t slots) {
  Net net;
  Station& a = net.Add({"", 1, 1, slots, 64, 0});
  Station& b = net.Add({"", 1, 1, 64, 256, 0});
  for (uint64_t round = 1; round <= 3; round++) {
    Fill(a.guest.tx());
    a.Serve();
    CHECK(b.Nothing());
    CHECK_EQ(a.tx_drops(Drop::kBadFrags), round);
    a.Send(Frame(0xff, 1));
    CHECK(b.Got(Frame(0xff, 1)));
  }
  CHECK_EQ(a.tx().packets, 3u);
}

}  // namespace

int main() {
  for (const uint32_t slots : kSlots) {
    ToASink(slots);
    ToASwitch(slots);
  }
}
