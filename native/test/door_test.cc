// The door against honest and hostile applications, without Node: connections, doorbells, wake-ups, requests, and that
// nothing is left.
#include "application/door.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <condition_variable>
#include <cstring>
#include <deque>

#include "application/wire.h"
#include "check.h"
#include "counting_target.h"
#include "eventually.h"
#include "open_fds.h"
#include "os/event.h"

namespace ptnet {
namespace {

/// Keeps what the door says until the test asks for it.
class Recorder : public DoorSink {
 public:
  struct Event {
    char kind;  // 'c'onnect, 'm'essage, 'd'isconnect
    uint32_t connection;
    int error;
    Credentials who;
    std::unique_ptr<DoorMessage> message;
  };

  void OnConnect(uint32_t connection, const Credentials& who) override { Push({'c', connection, 0, who, nullptr}); }
  void OnMessage(std::unique_ptr<DoorMessage> message) override {
    const uint32_t connection = message->connection;
    Push({'m', connection, 0, {}, std::move(message)});
  }
  void OnDisconnect(uint32_t connection, int error) override { Push({'d', connection, error, {}, nullptr}); }

  Event Next(char kind) {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [&] { return !events_.empty(); });
    Event event = std::move(events_.front());
    events_.pop_front();
    CHECK_EQ(event.kind, kind);
    return event;
  }
  size_t pending() {
    const std::lock_guard lock(mutex_);
    return events_.size();
  }

 private:
  void Push(Event event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    ready_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Event> events_;
};

using Bytes = std::vector<uint8_t>;

Bytes Doorbell(uint16_t ring, uint16_t type = kApplicationDoorbell) {
  const ApplicationDoorbell doorbell{type, ring};
  Bytes bytes(sizeof doorbell);
  memcpy(bytes.data(), &doorbell, sizeof doorbell);
  return bytes;
}

Bytes Request(size_t size) {
  Bytes bytes(size);
  memcpy(bytes.data(), &kApplicationRequest, sizeof kApplicationRequest);
  return bytes;
}

struct Fixture {
  Recorder sink;
  std::unique_ptr<Door> door;
  std::string path = "/tmp/ptnet-door." + std::to_string(getpid());
  std::shared_ptr<CountingTarget> target = std::make_shared<CountingTarget>();

  explicit Fixture(const std::string& suffix = "") {
    path += suffix;
    CHECK(!Door::Open(path, 0600, &sink, &door));
  }

  os::UniqueFd Dial() {
    os::UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
    strcpy(address.sun_path, path.c_str());
    CHECK_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  os::UniqueFd Connect(uint32_t* id) {
    os::UniqueFd fd = Dial();
    *id = sink.Next('c').connection;
    return fd;
  }
  int Ended(uint32_t id) {
    const auto event = sink.Next('d');
    CHECK_EQ(event.connection, id);
    CHECK(!door->Release(id));
    return event.error;
  }
  /// With doorbells of rings 1 and 2, and an interrupt.
  os::UniqueFd Serve(uint32_t id) {
    os::UniqueFd interrupt;
    CHECK(!os::CreateEventfd(0, &interrupt));
    ServedRings rings;
    rings.target = target;
    rings.doorbells = {false, true, true, false};
    rings.interrupts.emplace_back(dup(interrupt.get()));
    CHECK(!door->Serve(id, 0, std::move(rings)));
    return interrupt;
  }
  uint64_t Counted(uint32_t ring) { return target->counts[ring].load(); }
};

/// As an application makes it for each answer.
struct ReplyPair {
  os::UniqueFd mine, theirs;

  explicit ReplyPair(int family = AF_UNIX, int type = SOCK_SEQPACKET) {
    int fds[2];
    CHECK_EQ(socketpair(family, type | SOCK_CLOEXEC, 0, fds), 0);
    mine.Reset(fds[0]), theirs.Reset(fds[1]);
  }
};

void Send(const os::UniqueFd& fd, const Bytes& bytes, const std::vector<int>& fds = {}) {
  size_t sent = 0;
  os::Error error;
  do {
    error = os::SendWithFds(fd.get(), bytes, fds, &sent);
    pollfd entry = {fd.get(), POLLOUT, 0};
    if (error.number == EAGAIN) poll(&entry, 1, -1);
  } while (error.number == EAGAIN);
  CHECK(!error);
}

bool Readable(const os::UniqueFd& fd, int timeout_ms = -1) {
  pollfd entry = {fd.get(), POLLIN, 0};
  return poll(&entry, 1, timeout_ms) == 1;
}

/// A byte for the rings that it has from now on, and nothing else.
void TakeOne(const os::UniqueFd& client) {
  char bytes[8];
  CHECK(Readable(client));
  CHECK_EQ(recv(client.get(), bytes, sizeof bytes, MSG_DONTWAIT), 1);
}

/// From any thread, without the connection's own: also when the socket takes no more, and when nobody is there.
void IsWokenDirectly() {
  Fixture f;
  uint32_t id;
  os::UniqueFd client = f.Connect(&id);
  std::shared_ptr<PeerEventfd> waker;
  CHECK_EQ(f.door->Waker(id + 1, &waker).number, EBADF);
  CHECK(!f.door->Waker(id, &waker));
  CHECK(waker->socket && (waker->signal() & PeerEventfd::kSocket) != 0);
  CHECK(PeerEventfd::Raise(waker->signal()));
  TakeOne(client);
  CHECK(!Readable(client, 0));
  for (int i = 0; i < 10000; i++) CHECK(PeerEventfd::Raise(waker->signal()));
  // What is on its way is the application's to read.
  waker->Take();
  CHECK(!waker->had_signals);
  TakeOne(client);
  client.Reset();
  CHECK(PeerEventfd::Raise(waker->signal()));
  CHECK_EQ(f.Ended(id), 0);
  CHECK(PeerEventfd::Raise(waker->signal()));
}

/// The rings of its host side have doorbells of their own.
void RingsBothParts() {
  Fixture f;
  uint32_t id;
  const os::UniqueFd client = f.Connect(&id);
  const os::UniqueFd interrupt = f.Serve(id);
  auto host = std::make_shared<CountingTarget>();
  ServedRings rings;
  rings.target = host;
  rings.doorbells = {true, false};
  CHECK(!f.door->Serve(id, 1, std::move(rings)));
  TakeOne(client);
  TakeOne(client);
  for (const uint16_t ring : {64, 65, 66, 127, 128, 65535, 1}) Send(client, Doorbell(ring));
  test::Eventually("f.Counted(1) == 1", [&] { return f.Counted(1) == 1; });
  CHECK_EQ(host->counts[0].load(), 1u);
  CHECK_EQ(host->counts[1].load(), 0u);
}

void KnowsWhoConnects() {
  Fixture f;
  const os::UniqueFd client = f.Dial();
  const auto event = f.sink.Next('c');
  CHECK_EQ(event.who.pid, getpid());
  CHECK_EQ(event.who.uid, getuid());
  CHECK_EQ(event.who.gid, getgid());
  CHECK(f.door->Has(event.connection));
  CHECK(!f.door->Has(event.connection + 1));
  CHECK_EQ(f.door->Serve(event.connection + 1, 0, {}).number, EBADF);
  CHECK_EQ(f.door->Release(event.connection + 1).number, EBADF);
}

void RingsWhatAConnectionHas() {
  Fixture f;
  uint32_t id;
  const os::UniqueFd client = f.Connect(&id);
  Send(client, Doorbell(1));  // it has none yet
  test::Eventually("f.door->counters().doorbells.load() == 1",
                   [&] { return f.door->counters().doorbells.load() == 1; });
  const os::UniqueFd interrupt = f.Serve(id);
  for (const uint16_t ring : {0, 1, 2, 2, 3, 4, 65535}) Send(client, Doorbell(ring));
  test::Eventually("f.door->counters().doorbells.load() == 8",
                   [&] { return f.door->counters().doorbells.load() == 8; });
  // Serving is begun soon, not at once: what was sent before that is nobody's.
  while (f.Counted(2) == 0) Send(client, Doorbell(2));
  CHECK_EQ(f.Counted(0), 0);
  CHECK_EQ(f.Counted(3), 0);
  f.target.reset();  // whoever served it has gone
  Send(client, Doorbell(1));
  CHECK_EQ(f.sink.pending(), 0);
}

void WakesByAByte() {
  Fixture f;
  uint32_t id;
  const os::UniqueFd client = f.Connect(&id);
  const os::UniqueFd interrupt = f.Serve(id);
  char byte;
  for (int i = 0; i < 100; i++) {
    CHECK(!os::SignalEventfd(interrupt.get()));
    CHECK(Readable(client));
    CHECK_EQ(recv(client.get(), &byte, 1, 0), 1);
  }
  // More than the socket takes: it stays readable, and nobody is held up.
  for (int i = 0; i < 1000; i++) CHECK(!os::SignalEventfd(interrupt.get()));
  CHECK(Readable(client));
  CHECK(!f.door->Serve(id, 0, {}));
  const os::UniqueFd another = f.Serve(id);
  while (recv(client.get(), &byte, 1, MSG_DONTWAIT) == 1) {
  }
  CHECK(!os::SignalEventfd(another.get()));
  CHECK(Readable(client));
}

void AnswersByTheSocketThatComesWithARequest() {
  Fixture f;
  uint32_t id;
  const os::UniqueFd client = f.Connect(&id);
  ReplyPair pair;
  auto& [mine, theirs] = pair;
  os::UniqueFd passed;
  CHECK(!os::CreateEventfd(0, &passed));
  Send(client, Request(100), {theirs.get()});
  theirs.Reset();
  auto event = f.sink.Next('m');
  CHECK(event.message->bytes == Request(100));
  CHECK_EQ(event.message->fds.size(), 1u);
  SendReply(std::move(event.message->fds[0]), Doorbell(7), std::vector<int>{passed.get()});
  CHECK(!f.door->Delivered(id));
  CHECK(Readable(mine));
  uint8_t buffer[16];
  std::vector<os::PeerFd> fds;
  os::Received received;
  CHECK(!os::ReceiveWithFds(mine.get(), 0, buffer, sizeof buffer, &fds, &received));
  CHECK_EQ(received.bytes, 4u);
  CHECK_EQ(fds.size(), 1u);
  // And then it is closed.
  CHECK(Readable(mine));
  CHECK(!os::ReceiveWithFds(mine.get(), 0, buffer, sizeof buffer, &fds, &received));
  CHECK_EQ(received.bytes, 0u);
}

/// `before`: the descriptors that were open when the test began; connections of other cases may still be ending.
void HangsUpOnNonsense(size_t before) {
  {
    Fixture f;
    os::UniqueFd some, unconnected(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    os::UniqueFd udp(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    CHECK(!os::CreateEventfd(0, &some));
    const ReplyPair good, stream(AF_UNIX, SOCK_STREAM), datagrams(AF_UNIX, SOCK_DGRAM);
    // By one with a name the host would speak to somebody's service.
    Fixture service(".service");
    const os::UniqueFd named = service.Dial();
    const struct {
      Bytes bytes;
      std::vector<int> fds;
    } cases[] = {{Bytes(1), {}},
                 {Bytes(4), {}},
                 {Doorbell(0, 3), {}},
                 {Bytes(3, 1), {}},
                 {Doorbell(1), {good.theirs.get()}},
                 {Request(100), {}},
                 {Request(100), {good.theirs.get(), good.theirs.get()}},
                 {Request(100), {some.get()}},
                 {Request(100), {unconnected.get()}},
                 {Request(100), {udp.get()}},
                 {Request(100), {stream.theirs.get()}},
                 {Request(100), {datagrams.theirs.get()}},
                 {Request(100), {named.get()}},
                 {Request(kApplicationMessageMax + 1), {good.theirs.get()}},
                 {Request(kApplicationMessageMax + 1000), {good.theirs.get()}}};
    for (const auto& [bytes, fds] : cases) {
      uint32_t id;
      const os::UniqueFd client = f.Connect(&id);
      Send(client, bytes, fds);
      CHECK_EQ(f.Ended(id), EPROTO);
      CHECK(Readable(client));
    }
    uint32_t id;
    os::UniqueFd client = f.Connect(&id);
    client.Reset();
    CHECK_EQ(f.Ended(id), 0);
  }
  test::Eventually("OpenFds() == before", [&] { return OpenFds() == before; });
}

/// Whoever sends requests faster than they are answered waits for himself.
void ReadsNoMoreThanIsAnswered() {
  Fixture f;
  uint32_t id;
  const os::UniqueFd client = f.Connect(&id);
  const os::UniqueFd interrupt = f.Serve(id);
  const ReplyPair pair;
  for (uint32_t i = 0; i < Connection::kRequestsMax; i++) Send(client, Request(8), {pair.theirs.get()});
  Send(client, Request(8), {pair.theirs.get()});
  Send(client, Doorbell(2));
  std::vector<Recorder::Event> waiting;
  for (uint32_t i = 0; i < Connection::kRequestsMax; i++) waiting.push_back(f.sink.Next('m'));
  CHECK_EQ(f.door->counters().messages.load(), Connection::kRequestsMax);
  // It is woken all the same.
  CHECK(!os::SignalEventfd(interrupt.get()));
  CHECK(Readable(client));
  CHECK(!f.door->Delivered(id));
  (void)f.sink.Next('m');
  for (uint32_t i = 0; i < Connection::kRequestsMax; i++) CHECK(!f.door->Delivered(id));
  test::Eventually("f.door->counters().doorbells.load() == 1",
                   [&] { return f.door->counters().doorbells.load() == 1; });
}

void EndsWithManyConnected(size_t before) {
  {
    Fixture f;
    std::vector<os::UniqueFd> clients;
    for (int i = 0; i < 20; i++) {
      uint32_t id;
      clients.push_back(f.Connect(&id));
      f.Serve(id);
    }
    f.door->Stop();
    for (const os::UniqueFd& client : clients) CHECK(Readable(client));
    CHECK(access(f.path.c_str(), F_OK) != 0);
  }
  test::Eventually("OpenFds() == before", [&] { return OpenFds() == before; });
}

}  // namespace
}  // namespace ptnet

int main() {
  const size_t before = ptnet::OpenFds();
  ptnet::KnowsWhoConnects();
  ptnet::RingsWhatAConnectionHas();
  ptnet::WakesByAByte();
  ptnet::IsWokenDirectly();
  ptnet::RingsBothParts();
  ptnet::AnswersByTheSocketThatComesWithARequest();
  ptnet::HangsUpOnNonsense(before);
  ptnet::ReadsNoMoreThanIsAnswered();
  ptnet::EndsWithManyConnected(before);
  return 0;
}
