// TapDevice: news of the interface, opening it anew, and a frame for the kernel.
#include "forward/tap_device.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>

#include <algorithm>

namespace ptnet {

Status TapDevice::Open(const os::TapOptions& options, std::shared_ptr<TapDevice>* out) {
  std::shared_ptr<TapDevice> device(new TapDevice(options));
  if (Status s = os::OpenTap(options, &device->tap_); !s.ok()) return s;
  device->SetMtu(device->tap_.link.mtu);
  *out = std::move(device);
  return Status::Ok();
}

void TapDevice::SetMtu(uint32_t mtu) {
  frame_max_.store(std::min(mtu + kFrameHeaderMax, kFrameMax), std::memory_order_relaxed);
}

void TapDevice::SetCarrier(bool on) {
  carrier_ = on;
  // It fails when the interface is gone; one that comes back gets it then.
  (void)os::SetTapCarrier(queue(0), on);
}

std::vector<std::string> TapDevice::TakeNews() {
  std::vector<std::string> lines;
  auto say = [&](const std::string& text) { lines.push_back(options_.object + ": the interface " + text); };
  std::vector<os::LinkState> news = tap_.news.TakeNews(tap_.link.index);
  if (const auto end = std::ranges::find(news, true, &os::LinkState::removed); end != news.end()) {
    // It went down before, which nobody needs to hear; what comes after is of no interface of ours.
    tap_.link = *end;
    say("'" + end->name + "' was deleted: it is opened again as soon as it can be");
    return lines;
  }
  for (os::LinkState& now : news) {
    const os::LinkState before = std::exchange(tap_.link, std::move(now));
    const os::LinkState& link = tap_.link;
    if (link.name != before.name) say("is called '" + link.name + "' now");
    if (link.up != before.up) say("'" + link.name + "' is " + (link.up ? "up" : "down"));
    if (link.mtu != before.mtu) {
      SetMtu(link.mtu);
      say("'" + link.name + "' has an mtu of " + std::to_string(link.mtu) + " now");
    }
  }
  return lines;
}

Status TapDevice::Reopen() {
  os::Tap fresh;
  if (Status s = os::OpenTap(options_, &fresh); !s.ok()) return s;
  for (uint32_t i = 0; i < queues(); i++)
    if (dup3(fresh.queues[i].get(), queue(i), O_CLOEXEC) < 0)
      return Status::Fail(errno, options_.object + ": dup3: " + strerror(errno));
  fresh.queues.swap(tap_.queues);
  tap_ = std::move(fresh);
  SetMtu(tap_.link.mtu);
  SetCarrier(carrier_);
  return Status::Ok();
}

/// The numbers of the queues stay taken, so that nobody who still has one meets a file of somebody else's.
void TapDevice::Close() {
  SetCarrier(false);
  const os::UniqueFd nowhere(open("/dev/null", O_RDWR | O_CLOEXEC));
  for (uint32_t i = 0; nowhere && i < queues(); i++) dup3(nowhere.get(), queue(i), O_CLOEXEC);
  tap_.news = {};
}

Drop WriteFrame(int queue, const Pieces& frame) noexcept {
  if (frame.len > kFrameMax || frame.count > kMaxFrags) return Drop::kBadLen;
  iovec pieces[kMaxFrags];
  for (uint32_t i = 0; i < frame.count; i++) pieces[i] = {frame.frags[i].data, frame.frags[i].len};
  if (writev(queue, pieces, static_cast<int>(frame.count)) >= 0) [[likely]]
    return Drop::kCount;
  switch (errno) {
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

}  // namespace ptnet
