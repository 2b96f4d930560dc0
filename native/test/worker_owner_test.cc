// A doorbell that finds the worker asleep is served by the thread that rings it, and what that thread must not or
// should not do is left to the worker: much work, and whatever comes while it serves.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "kick_peer.h"
#include "traffic.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr AttachOptions kNotify{.policy = Policy::kNotify, .spin_ns = 0, .worker = 0};

WorkerCounters const& CountersOf(NullRig& rig) { return rig.engine->worker(0).counters(); }

/// Waits until the flow is parked and the worker's thread owns nothing.
void AwaitSleep(GuestRing& ring, Worker& worker) {
  Eventually("a parked flow", [&] { return ring.Drained() && ring.HostWantsKick(); });
  AwaitAsleep(worker);
}

void Show(GuestRing& ring, uint64_t first, uint64_t end) {
  for (uint64_t seq = first; seq < end; seq++) CHECK(ring.Put(Probe(seq).data(), 60));
  ring.Show();
}

/// Gaps between packets are of some milliseconds here: for policy adaptive far more than it is worth to poll for, which
/// it finds out with the first packets, and tries now and then.
void ASleepingWorkerIsNotWoken(AttachOptions options, uint64_t packets_before, uint64_t woken_most) {
  NullRig rig(MakeEngine(), 16, options);
  GuestRing& tx = rig.guest.tx();
  uint64_t woken = 0;
  for (uint64_t seq = 0; seq < 50; seq++) {
    AwaitSleep(tx, rig.engine->worker(0));
    usleep(2000);
    if (seq < packets_before) {
      Show(tx, seq, seq + 1);
      RingHere(*rig.guest.attachment, 0);
      continue;
    }
    const uint64_t served = CountersOf(rig).served_in_kick, sleeps = CountersOf(rig).sleeps;
    Show(tx, seq, seq + 1);
    RingHere(*rig.guest.attachment, 0);
    // Done when the doorbell is: taken, and parked again.
    CHECK(tx.Drained());
    CHECK_EQ(CountersOf(rig).served_in_kick.load(), served + 1);
    const bool parked = tx.HostWantsKick();
    if (!parked)
      woken++;
    else
      CHECK_EQ(CountersOf(rig).sleeps.load(), sleeps);
  }
  CHECK(woken <= woken_most);
  rig.CheckSink(50);
}

void OthersAskTheWorker() {
  NullRig rig(MakeEngine(), 16, kNotify);
  GuestRing& tx = rig.guest.tx();
  AwaitSleep(tx, rig.engine->worker(0));
  Show(tx, 0, 1);
  rig.guest.attachment->Ring(0)->Wake();
  Eventually("a packet taken", [&] { return tx.Drained(); });
  CHECK_EQ(CountersOf(rig).served_in_kick.load(), 0u);
  rig.CheckSink(1);
}

void MuchWorkIsTheWorkers() {
  NullRig rig(MakeEngine(), 256, kNotify);
  GuestRing& tx = rig.guest.tx();
  AwaitSleep(tx, rig.engine->worker(0));
  const uint64_t sleeps = CountersOf(rig).sleeps;
  Show(tx, 0, 65);
  RingHere(*rig.guest.attachment, 0);
  Eventually("packets taken", [&] { return tx.Drained(); });
  Eventually("a worker that was awake", [&] { return CountersOf(rig).sleeps > sleeps; });
  rig.CheckSink(65);
}

/// A polled flow is not left to itself after it was served here.
void WhatIsPolledIsTheWorkers() {
  NullRig rig(MakeEngine(), 16, {Policy::kAdaptive, 20'000'000, 0});
  GuestRing& tx = rig.guest.tx();
  AwaitSleep(tx, rig.engine->worker(0));
  const uint64_t rounds = CountersOf(rig).rounds;
  Show(tx, 0, 1);
  RingHere(*rig.guest.attachment, 0);
  CHECK(tx.Drained());
  Eventually("a worker that polls", [&] { return CountersOf(rig).rounds > rounds + 1; });
  rig.CheckSink(1);
}

/// The signal never waits, so it is raised here.
void InterruptsAreRaisedHere() {
  auto engine = MakeEngine();
  PipeRig rig(engine, 16, kNotify, kNotify);
  GuestRing &tx = rig.a.tx(), &rx = rig.b.rx();
  const WorkerCounters& counters = engine->worker(0).counters();
  for (uint64_t seq = 0; seq < 50; seq++) {
    AwaitSleep(tx, engine->worker(0));
    const uint64_t sleeps = counters.sleeps;
    rx.AskForInterrupt(true);
    Show(tx, seq, seq + 1);
    RingHere(*rig.a.attachment, 0);
    CHECK(tx.Drained());
    CHECK_EQ(counters.sleeps.load(), sleeps);
    uint64_t count;
    CHECK(read(rx.irq, &count, sizeof count) == sizeof count);
    CHECK(rx.Take() == Probe(seq));
    rx.Publish();
  }
  engine->Synchronize();
  CHECK_EQ(rig.pair->slave().rx(0).counters->interrupts, 50u);
}

/// Asks when it is told to.
class Asking final : public Flow {
 public:
  explicit Asking(int question) : question_(question) {}
  Used Poll(const Budget&) noexcept override {
    if (!told.exchange(false)) return {};
    const uint64_t one = 1;
    CHECK(write(question_, &one, sizeof one) == sizeof one);
    return {.moved = true};
  }
  bool Arm() noexcept override { return false; }
  void Disarm() noexcept override {}

  std::atomic<bool> told{false};

 private:
  const int question_;
};

/// Answers, and knows where.
class Answering final : public Flow {
 public:
  Answering(int question, bool polled) : question_(question) {
    polled ? WaitForPolled("question", question) : void(WaitFor("question", question, EPOLLIN | EPOLLET));
  }
  Used Poll(const Budget&) noexcept override {
    uint64_t count;
    if (read(question_, &count, sizeof count) != sizeof count) return {};
    if (std::this_thread::get_id() == asker_) here++;
    answers++;
    return {.moved = true};
  }
  bool Arm() noexcept override { return false; }
  void Disarm() noexcept override {}

  std::atomic<uint64_t> answers{0}, here{0};

 private:
  const int question_;
  const std::thread::id asker_ = std::this_thread::get_id();
};

/// What is answered at once, as by the kernel behind a tap, is served with the question. The worker is woken by it as
/// well and may be the first, so this is not so each time.
void AnswersAreServedHere() {
  auto engine = MakeEngine();
  const os::UniqueFd question(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  Asking asking(question.get());
  Answering answering(question.get(), false);
  const auto device = std::make_shared<DeviceActivity>();
  for (Flow* flow : {static_cast<Flow*>(&asking), static_cast<Flow*>(&answering)})
    engine->Acquire(flow, device, Policy::kNotify, 0, 0);
  for (uint64_t asked = 1; answering.here == 0; asked++) {
    asking.told = true;
    Worker* worker = Engine::Mark(&asking);
    if (worker != nullptr && !worker->ServeHere()) worker->Wake();
    Eventually("an answer", [&] { return answering.answers == asked; });
  }
  for (Flow* flow : {static_cast<Flow*>(&asking), static_cast<Flow*>(&answering)}) engine->ReleaseFlow(flow);
  engine->Synchronize();
}

/// Where a poll looks for answers by itself, they do not wake the worker: all of them are served with the question.
void AnswersThatArePolledWakeNobody() {
  auto engine = MakeEngine();
  Worker& worker = engine->worker(0);
  const os::UniqueFd question(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  Asking asking(question.get());
  Answering answering(question.get(), true);
  const auto device = std::make_shared<DeviceActivity>();
  for (Flow* flow : {static_cast<Flow*>(&asking), static_cast<Flow*>(&answering)})
    engine->Acquire(flow, device, Policy::kNotify, 0, 0);
  for (uint64_t asked = 1; asked <= 50; asked++) {
    AwaitAsleep(worker);
    const uint64_t sleeps = worker.counters().sleeps;
    asking.told = true;
    CHECK(Engine::Mark(&asking) == &worker);
    CHECK(worker.ServeHere());
    CHECK_EQ(answering.answers.load(), asked);
    // One that was woken would be asleep again.
    usleep(2000);
    CHECK_EQ(worker.counters().sleeps.load(), sleeps);
  }
  CHECK_EQ(answering.here.load(), 50u);
  // What nobody here has asked is told by the kernel again.
  const uint64_t one = 1;
  CHECK(write(question.get(), &one, sizeof one) == sizeof one);
  Eventually("an answer", [&] { return answering.answers == 51; });
  CHECK_EQ(answering.here.load(), 50u);
  for (Flow* flow : {static_cast<Flow*>(&asking), static_cast<Flow*>(&answering)}) engine->ReleaseFlow(flow);
  engine->Synchronize();
}

/// What would take a lock that somebody has is left where it is.
void OnASwitchALockIsNotWaitedFor() {
  auto engine = MakeEngine();
  auto sw = std::make_shared<ValeSwitch>("vale0", engine);
  ValeRig a(engine, sw, 16, kNotify), b(engine, sw, 16, kNotify);
  GuestRing &tx = a.guest.tx(), &rx = b.guest.rx();
  const WorkerCounters& counters = engine->worker(0).counters();
  // For everybody, which tells the switch where b is.
  AwaitSleep(b.guest.tx(), engine->worker(0));
  const uint64_t sleeps = counters.sleeps;
  CHECK(b.guest.tx().Put(Probe(0, 60, 0, 0xff, 2).data(), 60));
  b.guest.tx().Show();
  RingHere(*b.guest.attachment, 0);
  CHECK(b.guest.tx().Drained());
  CHECK_EQ(counters.sleeps.load(), sleeps);
  // For b alone.
  auto send = [&](uint64_t seq) {
    CHECK(tx.Put(Probe(seq, 60, 0, 2, 1).data(), 60));
    tx.Show();
    RingHere(*a.guest.attachment, 0);
  };
  send(0);
  CHECK(tx.Drained());
  CHECK_EQ(counters.sleeps.load(), sleeps);
  CHECK(rx.Take() == Probe(0, 60, 0, 2, 1));
  rx.Publish();
  // The same while somebody delivers there: the worker waits, who rings does not.
  Kring& place = b.port->rx(0);
  place.lock.Lock();
  send(1);
  CHECK(!tx.Drained());
  place.lock.Unlock();
  Eventually("a packet taken", [&] { return tx.Drained(); });
  CHECK(rx.Take() == Probe(1, 60, 0, 2, 1));
}

/// Interrupts are due when the ring that asked for them goes: none is raised for what is gone.
void NothingIsRaisedForWhatIsGone(Random& random) {
  auto engine = MakeEngine(2);
  auto sw = std::make_shared<ValeSwitch>("vale0", engine);
  for (int round = 0; round < 100; round++) {
    ValeRig a(engine, sw, 16, kNotify);
    auto b = std::make_unique<ValeRig>(engine, sw, 16, AttachOptions{Policy::kNotify, 0, 1});
    b->guest.rx().AskForInterrupt(true);
    std::thread leaves([&, pause = random.Below(100)] {
      usleep(pause);
      b.reset();
    });
    usleep(random.Below(100));
    Show(a.guest.tx(), 0, 8);
    RingHere(*a.guest.attachment, 0);
    Eventually("packets taken", [&] { return a.guest.tx().Drained(); });
    leaves.join();
  }
}

/// A source that waited for room is parked anew where the guest's kick is served, now until the time of its next
/// packet: the worker, which sleeps without an end, has to be told.
void ASourceWithAPaceIsTheWorkers() {
  NullRig rig(MakeEngine(), 4, kNotify, Source(SourceConfig::kUnlimited, 200));
  GuestRing& rx = rig.guest.rx();
  const WorkerCounters& counters = CountersOf(rig);
  for (uint64_t served = counters.served_in_kick; counters.served_in_kick < served + 3;) {
    // Full, and nobody has a time to wake at: what the pace allowed meanwhile is sent first.
    while (!(rx.Mine() == 3 && rx.HostWantsKick())) usleep(100);
    AwaitAsleep(rig.engine->worker(0));
    for (uint64_t packets = rig.rx().packets; rx.Mine() > 0;) {
      CHECK(!rx.Take().empty());
      if (rx.Mine() > 0) continue;
      rx.Show();
      RingHere(*rig.guest.attachment, rx.index);
      Eventually("packets in their time", [&] { return std::atomic_ref(rig.rx().packets).load() >= packets + 3; });
      break;
    }
  }
}

/// The kick thread itself meets the hole where a guest has cut off its CSB.
void AKickThreadSurvivesATruncatedCsb() {
  Fixture f;
  NullRig rig(MakeEngine(), 16, kNotify);
  uint32_t session;
  auto client = f.Connect(&session, false);
  CHECK(!f.kick->SetDoorbells(session, {0, 0x80, 4}, rig.guest.attachment));
  AwaitSleep(rig.guest.tx(), rig.engine->worker(0));
  CHECK(ftruncate(rig.guest.fd(), 0) == 0);
  Write(client, Doorbell(0x80));
  CHECK_EQ(ReadReply(client).offset, 0x80);
  Eventually("a lost CSB", [&] { return rig.guest.attachment->csb_lost(); });
  CHECK(CountersOf(rig).served_in_kick > 0);
  // And serves others after that.
  NullRig other(rig.engine, 16, kNotify);
  CHECK(!f.kick->SetDoorbells(session, {0, 0x80, 4}, other.guest.attachment));
  AwaitSleep(other.guest.tx(), rig.engine->worker(0));
  Show(other.guest.tx(), 0, 1);
  Write(client, Doorbell(0x80));
  CHECK_EQ(ReadReply(client).offset, 0x80);
  Eventually("a packet taken", [&] { return other.guest.tx().Drained(); });
  CHECK(!f.kick->ClearDoorbells(session));
}

}  // namespace

int main() {
  Random random("worker_owner");
  ASleepingWorkerIsNotWoken(kNotify, 0, 0);
  ASleepingWorkerIsNotWoken({Policy::kAdaptive, 100'000, 0}, 6, 3);
  OthersAskTheWorker();
  MuchWorkIsTheWorkers();
  WhatIsPolledIsTheWorkers();
  InterruptsAreRaisedHere();
  AnswersAreServedHere();
  AnswersThatArePolledWakeNobody();
  NothingIsRaisedForWhatIsGone(random);
  OnASwitchALockIsNotWaitedFor();
  ASourceWithAPaceIsTheWorkers();
  AKickThreadSurvivesATruncatedCsb();
}
