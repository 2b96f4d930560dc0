// door: accepting applications, and finding their connections again.
#include "application/door.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <utility>

#include "os/event.h"

namespace ptnet {
namespace {

constexpr int kPauseMs = 100;  // while there are no descriptors to accept a client with

/// A byte for each wake-up is all that we send there.
constexpr int kLeastBuffer = 1;

}  // namespace

os::Error Door::Open(const std::string& path, mode_t mode, DoorSink* sink, std::unique_ptr<Door>* out) {
  std::unique_ptr<Door> door(new Door(sink));
  if (const os::Error error = os::CreateEventfd(0, &door->wake_)) return error;
  if (const os::Error error = os::ListenUnix(path, mode, &door->listener_, SOCK_SEQPACKET)) return error;
  door->file_ = os::SocketFile::At(path);
  door->Resume();
  *out = std::move(door);
  return {};
}

os::Error Door::Adopt(const std::string& path, int listener, DoorSink* sink, std::unique_ptr<Door>* out) {
  std::unique_ptr<Door> door(new Door(sink));
  int type = 0, listens = 0;
  socklen_t size = sizeof type;
  if (getsockopt(listener, SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
      getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0)
    return os::Error::Last("getsockopt");
  if (type != SOCK_SEQPACKET || listens == 0) return {EINVAL, "getsockopt"};
  if (const os::Error error = os::CreateEventfd(0, &door->wake_)) return error;
  door->listener_ = os::UniqueFd(fcntl(listener, F_DUPFD_CLOEXEC, 0));
  if (!door->listener_) return os::Error::Last("fcntl");
  door->file_ = os::SocketFile::At(path);
  *out = std::move(door);
  return {};
}

void Door::Pause() {
  stopping_.store(true);
  (void)os::SignalEventfd(wake_.get());
  if (thread_.joinable()) thread_.join();
}

void Door::Resume() {
  if (stopped_ || thread_.joinable()) return;
  uint64_t count;
  (void)os::DrainEventfd(wake_.get(), &count);
  stopping_.store(false);
  thread_ = std::thread([this] { Accept(); });
}

size_t Door::size() const {
  const std::lock_guard lock(mutex_);
  return connections_.size();
}

void Door::CountOn(const std::array<uint64_t, 5>& counters) {
  DoorCounters& mine = state_->counters;
  uint32_t i = 0;
  for (auto* counter : {&mine.connections, &mine.refused, &mine.doorbells, &mine.wakeups, &mine.messages})
    counter->store(counters[i++]);
}

void Door::Stop() {
  if (std::exchange(stopped_, true)) return;
  file_.Remove();
  {
    const std::lock_guard lock(state_->mutex);
    state_->sink = nullptr;
  }
  Pause();
  listener_.Reset();
  std::map<uint32_t, std::shared_ptr<Connection>> left;
  {
    const std::lock_guard lock(mutex_);
    left.swap(connections_);
  }
  for (const auto& [id, connection] : left) connection->End();
}

void Door::Accept() {
  pollfd entries[] = {{wake_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
  while (!stopping_.load(std::memory_order_acquire)) {
    (void)poll(entries, 2, -1);
    if (entries[1].revents == 0) continue;
    const int socket = accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket >= 0)
      Admit(socket);
    else if (errno == EMFILE || errno == ENFILE)
      // No descriptor left: whoever comes waits in the backlog, where it would wake us for ever.
      (void)poll(entries, 1, kPauseMs);
  }
}

void Door::Admit(int fd) {
  ucred who = {};
  socklen_t size = sizeof who;
  getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kLeastBuffer, sizeof kLeastBuffer);
  std::shared_ptr<Connection> connection;
  uint32_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    os::PeerId& peer = peers_[who.uid];
    if (peer == 0) peer = os::NewPeer();
    os::PeerFd socket(fd, peer);
    id = ++last_id_;
    if (connections_.size() < kConnectionsMax && os::MayHoldPeerFd(peer))
      connection = std::make_shared<Connection>(id, std::move(socket), peer, state_);
    if (!connection || !connection->Open()) {
      state_->counters.refused.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    connections_.emplace(id, connection);
  }
  state_->counters.connections.fetch_add(1, std::memory_order_relaxed);
  state_->Tell([&](DoorSink& sink) { sink.OnConnect(id, {who.pid, who.uid, who.gid}); });
  if (connection->Start()) return;
  state_->counters.refused.fetch_add(1, std::memory_order_relaxed);
  state_->Tell([&](DoorSink& sink) { sink.OnDisconnect(id, EAGAIN); });
}

std::shared_ptr<Connection> Door::Find(uint32_t id) const {
  const std::lock_guard lock(mutex_);
  const auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : found->second;
}

bool Door::Has(uint32_t connection) const { return Find(connection) != nullptr; }

bool Door::HungUp(uint32_t id) const {
  const std::shared_ptr<Connection> connection = Find(id);
  return connection && connection->HungUp();
}

os::Error Door::Serve(uint32_t id, uint32_t part, ServedRings rings) {
  const std::shared_ptr<Connection> connection = Find(id);
  if (!connection) return {EBADF, "serve"};
  connection->Serve(part, std::move(rings));
  return {};
}

os::Error Door::Delivered(uint32_t id) {
  const std::shared_ptr<Connection> connection = Find(id);
  if (!connection) return {EBADF, "delivered"};
  connection->Delivered();
  return {};
}

os::Error Door::Waker(uint32_t id, std::shared_ptr<PeerEventfd>* out) {
  const std::shared_ptr<Connection> connection = Find(id);
  if (!connection) return {EBADF, "waker"};
  *out = connection->Waker();
  return *out ? os::Error{} : os::Error::Last("dup");
}

os::Error Door::Release(uint32_t id) {
  std::shared_ptr<Connection> connection;
  {
    const std::lock_guard lock(mutex_);
    const auto found = connections_.find(id);
    if (found == connections_.end()) return {EBADF, "release"};
    connection = std::move(found->second);
    connections_.erase(found);
  }
  connection->End();
  return {};
}

void SendReply(os::PeerFd socket, std::span<const uint8_t> bytes, std::span<const int> fds) {
  struct Reply {
    std::vector<uint8_t> bytes;
    std::vector<os::UniqueFd> own;
    std::vector<int> fds;
  };
  const auto reply = std::make_shared<Reply>();
  reply->bytes.assign(bytes.begin(), bytes.end());
  for (const int fd : fds) {
    reply->own.emplace_back(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    reply->fds.push_back(reply->own.back().get());
  }
  // In turn with its close, which comes when `socket` goes.
  (void)os::DoElsewhere(os::PeerOf(socket.get()), [reply, to = socket.get()] {
    size_t sent;
    (void)os::SendWithFds(to, reply->bytes, reply->fds, &sent);
  });
}

}  // namespace ptnet
