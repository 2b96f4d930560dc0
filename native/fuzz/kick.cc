// Fuzzes what a peer's bytes meet first: framing, doorbells and descriptors of a session, over a socket pair.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "datapath/kick_session.h"
#include "os/peer_fd.h"
#include "os/peer_share.h"
#include "os/socket.h"

namespace {

using namespace ptnet;

class Target final : public DoorbellTarget {
 public:
  Worker* Ring(uint32_t ring) noexcept override {
    if (ring >= rings()) abort();
    return nullptr;
  }
  uint32_t rings() const noexcept override { return 4; }
};

constexpr KickLimits kLimits{4096, 4};

class Sink final : public KickSink {
 public:
  void OnConnect(uint32_t, uint32_t) override {}
  void OnMessage(std::unique_ptr<KickMessage> message) override {
    if (message->bytes.size() < 16 || message->bytes.size() > kLimits.max_message_bytes) abort();
    if (message->fds.size() > kLimits.max_fds) abort();
    bytes += message->bytes.size();
    fds += message->fds.size();
    messages++;
  }
  void OnDisconnect(uint32_t, int) override {}

  size_t messages = 0, bytes = 0, fds = 0;
};

/// Of the input: a byte at a time, zeros behind its end.
struct Input {
  const uint8_t* data;
  size_t left;
  uint8_t Byte() { return left == 0 ? 0 : (left--, *data++); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int kSomeFd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  Input input{data, size};
  os::UniqueFd ours, theirs;
  if (os::CreateSocketPair(&ours, &theirs)) return 0;
  Sink sink;
  KickCounters counters;
  os::DividePeerShares(1);
  static const os::PeerId peer = os::NewPeer();
  KickSession session(1, 1, os::PeerFd(ours.Release(), peer), kLimits, &sink, &counters);
  const auto lock = session.LockFromThread();
  int end = KickSession::kGoOn;
  while (input.left > 0 && end == KickSession::kGoOn) {
    const uint8_t what = input.Byte();
    if (what & 0x80) {
      // The owner: doorbells come and go, messages are dealt with.
      if (what & 1)
        session.SetDoorbells({what & 2u, 0x80, 1u + (what >> 2) % 8}, std::make_shared<Target>());
      else
        session.ClearDoorbells();
      session.Delivered(sink.bytes, sink.fds);
      sink.bytes = sink.fds = 0;
      continue;
    }
    // The peer: up to 63 bytes at once, perhaps with descriptors.
    const size_t count = std::min<size_t>(what & 0x3f, input.left);
    const std::vector<int> fds(what & 0x40 ? input.Byte() % 8 : 0, kSomeFd);
    size_t sent = 0;
    if (count > 0 && !os::SendWithFds(theirs.get(), {input.data, std::min(count, input.left)}, fds, &sent)) {
      input.data += sent;
      input.left -= sent;
    }
    for (int reads = 0; reads < 70 && end == KickSession::kGoOn && session.wants_read(); reads++) end = session.Read();
    session.TakeRung();
    // Replies are read now and then.
    uint8_t replies[256];
    if (what & 1) [[maybe_unused]]
      const ssize_t n = recv(theirs.get(), replies, sizeof replies, MSG_DONTWAIT);
    if (end == KickSession::kGoOn) end = session.Flush();
  }
  session.End();
  session.CloseSocket();
  // Descriptors are closed on another thread, which is slower than we are.
  if (os::ClosingPeerFds(peer) > 1000) os::AwaitPeerCloses();
  return 0;
}
