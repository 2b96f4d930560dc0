// The reader of the sockets serves in the place of a sleeping worker: without the session's lock, and not again soon
// for a device that has kept it waiting.
#include "kick_peer.h"
#include "traffic.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

/// Does its one piece of work when it may, and says that it has begun.
class HeldFlow final : public Flow {
 public:
  Used Poll(const Budget&) noexcept override {
    if (!work.load()) return {};
    begun = true;
    while (held) busy ? CpuRelax() : void(usleep(5000));
    return {.moved = work.exchange(false)};
  }
  bool Arm() noexcept override { return false; }
  void Disarm() noexcept override {}

  std::atomic<bool> work{false}, held{false}, busy{false}, begun{false};
};

struct HeldTarget final : DoorbellTarget {
  std::shared_ptr<Engine> engine = MakeEngine();
  HeldFlow flow;

  HeldTarget() { engine->Acquire(&flow, std::make_shared<DeviceActivity>(), Policy::kNotify, 0, 0); }
  ~HeldTarget() {
    engine->ReleaseFlow(&flow);
    engine->Synchronize();
  }
  Worker* Ring(uint32_t) noexcept override { return Engine::Mark(&flow); }
  uint32_t rings() const noexcept override { return 1; }
  const WorkerCounters& counters() { return engine->worker(0).counters(); }
  void AwaitSleep() { AwaitAsleep(engine->worker(0)); }
};

struct Rig {
  Fixture f;
  std::shared_ptr<HeldTarget> target = std::make_shared<HeldTarget>();
  uint32_t session;
  os::UniqueFd client = f.Connect(&session, false);

  Rig() {
    CHECK(!f.kick->SetDoorbells(session, {0, 0x80, 4}, target));
    target->AwaitSleep();
  }
  void Ring() {
    target->flow.begun = false;
    target->flow.work = true;
    Write(client, Doorbell(0x80));
    CHECK_EQ(ReadReply(client).offset, 0x80);
  }
  /// Serves for longer than is usual.
  void ServeLong() {
    target->flow.held = true;
    Ring();
    Eventually("somebody at work", [&] { return target->flow.begun.load(); });
    usleep(5000);
    target->flow.held = false;
  }
  void AwaitWork() {
    Eventually("the work done", [&] { return !target->flow.work; });
  }
};

void TheSessionIsFreeMeanwhile() {
  Rig rig;
  rig.target->flow.held = true;
  rig.Ring();
  Eventually("somebody at work", [&] { return rig.target->flow.begun.load(); });
  CHECK_EQ(rig.target->counters().served_in_kick.load(), 1u);
  // Each of these would wait for ever if the session were locked.
  CHECK(!rig.f.kick->Send(rig.session, Message(9, 0), {}));
  rig.f.kick->Delivered(rig.session, 0, 0);
  CHECK(!rig.f.kick->ClearDoorbells(rig.session));
  CHECK(!rig.f.kick->Release(rig.session));
  rig.target->flow.held = false;
  rig.AwaitWork();
}

void WhoIsSlowIsServedByTheWorker() {
  Rig rig;
  // The first time it is only suspected.
  for (uint64_t found = 0; found <= 1; found++) {
    rig.ServeLong();
    Eventually("a slow service", [&] { return rig.f.kick->counters().slow_services == found; });
    rig.AwaitWork();
    rig.target->AwaitSleep();
  }
  for (int i = 0; i < 3; i++) {
    rig.Ring();
    rig.AwaitWork();
    rig.target->AwaitSleep();
  }
  CHECK_EQ(rig.target->counters().served_in_kick.load(), 2u);
  // Other devices are not meant.
  auto other = std::make_shared<HeldTarget>();
  uint32_t listener;
  const std::string path = rig.f.path + ".other";
  CHECK(!rig.f.kick->Listen(path, 0600, {4096, 4}, &listener));
  os::UniqueFd client;
  CHECK(!os::ConnectUnix(path, &client));
  const uint32_t session = rig.f.sink.Next('c').session;
  CHECK(!rig.f.kick->SetDoorbells(session, {0, 0x80, 4}, other));
  other->AwaitSleep();
  other->flow.work = true;
  Write(client, Doorbell(0x80));
  CHECK_EQ(ReadReply(client).offset, 0x80);
  Eventually("the work done", [&] { return !other->flow.work; });
  CHECK_EQ(other->counters().served_in_kick.load(), 1u);
  for (uint32_t each : {session, rig.session}) CHECK(!rig.f.kick->ClearDoorbells(each));
}

/// Who takes long because others have the CPU has kept nobody waiting.
void WhoNeverWaitedIsServedAgain() {
  Rig rig;
  rig.target->flow.busy = true;
  for (uint64_t served = 1; served <= 3; served++) {
    rig.ServeLong();
    rig.AwaitWork();
    rig.target->AwaitSleep();
    CHECK_EQ(rig.target->counters().served_in_kick.load(), served);
  }
  CHECK_EQ(rig.f.kick->counters().slow_services.load(), 0u);
  CHECK(!rig.f.kick->ClearDoorbells(rig.session));
}

}  // namespace

int main() {
  TheSessionIsFreeMeanwhile();
  WhoNeverWaitedIsServedAgain();
  WhoIsSlowIsServedByTheWorker();
}
