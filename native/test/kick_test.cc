// The kick thread against honest and hostile peers, without Node.
#include "guest.h"
#include "kick_peer.h"

namespace ptnet {
namespace {

void AnswersDoorbells() {
  Fixture f;
  uint32_t session;
  auto client = f.Connect(&session);
  for (const uint32_t count : {1u, 2u, 4u, 8u}) {
    Write(client, Doorbell(0x84, false, count));
    const auto reply = ReadReply(client);
    CHECK_EQ(reply.header.msg_id, 9);
    CHECK_EQ(reply.header.command, kVfioUserRegionWrite);
    CHECK_EQ(reply.header.size, 32);
    CHECK_EQ(reply.header.flags, kVfioUserReply);
    CHECK_EQ(reply.offset, 0x84);
    CHECK_EQ(reply.count, count);
  }
  // A posted one leaves no trace on the socket: the reply that comes is that of the one after it.
  Write(client, Doorbell(0x80, true));
  Write(client, Doorbell(0x8c));
  CHECK_EQ(ReadReply(client).offset, 0x8c);
  CHECK(Quiet(client));
  CHECK(!f.kick->ClearDoorbells(session));
  CHECK_EQ(f.target->counts[0].load(), 1);
  CHECK_EQ(f.target->counts[1].load(), 4);
  CHECK_EQ(f.target->counts[3].load(), 1);
  CHECK_EQ(f.sink.pending(), 0);
  CHECK_EQ(f.kick->counters().doorbells.load(), 6);
}

void HandsOnWhatIsNoDoorbell() {
  Fixture f;
  uint32_t session;
  auto client = f.Connect(&session);
  const Bytes others[] = {Doorbell(0x7c),           Doorbell(0x82),
                          Doorbell(0x90),           Doorbell(0x80, false, 4, 1),
                          Doorbell(0x80, false, 3), Message(kVfioUserRegionWrite, 4),
                          Message(13, 0),           Message(2, 32)};
  for (const Bytes& message : others) {
    Write(client, message);
    const auto event = f.sink.Next('m');
    CHECK(event.message->bytes == message);
  }
  CHECK(!f.kick->ClearDoorbells(session));
  Write(client, Doorbell(0x80));
  CHECK(f.sink.Next('m').message->bytes == Doorbell(0x80));
  for (const auto& count : f.target->counts) CHECK_EQ(count.load(), 0);
}

void OvertakesMessagesThatWait() {
  Fixture f;
  uint32_t session;
  auto client = f.Connect(&session);
  Write(client, Message(2, 32));
  Write(client, Doorbell(0x80));
  CHECK_EQ(ReadReply(client).offset, 0x80);
  CHECK_EQ(f.sink.pending(), 1);
}

void FramesAnySegmentation() {
  Fixture f;
  uint32_t session;
  auto client = f.Connect(&session);
  Bytes stream;
  for (uint16_t i = 0; i < 10; ++i) {
    Append(&stream, Message(13, 0, i));
    Append(&stream, Doorbell(0x80));
    Append(&stream, Message(8, 4 + i, i));
    Append(&stream, Doorbell(0x84, true));
    Append(&stream, Message(16, 700, i));
  }
  for (const size_t step : {stream.size(), size_t{1}, size_t{7}, size_t{36}}) {
    std::thread writer([&] {
      for (size_t at = 0; at < stream.size(); at += step)
        Write(client, Bytes(stream.begin() + static_cast<ptrdiff_t>(at),
                            stream.begin() + static_cast<ptrdiff_t>(std::min(stream.size(), at + step))));
    });
    for (uint16_t i = 0; i < 10; ++i) {
      for (const Bytes& want : {Message(13, 0, i), Message(8, 4 + i, i), Message(16, 700, i)}) {
        const auto event = f.sink.Next('m');
        CHECK(event.message->bytes == want);
        f.kick->Delivered(session, want.size(), 0);
      }
      CHECK_EQ(ReadReply(client).offset, 0x80);
    }
    writer.join();
  }
  CHECK(!f.kick->ClearDoorbells(session));
  CHECK_EQ(f.target->counts[0].load(), 40);
  CHECK_EQ(f.target->counts[1].load(), 40);
}

void GivesDescriptorsToTheirMessage() {
  Fixture f;
  uint32_t session;
  auto client = f.Connect(&session);
  os::UniqueFd event(eventfd(0, EFD_CLOEXEC));
  // On the first of many bytes.
  const Bytes map = Message(2, 32);
  Write(client, {map[0]}, {event.get(), event.get()});
  for (size_t i = 1; i < map.size(); ++i) Write(client, {map[i]});
  CHECK_EQ(f.sink.Next('m').message->fds.size(), 2);
  // Behind a short message that the same read may bring.
  Write(client, Message(13, 0, 1));
  Write(client, Message(2, 32, 2), {event.get()});
  CHECK_EQ(f.sink.Next('m').message->fds.size(), 0);
  CHECK_EQ(f.sink.Next('m').message->fds.size(), 1);
  // On a doorbell: no doorbell then, the owner refuses it.
  Write(client, Doorbell(0x80), {event.get()});
  CHECK_EQ(f.sink.Next('m').message->fds.size(), 1);
  CHECK_EQ(f.target->counts[0].load(), 0);
  Write(client, Message(13, 0));
  CHECK_EQ(f.sink.Next('m').message->fds.size(), 0);
}

void EndsMalformedSessions() {
  Fixture f;
  os::UniqueFd event(eventfd(0, EFD_CLOEXEC));
  const auto ends = [&](const Bytes& bytes, const std::vector<int>& fds, bool close) {
    uint32_t session;
    auto client = f.Connect(&session);
    if (!bytes.empty()) Write(client, bytes, fds);
    if (close) client.Reset();
    return f.Ended(session);
  };
  Bytes small = Message(2, 32);
  small[4] = 15;
  Bytes large = Message(2, 32);
  large[5] = 0x10;  // 4096 + 48
  CHECK_EQ(ends({}, {}, true), 0);
  CHECK_EQ(ends(small, {}, false), EPROTO);
  CHECK_EQ(ends(Bytes(16, 0), {}, false), EPROTO);
  CHECK_EQ(ends(Bytes(40, 0xff), {}, false), EMSGSIZE);
  CHECK_EQ(ends(large, {}, false), EMSGSIZE);
  CHECK_EQ(ends({1, 2, 3}, {}, true), EPROTO);
  CHECK_EQ(ends(Bytes(large.begin(), large.begin() + 4), {event.get()}, true), EPROTO);
  CHECK_EQ(ends(Message(2, 32), std::vector<int>(5, event.get()), false), E2BIG);
  uint32_t session;
  auto client = f.Connect(&session);
  Bytes map = Message(2, 32);
  for (int i = 0; i < 5; ++i) Write(client, {map[static_cast<size_t>(i)]}, {event.get()});
  CHECK_EQ(f.Ended(session), E2BIG);
}

void StopsReadingWhenTheOwnerIsBehind() {
  Fixture f;
  uint32_t session;
  auto client = f.Connect(&session);
  uint32_t other;
  for (int i = 0; i < 200; ++i) Write(client, Message(13, 0));
  Write(client, Doorbell(0x80));
  for (int i = 0; i < 64; ++i) f.sink.Next('m');
  // Nothing more until the owner is done with one; a second listener shows that the thread itself goes on.
  Fixture g;
  auto second = g.Connect(&other);
  Write(second, Doorbell(0x80));
  ReadReply(second);
  CHECK(f.sink.pending() <= 1);  // one read may bring two messages
  CHECK(Quiet(client));
  for (int i = 0; i < 64; ++i) f.kick->Delivered(session, 16, 0);
  for (int i = 64; i < 200; ++i) {
    f.sink.Next('m');
    f.kick->Delivered(session, 16, 0);
  }
  CHECK_EQ(ReadReply(client).offset, 0x80);
  // Also when the peer goes away meanwhile: first its messages, then its end.
  for (int i = 0; i < 100; ++i) Write(client, Message(13, 0));
  client.Reset();
  for (int i = 0; i < 100; ++i) {
    f.sink.Next('m');
    f.kick->Delivered(session, 16, 0);
  }
  CHECK_EQ(f.Ended(session), 0);
}

void SurvivesPeersThatReadNothing() {
  Fixture f;
  uint32_t session;
  auto client = f.Connect(&session);
  // A flood of doorbells fills the replies' direction; then the thread must stop reading, and others go on.
  const Bytes doorbell = Doorbell(0x80);
  std::atomic<bool> stop{false};
  std::thread flood([&] {
    while (!stop.load()) {
      pollfd entry = {client.get(), POLLOUT, 0};
      if (poll(&entry, 1, 1) == 1)
        (void)send(client.get(), doorbell.data(), doorbell.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
  });
  while (f.target->counts[0].load() < 100) std::this_thread::yield();
  CHECK(!f.kick->ClearDoorbells(session));
  CHECK(!f.kick->SetDoorbells(session, {0, 0x80, 4}, f.target));
  // The owner's replies queue up to a limit, then the session ends.
  const Bytes reply(4096, 1);
  while (!f.sink.DropMessages()) CHECK(!f.kick->Send(session, reply, {}));
  CHECK_EQ(f.Ended(session), ENOBUFS);
  stop.store(true);
  flood.join();
}

void SendsMoreThanFits() {
  Fixture f({1 << 20, 4});
  uint32_t session;
  auto client = f.Connect(&session);
  os::UniqueFd event(eventfd(0, EFD_CLOEXEC));
  const int fd = event.get();
  for (int i = 0; i < 3; ++i) CHECK(!f.kick->Send(session, Bytes(1 << 20, static_cast<uint8_t>(i)), {&fd, 1}));
  Write(client, Message(13, 0));  // not read before the replies are
  std::vector<os::PeerFd> fds;
  Bytes all;
  while (all.size() < 3u << 20) {
    uint8_t buffer[65536];
    os::Received received;
    pollfd entry = {client.get(), POLLIN, 0};
    poll(&entry, 1, -1);
    CHECK(!os::ReceiveWithFds(client.get(), 0, buffer, sizeof buffer, &fds, &received));
    all.insert(all.end(), buffer, buffer + received.bytes);
  }
  for (size_t i = 0; i < all.size(); i += 4096) CHECK_EQ(all[i], i >> 20);
  CHECK_EQ(fds.size(), 3);
  f.sink.Next('m');
  CHECK_EQ(f.kick->Send(session, Bytes(16), std::vector<int>{100000}).number, EBADF);
}

void OneClientAtATime() {
  Fixture f;
  uint32_t first;
  auto client = f.Connect(&first);
  auto refused = f.Dial();
  char byte;
  CHECK_EQ(recv(refused.get(), &byte, 1, 0), 0);
  // The first has hung up but is not released yet: the newcomer waits, one more does not.
  client.Reset();
  auto newcomer = f.Dial();
  auto late = f.Dial();
  CHECK_EQ(recv(late.get(), &byte, 1, 0), 0);
  Write(newcomer, Message(13, 0));
  CHECK_EQ(f.Ended(first), 0);
  const uint32_t second = f.sink.Next('c').session;
  CHECK(second != first);
  CHECK_EQ(f.sink.Next('m').session, second);
  // After unlisten the session goes on, and nobody can come.
  CHECK(!f.kick->Unlisten(f.listener));
  CHECK_EQ(f.kick->Unlisten(f.listener).number, EBADF);
  os::UniqueFd none;
  CHECK_EQ(os::ConnectUnix(f.path, &none).number, ENOENT);
  Write(newcomer, Message(13, 0));
  CHECK_EQ(f.sink.Next('m').session, second);
  CHECK(!f.kick->Release(second));
  CHECK_EQ(recv(newcomer.get(), &byte, 1, 0), 0);
}

void SocketFiles() {
  Fixture f;
  uint32_t again;
  CHECK_EQ(f.kick->Listen(f.path, 0600, {}, &again).number, EADDRINUSE);
  CHECK_EQ(f.kick->Listen("/nowhere/at/all", 0600, {}, &again).number, ENOENT);
  CHECK_EQ(f.kick->Listen(std::string(108, 'x'), 0600, {}, &again).number, ENAMETOOLONG);
  // One that nobody listens on any more is replaced.
  const std::string stale = f.path + ".stale";
  {
    os::UniqueFd left_behind;
    CHECK(!os::ListenUnix(stale, 0600, &left_behind));
  }
  CHECK(!f.kick->Listen(stale, 0600, {}, &again));
  f.kick->Stop();
  CHECK(access(stale.c_str(), F_OK) != 0);
  CHECK(access(f.path.c_str(), F_OK) != 0);
}

void EverythingAfterStop() {
  Fixture f;
  uint32_t session;
  auto client = f.Connect(&session);
  f.kick->Stop();
  f.kick->Stop();
  char byte;
  CHECK_EQ(recv(client.get(), &byte, 1, 0), 0);
  CHECK_EQ(f.target.use_count(), 1);
  uint32_t listener;
  CHECK_EQ(f.kick->Listen(f.path, 0600, {}, &listener).number, EBADF);
  CHECK_EQ(f.kick->Unlisten(f.listener).number, EBADF);
  CHECK_EQ(f.kick->Send(session, Bytes(16), {}).number, EBADF);
  CHECK_EQ(f.kick->SetDoorbells(session, {}, f.target).number, EBADF);
  CHECK_EQ(f.kick->ClearDoorbells(session).number, EBADF);
  CHECK_EQ(f.kick->Release(session).number, EBADF);
  f.kick->Delivered(session, 16, 0);
}

void ManySessions() {
  std::vector<std::unique_ptr<Fixture>> fixtures;
  std::vector<std::thread> clients;
  Fixture f;
  std::vector<os::UniqueFd> sockets;
  std::vector<std::string> paths;
  for (int i = 0; i < 8; ++i) {
    paths.push_back(f.path + "." + std::to_string(i));
    uint32_t listener;
    CHECK(!f.kick->Listen(paths.back(), 0600, {}, &listener));
    os::UniqueFd client;
    CHECK(!os::ConnectUnix(paths.back(), &client));
    CHECK(!f.kick->SetDoorbells(f.sink.Next('c').session, {0, 0x80, 4}, f.target));
    sockets.push_back(std::move(client));
  }
  for (const auto& socket : sockets)
    clients.emplace_back([&socket] {
      for (int i = 0; i < 200; ++i) {
        Write(socket, Doorbell(0x80 + 4 * static_cast<uint64_t>(i % 4)));
        ReadReply(socket);
      }
    });
  for (auto& client : clients) client.join();
  // The last reply may overtake its ring.
  f.kick->Stop();
  for (const auto& count : f.target->counts) CHECK_EQ(count.load(), 400);
}

/// Threads that are started have opened what they need: who counts descriptors finds none that came by itself.
void OpensNothingLater() {
  for (int round = 0; round < 20; round++) {
    Fixture f;
    const std::shared_ptr<Engine> engine = test::MakeEngine(2);
    const size_t started = OpenFds();
    usleep(2000);
    CHECK_EQ(OpenFds(), started);
  }
}

void Main() {
  const size_t before = OpenFds();
  OpensNothingLater();
  AnswersDoorbells();
  HandsOnWhatIsNoDoorbell();
  OvertakesMessagesThatWait();
  FramesAnySegmentation();
  GivesDescriptorsToTheirMessage();
  EndsMalformedSessions();
  StopsReadingWhenTheOwnerIsBehind();
  SurvivesPeersThatReadNothing();
  SendsMoreThanFits();
  OneClientAtATime();
  SocketFiles();
  EverythingAfterStop();
  ManySessions();
  CHECK_EQ(OpenFds(), before);
}

}  // namespace
}  // namespace ptnet

int main() { ptnet::Main(); }
