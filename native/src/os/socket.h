// Unix stream sockets that carry descriptors.
#pragma once

#include <sys/socket.h>
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

/** Listens on `path` with the permissions `mode`; a socket file that nobody listens on any more is replaced. `type` is
    SOCK_STREAM or SOCK_SEQPACKET. */
Error ListenUnix(const std::string& path, mode_t mode, UniqueFd* out, int type = SOCK_STREAM);

/** The file of a socket, which somebody may put another one in the place of. */
struct SocketFile {
  std::string path;
  dev_t device = 0;
  ino_t inode = 0;

  /** What lies there now. */
  static SocketFile At(const std::string& path);
  /** Unless there is another one now. */
  void Remove() const;
};

struct Received {
  size_t bytes = 0;        // 0: the peer closed
  bool truncated = false;  // the kernel dropped descriptors because this process has no room for more
};

/**
 * Reads once without waiting. Descriptors are close-on-exec, are noted as `peer`'s and appended to `fds`; those that
 * came before a truncation are closed. An Error of EAGAIN means that there is nothing to read. `flags`: MSG_PEEK or
 * none.
 */
Error ReceiveWithFds(int socket, PeerId peer, void* buffer, size_t size, std::vector<PeerFd>* fds, Received* out,
                     int flags = 0);

/** Writes what fits without waiting; the descriptors go with the first byte. EAGAIN when nothing fits. */
Error SendWithFds(int socket, std::span<const uint8_t> bytes, std::span<const int> fds, size_t* sent);

struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

/** Who was at the other end when it connected (SO_PEERCRED). */
Error GetPeerCredentials(int socket, PeerCredentials* out);
/** The process that has connected to, or listens at, the other end; 0 when it is in a namespace that is not seen from
 * here. */
Error PeerProcess(int socket, pid_t* pid);

/** Whether the other end has closed, even if bytes of it are still to be read. */
bool PeerHungUp(int socket);

}  // namespace ptnet::os
