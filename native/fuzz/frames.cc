// Fuzzes the cutting of a peer's bytes into messages and doorbells, from memory: any frames, in any pieces, while
// doorbells come and go. What comes out is compared with a second reading of the same bytes.
#include <algorithm>
#include <cerrno>

#include "datapath/kick_framer.h"
#include "input.h"

namespace {

using namespace ptnet;
using namespace ptnet::fuzz;

constexpr KickLimits kLimits{4096, 4};
constexpr size_t kStreamBytes = 64 << 10;

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

  /// A doorbell as drivers write it, or nearly.
  void PutDoorbell(Input& input) {
    const uint8_t what = input.Byte(), odd = input.Byte();
    VfioUserRegionAccess access{};
    access.header.msg_id = static_cast<uint16_t>(sent_);
    access.header.command = kVfioUserRegionWrite;
    access.header.flags = what & 0x80 ? kVfioUserNoReply : 0;
    access.region = window_.region;
    access.offset = window_.offset + uint64_t{window_.stride} * (what & 7);
    access.count = 1u << (what >> 3 & 3);
    if (odd & 1) access.header.flags = input.Byte();
    if (odd & 2) access.region = input.Byte();
    if (odd & 4) access.offset += static_cast<uint64_t>(static_cast<int8_t>(input.Byte()));
    if (odd & 8) access.offset = input.Take<uint64_t>();
    if (odd & 16) access.count = input.Byte();
    if (odd & 32) access.header.command = input.Byte();
    access.header.size = sizeof access + access.count;
    if (odd & 64) access.header.size += input.Byte() - 128u;
    const uint32_t data = std::min(access.header.size > sizeof access ? access.header.size - 32u : 0u, 256u);
    Put(&access, sizeof access);
    Fill(data);
  }
  void PutMessage(uint32_t size, uint16_t command) {
    const VfioUserHeader header{static_cast<uint16_t>(sent_), command, size, 0, 0};
    Put(&header, sizeof header);
    if (size > sizeof header && size <= kLimits.max_message_bytes) Fill(size - sizeof header);
  }
  void PutRaw(Input& input) {
    const size_t n = std::min<size_t>(input.Byte() & 63, input.left);
    Put(input.data, n);
    input.data += n, input.left -= n;
  }

  /// The framer gets what was put since the last time, at most `piece` bytes at once, descriptors with the first of
  /// them. False when the session is over.
  bool Send(size_t piece, size_t fds) {
    std::vector<os::PeerFd> with(sent_ == put_ ? 0 : fds);
    given_fds_ += with.size();
    while (sent_ < put_) {
      const std::span<uint8_t> space = framer_.Space();
      Require(!space.empty() && space.size() <= kLimits.max_message_bytes);
      const size_t n = std::min({piece, space.size(), put_ - sent_});
      memcpy(space.data(), stream_ + sent_, n);
      sent_ += n;
      framer_.Add(n, &with);
      if (!TakeAll()) return false;
    }
    const size_t rest = sent_ - taken_;
    Require(framer_.within() == (rest > 0) && (rest < sizeof(VfioUserHeader) || rest < HeaderAt(taken_).size));
    return true;
  }
  bool full() const { return put_ + kLimits.max_message_bytes + 256 > kStreamBytes; }

 private:
  void Put(const void* bytes, size_t n) {
    memcpy(stream_ + put_, bytes, n);
    put_ += n;
  }
  void Fill(size_t n) {
    memset(stream_ + put_, static_cast<int>(put_), n);
    put_ += n;
  }
  static VfioUserHeader HeaderAt(size_t at) {
    VfioUserHeader header;
    memcpy(&header, stream_ + at, sizeof header);
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
    Require(memcmp(&doorbell.access, stream_ + taken_, sizeof doorbell.access) == 0);
    taken_ += HeaderAt(taken_).size;
    Require(taken_ <= sent_);
  }
  void OnMessage(const KickMessage& message) {
    const size_t size = message.bytes.size();
    Require(size >= sizeof(VfioUserHeader) && size <= kLimits.max_message_bytes && size == HeaderAt(taken_).size);
    Require(taken_ + size <= sent_ && memcmp(message.bytes.data(), stream_ + taken_, size) == 0);
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
    memcpy(&access, stream_ + at, sizeof access);
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

  static inline uint8_t stream_[kStreamBytes];
  size_t put_ = 0, sent_ = 0, taken_ = 0;
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
      case 0:
      case 1:
      case 2:
        peer.PutDoorbell(input);
        break;
      case 3:
        peer.PutMessage(16 + (what >> 3), input.Byte());
        break;
      case 4:
        peer.PutMessage(input.Take<uint16_t>() % (kLimits.max_message_bytes + 16), input.Byte());
        break;
      case 5:
        peer.PutRaw(input);
        break;
      case 6:
        alive = peer.Send(kStreamBytes, 0);
        peer.SetWindow(input.Byte());
        break;
      default:
        alive = peer.Send(1 + (what >> 3) * 2, what == 0x7f ? input.Byte() % 8 : 0);
        break;
    }
  }
  if (alive) peer.Send(kStreamBytes, 0);
  return 0;
}
