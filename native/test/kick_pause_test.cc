// The kick thread standing still, what another one goes on with, and what is refused as none of it.
#include <fcntl.h>
#include <sys/un.h>

#include "kick_peer.h"
#include "lingering.h"

namespace ptnet {
namespace {

/// What one thread had, of a listener with one client, goes on with another one. The first one's process would end at
/// once; here it keeps its own descriptors until it is destroyed, and reads no more.
struct Successor {
  Recorder sink;
  std::unique_ptr<Kick> kick;
  uint32_t listener = 0, session = 0;
  std::shared_ptr<CountingTarget> target = std::make_shared<CountingTarget>();

  Successor() { CHECK(!Kick::Start(&sink, &kick)); }

  static int Dup(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, 0); }

  void Adopt(Fixture* f, uint32_t theirs) {
    CHECK(!kick->Pause());
    CHECK(!kick->AdoptListener(Dup(f->kick->SocketOf(f->listener)), f->path, {4096, 4}, &listener));
    KickSession::Rest rest;
    const int socket = f->kick->SocketOf(theirs, &rest);
    for (int& fd : rest.fds) fd = Dup(fd);
    for (auto& answer : rest.unsent)
      for (int& fd : answer.fds) fd = Dup(fd);
    CHECK(!kick->AdoptSession(listener, Dup(socket), rest, &session));
    CHECK(!kick->SetDoorbells(session, {0, 0x80, 4}, target));
  }
};

void AwaitSettled(Fixture* f, size_t sessions) {
  for (int i = 0; i < 20'000 && !f->kick->Settled(sessions); i++) usleep(500);
  CHECK(f->kick->Settled(sessions));
}

void NothingIsReadMeanwhile() {
  Fixture f;
  uint32_t session;
  auto client = f.Connect(&session);
  CHECK(!f.kick->Settled(1));  // it is not paused
  Write(client, Doorbell(0x80));
  ReadReply(client);
  CHECK(!f.kick->Pause());
  AwaitSettled(&f, 1);
  CHECK(!f.kick->Settled(0));
  CHECK(!f.kick->Settled(2));
  Write(client, Doorbell(0x80));
  Write(client, Message(2, 32));
  auto late = f.Dial();
  usleep(20'000);
  CHECK(Quiet(client));
  CHECK_EQ(f.sink.pending(), 0u);
  CHECK(f.kick->Settled(1));
  CHECK(!f.kick->Resume());
  ReadReply(client);
  f.sink.Next('m');
  f.kick->Delivered(session, 48, 0);
  CHECK(!f.kick->Release(session));
}

void WhatIsNotDealtWithIsNotSettled() {
  Fixture f;
  uint32_t session;
  auto client = f.Connect(&session);
  Write(client, Message(2, 32));
  f.sink.Next('m');
  CHECK(!f.kick->Pause());
  CHECK(!f.kick->Settled(1));
  f.kick->Delivered(session, 48, 0);
  CHECK(f.kick->Settled(1));
  CHECK(!f.kick->Release(session));
}

/// A hang-up is seen when it goes on, once.
void WhoHangsUpMeanwhileIsSeenAfterwards() {
  Fixture f;
  uint32_t session;
  auto client = f.Connect(&session);
  CHECK(!f.kick->Pause());
  client.Reset();
  usleep(20'000);
  CHECK_EQ(f.sink.pending(), 0u);
  CHECK(!f.kick->Resume());
  CHECK_EQ(f.Ended(session), 0);
}

/// Half of a message with descriptors, at each of its bytes; the other half is read by the successor.
void AMessageThatHasBegunGoesOn() {
  os::UniqueFd event(eventfd(0, EFD_CLOEXEC));
  const Bytes message = Message(2, 40);
  for (size_t at : {1u, 15u, 16u, 17u, 39u, 40u, 55u}) {
    Fixture f;
    uint32_t session;
    auto client = f.Connect(&session);
    Write(client, {message.begin(), message.begin() + static_cast<ptrdiff_t>(at)}, {event.get(), event.get()});
    usleep(5'000);
    CHECK(!f.kick->Pause());
    AwaitSettled(&f, 1);
    Successor next;
    next.Adopt(&f, session);
    CHECK(!next.kick->Resume());
    Write(client, {message.begin() + static_cast<ptrdiff_t>(at), message.end()});
    auto whole = next.sink.Next('m');
    CHECK(whole.session == next.session && whole.message->bytes == message);
    CHECK_EQ(whole.message->fds.size(), 2u);
    next.kick->Delivered(next.session, message.size(), 2);
    Write(client, Doorbell(0x84));
    ReadReply(client);
    CHECK(!next.kick->Release(next.session));
    CHECK(!f.kick->Release(session));
  }
}

/// A client that reads nothing gets every byte later, once, from the successor.
void AnswersThatWaitGoOn() {
  Fixture f;
  uint32_t session;
  auto client = f.Connect(&session);
  const Bytes answer = Message(1, 2000);
  os::UniqueFd event(eventfd(0, EFD_CLOEXEC));
  const std::vector<int> fds{event.get()};
  size_t sent = 0;
  KickSession::Rest rest;
  for (; rest.unsent.size() < 5; sent++) {
    CHECK(!f.kick->Send(session, answer, fds));
    rest = {};
    f.kick->SocketOf(session, &rest);
  }
  CHECK(!f.kick->Pause());
  AwaitSettled(&f, 1);
  Successor next;
  next.Adopt(&f, session);
  CHECK(next.kick->Settled(1));
  CHECK(!next.kick->Resume());
  size_t bytes = 0, got = 0;
  while (bytes < sent * answer.size()) {
    pollfd entry = {client.get(), POLLIN, 0};
    CHECK(poll(&entry, 1, 60'000) == 1);
    Bytes some(answer.size());
    std::vector<os::PeerFd> with;
    os::Received received;
    CHECK(!os::ReceiveWithFds(client.get(), 0, some.data(), some.size(), &with, &received));
    for (size_t i = 0; i < received.bytes; i++) CHECK_EQ(some[i], answer[(bytes + i) % answer.size()]);
    bytes += received.bytes;
    got += with.size();
  }
  CHECK_EQ(bytes, sent * answer.size());
  CHECK_EQ(got, sent);
  CHECK(!next.kick->Release(next.session));
  CHECK(!f.kick->Release(session));
}

void WhatIsNoneOfItIsRefused() {
  Fixture f;
  uint32_t session, number;
  auto client = f.Connect(&session);
  CHECK(!f.kick->Pause());
  Successor next;
  auto dup = [](int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, 0); };
  auto listen = [&](int fd) { return next.kick->AdoptListener(fd, f.path, {4096, 4}, &number).number; };
  int pair[2];
  CHECK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) == 0);
  os::UniqueFd datagrams(pair[0]), other(pair[1]), event(eventfd(0, EFD_CLOEXEC));
  CHECK_EQ(listen(dup(event.get())), ENOTSOCK);
  CHECK_EQ(listen(dup(datagrams.get())), EINVAL);
  CHECK_EQ(listen(dup(client.get())), EINVAL);
  // One of packets, and one that accept(2) would wait for.
  for (const int type : {SOCK_SEQPACKET | SOCK_NONBLOCK, SOCK_STREAM + 0}) {
    os::UniqueFd own(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;  // and a name of the kernel's choice
    CHECK(bind(own.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address.sun_family) == 0);
    CHECK(::listen(own.get(), 1) == 0);
    CHECK_EQ(listen(dup(own.get())), EINVAL);
  }
  next.Adopt(&f, session);
  auto connect = [&](int fd, const Bytes& bytes, uint32_t listener) {
    KickSession::Rest rest;
    rest.bytes = bytes;
    return next.kick->AdoptSession(listener, fd, rest, &number).number;
  };
  CHECK_EQ(connect(dup(client.get()), {}, next.listener), EBUSY);  // it has a client
  CHECK_EQ(connect(dup(client.get()), {}, 12345), EBUSY);
  CHECK(!next.kick->Release(next.session));
  CHECK_EQ(connect(dup(event.get()), {}, next.listener), ENOTSOCK);
  CHECK_EQ(connect(dup(datagrams.get()), {}, next.listener), EINVAL);
  CHECK_EQ(connect(dup(f.kick->SocketOf(f.listener)), {}, next.listener), ENOTCONN);
  // More than the beginning of a message, and what is none.
  CHECK_EQ(connect(dup(client.get()), Message(2, 32), next.listener), EPROTO);
  CHECK_EQ(connect(dup(client.get()), Bytes(16, 0), next.listener), EPROTO);
  CHECK_EQ(connect(dup(client.get()), Bytes(16, 0xff), next.listener), EPROTO);
  CHECK_EQ(connect(dup(client.get()), Bytes(3, 0xff), next.listener), 0);
  CHECK(!next.kick->Release(number));
  CHECK_EQ(f.kick->SocketOf(12345), -1);
  KickSession::Rest none;
  CHECK_EQ(f.kick->SocketOf(12345, &none), -1);
  CHECK(!f.kick->Release(session));
}

void Main() {
  const size_t before = OpenFds();
  NothingIsReadMeanwhile();
  WhatIsNotDealtWithIsNotSettled();
  WhoHangsUpMeanwhileIsSeenAfterwards();
  AMessageThatHasBegunGoesOn();
  AnswersThatWaitGoOn();
  WhatIsNoneOfItIsRefused();
  CHECK_EQ(OpenFds(), before);
}

}  // namespace
}  // namespace ptnet

int main() { ptnet::Main(); }
