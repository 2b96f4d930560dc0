// Worker: the loop, parking and waking, and the calls of the control plane.
#include "datapath/worker.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <utility>

#include "datapath/clock.h"
#include "os/event_signaller.h"
#include "os/short_slice.h"

namespace ptnet {
namespace {

constexpr uint64_t kPacedSleepNs = 50'000;  // a source due sooner than this is polled, not slept for
constexpr uint32_t kRestSlots = 1024;       // moved between two looks: the flow is busy
constexpr uint64_t kLookRounds = 64;        // rounds between two looks at the descriptors, and the clock, while busy
constexpr int kEventsMax = 32;              // taken at once
constexpr uint64_t kMeasuredNs = 10'000'000'000;  // after a stall

/// 0 or an errno: EINVAL when this process may run on none of them.
int SetAffinity(pthread_t thread, const CpuList& cpus) {
  cpu_set_t sets[kCpusMax / CPU_SETSIZE] = {};
  for (uint32_t cpu : cpus) CPU_SET_S(cpu, sizeof sets, sets);
  return pthread_setaffinity_np(thread, sizeof sets, sets);
}

}  // namespace

struct Worker::PendingCall {
  explicit PendingCall(const std::function<void()>* f) : fn(f) {}
  const std::function<void()>* fn;
  std::mutex mutex;
  std::condition_variable done_changed;
  bool done = false;
};

Status Worker::Start(uint32_t index, const CpuList& cpus, WatchErrors* errors) {
  auto fail = [&](const char* call, int err) {
    return Status::Fail(err, "worker " + std::to_string(index) + ": " + call + ": " + strerror(err));
  };
  if (Status s = watches_.Open(errors); !s.ok()) return s;
  wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_fd_ < 0) return fail("eventfd", errno);
  if (!watches_.AddOwn(wake_fd_)) return fail("epoll_ctl", errno);
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), ("ptnet-w" + std::to_string(index)).c_str());
  if (int err = cpus.empty() ? 0 : SetAffinity(thread_.native_handle(), cpus); err != 0)
    return fail("pthread_setaffinity_np", err);
  return Status::Ok();
}

uint64_t Worker::CpuNs() const noexcept {
  clockid_t clock;
  timespec ts{};
  if (pthread_getcpuclockid(const_cast<std::thread&>(thread_).native_handle(), &clock) != 0) return 0;
  clock_gettime(clock, &ts);
  return static_cast<uint64_t>(ts.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(ts.tv_nsec);
}

Worker::~Worker() {
  if (thread_.joinable()) {
    stop_.store(true);
    Wake();
    thread_.join();
  }
  if (wake_fd_ >= 0) close(wake_fd_);
}

void Worker::Wake() noexcept {
  // Full barrier: what the caller has just stored before owner_; pairs with Disown(), which stores owner_ before all
  // of that is looked at once more.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  Owner nobody = Owner::kNobody;
  if (owner_.load(std::memory_order_relaxed) != nobody) return;  // the owner looks before it disowns
  if (!owner_.compare_exchange_strong(nobody, Owner::kThread, std::memory_order_acq_rel)) return;
  const uint64_t one = 1;
  [[maybe_unused]] ssize_t n = write(wake_fd_, &one, sizeof one);
}

bool Worker::Mark(Flow* flow) noexcept {
  if (flow->kicked_.exchange(true, std::memory_order_acq_rel)) return false;
  Flow* head = kicked_.load(std::memory_order_relaxed);
  do flow->next_kicked_ = head;
  while (!kicked_.compare_exchange_weak(head, flow, std::memory_order_release, std::memory_order_relaxed));
  return true;
}

void Worker::Call(const std::function<void()>& fn) {
  PendingCall call(&fn);
  {
    std::lock_guard lock(calls_mutex_);
    calls_.push_back(&call);
    calls_pending_.store(true, std::memory_order_release);
  }
  Wake();
  std::unique_lock lock(call.mutex);
  call.done_changed.wait(lock, [&] { return call.done; });
}

bool Worker::RunCalls() {
  if (!calls_pending_.load(std::memory_order_acquire)) return false;
  std::vector<PendingCall*> calls;
  {
    std::lock_guard lock(calls_mutex_);
    calls.swap(calls_);
    calls_pending_.store(false, std::memory_order_relaxed);
  }
  // A flow that is to be removed must not be left in the list of kicked ones.
  TakeKicked();
  for (PendingCall* call : calls) {
    (*call->fn)();
    std::lock_guard lock(call->mutex);
    call->done = true;
    call->done_changed.notify_one();
  }
  return true;
}

void Worker::Add(Flow* flow, Policy policy, uint64_t spin_ns) {
  Configure(flow, policy, spin_ns);
  flow->worker_.store(this, std::memory_order_release);
  for (const auto& watch : flow->watches_) watches_.Add(watch.get());
  const auto polled = [](const auto& watch) { return watch->polled; };
  if (std::ranges::any_of(flow->watches_, polled)) polled_.push_back(flow);
  Activate(flow);
}

void Worker::Configure(Flow* flow, Policy policy, uint64_t spin_ns) {
  flow->policy_ = policy;
  flow->spin_.Configure(spin_ns);
  flow->idle_since_ns_ = 0;
  if (flow->worker_.load(std::memory_order_relaxed) == this) Activate(flow);
}

void Worker::Remove(Flow* flow) {
  flow->worker_.store(nullptr, std::memory_order_release);
  for (const auto& watch : flow->watches_) watches_.Remove(watch.get());
  std::erase(active_, flow);
  std::erase(paced_, flow);
  std::erase(polled_, flow);
  flow->active_ = false;
}

/// Runs what touches the flow's memory. While there is a reason, whoever holds that pays for what it takes.
template <class Fn>
void Worker::Touch(Flow* flow, Fn fn) {
  if (measured_until_ns_ == 0 || flow->device_->memory == nullptr) [[likely]]
    return fn();
  flow->device_->memory->Touch(fn);
}

void Worker::OnKick(Flow* flow) {
  if (flow->paused()) return;  // it is kicked again when it no longer is
  Touch(flow, [&] {
    flow->Unblock();
    flow->woken_ = true;
    Activate(flow);
  });
  counters_.wakeups.fetch_add(1, std::memory_order_relaxed);
}

void Worker::Activate(Flow* flow) {
  if (flow->paused()) return void(std::erase(paced_, flow));
  flow->Disarm();
  if (flow->active_) return;
  flow->active_ = true;
  std::erase(paced_, flow);
  active_.push_back(flow);
}

void Worker::Deactivate(size_t i) {
  Flow* flow = active_[i];
  flow->active_ = false;
  active_[i] = active_.back();
  active_.pop_back();
  if (flow->NextNs() != 0) paced_.push_back(flow);
  counters_.parks.fetch_add(1, std::memory_order_relaxed);
}

void Worker::TakeKicked() {
  if (kicked_.load(std::memory_order_relaxed) == nullptr) return;
  Flow* flow = kicked_.exchange(nullptr, std::memory_order_acquire);
  while (flow != nullptr) {
    Flow* next = flow->next_kicked_;
    // Acquire: what a kick announced that found the flow marked already; pairs with the exchange in Mark().
    flow->kicked_.exchange(false, std::memory_order_acq_rel);
    Worker* home = flow->worker_.load(std::memory_order_acquire);
    if (home == this) {
      OnKick(flow);
    } else if (home != nullptr && home->Mark(flow)) {
      home->Wake();  // it has moved since
    }
    flow = next;
  }
}

/// CLOCK_MONOTONIC, read once in a round that asks for it.
uint64_t Worker::Now() {
  if (now_ns_ == 0) now_ns_ = NowNs();
  return now_ns_;
}

/// The flow, which may have been idle, has found work: so many slots.
void Worker::EndIdle(Flow* flow, uint32_t slots) {
  flow->woken_ = false;
  std::atomic<uint64_t>& device = flow->device_->idle_since_ns;
  if (device.load(std::memory_order_relaxed) != 0) device.store(0, std::memory_order_relaxed);
  if (flow->idle_since_ns_ != 0) {
    flow->spin_.Saw(Now() - flow->idle_since_ns_);
    flow->idle_since_ns_ = 0;
  }
  flow->spin_.Moved(slots);
  flow->moved_slots_ += slots;
}

/// True when a flow that had nothing to do is parked now.
bool Worker::MayPark(Flow* flow) {
  if (std::exchange(flow->woken_, false) && flow->held_until_ns() == 0)
    counters_.idle_wakeups.fetch_add(1, std::memory_order_relaxed);
  if (flow->policy_ == Policy::kPoll) return false;
  // Without kicks: nothing that the guest does brings the time nearer.
  if (flow->held_until_ns() != 0) return true;
  const uint64_t now = Now();
  uint64_t due = flow->Due();
  if (due != 0 && due < now + kPacedSleepNs) return false;
  if (flow->idle_since_ns_ == 0) {
    flow->idle_since_ns_ = now;
    flow->spin_.Begin();
  }
  std::atomic<uint64_t>& device = flow->device_->idle_since_ns;
  uint64_t device_since = device.load(std::memory_order_relaxed);
  if (device_since == 0) device.store(device_since = now, std::memory_order_relaxed);
  // Where polling has not paid lately, it is not worth waking the worker for.
  const bool polled = flow->policy_ == Policy::kAdaptive && !(flow->spin_.least() && served_in_kick());
  if (polled && now - std::max(flow->idle_since_ns_, device_since) < flow->spin_.ns()) return false;
  for (const auto& watch : flow->watches_) watch->Resume();
  bool armed = false;
  Touch(flow, [&] { armed = !flow->Arm(); });
  return armed;
}

Used Worker::Poll(Flow* flow, const Budget& budget) {
  if (measured_until_ns_ == 0) [[likely]]
    return flow->Serve(budget);
  Budget measured = budget;
  measured.measured = true;
  Used used;
  Touch(flow, [&] { used = flow->Serve(measured); });
  return used;
}

/// One poll of each busy flow: of a round's budget each, or of `shared` for all of them together. True when one moved
/// something.
bool Worker::PollActive(Budget* shared) {
  bool moved = false;
  now_ns_ = 0;
  for (size_t i = 0; i < active_.size();) {
    if (shared != nullptr && shared->spent()) return moved;
    Flow* flow = active_[i];
    if (flow->paused()) [[unlikely]] {
      Deactivate(i);
      continue;
    }
    if (const Used used = Poll(flow, shared != nullptr ? *shared : kRoundBudget); used.moved) {
      EndIdle(flow, used.slots);
      if (shared != nullptr) shared->Take(used);
      moved = true;
      i++;
    } else if (MayPark(flow)) {
      Deactivate(i);
    } else {
      i++;
    }
  }
  return moved;
}

uint64_t Worker::NextDue() const {
  uint64_t next = UINT64_MAX;
  for (Flow* flow : paced_) next = std::min(next, flow->NextNs());
  return next;
}

void Worker::ActivateDue() {
  uint64_t soon = NowNs() + kPacedSleepNs;
  for (size_t i = 0; i < paced_.size();) {
    Flow* flow = paced_[i];
    flow->NextNs() <= soon ? Activate(flow) : void(i++);  // Activate takes it out of paced_
  }
}

void Worker::Run() {
  // Opened now, not when the first interrupt is to be raised, or somebody is slow.
  os::EventSignaller::OfThisThread();
  StallSample::KeepOpen();
  os::KeepToShortSlices();
  uint64_t busy = 0;
  for (uint64_t round = 0; !stop_.load(std::memory_order_relaxed); round++) {
    if (RunCalls()) LookForStalls();
    TakeKicked();
    if (!paced_.empty()) ActivateDue();
    if (active_.empty()) {
      LookForStalls();
      Sleep();
      continue;
    }
    counters_.rounds.store(round, std::memory_order_relaxed);
    if (round % kLookRounds == 0) {
      LookForStalls();
      if (watches_.size() > 0) {
        PollEvents();
        RestWatches();
      }
    }
    if (PollActive(nullptr))
      counters_.busy_rounds.store(++busy, std::memory_order_relaxed);
    else
      yielder_.Idle();
  }
}

/// Whoever makes others wait for its memory is not known at first: from then on it is found out.
void Worker::LookForStalls() {
  const bool stalled = stalls_.Look();
  if (stalled) measured_until_ns_ = stalls_.looked_at_ns() + kMeasuredNs;
  if (measured_until_ns_ < stalls_.looked_at_ns()) measured_until_ns_ = 0;
}

void Worker::PollEvents() {
  epoll_event events[kEventsMax];
  const timespec none{};
  OnEvents(events, watches_.Wait(events, kEventsMax, &none));
}

/// Descriptors of busy flows rest; those of others do not, as one that never parks may have had an error.
void Worker::RestWatches() {
  for (Flow* flow : active_) {
    const bool busy = std::exchange(flow->moved_slots_, 0) >= kRestSlots;
    for (const auto& watch : flow->watches_) busy ? watch->Rest() : watch->Resume();
  }
}

void Worker::Sleep() {
  int64_t timeout_ns = -1;
  if (!paced_.empty()) {
    uint64_t due = NextDue(), now = NowNs();
    timeout_ns = due > now + kPacedSleepNs ? static_cast<int64_t>(due - now - kPacedSleepNs / 2) : 0;
  }
  const timespec timeout{timeout_ns / 1'000'000'000, timeout_ns % 1'000'000'000};
  epoll_event events[kEventsMax];
  int count = 0;
  const uint64_t since = stalls_.looked_at_ns();
  Disown();
  if (!MustWork()) {
    counters_.sleeps.fetch_add(1, std::memory_order_relaxed);
    count = watches_.Wait(events, kEventsMax, timeout_ns < 0 ? nullptr : &timeout);
  }
  Own();
  stalls_.Slept(since);
  now_ns_ = 0;
  OnEvents(events, count);
}

void Worker::OnEvents(const epoll_event* events, int count) {
  for (int i = 0; i < count; i++) {
    if (auto* watch = static_cast<Watch*>(events[i].data.ptr)) {
      if (!watch->OnEvents(events[i].events)) counters_.watch_errors.fetch_add(1, std::memory_order_relaxed);
      Activate(watch->flow);
      continue;
    }
    uint64_t kicks;
    [[maybe_unused]] ssize_t got = read(wake_fd_, &kicks, sizeof kicks);
  }
}

}  // namespace ptnet
