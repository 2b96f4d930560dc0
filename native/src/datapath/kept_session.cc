// KickSession: reading one that another process can go on with: each message stays in the socket until it is answered.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "datapath/kick_session.h"
#include "datapath/worker.h"
#include "os/peer_share.h"
#include "os/socket.h"

namespace ptnet {

namespace {
constexpr size_t kFirstLook = 4096;  // messages with descriptors are shorter
}  // namespace

/// Looks at what is there until a message is whole, or nothing more is there.
int KickSession::ReadKept() {
  for (;;) {
    uint8_t first[kFirstLook];
    const bool begun = framer_.within();
    const std::span<uint8_t> space = begun ? framer_.Space() : std::span<uint8_t>(first);
    fresh_.clear();
    os::Received received;
    const os::Error error =
        os::ReceiveWithFds(socket_.get(), peer_, space.data(), space.size(), &fresh_, &received, MSG_PEEK);
    if (error.number == EAGAIN) return kGoOn;
    if (error.number == ECONNRESET) return 0;
    if (error) return error.number;
    if (received.truncated) return EMFILE;
    if (!fresh_.empty() && os::HeldPeerFds(peer_) > os::ShareOfPeer().fds) return EDQUOT;
    if (received.bytes == 0) return begun ? EPROTO : 0;
    DoorbellWrite doorbell;
    KickMessage message;
    KickFramer::Found found;
    if (begun) {
      // Those of its beginning are shown with each piece of it.
      fresh_.clear();
      looked_at_ += received.bytes;
      framer_.Add(received.bytes, &fresh_);
      found = framer_.Next(&doorbell, &message);
    } else {
      found = LookAtFirst(space.first(received.bytes), &doorbell, &message);
    }
    if (found == KickFramer::Found::kNothing) continue;
    if (found == KickFramer::Found::kError) return framer_.error();
    if (!begun && looked_at_ < received.bytes)
      if (const os::Error behind = kept_->LookedAt(socket_.get(), looked_at_)) return behind.number;
    const bool rings = found == KickFramer::Found::kDoorbell;
    return After(DealKept(looked_at_, rings ? &doorbell : nullptr, &message));
  }
}

/// What a look has shown that may have gone further than the message that comes next. The kernel ends a look behind the
/// segment whose descriptors it shows, or where there is no more room, and then they may be those of what is behind.
KickFramer::Found KickSession::LookAtFirst(std::span<const uint8_t> seen, DoorbellWrite* doorbell,
                                           KickMessage* message) {
  VfioUserHeader header{};
  if (seen.size() >= sizeof header) memcpy(&header, seen.data(), sizeof header);
  const bool further = header.size >= sizeof header && header.size < seen.size();
  if (further || seen.size() == kFirstLook) fresh_.clear();
  looked_at_ = further ? header.size : seen.size();
  KickFramer::Found found = KickFramer::Found::kNothing;
  for (size_t at = 0; at < looked_at_ && found == KickFramer::Found::kNothing;) {
    const std::span<uint8_t> space = framer_.Space();
    const size_t some = std::min(space.size(), looked_at_ - at);
    memcpy(space.data(), seen.data() + at, some);
    framer_.Add(some, &fresh_);
    found = framer_.Next(doorbell, message);
    at += some;
  }
  return found;
}

os::Error KickSession::LookOn() {
  if (kept_ == nullptr || kept_->busy()) return {};
  return kept_->LookedAt(socket_.get(), framer_.within() ? looked_at_ : 0);
}

os::Error KickSession::DealKept(size_t bytes, DoorbellWrite* doorbell, KickMessage* message) {
  const std::optional<AppliedMessage> applied = kept_->Begin(bytes);
  if (applied) {
    // Its effects are there: a process that has died has dealt with it.
    os::Error error = applied->answer.empty() ? os::Error{} : kept_->Answer(socket_.get(), applied->answer);
    return error ? error : kept_->Delivered(socket_.get());
  }
  if (doorbell == nullptr) {
    message->ordinal = kept_->ordinal();
    Deliver(std::move(*message));
    return {};
  }
  const auto reply = ReplyTo(*doorbell);
  os::Error error;
  if (reply) error = kept_->Answer(socket_.get(), {reinterpret_cast<const uint8_t*>(&*reply), sizeof *reply});
  if (!error) error = kept_->Delivered(socket_.get(), reply.has_value());
  Ring(*doorbell);
  return error;
}

/// What a read returns that has come so far.
int KickSession::After(os::Error error) const {
  if (error.number == EPIPE || error.number == ECONNRESET) return 0;
  return error ? error.number : kGoOn;
}

}  // namespace ptnet
