// The closing threads: a queue for each peer, so that one whose close waits holds up nobody else's.
#include "os/peer_fd.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <unordered_map>

namespace ptnet::os {

namespace {

// As many peers may have a close that waits before those of the others have to wait too.
constexpr size_t kThreadsMax = 256;
constexpr size_t kStackBytes = 256 * 1024;

/// A descriptor to close or, when there is a length, a mapping to undo.
struct Task {
  int fd = -1;
  void* address = nullptr;
  size_t length = 0;
};

struct Peer {
  size_t held = 0;  // descriptors, with those in `queue` and in the hands of a thread
  size_t closing = 0;
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
    Push(peer, {fd, nullptr, 0});
  }

  void Unmap(void* address, size_t length, PeerId peer) {
    const std::lock_guard<std::mutex> lock(mutex_);
    Push(peer, {-1, address, length});
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
    peer.queue.push_back(task);
    if (task.fd >= 0) peer.closing++;
    waiting_++;
    if (peer.busy) return;
    peer.busy = true;
    ready_.push_back(id);
    // A thread at rest may have been woken for another peer already.
    if (ready_.size() <= idle_ || threads_ == kThreadsMax || !StartThread()) work_.notify_one();
  }

  void Forget(PeerId id) {
    Peer& peer = peers_[id];
    if (--peer.held == 0 && !peer.busy) peers_.erase(id);
  }

  bool StartThread() {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, kStackBytes);
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    const auto run = [](void* self) -> void* {
      pthread_setname_np(pthread_self(), "ptnet-close");
      static_cast<Closer*>(self)->Run();
      return nullptr;
    };
    const bool started = pthread_create(&thread, &attributes, run, this) == 0;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_attr_destroy(&attributes);
    threads_ += started ? 1 : 0;
    return started;
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
    const Task task = peers_[id].queue.front();
    peers_[id].queue.pop_front();
    lock->unlock();
    if (task.fd < 0)
      munmap(task.address, task.length);
    else
      close(task.fd);  // never retried on EINTR: Linux has released the number by then
    lock->lock();
    Peer& peer = peers_[id];
    if (task.fd >= 0) {
      peer.held--;
      peer.closing--;
    }
    peer.busy = !peer.queue.empty();
    if (peer.busy)
      ready_.push_back(id);
    else if (peer.held == 0)
      peers_.erase(id);
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
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy >= 0) TheCloser().Adopt(copy, TheCloser().Owner(fd));
  return copy;
}

PeerId PeerOf(int fd) { return TheCloser().Owner(fd); }

bool IsPeerFd(int fd) { return TheCloser().Knows(fd); }

void CloseElsewhere(int fd) { TheCloser().Close(fd); }

void UnmapElsewhere(void* address, size_t length, PeerId peer) { TheCloser().Unmap(address, length, peer); }

size_t HeldPeerFds(PeerId peer) { return TheCloser().Held(peer); }

size_t ClosingPeerFds(PeerId peer) { return TheCloser().Closing(peer); }

void AwaitPeerCloses() { TheCloser().Await(); }

}  // namespace ptnet::os
