// Where the kernel offers no asynchronous operations: a peer fills its eventfd just when an interrupt is being raised,
// and keeps who raises it in that call. Nobody else waits for it, neither a worker, nor the reader of the sockets, nor
// who detaches that very guest.
#include <fcntl.h>

#include "kick_peer.h"
#include "peer_calls.h"
#include "traffic.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

AttachOptions NotifyOn(uint32_t worker) { return {Policy::kNotify, 0, worker}; }

void Show(GuestRing& ring) {
  CHECK(ring.Put(Probe(0).data(), 60));  // to everybody
  ring.Show();
}

/// Somebody waits in the interrupt of `hostile`, which a packet from `sender` was to raise.
struct Scene {
  std::shared_ptr<Engine> engine = MakeEngine(2);
  std::shared_ptr<ValeSwitch> sw = std::make_shared<ValeSwitch>("vale0", engine);
  ValeRig honest{engine, sw, 16, NotifyOn(0)};
  ValeRig hostile{engine, sw, 16, NotifyOn(0)};
  ValeRig sender{engine, sw, 16, NotifyOn(1)};

  Scene() {
    // The peer shares the open file.
    const int fd = hostile.guest.rx().irq;
    CHECK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == 0);
    const auto& counters = engine->worker(1).counters();
    Eventually("a worker asleep", [&] { return counters.sleeps > 0 && counters.parks > 0; });
    hostile.guest.rx().AskForInterrupt(true);
    peer_calls.fill = true;
    Show(sender.guest.tx());
    if (Worker* worker = sender.guest.attachment->Ring(0)) worker->Wake();
    Eventually("a full eventfd", [] { return !peer_calls.fill; });
  }
  ~Scene() {
    // Lets who waits there go: as the peer would, who wants its interrupts.
    uint64_t count;
    CHECK(read(hostile.guest.irqs()[1], &count, sizeof count) == sizeof count);
  }
};

void TheWorkerGoesOn() {
  Scene s;
  s.engine->worker(1).Call([] {});
  Show(s.sender.guest.tx());
  RingHere(*s.sender.guest.attachment, 0);
  Eventually("served", [&] { return s.sender.guest.tx().Drained(); });
  CHECK(s.engine->lanes().without_aio() > 0);
}

void TheReaderOfTheSocketsGoesOn() {
  Scene s;
  NullRig bystander(s.engine, 16, NotifyOn(0));
  Fixture f;
  uint32_t listener, session;
  const std::string other = f.path + ".other";
  CHECK(!f.kick->Listen(other, 0600, {4096, 4}, &listener));
  auto client = f.Connect(&session, false);
  CHECK(!f.kick->SetDoorbells(session, {0, 0x80, 4}, s.honest.guest.attachment));
  os::UniqueFd second;
  CHECK(!os::ConnectUnix(other, &second));
  CHECK(!f.kick->SetDoorbells(f.sink.Next('c').session, {0, 0x80, 4}, bystander.guest.attachment));
  Show(s.honest.guest.tx());  // delivered to the hostile guest's ring as well
  Write(client, Doorbell(0x80));
  CHECK_EQ(ReadReply(client).offset, 0x80);
  Show(bystander.guest.tx());
  Write(second, Doorbell(0x80));
  CHECK_EQ(ReadReply(second).offset, 0x80);
  Eventually("both served", [&] { return s.honest.guest.tx().Drained() && bystander.guest.tx().Drained(); });
  CHECK(!f.kick->ClearDoorbells(session));
}

void TheHostileGuestCanBeDetached() {
  Scene s;
  s.hostile.guest.Detach();
}

}  // namespace

int main() {
  peer_calls.no_aio = true;
  TheWorkerGoesOn();
  TheReaderOfTheSocketsGoesOn();
  TheHostileGuestCanBeDetached();
}
