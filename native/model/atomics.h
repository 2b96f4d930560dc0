// Included before everything else when code is compiled for the model checker: std::atomic, fences, threads, eventfds
// and the clock become the explorer's, so that what is checked is the product's own source, not a copy of it.
#pragma once

// First all headers that the names below occur in.
#include <bits/stdc++.h>
#include <emmintrin.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace ptnet::model {

/// Where in the source an operation stands.
struct Site {
  const char* file;
  int line;
  const char* function;
};

/// A load of `size` bytes.
uint64_t Load(const void* at, size_t size, std::memory_order order);
/// The caller stores it in real memory afterwards.
void Store(const void* at, size_t size, uint64_t value, std::memory_order order);
/// Before a read-modify-write, which finds what real memory holds; StoreRmw() when it writes.
void BeginRmw(const void* at, size_t size, std::memory_order order);
void StoreRmw(const void* at, uint64_t value, std::memory_order order);
void Fence(std::memory_order order, const Site& site);
/// A new object lies there: what was known of the address is of an older one.
void Forget(const void* at);
/// Until another thread has written something: what a thread that spins does.
void Yield();

void Lock(const void* at, bool* held);
void Unlock(const void* at, bool* held);

int Spawn(std::function<void()> run);
void Join(int thread);
/// Until `ready`, which depends on what is written with Touch(at). Where `to_the_end` it may be false: the run is over,
/// and all are to end.
bool Wait(const void* at, std::function<bool()> ready, bool to_the_end = true);
void Touch(const void* at);

/// What one execution needs to see and everything else need not: counters and times are as plain memory.
template <class T>
inline constexpr bool kModelled = !std::is_same_v<T, uint64_t> && sizeof(T) <= 8;

template <class T>
uint64_t ToWord(T value) {
  uint64_t word = 0;
  memcpy(&word, &value, sizeof value);
  return word;
}
template <class T>
T FromWord(uint64_t word) {
  T value;
  memcpy(&value, &word, sizeof value);
  return value;
}

/// What std::atomic and std::atomic_ref share, on a word of real memory, which always holds the latest value.
template <class T>
struct Cell {
  static T LoadAt(const T& at, std::memory_order order) {
    if constexpr (!kModelled<T>)
      return at;
    else
      return FromWord<T>(Load(&at, sizeof at, order));
  }
  static void StoreAt(T& at, T value, std::memory_order order) {
    if constexpr (kModelled<T>) Store(&at, sizeof at, ToWord(value), order);
    at = value;
  }
  template <class F>
  static T ChangeAt(T& at, std::memory_order order, F change) {
    if constexpr (kModelled<T>) BeginRmw(&at, sizeof at, order);
    const T before = at;
    const T after = change(before);
    if constexpr (kModelled<T>) StoreRmw(&at, ToWord(after), order);
    at = after;
    return before;
  }
  static bool CompareAt(T& at, T& expected, T value, std::memory_order order) {
    if constexpr (kModelled<T>) BeginRmw(&at, sizeof at, order);
    if (at != expected) {
      expected = at;
      return false;
    }
    if constexpr (kModelled<T>) StoreRmw(&at, ToWord(value), order);
    at = value;
    return true;
  }
};

}  // namespace ptnet::model

namespace std {

template <class T, bool owns>
class ModelBase {
  using Cell = ptnet::model::Cell<T>;
  static constexpr memory_order kDefault = memory_order_seq_cst;

 public:
  T load(memory_order order = kDefault) const { return Cell::LoadAt(at(), order); }
  operator T() const { return load(); }
  void store(T value, memory_order order = kDefault) const { Cell::StoreAt(at(), value, order); }
  T exchange(T value, memory_order order = kDefault) const {
    return Cell::ChangeAt(at(), order, [&](T) { return value; });
  }
  T fetch_add(T n, memory_order order = kDefault) const {
    return Cell::ChangeAt(at(), order, [&](T v) { return static_cast<T>(v + n); });
  }
  T fetch_sub(T n, memory_order order = kDefault) const {
    return Cell::ChangeAt(at(), order, [&](T v) { return static_cast<T>(v - n); });
  }
  T fetch_or(T n, memory_order order = kDefault) const {
    return Cell::ChangeAt(at(), order, [&](T v) { return static_cast<T>(v | n); });
  }
  T fetch_and(T n, memory_order order = kDefault) const {
    return Cell::ChangeAt(at(), order, [&](T v) { return static_cast<T>(v & n); });
  }
  bool compare_exchange_strong(T& expected, T value, memory_order order = kDefault) const {
    return Cell::CompareAt(at(), expected, value, order);
  }
  bool compare_exchange_weak(T& expected, T value, memory_order order = kDefault) const {
    return Cell::CompareAt(at(), expected, value, order);
  }
  bool compare_exchange_strong(T& expected, T value, memory_order order, memory_order) const {
    return Cell::CompareAt(at(), expected, value, order);
  }
  bool compare_exchange_weak(T& expected, T value, memory_order order, memory_order) const {
    return Cell::CompareAt(at(), expected, value, order);
  }

 protected:
  explicit ModelBase(T* at) : at_(at) {}
  T& at() const { return *at_; }

 private:
  T* at_;
};

template <class T>
class ModelAtomic : public ModelBase<T, true> {
 public:
  ModelAtomic(T value = T()) : ModelBase<T, true>(&value_), value_(value) { ptnet::model::Forget(&value_); }
  ModelAtomic(const ModelAtomic&) = delete;
  T operator=(T value) { return this->store(value), value; }
  T operator++() { return this->fetch_add(1) + 1; }
  T operator++(int) { return this->fetch_add(1); }
  T operator+=(T n) { return this->fetch_add(n) + n; }

 private:
  T value_;
};

template <class T>
class ModelAtomicRef : public ModelBase<T, false> {
 public:
  explicit ModelAtomicRef(T& at) : ModelBase<T, false>(&at) {}
};

__attribute__((noinline)) inline void ModelFence(memory_order order, const char* file = __builtin_FILE(),
                                                 int line = __builtin_LINE(),
                                                 const char* function = __builtin_FUNCTION()) {
  ptnet::model::Fence(order, {file, line, function});
}

class ModelThread {
 public:
  using native_handle_type = pthread_t;
  ModelThread() = default;
  template <class F>
  explicit ModelThread(F run) : number_(ptnet::model::Spawn(std::move(run))) {}
  ModelThread(ModelThread&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  ModelThread& operator=(ModelThread&& other) noexcept {
    number_ = std::exchange(other.number_, -1);
    return *this;
  }
  bool joinable() const { return number_ >= 0; }
  void join() { ptnet::model::Join(std::exchange(number_, -1)); }
  pthread_t native_handle() { return {}; }

 private:
  int number_ = -1;
};

class ModelMutex {
 public:
  ModelMutex() { ptnet::model::Forget(this); }
  void lock() { ptnet::model::Lock(this, &held_); }
  void unlock() { ptnet::model::Unlock(this, &held_); }

 private:
  bool held_ = false;
};

/// A waiter looks again whenever anything has been written.
class ModelCondition {
 public:
  void notify_one() { ptnet::model::Touch(this); }
  void notify_all() { ptnet::model::Touch(this); }
  template <class Lock, class Ready>
  void wait(Lock& lock, Ready ready) {
    while (!ready()) {
      lock.unlock();
      ptnet::model::Wait(this, ready, false);
      lock.lock();
    }
  }
  template <class Lock, class Duration, class Ready>
  bool wait_for(Lock& lock, Duration, Ready ready) {
    wait(lock, ready);
    return true;
  }
};

}  // namespace std

int ModelEventfd(unsigned count, int flags);
namespace ptnet::model {
/// What a wait for an eventfd waits for.
const void* Eventfd(int fd);
}  // namespace ptnet::model
int ModelEpollCreate(int flags);
int ModelEpollControl(int epoll, int operation, int fd, epoll_event* event);
int ModelEpollWait(int epoll, epoll_event* events, int most, bool for_ever);
ssize_t ModelWrite(int fd, const void* from, size_t size);
ssize_t ModelRead(int fd, void* to, size_t size);
int ModelPoll(pollfd* fds, nfds_t count, int timeout);
template <class... Arguments>
int ModelNothing(Arguments...) {
  return 0;
}
int ModelClock(clockid_t clock, timespec* now);

#define atomic ModelAtomic
#define atomic_ref ModelAtomicRef
#define atomic_thread_fence ModelFence
#define thread ModelThread
#define mutex ModelMutex
#define condition_variable ModelCondition
#define sched_yield() (ptnet::model::Yield(), 0)
#define __builtin_ia32_pause ptnet::model::Yield
#define eventfd ModelEventfd
#define epoll_create1 ModelEpollCreate
#define epoll_ctl ModelEpollControl
#define epoll_wait(epoll, events, most, timeout) ModelEpollWait(epoll, events, most, (timeout) < 0)
#define epoll_pwait2(epoll, events, most, timeout, mask) ModelEpollWait(epoll, events, most, (timeout) == nullptr)
#define write ModelWrite
#define read ModelRead
#define poll ModelPoll
#define clock_gettime ModelClock
#define pthread_setname_np ModelNothing
#define pthread_setaffinity_np ModelNothing
#define pthread_kill ModelNothing
