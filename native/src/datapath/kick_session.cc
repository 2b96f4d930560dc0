// KickSession: reading, answering doorbells, and sending.
#include "datapath/kick_session.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "datapath/worker.h"
#include "os/peer_share.h"
#include "os/socket.h"

namespace ptnet {

namespace {

// A peer that sends faster than the owner works is not read any further beyond these.
constexpr size_t kMaxUndeliveredMessages = 64;
constexpr size_t kMaxUndeliveredFds = 128;  // and those of the message that goes beyond

std::span<const uint8_t> BytesOf(const VfioUserRegionAccess& reply) {
  return {reinterpret_cast<const uint8_t*>(&reply), sizeof reply};
}

}  // namespace

KickSession::KickSession(uint32_t id, uint32_t listener, os::PeerFd socket, const KickLimits& limits, KickSink* sink,
                         KickCounters* counters)
    : id_(id),
      listener_(listener),
      peer_(os::PeerOf(socket.get())),
      limits_(limits),
      sink_(sink),
      counters_(counters),
      socket_(std::move(socket)),
      framer_(limits),
      outbound_(os::ShareOfPeer().bytes, peer_) {}

std::unique_lock<std::mutex> KickSession::LockFromOutside() {
  waiting_outside_.fetch_add(1, std::memory_order_relaxed);
  std::unique_lock<std::mutex> lock(mutex_);
  waiting_outside_.fetch_sub(1, std::memory_order_relaxed);
  return lock;
}

std::unique_lock<std::mutex> KickSession::LockFromThread() {
  // One that is kept may not be told again that there is something to read.
  if (!kept_ && waiting_outside_.load(std::memory_order_relaxed) != 0) return {};
  return std::unique_lock<std::mutex>(mutex_);
}

int KickSession::Read() {
  if (kept_) return ReadKept();
  const std::span<uint8_t> space = framer_.Space();
  fresh_.clear();
  os::Received received;
  const os::Error error = os::ReceiveWithFds(socket_.get(), peer_, space.data(), space.size(), &fresh_, &received);
  if (error.number == EAGAIN) return kGoOn;
  if (error.number == ECONNRESET) return 0;
  if (error) return error.number;
  if (received.truncated) return EMFILE;
  if (!fresh_.empty() && os::HeldPeerFds(peer_) > os::ShareOfPeer().fds) return EDQUOT;
  if (received.bytes == 0) return framer_.within() ? EPROTO : 0;
  framer_.Add(received.bytes, &fresh_);
  DoorbellWrite doorbell;
  KickMessage message;
  for (;;) {
    switch (framer_.Next(&doorbell, &message)) {
      case KickFramer::Found::kNothing:
        return kGoOn;
      case KickFramer::Found::kError:
        return framer_.error();
      case KickFramer::Found::kDoorbell:
        // Before the ring is served: the peer's virtual CPU stands still until it has the reply.
        if (const auto reply = ReplyTo(doorbell)) (void)Send(BytesOf(*reply), {});
        Ring(doorbell);
        break;
      case KickFramer::Found::kMessage:
        Deliver(std::move(message));
        break;
    }
  }
}

std::optional<VfioUserRegionAccess> KickSession::ReplyTo(const DoorbellWrite& doorbell) const {
  if (!doorbell.wants_reply()) return std::nullopt;
  VfioUserRegionAccess reply = doorbell.access;
  reply.header.size = sizeof reply;
  reply.header.flags = kVfioUserReply;
  reply.header.error = 0;
  return reply;
}

void KickSession::Ring(const DoorbellWrite& doorbell) {
  if (Worker* worker = target_->Ring(doorbell.ring)) {
    // The rings of a device hardly ever have two.
    if (rung_ != nullptr && rung_ != worker) rung_->Wake();
    rung_ = worker;
  }
  counters_->doorbells.fetch_add(1, std::memory_order_relaxed);
}

KickSession::Rung KickSession::TakeRung() {
  if (rung_ == nullptr) return {};
  return {target_, std::exchange(rung_, nullptr)};
}

void KickSession::Deliver(KickMessage message) {
  message.session = id_;
  undelivered_messages_ += 1;
  undelivered_bytes_ += message.bytes.size();
  undelivered_fds_ += message.fds.size();
  counters_->messages.fetch_add(1, std::memory_order_relaxed);
  sink_->OnMessage(std::make_unique<KickMessage>(std::move(message)));
}

void KickSession::Delivered(size_t bytes, size_t fds) {
  undelivered_messages_ -= 1;
  undelivered_bytes_ -= bytes;
  undelivered_fds_ -= fds;
  // What goes wrong with the socket is found by the next read.
  if (kept_ && !ended_) (void)kept_->Delivered(socket_.get());
}

int KickSession::Flush() {
  if (paused_) return kGoOn;
  os::Error error = outbound_.Flush(socket_.get());
  if (!error && kept_) error = outbound_.empty() ? kept_->Answered(socket_.get()) : os::Error{};
  if (!error && kept_) error = kept_->Flush(socket_.get());
  if (error.number == EPIPE || error.number == ECONNRESET) return 0;
  return error ? error.number : kGoOn;
}

os::Error KickSession::Send(std::span<const uint8_t> bytes, std::span<const int> fds) {
  if (ended_) return {};
  const bool piped = kept_ && fds.empty() && bytes.size() <= KeptTurn::kAnswerMax;
  if (kept_ && !piped) kept_->AnswersDirectly();
  os::Error error = piped ? kept_->Answer(socket_.get(), bytes) : outbound_.Send(socket_.get(), bytes, fds);
  if (kept_ && !piped && !error && outbound_.empty()) error = kept_->Answered(socket_.get());
  // A peer that is gone is reported by the next read.
  if (error.number == EPIPE || error.number == ECONNRESET) return {};
  return error;
}

void KickSession::SetDoorbells(const DoorbellWindow& window, std::shared_ptr<DoorbellTarget> target) {
  framer_.SetDoorbells(window, target->rings());
  target_ = std::move(target);
}

std::shared_ptr<DoorbellTarget> KickSession::ClearDoorbells() {
  framer_.ClearDoorbells();
  return std::exchange(target_, nullptr);
}

void KickSession::End() {
  ended_ = true;
  shutdown(socket_.get(), SHUT_RDWR);
  outbound_.Clear();
  framer_.Clear();
  fresh_.clear();
}

void KickSession::CloseSocket() { socket_.Reset(); }

bool KickSession::GoOnWith(std::span<const uint8_t> bytes, std::vector<os::PeerFd>* fds) {
  DoorbellWrite doorbell;
  KickMessage message;
  while (!bytes.empty()) {
    const std::span<uint8_t> space = framer_.Space();
    const size_t some = std::min(space.size(), bytes.size());
    std::copy_n(bytes.begin(), some, space.begin());
    framer_.Add(some, fds);
    bytes = bytes.subspan(some);
    if (framer_.Next(&doorbell, &message) != KickFramer::Found::kNothing) return false;
  }
  return fds->empty();
}

bool KickSession::wants_read() const {
  if (kept_ && (held_ || kept_->busy())) return false;
  return !paused_ && outbound_.empty() && undelivered_messages_ < kMaxUndeliveredMessages &&
         undelivered_bytes_ < limits_.max_message_bytes && undelivered_fds_ < kMaxUndeliveredFds;
}

uint32_t KickSession::interest() const {
  if (ended_ || paused_) return 0;
  const bool sends = !outbound_.empty() || (kept_ && kept_->answering());
  // What has been looked at stays there: the beginning of a message would wake us for ever.
  const uint32_t reads = kept_ && framer_.within() ? EPOLLIN | EPOLLET : EPOLLIN;
  return (sends ? EPOLLOUT : 0u) | (wants_read() ? reads : 0u);
}

}  // namespace ptnet
