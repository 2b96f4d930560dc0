// VnetPacket: what is made of a packet, one after the other: a head that was copied and patched, then payload.
#include "packet/vnet_packet.h"

#include <algorithm>

#include "ring/copy.h"

namespace ptnet {
namespace {

/// Flags of a TCP header.
enum : uint8_t { kFin = 0x01, kPsh = 0x08, kCwr = 0x80 };
constexpr uint32_t kTcpSeq = 4, kTcpFlags = 13, kUdpLength = 4;
constexpr uint32_t kIp4Length = 2, kIp4Id = 4, kIp4Checksum = 10, kIp4Addresses = 12;
constexpr uint32_t kIp6Length = 4, kIp6Addresses = 8, kIp6Header = 40;

/// Where a byte of a packet goes.
struct Place {
  uint32_t slot = 0;
  uint32_t at;

  Place(const Places& places, uint32_t offset) : at(offset) {
    for (; at >= places.buf_size; at -= places.buf_size) slot++;
  }
};

}  // namespace

/// The next `n` bytes of the packet; they are taken without being read when `to` is null.
void VnetPacket::Take(uint8_t* to, uint32_t n) noexcept {
  while (n > 0) {
    const Frag& frag = packet_.frags[piece_];
    const uint32_t take = std::min(n, frag.len - piece_at_);
    if (to != nullptr) {
      memcpy(to, frag.data + piece_at_, take);
      to += take;
    }
    n -= take, piece_at_ += take;
    if (piece_at_ == frag.len) piece_++, piece_at_ = 0;
  }
}

Drop VnetPacket::Open(const Pieces& packet, uint32_t from, uint32_t to, uint32_t mtu) noexcept {
  packet_ = packet;
  piece_ = piece_at_ = head_len_ = 0;
  done_ = true;
  offload_.work = Offload::Work::kNone;
  if (packet.len < from + kEthernetLen) return Drop::kBadLen;
  VirtioNetHdr hdr{};
  Take(reinterpret_cast<uint8_t*>(&hdr), from);
  const uint32_t len = packet.len - from;
  left_ = len;
  done_ = false;
  memcpy(head_, &hdr, to);
  head_len_ = to;
  if (hdr.Empty()) [[likely]]
    return Drop::kCount;
  const uint32_t piece = piece_, piece_at = piece_at_, have = std::min(len, kHeadMax);
  Take(head_ + to, have);
  const Drop cause = CheckOffload(hdr, head_ + to, have, len, to > 0 ? 0 : mtu, &offload_);
  done_ = cause != Drop::kCount;
  // What was looked at is what is sent: the head is not read again.
  if (to > 0) {
    offload_.work = Offload::Work::kNone;  // which the receiver does
    head_len_ += have;
    left_ -= have;
    return cause;
  }
  if (offload_.work == Offload::Work::kChecksum) head_len_ = offload_.csum_field + 2;
  if (segments()) BeginSegments();
  piece_ = piece, piece_at_ = piece_at;
  Take(nullptr, head_len_);
  left_ -= head_len_;
  return cause;
}

void VnetPacket::BeginSegments() noexcept {
  const FrameHeaders& at = offload_.at;
  head_len_ = at.payload;
  if (at.routed) {
    // The address that is summed up may be any: all of the sum but the length stays as the sender has made it.
    const uint32_t len = __builtin_bswap32(packet_.len - (packet_.len - left_) - at.l4);
    uint16_t partial;
    memcpy(&partial, head_ + offload_.csum_field, 2);
    pseudo_sum_ = uint64_t{partial} + static_cast<uint16_t>(~FoldSum(len));
  } else {
    const uint64_t protocol = uint64_t{at.protocol} << 8;  // as it lies in memory, behind a zero
    pseudo_sum_ = protocol + (at.version == 4 ? SumBytes(head_ + at.l3 + kIp4Addresses, 8)
                                              : SumBytes(head_ + at.l3 + kIp6Addresses, 32));
  }
  if (at.protocol != kProtocolTcp) return;
  uint8_t& flags = head_[at.l4 + kTcpFlags];
  last_flags_ = flags & (kFin | kPsh);
  flags &= static_cast<uint8_t>(~last_flags_);
}

/// Makes the head that of a segment with so much payload, but for its checksum, which is left 0.
void VnetPacket::SetSegment(uint32_t payload) noexcept {
  const FrameHeaders& at = offload_.at;
  uint8_t *const ip = head_ + at.l3, *const transport = head_ + at.l4;
  const uint32_t len = at.payload - at.l3 + payload;
  if (at.version == 4) {
    StoreBe16(ip + kIp4Length, len);
    memset(ip + kIp4Checksum, 0, 2);
    const auto sum = static_cast<uint16_t>(~FoldSum(SumBytes(ip, at.l4 - at.l3)));
    memcpy(ip + kIp4Checksum, &sum, 2);
  } else {
    StoreBe16(ip + kIp6Length, len - kIp6Header);
  }
  if (at.protocol == kProtocolUdp) StoreBe16(transport + kUdpLength, kUdpHeader + payload);
  if (at.protocol == kProtocolTcp && payload == left_) transport[kTcpFlags] |= last_flags_;
  memset(head_ + offload_.csum_field, 0, 2);
}

/// What changes from one segment, with so much payload, to the next.
void VnetPacket::SetNextSegment(uint32_t payload) noexcept {
  const FrameHeaders& at = offload_.at;
  uint8_t *const ip = head_ + at.l3, *const transport = head_ + at.l4;
  if (at.version == 4) StoreBe16(ip + kIp4Id, LoadBe16(ip + kIp4Id) + 1u);
  if (at.protocol != kProtocolTcp) return;
  StoreBe32(transport + kTcpSeq, LoadBe32(transport + kTcpSeq) + payload);
  transport[kTcpFlags] &= static_cast<uint8_t>(~kCwr);
}

/// 0 would mean that there is none, for UDP; for others the two are the same.
void VnetPacket::SetChecksum(uint16_t sum) noexcept {
  uint16_t checksum = static_cast<uint16_t>(~sum);
  if (checksum == 0 && !(segments() && offload_.at.protocol == kProtocolTcp)) checksum = 0xffff;
  memcpy(head_ + offload_.csum_field, &checksum, 2);
}

uint32_t VnetPacket::NextLen() const noexcept {
  if (done_) return 0;
  return head_len_ + (segments() ? std::min(left_, offload_.mss) : left_);
}

uint32_t VnetPacket::CountLeft() const noexcept {
  if (done_) return 0;
  uint32_t packets = 1;
  if (segments())
    for (uint32_t left = left_; left > offload_.mss; left -= offload_.mss) packets++;
  return packets;
}

/// Copies the next `n` bytes of payload behind the head, and sums them up.
template <bool summed>
void VnetPacket::Pass(const Places& to, uint32_t n, [[maybe_unused]] InternetSum* sum) noexcept {
  for (Place place(to, head_len_); n > 0;) {
    if (place.at == to.buf_size) place.slot++, place.at = 0;
    const Frag& frag = packet_.frags[piece_];
    const uint32_t take = std::min({n, frag.len - piece_at_, to.buf_size - place.at});
    uint8_t* const target = to.bufs[place.slot] + place.at;
    if constexpr (summed) {
      sum->Add(CopyAndSum(target, frag.data + piece_at_, take), take);
    } else {
      CopyPacket(target, frag.data + piece_at_, take);
    }
    n -= take, place.at += take, piece_at_ += take;
    if (piece_at_ == frag.len) piece_++, piece_at_ = 0;
  }
}

void VnetPacket::Make(const Places& to) noexcept {
  const uint32_t payload = NextLen() - head_len_;
  if (offload_.work == Offload::Work::kNone) {
    Pass<false>(to, payload, nullptr);
  } else {
    if (segments()) SetSegment(payload);
    const uint32_t summed = head_len_ - offload_.csum_start;
    const uint32_t length = __builtin_bswap32(summed + payload);
    InternetSum sum(segments() ? pseudo_sum_ + length : 0);
    sum.Add(SumBytes(head_ + offload_.csum_start, summed), summed);
    Pass<true>(to, payload, &sum);
    SetChecksum(sum.Folded());
  }
  for (uint32_t slot = 0, at = 0; at < head_len_; slot++) {
    const uint32_t n = std::min(head_len_ - at, to.buf_size);
    memcpy(to.bufs[slot], head_ + at, n);
    at += n;
  }
  left_ -= payload;
  done_ = left_ == 0;
  if (segments()) SetNextSegment(payload);
}

namespace {

/// The usual packet, of one slot, with nothing left to be done: its header is empty, or there is none. False when it is
/// another one; nothing was done then.
bool PutUsual(RxWriter& to, const Pieces& packet, uint32_t from_hdr, uint32_t to_hdr, Drop* cause) noexcept {
  if (packet.count != 1 || packet.len < from_hdr + kEthernetLen) return false;
  const Frag& whole = packet.frags[0];
  VirtioNetHdr hdr{};
  if (from_hdr > 0) hdr = VirtioNetHdr::Load(whole.data, from_hdr);
  if (!hdr.Empty()) return false;
  const Frag frame{whole.data + from_hdr, whole.len - from_hdr};
  if (to_hdr > 0) return to.PutBehind({reinterpret_cast<uint8_t*>(&hdr), to_hdr}, frame, cause);
  *cause = to.Put({&frame, 1, frame.len});
  return true;
}

}  // namespace

NotPut PutVnetPacket(RxWriter& to, const Pieces& packet, uint32_t from_hdr, uint32_t to_hdr, uint32_t mtu) noexcept {
  Drop usual = Drop::kCount;
  if (PutUsual(to, packet, from_hdr, to_hdr, &usual)) [[likely]]
    return {usual, usual != Drop::kCount};
  VnetPacket vnet;
  Places places;
  if (const Drop cause = vnet.Open(packet, from_hdr, to_hdr, mtu); cause != Drop::kCount) return {cause, 1};
  while (const uint32_t len = vnet.NextLen()) {
    if (const Drop cause = to.Reserve(len, &places); cause != Drop::kCount) return {cause, vnet.CountLeft()};
    vnet.Make(places);
    to.TookFrame(places.words, len);
  }
  return {};
}

}  // namespace ptnet
