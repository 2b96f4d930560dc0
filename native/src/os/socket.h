// Unix stream sockets that carry descriptors.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "os/error.h"
#include "os/peer_fd.h"
#include "os/unique_fd.h"

namespace ptnet::os {

/** The kernel's limit of descriptors in one message (SCM_MAX_FD). */
inline constexpr size_t kMaxScmFds = 253;

Error CreateSocketPair(UniqueFd* first, UniqueFd* second);
Error ConnectUnix(const std::string& path, UniqueFd* out);

/** Listens on `path` with the permissions `mode`; a socket file that nobody listens on any more is replaced. */
Error ListenUnix(const std::string& path, mode_t mode, UniqueFd* out);

struct Received {
  size_t bytes = 0;        // 0: the peer closed
  bool truncated = false;  // the kernel dropped descriptors because this process has no room for more
};

/**
 * Reads once without waiting. Descriptors are close-on-exec, are noted as `peer`'s and appended to `fds`; those that
 * came before a truncation are closed. An Error of EAGAIN means that there is nothing to read.
 */
Error ReceiveWithFds(int socket, PeerId peer, void* buffer, size_t size, std::vector<PeerFd>* fds, Received* out);

/** Writes what fits without waiting; the descriptors go with the first byte. EAGAIN when nothing fits. */
Error SendWithFds(int socket, std::span<const uint8_t> bytes, std::span<const int> fds, size_t* sent);

/** Whether the other end has closed, even if bytes of it are still to be read. */
bool PeerHungUp(int socket);

}  // namespace ptnet::os
