// TapMember: joining and leaving, a batch from the kernel, and packets for it.
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

/// Several senders deliver at once.
void AddShared(uint64_t& counter, uint64_t n) {
  if (n > 0) std::atomic_ref<uint64_t>(counter).fetch_add(n, std::memory_order_relaxed);
}

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
  if (member->stats_->available() < 2 * options.queues)
    return Status::Fail(ENOMEM, options.object + ": no counters left: fewer rings");
  if (Status s = TapDevice::Open(options, &member->device_); !s.ok()) return s;
  for (uint32_t i = 0; i < options.queues; i++) {
    member->from_tap_.push_back(member->stats_->Alloc());
    member->to_tap_.push_back(member->stats_->Alloc());
    member->flows_.push_back(
        std::make_unique<TapMemberFlow>(*member->switch_, *member, *member->device_, i, *member->from_tap_.back()));
  }
  if (Status s = member->switch_->Attach(member.get()); !s.ok()) return s;
  *out = std::move(member);
  return Status::Ok();
}

TapMember::~TapMember() {
  Stop();
  for (auto* counters : {&from_tap_, &to_tap_})
    for (RingCounters* c : *counters) stats_->Free(c);
}

Status TapMember::CheckService(Policy policy, uint32_t worker) const {
  if (policy == Policy::kInline)
    return Status::Fail(
        EINVAL, device_->object() + ": no kick comes for a member, so inline does not do: notify would be right");
  if (worker >= engine_->workers())
    return Status::Fail(EINVAL, device_->object() + ": worker " + std::to_string(worker) + " is not there: use 0 to " +
                                    std::to_string(engine_->workers() - 1));
  return Status::Ok();
}

void TapMember::Start(Policy policy, uint64_t spin_ns, uint32_t worker) {
  auto activity = std::make_shared<DeviceActivity>();
  for (auto& flow : flows_) engine_->Acquire(flow.get(), activity, policy, spin_ns, worker);
  served_ = true;
  device_->SetCarrier(true);
}

void TapMember::Limit(const PortLimits& limits) {
  LimitOnSwitch(limits, to_tap_, this);
  tx_limit_ = limits.tx.Make();
  for (uint32_t i = 0; tx_limit_ && i < queues(); i++) flows_[i]->HoldBack(tx_limit_.get(), *from_tap_[i], nullptr);
}

void TapMember::Stop() {
  if (std::exchange(served_, false)) {
    device_->SetCarrier(false);
    for (auto& flow : flows_) {
      engine_->ReleaseFlow(flow.get());
      flow->EndTx();
    }
  }
  switch_->Detach(this);
}

bool TapMember::Deliver(MemberPackets* packets, uint32_t lane, const Budget& budget, Used* used) noexcept {
  while (lane >= queues()) lane -= queues();
  const int queue = device_->queue(lane);
  uint64_t sent = 0, bytes = 0, cost = 0, drops[static_cast<int>(Drop::kCount)] = {};
  while (!packets->empty() && used->bytes + cost < budget.bytes) {
    const Pieces packet = packets->Take();
    packets->Prefetch();
    cost += kFrameCallBytes + packet.len;
    if (const uint32_t vnet_hdr_len = packets->vnet_hdr_len(); vnet_hdr_len > 0) {
      NotPut dropped;
      const Traffic made = WriteWithoutVnetHdr(queue, packet, vnet_hdr_len, &dropped);
      cost += made.packets * kFrameCallBytes;
      sent += made.packets;
      bytes += made.bytes;
      if (dropped.cause == Drop::kBadVnet) {
        packets->CountLie();
      } else if (dropped.packets > 0) {
        drops[static_cast<int>(dropped.cause)] += dropped.packets;
      }
      continue;
    }
    const Drop cause = WriteFrame(queue, packet);
    if (cause != Drop::kCount) [[unlikely]] {
      drops[static_cast<int>(cause)]++;
      continue;
    }
    sent++;
    bytes += packet.len;
  }
  RingCounters& c = *to_tap_[lane];
  AddShared(c.packets, sent);
  AddShared(c.bytes, bytes);
  AddShared(c.syncs, 1);
  for (int i = 0; i < static_cast<int>(Drop::kCount); i++) AddShared(c.drops[i], drops[i]);
  used->bytes += static_cast<uint32_t>(cost);
  used->destinations++;
  return packets->empty();
}

}  // namespace ptnet
