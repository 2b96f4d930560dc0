// TapPort: its creation, and frames between rings and queues.
#include "forward/tap_port.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>

namespace ptnet {

Status TapPort::CheckVnetHdr(uint8_t len) {
  if (len == 0 || tap_->vnet_hdr() > 0) return Status::Ok();
  return Status::Fail(EINVAL, name() + ": virtio-net header: one of " + std::to_string(len) +
                                  " bytes, and the tap was opened without: none would be right");
}

void TapPort::OnVnetHdr(uint8_t len) noexcept {
  if (tap_->vnet_hdr() == 0) return;
  const bool large = kFrameMax + len <= PacketMax();
  const auto taken = large ? os::TapOffloads::kSegments : os::TapOffloads::kChecksums;
  if (len > 0) return tap_->SetVnetHdr(len, taken);
  tap_->SetVnetHdr(VirtioNetHdr::kVnetHdrShort, os::TapOffloads::kNone);
}

Status TapPort::Create(std::shared_ptr<Region> region, std::shared_ptr<StatsArea> stats, const PortShape& shape,
                       os::TapOptions options, std::shared_ptr<TapPort>* out) {
  std::shared_ptr<TapPort> port(new TapPort(std::move(region), std::move(stats), shape));
  // In the place of an interface's host rings there may be as many of each as somebody asks for.
  const bool host_rings = !options.beside.empty();
  if (Status s = host_rings ? Status::Ok() : CheckPairs(shape, "a tap"); !s.ok()) return s;
  if (Status s = port->Build(true); !s.ok()) return s;
  options.queues = shape.rx_rings;
  if (Status s = TapDevice::Open(options, &port->tap_); !s.ok()) return s;
  if (Status s = port->Take(port->tap_); !s.ok()) return s;
  for (uint32_t i = 0; i < shape.tx_rings; i++)
    port->AddFlow(
        port->tx_.emplace_back(std::make_unique<TapTxFlow>(port->tx(i), *port->tap_, i % shape.rx_rings)).get());
  for (uint32_t i = 0; i < shape.rx_rings; i++)
    port->AddFlow(port->rx_.emplace_back(std::make_unique<TapRxFlow>(port->rx(i), *port->tap_, i)).get());
  *out = std::move(port);
  return Status::Ok();
}

Used TapTxFlow::Poll(const Budget& budget) noexcept {
  TxReader from(k_);
  if (!from.Open()) return {};
  uint64_t cost = 0;
  while (from.slots() < budget.slots && cost < budget.bytes && from.Peek(&packet_)) {
    from.RecordNext();
    const TapSent sent = device_.Write(queue_, {packet_.frags, packet_.slots, packet_.len}, k_.vnet_hdr_len);
    cost += packet_.len + std::max(sent.frames, 1u) * uint64_t{kFrameCallBytes};
    if (sent.dropped.packets > 0) [[unlikely]]
      k_.counters->CountDrop(sent.dropped.cause, sent.dropped.packets);
    if (sent.frames > 0) [[likely]]
      from.Take(packet_);
    else
      from.Skip();
  }
  const Used used{.moved = from.slots() > 0, .slots = from.slots(), .bytes = static_cast<uint32_t>(cost)};
  from.Close();
  return used;
}

TapRxFlow::TapRxFlow(Kring& k, const TapDevice& device, uint32_t queue)
    : k_(k), device_(device), queue_(device.queue(queue)) {
  WaitForPolled(device.object(), queue_);
}

Used TapRxFlow::Poll(const Budget& budget) noexcept {
  drained_ = false;
  RxWriter to(k_);
  if (k_.blocked || !to.Open()) return {};
  const uint32_t wanted = SlotsForFrame(device_, k_), first = to.tail();
  uint32_t frames = 0;
  auto slots = [&] { return k_.Distance(first, to.tail()); };
  auto cost = [&] { return to.bytes() + uint64_t{frames} * kFrameCallBytes; };
  while (slots() < budget.slots && cost() < budget.bytes && to.Room(wanted) && ReadFrame(&to, wanted)) frames++;
  const Used used{.moved = frames > 0, .slots = slots(), .bytes = static_cast<uint32_t>(cost())};
  to.Close();
  return used;
}

/// Reads one frame into the free slots, of which there are so many. False when there is none, or a slot is bad.
bool TapRxFlow::ReadFrame(RxWriter* to, uint32_t slots) noexcept {
  iovec pieces[1 + kMaxFrags];
  SlotWord words[kMaxFrags];
  for (uint32_t s = 0, i = to->tail(); s < slots; s++, i = k_.Next(i)) {
    words[s] = ReadSlot(k_.slots[i]);
    if (!k_.ValidBuf(words[s].buf_idx)) [[unlikely]]
      return k_.Block(&k_.counters->drops[static_cast<int>(Drop::kBadBuf)]);
    pieces[1 + s] = {k_.PlaceOf(k_.slots[i], words[s].buf_idx), k_.room};
  }
  // A guest without a header is not shown the kernel's.
  uint8_t header[VirtioNetHdr::kVnetHdrLong] = {};
  const uint32_t hidden = k_.vnet_hdr_len == 0 ? device_.vnet_hdr() : 0;
  pieces[0] = {header, hidden};
  const iovec* const first = hidden > 0 ? pieces : pieces + 1;
  const auto count = static_cast<int>(slots + (hidden > 0));
  // One piece without a list of them: the kernel has less to look at.
  const ssize_t whole = count == 1 ? read(queue_, first->iov_base, first->iov_len) : readv(queue_, first, count);
  const ssize_t got = whole - hidden;
  if (got <= 0) {
    // Nothing is there now, or nobody: whatever comes is an event.
    drained_ = true;
    return false;
  }
  const auto len = static_cast<uint32_t>(got);
  // What waited in the queue when this guest came was for one that took more.
  const bool for_another = VirtioNetHdr::Load(header).Offloads();
  if (for_another || len == slots * k_.room) [[unlikely]] {
    k_.counters->CountDrop(for_another ? Drop::kDown : Drop::kBadLen);
    return true;
  }
  to->TookFrame(words, len);
  return true;
}

/// When the queue was empty it is the kernel that wakes us, else the guest, by giving slots back.
bool TapRxFlow::Arm() noexcept {
  if (!k_.attached() || drained_) return false;
  k_.EnableKicks();
  RxWriter to(k_);
  if (k_.blocked || !to.Open() || !to.Room(SlotsForFrame(device_, k_))) return false;
  Disarm();
  return true;
}

void TapRxFlow::EndRx() noexcept {
  uint32_t head = k_.hwcur;
  if (k_.LoadHead(&head)) k_.TakeBack(head);
}

}  // namespace ptnet
