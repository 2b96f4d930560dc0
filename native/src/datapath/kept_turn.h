// The message that a kept session deals with: dealt with and answered once, also when this process is killed in its
// middle and another one goes on. What tells how far it was outlives the process: a word in shared memory, how much of
// the socket has been looked at (SO_PEEK_OFF), and a pipe, through which the answer goes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "datapath/kept_area.h"
#include "os/error.h"
#include "os/peer_fd.h"
#include "os/unique_fd.h"

namespace ptnet {

/// What the process that has died had written of the last message that it dealt with.
struct AppliedMessage {
  uint64_t ordinal = 0;
  std::vector<uint8_t> answer;  // empty: none is wanted
};

class KeptTurn {
 public:
  /// As long as an answer may be to go through the pipe: what that holds.
  static constexpr size_t kAnswerMax = 16 * 4096;

  /// A message must fit into its socket as a whole, where it stays until it is answered (net.core.wmem_default is
  /// 208 KiB).
  static constexpr uint32_t kMessageMax = 64 * 1024 + 4096;

  /// Of a new session, before its first byte is read. EMFILE ..., ENOSPC when all blocks are used.
  static os::Error Open(std::shared_ptr<KeptArea> area, int socket, std::unique_ptr<KeptTurn>* out);
  /// Of a session that a process which has died had; the pipe is taken, also in an error. EPROTO: nobody knows how far
  /// it was.
  static os::Error GoOn(std::shared_ptr<KeptArea> area, uint32_t block, os::UniqueFd pipe_read, os::UniqueFd pipe_write,
                        int socket, std::optional<AppliedMessage> applied, std::unique_ptr<KeptTurn>* out);
  ~KeptTurn();

  uint32_t block() const { return block_; }
  int pipe_read() const { return pipe_read_.get(); }
  int pipe_write() const { return pipe_write_.get(); }

  /// Of the message that comes next.
  uint64_t ordinal() const { return done_ + 1; }
  /// Whether a whole message is being dealt with: until then nothing behind it is looked at.
  bool busy() const { return busy_; }
  /// Whether its answer waits in the pipe for its client.
  bool answering() const { return answering_; }

  /// A whole message of so many bytes has been looked at. @return what is known of it already: it is not to be dealt
  /// with again, but to be answered with this, and is delivered.
  std::optional<AppliedMessage> Begin(size_t bytes);
  /// More was looked at than one message: what is behind its bytes is looked at again.
  os::Error LookedAt(int socket, size_t bytes);
  /// Its answer, through the pipe; what the socket does not take waits there.
  os::Error Answer(int socket, std::span<const uint8_t> bytes);
  os::Error Flush(int socket);
  /// Its answer goes another way, and nobody will know whether it went if this process dies before Answered().
  void AnswersDirectly();
  os::Error Answered(int socket);
  /// It has been dealt with; when it is answered, it is finished. `counts`: as one of those with an ordinal.
  os::Error Delivered(int socket, bool counts = true);

 private:
  /// The lowest byte of the word; above it how many messages are finished.
  enum class Phase : uint8_t { kIdle, kAnswering, kAnswered, kUnknown };
  static constexpr int kPhaseBits = 8;

  KeptTurn(std::shared_ptr<KeptArea> area, uint32_t block, os::UniqueFd pipe_read, os::UniqueFd pipe_write)
      : area_(std::move(area)), block_(block), pipe_read_(std::move(pipe_read)), pipe_write_(std::move(pipe_write)) {}
  void Set(Phase phase);
  os::Error GoOn(int socket, std::optional<AppliedMessage> applied);
  os::Error Finish(int socket);
  os::Error DrainPipe();

  const std::shared_ptr<KeptArea> area_;
  const uint32_t block_;
  const os::UniqueFd pipe_read_, pipe_write_;
  uint64_t done_ = 0;  // messages that are finished
  bool busy_ = false, answering_ = false, direct_ = false, delivered_ = false, counts_ = true;
  size_t left_ = 0;  // bytes of the message in the socket
  std::optional<AppliedMessage> applied_;
};

}  // namespace ptnet
