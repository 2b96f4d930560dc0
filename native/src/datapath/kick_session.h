// One vfio-user connection as the kick thread sees it: what is read from its socket, the replies to doorbells, and what
// waits to be sent.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "datapath/doorbell.h"
#include "datapath/kept_turn.h"
#include "datapath/kick_framer.h"
#include "os/outbound_queue.h"
#include "os/peer_fd.h"

namespace ptnet {

/** Hears what the kick thread does not answer itself. Called with a session locked: must not call back into Kick. */
class KickSink {
 public:
  virtual void OnConnect(uint32_t listener, uint32_t session) = 0;
  virtual void OnMessage(std::unique_ptr<KickMessage> message) = 0;
  /**
   * 0: the peer closed; EPROTO: a size below the header's, or closed in the middle of a message; EMSGSIZE, E2BIG: more
   * bytes or descriptors than allowed; ENOBUFS: replies not read; EMFILE: no room for its descriptors here; EDQUOT:
   * more of them than its share.
   */
  virtual void OnDisconnect(uint32_t session, int error) = 0;

 protected:
  ~KickSink() = default;
};

struct KickCounters {
  std::atomic<uint64_t> doorbells{0};
  std::atomic<uint64_t> messages{0};
  std::atomic<uint64_t> slow_services{0};  // doorbells that took long to be served by the kick thread itself
};

class KickSession {
 public:
  /** What Read and Flush return while the session goes on; else the error of OnDisconnect. */
  static constexpr int kGoOn = -1;

  /** `socket` has been adopted: what is received from it is the same peer's. */
  KickSession(uint32_t id, uint32_t listener, os::PeerFd socket, const KickLimits& limits, KickSink* sink,
              KickCounters* counters);

  uint32_t id() const { return id_; }
  uint32_t listener() const { return listener_; }

  /**
   * Locks it for a thread other than the kick thread. The kick thread lets such a thread pass first: a peer that
   * floods us would otherwise keep the lock away from it.
   */
  std::unique_lock<std::mutex> LockFromOutside();
  /** For the kick thread: no lock when somebody outside waits for it. */
  std::unique_lock<std::mutex> LockFromThread();

  // All below with the lock held.
  bool ended() const { return ended_; }
  int socket() const { return socket_.get(); }
  os::PeerId peer() const { return peer_; }
  int Read();
  int Flush();
  os::Error Send(std::span<const uint8_t> bytes, std::span<const int> fds);
  void SetDoorbells(const DoorbellWindow& window, std::shared_ptr<DoorbellTarget> target);
  /** Returns the target so that the caller destroys it without the lock. */
  std::shared_ptr<DoorbellTarget> ClearDoorbells();
  /** Whom the doorbells read since the last call were for. */
  struct Rung {
    std::shared_ptr<DoorbellTarget> target;  // keeps the worker
    Worker* worker = nullptr;                // has to be told; null: nobody
  };
  Rung TakeRung();
  /** The owner has dealt with a message. */
  void Delivered(size_t bytes, size_t fds);
  /** Stops everything but keeps the socket and the doorbell target; the peer sees the end at once. */
  void End();
  void CloseSocket();

  /** Not read from now on, until it is false, and what is queued waits; an answer to what was read before is still
   * sent. */
  void Pause(bool paused) { paused_ = paused; }
  /** Whether all that has come has been dealt with: what is left is the rest below; nothing is, of one that is kept. */
  bool settled() const {
    if (ended_ || undelivered_messages_ > 0 || rung_ != nullptr) return false;
    return kept_ == nullptr || (!kept_->busy() && outbound_.empty());
  }
  /** One that is kept is looked at where it was left, wherever another process has looked meanwhile. */
  os::Error LookOn();
  /** The beginning of a message that has been read, and answers that the peer has not taken yet. */
  struct Rest {
    std::vector<uint8_t> bytes;
    std::vector<int> fds;  // they stay the session's, as those of answers
    std::vector<os::OutboundQueue::Kept> unsent;
  };
  Rest TakenSoFar() const {
    // What was looked at is in the socket.
    if (kept_ != nullptr) return {};
    return {framer_.Taken(), framer_.TakenFds(), outbound_.kept()};
  }
  /** As another process had it; false when that is more than the beginning of a message. */
  bool GoOnWith(std::span<const uint8_t> bytes, std::vector<os::PeerFd>* fds);
  void Keep(std::span<const uint8_t> answer, std::vector<os::PeerFd> fds) { outbound_.Keep(answer, std::move(fds)); }

  /** Another process can go on with it when this one has died. Not read before Go(). Before anybody else has it. */
  void Keep(std::unique_ptr<KeptTurn> turn) {
    kept_ = std::move(turn);
    held_ = true;
  }
  void Go() { held_ = false; }
  /** Null: it is not kept. */
  const KeptTurn* kept() const { return kept_.get(); }

  bool wants_read() const;
  /** The epoll events it waits for, 0 for none. */
  uint32_t interest() const;
  uint32_t registered_interest = 0;  // what epoll was told last

 private:
  std::optional<VfioUserRegionAccess> ReplyTo(const DoorbellWrite& doorbell) const;
  void Ring(const DoorbellWrite& doorbell);
  void Deliver(KickMessage message);
  int ReadKept();
  KickFramer::Found LookAtFirst(std::span<const uint8_t> seen, DoorbellWrite* doorbell, KickMessage* message);
  os::Error DealKept(size_t bytes, DoorbellWrite* doorbell, KickMessage* message);
  int After(os::Error error) const;

  const uint32_t id_;
  const uint32_t listener_;
  const os::PeerId peer_;
  const KickLimits limits_;
  KickSink* const sink_;
  KickCounters* const counters_;

  std::mutex mutex_;
  std::atomic<uint32_t> waiting_outside_{0};

  os::PeerFd socket_;  // descriptors that nobody has read are closed with it
  bool ended_ = false;
  bool paused_ = false;

  KickFramer framer_;
  std::vector<os::PeerFd> fresh_;  // of the last read
  std::unique_ptr<KeptTurn> kept_;
  bool held_ = false;
  size_t looked_at_ = 0;  // of the message that is being looked at

  os::OutboundQueue outbound_;

  // What was handed to the owner and not yet dealt with.
  size_t undelivered_messages_ = 0;
  size_t undelivered_bytes_ = 0;
  size_t undelivered_fds_ = 0;

  std::shared_ptr<DoorbellTarget> target_;
  Worker* rung_ = nullptr;
};

}  // namespace ptnet
