// Cuts what a peer sends into messages and tells the doorbells among them. It knows no socket: whoever reads one puts
// the bytes where Space() says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "datapath/kick_wire.h"
#include "os/peer_fd.h"

namespace ptnet {

struct KickLimits {
  uint32_t max_message_bytes = (1u << 20) + 4096;
  uint32_t max_fds = 16;
};

/** Where a device's doorbells lie: ring i at offset + i * stride of a region. */
struct DoorbellWindow {
  uint32_t region = 0;
  uint64_t offset = 0;
  uint32_t stride = 4;
};

/** A whole message that was not a doorbell, with the descriptors that came with it. */
struct KickMessage {
  uint32_t session = 0;
  uint64_t ordinal = 0;  // of a kept session's, from 1 on
  std::vector<uint8_t> bytes;
  std::vector<os::PeerFd> fds;
};

/** The write that rings a doorbell, whole and checked. */
struct DoorbellWrite {
  uint32_t ring = 0;
  VfioUserRegionAccess access;

  bool wants_reply() const { return (access.header.flags & kVfioUserNoReply) == 0; }
};

class KickFramer {
 public:
  enum class Found : uint8_t { kNothing, kDoorbell, kMessage, kError };

  explicit KickFramer(const KickLimits& limits) : limits_(limits) {}

  /** Doorbells of so many rings; none: every message is handed on. */
  void SetDoorbells(const DoorbellWindow& window, uint32_t rings);
  void ClearDoorbells() { rings_ = 0; }

  /**
   * Where the next bytes go, at least one. Never more than one message, or one header where a message may be that
   * short: the descriptors of a message come with its first byte, so a longer read could not tell whose they are.
   */
  std::span<uint8_t> Space();
  /** So many bytes, at least one, have been put there; `fds` came with them and are taken. */
  void Add(size_t bytes, std::vector<os::PeerFd>* fds);
  /**
   * What is next in all that has been added: a doorbell is in `*doorbell`, a message in `*message`. Until it says that
   * there is nothing, nothing may be added.
   */
  Found Next(DoorbellWrite* doorbell, KickMessage* message);
  /** After kError: EPROTO, EMSGSIZE or E2BIG, as KickSink::OnDisconnect has them. */
  int error() const { return error_; }
  /** Whether a message has begun that is not whole yet. */
  bool within() const { return staged_bytes_ != 0 || !body_.empty(); }
  /** What of it is here. */
  std::vector<uint8_t> Taken() const;
  std::vector<int> TakenFds() const;
  void Clear();

 private:
  static constexpr size_t kHeaderBytes = sizeof(VfioUserHeader);
  static constexpr size_t kDoorbellBytes = 36;     // with 4 bytes of data, as drivers write them
  static constexpr size_t kMaxDoorbellBytes = 40;  // with 8

  Found NextOfBody(KickMessage* message);
  Found Fail(int error);
  bool MayBeDoorbell(uint32_t size) const;
  bool IsDoorbell(uint32_t size, DoorbellWrite* doorbell) const;
  bool TakeFresh();

  const KickLimits limits_;
  DoorbellWindow window_;
  uint32_t rings_ = 0;

  alignas(8) uint8_t staged_[kMaxDoorbellBytes];  // the beginning of a message
  size_t staged_bytes_ = 0;
  std::vector<uint8_t> body_;  // a message that is no doorbell, being filled; empty: none
  size_t body_filled_ = 0;
  std::vector<os::PeerFd> fds_;    // of the message being read
  std::vector<os::PeerFd> fresh_;  // of the last read, not yet given to a message
  int error_ = 0;
};

}  // namespace ptnet
