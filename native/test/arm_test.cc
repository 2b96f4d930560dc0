// Arm of every kind of flow: kicks are enabled where there is nothing to do, and disabled again where there is: a guest
// that is polled must not kick.
#include "forward/echo.h"
#include "traffic.h"
#include "vale_net.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

bool Wants(GuestRing& ring) { return guest::Load(ring.hg->kern_need_kick, std::memory_order_relaxed) != 0; }

/// What has been published, and that the guest's own Publish() would kick for.
void Show(GuestRing& ring, const std::vector<uint8_t>& packet, uint32_t frags = 1) {
  CHECK(ring.Put(packet, frags));
  ring.Show();
}

/// A tx ring whose flow is `flow`: without work, with half a packet, with a whole one.
void ATxRing(Flow& flow, GuestRing& tx) {
  CHECK(!flow.Arm());
  CHECK(Wants(tx));
  flow.Disarm();
  CHECK(!Wants(tx));
  Show(tx, Frame(0xff, 1));
  tx.LastPut().flags = NS_MOREFRAG;
  CHECK(!flow.Arm());
  CHECK(Wants(tx));
  Show(tx, Frame(0xff, 1));
  CHECK(flow.Arm());
  CHECK(!Wants(tx));
  CHECK(flow.Poll(kRoundBudget).moved);
  CHECK(tx.Drained());
  CHECK(!flow.Arm());
  CHECK(Wants(tx));
}

void NullPorts() {
  auto engine = MakeEngine();
  std::shared_ptr<NullPort> port;
  CHECK_OK(NullPort::Create(MakeRegion(), MakeStats(), {"null:t", 1, 1, 16, 16, 0}, &port));
  Guest guest;
  guest.Attach(engine, *port);
  ATxRing(*port->flow(0), guest.tx());
  // The source: nothing to send, then no room, then room.
  SourceFlow& source = port->source(0);
  GuestRing& rx = guest.rx();
  source.Disarm();
  CHECK(!source.Arm());
  CHECK(!Wants(rx));
  SourceConfig config;
  config.packets = 100;
  source.Configure(config);
  CHECK(source.Arm());
  CHECK(!Wants(rx));
  CHECK(source.Poll(kRoundBudget).moved);
  CHECK_EQ(rx.Mine(), 15u);
  CHECK(!source.Arm());
  CHECK(Wants(rx));
  CHECK(!rx.Take().empty());
  rx.Show();
  CHECK(source.Arm());
  source.Disarm();
  CHECK(!Wants(rx));
  // Paced, with room, but not before its time: the clock ends that, no kick.
  config.rate = 1;
  source.Configure(config);
  CHECK(!rx.Take().empty());
  rx.Show();
  CHECK(!source.Poll(kRoundBudget).moved);
  CHECK(!source.Arm());
  CHECK(!Wants(rx));
  CHECK(source.Due() != 0);
}

void ValePorts() {
  Net net;
  Station &a = net.Add(), &b = net.Add();
  ATxRing(*a.port->flow(0), a.guest.tx());
  CHECK(!b.Nothing());
  CHECK(!Wants(b.guest.rx()));  // nobody serves it
}

void EchoPorts() {
  auto engine = MakeEngine();
  std::shared_ptr<EchoPort> port;
  CHECK_OK(EchoPort::Create(MakeRegion(), MakeStats(), {"echo:t", 1, 1, 16, 4, 0}, &port));
  Guest guest;
  guest.Attach(engine, *port);
  Flow& flow = *port->flow(0);
  ATxRing(flow, guest.tx());
  GuestRing& rx = guest.rx();
  CHECK(Wants(rx));  // it has something to give back
  while (!rx.Take().empty()) continue;
  rx.Show();
  // Full: what its guest gives back is work.
  for (int i = 0; i < 4; i++) Show(guest.tx(), Frame(0xff, 1));
  while (flow.Poll(kRoundBudget).moved) continue;
  CHECK_EQ(rx.Mine(), 3u);
  CHECK(!flow.Arm());
  CHECK(Wants(rx));
  CHECK(!rx.Take().empty());
  rx.Show();
  CHECK(flow.Arm());
  CHECK(!Wants(rx) && !Wants(guest.tx()));
}

void Pipes() {
  auto engine = MakeEngine();
  const AttachOptions here{.policy = Policy::kInline};
  PipeRig rig(engine, 16, here, here);
  Flow& flow = *rig.pair->master().flow(0);
  GuestRing &tx = rig.a.tx(), &rx = rig.b.rx();
  CHECK(!flow.Arm());
  CHECK(Wants(tx) && !Wants(rx));  // there is nothing that the receiver could give back
  Show(tx, Probe(0));
  CHECK(flow.Arm());
  CHECK(!Wants(tx) && !Wants(rx));
  CHECK(flow.Poll(kRoundBudget).moved);
  CHECK(!flow.Arm());
  CHECK(Wants(tx) && Wants(rx));
  CHECK(rx.Take() == Probe(0));
  rx.Show();
  CHECK(flow.Arm());
  CHECK(!Wants(tx) && !Wants(rx));
  CHECK(flow.Poll(kRoundBudget).moved);
  CHECK(!flow.Arm());
  CHECK(Wants(tx) && !Wants(rx));
}

/// A destination that leaves between two pieces of a batch: its packets are counted as those for nobody, and whoever is
/// left gets his.
void WhoLeavesIsCounted() {
  Net net;
  Station &a = net.Add(), &b = net.Add(), &c = net.Add();
  b.Send(Frame(0xff, 7));
  c.Send(Frame(0xff, 8));
  for (Station* s : {&a, &b, &c})
    while (!s->Nothing()) s->Take();
  Budget one = kRoundBudget;
  one.destinations = 1;
  for (uint32_t i = 0; i < 21; i++) CHECK(a.guest.tx().Put(Frame(i % 2 == 0 ? 7 : 8, 1, 60, i)));
  a.guest.tx().Show();
  Flow& flow = *a.port->flow(0);
  // A run of one, after which packets are sorted by destination: 10 for each.
  CHECK_EQ(flow.Poll(one).slots, 1u);
  CHECK(b.Got(Frame(7, 1, 60, 0)));
  CHECK_EQ(flow.Poll(one).destinations, 1u);
  Station& first = b.Nothing() ? c : b;
  Station& second = b.Nothing() ? b : c;
  CHECK(second.Nothing());
  second.guest.Detach();
  second.port->Leave();
  while (!a.guest.tx().Drained()) CHECK(flow.Poll(one).moved);
  uint32_t got = 0;
  while (!first.Nothing()) first.Take(), got++;
  CHECK_EQ(got, 10u);
  CHECK_EQ(a.tx_drops(Drop::kNoDestination), 10u);
  CHECK_EQ(a.tx().packets, 21u);
}

}  // namespace

int main() {
  NullPorts();
  ValePorts();
  EchoPorts();
  Pipes();
  WhoLeavesIsCounted();
}
