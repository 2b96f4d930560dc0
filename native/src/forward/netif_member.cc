// NetifMember: its creation, a batch of frames that lie in the socket's memory, and packets that go out.
#include "forward/netif_member.h"

#include "datapath/clock.h"
#include "forward/netif_port.h"

namespace ptnet {

NetifMemberFlow::NetifMemberFlow(ValeSwitch& sw, const SwitchMember& from, NetifDevice& device, uint32_t queue,
                                 RingCounters& counters)
    : MemberFlow(sw, from, queue, counters), device_(device), q_(device.queue(queue)) {
  WaitForPolled(device.object(), q_.fd.get());
}

void NetifMemberFlow::OnReady(Watch& watch, uint32_t events) noexcept { ForgetError(watch, events); }

/// Before frames that come: those that a sender could not give to the kernel.
Used NetifMemberFlow::Poll(const Budget& budget) noexcept {
  if (!q_.unsent.load(std::memory_order_relaxed)) [[likely]] {
    due_ns_ = 0;
  } else if (const uint64_t now = NowNs(); now >= due_ns_) {
    NetifSender left(device_, q_);
    due_ns_ = !left.Open(budget.may_wait) || left.Close() ? now + kRoomPauseNs : 0;
  }
  return MemberFlow::Poll(budget);
}

uint64_t NetifMemberFlow::Fill(SwitchBatch* batch, const Budget& budget) noexcept {
  SpinGuard guard(q_.rx_lock);
  RxFrame* frame;
  // The frames of the batch before are the kernel's again.
  if (!q_.Peek(&frame)) return 0;
  // The rest of what has been looked at, no more: the next Peek() gives these back.
  uint32_t end = q_.at;
  uint64_t cost = 0, packets = 0, bytes = 0;
  bool offloads = false;
  for (; end < q_.count && end - q_.at < budget.slots && cost < budget.bytes; end++) {
    cost += q_.frames[end].len;
    offloads |= q_.frames[end].vnet.Offloads();
  }
  if (offloads) batch->Clear(VirtioNetHdr::kVnetHdrLong);
  for (; q_.at < end; q_.Taken()) {
    const RxFrame& f = q_.frames[q_.at];
    if (f.data == nullptr || !device_.served()) continue;
    packets++;
    bytes += f.len;
    const Frag data{const_cast<uint8_t*>(f.data), f.len};  // which nobody writes to
    if (!offloads) {
      batch->Add(data, 0);
      continue;
    }
    VirtioNetHdr& header = headers_[q_.at];
    header = f.vnet;
    const Frag pieces[] = {{reinterpret_cast<uint8_t*>(&header), VirtioNetHdr::kVnetHdrLong}, data};
    batch->Add({pieces, 2, f.len + VirtioNetHdr::kVnetHdrLong}, 0);
  }
  Add(counters().packets, packets);
  Add(counters().bytes, bytes);
  return cost + 1;  // frames that are skipped are work too
}

Status NetifMember::Create(std::shared_ptr<Engine> engine, std::shared_ptr<StatsArea> stats,
                           std::shared_ptr<ValeSwitch> sw, const NetifOptions& options,
                           std::shared_ptr<NetifMember>* out) {
  std::shared_ptr<NetifMember> member(new NetifMember(std::move(engine), std::move(stats), std::move(sw)));
  const auto* const counters = options.taken  ? &options.taken->counters
                               : options.left ? &options.left->counters
                                              : nullptr;
  if (Status s = counters != nullptr ? member->TakeCounters(options.object, options.queues, *counters)
                                     : member->AllocCounters(options.object, options.queues);
      !s.ok())
    return s;
  if (Status s = NetifDevice::Open(options, &member->netif_); !s.ok()) return s;
  // A member is served for as long as it is one.
  if (options.left) member->netif_->SetCarrier(true);
  std::vector<std::unique_ptr<MemberFlow>> flows;
  for (uint32_t i = 0; i < options.queues; i++)
    flows.push_back(
        std::make_unique<NetifMemberFlow>(member->vale(), *member, *member->netif_, i, member->from_kernel(i)));
  if (Status s = member->Join(member->netif_, std::move(flows)); !s.ok()) return s;
  *out = std::move(member);
  return Status::Ok();
}

bool NetifMember::Deliver(MemberPackets* packets, uint32_t lane, const Budget& budget, Used* used) noexcept {
  const uint32_t queue = QueueFor(lane);
  NetifSender to(*netif_, netif_->queue(queue));
  if (!to.Open(budget.may_wait)) return false;
  Delivered delivered;
  while (!packets->empty() && used->bytes + to.cost() < budget.bytes) {
    const Pieces packet = packets->Take();
    packets->Prefetch();
    const NotPut dropped = to.Send(packet, packets->vnet_hdr_len());
    if (dropped.packets == 0) [[likely]]
      continue;
    if (dropped.cause == Drop::kBadVnet) {
      packets->CountLie();
    } else {
      delivered.CountDrop(dropped.cause, dropped.packets);
    }
  }
  if (to.Close()) [[unlikely]]
    engine_->Kick(&flow(queue));
  delivered.packets = to.packets();
  delivered.bytes = to.bytes();
  Count(queue, delivered);
  used->bytes += static_cast<uint32_t>(to.cost());
  used->destinations++;
  return packets->empty();
}

}  // namespace ptnet
