// What a peer may hold while a close of its waits: as much as its share, whatever it tries, and the others all of
// theirs.
#include "os/peer_share.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cstring>

#include "kick_peer.h"
#include "lingering.h"
#include "traffic.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

/// A peer whose close waits, until Read().
struct Blocked {
  os::PeerId peer = os::NewPeer();
  Lingering slow;

  Blocked() { os::PeerFd(slow.fd.Release(), peer).Reset(); }
  ~Blocked() { Read(); }
  void Read() {
    slow.Read();
    os::AwaitPeerCloses();
  }
};

os::PeerFd Eventfd(os::PeerId peer) { return os::PeerFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), peer); }

/// As many peers as to make the shares small.
constexpr size_t kManyPeers = 1'000'000;

void SharesAddUpToLessThanThereIs() {
  rlimit limit;
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  for (size_t peers : {1u, 2u, 7u, 100u}) {
    os::DividePeerShares(peers);
    const os::PeerShare share = os::ShareOfPeer();
    CHECK(share.fds <= 4608 && (share.fds * peers < limit.rlim_cur || share.fds == 32));
    CHECK(share.maps * peers < 65530 / 2 || share.maps == 8);
    CHECK(share.bytes * peers <= size_t{256} << 20);
  }
  os::DividePeerShares(kManyPeers);
  CHECK_EQ(os::ShareOfPeer().fds, 32u);
  CHECK_EQ(os::ShareOfPeer().maps, 8u);
}

void DuplicatesEndAtTheShare() {
  Blocked bad;
  os::PeerFd own = Eventfd(bad.peer);
  for (size_t i = 2; i < os::ShareOfPeer().fds; i++) {
    const int copy = os::DupPeerFd(own.get());
    CHECK(copy >= 0);
    os::CloseElsewhere(copy);
  }
  errno = 0;
  CHECK(os::DupPeerFd(own.get()) < 0 && errno == EDQUOT);
  CHECK_EQ(os::HeldPeerFds(bad.peer), os::ShareOfPeer().fds);
  os::PeerFd other = Eventfd(os::NewPeer());
  CHECK(os::PeerFd(os::DupPeerFd(other.get())));
  bad.Read();
  CHECK(os::PeerFd(os::DupPeerFd(own.get())));
}

void TasksComeInTurnWithClosesAndHaveALimit() {
  const os::PeerId good = os::NewPeer();
  os::PeerFd fd = Eventfd(good);
  std::atomic<int> seen{0};
  const int number = fd.get();
  CHECK(os::DoElsewhere(good, [&, number] { seen = fcntl(number, F_GETFD) >= 0 ? 1 : 2; }));
  fd.Reset();
  os::AwaitPeerCloses();
  CHECK_EQ(seen.load(), 1);
  Blocked bad;
  std::atomic<int> done{0};
  int taken = 0;
  while (os::DoElsewhere(bad.peer, [&] { done++; })) taken++;
  CHECK(taken > 100 && taken < 10'000);
  CHECK_EQ(done.load(), 0);
  CHECK(os::DoElsewhere(good, [&] { seen = 3; }));
  while (seen != 3) usleep(100);
  bad.Read();
  CHECK_EQ(done.load(), taken);
}

/// A guest that is attached again and again while what it leaves cannot be closed: mappings and duplicates end, with an
/// errno, at its share, and another one's attachment does not notice.
void ComingAndGoingEndsAtTheShare() {
  Blocked bad;
  auto engine = MakeEngine();
  NullRig rig(engine, 64, {.policy = Policy::kNotify});
  rig.guest.Detach();
  os::PeerFd memory(dup(rig.guest.fd()), bad.peer);
  std::vector<os::PeerFd> vectors;
  for (int i = 0; i < 2; i++) vectors.push_back(Eventfd(bad.peer));
  Status status = Status::Ok();
  size_t rounds = 0;
  auto again = [&] {
    std::shared_ptr<Attachment> attachment;
    status = Attachment::Create(engine, rig.port.get(), {memory.get(), 0}, {memory.get(), 4096},
                                {.policy = Policy::kNotify}, &attachment);
    if (status.ok()) status = attachment->SetInterrupts(0, {vectors[0].get(), vectors[1].get()});
    return status.ok();
  };
  while (again() && rounds < 1000) rounds++;
  CHECK(rounds > 0 && rounds < 100);
  CHECK(status.err == ENOSPC || status.err == EDQUOT);
  CHECK(status.message.find("share") != std::string::npos);
  CHECK(os::HeldPeerFds(bad.peer) <= os::ShareOfPeer().fds);
  NullRig other(engine, 64, {.policy = Policy::kNotify});
  bad.Read();
  CHECK(again());
}

/// Connections that come and are refused, or go, wait to be closed too.
void ConnectingEndsAtTheShare() {
  Fixture f;
  os::DividePeerShares(kManyPeers);
  Lingering slow;
  uint32_t session, good;
  os::UniqueFd bad = f.Connect(&session);
  CHECK(!f.kick->Listen(f.path + ".good", 0600, {4096, 4}, &good));
  os::DividePeerShares(kManyPeers);
  Write(bad, Message(2, 32), {slow.fd.get()});
  slow.fd.Reset();
  f.sink.Next('m').message.reset();  // its descriptor is closed: that waits
  const size_t max = os::ShareOfPeer().fds;
  Eventually("all that it may have", [&] {
    os::UniqueFd client;
    (void)os::ConnectUnix(f.path, &client);
    return f.kick->CountersOf(f.listener).held_fds >= max;
  });
  for (int i = 0; i < 8; i++) f.Dial().Release();  // into the backlog
  Eventually("a pause", [&] { return f.kick->CountersOf(f.listener).starved > 0; });
  CHECK_EQ(f.kick->CountersOf(f.listener).held_fds, max);
  os::UniqueFd honest;
  CHECK(!os::ConnectUnix(f.path + ".good", &honest));
  CHECK(f.sink.Next('c').session != session);
  slow.Read();
  Eventually("room again", [&] { return f.kick->CountersOf(f.listener).held_fds < max; });
  f.kick->Stop();
  os::AwaitPeerCloses();
}

/// Where there are none left at all: it is the greedy one that hangs up, not the one that comes then.
void ADescriptorMoreThanTheShareEndsTheSession() {
  Fixture f({4096, 16});
  os::DividePeerShares(kManyPeers);
  uint32_t session;
  os::UniqueFd greedy = f.Connect(&session, false);
  os::UniqueFd event(eventfd(0, EFD_CLOEXEC));
  std::vector<std::unique_ptr<KickMessage>> kept;
  const std::vector<int> fds(16, event.get());
  for (int i = 0; i < 2; i++) Write(greedy, Message(2, 32), fds);
  kept.push_back(f.sink.Next('m').message);
  CHECK_EQ(f.Ended(session), EDQUOT);
  os::PeerFd mine;
  CHECK_EQ(f.kick->CreateEventfd(session, &mine).number, EBADF);
}

void EventfdsForAClientAreItsOwn() {
  Fixture f;
  os::DividePeerShares(kManyPeers);
  uint32_t session;
  os::UniqueFd client = f.Connect(&session);
  const size_t before = f.kick->CountersOf(f.listener).held_fds;
  std::vector<os::PeerFd> fds;
  os::Error error;
  do {
    fds.emplace_back();
    error = f.kick->CreateEventfd(session, &fds.back());
  } while (!error && fds.size() < 1000);
  CHECK_EQ(error.number, EDQUOT);
  CHECK_EQ(fds.size() - 1 + before, os::ShareOfPeer().fds);
}

}  // namespace

int main() {
  SharesAddUpToLessThanThereIs();
  DuplicatesEndAtTheShare();
  TasksComeInTurnWithClosesAndHaveALimit();
  ComingAndGoingEndsAtTheShare();
  ConnectingEndsAtTheShare();
  ADescriptorMoreThanTheShareEndsTheSession();
  EventfdsForAClientAreItsOwn();
  puts("peer_share ok");
}
