// The control plane at work under traffic: attachments come and go, flows change worker and policy, interrupts and
// doorbells are replaced; nothing is lost, seen twice, reordered or left asleep.
#include <dirent.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <mutex>

#include "os/event_signaller.h"
#include "os/peer_fd.h"
#include "traffic.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

/// Rings the doorbells of whatever is attached, from a thread of its own, as the reader of the sockets does.
class Kicker {
 public:
  explicit Kicker(Random random) : thread_([this, random]() mutable { Run(random); }) {}
  ~Kicker() {
    stop_ = true;
    thread_.join();
  }
  void Target(std::shared_ptr<Attachment> target) {
    std::lock_guard lock(mutex_);
    target_ = std::move(target);
  }

 private:
  void Run(Random& random) {
    for (; !stop_; sched_yield()) {
      std::shared_ptr<Attachment> target;
      {
        std::lock_guard lock(mutex_);
        target = target_;
      }
      for (int i = 0; target != nullptr && i < 20; i++) RingHere(*target, random.Below(target->rings()));
    }
  }
  std::mutex mutex_;
  std::shared_ptr<Attachment> target_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

/// A guest leaves right behind its last burst, without a kick: the burst is taken all the same.
void ALeavingSenderLosesNothing(Random& random) {
  auto engine = MakeEngine(2);
  Kicker kicker(random.Split());
  NullRig rig(engine, 16, AnyService(random, *engine));
  uint64_t seq = 0;
  for (int round = 0; round < 200; round++) {
    kicker.Target(rig.guest.attachment);
    uint64_t end = seq + random.Below(30);
    Send(rig.guest.tx(), seq, end, random.Split());
    seq = end;
    if (random.OneIn(2)) {  // shown, but nobody kicks
      while (rig.guest.tx().Put(Probe(seq).data(), 60)) seq++;
      rig.guest.tx().Show();
    }
    rig.guest.tx().Put(Probe(seq).data(), 60);  // never shown
    rig.guest.Detach();
    CHECK_EQ(rig.tx().packets, seq);
    rig.Attach(AnyService(random, *engine));
    CHECK_EQ(rig.guest.tx().Mine(), 15u);
  }
  kicker.Target(nullptr);
  rig.CheckSink(seq);
}

/// A receiver that gives back some of what it takes, and leaves: it finds the rest when it comes back.
struct Visitor {
  uint64_t next = 0;  // the first packet that was not given back

  void Visit(GuestRing& ring, uint64_t end, Random& random) {
    uint64_t seq = next;
    for (uint32_t n = random.Below(24); n > 0 && seq < end; n--) {
      ring.Await();
      auto packet = ring.Take();
      auto want = Probe(seq++, static_cast<uint32_t>(packet.size()));
      CHECK(packet.size() >= guest::kMinProbe && std::equal(want.begin() + 12, want.end(), packet.begin() + 12));
      if (random.OneIn(3)) {
        ring.Publish();
        next = seq;
      }
      // With hardly a slot left for more, waiting would be in vain.
      if (ring.Distance(ring.PublishedHead(), ring.head) + 3 >= ring.num_slots) break;
    }
  }
};

void WhatASourceBroughtStays(Random& random) {
  auto engine = MakeEngine(2);
  Kicker kicker(random.Split());
  NullRig rig(engine, 16, AnyService(random, *engine), Source(1500));
  for (Visitor guest; guest.next < 1500;) {
    kicker.Target(rig.guest.attachment);
    guest.Visit(rig.guest.rx(), 1500, random);
    rig.guest.Detach();
    rig.Attach(AnyService(random, *engine));
    uint32_t given_back = rig.guest.rx().PublishedHead();
    CHECK_EQ(given_back, guest.next % 16);
  }
  kicker.Target(nullptr);
  rig.guest.Detach();
  CHECK_EQ(rig.rx().packets, 1500u);
}

void APipesReceiverComesAndGoes(Random& random) {
  auto engine = MakeEngine(2);
  Kicker kicker(random.Split());
  PipeRig rig(engine, 16, Served(Policy::kNotify), Served(Policy::kNotify));
  std::thread sender([&, r = random.Split()]() mutable { Send(rig.a.tx(), 0, 1500, r); });
  for (Visitor guest; guest.next < 1500;) {
    kicker.Target(rig.b.attachment);
    guest.Visit(rig.b.rx(), 1500, random);
    rig.b.Detach();
    rig.AttachB(AnyService(random, *engine));
  }
  kicker.Target(nullptr);
  sender.join();
  Drain(rig.a.tx());
}

void APipesSenderComesAndGoes(Random& random) {
  auto engine = MakeEngine(2);
  Kicker kicker(random.Split());
  PipeRig rig(engine, 16, Served(Policy::kNotify), Served(Policy::kNotify));
  constexpr uint64_t kPackets = 3000;
  std::thread receiver([&, r = random.Split()]() mutable {
    Receiver seen;
    Receive(rig.b.rx(), seen, kPackets, r);
    seen.CheckClean();
  });
  for (uint64_t seq = 0; seq < kPackets;) {
    kicker.Target(rig.a.attachment);
    uint64_t end = std::min<uint64_t>(kPackets, seq + random.Below(40));
    Send(rig.a.tx(), seq, end, random.Split());
    seq = end;
    rig.a.Detach();
    rig.AttachA(AnyService(random, *engine));
  }
  kicker.Target(nullptr);
  receiver.join();
  Drain(rig.a.tx());
}

/// A kick may be on its way to a worker that its flow has left since. Whoever takes the flow apart waits for it.
void ALateKickFindsNoDeadFlow() {
  auto engine = MakeEngine(2);
  for (int round = 0; round < 20; round++) {
    auto rig = std::make_unique<NullRig>(engine, 8, Served(Policy::kNotify, 1));
    std::atomic<bool> busy{false}, gone{false}, go{false};
    std::thread blocker([&] {
      engine->worker(0).Call([&] {
        busy = true;
        while (!go) sched_yield();
      });
    });
    while (!busy) sched_yield();
    if (engine->worker(0).Mark(rig->port->flow(0))) engine->worker(0).Wake();
    std::thread owner([&] {
      rig.reset();
      gone = true;
    });
    // The worker gets on when the flow is gone, or when it is clear that somebody waits for it.
    for (int i = 0; i < 200 && !gone; i++) usleep(50);
    go = true;
    blocker.join();
    owner.join();
  }
}

void FlowsMoveUnderTraffic(Random& random) {
  for (bool doorbells : {false, true}) {
    int moves = 0;
    auto engine = MakeEngine(2);
    UnderTraffic(engine, random, doorbells, 20'000, [&](Guest& guest) {
      CHECK_OK(guest.attachment->SetPolicy(AnyService(random, *engine)));
      if (moves++; random.OneIn(4)) usleep(random.Below(200));
    });
    CHECK(moves > 20);
  }
}

/// An end that leaves takes its doorbells along, wherever the other end has moved the flow meanwhile.
void DoorbellsFollowTheirFlow(Random& random) {
  auto engine = MakeEngine(2);
  const uint64_t one = 1;
  int left_behind = -1;
  {
    PipeRig rig(engine, 8, Served(Policy::kNotify, 0), Served(Policy::kNotify, 0));
    Doorbells a(rig.a), b(rig.b);
    CHECK_OK(rig.a.attachment->SetPolicy(Served(Policy::kNotify, 1)));
    uint64_t wakeups = engine->worker(0).counters().wakeups;
    std::thread answerer([&, r = random.Split()]() mutable { Answer(rig.b, 200, r, {1}); });
    Ask(rig.a, 200, random.Split(), {0});
    answerer.join();
    uint64_t elsewhere = engine->worker(1).counters().wakeups;
    CHECK(write(b.fds[0], &one, sizeof one) == sizeof one);
    Eventually("a wakeup", [&] { return engine->worker(1).counters().wakeups > elsewhere; });
    CHECK_EQ(engine->worker(0).counters().wakeups.load(), wakeups);
    left_behind = dup(b.fds[0]);
  }
  CHECK(write(left_behind, &one, sizeof one) == sizeof one);
  engine->Synchronize();
  close(left_behind);
}

/// Doorbells are eventfds here, and the worker is busy with somebody else.
void DoorbellsAreHeardByABusyWorker(Random& random) {
  for (Policy policy : kPolicies) {
    for (bool busy : {false, true}) {
      auto engine = MakeEngine();
      NullRig neighbour(engine, 64, Served(busy ? Policy::kPoll : Policy::kNotify));
      NullRig rig(engine, 8, Served(policy), Source(500));
      Doorbells bells(rig.guest);
      std::thread sender([&, r = random.Split()]() mutable { Send(rig.guest.tx(), 0, 500, r); });
      Receiver receiver;
      Receive(rig.guest.rx(), receiver, 500, random.Split());
      sender.join();
      Drain(rig.guest.tx());
      receiver.CheckClean();
      rig.CheckSink(500);
      // Policy notify is kicked for more than one burst, and what is rung is counted.
      if (policy == Policy::kNotify) CHECK(std::atomic_ref<uint64_t>(rig.tx().kicks).load() > 1);
    }
  }
}

/// Guests read both eventfds, and are told through the one that is set.
void InterruptsAreReplacedUnderTraffic(Random& random) {
  int replacements = 0;
  UnderTraffic(MakeEngine(2), random, false, 20'000, [&](Guest& guest) {
    guest.ReplaceInterrupts(random.OneIn(2));
    if (replacements++; random.OneIn(4)) usleep(random.Below(100));
  });
  CHECK(replacements > 20);
}

/// This guest always asks for interrupts; nobody but us reads them.
void AReplacedInterruptStaysSilent() {
  auto engine = MakeEngine(2);
  NullRig rig(engine, 16, Served(Policy::kAdaptive, 1), Source(SourceConfig::kUnlimited));
  GuestRing& ring = rig.guest.rx();
  ring.AskForInterrupt(true);
  std::atomic<bool> stop{false};
  std::thread consumer([&] {
    Receiver receiver;
    for (; !stop; ring.Publish()) receiver.Take(ring), sched_yield();
    receiver.CheckClean();
  });
  auto fired = [](int fd) {
    uint64_t count;
    return read(fd, &count, sizeof count) == sizeof count;
  };
  int old = -1;
  for (int round = 0; round < 300; round++) {
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK_OK(rig.guest.attachment->SetInterrupts(ring.index, {fd}));
    if (old >= 0) fired(old);
    Eventually("an interrupt", [&] { return fired(fd); });
    if (old >= 0) CHECK(!fired(old) && close(old) == 0);
    old = fd;
  }
  close(old);
  stop = true;
  consumer.join();
}

/// A thread that has signalled once keeps a descriptor for it; what a peer made is closed a little later.
int OpenDescriptors() {
  const int event = eventfd(0, EFD_CLOEXEC);
  os::EventSignaller::OfThisThread().Signal(event);
  close(event);
  os::AwaitPeerCloses();
  DIR* dir = opendir("/proc/self/fd");
  int n = 0;
  while (readdir(dir) != nullptr) n++;
  closedir(dir);
  return n;
}

}  // namespace

int main() {
  Random random("churn");
  os::EventSignaller::OfThisThread();  // keeps one
  int descriptors = OpenDescriptors();
  ALeavingSenderLosesNothing(random);
  WhatASourceBroughtStays(random);
  APipesReceiverComesAndGoes(random);
  APipesSenderComesAndGoes(random);
  ALateKickFindsNoDeadFlow();
  FlowsMoveUnderTraffic(random);
  DoorbellsFollowTheirFlow(random);
  DoorbellsAreHeardByABusyWorker(random);
  InterruptsAreReplacedUnderTraffic(random);
  AReplacedInterruptStaysSilent();
  os::AwaitPeerCloses();
  CHECK_EQ(OpenDescriptors(), descriptors);
}
