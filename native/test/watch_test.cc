// A flow waits for descriptors of any kind: level or edge, in and out, with errors, on a worker and under policy
// inline.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <thread>

#include "traffic.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

/// As a tap's or a socket's flow: reads what comes and counts it. It polls until there is nothing more.
class ReaderFlow final : public Flow {
 public:
  ReaderFlow(int fd, uint32_t events) : fd_(fd) { watch = WaitFor("reader: socket", fd, events); }
  Used Poll(const Budget& budget) noexcept override {
    if (busy) return {.moved = true, .slots = 256, .bytes = 1};
    if (hold) return {};
    uint8_t bytes[64];
    const ssize_t n = read(fd_, bytes, std::min<size_t>(sizeof bytes, budget.bytes));
    if (n <= 0) return {};
    got += static_cast<uint64_t>(n);
    return {.moved = true, .slots = 1, .bytes = static_cast<uint32_t>(n)};
  }
  bool Arm() noexcept override { return false; }
  void Disarm() noexcept override {}
  void OnReady(Watch& w, uint32_t seen) noexcept override {
    CHECK(&w == watch);
    if (hold && (seen & EPOLLIN) != 0) w.SetEvents(0);
    events |= seen;
    calls++;
  }

  Watch* watch;
  std::atomic<uint64_t> got{0}, calls{0};
  std::atomic<uint32_t> events{0};
  std::atomic<bool> hold{false};
  std::atomic<bool> busy{false};  // it moves something else all the time, and reads nothing

 private:
  const int fd_;
};

struct Pair {
  explicit Pair(int type = SOCK_STREAM) {
    CHECK(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
  }
  ~Pair() {
    close(ends[0]);
    if (ends[1] >= 0) close(ends[1]);
  }
  void Say(int n) {
    for (int i = 0; i < n; i++) CHECK(write(ends[1], "x", 1) == 1);
  }
  int ends[2];
};

/// A flow on a worker, without an attachment, as a member of a switch that has no client.
struct OnWorker {
  OnWorker(std::shared_ptr<Engine> e, Flow* f, Policy policy = Policy::kNotify) : engine(std::move(e)), flow(f) {
    engine->Acquire(flow, std::make_shared<DeviceActivity>(), policy, 0, 0);
  }
  ~OnWorker() {
    engine->ReleaseFlow(flow);
    engine->Synchronize();
  }
  std::shared_ptr<Engine> engine;
  Flow* flow;
};

/// The worker's thread is in epoll, and stays there.
void AwaitRest(Engine& engine) {
  const WorkerCounters& c = engine.worker(0).counters();
  Eventually("a worker at rest", [&] {
    const uint64_t rounds = c.rounds, sleeps = c.sleeps;
    usleep(2000);
    return sleeps > 0 && rounds == c.rounds && sleeps == c.sleeps;
  });
}

void ASleepingWorkerIsWoken(uint32_t events) {
  Pair pair;
  ReaderFlow flow(pair.ends[0], events);
  auto engine = MakeEngine();
  OnWorker on(engine, &flow);
  for (uint64_t i = 1; i <= 50; i++) {
    AwaitRest(*engine);
    pair.Say(3);
    Eventually("bytes read", [&] { return flow.got == 3 * i; });
  }
  CHECK((flow.events & EPOLLIN) != 0);
  CHECK_EQ(engine->worker(0).counters().watch_errors.load(), 0u);
}

/// While other flows keep the worker busy, the descriptor is looked at all the same.
void ABusyWorkerLooksToo() {
  Pair pair;
  ReaderFlow flow(pair.ends[0], EPOLLIN);
  auto engine = MakeEngine();
  NullRig busy(engine, 16, {.policy = Policy::kPoll, .spin_ns = 0, .worker = 0});
  OnWorker on(engine, &flow);
  for (uint64_t i = 1; i <= 50; i++) {
    pair.Say(1);
    Eventually("a byte read", [&] { return flow.got == i; });
  }
}

/// A flow that cannot take what is there says so, and its thread sleeps; later it takes it.
void WhoCannotReadTakesTheEventAway() {
  Pair pair;
  ReaderFlow flow(pair.ends[0], EPOLLIN);
  auto engine = MakeEngine();
  OnWorker on(engine, &flow);
  flow.hold = true;
  pair.Say(1);
  Eventually("an event", [&] { return flow.calls > 0; });
  AwaitRest(*engine);
  CHECK_EQ(flow.got.load(), 0u);
  flow.hold = false;
  engine->WithFlow(&flow, [&] { flow.watch->SetEvents(EPOLLIN); });
  Eventually("a byte read", [&] { return flow.got == 1; });
}

void RoomToWriteIsTold() {
  Pair pair;
  ReaderFlow flow(pair.ends[0], EPOLLIN | EPOLLOUT | EPOLLET);
  auto engine = MakeEngine();
  char bytes[4096] = {};
  while (write(pair.ends[0], bytes, sizeof bytes) > 0) continue;
  OnWorker on(engine, &flow);
  AwaitRest(*engine);
  CHECK((flow.events & EPOLLOUT) == 0);
  while (read(pair.ends[1], bytes, sizeof bytes) > 0) continue;
  Eventually("room", [&] { return (flow.events & EPOLLOUT) != 0; });
}

/// The other end goes: the flow is told once, it is counted and said, and the thread sleeps although the kernel would
/// tell it for ever.
void AnErrorIsToldOnce() {
  Pair pair;
  ReaderFlow flow(pair.ends[0], EPOLLIN);
  auto engine = MakeEngine();
  OnWorker on(engine, &flow);
  AwaitRest(*engine);
  pair.Say(2);
  Eventually("bytes read", [&] { return flow.got == 2; });
  close(std::exchange(pair.ends[1], -1));
  Eventually("an error", [&] { return engine->worker(0).counters().watch_errors == 1; });
  AwaitRest(*engine);
  CHECK((flow.events & EPOLLHUP) != 0);
  CHECK_EQ(engine->worker(0).counters().watch_errors.load(), 1u);
  const auto said = engine->watch_errors().Take();
  CHECK_EQ(said.size(), 1u);
  CHECK(said[0] == "reader: socket: the other end is gone: not waited for any more");
  CHECK(engine->watch_errors().Take().empty());
}

/// The descriptor's flow on a worker, as a tap's.
struct Polled {
  explicit Polled(Policy policy = Policy::kNotify)
      : flow(pair.ends[0], EPOLLIN | EPOLLET), on(MakeEngine(), &flow, policy) {
    on.engine->WithFlow(&flow, [&] { flow.watch->polled = true; });
  }
  bool Rests() {
    bool rests = false;
    on.engine->WithFlow(&flow, [&] { rests = flow.watch->resting; });
    return rests;
  }
  void AwaitThatItRests(bool rests) {
    Eventually("its watch at rest, or not", [&] { return Rests() == rests; });
  }
  uint64_t errors() { return on.engine->worker(0).counters().watch_errors; }
  Pair pair;
  ReaderFlow flow;
  OnWorker on;
};

/// While it is busy the kernel does not tell; what came meanwhile, and what comes later, is found.
void ABusyFlowsDescriptorRests() {
  Polled p;
  for (uint64_t i = 0; i < 20; i++) {
    p.flow.busy = true;
    p.pair.Say(1);
    p.AwaitThatItRests(true);
    p.pair.Say(1);
    p.flow.busy = false;
    Eventually("bytes read", [&] { return p.flow.got == 3 * i + 2; });
    p.AwaitThatItRests(false);
    AwaitRest(*p.on.engine);
    p.pair.Say(1);
    Eventually("a byte read", [&] { return p.flow.got == 3 * i + 3; });
  }
  CHECK_EQ(p.errors(), 0u);
}

/// Others' descriptors, such as doorbells, are looked at however busy the flow is.
void WhatIsNotPolledDoesNotRest() {
  Pair pair;
  ReaderFlow flow(pair.ends[0], EPOLLIN | EPOLLET);
  OnWorker on(MakeEngine(), &flow);
  flow.busy = true;
  for (uint64_t i = 1; i <= 20; i++) {
    const uint64_t calls = flow.calls;
    pair.Say(1);
    Eventually("an event", [&] { return flow.calls > calls; });
  }
}

/// What goes wrong in the meantime is told once it is idle, which a flow that never parks may be too; and what had an
/// error neither rests nor is watched again.
void AnErrorAtRestIsToldOnce(Policy policy) {
  Polled p(policy);
  p.flow.busy = true;
  p.pair.Say(1);
  p.AwaitThatItRests(true);
  close(std::exchange(p.pair.ends[1], -1));
  usleep(5000);
  CHECK_EQ(p.errors(), 0u);
  p.flow.busy = false;
  Eventually("an error", [&] { return p.errors() == 1; });
  for (bool busy : {true, false}) {
    p.flow.busy = busy;
    p.on.engine->Kick(&p.flow);
    usleep(5000);
    CHECK(!p.Rests());
  }
  CHECK_EQ(p.errors(), 1u);
}

void AWatchFollowsItsFlow() {
  Pair pair;
  ReaderFlow flow(pair.ends[0], EPOLLIN);
  auto engine = MakeEngine(2);
  OnWorker on(engine, &flow);
  for (uint64_t i = 1; i <= 50; i++) {
    engine->Move(&flow, Policy::kNotify, 0, i % 2);
    pair.Say(1);
    Eventually("a byte read", [&] { return flow.got == i; });
  }
}

/// Under policy inline the set is one descriptor for the control plane to wait for.
void WithoutAWorkerTheControlPlaneWaits() {
  Pair pair;
  ReaderFlow flow(pair.ends[0], EPOLLIN);
  WatchErrors errors;
  WatchSet set;
  CHECK_OK(set.Open(&errors));
  Engine::WatchHere(&flow, &set, true);
  auto ready = [&] {
    pollfd entry = {set.fd(), POLLIN, 0};
    return poll(&entry, 1, 0) == 1;
  };
  CHECK(!ready());
  pair.Say(1);
  CHECK(ready());
  Engine::WatchHere(&flow, &set, false);
  CHECK(!ready());
}

}  // namespace

int main() {
  for (uint32_t trigger : {uint32_t{EPOLLIN}, uint32_t{EPOLLIN} | EPOLLET}) ASleepingWorkerIsWoken(trigger);
  ABusyWorkerLooksToo();
  WhoCannotReadTakesTheEventAway();
  RoomToWriteIsTold();
  AnErrorIsToldOnce();
  ABusyFlowsDescriptorRests();
  WhatIsNotPolledDoesNotRest();
  for (Policy policy : {Policy::kNotify, Policy::kPoll}) AnErrorAtRestIsToldOnce(policy);
  AWatchFollowsItsFlow();
  WithoutAWorkerTheControlPlaneWaits();
}
