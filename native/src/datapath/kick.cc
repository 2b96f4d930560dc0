// kick: the thread that reads the vfio-user sockets, answers doorbells by itself and hands on everything else.
#include "datapath/kick.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "datapath/clock.h"
#include "datapath/stall_timer.h"
#include "datapath/worker.h"
#include "os/event.h"
#include "os/peer_share.h"
#include "os/short_slice.h"
#include "os/thread.h"

namespace ptnet {

namespace {

constexpr int kEventsAtOnce = 64;
constexpr uint64_t kBanNs = 10'000'000'000;  // the first time
constexpr uint64_t kPauseNs = 100'000'000;   // while there are no descriptors to accept a client with

enum class Source : uint32_t { kWake, kListener, kSession };

uint64_t Tag(Source source, uint32_t id) { return static_cast<uint64_t>(source) << 32 | id; }

os::Error Register(int epoll, int operation, int fd, uint32_t events, uint64_t tag) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = tag;
  return epoll_ctl(epoll, operation, fd, &event) == 0 ? os::Error{} : os::Error::Last("epoll_ctl");
}

}  // namespace

uint64_t Kick::ListenerTag(uint32_t id) { return Tag(Source::kListener, id); }

os::Error Kick::Start(KickSink* sink, std::unique_ptr<Kick>* out) {
  std::unique_ptr<Kick> kick(new Kick(sink));
  if (const os::Error error = kick->Open()) return error;
  // Signals are for the thread that handles them, but a fault in guest memory is the thread's own.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  sigdelset(&all, SIGBUS);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  kick->thread_ = os::StartBegun(&StallSample::KeepOpen, [k = kick.get()] { k->Run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(kick->thread_.native_handle(), "ptnet-kick");
  *out = std::move(kick);
  return {};
}

os::Error Kick::Open() {
  epoll_.Reset(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return os::Error::Last("epoll_create1");
  if (const os::Error error = os::CreateEventfd(0, &wake_)) return error;
  return Register(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), EPOLLIN, Tag(Source::kWake, 0));
}

Kick::~Kick() { Stop(); }

void Kick::Stop() {
  if (stopping_.exchange(true)) return;
  Wake();
  if (thread_.joinable()) thread_.join();
  std::map<uint32_t, Listener> listeners;
  std::unordered_map<uint32_t, std::shared_ptr<KickSession>> sessions;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    listeners.swap(listeners_);
    sessions.swap(sessions_);
  }
  for (const auto& [id, listener] : listeners) {
    listener.file.Remove();
    StopListening(listener);
  }
  for (const auto& [id, session] : sessions) {
    std::shared_ptr<DoorbellTarget> target;
    const auto lock = session->LockFromOutside();
    target = session->ClearDoorbells();
    session->End();
    session->CloseSocket();
    session->registered_interest = 0;  // whoever has the session still asks nothing of the epoll below
  }
  // Now, not when the last reference goes: in JavaScript that is the garbage collector's choice.
  const std::lock_guard<std::mutex> lock(mutex_);
  epoll_.Reset();
  wake_.Reset();
}

void Kick::Wake() { (void)os::SignalEventfd(wake_.get()); }

void Kick::Run() {
  os::KeepToShortSlices();
  epoll_event events[kEventsAtOnce];
  while (!stopping_.load(std::memory_order_acquire)) {
    const int count = epoll_wait(epoll_.get(), events, kEventsAtOnce, PatienceMs());
    if (resume_ns_ != 0 && NowNs() >= resume_ns_) Unpause();
    for (int i = 0; i < count; ++i) {
      const auto id = static_cast<uint32_t>(events[i].data.u64);
      switch (static_cast<Source>(events[i].data.u64 >> 32)) {
        case Source::kWake:
          OnWake();
          break;
        case Source::kListener:
          OnListener(id);
          break;
        case Source::kSession:
          OnSession(id, count == 1);
          break;
      }
    }
  }
}

void Kick::OnWake() {
  uint64_t count;
  (void)os::DrainEventfd(wake_.get(), &count);
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto& [id, listener] : listeners_)
    if (listener.session == 0 && listener.newcomer) Adopt(id, &listener, std::move(listener.newcomer));
}

void Kick::OnListener(uint32_t id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = listeners_.find(id);
  if (found == listeners_.end() || paused_) return;
  Listener& listener = found->second;
  // Connections that are to be closed may have to wait for what their client has sent, like all that is its.
  if (!os::MayHoldPeerFd(listener.peer)) return Pause(id, &listener);
  os::PeerFd client(accept4(listener.socket.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK), listener.peer);
  if (!client) {
    if (errno == EMFILE || errno == ENFILE) Pause(id, &listener);
    return;
  }
  if (listener.session == 0)
    Adopt(id, &listener, std::move(client));
  else if (MayWait(listener))
    listener.newcomer = std::move(client);
  else
    Refuse(&listener, client);
}

void Kick::Refuse(Listener* listener, const os::PeerFd& client) {
  listener->refused++;
  shutdown(client.get(), SHUT_RDWR);  // now: closed it is when its peer lets us
}

/// No descriptor left: the client waits in the backlog, where it would wake us for ever.
void Kick::Pause(uint32_t id, Listener* listener) {
  (void)Register(epoll_.get(), EPOLL_CTL_MOD, listener->socket.get(), 0, Tag(Source::kListener, id));
  listener->paused = true;
  listener->starved++;
  resume_ns_ = NowNs() + kPauseNs;
}

void Kick::Unpause() {
  resume_ns_ = 0;
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto& [id, listener] : listeners_)
    if (std::exchange(listener.paused, false) && !paused_)
      (void)Register(epoll_.get(), EPOLL_CTL_MOD, listener.socket.get(), EPOLLIN, Tag(Source::kListener, id));
}

int Kick::PatienceMs() const { return resume_ns_ == 0 ? -1 : static_cast<int>(kPauseNs / 1'000'000); }

bool Kick::MayWait(const Listener& listener) {
  if (listener.newcomer && !os::PeerHungUp(listener.newcomer.get())) return false;
  const auto session = sessions_.find(listener.session);
  if (session == sessions_.end()) return true;
  const auto lock = session->second->LockFromOutside();
  return session->second->ended() || os::PeerHungUp(session->second->socket());
}

void Kick::Adopt(uint32_t id, Listener* listener, os::PeerFd socket) {
  const uint32_t number = next_id_++;
  std::unique_ptr<KeptTurn> turn;
  const bool keeps = kept_ && !KeptTurn::Open(kept_, socket.get(), &turn);
  const KickLimits limits = keeps ? KeptLimits(listener->limits) : listener->limits;
  auto session = std::make_shared<KickSession>(number, id, std::move(socket), limits, sink_, &counters_);
  if (keeps) session->Keep(std::move(turn));
  listener->session = number;
  sessions_.emplace(number, session);
  sink_->OnConnect(id, number);
  const auto lock = session->LockFromOutside();
  session->Pause(paused_);
  UpdateInterest(session.get());
}

void Kick::OnSession(uint32_t id, bool alone) {
  const std::shared_ptr<KickSession> session = Find(id);
  if (!session) return;
  KickSession::Rung rung;
  {
    const auto lock = session->LockFromThread();
    if (!lock) {
      sched_yield();
      return;
    }
    if (session->ended()) return;
    int end = session->Flush();
    if (end == KickSession::kGoOn && session->wants_read()) end = session->Read();
    rung = session->TakeRung();
    if (end == KickSession::kGoOn)
      UpdateInterest(session.get());
    else
      Disconnect(session.get(), end);
  }
  // Without the lock: whoever else wants the session does not wait for what is served.
  if (rung.worker != nullptr) Serve(session->listener(), *rung.worker, alone);
}

/// Serves what was rung in the place of a worker that sleeps, unless others wait to be read meanwhile or this device
/// has been slow at it; otherwise wakes the worker.
void Kick::Serve(uint32_t listener, Worker& worker, bool alone) {
  const auto slow = slow_.find(listener);
  if (!alone) return worker.Wake();
  if (slow == slow_.end()) {
    const uint64_t start = NowNs();
    if (!worker.ServeHere()) return worker.Wake();
    // What a few slots take is microseconds, unless others have the CPU meanwhile. To tell takes microseconds too.
    if (NowNs() - start > StallTimer::kLongNs) slow_.try_emplace(listener);
    return;
  }
  Slow& entry = slow->second;
  if (NowNs() < entry.until_ns) return worker.Wake();
  StallTimer timer;
  if (!worker.ServeHere()) return worker.Wake();
  if (timer.Take(Stall::kCall) == 0) return;
  // Its memory may have to be waited for, by the will of its peer. Each time it is trusted again later.
  entry.ban_ns = std::max(2 * entry.ban_ns, kBanNs);
  entry.until_ns = NowNs() + entry.ban_ns;
  counters_.slow_services.fetch_add(1, std::memory_order_relaxed);
}

void Kick::Disconnect(KickSession* session, int error) {
  session->End();
  UpdateInterest(session);
  sink_->OnDisconnect(session->id(), error);
}

void Kick::UpdateInterest(KickSession* session) {
  const uint32_t events = session->interest();
  if (events == session->registered_interest) return;
  // Out of epoll altogether when nothing is wanted: a hang-up would be reported over and over otherwise.
  const int operation = events == 0 ? EPOLL_CTL_DEL : session->registered_interest == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  (void)Register(epoll_.get(), operation, session->socket(), events, Tag(Source::kSession, session->id()));
  session->registered_interest = events;
}

std::shared_ptr<KickSession> Kick::Find(uint32_t session) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = sessions_.find(session);
  return found == sessions_.end() ? nullptr : found->second;
}

os::Error Kick::Listen(const std::string& path, mode_t mode, const KickLimits& limits, uint32_t* listener) {
  if (stopping_.load(std::memory_order_acquire)) return {EBADF, "listen"};
  Listener entry;
  entry.limits = limits;
  os::UniqueFd socket;
  if (const os::Error error = os::ListenUnix(path, mode, &socket)) return error;
  // What clients in its backlog have sent is closed with it.
  entry.socket = os::PeerFd(socket.Release(), entry.peer);
  entry.file = os::SocketFile::At(path);
  const std::lock_guard<std::mutex> lock(mutex_);
  const uint32_t id = next_id_++;
  const os::Error error =
      Register(epoll_.get(), EPOLL_CTL_ADD, entry.socket.get(), paused_ ? 0u : EPOLLIN, Tag(Source::kListener, id));
  if (error) {
    entry.file.Remove();
    return error;
  }
  listeners_.emplace(id, std::move(entry));
  os::DividePeerShares(listeners_.size());
  *listener = id;
  return {};
}

os::Error Kick::Unlisten(uint32_t listener) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = listeners_.find(listener);
  if (found == listeners_.end()) return {EBADF, "unlisten"};
  found->second.file.Remove();
  StopListening(found->second);
  listeners_.erase(found);
  return {};
}

/// At once: when it is closed is not for us to say.
void Kick::StopListening(const Listener& listener) {
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener.socket.get(), nullptr);
  shutdown(listener.socket.get(), SHUT_RDWR);
}

os::Error Kick::Send(uint32_t id, std::span<const uint8_t> bytes, std::span<const int> fds) {
  const std::shared_ptr<KickSession> session = Find(id);
  if (!session) return {EBADF, "sendmsg"};
  const auto lock = session->LockFromOutside();
  if (session->ended()) return {};
  const os::Error error = session->Send(bytes, fds);
  if (error.number == ENOBUFS) {
    Disconnect(session.get(), ENOBUFS);
    return {};
  }
  UpdateInterest(session.get());
  return error;
}

os::Error Kick::SetDoorbells(uint32_t id, const DoorbellWindow& window, std::shared_ptr<DoorbellTarget> target) {
  if (window.stride == 0) return {EINVAL, "setDoorbells"};
  const std::shared_ptr<KickSession> session = Find(id);
  if (!session) return {EBADF, "setDoorbells"};
  std::shared_ptr<DoorbellTarget> before;  // declared first: destroyed without the lock
  const auto lock = session->LockFromOutside();
  before = session->ClearDoorbells();
  session->SetDoorbells(window, std::move(target));
  return {};
}

os::Error Kick::ClearDoorbells(uint32_t id) {
  const std::shared_ptr<KickSession> session = Find(id);
  if (!session) return {EBADF, "clearDoorbells"};
  std::shared_ptr<DoorbellTarget> before;
  const auto lock = session->LockFromOutside();
  before = session->ClearDoorbells();
  return {};
}

void Kick::Delivered(uint32_t id, size_t bytes, size_t fds) {
  const std::shared_ptr<KickSession> session = Find(id);
  if (!session) return;
  const auto lock = session->LockFromOutside();
  session->Delivered(bytes, fds);
  if (!session->ended()) UpdateInterest(session.get());
}

os::Error Kick::Release(uint32_t id) {
  const std::shared_ptr<KickSession> session = Find(id);
  if (!session) return {EBADF, "release"};
  {
    std::shared_ptr<DoorbellTarget> target;
    const auto lock = session->LockFromOutside();
    target = session->ClearDoorbells();
    session->End();
    UpdateInterest(session.get());
    session->CloseSocket();
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  sessions_.erase(id);
  const auto listener = listeners_.find(session->listener());
  if (listener == listeners_.end()) return {};
  listener->second.session = 0;
  if (listener->second.newcomer) Wake();
  return {};
}

os::Error Kick::CreateEventfd(uint32_t id, os::PeerFd* out) {
  const std::shared_ptr<KickSession> session = Find(id);
  if (!session) return {EBADF, "eventfd"};
  if (!os::MayHoldPeerFd(session->peer())) return {EDQUOT, "eventfd"};
  os::UniqueFd fd;
  if (const os::Error error = os::CreateEventfd(0, &fd)) return error;
  *out = os::PeerFd(fd.Release(), session->peer());
  return {};
}

ListenerCounters Kick::CountersOf(uint32_t listener) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = listeners_.find(listener);
  if (found == listeners_.end()) return {};
  const Listener& l = found->second;
  return {l.refused, l.starved, os::HeldPeerFds(l.peer), os::ClosingPeerFds(l.peer), os::ShareOfPeer().fds};
}

bool Kick::Has(uint32_t session) { return Find(session) != nullptr; }

}  // namespace ptnet
