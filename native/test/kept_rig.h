// A kept session without its thread: the socket's two ends, the pipe and the block that outlive whoever serves it, and
// a server that notes what it has dealt with as a host does, before it answers.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>

#include <functional>

#include "datapath/kick_session.h"
#include "kick_peer.h"

namespace ptnet {

/// What a host writes of itself: the last message whose effects are there, how many there have been, and the answer.
struct Written {
  std::atomic<uint64_t> last;  // ordinal, effects: at once
  uint32_t answer_bytes;
  uint8_t answer[256];
  std::atomic<uint64_t> rung;
};

constexpr uint16_t kAddOne = 20, kAddOneQuietly = 21, kAsk = 22;  // commands of the test's own

inline Bytes AnswerTo(const VfioUserHeader& asked, uint64_t effects) {
  Bytes bytes(16 + 8);
  const VfioUserHeader header = {asked.msg_id, asked.command, 24, kVfioUserReply, 0};
  memcpy(bytes.data(), &header, sizeof header);
  memcpy(bytes.data() + 16, &effects, sizeof effects);
  return bytes;
}

class KeptRig {
 public:
  KeptRig() {
    CHECK(KeptArea::Create(8, &area_).ok());
    int ends[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    client = os::UniqueFd(ends[0]);
    server = os::UniqueFd(ends[1]);
    void* const p = mmap(nullptr, sizeof(Written), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    written = new (p) Written();
    std::unique_ptr<KeptTurn> turn;
    CHECK(!KeptTurn::Open(area_, server.get(), &turn));
    pipe_read = os::UniqueFd(fcntl(turn->pipe_read(), F_DUPFD_CLOEXEC, 0));
    pipe_write = os::UniqueFd(fcntl(turn->pipe_write(), F_DUPFD_CLOEXEC, 0));
    block = turn->block();
  }

  /// As another process has it.
  os::Error GoOn(std::unique_ptr<KeptTurn>* out) const {
    std::shared_ptr<KeptArea> area;
    CHECK(KeptArea::Adopt(8, area_->fd(), &area).ok());
    const uint64_t last = written->last.load();
    std::optional<AppliedMessage> applied;
    if (last != 0) {
      applied.emplace().ordinal = static_cast<uint32_t>(last >> 32);
      applied->answer.assign(written->answer, written->answer + written->answer_bytes);
    }
    const auto dup = [](int fd) { return os::UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0)); };
    return KeptTurn::GoOn(area, block, dup(pipe_read.get()), dup(pipe_write.get()), server.get(), applied, out);
  }
  std::atomic_ref<uint64_t> word() const { return area_->word(block); }

  os::UniqueFd client, server, pipe_read, pipe_write;
  uint32_t block = 0;
  Written* written = nullptr;

 private:
  std::shared_ptr<KeptArea> area_;
};

/// Deals with messages as they come, on the thread that calls it.
class KeptServer : public KickSink {
 public:
  explicit KeptServer(const KeptRig& rig) : rig_(rig), target_(std::make_shared<Target>(rig.written)) {
    std::unique_ptr<KeptTurn> turn;
    error = rig.GoOn(&turn);
    if (error) return;
    session_ = std::make_unique<KickSession>(1, 1, os::PeerFd(fcntl(rig.server.get(), F_DUPFD_CLOEXEC, 0), 0),
                                             KickLimits{4096, 4}, this, &counters_);
    session_->Keep(std::move(turn));
    session_->Go();
    session_->SetDoorbells({0, 0x80, 4}, target_);
  }

  /// Does what there is to do. @return as Read().
  int Step() {
    int end = session_->Flush();
    if (end == KickSession::kGoOn && session_->wants_read()) end = session_->Read();
    session_->TakeRung();
    while (message_) Deal(*std::exchange(message_, nullptr));
    return end;
  }
  uint32_t interest() const { return session_->interest(); }
  std::vector<size_t> fds;  // that came with each message

  os::Error error;

 private:
  struct Target : DoorbellTarget {
    explicit Target(Written* to) : written(to) {}
    Worker* Ring(uint32_t) noexcept override {
      written->rung.fetch_add(1);
      return nullptr;
    }
    uint32_t rings() const noexcept override { return 4; }
    Written* written;
  };

  void OnConnect(uint32_t, uint32_t) override {}
  void OnDisconnect(uint32_t, int) override {}
  void OnMessage(std::unique_ptr<KickMessage> message) override {
    CHECK(!message_);
    message_ = std::move(message);
  }

  void Deal(const KickMessage& message) {
    VfioUserHeader header;
    memcpy(&header, message.bytes.data(), sizeof header);
    Written* const w = rig_.written;
    fds.push_back(message.fds.size());
    uint64_t effects = w->last.load() & UINT32_MAX;
    const bool adds = header.command != kAsk, wanted = header.command != kAddOneQuietly;
    if (adds) effects++;
    const Bytes answer = wanted ? AnswerTo(header, effects) : Bytes{};
    if (adds) {
      // The answer counts when the ordinal is that of the message that is being dealt with.
      memcpy(w->answer, answer.data(), answer.size());
      w->answer_bytes = static_cast<uint32_t>(answer.size());
      w->last.store(uint64_t{message.ordinal} << 32 | effects);
    }
    if (wanted) CHECK(!session_->Send(answer, {}));
    session_->Delivered(message.bytes.size(), message.fds.size());
  }

  const KeptRig& rig_;
  KickCounters counters_;
  std::shared_ptr<Target> target_;
  std::unique_ptr<KickSession> session_;
  std::unique_ptr<KickMessage> message_;
};

}  // namespace ptnet
