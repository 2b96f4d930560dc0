// Connection: its thread, from the first byte to the hang-up.
#include "application/connection.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <utility>

#include "application/wire.h"
#include "datapath/worker.h"
#include "os/event.h"
#include "os/socket.h"
#include "os/thread.h"

namespace ptnet {
namespace {

constexpr int kEventsMax = 32;
constexpr int kMessagesAtOnce = 16;
constexpr uint64_t kWakeTag = UINT64_MAX;
constexpr uint64_t kSocketTag = UINT64_MAX - 1;

/// Whether an answer may go there: to an end of a socketpair. By a socket that has been connected to somebody the host
/// would speak to a service as itself.
bool IsReplySocket(int fd) {
  const auto option = [fd](int name) {
    int value = -1;
    socklen_t size = sizeof value;
    return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
  };
  sockaddr_un peer;
  socklen_t size = sizeof peer;
  return option(SO_DOMAIN) == AF_UNIX && option(SO_TYPE) == SOCK_SEQPACKET &&
         getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 && size == sizeof(sa_family_t);
}

bool Add(int epoll, int fd, uint32_t events, uint64_t tag) {
  epoll_event event{.events = events, .data = {.u64 = tag}};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

Connection::Connection(uint32_t id, os::PeerFd socket, os::PeerId peer, std::shared_ptr<DoorState> door)
    : id_(id), peer_(peer), socket_(std::move(socket)), door_(std::move(door)), buffer_(kApplicationMessageMax + 1) {}

bool Connection::Open() {
  epoll_.Reset(epoll_create1(EPOLL_CLOEXEC));
  return epoll_ && !os::CreateEventfd(0, &wake_) && Add(epoll_.get(), wake_.get(), EPOLLIN, kWakeTag);
}

bool Connection::Start() {
  return os::StartDetached("ptnet-app", [self = shared_from_this()] { Run(*self); });
}

void Connection::Wake() { (void)os::SignalEventfd(wake_.get()); }

void Connection::Serve(uint32_t part, ServedRings rings) {
  std::optional<ServedRings> replaced;  // without the lock
  {
    const std::lock_guard lock(mutex_);
    replaced = std::exchange(next_[part], std::move(rings));
  }
  Wake();
}

std::shared_ptr<PeerEventfd> Connection::Waker() const {
  const int own = os::DupPeerFd(socket_.get());
  return own < 0 ? nullptr : std::make_shared<PeerEventfd>(own, true);
}

void Connection::Delivered() {
  if (waiting_.fetch_sub(1, std::memory_order_relaxed) == kRequestsMax) Wake();
}

void Connection::End() {
  ended_.store(true, std::memory_order_release);
  Wake();
}

void Connection::Run(Connection& c) {
  epoll_event events[kEventsMax];
  c.WatchSocket();
  for (Outcome outcome = Outcome::kGoOn; outcome == Outcome::kGoOn;) {
    const int count = epoll_wait(c.epoll_.get(), events, kEventsMax, -1);
    bool interrupted = false;
    // What is served next is not told of events of what was there before.
    bool woken = false, readable = false;
    for (int i = 0; i < count; i++) {
      woken |= events[i].data.u64 == kWakeTag;
      readable |= events[i].data.u64 == kSocketTag;
      interrupted |= events[i].data.u64 < kSocketTag;
    }
    if (interrupted) c.WakeApplication();
    if (woken) outcome = c.OnWake();
    if (readable && outcome == Outcome::kGoOn) outcome = c.Read();
  }
  for (ServedRings& rings : c.rings_) rings = {};
  // Closed it is when nobody asks after it any more.
  shutdown(c.socket_.get(), SHUT_RDWR);
}

bool Connection::HungUp() const { return os::PeerHungUp(socket_.get()); }

Connection::Outcome Connection::OnWake() {
  uint64_t times;
  (void)os::DrainEventfd(wake_.get(), &times);
  if (ended_.load(std::memory_order_acquire)) return Outcome::kEnd;
  WatchSocket();
  for (uint32_t part = 0; part < kApplicationParts; part++) {
    std::optional<ServedRings> taken;
    {
      const std::lock_guard lock(mutex_);
      taken.swap(next_[part]);
    }
    if (taken) Take(part, std::move(*taken));
  }
  return Outcome::kGoOn;
}

void Connection::Take(uint32_t part, ServedRings rings) {
  ServedRings& served = rings_[part];
  for (const os::UniqueFd& fd : served.interrupts) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd.get(), nullptr);
  served = std::move(rings);
  // Edge-triggered: every signal is an event, and nobody needs to read it.
  for (size_t i = 0; i < served.interrupts.size(); i++)
    Add(epoll_.get(), served.interrupts[i].get(), EPOLLIN | EPOLLET, i);
  // Whoever waits may have been told by what is not looked at any more.
  WakeApplication();
}

/// As long as requests may come: one that sends more than are answered waits for its own.
void Connection::WatchSocket() {
  const bool wanted = waiting_.load(std::memory_order_relaxed) < kRequestsMax;
  if (wanted == watched_) return;
  watched_ = wanted;
  if (wanted)
    Add(epoll_.get(), socket_.get(), EPOLLIN, kSocketTag);
  else
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket_.get(), nullptr);
}

Connection::Outcome Connection::Read() {
  for (int i = 0; i < kMessagesAtOnce && watched_; i++) {
    std::vector<os::PeerFd> fds;
    os::Received received;
    const os::Error error = os::ReceiveWithFds(socket_.get(), peer_, buffer_.data(), buffer_.size(), &fds, &received);
    if (error.number == EAGAIN) break;
    if (error) return Lost(error.number == ECONNRESET ? 0 : error.number);
    if (received.truncated) return Lost(EMFILE);
    if (received.bytes == 0) return Lost(0);
    if (Take(received.bytes, std::move(fds)) == Outcome::kEnd) return Outcome::kEnd;
  }
  return Outcome::kGoOn;
}

Connection::Outcome Connection::Take(size_t bytes, std::vector<os::PeerFd> fds) {
  uint16_t type = 0;
  if (bytes >= sizeof type) memcpy(&type, buffer_.data(), sizeof type);
  if (type == kApplicationDoorbell && bytes == sizeof(ApplicationDoorbell) && fds.empty()) {
    ApplicationDoorbell doorbell;
    memcpy(&doorbell, buffer_.data(), sizeof doorbell);
    RingDoorbell(doorbell.ring);
    return Outcome::kGoOn;
  }
  if (type != kApplicationRequest || bytes > kApplicationMessageMax) return Lost(EPROTO);
  if (fds.size() != 1 || !IsReplySocket(fds[0].get())) return Lost(EPROTO);
  auto message = std::make_unique<DoorMessage>();
  message->connection = id_;
  message->bytes.assign(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(bytes));
  message->fds = std::move(fds);
  door_->counters.messages.fetch_add(1, std::memory_order_relaxed);
  waiting_.fetch_add(1, std::memory_order_relaxed);
  door_->Tell([&](DoorSink& sink) { sink.OnMessage(std::move(message)); });
  WatchSocket();
  return Outcome::kGoOn;
}

void Connection::RingDoorbell(uint32_t ring) {
  door_->counters.doorbells.fetch_add(1, std::memory_order_relaxed);
  if (ring >= kApplicationParts * kHostRingsFrom) return;
  const ServedRings& served = rings_[ring / kHostRingsFrom];
  ring %= kHostRingsFrom;
  if (ring >= served.doorbells.size() || !served.doorbells[ring]) return;
  const std::shared_ptr<DoorbellTarget> target = served.target.lock();
  if (!target) return;
  // Here, in the place of a worker that sleeps: to wake it would take longer.
  if (Worker* worker = target->Ring(ring); worker != nullptr && !worker->ServeHere()) worker->Wake();
}

/// One that is full of bytes is readable already.
void Connection::WakeApplication() {
  const uint8_t byte = 0;
  door_->counters.wakeups.fetch_add(1, std::memory_order_relaxed);
  (void)send(socket_.get(), &byte, sizeof byte, MSG_DONTWAIT | MSG_NOSIGNAL);
}

Connection::Outcome Connection::Lost(int error) {
  door_->Tell([&](DoorSink& sink) {
    if (!ended_.load(std::memory_order_acquire)) sink.OnDisconnect(id_, error);
  });
  return Outcome::kEnd;
}

}  // namespace ptnet
