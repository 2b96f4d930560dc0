// TapMember: its creation, a batch from the kernel, and packets for it.
#include "forward/tap_member.h"

#include <errno.h>
#include <unistd.h>

#include <utility>

#include "packet/vnet_packet.h"

namespace ptnet {
namespace {

struct Traffic {
  uint64_t packets = 0, bytes = 0;
};

/// Sends what is made of a packet with a virtio-net header. @return how many frames went out, and their bytes.
Traffic WriteWithoutVnetHdr(int queue, const Pieces& packet, uint32_t vnet_hdr_len, NotPut* dropped) noexcept {
  alignas(64) uint8_t frame[kFrameMax];
  VnetPacket vnet;
  Traffic sent;
  dropped->cause = vnet.Open(packet, vnet_hdr_len, 0, 0);
  dropped->packets = dropped->cause == Drop::kCount ? 0 : 1;
  Places place;
  place.slots = 1, place.buf_size = kFrameMax, place.bufs[0] = frame;
  while (uint32_t len = vnet.NextLen()) {
    if (len > kFrameMax) return dropped->cause = Drop::kBadLen, dropped->packets += vnet.CountLeft(), sent;
    vnet.Make(place);
    const Frag whole{frame, len};
    if (const Drop cause = WriteFrame(queue, {&whole, 1, len}); cause != Drop::kCount) {
      dropped->cause = cause;
      dropped->packets++;
      continue;
    }
    sent.packets++;
    sent.bytes += len;
  }
  return sent;
}

}  // namespace

TapMemberFlow::TapMemberFlow(ValeSwitch& sw, const SwitchMember& from, const TapDevice& device, uint32_t queue,
                             RingCounters& counters)
    : MemberFlow(sw, from, queue, counters),
      queue_(device.queue(queue)),
      frames_(new uint8_t[size_t{kFrames} * kStride]) {
  WaitFor(device.object(), queue_, EPOLLIN | EPOLLET)->quiet = true;  // TapDevice::TakeNews says it
}

uint64_t TapMemberFlow::Fill(SwitchBatch* batch, const Budget& budget) noexcept {
  uint64_t cost = 0, packets = 0, bytes = 0;
  for (uint32_t n = 0; n < kFrames && n < budget.slots && cost < budget.bytes; n++) {
    uint8_t* const frame = &frames_[size_t{n} * kStride];
    const ssize_t got = read(queue_, frame, kStride);
    if (got <= 0) break;
    const auto len = static_cast<uint32_t>(got);
    cost += kFrameCallBytes + len;
    if (len < kEthernetHeader || len > kFrameMax) [[unlikely]] {
      counters().CountDrop(Drop::kBadLen);
      continue;
    }
    packets++;
    bytes += len;
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
  if (Status s = member->AllocCounters(options.object, options.queues); !s.ok()) return s;
  if (Status s = TapDevice::Open(options, &member->tap_); !s.ok()) return s;
  std::vector<std::unique_ptr<MemberFlow>> flows;
  for (uint32_t i = 0; i < options.queues; i++)
    flows.push_back(std::make_unique<TapMemberFlow>(member->vale(), *member, *member->tap_, i, member->from_kernel(i)));
  if (Status s = member->Join(member->tap_, std::move(flows)); !s.ok()) return s;
  *out = std::move(member);
  return Status::Ok();
}

bool TapMember::Deliver(MemberPackets* packets, uint32_t lane, const Budget& budget, Used* used) noexcept {
  const uint32_t at = QueueFor(lane);
  const int queue = tap_->queue(at);
  Delivered delivered;
  uint64_t cost = 0;
  while (!packets->empty() && used->bytes + cost < budget.bytes) {
    const Pieces packet = packets->Take();
    packets->Prefetch();
    cost += kFrameCallBytes + packet.len;
    if (const uint32_t vnet_hdr_len = packets->vnet_hdr_len(); vnet_hdr_len > 0) {
      NotPut dropped;
      const Traffic made = WriteWithoutVnetHdr(queue, packet, vnet_hdr_len, &dropped);
      cost += made.packets * kFrameCallBytes;
      delivered.packets += made.packets;
      delivered.bytes += made.bytes;
      if (dropped.cause == Drop::kBadVnet) {
        packets->CountLie();
      } else if (dropped.packets > 0) {
        delivered.CountDrop(dropped.cause, dropped.packets);
      }
      continue;
    }
    const Drop cause = WriteFrame(queue, packet);
    if (cause != Drop::kCount) [[unlikely]] {
      delivered.CountDrop(cause);
      continue;
    }
    delivered.packets++;
    delivered.bytes += packet.len;
  }
  Count(at, delivered);
  used->bytes += static_cast<uint32_t>(cost);
  used->destinations++;
  return packets->empty();
}

}  // namespace ptnet
