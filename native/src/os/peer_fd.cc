// The closing threads: a queue for each peer, so that one whose close waits holds up nobody else's.
#include "os/peer_fd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <unordered_map>

#include "os/peer_share.h"
#include "os/thread.h"

namespace ptnet::os {

namespace {

// As many peers may have a close that waits before those of the others have to wait too.
constexpr size_t kThreadsMax = 256;

constexpr size_t kTasksMax = 1024;  // of a peer, besides closes and mappings, which its share bounds

/// A descriptor to close, a mapping to undo when there is a length, or something else to do.
struct Task {
  int fd = -1;
  void* address = nullptr;
  size_t length = 0;
  std::function<void()> run = nullptr;
};

struct Peer {
  size_t held = 0;  // descriptors, with those in `queue` and in the hands of a thread
  size_t closing = 0;
  size_t maps = 0;
  size_t tasks = 0;   // in `queue`, with one in the hands of a thread
  bool busy = false;  // in ready_, or in the hands of a thread
  std::deque<Task> queue;
};

class Closer {
 public:
  void Adopt(int fd, PeerId peer) {
    if (peer == 0) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    // Whoever had the number before has closed it on his own.
    if (const auto found = owners_.find(fd); found != owners_.end()) Forget(found->second);
    owners_[fd] = peer;
    peers_[peer].held++;
  }

  PeerId Owner(int fd) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = owners_.find(fd);
    return found == owners_.end() ? 0 : found->second;
  }

  bool Knows(int fd) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return owners_.contains(fd);
  }

  void Close(int fd) {
    const std::lock_guard<std::mutex> lock(mutex_);
    PeerId peer = 0;
    // Before the number is free to be given to another file.
    if (const auto found = owners_.find(fd); found != owners_.end()) {
      peer = found->second;
      owners_.erase(found);
    } else {
      peers_[peer].held++;
    }
    Push(peer, {.fd = fd});
  }

  bool MayHold(PeerId peer) { return peer == 0 || Held(peer) < ShareOfPeer().fds; }

  bool TakeMap(PeerId id) {
    const std::lock_guard<std::mutex> lock(mutex_);
    Peer& peer = peers_[id];
    if (id != 0 && peer.maps >= ShareOfPeer().maps) return false;
    peer.maps++;
    return true;
  }

  bool Do(PeerId id, std::function<void()> task) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (peers_[id].tasks >= kTasksMax) return false;
    peers_[id].tasks++;
    Push(id, {.run = std::move(task)});
    return true;
  }

  void Unmap(void* address, size_t length, PeerId peer) {
    const std::lock_guard<std::mutex> lock(mutex_);
    Push(peer, {.address = address, .length = length});
  }

  size_t Held(PeerId peer) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = peers_.find(peer);
    return found == peers_.end() ? 0 : found->second.held;
  }

  size_t Closing(PeerId peer) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = peers_.find(peer);
    return found == peers_.end() ? 0 : found->second.closing;
  }

  void Await() {
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return waiting_ == 0; });
  }

 private:
  void Push(PeerId id, Task task) {
    Peer& peer = peers_[id];
    if (task.fd >= 0) peer.closing++;
    peer.queue.push_back(std::move(task));
    waiting_++;
    if (peer.busy) return;
    peer.busy = true;
    ready_.push_back(id);
    // A thread at rest may have been woken for another peer already.
    if (ready_.size() <= idle_ || threads_ == kThreadsMax || !StartThread()) work_.notify_one();
  }

  void Forget(PeerId id) {
    Peer& peer = peers_[id];
    peer.held--;
    EraseIfIdle(id);
  }

  void EraseIfIdle(PeerId id) {
    const Peer& peer = peers_[id];
    if (peer.held == 0 && peer.maps == 0 && !peer.busy) peers_.erase(id);
  }

  bool StartThread() {
    if (!StartDetached("ptnet-close", [this] { Run(); })) return false;
    threads_++;
    return true;
  }

  void Run() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      if (ready_.empty()) {
        if (idle_ > 0) break;
        idle_++;
        work_.wait(lock, [this] { return !ready_.empty(); });
        idle_--;
      }
      const PeerId id = ready_.front();
      ready_.pop_front();
      Serve(id, &lock);
    }
    threads_--;
  }

  void Serve(PeerId id, std::unique_lock<std::mutex>* lock) {
    Task task = std::move(peers_[id].queue.front());
    peers_[id].queue.pop_front();
    lock->unlock();
    if (task.run)
      std::exchange(task.run, nullptr)();  // with all that it holds
    else if (task.length != 0)
      munmap(task.address, task.length);
    else
      close(task.fd);  // never retried on EINTR: Linux has released the number by then
    lock->lock();
    Peer& peer = peers_[id];
    if (task.fd >= 0) {
      peer.held--;
      peer.closing--;
    } else {
      (task.length != 0 ? peer.maps : peer.tasks)--;
    }
    peer.busy = !peer.queue.empty();
    if (peer.busy)
      ready_.push_back(id);
    else
      EraseIfIdle(id);
    if (--waiting_ == 0) done_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable done_;
  std::unordered_map<int, PeerId> owners_;
  std::unordered_map<PeerId, Peer> peers_;
  std::deque<PeerId> ready_;  // peers with something to close that no thread has in hand
  size_t waiting_ = 0;
  size_t threads_ = 0;
  size_t idle_ = 0;
};

/// Never destroyed: its threads may outlive everything, as long as a peer likes.
Closer& TheCloser() {
  static Closer* closer = new Closer();
  return *closer;
}

}  // namespace

PeerId NewPeer() {
  static std::atomic<PeerId> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

void AdoptPeerFd(int fd, PeerId peer) { TheCloser().Adopt(fd, peer); }

int DupPeerFd(int fd) {
  if (!MayHoldPeerFd(PeerOf(fd))) {
    errno = EDQUOT;
    return -1;
  }
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy >= 0) TheCloser().Adopt(copy, TheCloser().Owner(fd));
  return copy;
}

PeerId PeerOf(int fd) { return TheCloser().Owner(fd); }

bool IsPeerFd(int fd) { return TheCloser().Knows(fd); }

bool MayHoldPeerFd(PeerId peer) { return TheCloser().MayHold(peer); }

void CloseElsewhere(int fd) { TheCloser().Close(fd); }

bool TakePeerMap(PeerId peer) { return TheCloser().TakeMap(peer); }

void UnmapElsewhere(void* address, size_t length, PeerId peer) { TheCloser().Unmap(address, length, peer); }

bool DoElsewhere(PeerId peer, std::function<void()> task) { return TheCloser().Do(peer, std::move(task)); }

size_t HeldPeerFds(PeerId peer) { return TheCloser().Held(peer); }

size_t ClosingPeerFds(PeerId peer) { return TheCloser().Closing(peer); }

void AwaitPeerCloses() { TheCloser().Await(); }

}  // namespace ptnet::os
