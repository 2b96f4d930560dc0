// One application's connection: a thread that rings doorbells, wakes the application and hands its requests up.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "application/wire.h"
#include "datapath/doorbell.h"
#include "datapath/peer_eventfd.h"
#include "os/error.h"
#include "os/peer_fd.h"
#include "os/unique_fd.h"

namespace ptnet {

/// Who connected, as the kernel says it of the moment when that was (SO_PEERCRED).
struct Credentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

struct DoorMessage {
  uint32_t connection;
  std::vector<uint8_t> bytes;
  std::vector<os::PeerFd> fds;
};

/// Called on threads of the door, one call at a time; must not call back.
class DoorSink {
 public:
  virtual void OnConnect(uint32_t connection, const Credentials& who) = 0;
  virtual void OnMessage(std::unique_ptr<DoorMessage> message) = 0;
  /// error 0: its last descriptor was closed; else what it sent was no message, or the socket failed.
  virtual void OnDisconnect(uint32_t connection, int error) = 0;

 protected:
  ~DoorSink() = default;
};

struct DoorCounters {
  std::atomic<uint64_t> connections{0}, refused{0}, doorbells{0}, wakeups{0}, messages{0};
};

/// What the threads of a door share; it outlives the door, whose end they need not wait for.
struct DoorState {
  std::mutex mutex;
  DoorSink* sink;  // guarded by the mutex; null: the door is closed
  DoorCounters counters;

  template <class Fn>
  void Tell(Fn fn) {
    const std::lock_guard lock(mutex);
    if (sink != nullptr) fn(*sink);
  }
};

/// The rings of a port that an application has: where its doorbells go, and what wakes it.
struct ServedRings {
  std::weak_ptr<DoorbellTarget> target;
  std::vector<bool> doorbells;           // by ring: which it may ring
  std::vector<os::UniqueFd> interrupts;  // eventfds of rings that others have too; each event is a byte for all of them
};

/// What an application does to its socket may make each call on it take long (it may wait in a hundred thousand epoll
/// sets), so nobody but its own thread touches it, and whoever wakes it by its Waker(), as an interrupt whose cost is
/// looked at.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  /// Requests that wait to be answered; then no more is read.
  static constexpr uint32_t kRequestsMax = 16;

  Connection(uint32_t id, os::PeerFd socket, os::PeerId peer, std::shared_ptr<DoorState> door);
  /// First: from then on it may be called. False when there are no descriptors left.
  bool Open();
  /// False when no thread can be had.
  bool Start();

  // The control plane.

  /// Soon: these rings of a part (0: of the port, 1: of its host side) instead of those before.
  void Serve(uint32_t part, ServedRings rings);
  /// What wakes it from any thread; null, with errno, when its user has as many descriptors as he may.
  std::shared_ptr<PeerEventfd> Waker() const;
  /// A request has been answered.
  void Delivered();
  /// Whether its last descriptor was closed, which the sink may not know yet.
  bool HungUp() const;
  /// Its thread ends when it can, and says no more.
  void End();

 private:
  enum class Outcome { kGoOn, kEnd };

  static void Run(Connection& connection);
  void Wake();
  Outcome OnWake();
  void Take(uint32_t part, ServedRings rings);
  Outcome Read();
  Outcome Take(size_t bytes, std::vector<os::PeerFd> fds);
  void RingDoorbell(uint32_t ring);
  void WakeApplication();
  Outcome Lost(int error);
  void WatchSocket();

  const uint32_t id_;
  const os::PeerId peer_;
  const os::PeerFd socket_;
  std::shared_ptr<DoorState> door_;
  os::UniqueFd epoll_, wake_;
  std::atomic<bool> ended_{false};
  std::atomic<uint32_t> waiting_{0};  // requests
  std::mutex mutex_;
  std::optional<ServedRings> next_[kApplicationParts];  // guarded by the mutex
  ServedRings rings_[kApplicationParts];                // the thread's own
  bool watched_ = false;                                // the socket is in the epoll set
  std::vector<uint8_t> buffer_;
};

}  // namespace ptnet
