// TapDevice: opening it, once and anew, and packets for the kernel.
#include "forward/tap_device.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "packet/vnet_head.h"

namespace ptnet {

Status TapDevice::Open(const os::TapOptions& options, std::shared_ptr<TapDevice>* out) {
  std::shared_ptr<TapDevice> device(new TapDevice(options));
  const auto open = options.taken ? os::AdoptTap : os::OpenTap;
  if (Status s = open(options, &device->tap_); !s.ok()) return s;
  device->vnet_hdr_ = options.vnet_hdr;
  if (device->tap_.link.removed)
    device->Miss(device->tap_.link, options.object + ": it was deleted");
  else
    device->Adopt(device->tap_.link, std::move(device->tap_.news));
  if (const auto taken = std::exchange(device->options_.taken, nullptr)) device->Take(*taken);
  *out = std::move(device);
  return Status::Ok();
}

void TapDevice::Take(const os::TapState& state) {
  waits_ = true;
  carrier_ = state.carrier;
  vnet_hdr_ = state.vnet_hdr;
  offloads_ = state.offloads;
  SetUncut(offloads_ == os::TapOffloads::kSegments);
}

InterfaceState TapDevice::state() {
  os::TapState state{.queues = {},
                     .news = news_fd(),
                     .link = link(),
                     .made = tap_.made,
                     .backpressure = tap_.backpressure,
                     .udp_segments = tap_.udp_segments,
                     .carrier = carrier_,
                     .vnet_hdr = vnet_hdr(),
                     .offloads = offloads_,
                     .counters = {}};
  for (uint32_t i = 0; i < queues(); i++) state.queues.push_back(queue(i));
  return state;
}

void TapDevice::GoOn() {
  if (!std::exchange(waits_, false)) return;
  SetCarrier(carrier_);
}

void TapDevice::SetVnetHdr(uint32_t bytes, os::TapOffloads offloads) {
  // It fails when the interface is gone; one that comes back gets it then.
  if (!waits_) (void)os::SetTapVnetHdr(queue(0), bytes, offloads);
  vnet_hdr_.store(bytes, std::memory_order_relaxed);
  offloads_ = offloads;
  SetUncut(offloads == os::TapOffloads::kSegments);
}

void TapDevice::SetCarrier(bool on) {
  carrier_ = on;
  // It fails when the interface is gone; one that comes back gets it then.
  if (!waits_) (void)os::SetTapCarrier(queue(0), on);
}

Status TapDevice::Reopen(const Quiet&) {
  os::Tap fresh;
  if (Status s = os::OpenTap(options_, &fresh); !s.ok()) return s;
  if (vnet_hdr() > 0) (void)os::SetTapVnetHdr(fresh.queues[0].get(), vnet_hdr(), offloads_);
  for (uint32_t i = 0; i < queues(); i++)
    if (dup3(fresh.queues[i].get(), queue(i), O_CLOEXEC) < 0)
      return Status::Fail(errno, object() + ": dup3: " + strerror(errno));
  fresh.queues.swap(tap_.queues);
  tap_ = std::move(fresh);
  Adopt(tap_.link, std::move(tap_.news));
  SetCarrier(carrier_);
  return Status::Ok();
}

/// The numbers of the queues stay taken, so that nobody who still has one meets a file of somebody else's.
void TapDevice::Close() {
  SetCarrier(false);
  // Whoever has a tap of the user's next may know of no header.
  if (vnet_hdr() > 0) SetVnetHdr(vnet_hdr(), os::TapOffloads::kNone);
  const os::UniqueFd nowhere(open("/dev/null", O_RDWR | O_CLOEXEC));
  for (uint32_t i = 0; nowhere && i < queues(); i++) dup3(nowhere.get(), queue(i), O_CLOEXEC);
  ForgetNews();
}

namespace {

/// Why the kernel has not taken what was written.
Drop CauseOf(int err) noexcept {
  switch (err) {
    case EIO:     // down
    case EBADFD:  // gone
    case ENODEV:
      return Drop::kDown;
    case EINVAL:
      return Drop::kBadLen;
    case EFAULT:
      return Drop::kBadBuf;
    default:
      return Drop::kFull;
  }
}

/// What goes out in front of a frame, and how many bytes of that it stands for.
struct Front {
  const uint8_t* data = nullptr;
  uint32_t len = 0, taken = 0;
};

/// Writes one frame; kCount when the kernel has taken it.
Drop WriteFrame(int queue, const Front& front, const Pieces& frame) noexcept {
  if (frame.count > kMaxPieces) return Drop::kBadLen;
  iovec pieces[kMaxPieces + 1];
  uint32_t skip = front.taken;
  int count = 0;
  if (front.len > 0) pieces[count++] = {const_cast<uint8_t*>(front.data), front.len};
  for (uint32_t i = 0; i < frame.count; i++) {
    const Frag& frag = frame.frags[i];
    const uint32_t skipped = std::min(skip, frag.len);
    skip -= skipped;
    if (frag.len > skipped) pieces[count++] = {frag.data + skipped, frag.len - skipped};
  }
  // One piece without a list of them: the kernel has less to look at.
  const ssize_t sent = count == 1 ? write(queue, pieces[0].iov_base, pieces[0].iov_len) : writev(queue, pieces, count);
  return sent >= 0 ? Drop::kCount : CauseOf(errno);
}

/// Writes what is made of a packet with a virtio-net header by somebody who leaves nothing to the kernel.
TapSent WriteCut(int queue, const Front& front, const Pieces& packet, uint32_t vnet_hdr, uint32_t mtu) noexcept {
  alignas(64) uint8_t frame[kFrameMax];
  VnetPacket vnet;
  TapSent sent;
  sent.dropped.cause = vnet.Open(packet, vnet_hdr, 0, mtu);
  sent.dropped.packets = sent.dropped.cause == Drop::kCount ? 0 : 1;
  Places place;
  place.slots = 1, place.buf_size = kFrameMax, place.bufs[0] = frame;
  while (const uint32_t len = vnet.NextLen()) {
    if (len > kFrameMax) {
      sent.dropped.cause = Drop::kBadLen;
      sent.dropped.packets += vnet.CountLeft();
      break;
    }
    vnet.Make(place);
    const Frag whole{frame, len};
    if (const Drop cause = WriteFrame(queue, front, {&whole, 1, len}); cause != Drop::kCount) {
      sent.dropped.cause = cause;
      sent.dropped.packets++;
      continue;
    }
    sent.frames++;
    sent.bytes += len;
  }
  return sent;
}

TapSent Dropped(Drop cause) { return {.frames = 0, .bytes = 0, .dropped = {cause, 1}}; }

constexpr uint8_t kNothingLeft[VirtioNetHdr::kVnetHdrLong] = {};

}  // namespace

TapSent TapDevice::Write(uint32_t i, const Pieces& packet, uint32_t vnet_hdr) const noexcept {
  const uint32_t ours = this->vnet_hdr();
  // TCP's segments that are still one packet may be more than fits a packet of IP.
  const bool too_long = packet.len > kFrameMax + vnet_hdr;
  if (too_long && vnet_hdr == 0) return Dropped(Drop::kBadLen);
  Front front{kNothingLeft, ours, 0};
  VnetHead head;
  if (vnet_hdr > 0) {
    if (ours == 0) return WriteCut(queue(i), front, packet, vnet_hdr, mtu());
    if (const Drop cause = head.Open(packet, vnet_hdr, ours); cause != Drop::kCount) return Dropped(cause);
    const bool segments = head.work() == Offload::Work::kSegment;
    if (too_long && (!segments || head.udp())) return Dropped(Drop::kBadLen);
    if (segments && head.udp() && !tap_.udp_segments) return WriteCut(queue(i), front, packet, vnet_hdr, mtu());
    front = {head.data(), head.len(), head.taken()};
  }
  Drop cause = WriteFrame(queue(i), front, packet);
  if (cause == Drop::kCount) [[likely]]
    return {.frames = 1, .bytes = packet.len - vnet_hdr, .dropped = {}};
  // What a kernel thinks of a header changes from release to release.
  if (cause == Drop::kBadLen && head.work() != Offload::Work::kNone) cause = Drop::kBadVnet;
  return Dropped(cause);
}

}  // namespace ptnet
