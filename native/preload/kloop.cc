// The loop: each ring's head and cur go from the program's array to the host's, hwcur and hwtail the other way.
#include "kloop.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <initializer_list>

#include "calls.h"
#include "look.h"
#include "sync.h"
#include "user_memory.h"

namespace ptnet::preload {
namespace {

using guest::Load;
using guest::Store;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;

constexpr uint32_t kSleepMaxUs = 1'000'000;
constexpr int kRoundsMax = 8;      // for a ring whose program moves on and on, before the others' turn
constexpr int kStopCheckMs = 100;  // another process cannot end our sleep
constexpr int kEventsMax = 16;
constexpr uint64_t kHost = 0, kProgram = 1;  // whose event it is

/// Closes what it has.
class Fd {
 public:
  Fd() = default;
  ~Fd() {
    if (fd_ >= 0) Real().close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  void Take(int fd) { fd_ = fd; }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

/// 0, EBADF, or EINVAL when it is none.
int CheckEventfd(int fd) {
  char path[32], target[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(path, target, sizeof target);
  if (length < 0) return EBADF;
  constexpr char kName[] = "anon_inode:[eventfd]";
  return length == sizeof kName - 1 && memcmp(target, kName, sizeof kName - 1) == 0 ? 0 : EINVAL;
}

/// A ring, and the program's entries for it.
struct Lane {
  Ring* ring;
  guest::CsbGuestToHost* atok;
  guest::CsbHostToGuest* ktoa;
  bool is_rx;
  bool direct;     // every step is a kick, and is answered with an interrupt
  Fd irq;          // -1: the program looks by itself
  uint32_t shown;  // the tail that the program has been told of
};

class Kloop {
 public:
  Kloop(Context& context, Bound& bound, uint32_t sleep_us) : context_(context), bound_(bound), sleep_us_(sleep_us) {}

  int Start(int fd, KloopOptions* options);
  int Run();

 private:
  int TakeMode(KloopOptions* options, uint32_t* mode);
  int TakeEventfds(KloopOptions* options, bool any_direct);
  int Watch(int fd, uint32_t events, uint64_t whose);
  bool Carry(Lane& lane);
  bool Serve(Lane& lane);
  bool Wants(const Lane& lane);
  bool Arm();
  void Sleep();

  Context& context_;
  Bound& bound_;
  const uint32_t sleep_us_;
  bool busy_ = true;  // looks every so often, instead of waiting for kicks
  Lane lanes_[kRingsMax];
  // The open file stays while the loop runs, whoever closes it.
  Fd file_, epoll_, wake_;
};

int Kloop::TakeMode(KloopOptions* options, uint32_t* mode) {
  if (options->mode == nullptr) return 0;
  *mode = *options->mode;
  const bool known = (*mode & ~uint32_t{NM_OPT_SYNC_KLOOP_DIRECT_TX | NM_OPT_SYNC_KLOOP_DIRECT_RX}) == 0;
  options->mode_status = known ? 0 : EINVAL;
  return known ? 0 : EINVAL;
}

int Kloop::TakeEventfds(KloopOptions* options, bool any_direct) {
  const KloopEventfds* given = options->eventfds;
  if (given == nullptr) return 0;
  options->eventfds_status = EINVAL;
  const uint32_t count = bound_.count();
  if (options->eventfds_bytes != sizeof(nmreq_option) + count * sizeof *given) return EINVAL;
  busy_ = false;
  for (uint32_t i = 0; i < count; i++) busy_ |= given[i].ioeventfd < 0;
  if (busy_ && any_direct) return EINVAL;
  options->eventfds_status = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (given[i].irqfd >= 0) {
      if (const int error = CheckEventfd(given[i].irqfd)) return error;
      lanes_[i].irq.Take(Real().fcntl(given[i].irqfd, F_DUPFD_CLOEXEC, 0));
      if (lanes_[i].irq.get() < 0) return errno;
    }
    if (busy_) continue;
    if (const int error = CheckEventfd(given[i].ioeventfd)) return error;
    // Edge-triggered: each kick is an event, and its count stays the program's. One for several rings is there once.
    if (const int error = Watch(given[i].ioeventfd, EPOLLIN | EPOLLET, kProgram); error != 0 && error != EEXIST)
      return error;
  }
  return 0;
}

int Kloop::Watch(int fd, uint32_t events, uint64_t whose) {
  epoll_event event = {.events = events, .data = {.u64 = whose}};
  return Real().epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

int Kloop::Start(int fd, KloopOptions* options) {
  uint32_t mode = 0;
  if (const int error = TakeMode(options, &mode)) return error;
  file_.Take(Real().fcntl(fd, F_DUPFD_CLOEXEC, 0));
  epoll_.Take(epoll_create1(EPOLL_CLOEXEC));
  wake_.Take(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (file_.get() < 0 || epoll_.get() < 0 || wake_.get() < 0) return errno;
  if (const int error = TakeEventfds(options, mode != 0)) return error;
  if (const int error = Watch(file_.get(), EPOLLIN, kHost)) return error;
  if (const int error = Watch(wake_.get(), EPOLLIN, kProgram)) return error;
  guest::CsbGuestToHost* atok = bound_.atok.load(memory_order_acquire);
  guest::CsbHostToGuest* ktoa = bound_.ktoa.load(memory_order_relaxed);
  for (uint32_t i = 0; i < bound_.count(); i++) {
    Lane& lane = lanes_[i];
    lane.ring = &bound_.rings[i];
    lane.atok = atok + i;
    lane.ktoa = ktoa + i;
    lane.is_rx = i >= bound_.tx_rings;
    lane.direct = (mode & (lane.is_rx ? NM_OPT_SYNC_KLOOP_DIRECT_RX : NM_OPT_SYNC_KLOOP_DIRECT_TX)) != 0;
    lane.shown = Load(lane.ktoa->hwtail, memory_order_relaxed);
  }
  bound_.kloop.pid.store(getpid());
  bound_.kloop.wake.store(wake_.get());
  return 0;
}

/// Both ways. False when the program's head or cur was wrong: then nothing has been carried.
bool Kloop::Carry(Lane& lane) {
  Ring& ring = *lane.ring;
  // The program's slots are read by the host after its head, which it stores last.
  const uint32_t head = Load(lane.atok->head, memory_order_acquire);
  if (!Publish(file_.get(), context_, ring, head, Load(lane.atok->cur, memory_order_relaxed))) return false;
  const uint32_t tail = Load(ring.hg->hwtail, memory_order_acquire);
  Store(lane.ktoa->hwcur, Load(ring.hg->hwcur, memory_order_relaxed), memory_order_relaxed);
  // Slots, payload and hwcur before hwtail: pairs with the program's load of it.
  Store(lane.ktoa->hwtail, tail, memory_order_release);
  const bool moved = tail != lane.shown;
  lane.shown = tail;
  const bool asked = lane.direct || Load(lane.atok->appl_need_kick, memory_order_relaxed) != 0;
  if (moved && asked && lane.irq.get() >= 0) (void)eventfd_write(lane.irq.get(), 1);
  return true;
}

/// Whether a step of the program's on this ring is to be a kick: it has sent all, or can receive no more.
bool Kloop::Wants(const Lane& lane) {
  const uint32_t head = Load(lane.ring->gh->head, memory_order_relaxed);
  return !lane.is_rx || (lane.shown + 1) % lane.ring->num_slots == head;
}

/// False when there may be more at once.
bool Kloop::Serve(Lane& lane) {
  if (!lane.direct) Store(lane.ktoa->kern_need_kick, 0, memory_order_relaxed);
  for (int round = 0; round < kRoundsMax; round++) {
    if (!Carry(lane)) {
      Restore(*lane.ring);
      if (!busy_ && !lane.direct) Store(lane.ktoa->kern_need_kick, 1, memory_order_relaxed);
      return true;
    }
    const uint32_t carried = Load(lane.ring->gh->head, memory_order_relaxed);
    if (Load(lane.atok->head, memory_order_relaxed) != carried) continue;
    if (busy_ || lane.direct || !Wants(lane)) return true;
    Store(lane.ktoa->kern_need_kick, 1, memory_order_relaxed);
    // Full barrier: kern_need_kick before head; pairs with the program, which stores head before it reads the flag.
    guest::FullBarrier();
    if (Load(lane.atok->head, memory_order_relaxed) == carried) return true;
    Store(lane.ktoa->kern_need_kick, 0, memory_order_relaxed);
  }
  return false;
}

/// Has the host wake us when a tail moves that the program may wait for. False when one has.
bool Kloop::Arm() {
  bool quiet = true;
  for (uint32_t i = 0; i < bound_.count(); i++) {
    Lane& lane = lanes_[i];
    const uint32_t head = Load(lane.ring->gh->head, memory_order_relaxed);
    // Of a tx ring whose slots are all free there is no news to come.
    if (!lane.is_rx && (lane.shown + 1) % lane.ring->num_slots == head) continue;
    Store(lane.ring->gh->appl_need_kick, 1, memory_order_relaxed);
    // Full barrier: appl_need_kick before hwtail; pairs with the host, which stores hwtail before it reads the flag.
    guest::FullBarrier();
    quiet &= Load(lane.ring->hg->hwtail, memory_order_relaxed) == lane.shown;
  }
  return quiet;
}

void Kloop::Sleep() {
  if (busy_) {
    const timespec time = {0, static_cast<long>(sleep_us_) * 1000};
    const timespec second = {1, 0};
    if (sleep_us_ == 0)
      sched_yield();
    else
      nanosleep(sleep_us_ == kSleepMaxUs ? &second : &time, nullptr);
    return;
  }
  epoll_event events[kEventsMax];
  if (Arm()) {
    const int count = Real().epoll_pwait(epoll_.get(), events, kEventsMax, kStopCheckMs, nullptr);
    for (int i = 0; i < count; i++)
      if (events[i].data.u64 == kHost) TakeByte(file_.get(), context_);
  }
  for (uint32_t i = 0; i < bound_.count(); i++) Disarm(*lanes_[i].ring);
}

int Kloop::Run() {
  while ((bound_.kloop.runner.load(memory_order_acquire) & KloopState::kStopping) == 0) {
    bool quiet = true;
    for (uint32_t i = 0; i < bound_.count(); i++) quiet &= Serve(lanes_[i]);
    if (quiet) Sleep();
    if (context_.gone.load(memory_order_relaxed)) return ENXIO;
  }
  return 0;
}

/// Whether the thread has ended, maybe without a word: then it may be there as a zombie until its parent asks.
bool HasEnded(int pid, int tid) {
  if (syscall(SYS_tgkill, pid, tid, 0) != 0) return errno == ESRCH;
  char path[64], text[128] = {};
  snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, tid);
  Fd file;
  file.Take(Real().open(path, O_RDONLY | O_CLOEXEC));
  if (file.get() < 0 || read(file.get(), text, sizeof text - 1) <= 0) return false;
  // Behind the name, which may be anything.
  const char* state = strrchr(text, ')');
  return state != nullptr && (strncmp(state, ") Z", 3) == 0 || strncmp(state, ") X", 3) == 0);
}

/// Whether a loop runs. One whose process was killed does not.
bool Runs(uint64_t runner) {
  runner &= ~KloopState::kStopping;
  return runner != 0 && !HasEnded(static_cast<int>(runner >> 32), static_cast<int>(runner & UINT32_MAX));
}

/// Makes this thread the one that runs it. False: another does.
bool Claim(KloopState& kloop) {
  const uint64_t self = static_cast<uint64_t>(getpid()) << 32 | static_cast<uint32_t>(syscall(SYS_gettid));
  uint64_t before = kloop.runner.load();
  do {
    if (Runs(before)) return false;
  } while (!kloop.runner.compare_exchange_weak(before, (before & KloopState::kStopping) | self));
  if ((before & ~KloopState::kStopping) == 0) return true;
  // Of a process that was killed. Nobody of ours signals, or counts as doing so, before pid is ours.
  kloop.wake.store(-1);
  kloop.wakers.store(0);
  return true;
}

}  // namespace

int EnableCsb(Bound& bound, const CsbOption& arrays) {
  if (Runs(bound.kloop.runner.load())) return EBUSY;
  const uint32_t count = bound.count();
  if (count == 0) return 0;
  if ((bound.flags & NR_EXCLUSIVE) == 0) return EINVAL;
  for (const uint64_t address : {arrays.csb_atok, arrays.csb_ktoa})
    if (address % sizeof(guest::CsbGuestToHost) != 0) return EINVAL;
  guest::CsbGuestToHost atok[kRingsMax] = {};
  guest::CsbHostToGuest ktoa[kRingsMax] = {};
  for (uint32_t i = 0; i < count; i++) {
    const Ring& ring = bound.rings[i];
    atok[i] = {Load(ring.gh->head, memory_order_relaxed), Load(ring.gh->cur, memory_order_relaxed), 1, 1};
    ktoa[i] = {Load(ring.hg->hwcur, memory_order_relaxed), Load(ring.hg->hwtail, memory_order_acquire), 1};
  }
  if (!CopyOut(arrays.csb_atok, atok, count * sizeof *atok) || !CopyOut(arrays.csb_ktoa, ktoa, count * sizeof *ktoa))
    return EFAULT;
  bound.ktoa.store(reinterpret_cast<guest::CsbHostToGuest*>(arrays.csb_ktoa), memory_order_relaxed);
  bound.atok.store(reinterpret_cast<guest::CsbGuestToHost*>(arrays.csb_atok), memory_order_release);
  return 0;
}

int RunKloop(int fd, Context& context, uint32_t sleep_us, KloopOptions* options) {
  if (sleep_us > kSleepMaxUs) return EINVAL;
  Bound* bound = BoundOf(fd, context);
  if (bound == nullptr || context.gone.load(memory_order_relaxed)) return ENXIO;
  if (!bound->in_csb_mode()) return EINVAL;
  if (!Claim(bound->kloop)) return EBUSY;
  int error;
  {
    Kloop kloop(context, *bound, sleep_us);
    error = kloop.Start(fd, options);
    if (error == 0) error = kloop.Run();
    // Nobody signals a descriptor that is not ours any more.
    bound->kloop.wake.store(-1);
    while (bound->kloop.wakers.load() != 0) sched_yield();
  }
  bound->kloop.runner.store(0, memory_order_release);
  return error;
}

int StopKloop(int fd, Context& context) {
  Bound* bound = BoundOf(fd, context);
  if (bound == nullptr) return ENXIO;
  KloopState& kloop = bound->kloop;
  uint64_t runner = kloop.runner.fetch_or(KloopState::kStopping) | KloopState::kStopping;
  const timespec pause = {0, 1'000'000};
  for (; Runs(runner); runner = kloop.runner.load(memory_order_acquire)) {
    if (kloop.pid.load() == getpid()) {
      kloop.wakers.fetch_add(1);
      if (const int wake = kloop.wake.load(); wake >= 0) (void)eventfd_write(wake, 1);
      kloop.wakers.fetch_sub(1);
    }
    nanosleep(&pause, nullptr);
  }
  // Of one that was killed, it is not for the next one.
  if ((runner & ~KloopState::kStopping) != 0)
    kloop.runner.compare_exchange_strong(runner, runner & ~KloopState::kStopping);
  return 0;
}

}  // namespace ptnet::preload
