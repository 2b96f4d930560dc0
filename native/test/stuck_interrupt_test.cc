// A peer fills its eventfd just when an interrupt is being raised, and keeps the worker in that call: nobody else waits for
// it, neither the reader of the sockets, nor who wants a session, nor who detaches that very guest.
#include <fcntl.h>
#include <sys/syscall.h>

#include "kick_peer.h"
#include "traffic.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

std::atomic<bool> armed{false}, filled{false};

}  // namespace

/// The hostile peer, who fills the counter when it has just been looked at.
extern "C" int poll(pollfd* fds, nfds_t count, int timeout) {
  const int ready = static_cast<int>(syscall(SYS_poll, fds, count, timeout));
  if (count == 1 && fds->events == POLLOUT && timeout == 0 && armed.exchange(false)) {
    const uint64_t full = UINT64_MAX - 1;
    CHECK(write(fds->fd, &full, sizeof full) == sizeof full);
    filled = true;
  }
  return ready;
}

namespace {

AttachOptions NotifyOn(uint32_t worker) { return {Policy::kNotify, 0, worker}; }

void Show(GuestRing& ring) {
  CHECK(ring.Put(Probe(0).data(), 60));  // to everybody
  StoreRelaxed(ring.atok->cur, ring.head);
  StoreRelease(ring.atok->head, ring.head);
}

/// Worker 1 waits in the interrupt of `hostile`, which a packet from `sender` was to raise.
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
    StoreRelaxed(hostile.guest.rx().atok->appl_need_kick, 1);
    filled = false;
    armed = true;
    Show(sender.guest.tx());
    if (Worker* worker = sender.guest.attachment->Ring(0)) worker->Wake();
    Eventually("a full eventfd", [] { return filled.load(); });
  }
  ~Scene() {
    // As the host does once a second.
    for (int i = 0; i < 2; i++, usleep(1000)) engine->Nudge();
  }
};

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
  TheReaderOfTheSocketsGoesOn();
  TheHostileGuestCanBeDetached();
}
