// TapDevice: opening it, once and anew, and a frame for the kernel.
#include "forward/tap_device.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>

#include <utility>

namespace ptnet {

Status TapDevice::Open(const os::TapOptions& options, std::shared_ptr<TapDevice>* out) {
  std::shared_ptr<TapDevice> device(new TapDevice(options));
  if (Status s = os::OpenTap(options, &device->tap_); !s.ok()) return s;
  device->Adopt(device->tap_.link, std::move(device->tap_.news));
  *out = std::move(device);
  return Status::Ok();
}

void TapDevice::SetCarrier(bool on) {
  carrier_ = on;
  // It fails when the interface is gone; one that comes back gets it then.
  (void)os::SetTapCarrier(queue(0), on);
}

Status TapDevice::Reopen() {
  os::Tap fresh;
  if (Status s = os::OpenTap(options_, &fresh); !s.ok()) return s;
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
  const os::UniqueFd nowhere(open("/dev/null", O_RDWR | O_CLOEXEC));
  for (uint32_t i = 0; nowhere && i < queues(); i++) dup3(nowhere.get(), queue(i), O_CLOEXEC);
  ForgetNews();
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
