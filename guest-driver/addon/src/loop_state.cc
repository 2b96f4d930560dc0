// Opens what a loop needs, and closes it: rings through the mapped region, copies of descriptors, an eventfd to stop
// it.
#include "loop_state.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "results.h"

namespace ptnet::guest {

LoopState::~LoopState() {
  if (stop_fd_ >= 0) close(stop_fd_);
  CloseDescriptors();
}

std::string LoopState::Open(const StartOptions& options) {
  config = options.config;
  config.taps.clear();
  config.capture = -1;
  yield_after_ = options.yield_after;
  std::string error = OpenRings(options);
  if (error.empty()) error = CopyDescriptors(options);
  return error.empty() ? Check(config) : error;
}

void LoopState::CloseDescriptors() {
  if (doorbell_fd_ >= 0) close(doorbell_fd_);
  doorbell_fd_ = -1;
  if (netmap_fd_ >= 0) close(netmap_fd_);
  netmap_fd_ = -1;
  for (const int fd : interrupts_)
    if (fd >= 0) close(fd);
  interrupts_.clear();
  for (const int fd : config.taps) close(fd);
  config.taps.clear();
  if (config.capture >= 0) close(config.capture);
  config.capture = -1;
}

void LoopState::Stop() {
  control.stop.store(true, std::memory_order_relaxed);
  if (stop_fd_ < 0) return;
  const uint64_t one = 1;
  // Fails only when the counter is full, and then the sleeper wakes anyway.
  [[maybe_unused]] const ssize_t n = write(stop_fd_, &one, sizeof one);
}

void LoopState::Resolve(Napi::Env env) {
  if (stop_fd_ >= 0) close(std::exchange(stop_fd_, -1));
  deferred_.Resolve(ToJs(env, result, timed()));
}

std::string LoopState::OpenRings(const StartOptions& options) {
  Port port;
  const std::string error = OpenPort(options.layout, port);
  if (!error.empty()) return error;
  for (const uint32_t i : options.tx_rings) config.tx.push_back(port.tx[i]);
  for (const uint32_t i : options.rx_rings) config.rx.push_back(port.rx[i]);
  return {};
}

std::string LoopState::CopyDescriptors(const StartOptions& options) {
  std::string error;
  const auto dup = [&error](int fd) {
    const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) error = "descriptor " + std::to_string(fd) + ": " + std::strerror(errno);
    return copy;
  };
  doorbell_ = options.doorbell;
  stop_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (stop_fd_ < 0) error = std::string("eventfd: ") + std::strerror(errno);
  (options.netmap >= 0 ? netmap_fd_ : doorbell_fd_) = dup(options.netmap >= 0 ? options.netmap : options.doorbell.fd);
  for (const int fd : options.config.taps)
    if (const int copy = dup(fd); copy >= 0) config.taps.push_back(copy);
  if (options.config.capture >= 0) config.capture = dup(options.config.capture);
  const auto watch = [&](const Ring& ring) {
    const int fd = options.interrupts.empty() ? -1 : options.interrupts[ring.index];
    if (fd < 0) return;
    const int copy = dup(fd);
    if (copy >= 0) interrupts_.push_back(copy);
  };
  for (const Ring& ring : config.tx) watch(ring);
  for (const Ring& ring : config.rx) watch(ring);
  return error;
}

}  // namespace ptnet::guest
