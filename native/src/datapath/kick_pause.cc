// kick: standing still, what another process goes on with, and going on with what one had.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <utility>

#include "datapath/kick.h"
#include "os/peer_share.h"

namespace ptnet {
namespace {

os::Error Listens(int socket) {
  int listens = 0, domain = 0, type = 0;
  socklen_t size = sizeof type;
  if (getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return os::Error::Last("getsockopt");
  size = sizeof listens;
  if (getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0) return os::Error::Last("getsockopt");
  size = sizeof domain;
  if (getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) return os::Error::Last("getsockopt");
  const int flags = fcntl(socket, F_GETFL);
  const bool good = listens != 0 && domain == AF_UNIX && type == SOCK_STREAM && (flags & O_NONBLOCK) != 0;
  return good ? os::Error{} : os::Error{EINVAL, "listen"};
}

std::vector<os::PeerFd> Owned(const std::vector<int>& fds, os::PeerId peer) {
  std::vector<os::PeerFd> owned;
  for (const int fd : fds) owned.emplace_back(fd, peer);
  return owned;
}

}  // namespace

os::Error Kick::IsConnected(int socket) {
  int type = 0;
  socklen_t size = sizeof type;
  if (getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return os::Error::Last("getsockopt");
  sockaddr_storage address;
  size = sizeof address;
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return os::Error::Last("getpeername");
  return type == SOCK_STREAM && address.ss_family == AF_UNIX ? os::Error{} : os::Error{EINVAL, "connect"};
}

os::Error Kick::Pause() { return SetPaused(true); }
os::Error Kick::Resume() { return SetPaused(false); }

os::Error Kick::SetPaused(bool paused) {
  if (stopping_.load(std::memory_order_acquire)) return {EBADF, "pause"};
  const std::lock_guard<std::mutex> lock(mutex_);
  paused_ = paused;
  for (auto& [id, listener] : listeners_) {
    epoll_event event = {};
    event.events = paused || listener.paused ? 0u : EPOLLIN;
    event.data.u64 = ListenerTag(id);
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listener.socket.get(), &event) != 0) return os::Error::Last("epoll_ctl");
  }
  // Whoever has the lock is not being read.
  for (auto& [id, session] : sessions_) {
    const auto session_lock = session->LockFromOutside();
    session->Pause(paused);
    if (session->ended()) continue;
    // One that has hung up meanwhile is found so by its next read.
    if (!paused) (void)session->LookOn();
    UpdateInterest(session.get());
  }
  return {};
}

bool Kick::Settled(size_t sessions) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (sessions_.size() != sessions) return false;
  for (auto& [id, session] : sessions_) {
    const auto session_lock = session->LockFromOutside();
    if (!session->settled()) return false;
  }
  for (auto& [id, listener] : listeners_)
    if (listener.newcomer) return false;
  return paused_;
}

int Kick::SocketOf(uint32_t listener) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = listeners_.find(listener);
  return found == listeners_.end() ? -1 : found->second.socket.get();
}

int Kick::SocketOf(uint32_t id, KickSession::Rest* rest) {
  const std::shared_ptr<KickSession> session = Find(id);
  if (!session) return -1;
  const auto lock = session->LockFromOutside();
  *rest = session->TakenSoFar();
  return session->socket();
}

os::Error Kick::AdoptListener(int socket, const std::string& path, const KickLimits& limits, uint32_t* listener) {
  Listener entry;
  entry.limits = limits;
  entry.socket = os::PeerFd(socket, entry.peer);
  if (stopping_.load(std::memory_order_acquire)) return {EBADF, "listen"};
  if (const os::Error error = Listens(socket)) return error;
  entry.file = os::SocketFile::At(path);
  const std::lock_guard<std::mutex> lock(mutex_);
  const uint32_t id = next_id_++;
  epoll_event event = {};
  event.events = paused_ ? 0u : EPOLLIN;
  event.data.u64 = ListenerTag(id);
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket, &event) != 0) return os::Error::Last("epoll_ctl");
  listeners_.emplace(id, std::move(entry));
  os::DividePeerShares(listeners_.size());
  *listener = id;
  return {};
}

void Kick::AdoptFds(uint32_t listener, std::span<const int> fds) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = listeners_.find(listener);
  for (const int fd : fds)
    if (found != listeners_.end()) os::AdoptPeerFd(fd, found->second.peer);
}

os::Error Kick::AdoptSession(uint32_t listener, int socket, const KickSession::Rest& taken, uint32_t* number) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = listeners_.find(listener);
  const bool free = found != listeners_.end() && found->second.session == 0;
  const os::PeerId peer = free ? found->second.peer : 0;
  os::PeerFd own(socket, peer);
  std::vector<os::PeerFd> rest = Owned(taken.fds, peer);
  std::vector<std::vector<os::PeerFd>> answers;
  for (const auto& answer : taken.unsent) answers.push_back(Owned(answer.fds, peer));
  if (!free) return {EBUSY, "connect"};
  if (const os::Error error = IsConnected(socket)) return error;
  const uint32_t id = next_id_++;
  auto session = std::make_shared<KickSession>(id, listener, std::move(own), found->second.limits, sink_, &counters_);
  const auto session_lock = session->LockFromOutside();
  session->Pause(paused_);
  if (!session->GoOnWith(taken.bytes, &rest)) return {EPROTO, "connect"};
  for (size_t i = 0; i < answers.size(); i++) session->Keep(taken.unsent[i].bytes, std::move(answers[i]));
  found->second.session = id;
  sessions_.emplace(id, session);
  UpdateInterest(session.get());
  *number = id;
  return {};
}

}  // namespace ptnet
