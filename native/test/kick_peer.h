// A peer for the kick thread's tests: what it hears, what clients send, and counting of what must not leak.
#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <condition_variable>
#include <cstring>
#include <deque>

#include "check.h"
#include "counting_target.h"
#include "datapath/kick.h"
#include "datapath/kick_wire.h"
#include "open_fds.h"
#include "os/socket.h"

namespace ptnet {

/** Keeps what the thread says until the test asks for it. */
class Recorder : public KickSink {
 public:
  struct Event {
    char kind;  // 'c'onnect, 'm'essage, 'd'isconnect
    uint32_t session;
    int error;
    std::unique_ptr<KickMessage> message;
  };

  void OnConnect(uint32_t, uint32_t session) override { Push({'c', session, 0, nullptr}); }
  void OnMessage(std::unique_ptr<KickMessage> message) override {
    const uint32_t session = message->session;
    Push({'m', session, 0, std::move(message)});
  }
  void OnDisconnect(uint32_t session, int error) override { Push({'d', session, error, nullptr}); }

  Event Next(char kind) {
    std::unique_lock<std::mutex> lock(mutex_);
    ready_.wait(lock, [&] { return !events_.empty(); });
    Event event = std::move(events_.front());
    events_.pop_front();
    CHECK_EQ(event.kind, kind);
    return event;
  }
  /** Forgets messages; whether something else has come. */
  bool DropMessages() {
    const std::lock_guard<std::mutex> lock(mutex_);
    while (!events_.empty() && events_.front().kind == 'm') events_.pop_front();
    return !events_.empty();
  }
  size_t pending() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return events_.size();
  }

 private:
  void Push(Event event) {
    const std::lock_guard<std::mutex> lock(mutex_);
    events_.push_back(std::move(event));
    ready_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Event> events_;
};

using Bytes = std::vector<uint8_t>;

inline Bytes Message(uint16_t command, uint32_t payload, uint16_t id = 7) {
  Bytes bytes(16 + payload);
  const VfioUserHeader header = {id, command, 16 + payload, 0, 0};
  memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

inline Bytes Doorbell(uint64_t offset, bool posted = false, uint32_t count = 4, uint32_t region = 0) {
  Bytes bytes(32 + count);
  const VfioUserRegionAccess access = {
      {9, kVfioUserRegionWrite, 32 + count, posted ? kVfioUserNoReply : 0, 0}, offset, region, count};
  memcpy(bytes.data(), &access, sizeof access);
  return bytes;
}

inline void Append(Bytes* to, const Bytes& more) { to->insert(to->end(), more.begin(), more.end()); }

inline int serial = 0;

struct Fixture {
  Recorder sink;
  std::unique_ptr<Kick> kick;
  std::string path = "/tmp/ptnet-kick." + std::to_string(getpid()) + "." + std::to_string(serial++);
  uint32_t listener = 0;
  std::shared_ptr<CountingTarget> target = std::make_shared<CountingTarget>();

  explicit Fixture(KickLimits limits = {4096, 4}) {
    CHECK(!Kick::Start(&sink, &kick));
    CHECK(!kick->Listen(path, 0600, limits, &listener));
  }

  os::UniqueFd Dial() {
    os::UniqueFd client;
    CHECK(!os::ConnectUnix(path, &client));
    return client;
  }
  /** A connected client whose doorbells lie at 0x80 of region 0. */
  os::UniqueFd Connect(uint32_t* session, bool doorbells = true) {
    os::UniqueFd client = Dial();
    *session = sink.Next('c').session;
    if (doorbells) CHECK(!kick->SetDoorbells(*session, {0, 0x80, 4}, target));
    return client;
  }
  int Ended(uint32_t session) {
    auto event = sink.Next('d');
    CHECK_EQ(event.session, session);
    CHECK(!kick->Release(session));
    return event.error;
  }
};

inline void Write(const os::UniqueFd& fd, const Bytes& bytes, const std::vector<int>& fds = {}) {
  size_t done = 0;
  while (done < bytes.size()) {
    size_t sent;
    const std::span<const uint8_t> rest = std::span<const uint8_t>(bytes).subspan(done);
    const os::Error error = os::SendWithFds(fd.get(), rest, done == 0 ? fds : std::vector<int>(), &sent);
    CHECK(!error || error.number == EAGAIN);
    done += sent;
    pollfd entry = {fd.get(), POLLOUT, 0};
    if (error) poll(&entry, 1, -1);
  }
}

inline VfioUserRegionAccess ReadReply(const os::UniqueFd& fd) {
  VfioUserRegionAccess reply = {};
  CHECK_EQ(recv(fd.get(), &reply, sizeof reply, MSG_WAITALL), static_cast<ssize_t>(sizeof reply));
  return reply;
}

inline bool Quiet(const os::UniqueFd& fd) {
  pollfd entry = {fd.get(), POLLIN, 0};
  return poll(&entry, 1, 0) == 0;
}

}  // namespace ptnet
