// A worker that sleeps is woken by the socket itself that a doorbell comes on, before anybody has read it; a socket that
// is watched no longer wakes nobody, and no descriptor stays behind.
#include <dirent.h>
#include <sys/socket.h>

#include "traffic.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

/// The client's end of a device's socket, and ours, which nobody reads here.
struct Socket {
  int client, host;
  Socket() {
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    client = ends[0], host = ends[1];
  }
  ~Socket() { close(client), close(host); }
  void Say() { CHECK(write(client, "x", 1) == 1); }
};

bool Rests(Engine& engine, uint32_t worker) {
  uint64_t rounds = engine.worker(worker).counters().rounds;
  usleep(2000);
  return engine.worker(worker).counters().rounds == rounds;
}

/// Publishes a packet and does not kick.
void PublishQuietly(GuestRing& ring, uint64_t seq) {
  Eventually("a parked flow", [&] { return ring.Drained() && LoadRelaxed(ring.ktoa->kern_need_kick) == 1; });
  CHECK(ring.Put(Probe(seq).data(), 60));
  StoreRelaxed(ring.atok->cur, ring.head);
  StoreRelease(ring.atok->head, ring.head);
}

void AMessageWakesTheWorker() {
  for (Policy policy : {Policy::kAdaptive, Policy::kNotify}) {
    auto engine = MakeEngine();
    NullRig rig(engine, 16, Served(policy));
    GuestRing& tx = rig.guest.tx();
    Socket socket;
    rig.guest.attachment->WatchSocket(socket.host);
    for (uint64_t seq = 0; seq < 50; seq++) {
      PublishQuietly(tx, seq);
      socket.Say();
      Eventually("a packet taken", [&] { return tx.Drained(); });
    }
    // About nothing, then: it changes nothing, and the ring still wants its kick.
    for (int i = 0; i < 50; i++) socket.Say();
    Eventually("a parked flow", [&] { return LoadRelaxed(tx.ktoa->kern_need_kick) == 1; });
    Eventually("a worker at rest", [&] { return Rests(*engine, 0); });
    rig.CheckSink(50);
    CHECK_EQ(rig.tx().kicks, 0u);
  }
}

void TheSocketFollowsItsAttachment() {
  auto engine = MakeEngine(2);
  NullRig rig(engine, 16, {Policy::kNotify, 0, 0});
  GuestRing& tx = rig.guest.tx();
  Socket socket;
  rig.guest.attachment->WatchSocket(socket.host);
  for (uint64_t seq = 0; seq < 20; seq++) {
    CHECK_OK(rig.guest.attachment->SetPolicy({Policy::kNotify, 0, static_cast<uint32_t>(seq % 2)}));
    PublishQuietly(tx, seq);
    socket.Say();
    Eventually("a packet taken", [&] { return tx.Drained(); });
  }
  rig.CheckSink(20);
}

void OneThatIsWatchedNoLongerWakesNobody() {
  auto engine = MakeEngine();
  NullRig rig(engine, 16, {Policy::kNotify, 0, 0});
  GuestRing& tx = rig.guest.tx();
  Socket socket, other;
  rig.guest.attachment->WatchSocket(socket.host);
  rig.guest.attachment->WatchSocket(other.host);  // instead of the first
  PublishQuietly(tx, 0);
  Eventually("a worker at rest", [&] { return Rests(*engine, 0); });
  const uint64_t sleeps = engine->worker(0).counters().sleeps;
  socket.Say();
  usleep(5000);
  CHECK_EQ(engine->worker(0).counters().sleeps.load(), sleeps);
  CHECK(!tx.Drained());
  other.Say();
  Eventually("a packet taken", [&] { return tx.Drained(); });
  rig.guest.attachment->WatchSocket(-1);
  PublishQuietly(tx, 1);
  other.Say();
  usleep(5000);
  CHECK(!tx.Drained());
  tx.Kick();
  Eventually("a packet taken", [&] { return tx.Drained(); });
  rig.CheckSink(2);
}

size_t OpenFds() {
  size_t count = 0;
  DIR* folder = opendir("/proc/self/fd");
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

void NoDescriptorStaysBehind() {
  auto engine = MakeEngine();
  NullRig rig(engine, 16, Served(Policy::kAdaptive));
  Socket socket;
  const size_t before = OpenFds();
  rig.guest.attachment->WatchSocket(socket.host);
  CHECK_EQ(OpenFds(), before + 1);
  rig.guest.attachment->WatchSocket(socket.host);
  CHECK_EQ(OpenFds(), before + 1);
  rig.guest.attachment->WatchSocket(9999);  // no descriptor at all: kicks only
  CHECK_EQ(OpenFds(), before);
  rig.guest.attachment->WatchSocket(socket.host);
  rig.guest.attachment->Detach();
  CHECK_EQ(OpenFds(), before);
  rig.guest.attachment->WatchSocket(socket.host);  // too late
  CHECK_EQ(OpenFds(), before);
}

}  // namespace

int main() {
  AMessageWakesTheWorker();
  TheSocketFollowsItsAttachment();
  OneThatIsWatchedNoLongerWakesNobody();
  NoDescriptorStaysBehind();
}
