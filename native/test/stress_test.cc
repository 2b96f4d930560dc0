// Ports that share: VALE switches whose senders, receivers and ports are served by different workers or come and go,
// and a hostile guest whose neighbours must not notice it.
#include "traffic.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr uint8_t kReceiver = 9;

/// Every packet for kReceiver's address goes to this station from now on.
void Announce(ValeRig& station) {
  auto packet = Probe(0, 60, 0, 0xff, kReceiver);
  CHECK(station.guest.tx().Put(packet.data(), 60));
  station.guest.tx().Publish();
  Drain(station.guest.tx());
}

/// Receives until the flag is set and nothing is left; what sets it rings the interrupt.
void ReceiveUntil(GuestRing& ring, Receiver& receiver, const std::atomic<bool>& done) {
  for (bool last = false; !last;) {
    ring.Await(1, &done);
    last = done;
    receiver.Take(ring);
    ring.Publish();
  }
}

void Finish(GuestRing& ring, std::atomic<bool>& done) {
  const uint64_t one = 1;
  done = true;
  CHECK(write(ring.irq, &one, sizeof one) == sizeof one);
}

/// Two workers deliver to one ring, and the senders move between the workers: each stream keeps its order, and every
/// packet is delivered or counted.
void TwoWorkersMeetAtOneReceiver(Random& random) {
  constexpr uint64_t kPackets = 20'000;
  for (Policy policy : kPolicies) {
    auto engine = MakeEngine(2);
    auto sw = std::make_shared<ValeSwitch>("vale0", engine);
    ValeRig first(engine, sw, 64, Served(policy, 0)), second(engine, sw, 64, Served(policy, 1));
    ValeRig to(engine, sw, 128, Served(policy, 0));
    Announce(to);
    Receiver receiver;
    std::atomic<bool> done{false};
    std::atomic<int> sending{2};
    std::thread receiving([&] { ReceiveUntil(to.guest.rx(), receiver, done); });
    auto send = [&](ValeRig& from, uint16_t stream) {
      return std::thread([&, stream, r = random.Split()]() mutable {
        Send(from.guest.tx(), 0, kPackets, r, {stream, kReceiver, static_cast<uint8_t>(stream + 1)});
        Drain(from.guest.tx());
        sending--;
      });
    };
    std::thread senders[] = {send(first, 0), send(second, 1)};
    for (; sending > 0; usleep(random.Below(300)))
      CHECK_OK((random.OneIn(2) ? first : second).guest.attachment->SetPolicy(AnyService(random, *engine)));
    for (std::thread& thread : senders) thread.join();
    engine->Synchronize();
    Finish(to.guest.rx(), done);
    receiving.join();
    CHECK_EQ(first.tx().packets + second.tx().packets, 2 * kPackets);
    CHECK_EQ(to.rx().packets + to.rx_drops(), 2 * kPackets);
    CHECK_EQ(to.rx_drops(), to.rx().drops[static_cast<int>(Drop::kFull)]);
    CHECK_EQ(receiver.packets, to.rx().packets);
    CHECK_EQ(receiver.tracker.late() + receiver.tracker.corrupt(), 0u);
    CHECK(receiver.tracker.lost() <= to.rx_drops());
  }
}

/// What a receiver has not given back before it detached is there again afterwards, and before all that came later.
void AReceiverComesAndGoes(Random& random) {
  constexpr uint64_t kPackets = 30'000;
  auto engine = MakeEngine(2);
  auto sw = std::make_shared<ValeSwitch>("vale0", engine);
  ValeRig from(engine, sw, 64, Served(Policy::kAdaptive, 0)), to(engine, sw, 64, Served(Policy::kAdaptive, 1));
  Announce(to);
  std::atomic<bool> sending{true};
  std::thread sender([&, r = random.Split()]() mutable {
    Send(from.guest.tx(), 0, kPackets, r, {0, kReceiver, 1});
    Drain(from.guest.tx());
    sending = false;
  });
  std::vector<uint64_t> held;  // taken, not given back
  uint64_t next = 0, taken = 0;
  for (bool last = false; !last;) {
    last = !sending;
    GuestRing& ring = to.guest.rx();
    size_t again = 0;
    for (uint32_t n = last ? UINT32_MAX : random.Below(100); n > 0 && ring.Mine() > 0; n--) {
      auto packet = ring.Take();
      const uint64_t seq = SeqOf(packet);
      CHECK(packet == Probe(seq, static_cast<uint32_t>(packet.size()), 0, kReceiver, 1));
      if (again < held.size()) {
        CHECK_EQ(seq, held[again++]);
      } else {
        CHECK(seq >= next);
        next = seq + 1;
        taken++;
        held.push_back(seq);
        again++;
      }
      if (!random.OneIn(4)) continue;
      ring.Publish();
      held.erase(held.begin(), held.begin() + static_cast<ptrdiff_t>(again));
      again = 0;
    }
    to.guest.Detach();
    to.guest.Attach(engine, *to.port, AnyService(random, *engine));
  }
  sender.join();
  CHECK_EQ(to.guest.rx().Mine() > 0, !held.empty());
  CHECK_EQ(to.rx().packets, taken);
  CHECK_EQ(to.rx().packets + to.rx_drops(), kPackets);
}

/// A port leaves its switch and another one comes, as often as it goes: every packet went to one of them or is counted.
void PortsComeAndGo(Random& random) {
  auto engine = MakeEngine(2);
  auto sw = std::make_shared<ValeSwitch>("vale0", engine);
  ValeRig from(engine, sw, 512, Served(Policy::kPoll, 0));
  std::atomic<bool> stop{false};
  std::thread sender([&, r = random.Split()]() mutable {
    for (uint64_t seq = 0; !stop; seq += 500) Send(from.guest.tx(), seq, seq + 500, r.Split(), {0, kReceiver, 1});
    Drain(from.guest.tx());
  });
  uint64_t arrived = 0, delivered = 0;
  for (int round = 0; round < 300; round++) {
    ValeRig to(engine, sw, 512, AnyService(random, *engine));
    Announce(to);
    Receiver receiver;
    for (uint32_t want = random.Below(100); receiver.packets < want; to.guest.rx().Publish()) {
      to.guest.rx().Await();
      receiver.Take(to.guest.rx());
    }
    if (random.OneIn(2)) to.guest.Detach();
    to.port->Leave();
    CHECK_EQ(receiver.tracker.late() + receiver.tracker.corrupt(), 0u);
    arrived += to.rx().packets + to.rx_drops();
    delivered += to.rx().packets;
  }
  stop = true;
  sender.join();
  engine->Synchronize();
  CHECK(delivered > 1000);
  CHECK_EQ(from.tx().packets, arrived + from.tx().drops[static_cast<int>(Drop::kNoDestination)]);
}

/// The ports keep what they need: the switch and the engine outlive everybody else's interest in them.
void TheLastOneTurnsOffTheLight(Random& random) {
  auto engine = MakeEngine(2);
  auto sw = std::make_shared<ValeSwitch>("vale0", engine);
  std::weak_ptr<ValeSwitch> switch_left = sw;
  std::weak_ptr<Engine> engine_left = engine;
  auto a = std::make_unique<ValeRig>(engine, sw, 16, Served(Policy::kNotify, 0));
  auto b = std::make_unique<ValeRig>(engine, sw, 16, Served(Policy::kNotify, 1));
  engine.reset();
  sw.reset();
  std::thread answerer([&, r = random.Split()]() mutable { Answer(b->guest, 200, r, {1, 1, 2}); });
  Ask(a->guest, 200, random.Split(), {0, 2, 1});
  answerer.join();
  a.reset();
  CHECK(!switch_left.expired());
  b.reset();
  CHECK(switch_left.expired() && engine_left.expired());
}

/// Writes rubbish wherever a guest can write, in a thread of its own, often such that it looks plausible.
class Scribbler {
 public:
  Scribbler(std::vector<Guest*> victims, Random random)
      : victims_(std::move(victims)), random_(random), thread_([this] { Run(); }) {}
  ~Scribbler() {
    stop_ = true;
    thread_.join();
  }

 private:
  void Run() {
    while (!stop_) {
      for (int i = 0; i < 50; i++) {
        Guest& guest = *victims_[random_.Below(static_cast<uint32_t>(victims_.size()))];
        Scribble(guest, random_.Below(static_cast<uint32_t>(guest.rings.size())));
      }
      if (random_.OneIn(4)) sched_yield();
    }
  }
  void Scribble(Guest& guest, uint32_t ring) {
    GuestRing& r = guest.rings[ring];
    uint32_t near = random_.Below(r.num_slots + 2);
    switch (random_.Below(8)) {
      case 0:
        return Store(guest.csb_word(true, ring, random_.Below(3)), near);
      case 1:
        return Store(guest.csb_word(false, ring, random_.Below(16)), random_.Below(UINT32_MAX));
      case 2:
        return Store(guest.csb_word(false, ring, 2), random_.Below(2));
      case 3: {  // the header, and the rest of the first slot
        auto* words = reinterpret_cast<uint32_t*>(r.header());
        return Store(words[random_.Below(sizeof(guest::netmap_ring) / 4)], random_.Below(UINT32_MAX));
      }
      case 4:
      case 5: {
        uint32_t buf = random_.OneIn(16) ? random_.Below(UINT32_MAX) : random_.Below(r.buf_count);
        auto len = static_cast<uint16_t>(random_.OneIn(16) ? random_.Below(65536) : random_.Below(r.buf_size));
        auto flags = static_cast<uint16_t>(random_.OneIn(4) ? random_.Below(65536) : 0);
        return r.WriteSlot(random_.Below(r.num_slots), buf, len, flags);
      }
      default:  // what a guest may say: all that it owns
        Store(guest.csb_word(false, ring, 1), LoadRelaxed(guest.csb_word(true, ring, 1)));
        Store(guest.csb_word(false, ring, 0), LoadRelaxed(guest.csb_word(true, ring, 1)));
    }
  }
  static void Store(uint32_t& to, uint32_t value) { StoreRelaxed(to, value); }

  std::vector<Guest*> victims_;
  Random random_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

void AHostileGuestHarmsItselfAlone(Random& random) {
  auto engine = MakeEngine();
  auto sw = std::make_shared<ValeSwitch>("vale0", engine);
  NullRig null(engine, 32, Served(Policy::kNotify), Source(SourceConfig::kUnlimited));
  PipeRig pipe(engine, 32, Served(Policy::kNotify), Served(Policy::kNotify));
  ValeRig vale(engine, sw, 32, Served(Policy::kNotify)), peer(engine, sw, 32, Served(Policy::kNotify));
  std::vector<std::pair<Guest*, Port*>> hostile = {{&null.guest, null.port.get()},
                                                   {&pipe.a, &pipe.pair->master()},
                                                   {&pipe.b, &pipe.pair->slave()},
                                                   {&vale.guest, vale.port.get()}};
  Receiver rubbish;
  std::atomic<bool> done{false};
  std::thread receiving([&] { ReceiveUntil(peer.guest.rx(), rubbish, done); });
  {
    Scribbler scribbler({&null.guest, &pipe.a, &pipe.b, &vale.guest}, random.Split());
    UnderTraffic(engine, random, false, 10'000, [&](Guest&) {
      auto [guest, port] = hostile[random.Below(4)];
      for (int i = 0; i < 20; i++) RingHere(*guest->attachment, random.Below(port->rings()));
      auto probe = Probe(0, 60 + random.Below(100));
      if (peer.guest.tx().Put(probe.data(), 60)) peer.guest.tx().Publish();
      if (random.OneIn(8)) CHECK_OK(guest->attachment->SetPolicy(AnyService(random, *engine)));
      if (random.OneIn(32)) {
        guest->Detach();
        CHECK_OK(guest->TryAttach(engine, *port, AnyService(random, *engine)));  // what it would find is rubbish
      }
    });
  }
  Finish(peer.guest.rx(), done);
  receiving.join();
  for (auto [guest, port] : hostile) guest->Detach();
  for (auto [guest, port] : hostile) {
    uint64_t bad = 0, moved = 0;
    for (uint32_t i = 0; i < port->rings(); i++) {
      bad += port->kring(i).counters->bad_index;
      moved += port->kring(i).counters->packets;
    }
    CHECK(bad > 0 && moved > 0);
  }
  CHECK(rubbish.packets > 0);
}

}  // namespace

int main() {
  Random random("stress");
  TwoWorkersMeetAtOneReceiver(random);
  AReceiverComesAndGoes(random);
  PortsComeAndGo(random);
  TheLastOneTurnsOffTheLight(random);
  AHostileGuestHarmsItselfAlone(random);
}
