// No wake-up is lost between a guest and what serves its rings: each kind of flow against a guest that kicks and sleeps
// only as the protocol says.
#include "rings.h"

#include "datapath/engine.h"
#include "forward/null_port.h"
#include "forward/pipe.h"
#include "forward/vale.h"
#include "guest-driver/core/ping.h"
#include "litmus.h"

namespace ptnet::model {
namespace {

/// A guest publishes slots one at a time, and kicks when it is asked to.
void SendSlots(Ring& ring, uint32_t count) {
  guest::Ring g = ring.Guest();
  for (uint32_t i = 0; i < count; i++) {
    g.head = g.Next(g.head);
    g.Publish();
    if (g.HostWantsKick()) Signal(ring.doorbell);
  }
}

/// All that was published is taken at the end.
void SenderAgainst(Ring& ring, Kring& k, Flow& flow, uint32_t count) {
  std::thread host([&] { Serve(flow, ring.doorbell); });
  std::thread sender([&] { SendSlots(ring, count); });
  Execute([&] { return k.hwcur == count; });
  host.join();
  sender.join();
}

void SenderAndNullPort() {
  Ring ring(Dir::kTx);
  SinkFlow flow(ring.k);
  SenderAgainst(ring, ring.k, flow, 1);
}

void SenderAndPipe() {
  Ring ring(Dir::kTx), other(Dir::kRx);
  other.k.atok = nullptr;  // nobody there: it is about the sender
  other.k.hwtail = 0;
  PumpFlow flow(ring.k, other.k);
  SenderAgainst(ring, ring.k, flow, 1);
}

/// What the receiver of a full pipe gives back becomes the sender's.
void ReceiverOfAFullPipe() {
  Ring tx(Dir::kTx), rx(Dir::kRx);
  tx.k.atok = nullptr;
  tx.k.hwcur = rx.k.hwtail = rx.ktoa.hwtail = Ring::kSlots - 1;
  PumpFlow flow(tx.k, rx.k);
  SenderAgainst(rx, rx.k, flow, 1);
}

/// A port of a switch that it has left: what it sends goes nowhere, and is taken all the same.
ValePort& APortWithoutItsSwitch() {
  static std::shared_ptr<ValePort> port = [] {
    std::shared_ptr<Region> region;
    std::shared_ptr<StatsArea> stats;
    std::shared_ptr<Engine> engine;
    std::shared_ptr<ValePort> made;
    if (!Region::Create(1, {{4, 1024}, {8, 4096}, {64, 2048}}, {}, &region).ok() ||
        !StatsArea::Create(16, &stats).ok() || !Engine::Create({}, &engine).ok() ||
        !ValePort::Create(region, stats, {"vale0:a", 1, 1, Ring::kSlots, Ring::kSlots, 0},
                          std::make_shared<ValeSwitch>("vale0", engine), &made)
             .ok())
      abort();
    made->Leave();
    return made;
  }();
  return *port;
}

void SenderAndSwitch() {
  ValePort& port = APortWithoutItsSwitch();
  Ring ring(port.tx(0), Dir::kTx);
  ValeFlow& flow = static_cast<ValeFlow&>(*port.flow(0));
  SenderAgainst(ring, port.tx(0), flow, 1);
}

/// Indices that are wrong and mended at once: whatever the host saw of it, it serves what comes then.
void SenderWhoMendsItsIndices() {
  Ring ring(Dir::kTx);
  SinkFlow flow(ring.k);
  std::thread host([&] { Serve(flow, ring.doorbell); });
  std::thread sender([&] {
    guest::Ring g = ring.Guest();
    g.head = Ring::kSlots + 1;
    g.Publish();
    g.head = 1;
    g.Publish();
    if (g.HostWantsKick()) Signal(ring.doorbell);
  });
  Execute([&] { return ring.k.hwcur == 1; });
  host.join();
  sender.join();
}

/// A guest's own loop that sleeps: it gets all packets.
template <template <class, class> class LoopOf>
void ReceiverWhoSleeps(guest::Op op, uint64_t packets) {
  Ring ring(Dir::kRx);
  SourceFlow flow(ring.k, false);
  SourceConfig source;
  source.packets = packets;
  flow.Configure(source);
  guest::LoopConfig config;
  config.op = op;
  config.rx = {ring.Guest()};
  config.count = packets;
  config.sleep = true;
  config.spin_ns = 0;
  config.payload = guest::Payload::kNone;
  guest::LoopControl control;
  GuestKicker kicker{ring};
  GuestWaiter waiter{ring, control};
  bool ended = false;
  std::thread host([&] { Serve(flow, ring.doorbell); });
  std::thread receiver([&] {
    LoopOf<GuestKicker, GuestWaiter> loop(config, control, kicker, waiter);
    loop.Run();
    ended = true;
  });
  Execute([&] { return ended; });
  host.join();
  receiver.join();
}

void ReceiverAndNullPort() { ReceiverWhoSleeps<guest::Loop>(guest::Op::kReceive, 1); }
void ListenerAndNullPort() { ReceiverWhoSleeps<guest::PingLoop>(guest::Op::kListen, 1); }

/// A source that has filled the ring goes on when there is room.
void SourceWithoutRoom() {
  Ring ring(Dir::kRx);
  SourceFlow flow(ring.k, false);
  SourceConfig source;
  source.packets = Ring::kSlots;
  flow.Configure(source);
  std::thread host([&] { Serve(flow, ring.doorbell); });
  std::thread receiver([&] {
    guest::Ring g = ring.Guest();
    while (g.AvailableOrRefresh(Ring::kSlots - 1) < Ring::kSlots - 1) Yield();
    g.head = g.Next(g.head);
    g.Publish();
    if (g.HostWantsKick()) Signal(ring.doorbell);
  });
  Execute([&] { return ring.counters.packets == Ring::kSlots; });
  host.join();
  receiver.join();
}

}  // namespace

std::vector<Scenario> RingScenarios() {
  return {{"a sender and a null port", SenderAndNullPort},
          {"a sender and a pipe", SenderAndPipe},
          {"the receiver of a full pipe", ReceiverOfAFullPipe},
          {"a sender and a switch", SenderAndSwitch},
          {"a sender who mends its indices", SenderWhoMendsItsIndices},
          {"a receiver who sleeps, and a null port", ReceiverAndNullPort},
          {"a listener who sleeps, and a null port", ListenerAndNullPort},
          {"a source without room", SourceWithoutRoom}};
}

}  // namespace ptnet::model
