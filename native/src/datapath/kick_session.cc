// One vfio-user connection as the kick thread sees it: framing, doorbells, and what waits to be sent.
#include "datapath/kick_session.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "datapath/kick_wire.h"
#include "datapath/worker.h"
#include "os/peer_share.h"
#include "os/socket.h"

namespace ptnet {

namespace {

// A peer that sends faster than the owner works is not read any further beyond these.
constexpr size_t kMaxUndeliveredMessages = 64;
constexpr size_t kMaxUndeliveredFds = 128;  // and those of the message that goes beyond

template <class T>
T Load(const uint8_t* bytes) {
  T value;
  memcpy(&value, bytes, sizeof value);
  return value;
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
      outbound_(os::ShareOfPeer().bytes, peer_) {}

std::unique_lock<std::mutex> KickSession::LockFromOutside() {
  waiting_outside_.fetch_add(1, std::memory_order_relaxed);
  std::unique_lock<std::mutex> lock(mutex_);
  waiting_outside_.fetch_sub(1, std::memory_order_relaxed);
  return lock;
}

std::unique_lock<std::mutex> KickSession::LockFromThread() {
  if (waiting_outside_.load(std::memory_order_relaxed) != 0) return {};
  return std::unique_lock<std::mutex>(mutex_);
}

int KickSession::Read() {
  uint8_t* into;
  size_t want;
  if (!body_.empty()) {
    into = body_.data() + body_filled_;
    want = body_.size() - body_filled_;
  } else {
    // Never more than one message, or one header where a message may be that short: the descriptors of a message come
    // with its first byte, so a longer read could not tell whose they are.
    const size_t whole = staged_bytes_ >= kHeaderBytes ? Load<VfioUserHeader>(staged_).size
                         : target_ != nullptr          ? kDoorbellBytes
                                                       : kHeaderBytes;
    into = staged_ + staged_bytes_;
    want = whole - staged_bytes_;
  }
  fresh_.clear();
  os::Received received;
  const os::Error error = os::ReceiveWithFds(socket_.get(), peer_, into, want, &fresh_, &received);
  if (error.number == EAGAIN) return kGoOn;
  if (error.number == ECONNRESET) return 0;
  if (error) return error.number;
  if (received.truncated) return EMFILE;
  if (!fresh_.empty() && os::HeldPeerFds(peer_) > os::ShareOfPeer().fds) return EDQUOT;
  if (received.bytes == 0) return staged_bytes_ != 0 || !body_.empty() ? EPROTO : 0;
  if (body_.empty()) {
    staged_bytes_ += received.bytes;
    return ParseStaged();
  }
  if (const int end = TakeFds(&fresh_); end != kGoOn) return end;
  body_filled_ += received.bytes;
  if (body_filled_ == body_.size()) Deliver(std::exchange(body_, {}));
  return kGoOn;
}

int KickSession::ParseStaged() {
  while (staged_bytes_ >= kHeaderBytes) {
    const uint32_t size = Load<VfioUserHeader>(staged_).size;
    if (size < kHeaderBytes) return EPROTO;
    if (size > limits_.max_message_bytes) return EMSGSIZE;
    const bool complete = staged_bytes_ >= size;
    if (!complete && MayBeDoorbell(size)) break;
    // Fresh descriptors belong to the last message that begins in what was read: the kernel ends a read with the
    // segment that carried them, and a sender puts them at the beginning of a message.
    if (staged_bytes_ <= size)
      if (const int end = TakeFds(&fresh_); end != kGoOn) return end;
    if (!complete) {
      body_.resize(size);
      memcpy(body_.data(), staged_, staged_bytes_);
      body_filled_ = staged_bytes_;
      staged_bytes_ = 0;
      return kGoOn;
    }
    if (!AnswerDoorbell(size)) Deliver(std::vector<uint8_t>(staged_, staged_ + size));
    staged_bytes_ -= size;
    memmove(staged_, staged_ + size, staged_bytes_);
  }
  return TakeFds(&fresh_);
}

bool KickSession::MayBeDoorbell(uint32_t size) const {
  return target_ != nullptr && size > sizeof(VfioUserRegionAccess) && size <= kMaxDoorbellBytes &&
         Load<VfioUserHeader>(staged_).command == kVfioUserRegionWrite;
}

bool KickSession::AnswerDoorbell(uint32_t size) {
  if (!MayBeDoorbell(size) || !fds_.empty()) return false;
  auto access = Load<VfioUserRegionAccess>(staged_);
  const uint32_t count = access.count;
  if ((access.header.flags & ~kVfioUserNoReply) != 0 || access.region != window_.region) return false;
  if (size != sizeof access + count || (count != 1 && count != 2 && count != 4 && count != 8)) return false;
  if (access.offset < window_.offset) return false;
  const uint64_t distance = access.offset - window_.offset;
  const uint64_t ring = distance / window_.stride;
  if (distance % window_.stride != 0 || ring >= target_->rings()) return false;
  if ((access.header.flags & kVfioUserNoReply) == 0) {
    // Before the ring is served: the peer's virtual CPU stands still until it has the reply.
    access.header.size = sizeof access;
    access.header.flags = kVfioUserReply;
    access.header.error = 0;
    (void)Send({reinterpret_cast<const uint8_t*>(&access), sizeof access}, {});
  }
  if (Worker* worker = target_->Ring(static_cast<uint32_t>(ring))) {
    // The rings of a device hardly ever have two.
    if (rung_ != nullptr && rung_ != worker) rung_->Wake();
    rung_ = worker;
  }
  counters_->doorbells.fetch_add(1, std::memory_order_relaxed);
  return true;
}

KickSession::Rung KickSession::TakeRung() {
  if (rung_ == nullptr) return {};
  return {target_, std::exchange(rung_, nullptr)};
}

int KickSession::TakeFds(std::vector<os::PeerFd>* from) {
  if (from->empty()) return kGoOn;
  if (fds_.size() + from->size() > limits_.max_fds) return E2BIG;
  for (os::PeerFd& fd : *from) fds_.push_back(std::move(fd));
  from->clear();
  return kGoOn;
}

void KickSession::Deliver(std::vector<uint8_t> bytes) {
  auto message = std::make_unique<KickMessage>();
  message->session = id_;
  message->bytes = std::move(bytes);
  message->fds = std::exchange(fds_, {});
  undelivered_messages_ += 1;
  undelivered_bytes_ += message->bytes.size();
  undelivered_fds_ += message->fds.size();
  counters_->messages.fetch_add(1, std::memory_order_relaxed);
  sink_->OnMessage(std::move(message));
}

void KickSession::Delivered(size_t bytes, size_t fds) {
  undelivered_messages_ -= 1;
  undelivered_bytes_ -= bytes;
  undelivered_fds_ -= fds;
}

int KickSession::Flush() {
  const os::Error error = outbound_.Flush(socket_.get());
  if (error.number == EPIPE || error.number == ECONNRESET) return 0;
  return error ? error.number : kGoOn;
}

os::Error KickSession::Send(std::span<const uint8_t> bytes, std::span<const int> fds) {
  if (ended_) return {};
  const os::Error error = outbound_.Send(socket_.get(), bytes, fds);
  // A peer that is gone is reported by the next read.
  if (error.number == EPIPE || error.number == ECONNRESET) return {};
  return error;
}

void KickSession::SetDoorbells(const DoorbellWindow& window, std::shared_ptr<DoorbellTarget> target) {
  window_ = window;
  target_ = std::move(target);
}

std::shared_ptr<DoorbellTarget> KickSession::ClearDoorbells() { return std::exchange(target_, nullptr); }

void KickSession::End() {
  ended_ = true;
  shutdown(socket_.get(), SHUT_RDWR);
  outbound_.Clear();
  staged_bytes_ = 0;
  body_ = {};
  fds_.clear();
  fresh_.clear();
}

void KickSession::CloseSocket() { socket_.Reset(); }

bool KickSession::wants_read() const {
  return outbound_.empty() && undelivered_messages_ < kMaxUndeliveredMessages &&
         undelivered_bytes_ < limits_.max_message_bytes && undelivered_fds_ < kMaxUndeliveredFds;
}

uint32_t KickSession::interest() const {
  if (ended_) return 0;
  return (outbound_.empty() ? 0u : EPOLLOUT) | (wants_read() ? EPOLLIN : 0u);
}

}  // namespace ptnet
