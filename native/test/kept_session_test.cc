// A kept session: what is looked at, taken and answered, and what whoever goes on with it finds.
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "eventually.h"
#include "kept_rig.h"

namespace ptnet {
namespace {

Bytes Quietly(uint16_t command, uint32_t payload) {
  Bytes bytes = Message(command, payload);
  VfioUserHeader header;
  memcpy(&header, bytes.data(), sizeof header);
  header.flags = kVfioUserNoReply;
  memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

size_t Unread(const KeptRig& rig) {
  int bytes = 0;
  CHECK_EQ(ioctl(rig.server.get(), FIONREAD, &bytes), 0);
  return static_cast<size_t>(bytes);
}

uint64_t ReadAnswer(const KeptRig& rig) {
  uint8_t bytes[24];
  CHECK_EQ(recv(rig.client.get(), bytes, sizeof bytes, MSG_DONTWAIT), static_cast<ssize_t>(sizeof bytes));
  uint64_t effects;
  memcpy(&effects, bytes + 16, sizeof effects);
  return effects;
}

void AMessageIsTakenWhenItIsAnswered() {
  KeptRig rig;
  KeptServer server(rig);
  CHECK(!server.error);
  // Several in one send, of which the first ones are shorter than a doorbell.
  Bytes all = Message(kAddOne, 0);
  Append(&all, Message(kAddOne, 100));
  Append(&all, Doorbell(0x84));
  Append(&all, Doorbell(0x84, true));
  Append(&all, Quietly(kAddOneQuietly, 4));
  Append(&all, Message(kAsk, 3000));
  Write(rig.client, all);
  for (int i = 0; i < 6; i++) CHECK_EQ(server.Step(), KickSession::kGoOn);
  CHECK_EQ(ReadAnswer(rig), 1u);
  CHECK_EQ(ReadAnswer(rig), 2u);
  CHECK_EQ(ReadReply(rig.client).offset, 0x84u);
  CHECK_EQ(ReadAnswer(rig), 3u);
  CHECK(Quiet(rig.client));
  CHECK_EQ(rig.written->rung.load(), 2u);
  CHECK_EQ(Unread(rig), 0u);
  // All but the posted doorbell.
  CHECK_EQ(rig.word().load(), 5u << 8);
}

void TheBeginningOfAMessageStaysThere() {
  KeptRig rig;
  KeptServer server(rig);
  const Bytes whole = Message(kAddOne, 200);
  for (size_t i = 0; i < whole.size(); i++) {
    Write(rig.client, {whole[i]});
    CHECK_EQ(server.Step(), KickSession::kGoOn);
    if (i + 1 < whole.size()) {
      CHECK_EQ(Unread(rig), i + 1);
      // Whoever waits for it level-triggered would never sleep.
      CHECK_EQ(server.interest(), uint32_t{EPOLLIN} | EPOLLET);
    }
  }
  CHECK_EQ(ReadAnswer(rig), 1u);
  CHECK_EQ(server.interest(), uint32_t{EPOLLIN});
  Write(rig.client, {whole.begin(), whole.begin() + 20});
  rig.client.Reset();
  CHECK_EQ(server.Step(), EPROTO);
  KeptRig other;
  KeptServer another(other);
  other.client.Reset();
  CHECK_EQ(another.Step(), 0);
}

void DescriptorsComeOnce() {
  KeptRig rig;
  KeptServer server(rig);
  os::UniqueFd event(eventfd(0, EFD_CLOEXEC));
  const size_t before = OpenFds();
  Write(rig.client, Message(kAddOne, 500), {event.get(), event.get(), event.get()});
  Write(rig.client, Message(kAddOne, 0), {event.get()});
  Write(rig.client, Message(kAsk, 0));
  Write(rig.client, Message(kAddOne, 8), {event.get(), event.get()});
  for (int i = 0; i < 4; i++) CHECK_EQ(server.Step(), KickSession::kGoOn);
  CHECK(server.fds == (std::vector<size_t>{3, 1, 0, 2}));
  os::AwaitPeerCloses();
  CHECK_EQ(OpenFds(), before);
  // Too many.
  Write(rig.client, Message(kAsk, 0), std::vector<int>(5, event.get()));
  CHECK_EQ(server.Step(), E2BIG);
}

void NonsenseIsFoundAsElsewhere() {
  for (const auto& [size, error] : {std::pair{15u, EPROTO}, {4097u, EMSGSIZE}, {UINT32_MAX, EMSGSIZE}}) {
    KeptRig rig;
    KeptServer server(rig);
    Bytes bytes = Message(kAsk, 0);
    memcpy(bytes.data() + 4, &size, sizeof size);
    Write(rig.client, bytes);
    CHECK_EQ(server.Step(), error);
  }
}

void AnswersWaitInThePipe() {
  KeptRig rig;
  KeptServer server(rig);
  // Its client does not read.
  const Bytes filler(4096);
  while (send(rig.server.get(), filler.data(), filler.size(), MSG_DONTWAIT) > 0)
    ;
  while (send(rig.server.get(), filler.data(), 1, MSG_DONTWAIT) > 0)
    ;
  Write(rig.client, Message(kAddOne, 0));
  Write(rig.client, Message(kAddOne, 0));
  for (int i = 0; i < 3; i++) CHECK_EQ(server.Step(), KickSession::kGoOn);
  CHECK_EQ(server.interest(), uint32_t{EPOLLOUT});
  CHECK_EQ(rig.written->last.load() & UINT32_MAX, 1u);
  CHECK_EQ(Unread(rig), 32u);
  // Another one goes on just then, and its client reads.
  KeptServer next(rig);
  CHECK(!next.error);
  CHECK_EQ(next.interest(), uint32_t{EPOLLOUT});
  Bytes sink(1 << 20);
  while (recv(rig.client.get(), sink.data(), sink.size(), MSG_DONTWAIT) > 0)
    if (Unread(rig) == 32) CHECK_EQ(next.Step(), KickSession::kGoOn);
  for (int i = 0; i < 3; i++) CHECK_EQ(next.Step(), KickSession::kGoOn);
  CHECK_EQ(rig.written->last.load() & UINT32_MAX, 2u);
  CHECK_EQ(Unread(rig), 0u);
}

void WhatNobodyKnowsEndsIt() {
  const auto refused = [](uint64_t word, uint64_t last, int error) {
    KeptRig rig;
    rig.word().store(word);
    rig.written->last.store(last);
    KeptServer server(rig);
    CHECK_EQ(server.error.number, error);
  };
  refused(7 << 8, 0, 0);
  refused(7 << 8, uint64_t{8} << 32, 0);
  refused(7 << 8, uint64_t{3} << 32, 0);
  // Its ordinal is yet to come.
  refused(7 << 8, uint64_t{9} << 32, EPROTO);
  // An answer that went another way, and a phase that there is not.
  refused(7 << 8 | 3, 0, EPROTO);
  refused(7 << 8 | 4, 0, EPROTO);
  refused(UINT64_MAX, 0, EPROTO);
  // One that has been there for years.
  KeptRig old;
  old.word().store(uint64_t{1} << 48);
  KeptServer server(old);
  Write(old.client, Message(kAsk, 0));
  CHECK_EQ(server.Step(), KickSession::kGoOn);
  CHECK_EQ(old.word().load(), (uint64_t{1} << 48) + (1 << 8));
  KeptRig rig;
  std::shared_ptr<KeptArea> area;
  CHECK(!KeptArea::Adopt(8, rig.client.get(), &area).ok());
  CHECK(KeptArea::Create(2, &area).ok());
  std::shared_ptr<KeptArea> other;
  CHECK(!KeptArea::Adopt(8, area->fd(), &other).ok());
  uint32_t block;
  CHECK(area->Take(1));
  CHECK(!area->Take(1));
  CHECK(!area->Take(2));
  CHECK(area->Alloc(&block));
  CHECK_EQ(block, 0u);
  CHECK(!area->Alloc(&block));
}

void AThreadServesThem() {
  Fixture f;
  std::shared_ptr<KeptArea> area;
  CHECK(KeptArea::Create(1, &area).ok());
  f.kick->Keep(area);
  uint32_t session;
  os::UniqueFd client = f.Connect(&session);
  const Kick::KeptSession kept = f.kick->KeptOf(session);
  CHECK(kept.socket >= 0);
  Write(client, Doorbell(0x80));
  usleep(20'000);
  CHECK(Quiet(client));
  CHECK_EQ(f.target->counts[0].load(), 0u);
  CHECK(!f.kick->Go(session));
  ReadReply(client);
  // Half a message costs nothing while it is waited for.
  const Bytes whole = Message(kAsk, 64);
  Write(client, {whole.begin(), whole.begin() + 30});
  usleep(20'000);
  const clock_t before = clock();
  usleep(300'000);
  CHECK(clock() - before < CLOCKS_PER_SEC / 10);
  // Another process is to go on with it, has begun to look, and gives it up.
  CHECK(!f.kick->Pause());
  CHECK(f.kick->Settled(1));
  KickSession::Rest rest;
  CHECK_EQ(f.kick->SocketOf(session, &rest), kept.socket);
  CHECK(rest.bytes.empty());
  const int beginning = 0;
  CHECK_EQ(setsockopt(kept.socket, SOL_SOCKET, SO_PEEK_OFF, &beginning, sizeof beginning), 0);
  CHECK(!f.kick->Resume());
  Write(client, {whole.begin() + 30, whole.end()});
  const auto message = f.sink.Next('m').message;
  CHECK_EQ(message->ordinal, 2u);
  CHECK(message->bytes == whole);
  // It is not dealt with, and not answered.
  CHECK(!f.kick->Pause());
  CHECK(!f.kick->Settled(1));
  CHECK(!f.kick->Resume());
  CHECK(!f.kick->Send(session, AnswerTo({7, kAsk, 0, 0, 0}, 0), {}));
  f.kick->Delivered(session, message->bytes.size(), 0);
  // All blocks are in use: another one is served as ever.
  uint32_t listener;
  CHECK(!f.kick->Listen(f.path + ".2", 0600, {4096, 4}, &listener));
  os::UniqueFd second;
  CHECK(!os::ConnectUnix(f.path + ".2", &second));
  const uint32_t other = f.sink.Next('c').session;
  CHECK_EQ(f.kick->KeptOf(other).socket, -1);
  client.Reset();
  CHECK_EQ(f.Ended(session), 0);
  CHECK(!f.kick->Release(other));
}

}  // namespace
}  // namespace ptnet

int main() {
  signal(SIGPIPE, SIG_IGN);
  ptnet::AMessageIsTakenWhenItIsAnswered();
  ptnet::TheBeginningOfAMessageStaysThere();
  ptnet::DescriptorsComeOnce();
  ptnet::NonsenseIsFoundAsElsewhere();
  ptnet::AnswersWaitInThePipe();
  ptnet::WhatNobodyKnowsEndsIt();
  ptnet::AThreadServesThem();
}
