// door: the socket at which applications of the host ask for ports (docs/application-protocol.md).
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>

#include "application/connection.h"
#include "os/error.h"
#include "os/socket.h"
#include "os/unique_fd.h"

namespace ptnet {

class Door {
 public:
  /// More have to wait until others are gone.
  static constexpr size_t kConnectionsMax = 1024;

  /// Listens on `path` with the permissions `mode`; the sink is told of everything until Stop().
  static os::Error Open(const std::string& path, mode_t mode, DoorSink* sink, std::unique_ptr<Door>* out);
  /// The one of another process, whose listener is duplicated: nobody is let in before Resume().
  static os::Error Adopt(const std::string& path, int listener, DoorSink* sink, std::unique_ptr<Door>* out);
  ~Door() { Stop(); }

  /// Each fails with EBADF when the connection is not there any more.
  os::Error Serve(uint32_t connection, uint32_t part, ServedRings rings);
  os::Error Delivered(uint32_t connection);
  /// What wakes it from any thread.
  os::Error Waker(uint32_t connection, std::shared_ptr<PeerEventfd>* out);
  /// Hangs up; the sink hears no more of it.
  os::Error Release(uint32_t connection);
  bool Has(uint32_t connection) const;
  /// Whether its application has closed it: it is told in turn, and known at once.
  bool HungUp(uint32_t connection) const;
  /// Those that have come in, also while the sink has not been told yet.
  size_t size() const;

  /// Who comes waits before the door, for this process or another one. Idempotent, as Resume() is.
  void Pause();
  void Resume();
  int listener() const { return listener_.get(); }
  /// It begins with these.
  void CountOn(const std::array<uint64_t, 5>& counters);

  /// Hangs up on everybody and removes the socket; the sink is called no more when it returns.
  void Stop();

  const DoorCounters& counters() const { return state_->counters; }

 private:
  explicit Door(DoorSink* sink) : state_(std::make_shared<DoorState>()) { state_->sink = sink; }
  void Accept();
  void Admit(int socket);
  std::shared_ptr<Connection> Find(uint32_t connection) const;

  const std::shared_ptr<DoorState> state_;
  os::UniqueFd listener_, wake_;
  os::SocketFile file_;
  std::thread thread_;
  std::atomic<bool> stopping_{false};
  bool stopped_ = false;
  mutable std::mutex mutex_;  // guards the rest
  std::map<uint32_t, std::shared_ptr<Connection>> connections_;
  std::map<uid_t, os::PeerId> peers_;  // a user's applications have a share of our descriptors together
  uint32_t last_id_ = 0;
};

/// Sends the answer to a request, with duplicates of `fds`, by the socket that came with it, soon and where nobody
/// waits for it; then closes that. What it cannot take is lost to its owner.
void SendReply(os::PeerFd socket, std::span<const uint8_t> bytes, std::span<const int> fds);

}  // namespace ptnet
