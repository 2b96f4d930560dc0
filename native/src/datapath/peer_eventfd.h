// An eventfd that a peer has too, or the socket of one that is woken by a byte, with as many owners as use it.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "os/event.h"
#include "os/event_signaller.h"
#include "os/peer_fd.h"

namespace ptnet {

struct PeerEventfd {
  /// In what signals are raised by: the descriptor is a socket.
  static constexpr int kSocket = 1 << 30;

  explicit PeerEventfd(int descriptor, bool is_socket = false) : fd(descriptor), socket(is_socket) {}
  ~PeerEventfd() { os::CloseElsewhere(fd); }
  PeerEventfd(const PeerEventfd&) = delete;
  PeerEventfd& operator=(const PeerEventfd&) = delete;

  /// A descriptor of our own for the same eventfd; null, with errno, when there is none left.
  static std::shared_ptr<PeerEventfd> Duplicate(int fd) {
    const int own = os::DupPeerFd(fd);
    return own < 0 ? nullptr : std::make_shared<PeerEventfd>(own);
  }

  /// Its descriptor, and of which kind it is, in one word.
  int signal() const { return socket ? fd | kSocket : fd; }
  /// May take as long as its peer likes. False: nothing was done.
  static bool Raise(int signal) noexcept {
    return (signal & kSocket) != 0 ? os::SendWake(signal & ~kSocket)
                                   : os::EventSignaller::OfThisThread().Signal(signal);
  }

  /// Takes what its peer has not looked at. A byte that is on its way is nobody's but the peer's.
  void Take() noexcept {
    if (!socket && os::TakeSignals(fd)) had_signals = true;
    taken = true;
  }

  const int fd;
  const bool socket;
  std::atomic<bool> taken{false};
  std::atomic<bool> had_signals{false};  // when it was taken
};

using PeerEventfds = std::vector<std::shared_ptr<PeerEventfd>>;

}  // namespace ptnet
