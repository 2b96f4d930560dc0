// Fuzzes the cutting of a peer's bytes into messages and doorbells, from memory: any frames, in any pieces, while
// doorbells come and go. What comes out is compared with a second reading of the same bytes.
#include <algorithm>
#include <cerrno>

#include "peer_stream.h"

namespace {

using namespace ptnet;
using namespace ptnet::fuzz;

constexpr KickLimits kLimits{4096, 4};

/// All that the peer has sent, and what has come out of it.
class Peer {
 public:
  explicit Peer(Executions& frames) : frames_(frames) {}

  void SetWindow(uint8_t what) {
    constexpr uint64_t kOffsets[] = {0x80, 0, UINT32_MAX, UINT64_MAX - 10};
    window_ = {what & 1u, kOffsets[what >> 1 & 3], 1u + (what >> 3 & 3) * 3};
    rings_ = what >> 5;
    rings_ != 0 ? framer_.SetDoorbells(window_, rings_) : framer_.ClearDoorbells();
    changed_at_ = sent_;
  }

  void Put(Input& input, uint8_t what) { stream_.Put(input, what, window_); }
  bool full() const { return stream_.full(); }

  /// The framer gets what was put since the last time, at most `piece` bytes at once, descriptors with the first of
  /// them. False when the session is over.
  bool Send(size_t piece, size_t fds) {
    std::vector<os::PeerFd> with(sent_ == stream_.size() ? 0 : fds);
    given_fds_ += with.size();
    while (sent_ < stream_.size()) {
      const std::span<uint8_t> space = framer_.Space();
      Require(!space.empty() && space.size() <= kLimits.max_message_bytes);
      const size_t n = std::min({piece, space.size(), stream_.size() - sent_});
      memcpy(space.data(), stream_.at(sent_), n);
      sent_ += n;
      framer_.Add(n, &with);
      if (!TakeAll()) return false;
    }
    const size_t rest = sent_ - taken_;
    Require(framer_.within() == (rest > 0) && (rest < sizeof(VfioUserHeader) || rest < HeaderAt(taken_).size));
    return true;
  }

 private:
  VfioUserHeader HeaderAt(size_t position) const {
    VfioUserHeader header;
    memcpy(&header, stream_.at(position), sizeof header);
    return header;
  }

  bool TakeAll() {
    DoorbellWrite doorbell;
    KickMessage message;
    for (;;) {
      switch (framer_.Next(&doorbell, &message)) {
        case KickFramer::Found::kNothing:
          return true;
        case KickFramer::Found::kError:
          OnError();
          return false;
        case KickFramer::Found::kDoorbell:
          OnDoorbell(doorbell);
          break;
        case KickFramer::Found::kMessage:
          OnMessage(message);
          break;
      }
      frames_.Add();
    }
  }
  void OnDoorbell(const DoorbellWrite& doorbell) {
    uint32_t ring;
    Require(IsDoorbell(taken_, &ring) && ring == doorbell.ring);
    Require(memcmp(&doorbell.access, stream_.at(taken_), sizeof doorbell.access) == 0);
    taken_ += HeaderAt(taken_).size;
    Require(taken_ <= sent_);
  }
  void OnMessage(const KickMessage& message) {
    const size_t size = message.bytes.size();
    Require(size >= sizeof(VfioUserHeader) && size <= kLimits.max_message_bytes && size == HeaderAt(taken_).size);
    Require(taken_ + size <= sent_ && memcmp(message.bytes.data(), stream_.at(taken_), size) == 0);
    Require(message.fds.size() <= std::min<size_t>(kLimits.max_fds, given_fds_));
    given_fds_ -= message.fds.size();
    uint32_t ring;
    if (taken_ >= changed_at_ && message.fds.empty()) Require(!IsDoorbell(taken_, &ring));
    taken_ += size;
  }
  void OnError() {
    const bool header = sent_ - taken_ >= sizeof(VfioUserHeader);
    switch (framer_.error()) {
      case EPROTO:
        return Require(header && HeaderAt(taken_).size < sizeof(VfioUserHeader));
      case EMSGSIZE:
        return Require(header && HeaderAt(taken_).size > kLimits.max_message_bytes);
      default:
        return Require(framer_.error() == E2BIG && given_fds_ > kLimits.max_fds);
    }
  }
  /// The same question that the framer answers, asked of the whole stream and with other arithmetic.
  bool IsDoorbell(size_t at, uint32_t* ring) const {
    VfioUserRegionAccess access;
    if (sent_ - at < sizeof access) return false;
    memcpy(&access, stream_.at(at), sizeof access);
    const uint32_t data = access.header.size - sizeof access;
    if (access.header.command != 10 || access.header.size < sizeof access || data != access.count) return false;
    if ((access.header.flags | 0x10) != 0x10 || access.region != window_.region) return false;
    if (data == 0 || data > 8 || (data & (data - 1)) != 0) return false;
    for (*ring = 0; *ring < rings_; ++*ring)
      if (const unsigned __int128 place = window_.offset + static_cast<unsigned __int128>(window_.stride) * *ring;
          place == access.offset)
        return true;
    return false;
  }

  PeerStream stream_{kLimits};
  size_t sent_ = 0, taken_ = 0;
  size_t given_fds_ = 0;  // and not come out yet
  DoorbellWindow window_;
  uint32_t rings_ = 0;
  size_t changed_at_ = 0;
  KickFramer framer_{kLimits};
  Executions& frames_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Executions frames("frames");
  Input input{data, size};
  Peer peer(frames);
  peer.SetWindow(input.Byte());
  bool alive = true;
  while (alive && !input.over() && !peer.full()) {
    const uint8_t what = input.Byte();
    switch (what & 7) {
      case 6:
        alive = peer.Send(PeerStream::kBytes, 0);
        peer.SetWindow(input.Byte());
        break;
      case 7:
        alive = peer.Send(1 + (what >> 3) * 2, what == 0x7f ? input.Byte() % 8 : 0);
        break;
      default:
        peer.Put(input, what);
        break;
    }
  }
  if (alive) peer.Send(PeerStream::kBytes, 0);
  return 0;
}
