// An interrupt that was missed is raised where a peer that fills its eventfd in that very moment can be nudged away: the
// poll() of this program stands for that peer.
#include <sys/syscall.h>

#include <thread>

#include "guest.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

std::atomic<int> victim{-1};  // filled once, by the next look at whether it is full

}  // namespace

extern "C" int poll(pollfd* fds, nfds_t count, int timeout) {
  const int ready = static_cast<int>(syscall(SYS_poll, fds, count, timeout));
  if (count == 1 && fds[0].events == POLLOUT) {
    const uint64_t full = 0xfffffffffffffffe;
    if (const int fd = victim.exchange(-1); fd >= 0) CHECK(write(fd, &full, sizeof full) == sizeof full);
  }
  return ready;
}

int main() {
  auto engine = MakeEngine();
  auto stats = MakeStats();
  std::shared_ptr<NullPort> port;
  CHECK_OK(NullPort::Create(MakeRegion(), stats, {"null:t", 1, 1, 64, 64, 0}, &port));
  SourceConfig source;
  source.packets = 10;
  port->source(0).Configure(source);
  Guest guest;
  guest.Attach(engine, *port, {.policy = Policy::kNotify});
  GuestRing& rx = guest.rx();
  StoreRelaxed(rx.atok->appl_need_kick, 1);
  source.packets = 20;
  engine->WithFlow(port->flow(1), [&] { port->source(0).Configure(source); });
  Engine::Kick(port->flow(1));
  while (rx.Mine() < 20) sched_yield();  // without an eventfd its interrupt is missed
  const int fd = eventfd(0, EFD_CLOEXEC);
  victim = fd;
  std::atomic<bool> done{false};
  std::thread control([&] {
    CHECK_OK(guest.attachment->SetInterrupts(1, {fd}));
    done = true;
  });
  // As the host does once a second. Without a way out this never ends, and the run's limit says so.
  while (!done) {
    engine->Nudge();
    usleep(20'000);
  }
  control.join();
  CHECK_EQ(victim.load(), -1);
  close(fd);
}
