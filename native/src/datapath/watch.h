// Descriptors that flows wait for, whatever they are: an eventfd, a tap, a socket.
#pragma once

#include <sys/epoll.h>
#include <time.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "memory/status.h"

namespace ptnet {

class Flow;
class WatchSet;

/// One descriptor that a flow waits for. It is looked at when its flow sleeps, and now and then while others are busy:
/// so readiness is a hint, and what a flow polls it need not wait for. Who reads it: the flow, in Poll(). With EPOLLET
/// nobody has to; without, a flow that cannot read yet takes the event away (SetEvents), or its thread does not sleep.
///
/// After EPOLLERR or EPOLLHUP, which the kernel tells whether asked or not and again and again, it is not watched any
/// more until the flow, which is told, has done something about it and sets its events.
struct Watch {
  std::string name;  // for messages: whose it is, and what
  int fd = -1;
  uint32_t events = 0;  // of epoll: EPOLLIN, EPOLLOUT, EPOLLET
  Flow* flow = nullptr;
  bool quiet = false;       // its owner says himself what has become of it
  bool polled = false;      // it may rest while its flow is busy: Poll() finds what comes
  bool resting = false;     // in its set, and not watched for the time being
  WatchSet* set = nullptr;  // where it is in

  /// Whoever serves the flow: other events from now on.
  void SetEvents(uint32_t events) noexcept;
  /// Its set has seen these events: tells the flow. False when it is not watched any more, for an error.
  bool OnEvents(uint32_t events) noexcept;
  /// The kernel does not tell of a polled descriptor until Resume(): telling costs the sender of each packet a walk to
  /// the epoll set. What has come by then is an event.
  void Rest() noexcept;
  void Resume() noexcept;
};

/// What went wrong with descriptors that are waited for: written by whoever serves, said by the control plane.
class WatchErrors {
 public:
  void Add(const Watch& watch, uint32_t events) noexcept;
  std::vector<std::string> Take();

 private:
  static constexpr size_t kMost = 16;  // until somebody takes them
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

/// An epoll set of watches: a worker's, or one that the control plane waits for under policy inline.
class WatchSet {
 public:
  WatchSet() = default;
  ~WatchSet();
  WatchSet(const WatchSet&) = delete;
  WatchSet& operator=(const WatchSet&) = delete;

  /// `errors` outlives the set.
  Status Open(WatchErrors* errors);
  /// Readable while something has happened.
  int fd() const { return epoll_fd_; }
  /// False, and nothing done, when the kernel cannot watch such a descriptor.
  bool Add(Watch* watch) noexcept;
  void Remove(Watch* watch) noexcept;
  /// A descriptor of the owner of the set, whose events come without a watch.
  bool AddOwn(int fd) noexcept;
  uint32_t size() const { return size_; }
  /// As epoll_pwait2; data.ptr of each event is its watch. No timeout: for ever.
  int Wait(epoll_event* events, int most, const timespec* timeout) noexcept;

 private:
  friend struct Watch;
  bool Start(Watch* watch) noexcept;
  bool Stop(Watch* watch) noexcept;

  int epoll_fd_ = -1;
  WatchErrors* errors_ = nullptr;
  uint32_t size_ = 0;
};

}  // namespace ptnet
