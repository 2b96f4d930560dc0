// How much of one client waits for its owner, what is counted of it, and that its end does not wait for anything.
#include <sys/resource.h>

#include "kick_peer.h"
#include "lingering.h"
#include "os/peer_share.h"

namespace ptnet {
namespace {

constexpr int kUndeliveredFdsMax = 128, kFdsOfAMessage = 4;

/// Another connection of the same thread is answered: whatever the thread had to do before is done.
void AwaitThread(Fixture* f) {
  uint32_t listener, session;
  const std::string path = f->path + "." + std::to_string(serial++);
  CHECK(!f->kick->Listen(path, 0600, {4096, 4}, &listener));
  os::UniqueFd client;
  CHECK(!os::ConnectUnix(path, &client));
  // Messages of others may lie before it.
  Recorder::Event event = f->sink.Next('c');
  session = event.session;
  CHECK(!f->kick->SetDoorbells(session, {0, 0x80, 4}, f->target));
  Write(client, Doorbell(0x80));
  ReadReply(client);
  CHECK(!f->kick->Release(session));
  CHECK(!f->kick->Unlisten(listener));
}

/// Takes `count` messages; none is left then, and none comes.
void TakeAll(Fixture* f, int count) {
  for (int i = 0; i < count; i++) f->sink.Next('m');
  AwaitThread(f);
  CHECK_EQ(f->sink.pending(), 0u);
}

void DescriptorsWaitForTheirOwner() {
  Fixture f;
  uint32_t session;
  auto client = f.Connect(&session);
  os::UniqueFd event(eventfd(0, EFD_CLOEXEC));
  const std::vector<int> fds(kFdsOfAMessage, event.get());
  const int before = kUndeliveredFdsMax / kFdsOfAMessage;
  for (int i = 0; i < before + 8; i++) Write(client, Message(2, 32), fds);
  TakeAll(&f, before);
  for (int i = 1; i <= 8; i++) {
    f.kick->Delivered(session, 48, kFdsOfAMessage);
    TakeAll(&f, 1);
  }
  CHECK(!f.kick->Release(session));
}

void BytesWaitForTheirOwner() {
  Fixture f;
  uint32_t session;
  auto client = f.Connect(&session);
  // Of the largest message, and what goes beyond: 1024 each.
  for (int i = 0; i < 8; i++) Write(client, Message(16, 1024 - 16));
  TakeAll(&f, 4);
  f.kick->Delivered(session, 1024, 0);
  TakeAll(&f, 1);
  f.kick->Delivered(session, 1023, 0);
  TakeAll(&f, 1);
  f.kick->Delivered(session, 1, 0);
  TakeAll(&f, 0);
  f.kick->Delivered(session, 1, 0);
  TakeAll(&f, 1);
  CHECK(!f.kick->Release(session));
}

void WhatIsCounted() {
  Fixture f;
  uint32_t session;
  auto client = f.Connect(&session);
  os::UniqueFd event(eventfd(0, EFD_CLOEXEC));
  ListenerCounters now = f.kick->CountersOf(f.listener);
  CHECK_EQ(now.refused, 0u);
  CHECK_EQ(now.starved, 0u);
  const size_t held = now.held_fds;
  Write(client, Message(2, 32), {event.get(), event.get()});
  const auto kept = f.sink.Next('m').message;
  CHECK_EQ(f.kick->CountersOf(f.listener).held_fds, held + 2);
  for (uint64_t i = 1; i <= 3; i++) {
    auto refused = f.Dial();
    char byte;
    CHECK_EQ(recv(refused.get(), &byte, 1, 0), 0);
    CHECK_EQ(f.kick->CountersOf(f.listener).refused, i);
  }
  now = f.kick->CountersOf(f.listener + 1000);
  CHECK_EQ(now.refused + now.starved + now.held_fds + now.closing_fds + now.fds_max, 0u);
  CHECK(f.kick->Has(session));
  CHECK(!f.kick->Release(session));
  CHECK(!f.kick->Has(session));
}

/// Of the descriptors that this process may open each device has its part, between a least and a most.
void PartsOfTheDescriptors() {
  rlimit before;
  CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const auto part = [&](rlim_t limit, size_t devices) {
    const rlimit now{limit, before.rlim_max};
    CHECK(setrlimit(RLIMIT_NOFILE, &now) == 0);
    os::DividePeerShares(devices);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    return os::ShareOfPeer().fds;
  };
  CHECK_EQ(part(1024, 0), 512u);
  CHECK_EQ(part(1024, 1), 512u);
  CHECK_EQ(part(1024, 2), 256u);
  CHECK_EQ(part(1024, 16), 32u);
  CHECK_EQ(part(1024, 17), 32u);
  CHECK_EQ(part(64, 1), 32u);
  CHECK_EQ(part(512 + 4608, 1), 4608u);
  CHECK_EQ(part(512 + 4609, 1), 4608u);
}

/// More than its part ends the session; others are not hurt.
void WhoKeepsTooManyDescriptorsIsCutOff() {
  Fixture f;
  uint32_t session, other;
  auto client = f.Connect(&session);
  const size_t most = f.kick->CountersOf(f.listener).fds_max;
  os::UniqueFd event(eventfd(0, EFD_CLOEXEC));
  std::vector<std::unique_ptr<KickMessage>> kept;
  size_t held = f.kick->CountersOf(f.listener).held_fds;
  for (; held + kFdsOfAMessage <= most; held += kFdsOfAMessage) {
    Write(client, Message(2, 32), std::vector<int>(kFdsOfAMessage, event.get()));
    kept.push_back(f.sink.Next('m').message);
    f.kick->Delivered(session, 48, kFdsOfAMessage);
  }
  for (; held < most; held++) {
    Write(client, Message(2, 32), {event.get()});
    kept.push_back(f.sink.Next('m').message);
    f.kick->Delivered(session, 48, 1);
  }
  Fixture g;
  auto second = g.Connect(&other);
  Write(client, Message(2, 32), {event.get()});
  CHECK_EQ(f.Ended(session), EDQUOT);
  Write(second, Message(2, 32), {event.get()});
  CHECK_EQ(g.sink.Next('m').message->fds.size(), 1u);
}

/// Descriptors that are closed before it may keep the socket waiting: its peer sees the end at once.
void ReleaseIsSeenAtOnce() {
  Fixture f;
  uint32_t session;
  auto client = f.Connect(&session);
  test::Lingering slow;
  Write(client, Message(2, 32), {slow.fd.get()});
  slow.fd.Reset();
  f.sink.Next('m').message.reset();  // its close waits now
  CHECK(!f.kick->Release(session));
  char byte;
  CHECK_EQ(recv(client.get(), &byte, 1, 0), 0);
  // The next one is served meanwhile.
  auto next = f.Connect(&session);
  Write(next, Doorbell(0x80));
  ReadReply(next);
  CHECK(f.kick->CountersOf(f.listener).closing_fds > 0);
  slow.Read();
}

/// A listener that goes before its session: the session ends as any other.
void ReleaseAfterUnlisten() {
  Fixture f;
  uint32_t session;
  auto client = f.Connect(&session);
  CHECK(!f.kick->Unlisten(f.listener));
  CHECK(!f.kick->Release(session));
  CHECK_EQ(f.kick->Release(session).number, EBADF);
  CHECK_EQ(f.kick->CountersOf(f.listener).refused, 0u);
}

void Main() {
  const size_t before = OpenFds();
  DescriptorsWaitForTheirOwner();
  BytesWaitForTheirOwner();
  WhatIsCounted();
  PartsOfTheDescriptors();
  WhoKeepsTooManyDescriptorsIsCutOff();
  ReleaseIsSeenAtOnce();
  ReleaseAfterUnlisten();
  CHECK_EQ(OpenFds(), before);
}

}  // namespace
}  // namespace ptnet

int main() { ptnet::Main(); }
