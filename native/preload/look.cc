// Looking at the rings of a register, and asking the host for a wake-up.
#include "look.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <utility>

#include "abi.h"
#include "patience.h"
#include "sync.h"

namespace ptnet::preload {
namespace {

constexpr short kIn = POLLIN | POLLRDNORM;
constexpr short kOut = POLLOUT | POLLWRNORM;

}  // namespace

short Look(int fd, Context& context, short events) {
  Bound* bound = BoundOf(fd, context);
  if (bound == nullptr || bound->in_csb_mode() || context.gone.load(std::memory_order_relaxed)) return POLLERR;
  short found = 0;
  const bool push = (bound->flags & NR_NO_TX_POLL) == 0;
  for (uint32_t i = 0; i < bound->tx_rings && (push || (events & kOut) != 0); i++) {
    Ring& ring = bound->tx()[i];
    if ((events & kOut) == 0 && !IsUnpublished(ring)) continue;
    if (!Sync(fd, context, ring)) found |= POLLERR;
    if (HasRoom(ring)) found |= events & kOut;
  }
  for (uint32_t i = 0; i < bound->rx_rings && ((events & kIn) != 0 || (bound->flags & NR_DO_RX_POLL) != 0); i++) {
    Ring& ring = bound->rx()[i];
    if (!Sync(fd, context, ring)) found |= POLLERR;
    Stamp(ring);
    if (HasRoom(ring)) found |= events & kIn;
  }
  // Whoever never sleeps hears of no hang-up.
  if (found == 0) LookForHost(fd, context);
  return found;
}

bool Sleeper::LieDown(int fd, Context& context, short events) {
  context_ = &context;
  fd_ = fd;
  events_ = events;
  asleep_ = true;
  left_ = false;
  Bound* bound = context.bound.load(std::memory_order_acquire);
  if (bound == nullptr) return true;
  bound->sleepers.fetch_add(1);
  bool quiet = true;
  for (uint32_t i = 0; i < bound->tx_rings && (events & kOut) != 0; i++) quiet &= Arm(bound->tx()[i]);
  for (uint32_t i = 0; i < bound->rx_rings && (events & kIn) != 0; i++) quiet &= Arm(bound->rx()[i]);
  return quiet;
}

bool Sleeper::GetUp(Context& context, bool readable) {
  left_ = false;
  if (!std::exchange(asleep_, false)) return false;
  Bound* const bound = context.bound.load(std::memory_order_acquire);
  uint32_t others = 0;
  if (bound != nullptr) {
    for (uint32_t i = 0; i < bound->tx_rings && (events_ & kOut) != 0; i++) Disarm(bound->tx()[i]);
    for (uint32_t i = 0; i < bound->rx_rings && (events_ & kIn) != 0; i++) Disarm(bound->rx()[i]);
    uint32_t asleep = bound->sleepers.load();
    while (asleep > 0 && !bound->sleepers.compare_exchange_weak(asleep, asleep - 1)) {
    }
    others = asleep > 0 ? asleep - 1 : 0;
  }
  left_ = readable && others > 0;
  if (readable && !left_) {
    if (bound != nullptr) bound->pauses.store(0, std::memory_order_relaxed);
    TakeByte(fd_, context);
  }
  return left_;
}

int Sleeper::Wait(Context& context) {
  Bound* bound = context.bound.load(std::memory_order_acquire);
  if (bound == nullptr) return 1;
  const int pauses = bound->pauses.fetch_add(1, std::memory_order_relaxed) + 1;
  if (pauses > Patience::kTimes) {
    bound->sleepers.store(0);
    bound->pauses.store(0, std::memory_order_relaxed);
    TakeByte(fd_, context);
  }
  return pauses;
}

void TakeStray(int fd, Context& context) {
  Bound* bound = context.bound.load(std::memory_order_acquire);
  if (bound == nullptr || bound->sleepers.load() == 0) TakeByte(fd, context);
}

void TakeByte(int fd, Context& context) {
  char byte;
  const int before = errno;
  if (recv(fd, &byte, sizeof byte, MSG_DONTWAIT) == 0) context.gone.store(true, std::memory_order_relaxed);
  errno = before;
}

timespec Left(const timespec& deadline) {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  timespec left = {deadline.tv_sec - now.tv_sec, deadline.tv_nsec - now.tv_nsec};
  if (left.tv_nsec < 0) {
    left.tv_sec--;
    left.tv_nsec += 1'000'000'000;
  }
  return left.tv_sec < 0 ? timespec{} : left;
}

timespec Deadline(const timespec& timeout) {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  timespec deadline = {now.tv_sec + timeout.tv_sec, now.tv_nsec + timeout.tv_nsec};
  if (deadline.tv_nsec >= 1'000'000'000) {
    deadline.tv_sec++;
    deadline.tv_nsec -= 1'000'000'000;
  }
  return deadline;
}

}  // namespace ptnet::preload
