// A peer that makes its interrupts take long has them raised by a thread of their own, for good, and hurts nobody else
// with them; one whose signals are only held up by a busy machine does not.
#include "peer_calls.h"
#include "traffic.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

pid_t ThisThread() { return static_cast<pid_t>(RawCall(SYS_gettid, 0, 0, 0, 0, 0, 0)); }

/// A device with one vector, whose interrupts this program raises.
struct Device {
  std::shared_ptr<InterruptPeer> peer;
  std::shared_ptr<Interrupt> interrupt;
  std::shared_ptr<PeerEventfd> left;  // of the last attachment
  RingCounters counters;
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

  explicit Device(std::shared_ptr<InterruptLanes> lanes) : peer(std::make_shared<InterruptPeer>(lanes)) { Attach(); }
  ~Device() { close(fd); }
  void Attach() {
    interrupt = std::make_shared<Interrupt>(peer);
    interrupt->Set(PeerEventfd::Duplicate(fd));
  }
  void Detach() {
    left = interrupt->End();
    if (left) peer->Drain({left}, counters);
  }
  void Raise() { interrupt->Raise(counters); }
  bool Fired() {
    uint64_t count;
    return read(fd, &count, sizeof count) == sizeof count;
  }
  void AwaitInterrupt() {
    Eventually("an interrupt", [&] { return Fired(); });
  }
  void MoveOff() {
    peer_calls.cpu_us = 25'000;
    while (!peer->moved_off()) Raise();
    peer_calls.cpu_us = 0;
    AwaitInterrupt();
  }
};

/// Two signals at most: the first one makes it suspect.
void WhoTakesLongIsMovedOffForGood() {
  Device device(std::make_shared<InterruptLanes>());
  device.Raise();
  CHECK(device.Fired());
  CHECK_EQ(peer_calls.raised_by.load(), ThisThread());
  peer_calls.cpu_us = 25'000;
  for (int i = 0; i < 2; i++) device.Raise();
  CHECK(device.peer->moved_off());
  CHECK_EQ(device.counters.irq_slow, 1u);
  peer_calls.cpu_us = 0;
  device.AwaitInterrupt();
  for (int i = 0; i < 10; i++) {
    if (i == 5) device.Detach(), device.Attach();
    device.Raise();
    device.AwaitInterrupt();
    CHECK(peer_calls.raised_by != ThisThread());
  }
  CHECK_EQ(device.counters.irq_slow, 1u);
  CHECK(device.counters.interrupts > 3);
}

/// What a preempted thread waits for is not the peer's doing.
void WhoIsOnlyWaitedForStays() {
  Device device(std::make_shared<InterruptLanes>());
  peer_calls.sleep_us = 2'000;
  for (int i = 0; i < 50; i++) device.Raise();
  peer_calls.sleep_us = 0;
  CHECK(!device.peer->moved_off());
  CHECK_EQ(peer_calls.raised_by.load(), ThisThread());
}

/// A little now and then is not worth it: an interrupt of the CPU counts as the thread's time.
void ALittleIsForgiven() {
  Device device(std::make_shared<InterruptLanes>());
  peer_calls.cpu_us = 1'000;
  for (int i = 0; i < 6; i++) device.Raise();
  CHECK(!device.peer->moved_off());
  for (int i = 0; i < 100 && !device.peer->moved_off(); i++) device.Raise();
  peer_calls.cpu_us = 0;
  CHECK(device.peer->moved_off());
}

void OneSlowDeviceDoesNotDelayAnother() {
  auto lanes = std::make_shared<InterruptLanes>();
  Device stuck(lanes), slow(lanes);
  stuck.MoveOff();
  slow.MoveOff();
  const uint64_t before = stuck.counters.interrupts;
  peer_calls.hold = true;
  stuck.Raise();
  Eventually("a lane that is held up", [] { return peer_calls.held == 1; });
  for (int i = 0; i < 10; i++) stuck.Raise();  // one more is on its way then, not ten
  CHECK_EQ(stuck.counters.interrupts - before, 2u);
  const std::shared_ptr<Interrupt> kept = slow.interrupt;
  std::thread other([&] { slow.Raise(); });
  Eventually("the other one at work", [] { return peer_calls.held == 2; });
  other.join();
  peer_calls.hold = false;
  slow.AwaitInterrupt();
  stuck.AwaitInterrupt();
}

void ManySlowDevicesShare() {
  auto lanes = std::make_shared<InterruptLanes>();
  std::vector<std::unique_ptr<Device>> devices;
  std::vector<InterruptLane*> seen;
  for (size_t i = 0; i < InterruptLanes::kLanesMax + 4; i++) {
    devices.push_back(std::make_unique<Device>(lanes));
    devices.back()->MoveOff();
    seen.push_back(devices.back()->peer->Lane());
    CHECK(seen.back() == devices.back()->peer->Lane());
    devices.back()->Raise();
    devices.back()->AwaitInterrupt();
  }
  std::ranges::sort(seen);
  CHECK_EQ(std::ranges::unique(seen).begin() - seen.begin(), static_cast<long>(InterruptLanes::kLanesMax));
}

/// Also not by what the lane is about to do, or has still to do.
void NothingOfASlowOneComesAfterItsEnd() {
  Device device(std::make_shared<InterruptLanes>());
  device.MoveOff();
  for (int round = 0; round < 200; round++) {
    device.Raise();
    device.Detach();
    // A lane that got no CPU in time is waited for here: what it does later is what is looked at.
    Eventually("what was left, taken", [&] { return device.left->taken.load(); });
    CHECK(!device.Fired());
    device.Attach();
    if (round % 20 == 0) usleep(1000);
    CHECK(!device.Fired());
  }
}

/// Who keeps even that from ending is not waited for; it is his own guest that may get one more.
void AStuckOneCanBeDetached() {
  Device device(std::make_shared<InterruptLanes>());
  device.MoveOff();
  peer_calls.hold = true;
  for (int i = 0; i < 10; i++) {
    device.Raise();
    device.Detach();
    device.Attach();
  }
  peer_calls.hold = false;
  device.Raise();
  device.AwaitInterrupt();
}

/// Taking what is left wakes whoever waits for room, so it may take as long: once.
void WhoIsSlowToBeEmptiedIsMovedOff() {
  Device device(std::make_shared<InterruptLanes>());
  peer_calls.cpu_us = 25'000;
  device.Detach();
  peer_calls.cpu_us = 0;
  CHECK(device.peer->moved_off());
  CHECK_EQ(device.counters.irq_slow, 1u);
}

/// Names of ports come and go: who has never been slow is forgotten with its last attachment, and of the slow ones
/// those that were attached last are kept.
void PeersAreForgotten() {
  auto engine = MakeEngine();
  const std::weak_ptr<InterruptPeer> quick = engine->PeerOf("quick");
  const auto held = engine->PeerOf("held");
  CHECK(quick.expired());
  CHECK(engine->PeerOf("held") == held);
  RingCounters counters;
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::vector<std::weak_ptr<InterruptPeer>> slow;
  for (size_t i = 0; i < Engine::kSlowPeersKept + 2; i++) {
    const auto peer = engine->PeerOf("slow" + std::to_string(i));
    peer_calls.sleep_us = 200;
    CHECK(peer->Signal(fd, counters));
    peer_calls.sleep_us = 0;
    CHECK(peer->suspect());
    slow.push_back(peer);
  }
  (void)engine->PeerOf("quick");
  CHECK(slow[0].expired() && slow[1].expired());
  for (size_t i = 2; i < slow.size(); i++) CHECK(engine->PeerOf("slow" + std::to_string(i)) == slow[i].lock());
  CHECK(engine->PeerOf("held") == held);
  close(fd);
}

}  // namespace

int main() {
  PeersAreForgotten();
  WhoTakesLongIsMovedOffForGood();
  WhoIsOnlyWaitedForStays();
  ALittleIsForgiven();
  OneSlowDeviceDoesNotDelayAnother();
  ManySlowDevicesShare();
  NothingOfASlowOneComesAfterItsEnd();
  AStuckOneCanBeDetached();
  WhoIsSlowToBeEmptiedIsMovedOff();
}
