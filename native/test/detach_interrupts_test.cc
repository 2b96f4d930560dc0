// A guest that is detached, as DELETE does it, under full load: from then on its eventfds are empty, and stay so,
// whoever was raising its interrupts; it has freed its rings.
#include "traffic.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr int kRounds = 300;

bool Fired(int fd) {
  pollfd entry = {fd, POLLIN, 0};
  return poll(&entry, 1, 0) == 1;
}

void CheckSilent(const Guest& guest, Random& random) {
  for (int again = 0; again < 3; again++) {
    for (int fd : guest.irqs()) CHECK(!Fired(fd));
    usleep(random.Below(150));
  }
}

/// Takes and gives back for a while, asking for every interrupt and reading none.
void Receive(Guest& guest, Random& random) {
  for (uint32_t i = random.Below(40); i-- > 0; sched_yield()) {
    for (GuestRing& ring : guest.rings) ring.AskForInterrupt(true);
    while (!guest.rx().Take().empty()) continue;
    guest.rx().Publish();
  }
}

/// Sometimes the vectors are masked, or get other eventfds, shortly before.
void MaybeChangeInterrupts(Guest& guest, Random& random) {
  const std::vector<int> none(guest.rings.size(), -1);
  if (random.OneIn(4)) CHECK_OK(guest.attachment->SetInterrupts(0, none));
  if (random.OneIn(4)) guest.ReplaceInterrupts(true);
  if (random.OneIn(4)) CHECK_OK(guest.attachment->SetInterrupts(0, none));
}

uint64_t ComeAndGo(std::shared_ptr<Engine> engine, Guest& guest, Port& port, Random& random) {
  for (int round = 0; round < kRounds; round++) {
    Receive(guest, random);
    MaybeChangeInterrupts(guest, random);
    guest.Detach();
    CheckSilent(guest, random);
    guest.Attach(engine, port, AnyService(random, *engine));
    guest.EnableInterrupts();
  }
  return std::atomic_ref<uint64_t>(port.kring(guest.rx().index).counters->interrupts).load();
}

void OfASource(Random& random) {
  NullRig rig(MakeEngine(), 64, Served(Policy::kPoll), Source(SourceConfig::kUnlimited));
  CHECK(ComeAndGo(rig.engine, rig.guest, *rig.port, random) > 0);
}

/// The sender's worker is another one than the receiver's, and raises its interrupts without the ring's lock.
void OfASwitch(Random& random) {
  auto engine = MakeEngine(2);
  auto sw = std::make_shared<ValeSwitch>("vale0", engine);
  ValeRig sender(engine, sw, 64, Served(Policy::kPoll, 1)), receiver(engine, sw, 64, Served(Policy::kPoll, 0));
  std::atomic<bool> stop{false};
  std::thread sending([&] {
    GuestRing& tx = sender.guest.tx();
    for (uint64_t seq = 0; !stop; tx.Publish(), sched_yield())
      while (tx.Put(Probe(seq).data(), 60)) seq++;
  });
  CHECK(ComeAndGo(engine, receiver.guest, *receiver.port, random) > 0);
  stop = true;
  sending.join();
}

/// Served in the place of a worker that sleeps, by the thread that kicks.
void OfAPipe(Random& random) {
  auto engine = MakeEngine(2);
  PipeRig rig(engine, 64, Served(Policy::kNotify), Served(Policy::kNotify));
  std::atomic<bool> stop{false};
  std::thread sending([&] {
    GuestRing& tx = rig.a.tx();
    for (uint64_t seq = 0; !stop; sched_yield()) {
      if (tx.Put(Probe(seq).data(), 60)) seq++;
      tx.Publish();
    }
  });
  CHECK(ComeAndGo(engine, rig.b, rig.pair->slave(), random) > 0);
  stop = true;
  sending.join();
}

}  // namespace

int main() {
  Random random("detach_interrupts");
  OfASource(random);
  OfASwitch(random);
  OfAPipe(random);
}
