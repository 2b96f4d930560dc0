// KickSession: reading one that another process can go on with: each message stays in the socket until it is answered.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

#include "datapath/kick_session.h"
#include "datapath/worker.h"
#include "os/peer_share.h"
#include "os/socket.h"

namespace ptnet {

/// Looks at what is there until a message is whole, or nothing more is there.
int KickSession::ReadKept() {
  for (;;) {
    const std::span<uint8_t> space = framer_.Space();
    const bool begun = framer_.within();
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
    // Who looks at a message in pieces sees its descriptors with each of them.
    if (begun) fresh_.clear();
    framer_.Add(received.bytes, &fresh_);
    const size_t bytes = framer_.bytes_within();
    DoorbellWrite doorbell;
    KickMessage message;
    const KickFramer::Found found = framer_.Next(&doorbell, &message);
    if (found == KickFramer::Found::kNothing) continue;
    if (found == KickFramer::Found::kError) return framer_.error();
    const bool rings = found == KickFramer::Found::kDoorbell;
    const size_t behind = framer_.bytes_within();
    if (behind > 0) {
      // A short message, and the beginning of another one.
      framer_.Clear();
      framer_.ReadHeadersFirst(true);
      if (const os::Error again = kept_->LookAgain(socket_.get())) return again.number;
      continue;
    }
    framer_.ReadHeadersFirst(false);
    return After(DealKept(bytes, rings ? &doorbell : nullptr, &message));
  }
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
