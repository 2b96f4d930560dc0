// A device whose memory keeps others waiting is left alone until it has paid for it: whoever serves it, the one who
// switches packets to it, and the control plane; nobody else pays.
#include "datapath/peer_memory.h"

#include "slow_page.h"
#include "traffic.h"
#include "vale_net.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr uint32_t kMs = 220;        // a stall, more than is free
constexpr uint32_t kStallsMost = 2;  // before its device is left alone: at the first it is not known whose it is
constexpr uint8_t kAll = 0xff;
constexpr uint64_t kLater = 3600 * 1'000'000'000ull;

void ALittleIsForgiven() {
  RingCounters counters;
  PeerMemory memory(counters);
  for (int i = 0; i < 9; i++) memory.Charge(20'000'000);
  CHECK(!memory.paused());
  CHECK(!memory.Resume(NowNs() + kLater));
  for (int i = 0; i < 3; i++) memory.Charge(20'000'000);
  CHECK(memory.paused());
  CHECK_EQ(counters.mem_slow, 1u);
  // A thousand times what is beyond it.
  CHECK(!memory.Resume(NowNs() + 10'000'000'000));
  CHECK(memory.Resume(NowNs() + 50'000'000'000));
  CHECK(!memory.paused() && !memory.Resume(NowNs() + kLater));
}

/// A null port whose sink takes what its guest sends.
struct Device {
  std::shared_ptr<Region> region = MakeRegion();
  std::shared_ptr<NullPort> port;
  Guest guest;
  Device(const std::string& name, std::shared_ptr<StatsArea> stats) {
    CHECK_OK(NullPort::Create(region, stats, {name, 1, 1, 64, 64, 0}, &port));
  }
  uint64_t packets() { return std::atomic_ref<uint64_t>(port->tx(0).counters->packets).load(); }
  /// Through the guest's own mapping of its CSB.
  void Publish(uint32_t head) {
    guest.csb_word(false, 0, 1) = head;
    guest.csb_word(false, 0, 0) = head;
  }
  void FillSlots() {
    for (uint32_t i = 0; i < 64; i++) guest.tx().slot(i).len = 60;
  }
  SlowPage SlowCsb() { return {port->kring(0).atok, guest.fd(), 0}; }
};

void Send(Device& device, uint32_t packets) {
  const uint64_t before = device.packets();
  for (uint32_t i = 0; i < packets; i++) CHECK(device.guest.tx().Put(Probe(i)));
  device.guest.tx().Publish();
  Eventually("packets that are taken", [&] { return device.packets() - before == packets; });
}

void WhoTakesItsPagesAwayIsLeftAlone(Policy policy) {
  auto engine = MakeEngine();
  auto stats = MakeStats();
  Device bad("null:a", stats), good("null:b", stats);
  bad.guest.Attach(engine, *bad.port, {.policy = policy});
  good.guest.Attach(engine, *good.port, {.policy = Policy::kPoll});
  bad.FillSlots();
  PeerMemory& memory = bad.port->memory();
  RingCounters& counters = *bad.port->tx(0).counters;
  SlowPage csb = bad.SlowCsb();
  uint32_t head = 0;
  while (!memory.paused()) {
    csb.TakeAway(kMs);
    const uint32_t before = csb.waits();
    bad.guest.tx().Kick();
    Eventually("somebody who waits", [&] { return csb.waits() > before || memory.paused(); });
    engine->Synchronize();
    CHECK(csb.waits() <= kStallsMost);
  }
  CHECK_EQ(counters.mem_slow, 1u);

  // Nobody touches it, whatever its guest does.
  csb.TakeAway(kMs);
  const uint32_t waits = csb.waits();
  const uint64_t packets = bad.packets();
  for (int i = 0; i < 20; i++) {
    bad.guest.tx().Kick();
    if (i == 10) engine->Tick(NowNs());
    Send(good, 10);
  }
  CHECK_OK(bad.guest.attachment->SetPolicy({.policy = Policy::kPoll}));
  CHECK_EQ(csb.waits(), waits);
  CHECK_EQ(bad.packets(), packets);

  // Until it has paid.
  csb.BringBack();
  bad.Publish(head = 5);
  engine->Tick(NowNs() + kLater);
  CHECK(!memory.paused());
  Eventually("packets that waited", [&] { return bad.packets() - packets == 5; });
  CHECK_EQ(good.port->tx(0).counters->mem_slow, 0u);

  // The control plane does not wait for it either, and lets it come again when it has paid.
  memory.Charge(1'000'000'000);
  engine->Synchronize();
  csb.TakeAway(kMs);
  const uint32_t then = csb.waits();
  bad.guest.attachment->Detach();
  bad.guest.attachment.reset();
  CHECK_EQ(bad.guest.TryAttach(engine, *bad.port, {.policy = policy}).err, EAGAIN);
  CHECK_EQ(csb.waits(), then);
  CHECK(memory.Resume(NowNs() + kLater));
  CHECK_OK(bad.guest.TryAttach(engine, *bad.port, {.policy = policy}));
}

/// Policy inline: the control plane serves, waits, and finds out whose memory it is when it waits again.
void InlineWaitsTwice() {
  auto engine = MakeEngine();
  auto stats = MakeStats();
  Device bad("null:a", stats);
  bad.guest.Attach(engine, *bad.port);
  SlowPage csb = bad.SlowCsb();
  for (uint32_t i = 0; i < 5; i++) {
    csb.TakeAway(kMs);
    bad.guest.attachment->Sync(0);
    engine->Tick(NowNs());
    CHECK_EQ(bad.port->memory().paused(), i > 0);
    CHECK_EQ(csb.waits(), std::min(i + 1, 2u));
  }
  csb.BringBack();
  engine->Tick(NowNs() + kLater);
  CHECK(!bad.port->memory().paused());
}

struct Switched : Net {
  explicit Switched() {
    for (int i = 0; i < 3; i++) {
      Station& s = Add();
      s.guest.Detach();
      s.guest.Attach(engine, *s.port, {.policy = i == 0 ? Policy::kPoll : Policy::kNotify});
    }
  }
  bool paused(int i) { return stations[i]->port->memory().paused(); }
};

/// Who sends to all is served, and so is everybody else: only the one whose pages are waited for gets nothing.
void AReceiverPaysForItself() {
  Switched net;
  Station &from = *net.stations[0], &bad = *net.stations[1], &good = *net.stations[2];
  SlowPage csb(bad.port->rx(0).atok, bad.guest.fd(), 0);
  uint32_t sent = 0;
  auto send = [&] {
    CHECK(from.guest.tx().Put(Frame(kAll, 0, 60, sent++)));
    from.guest.tx().Publish();
    Eventually("a frame sent", [&] { return from.guest.tx().Drained(); });
    CHECK(good.Got(Frame(kAll, 0, 60, sent - 1)));
  };
  while (!net.paused(1)) {
    csb.TakeAway(kMs);
    send();
    net.engine->Synchronize();
    CHECK(csb.waits() <= kStallsMost);
  }
  CHECK(!net.paused(0) && !net.paused(2));
  CHECK_EQ(bad.rx().mem_slow + bad.tx().mem_slow, 1u);
  csb.TakeAway(kMs);
  const uint32_t waits = csb.waits();
  for (int i = 0; i < 10; i++) send();
  CHECK_EQ(csb.waits(), waits);
  CHECK_EQ(bad.rx_drops(Drop::kDown), 10u);
  csb.BringBack();
  net.engine->Tick(NowNs() + kLater);
  const uint64_t before = bad.rx().packets;
  send();
  CHECK_EQ(bad.rx().packets - before, 1u);
}

/// A sender whose pages are waited for while its packet is copied cannot blame who gets it.
void ASenderPaysForItself() {
  Switched net;
  Station &from = *net.stations[0], &to = *net.stations[1];
  CHECK(to.guest.tx().Put(Frame(0, 1, 60)));  // its address is known from then on
  to.guest.tx().Publish();
  Eventually("a frame received", [&] { return !from.Nothing(); });
  uint32_t waits = 0;
  for (uint32_t sent = 0; !net.paused(0) && !net.paused(1); sent++) {
    GuestRing& tx = from.guest.tx();
    // The last of its slots lies on another page than the first, which is looked at before.
    CHECK(tx.Put(Frame(1, 0, 60, sent), 3));
    uint8_t* const buffer = tx.data(tx.Prev(tx.head));
    SlowPage page(buffer, from.region->fd(), static_cast<uint64_t>(buffer - from.region->base()));
    page.TakeAway(kMs);
    tx.Publish();
    Eventually("a frame sent", [&] { return net.paused(0) || tx.Drained(); });
    net.engine->Synchronize();
    CHECK((waits += page.waits()) <= kStallsMost);
  }
  CHECK(!net.paused(1) && !net.paused(2));
}

void APipeIsOneMemory() {
  std::shared_ptr<PipePair> pipe;
  CHECK_OK(PipePair::Create(MakeRegion(), MakeStats(), {"p{1", 1, 1, 64, 64, 0}, "p}1", &pipe));
  CHECK(&pipe->master().memory() == &pipe->slave().memory());
}

}  // namespace

int main() {
  ALittleIsForgiven();
  for (Policy policy : kPolicies) WhoTakesItsPagesAwayIsLeftAlone(policy);
  InlineWaitsTwice();
  AReceiverPaysForItself();
  ASenderPaysForItself();
  APipeIsOneMemory();
}
