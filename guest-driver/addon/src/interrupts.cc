// Sleeps in ppoll() on interrupt eventfds and counts what they deliver.
#include "interrupts.h"

#include <unistd.h>

namespace ptnet::guest {

EventfdWaiter::EventfdWaiter(int stop_fd, const std::vector<int>& interrupts, const std::vector<int>& others,
                             uint64_t yield_after)
    : spinner_(yield_after) {
  fds_.push_back({stop_fd, POLLIN, 0});
  for (const int fd : interrupts)
    if (fd >= 0) fds_.push_back({fd, POLLIN, 0});
  first_other_ = fds_.size();
  for (const int fd : others) fds_.push_back({fd, POLLIN, 0});
  // What was raised before the loop began is not the loop's: it looks at the rings before it sleeps anyway.
  this->interrupts();
  interrupts_ = 0;
}

void EventfdWaiter::Sleep(int64_t ns) {
  const timespec limit = {ns / kNsPerSecond, ns % kNsPerSecond};
  ppoll(fds_.data(), fds_.size(), ns < 0 ? nullptr : &limit, nullptr);
  DrainAll();
}

uint64_t EventfdWaiter::interrupts() {
  // Only eventfds that hold something may be read: they need not be non-blocking.
  poll(fds_.data(), fds_.size(), 0);
  DrainAll();
  return interrupts_;
}

void EventfdWaiter::DrainAll() {
  for (size_t i = 1; i < first_other_; ++i) {
    uint64_t raised;
    if ((fds_[i].revents & POLLIN) != 0 && read(fds_[i].fd, &raised, sizeof raised) == sizeof raised)
      interrupts_ += raised;
    fds_[i].revents = 0;
  }
}

}  // namespace ptnet::guest
