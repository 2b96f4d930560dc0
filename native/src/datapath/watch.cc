// Watches: the epoll set, and what its events mean to a flow.
#include "datapath/watch.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "datapath/flow.h"

namespace ptnet {

void Watch::SetEvents(uint32_t wanted) noexcept {
  events = wanted;
  if (set == nullptr) return;
  resting = false;
  epoll_event event{.events = wanted, .data = {.ptr = this}};
  if (epoll_ctl(set->epoll_fd_, EPOLL_CTL_MOD, fd, &event) != 0) set->Start(this);
}

void Watch::Rest() noexcept {
  // One that had an error is not watched already, and stays so.
  if (polled && !resting && set != nullptr) resting = set->Stop(this);
}

void Watch::Resume() noexcept {
  if (std::exchange(resting, false)) set->Start(this);
}

bool Watch::OnEvents(uint32_t seen) noexcept {
  const bool fine = (seen & (EPOLLERR | EPOLLHUP)) == 0;
  if (!fine) {
    set->Stop(this);
    resting = false;
    if (!quiet) set->errors_->Add(*this, seen);
  }
  flow->OnReady(*this, seen);
  return fine;
}

WatchSet::~WatchSet() {
  if (epoll_fd_ >= 0) close(epoll_fd_);
}

void WatchErrors::Add(const Watch& watch, uint32_t events) noexcept {
  const char* what = (events & EPOLLERR) != 0 ? "an error" : "the other end is gone";
  std::lock_guard lock(mutex_);
  if (lines_.size() < kMost) lines_.push_back(watch.name + ": " + what + ": not waited for any more");
}

std::vector<std::string> WatchErrors::Take() {
  std::lock_guard lock(mutex_);
  return std::exchange(lines_, {});
}

Status WatchSet::Open(WatchErrors* errors) {
  errors_ = errors;
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  return epoll_fd_ >= 0 ? Status::Ok() : Status::Fail(errno, std::string("epoll_create1: ") + strerror(errno));
}

bool WatchSet::Start(Watch* watch) noexcept {
  epoll_event event{.events = watch->events, .data = {.ptr = watch}};
  return epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, watch->fd, &event) == 0;
}

bool WatchSet::Stop(Watch* watch) noexcept { return epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, watch->fd, nullptr) == 0; }

bool WatchSet::Add(Watch* watch) noexcept {
  if (watch->set != nullptr || !Start(watch)) return false;
  watch->set = this;
  size_++;
  return true;
}

void WatchSet::Remove(Watch* watch) noexcept {
  if (watch->set != this) return;
  Stop(watch);  // it may rest, or have had an error
  watch->resting = false;
  watch->set = nullptr;
  size_--;
}

bool WatchSet::AddOwn(int fd) noexcept {
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
  return epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0;
}

int WatchSet::Wait(epoll_event* events, int most, const timespec* timeout) noexcept {
  const int count = epoll_pwait2(epoll_fd_, events, most, timeout, nullptr);
  if (count >= 0 || errno != ENOSYS) [[likely]]
    return count;
  // Before Linux 5.11, and under valgrind.
  constexpr int64_t kNsPerMs = 1'000'000;
  const int64_t ms = timeout == nullptr ? -1 : timeout->tv_sec * 1000 + (timeout->tv_nsec + kNsPerMs - 1) / kNsPerMs;
  return epoll_wait(epoll_fd_, events, most, static_cast<int>(std::min<int64_t>(ms, INT_MAX)));
}

}  // namespace ptnet
