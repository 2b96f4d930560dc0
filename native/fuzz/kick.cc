// Fuzzes a session over a real socket: its bytes and descriptors, doorbells, replies that are read late, and an owner
// that is behind. Slower than frames.cc by the system calls that this takes.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "datapath/kick_session.h"
#include "datapath/worker.h"
#include "os/peer_fd.h"
#include "os/peer_share.h"
#include "os/socket.h"
#include "peer_stream.h"

namespace {

using namespace ptnet;
using namespace ptnet::fuzz;

class Target final : public DoorbellTarget {
 public:
  explicit Target(Executions& frames) : frames_(frames) {}
  Worker* Ring(uint32_t ring) noexcept override {
    Require(ring < rings());
    frames_.Add();
    return ring < 2 ? &workers_[ring] : nullptr;
  }
  uint32_t rings() const noexcept override { return 4; }

 private:
  Worker workers_[2];  // never started: they need no waking
  Executions& frames_;
};

constexpr KickLimits kLimits{4096, 4};
constexpr DoorbellWindow kWindow{0, 0x80, 4};

class Sink final : public KickSink {
 public:
  explicit Sink(Executions& frames) : frames_(frames) {}
  void OnConnect(uint32_t, uint32_t) override {}
  void OnMessage(std::unique_ptr<KickMessage> message) override {
    Require(message->bytes.size() >= 16 && message->bytes.size() <= kLimits.max_message_bytes);
    Require(message->fds.size() <= kLimits.max_fds);
    waiting.push_back(std::move(message));
    frames_.Add();
  }
  void OnDisconnect(uint32_t, int) override {}

  std::vector<std::unique_ptr<KickMessage>> waiting;

 private:
  Executions& frames_;
};

int Unread(int socket) {
  int bytes = 0;
  ioctl(socket, FIONREAD, &bytes);
  return bytes;
}

/// The peer: all that the stream has, as far as the socket takes it, perhaps with descriptors.
void Send(PeerStream& stream, int socket, size_t fds) {
  static const int kSomeFd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  size_t sent = 0;
  if (stream.size() > 0)
    (void)os::SendWithFds(socket, {stream.at(0), stream.size()}, std::vector<int>(fds, kSomeFd), &sent);
  stream.Clear();
}

/// The owner: deals with the messages that have come, sends something, sets or clears doorbells.
int Own(KickSession& session, Sink& sink, const std::shared_ptr<Target>& target, uint8_t what) {
  if (what & 1)
    session.SetDoorbells(kWindow, target);
  else if (what & 2)
    session.ClearDoorbells();
  if (what & 8) {
    const std::vector<uint8_t> reply(1u << (what >> 4 & 7) * 2, 0);
    if (const os::Error error = session.Send(reply, {})) return error.number;
  }
  for (const auto& message : sink.waiting) session.Delivered(message->bytes.size(), message->fds.size());
  sink.waiting.clear();
  return KickSession::kGoOn;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Executions frames("frames over a socket");
  static const auto target = std::make_shared<Target>(frames);
  static const os::PeerId peer = os::NewPeer();
  Input input{data, size};
  os::UniqueFd ours, theirs;
  if (os::CreateSocketPair(&ours, &theirs)) return 0;
  Sink sink(frames);
  KickCounters counters;
  os::DividePeerShares(SIZE_MAX);  // as few descriptors as a device is ever left with
  KickSession session(1, 1, os::PeerFd(ours.Release(), peer), kLimits, &sink, &counters);
  const auto lock = session.LockFromThread();
  int end = KickSession::kGoOn;
  PeerStream stream(kLimits);
  Own(session, sink, target, 1);
  while (!input.over() && end == KickSession::kGoOn) {
    const uint8_t what = input.Byte();
    if ((what & 7) < 6) {
      stream.Put(input, what, kWindow);
      if (!(what & 0x80) && !stream.full()) continue;  // one write for several
      Send(stream, theirs.get(), 0);
    } else if ((what & 7) == 6) {
      end = Own(session, sink, target, input.Byte());
    } else {
      Send(stream, theirs.get(), what >> 3 & 7);
      // Replies are read now and then.
      uint8_t replies[4096];
      if (what & 0x40) [[maybe_unused]]
        const ssize_t n = recv(theirs.get(), replies, sizeof replies, MSG_DONTWAIT);
    }
    while (end == KickSession::kGoOn && session.wants_read() && Unread(session.socket()) > 0) end = session.Read();
    session.TakeRung();
    if (end == KickSession::kGoOn) end = session.Flush();
  }
  if (end == KickSession::kGoOn) {
    theirs.Reset();
    while (end == KickSession::kGoOn && session.wants_read()) end = session.Read();
  }
  session.End();
  session.CloseSocket();
  // Descriptors are closed on another thread, which is slower than we are.
  if (os::ClosingPeerFds(peer) > 1000) os::AwaitPeerCloses();
  return 0;
}
