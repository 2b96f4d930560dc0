// An eventfd that a peer has too, with as many owners as use it.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "os/event.h"
#include "os/peer_fd.h"

namespace ptnet {

struct PeerEventfd {
  explicit PeerEventfd(int descriptor) : fd(descriptor) {}
  ~PeerEventfd() { os::CloseElsewhere(fd); }
  PeerEventfd(const PeerEventfd&) = delete;
  PeerEventfd& operator=(const PeerEventfd&) = delete;

  /// A descriptor of our own for the same eventfd; null, with errno, when there is none left.
  static std::shared_ptr<PeerEventfd> Duplicate(int fd) {
    const int own = os::DupPeerFd(fd);
    return own < 0 ? nullptr : std::make_shared<PeerEventfd>(own);
  }

  /// Takes what its peer has not looked at.
  void Take() noexcept {
    if (os::TakeSignals(fd)) had_signals = true;
    taken = true;
  }

  const int fd;
  std::atomic<bool> taken{false};
  std::atomic<bool> had_signals{false};  // when it was taken
};

using PeerEventfds = std::vector<std::shared_ptr<PeerEventfd>>;

}  // namespace ptnet
