// Descriptors that came from a peer: whose each is, how many a peer holds, and using them where nobody else waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

namespace ptnet::os {

/**
 * Whoever sends descriptors, as one device's clients are; 0 stands for all who need not be told apart.
 *
 * What the kernel does on a peer's file may take as long as the peer likes, and so may the last close of it: a TCP
 * socket lingers over unsent data, FUSE asks its server, a large file's pages have to be freed. A Unix socket that is
 * closed closes the descriptors that lie unread in it. So such descriptors are closed by threads that nobody waits for:
 * one for each peer that has any to close, and one close of a peer at a time. A peer whose close waits keeps its own
 * descriptors open, and they count as held by it, until it lets go; others do not notice. No more of them are opened
 * for it then than its share (os/peer_share.h).
 */
using PeerId = uint32_t;

/** A number that no other peer of this process has. */
PeerId NewPeer();

/** Notes whose a descriptor is, from when it comes until it has been closed by CloseElsewhere; nothing for peer 0. */
void AdoptPeerFd(int fd, PeerId peer);
/** A close-on-exec duplicate that is the same peer's; -1 with errno, EDQUOT when the peer holds its share. */
int DupPeerFd(int fd);
PeerId PeerOf(int fd);
bool IsPeerFd(int fd);
/** Whether the peer may hold one more. */
bool MayHoldPeerFd(PeerId peer);

/** Closes a descriptor soon, on another thread; never waits. Any thread. */
void CloseElsewhere(int fd);
/** Counts a mapping of the peer's memory; false when the peer has its share of them. */
bool TakePeerMap(PeerId peer);
/** Undoes a mapping that was counted, likewise: the file may go with it. It is the peer's until then. */
void UnmapElsewhere(void* address, size_t length, PeerId peer);

/**
 * Does something with a descriptor of the peer, or for it, that may take as long as the peer likes: in turn with its
 * closes, so a descriptor that is given to be closed afterwards is still open then. False, and nothing is done, when
 * the peer has kept too much waiting already.
 */
bool DoElsewhere(PeerId peer, std::function<void()> task);

/** The peer's descriptors that are open, with those that wait to be closed. */
size_t HeldPeerFds(PeerId peer);
/** Those that wait to be closed: more than a few of them tell of a close that waits. */
size_t ClosingPeerFds(PeerId peer);
/** Waits until all that was given to be done is done. For tests: a peer can keep it waiting. */
void AwaitPeerCloses();

/** A peer's descriptor with one owner, closed elsewhere when the owner goes. */
class PeerFd {
 public:
  PeerFd() = default;
  explicit PeerFd(int fd) : fd_(fd) {}
  PeerFd(int fd, PeerId peer) : fd_(fd) {
    if (fd >= 0) AdoptPeerFd(fd, peer);
  }
  PeerFd(PeerFd&& other) noexcept : fd_(other.Release()) {}
  PeerFd& operator=(PeerFd&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  ~PeerFd() { Reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset(int fd = -1) {
    if (fd_ >= 0) CloseElsewhere(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace ptnet::os
