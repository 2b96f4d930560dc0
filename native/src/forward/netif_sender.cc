// NetifSender: whole frames, with the header that the kernel is given, and frames that are made of a packet.
#include "forward/netif_sender.h"

#include <algorithm>

#include "packet/vnet_head.h"
#include "ring/copy.h"

namespace ptnet {
namespace {

/// Copies a packet without its first `skip` bytes, and the first bytes of these that `hdr` holds.
void CopyBehind(uint8_t* to, const Pieces& packet, uint32_t skip, VirtioNetHdr* hdr) noexcept {
  auto* header = reinterpret_cast<uint8_t*>(hdr);
  for (uint32_t f = 0; f < packet.count; f++) {
    const uint8_t* data = packet.frags[f].data;
    uint32_t len = packet.frags[f].len;
    if (skip > 0) {
      const uint32_t n = std::min(skip, len);
      memcpy(header, data, n);
      header += n, data += n, len -= n, skip -= n;
    }
    CopyPacket(to, data, len);
    to += len;
  }
}

}  // namespace

bool NetifSender::Open(bool may_wait) noexcept {
  if (!may_wait) return q_.tx_lock.TryLock();
  q_.tx_lock.Lock();
  return true;
}

bool NetifSender::Close() noexcept {
  bool unsent = false;
  if (q_.socket != nullptr && device_.usable()) {
    // What is wrong with the interface its news tell.
    (void)q_.socket->Flush();
    unsent = q_.socket->unsent();
  }
  if (q_.unsent.load(std::memory_order_relaxed) != unsent) q_.unsent.store(unsent, std::memory_order_relaxed);
  q_.tx_lock.Unlock();
  return unsent;
}

NotPut NetifSender::Send(const Pieces& packet, uint32_t vnet_hdr_len) noexcept {
  if (q_.socket == nullptr || !device_.usable()) return {Drop::kDown, 1};
  if (packet.len < vnet_hdr_len + kEthernetLen) return {Drop::kBadLen, 1};
  if (vnet_hdr_len > 0 && !q_.socket->vnet()) return SendMade(packet, vnet_hdr_len);
  const Drop cause = SendWhole(packet, vnet_hdr_len);
  return {cause, cause != Drop::kCount};
}

/// Room in the socket, after what is in it has been given to the kernel if need be.
uint8_t* NetifSender::Room(uint32_t len) noexcept {
  uint8_t* room = q_.socket->Room(len);
  if (room == nullptr && !q_.socket->Flush()) room = q_.socket->Room(len);
  return room;
}

void NetifSender::Put(uint32_t len, const VirtioNetHdr& hdr) noexcept {
  q_.socket->Put(hdr);
  packets_++;
  bytes_ += len;
}

/// Makes the header what the kernel is to be told, of what was copied: whoever has written it cannot change it any
/// more.
Drop NetifSender::CheckHeader(VirtioNetHdr* hdr, const uint8_t* frame, uint32_t len) noexcept {
  Offload offload;
  if (!hdr->Empty()) [[unlikely]] {
    const Drop cause = CheckOffload(*hdr, frame, std::min(len, kHeadMax), len, device_.mtu(), &offload);
    if (cause != Drop::kCount) return cause;
  }
  *hdr = HeaderFor(*hdr, offload);
  return len <= device_.frame_max() || offload.work == Offload::Work::kSegment ? Drop::kCount : Drop::kBadLen;
}

Drop NetifSender::SendWhole(const Pieces& packet, uint32_t vnet_hdr_len) noexcept {
  const uint32_t len = packet.len - vnet_hdr_len;
  if (len > q_.socket->tx_frame_max()) return Drop::kBadLen;
  uint8_t* const room = Room(len);
  if (room == nullptr) return Drop::kFull;
  VirtioNetHdr hdr{};
  CopyBehind(room, packet, vnet_hdr_len, &hdr);
  const Drop cause = CheckHeader(&hdr, room, len);
  if (cause == Drop::kCount) Put(len, hdr);
  return cause;
}

NotPut NetifSender::SendMade(const Pieces& packet, uint32_t vnet_hdr_len) noexcept {
  VnetPacket vnet;
  if (const Drop cause = vnet.Open(packet, vnet_hdr_len, 0, device_.mtu()); cause != Drop::kCount) return {cause, 1};
  Places place;
  place.slots = 1;
  while (const uint32_t len = vnet.NextLen()) {
    if (len > std::min(device_.frame_max(), q_.socket->tx_frame_max())) return {Drop::kBadLen, vnet.CountLeft()};
    place.bufs[0] = Room(len);
    if (place.bufs[0] == nullptr) return {Drop::kFull, vnet.CountLeft()};
    place.buf_size = len;
    vnet.Make(place);
    Put(len, {});
  }
  return {};
}

}  // namespace ptnet
