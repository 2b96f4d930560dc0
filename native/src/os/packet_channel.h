// Packets with descriptors between two processes of one user, over a Unix socket that keeps them apart
// (SOCK_SEQPACKET): each call waits, so long and no longer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "os/error.h"
#include "os/unique_fd.h"

namespace ptnet::os {

/** As many bytes a packet may have. */
inline constexpr size_t kPacketBytesMax = 65536;

/** Waits for nothing: who listens accepts later. */
Error ConnectPackets(const std::string& path, UniqueFd* out);
/** The next connection; EAGAIN when there is none. */
Error AcceptPackets(int listener, UniqueFd* out);
/** ETIMEDOUT when the other end takes nothing; EPIPE or ECONNRESET when it is gone. Never a signal. */
Error SendPacket(int socket, std::span<const uint8_t> bytes, std::span<const int> fds, int timeout_ms);

struct Packet {
  std::vector<uint8_t> bytes;  // none: the other end is gone
  std::vector<UniqueFd> fds;
};

/** ETIMEDOUT when nothing comes; EMSGSIZE for what is no packet of ours: longer, or with descriptors that were lost. */
Error ReceivePacket(int socket, int timeout_ms, Packet* out);

}  // namespace ptnet::os
