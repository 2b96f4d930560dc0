// NetifPort: its creation, and frames between rings and sockets.
#include "forward/netif_port.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>

#include "datapath/clock.h"

namespace ptnet {

Status NetifPort::Create(std::shared_ptr<Region> region, std::shared_ptr<StatsArea> stats, const PortShape& shape,
                         NetifOptions options, std::shared_ptr<NetifPort>* out) {
  std::shared_ptr<NetifPort> port(new NetifPort(std::move(region), std::move(stats), shape));
  if (Status s = CheckPairs(shape, "an interface"); !s.ok()) return s;
  if (Status s = port->Build(true); !s.ok()) return s;
  options.queues = shape.tx_rings;
  if (Status s = NetifDevice::Open(options, &port->netif_); !s.ok()) return s;
  if (Status s = port->Take(port->netif_); !s.ok()) return s;
  for (uint32_t i = 0; i < shape.tx_rings; i++)
    port->AddFlow(port->tx_.emplace_back(std::make_unique<NetifTxFlow>(port->tx(i), *port->netif_, i)).get());
  for (uint32_t i = 0; i < shape.rx_rings; i++)
    port->AddFlow(port->rx_.emplace_back(std::make_unique<NetifRxFlow>(port->rx(i), *port->netif_, i)).get());
  *out = std::move(port);
  return Status::Ok();
}

Used NetifTxFlow::Poll(const Budget& budget) noexcept {
  if (due_ns_ != 0 && budget.may_defer && NowNs() < due_ns_) return {};
  TxReader from(k_);
  const bool work = from.Open();
  full_ = false;
  if (!work && !q_.unsent.load(std::memory_order_relaxed)) {
    due_ns_ = 0;
    return {};
  }
  NetifSender to(device_, q_);
  // Others have the queue for a moment only: while it is opened anew.
  if (!to.Open(budget.may_wait)) return {};
  while (work && from.slots() < budget.slots && to.cost() < budget.bytes && from.Peek(&packet_)) {
    const uint64_t before = to.packets();
    from.RecordNext();
    const NotPut dropped = to.Send({packet_.frags, packet_.slots, packet_.len}, k_.vnet_hdr_len);
    full_ = dropped.cause == Drop::kFull && to.packets() == before && budget.may_defer;
    if (full_) {
      from.RecordTaken();
      break;
    }
    if (dropped.packets > 0) [[unlikely]]
      k_.counters->CountDrop(dropped.cause, dropped.packets);
    if (to.packets() > before) [[likely]]
      from.Take(packet_);
    else
      from.Skip();
  }
  const bool unsent = to.Close();
  due_ns_ = full_ || unsent ? NowNs() + kRoomPauseNs : 0;
  const Used used{.moved = work && from.slots() > 0, .slots = from.slots(), .bytes = static_cast<uint32_t>(to.cost())};
  if (work) from.Close();
  return used;
}

/// While the kernel has no room it is time that wakes us.
bool NetifTxFlow::Arm() noexcept { return !full_ && TxFlow::Arm(); }

NetifRxFlow::NetifRxFlow(Kring& k, NetifDevice& device, uint32_t queue)
    : k_(k), device_(device), q_(device.queue(queue)) {
  WaitForPolled(device.object(), q_.fd.get());
}

void NetifRxFlow::OnReady(Watch& watch, uint32_t events) noexcept { ForgetError(watch, events); }

void ForgetError(Watch& watch, uint32_t events) noexcept {
  if (!(events & (EPOLLERR | EPOLLHUP))) return;
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(watch.fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error != 0) watch.SetEvents(watch.events);
}

Used NetifRxFlow::Poll(const Budget& budget) noexcept {
  drained_ = false;
  RxWriter to(k_);
  if (k_.blocked || !to.Open()) return {};
  const uint32_t first = to.tail();
  uint64_t frames = 0;
  SpinGuard guard(q_.rx_lock);
  auto slots = [&] { return k_.Distance(first, to.tail()); };
  while (slots() < budget.slots && to.bytes() < budget.bytes) {
    RxFrame* frame;
    if (!q_.Peek(&frame)) {
      // Whatever comes is an event.
      drained_ = true;
      break;
    }
    // What comes while the interface is not served is for nobody.
    if (device_.served() && !PutFrame(&to, *frame)) break;
    q_.Taken();
    frames++;
  }
  q_.Release();
  const Used used{.moved = frames > 0, .slots = slots(), .bytes = static_cast<uint32_t>(to.bytes())};
  to.Close();
  return used;
}

/// Slots that the frame takes in this ring, or the first of its segments where it is to be cut.
uint32_t NetifRxFlow::SlotsWanted(const RxFrame& frame) const noexcept {
  const uint32_t whole = frame.len + k_.vnet_hdr_len;
  const bool cut = k_.vnet_hdr_len == 0 && frame.vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE;
  const uint32_t segments = cut ? frame.len / std::max<uint32_t>(frame.vnet.gso_size, 64) + 1 : 1;
  return std::min(whole / std::max<uint32_t>(k_.room, 1) + segments, k_.num_slots - 1);
}

/// False when the frame is to stay: there is no room, or a slot is bad.
bool NetifRxFlow::PutFrame(RxWriter* to, const RxFrame& frame) noexcept {
  if (frame.data == nullptr) return true;  // one that did not fit, which is counted
  wanted_ = SlotsWanted(frame);
  if (!to->Room(wanted_)) return false;
  const uint64_t before = to->packets();
  VirtioNetHdr header = frame.vnet;
  const Frag pieces[] = {{reinterpret_cast<uint8_t*>(&header), sizeof header},
                         {const_cast<uint8_t*>(frame.data), frame.len}};  // which nobody writes to
  const NotPut dropped = header.Offloads() ? PutVnetPacket(*to, {pieces, 2, frame.len + pieces[0].len}, sizeof header,
                                                           k_.vnet_hdr_len, k_.mtu)
                                           : PutVnetPacket(*to, {pieces + 1, 1, frame.len}, 0, k_.vnet_hdr_len, k_.mtu);
  if (dropped.packets == 0) [[likely]]
    return true;
  if (dropped.cause == Drop::kBadBuf && to->packets() == before)
    return k_.Block(&k_.counters->drops[static_cast<int>(Drop::kBadBuf)]);
  k_.counters->CountDrop(dropped.cause, dropped.packets);
  return true;
}

/// When no frame was left it is the kernel that wakes us, else the guest, by giving slots back.
bool NetifRxFlow::Arm() noexcept {
  if (!k_.attached() || drained_) return false;
  k_.EnableKicks();
  RxWriter to(k_);
  if (k_.blocked || !to.Open() || !to.Room(wanted_)) return false;
  Disarm();
  return true;
}

void NetifRxFlow::EndRx() noexcept {
  uint32_t head = k_.hwcur;
  if (k_.LoadHead(&head)) k_.TakeBack(head);
}

}  // namespace ptnet
