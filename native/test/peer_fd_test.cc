// Closing what peers sent: a close that waits holds up neither those who ask for it nor other peers, and is counted.
#include "os/peer_fd.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "kick_peer.h"
#include "lingering.h"
#include "os/inspect.h"

namespace ptnet {
namespace {

using test::Lingering;

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

void OneThatWaitsHoldsUpNobodyElse() {
  Lingering slow;
  const os::PeerId bad = os::NewPeer(), good = os::NewPeer();
  os::PeerFd first(slow.fd.Release(), bad);
  first.Reset();
  // Behind it, the same peer's.
  const int behind = eventfd(0, EFD_CLOEXEC);
  os::PeerFd(behind, bad).Reset();
  for (int i = 0; i < 100; i++) os::PeerFd(eventfd(0, EFD_CLOEXEC), good).Reset();
  while (os::HeldPeerFds(good) != 0) usleep(100);
  CHECK_EQ(os::HeldPeerFds(bad), 2);
  CHECK_EQ(os::ClosingPeerFds(bad), 2);
  CHECK(IsOpen(behind));
  slow.Read();
  os::AwaitPeerCloses();
  CHECK_EQ(os::HeldPeerFds(bad), 0);
  CHECK(!IsOpen(behind));
}

void ManyPeersWhoseClosesWait() {
  constexpr int kPeers = 20;
  std::vector<std::unique_ptr<Lingering>> slow;
  for (int i = 0; i < kPeers; i++) {
    slow.push_back(std::make_unique<Lingering>());
    os::PeerFd(slow.back()->fd.Release(), os::NewPeer()).Reset();
  }
  const os::PeerId good = os::NewPeer();
  os::PeerFd(eventfd(0, EFD_CLOEXEC), good).Reset();
  while (os::HeldPeerFds(good) != 0) usleep(100);
  for (auto& each : slow) each->Read();
  os::AwaitPeerCloses();
}

void CountsWhatIsHeld() {
  const os::PeerId peer = os::NewPeer();
  os::PeerFd fd(eventfd(0, EFD_CLOEXEC), peer);
  os::PeerFd copy(os::DupPeerFd(fd.get()));
  CHECK_EQ(os::PeerOf(copy.get()), peer);
  CHECK_EQ(os::HeldPeerFds(peer), 2);
  CHECK_EQ(os::ClosingPeerFds(peer), 0);
  os::PeerFd moved = std::move(copy);
  CHECK_EQ(os::HeldPeerFds(peer), 2);
  moved.Reset();
  os::AwaitPeerCloses();
  CHECK_EQ(os::HeldPeerFds(peer), 1);
  // A number that was closed without our knowledge and comes again is the new peer's.
  const int number = fd.Release();
  close(number);
  const os::PeerId other = os::NewPeer();
  os::PeerFd again(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, number), other);
  CHECK_EQ(again.get(), number);
  CHECK_EQ(os::HeldPeerFds(peer), 0);
  CHECK_EQ(os::HeldPeerFds(other), 1);
}

void UnmapsElsewhere() {
  const int fd = memfd_create("peer", MFD_CLOEXEC);
  CHECK(ftruncate(fd, 4096) == 0);
  void* p = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
  const os::PeerId peer = os::NewPeer();
  CHECK(os::TakePeerMap(peer));
  os::UnmapElsewhere(p, 4096, peer);
  os::AwaitPeerCloses();
  unsigned char resident;
  CHECK(mincore(p, 4096, &resident) != 0);
  close(fd);
}

/// Two devices on one kick thread; what the first one's client does must not keep the second's doorbell waiting.
struct TwoDevices {
  Fixture f;
  uint32_t bad_session, good_listener, good_session;
  os::UniqueFd bad, good;

  TwoDevices() {
    bad = f.Connect(&bad_session);
    CHECK(!f.kick->Listen(f.path + ".good", 0600, {4096, 4}, &good_listener));
    CHECK(!os::ConnectUnix(f.path + ".good", &good));
    good_session = f.sink.Next('c').session;
    CHECK(!f.kick->SetDoorbells(good_session, {0, 0x80, 4}, f.target));
  }
  void CheckAnswered() {
    Write(good, Doorbell(0x80));
    CHECK_EQ(ReadReply(good).offset, 0x80);
  }
};

/// The receiver must keep the descriptor until the rest comes: a test that closed it last would wait itself.
void SendOne(const os::UniqueFd& to, const Bytes& bytes, Lingering* slow) {
  Write(to, bytes, {slow->fd.get()});
  slow->fd.Reset();
}

void SendRest(const os::UniqueFd& to, const Bytes& message, const std::vector<int>& fds = {}) {
  Write(to, Bytes(message.begin() + 4, message.end()), fds);
}

/// `end` makes the kick thread drop a message's descriptors in one of the ways that it has.
void DoorbellsGoOn(void (*end)(TwoDevices&, Lingering*)) {
  TwoDevices two;
  Lingering slow;
  end(two, &slow);
  two.CheckAnswered();
  // It could not have been closed yet: nobody has read.
  slow.Read();
  two.f.kick->Stop();
  os::AwaitPeerCloses();
}

void DropTooMany(TwoDevices& two, Lingering* slow) {
  os::UniqueFd event(eventfd(0, EFD_CLOEXEC));
  SendOne(two.bad, Bytes(4), slow);
  SendRest(two.bad, Message(2, 32), std::vector<int>(4, event.get()));
  CHECK_EQ(two.f.Ended(two.bad_session), E2BIG);
}

void DropMalformed(TwoDevices& two, Lingering* slow) {
  Bytes small = Message(2, 32);
  small[4] = 15;
  SendOne(two.bad, Bytes(small.begin(), small.begin() + 4), slow);
  SendRest(two.bad, small);
  CHECK_EQ(two.f.Ended(two.bad_session), EPROTO);
}

void DropHalfAMessage(TwoDevices& two, Lingering* slow) {
  const Bytes message = Message(2, 32);
  SendOne(two.bad, Bytes(message.begin(), message.begin() + 20), slow);
  two.bad.Reset();
  two.f.Ended(two.bad_session);
}

void DropUnheard(TwoDevices& two, Lingering* slow) {
  SendOne(two.bad, Message(2, 32), slow);
  two.f.sink.Next('m');
}

/// Never read at all: it lies in the socket that Release closes.
void DropUnread(TwoDevices& two, Lingering* slow) {
  for (int i = 0; i < 64; i++) Write(two.bad, Message(13, 0));
  for (int i = 0; i < 64; i++) two.f.sink.Next('m');
  SendOne(two.bad, Message(2, 32), slow);
  CHECK(!two.f.kick->Release(two.bad_session));
}

/// In a connection that is refused, or in one that nobody has accepted yet when its listener goes.
void DropRefused(TwoDevices& two, Lingering* slow) {
  auto second = two.f.Dial();
  // It may have been refused already.
  size_t sent;
  const int fd = slow->fd.get();
  (void)os::SendWithFds(second.get(), Message(2, 32), {&fd, 1}, &sent);
  os::CloseElsewhere(slow->fd.Release());
  CHECK(!two.f.kick->Unlisten(two.f.listener));
}

void Main() {
  const size_t before = OpenFds();
  OneThatWaitsHoldsUpNobodyElse();
  ManyPeersWhoseClosesWait();
  CountsWhatIsHeld();
  UnmapsElsewhere();
  for (auto end : {DropTooMany, DropMalformed, DropHalfAMessage, DropUnheard, DropUnread, DropRefused})
    DoorbellsGoOn(end);
  os::AwaitPeerCloses();
  CHECK_EQ(OpenFds(), before);
}

}  // namespace
}  // namespace ptnet

int main() {
  ptnet::Main();
  puts("peer_fd ok");
}
