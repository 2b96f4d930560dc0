// TapMember: its creation, a batch from the kernel, and packets for it.
#include "forward/tap_member.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

namespace ptnet {

TapMemberFlow::TapMemberFlow(ValeSwitch& sw, const SwitchMember& from, const TapDevice& device, uint32_t queue,
                             RingCounters& counters)
    : MemberFlow(sw, from, queue, counters),
      device_(device),
      queue_(device.queue(queue)),
      frames_(new uint8_t[size_t{kFrames} * kStride]) {
  WaitForPolled(device.object(), queue_);
}

uint64_t TapMemberFlow::Fill(SwitchBatch* batch, const Budget& budget) noexcept {
  const uint32_t vnet_hdr = device_.vnet_hdr();
  uint64_t cost = 0, packets = 0, bytes = 0;
  batch->Clear(vnet_hdr);
  for (uint32_t n = 0; n < kFrames && n < budget.slots && cost < budget.bytes; n++) {
    uint8_t* const frame = &frames_[size_t{n} * kStride];
    const ssize_t got = read(queue_, frame, kStride);
    if (got <= 0) break;
    const auto len = static_cast<uint32_t>(got);
    cost += kFrameCallBytes + len;
    if (len - vnet_hdr < kEthernetHeader || len - vnet_hdr > kFrameMax) [[unlikely]] {
      counters().CountDrop(Drop::kBadLen);
      continue;
    }
    packets++;
    bytes += len - vnet_hdr;
    batch->Add({frame, len}, 0);
  }
  Add(counters().packets, packets);
  Add(counters().bytes, bytes);
  return cost;
}

Status TapMember::Create(std::shared_ptr<Engine> engine, std::shared_ptr<StatsArea> stats,
                         std::shared_ptr<ValeSwitch> sw, const os::TapOptions& options,
                         std::shared_ptr<TapMember>* out) {
  std::shared_ptr<TapMember> member(new TapMember(std::move(engine), std::move(stats), std::move(sw)));
  if (Status s = options.taken ? member->TakeCounters(options.object, options.queues, options.taken->counters)
                               : member->AllocCounters(options.object, options.queues);
      !s.ok())
    return s;
  if (Status s = TapDevice::Open(options, &member->tap_); !s.ok()) return s;
  // What a receiver on the switch does not take is done on the way.
  if (options.vnet_hdr > 0 && !options.taken) member->tap_->SetVnetHdr(options.vnet_hdr, os::TapOffloads::kSegments);
  std::vector<std::unique_ptr<MemberFlow>> flows;
  for (uint32_t i = 0; i < options.queues; i++)
    flows.push_back(std::make_unique<TapMemberFlow>(member->vale(), *member, *member->tap_, i, member->from_kernel(i)));
  if (Status s = member->Join(member->tap_, std::move(flows)); !s.ok()) return s;
  *out = std::move(member);
  return Status::Ok();
}

bool TapMember::Deliver(MemberPackets* packets, uint32_t lane, const Budget& budget, Used* used) noexcept {
  const uint32_t queue = QueueFor(lane), vnet_hdr_len = packets->vnet_hdr_len();
  Delivered delivered;
  uint64_t cost = 0;
  while (!packets->empty() && used->bytes + cost < budget.bytes) {
    const Pieces packet = packets->Take();
    packets->Prefetch();
    const TapSent sent = tap_->Write(queue, packet, vnet_hdr_len);
    cost += packet.len + std::max(sent.frames, 1u) * uint64_t{kFrameCallBytes};
    delivered.packets += sent.frames;
    delivered.bytes += sent.bytes;
    if (sent.dropped.packets == 0) [[likely]]
      continue;
    if (sent.dropped.cause == Drop::kBadVnet) {
      packets->CountLie();
    } else {
      delivered.CountDrop(sent.dropped.cause, sent.dropped.packets);
    }
  }
  Count(queue, delivered);
  used->bytes += static_cast<uint32_t>(cost);
  used->destinations++;
  return packets->empty();
}

}  // namespace ptnet
