// kick: the thread that reads the vfio-user sockets, answers doorbells by itself and hands on everything else.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>

#include "datapath/kick_session.h"
#include "os/error.h"
#include "os/peer_fd.h"
#include "os/socket.h"
#include "os/unique_fd.h"

namespace ptnet {

/**
 * Listens on Unix sockets, one client per socket at a time. A second client is closed at once; but when the first one
 * has hung up and only waits for Release, the newcomer is kept and accepted then.
 * All methods may be called from any thread other than the kick thread.
 */
/** What a listener's clients came to, besides their messages. */
struct ListenerCounters {
  uint64_t refused = 0;    // came while another one was there
  uint64_t starved = 0;    // times that a client had to wait because there was no descriptor left, or none of its share
  size_t held_fds = 0;     // descriptors of its clients that are open
  size_t closing_fds = 0;  // those of them that are being closed
  size_t fds_max = 0;      // as many may be
};

class Kick {
 public:
  static os::Error Start(KickSink* sink, std::unique_ptr<Kick>* out);
  ~Kick();

  os::Error Listen(const std::string& path, mode_t mode, const KickLimits& limits, uint32_t* listener);
  /** Closes and removes the socket file; a session that came through it goes on. */
  os::Error Unlisten(uint32_t listener);

  /** What the socket cannot take is queued; the session is not read meanwhile. No error when the peer is gone. */
  os::Error Send(uint32_t session, std::span<const uint8_t> bytes, std::span<const int> fds);
  os::Error SetDoorbells(uint32_t session, const DoorbellWindow& window, std::shared_ptr<DoorbellTarget> target);
  /** Afterwards no doorbell of the session is being delivered. */
  os::Error ClearDoorbells(uint32_t session);
  /** The sink's owner has dealt with a message, so the peer may send another one. */
  void Delivered(uint32_t session, size_t bytes, size_t fds);
  /** Closes the session; nothing of it is heard any more, and its listener accepts the next client. */
  os::Error Release(uint32_t session);
  /** An eventfd of ours that its client is to have too: it counts as one of the client's. EDQUOT when those are all
     that it may hold. */
  os::Error CreateEventfd(uint32_t session, os::PeerFd* out);
  /** Whether Release has not been called yet. */
  bool Has(uint32_t session);

  // For another process that goes on with all of it, or this one that does so after all.

  /** Reads no session and accepts nobody from now on. Afterwards nothing is being read. */
  os::Error Pause();
  os::Error Resume();
  /** Paused: whether there are `sessions` of them, and all that was read before has been dealt with. */
  bool Settled(size_t sessions);
  /** The listener's socket, which stays the listener's; -1: there is none. */
  int SocketOf(uint32_t listener);
  /** The session's, with what has been read of a message; -1: there is none. */
  int SocketOf(uint32_t session, KickSession::Rest* rest);
  /** Listens with a socket that listens at `path` already; it is taken. */
  os::Error AdoptListener(int socket, const std::string& path, const KickLimits& limits, uint32_t* listener);
  /** Descriptors that a listener's client has sent: they count as its, as those that it sends from now on. */
  void AdoptFds(uint32_t listener, std::span<const int> fds);
  /** A client of a listener that has none; everything is taken, also in an error. The sink is not told. EPROTO: more
     than the beginning of a message. */
  os::Error AdoptSession(uint32_t listener, int socket, const KickSession::Rest& rest, uint32_t* session);

  // For another process that goes on when this one has died (kick_kept.cc).

  /** Sessions that come from now on are kept, as far as there are blocks and descriptors for it; none is read before
     Go(). */
  void Keep(std::shared_ptr<KeptArea> area);
  os::Error Go(uint32_t session);
  /** What another process needs of it; the descriptors stay the session's. */
  struct KeptSession {
    int socket = -1;  // -1: it is not kept
    uint32_t block = 0;
    int pipe_read = -1, pipe_write = -1;
  };
  KeptSession KeptOf(uint32_t session);
  /** A client of a process that has died, of a listener that has none; all descriptors are taken, also in an error. The
     sink is not told. EPROTO: nobody knows how far it was. */
  os::Error AdoptKept(uint32_t listener, const KeptSession& kept, std::optional<AppliedMessage> applied,
                      uint32_t* session);

  /** Stops the thread and closes everything; afterwards every method fails with EBADF. */
  void Stop();

  const KickCounters& counters() const { return counters_; }
  ListenerCounters CountersOf(uint32_t listener);

 private:
  struct Listener {
    os::PeerId peer = os::NewPeer();  // of all that its clients send
    os::PeerFd socket;
    os::SocketFile file;
    KickLimits limits;
    uint32_t session = 0;  // 0: none
    os::PeerFd newcomer;
    uint64_t refused = 0, starved = 0;
    bool paused = false;  // not watched until there may be descriptors again
  };

  /// A device that has once taken long to be served here, by its listener: from then on it is found out why. When it
  /// had kept this thread waiting, its worker is woken instead, until then.
  struct Slow {
    uint64_t until_ns = 0;
    uint64_t ban_ns = 0;
  };

  explicit Kick(KickSink* sink) : sink_(sink) {}
  os::Error Open();
  void Run();
  void Wake();
  void OnWake();
  void OnListener(uint32_t id);
  void Refuse(Listener* listener, const os::PeerFd& client);
  void Pause(uint32_t id, Listener* listener);
  void Unpause();
  int PatienceMs() const;
  os::Error SetPaused(bool paused);
  void OnSession(uint32_t id, bool alone);
  void Serve(uint32_t listener, Worker& worker, bool alone);
  void Adopt(uint32_t id, Listener* listener, os::PeerFd socket);
  bool MayWait(const Listener& listener);
  std::shared_ptr<KickSession> Find(uint32_t session);
  void Disconnect(KickSession* session, int error);
  void UpdateInterest(KickSession* session);
  void StopListening(const Listener& listener);
  static uint64_t ListenerTag(uint32_t id);
  static os::Error IsConnected(int socket);
  static KickLimits KeptLimits(KickLimits limits);

  KickSink* const sink_;
  KickCounters counters_;
  os::UniqueFd epoll_;
  os::UniqueFd wake_;
  std::thread thread_;
  std::atomic<bool> stopping_{false};
  // The thread's own.
  std::unordered_map<uint32_t, Slow> slow_;
  uint64_t resume_ns_ = 0;  // when paused listeners are watched again; 0: none is paused

  // Guards the tables; taken before a session's lock, never after it.
  std::mutex mutex_;
  bool paused_ = false;
  std::shared_ptr<KeptArea> kept_;  // null: sessions are not kept
  uint32_t next_id_ = 1;
  std::map<uint32_t, Listener> listeners_;
  std::unordered_map<uint32_t, std::shared_ptr<KickSession>> sessions_;
};

}  // namespace ptnet
