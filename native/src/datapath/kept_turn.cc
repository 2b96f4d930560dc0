// KeptTurn: a message stays in its socket until it has been answered, and its answer in a pipe until it is in the
// socket.
#include "datapath/kept_turn.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "os/socket.h"

namespace ptnet {

namespace {

os::Error SetPeekOffset(int socket, int offset) {
  if (setsockopt(socket, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof offset) == 0) return {};
  return os::Error::Last("setsockopt(SO_PEEK_OFF)");
}

}  // namespace

os::Error KeptTurn::Open(std::shared_ptr<KeptArea> area, int socket, std::unique_ptr<KeptTurn>* out) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return os::Error::Last("pipe2");
  os::UniqueFd read(ends[0]), write(ends[1]);
  uint32_t block;
  if (!area->Alloc(&block)) return {ENOSPC, "session"};
  out->reset(new KeptTurn(std::move(area), block, std::move(read), std::move(write)));
  return SetPeekOffset(socket, 0);
}

os::Error KeptTurn::GoOn(std::shared_ptr<KeptArea> area, uint32_t block, os::UniqueFd pipe_read,
                         os::UniqueFd pipe_write, int socket, std::optional<AppliedMessage> applied,
                         std::unique_ptr<KeptTurn>* out) {
  if (!area->Take(block)) return {EINVAL, "session"};
  std::unique_ptr<KeptTurn> turn(new KeptTurn(std::move(area), block, std::move(pipe_read), std::move(pipe_write)));
  if (const os::Error error = turn->GoOn(socket, std::move(applied))) return error;
  *out = std::move(turn);
  return {};
}

KeptTurn::~KeptTurn() { area_->Free(block_); }

os::Error KeptTurn::GoOn(int socket, std::optional<AppliedMessage> applied) {
  const uint64_t word = area_->word(block_).load(std::memory_order_acquire);
  done_ = word >> kPhaseBits;
  if (applied && applied->ordinal > done_ + 1) return {EPROTO, "session"};
  switch (static_cast<Phase>(word)) {
    case Phase::kIdle:
      // An answer that was put there is not known to belong to anything: it is given once more.
      if (const os::Error error = DrainPipe()) return error;
      if (applied && applied->ordinal == done_ + 1) applied_ = std::move(applied);
      return SetPeekOffset(socket, 0);
    case Phase::kAnswering:
      answering_ = true;
      [[fallthrough]];
    case Phase::kAnswered: {
      int looked_at;
      socklen_t size = sizeof looked_at;
      if (getsockopt(socket, SOL_SOCKET, SO_PEEK_OFF, &looked_at, &size) != 0)
        return os::Error::Last("getsockopt(SO_PEEK_OFF)");
      if (looked_at < 0) return {EPROTO, "session"};
      busy_ = delivered_ = true;
      left_ = static_cast<size_t>(looked_at);
      return answering_ ? Flush(socket) : Finish(socket);
    }
    case Phase::kUnknown:
      break;
  }
  return {EPROTO, "session"};
}

std::optional<AppliedMessage> KeptTurn::Begin(size_t bytes) {
  busy_ = true;
  answering_ = delivered_ = false;
  left_ = bytes;
  return std::exchange(applied_, std::nullopt);
}

os::Error KeptTurn::LookedAt(int socket, size_t bytes) { return SetPeekOffset(socket, static_cast<int>(bytes)); }

os::Error KeptTurn::Answer(int socket, std::span<const uint8_t> bytes) {
  if (write(pipe_write_.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    return os::Error::Last("write");
  answering_ = true;
  Set(Phase::kAnswering);
  return Flush(socket);
}

os::Error KeptTurn::Flush(int socket) {
  if (!answering_) return {};
  for (;;) {
    const ssize_t sent = splice(pipe_read_.get(), nullptr, socket, nullptr, kAnswerMax, SPLICE_F_NONBLOCK);
    const os::Error failed = sent < 0 ? os::Error::Last("splice") : os::Error{};
    if (sent > 0 || failed.number == EINTR) continue;
    // Either the pipe is empty or the socket full.
    int waiting = 0;
    if (ioctl(pipe_read_.get(), FIONREAD, &waiting) != 0) return os::Error::Last("ioctl(FIONREAD)");
    if (waiting == 0) break;
    if (failed.number == EAGAIN) return {};
    // A peer that is gone is reported by the next read.
    if (failed.number != EPIPE && failed.number != ECONNRESET) return failed;
    if (const os::Error error = DrainPipe()) return error;
    break;
  }
  answering_ = false;
  Set(Phase::kAnswered);
  return Finish(socket);
}

os::Error KeptTurn::Delivered(int socket, bool counts) {
  delivered_ = true;
  counts_ = counts;
  return Finish(socket);
}

void KeptTurn::AnswersDirectly() {
  direct_ = true;
  Set(Phase::kUnknown);
}

os::Error KeptTurn::Answered(int socket) {
  if (!std::exchange(direct_, false)) return {};
  Set(Phase::kAnswered);
  return Finish(socket);
}

/// When it is dealt with and answered.
os::Error KeptTurn::Finish(int socket) {
  if (!busy_ || !delivered_ || answering_ || direct_) return {};
  // From now on what is left of it is to be thrown away, however far this comes.
  if (counts_) Set(Phase::kAnswered);
  uint8_t bytes[4096];
  std::vector<os::PeerFd> again;  // they were taken when it was looked at
  while (left_ > 0) {
    os::Received received;
    const os::Error error =
        os::ReceiveWithFds(socket, os::PeerOf(socket), bytes, std::min(left_, sizeof bytes), &again, &received);
    if (error) return error;
    if (received.bytes == 0) return {EPROTO, "recvmsg"};
    left_ -= received.bytes;
  }
  busy_ = false;
  if (!std::exchange(counts_, true)) return {};
  done_++;
  Set(Phase::kIdle);
  return {};
}

os::Error KeptTurn::DrainPipe() {
  uint8_t bytes[4096];
  for (;;) {
    const ssize_t count = read(pipe_read_.get(), bytes, sizeof bytes);
    if (count == 0 || (count < 0 && errno == EAGAIN)) return {};
    if (count < 0 && errno != EINTR) return os::Error::Last("read");
  }
}

void KeptTurn::Set(Phase phase) {
  area_->word(block_).store(done_ << kPhaseBits | static_cast<uint8_t>(phase), std::memory_order_release);
}

}  // namespace ptnet
