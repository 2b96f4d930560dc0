// VALE's delivery: under the rx ring's lock, one look at the guest's head, the copies, one publication, one interrupt.
#include "forward/vale_delivery.h"

#include "datapath/notify.h"
#include "packet/vnet_packet.h"

namespace ptnet {

/// The rx ring follows from the number of the tx ring, so that what one ring sends stays in order.
Kring& RingMember::RingFor(uint32_t lane) noexcept {
  const uint32_t rings = port_.shape().rx_rings;
  while (lane >= rings) lane -= rings;
  return port_.rx(lane);
}

bool RingMember::Deliver(MemberPackets* packets, uint32_t lane, const Budget& budget, Used* used) noexcept {
  ValeDelivery delivery(RingFor(lane), port_.memory());
  if (!budget.measured) [[likely]]
    return delivery.Deliver(packets, budget, used);
  bool all = false;
  port_.memory().Touch([&] { all = delivery.Deliver(packets, budget, used); });
  return all;
}

bool RingMember::DeliverRun(ValeRun* run, uint32_t lane) noexcept {
  return ValeDelivery(RingFor(lane), port_.memory()).DeliverRun(run);
}

bool ValeDelivery::Deliver(MemberPackets* packets, const Budget& budget, Used* used) noexcept {
  if (!Locked(budget)) return false;
  Put(packets, budget.bytes - used->bytes);
  Interrupt* const wanted = to_.Publish();
  k_.lock.Unlock();
  Raise(k_, wanted);
  used->bytes += static_cast<uint32_t>(to_.bytes());
  used->destinations++;
  return packets->empty();
}

void ValeDelivery::Put(MemberPackets* packets, uint64_t bytes_most) noexcept {
  const bool up = Open();
  if (up && packets->vnet_hdr_len() + k_.vnet_hdr_len > 0) return PutWithVnetHdr(packets, bytes_most);
  to_.JoinPieces(packets->heads_copied());
  while (to_.bytes() < bytes_most && !packets->empty()) {
    const Pieces packet = packets->Take();
    packets->Prefetch();
    const Drop cause = up ? to_.Put(packet) : Drop::kDown;
    if (cause != Drop::kCount) [[unlikely]]
      k_.counters->CountDrop(cause);
  }
}

/// The same where either side has a virtio-net header: it is checked, passed on, added, or taken away.
void ValeDelivery::PutWithVnetHdr(MemberPackets* packets, uint64_t bytes_most) noexcept {
  const uint32_t from = packets->vnet_hdr_len(), to = k_.vnet_hdr_len, mtu = k_.mtu;
  while (to_.bytes() < bytes_most && !packets->empty()) {
    const Pieces packet = packets->Take();
    packets->Prefetch();
    const NotPut dropped = PutVnetPacket(to_, packet, from, to, mtu);
    if (dropped.cause == Drop::kBadVnet) {
      packets->CountLie();
    } else if (dropped.packets > 0) {
      k_.counters->CountDrop(dropped.cause, dropped.packets);
    }
  }
}

}  // namespace ptnet
