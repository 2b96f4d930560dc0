// Unix stream sockets that carry descriptors.
#include "os/socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>

namespace ptnet::os {

namespace {

constexpr int kBacklog = 16;

Error FillAddress(const std::string& path, const char* syscall, sockaddr_un* out) {
  *out = {};
  out->sun_family = AF_UNIX;
  if (path.empty() || path.find('\0') != std::string::npos) return Error{EINVAL, syscall};
  if (path.size() >= sizeof out->sun_path) return Error{ENAMETOOLONG, syscall};
  memcpy(out->sun_path, path.data(), path.size());
  return {};
}

const sockaddr* Generic(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

/** Whether `path` is a socket whose listener is gone. */
bool IsStale(const std::string& path, const sockaddr_un& address, int type) {
  struct stat status;
  if (lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  UniqueFd probe(socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return probe && connect(probe.get(), Generic(address), sizeof address) != 0 && errno == ECONNREFUSED;
}

}  // namespace

Error CreateSocketPair(UniqueFd* first, UniqueFd* second) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return Error::Last("socketpair");
  first->Reset(pair[0]);
  second->Reset(pair[1]);
  return {};
}

Error ConnectUnix(const std::string& path, UniqueFd* out) {
  sockaddr_un address;
  if (Error error = FillAddress(path, "connect", &address)) return error;
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return Error::Last("socket");
  if (connect(fd.get(), Generic(address), sizeof address) != 0) return Error::Last("connect");
  *out = std::move(fd);
  return {};
}

Error ListenUnix(const std::string& path, mode_t mode, UniqueFd* out, int type) {
  sockaddr_un address;
  if (Error error = FillAddress(path, "bind", &address)) return error;
  UniqueFd fd(socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return Error::Last("socket");
  // Before bind, so that the file never exists with wider permissions; chmod then undoes what the umask took.
  if (fchmod(fd.get(), mode) != 0) return Error::Last("fchmod");
  if (bind(fd.get(), Generic(address), sizeof address) != 0) {
    const int bind_errno = errno;
    if (bind_errno != EADDRINUSE || !IsStale(path, address, type)) return Error{bind_errno, "bind"};
    if (unlink(path.c_str()) != 0) return Error::Last("unlink");
    if (bind(fd.get(), Generic(address), sizeof address) != 0) return Error::Last("bind");
  }
  if (chmod(path.c_str(), mode) != 0 || listen(fd.get(), kBacklog) != 0) {
    const Error error = Error::Last("listen");
    unlink(path.c_str());
    return error;
  }
  *out = std::move(fd);
  return {};
}

SocketFile SocketFile::At(const std::string& path) {
  SocketFile file{.path = path};
  struct stat status;
  if (stat(path.c_str(), &status) != 0) return file;
  file.device = status.st_dev;
  file.inode = status.st_ino;
  return file;
}

void SocketFile::Remove() const {
  struct stat status;
  if (stat(path.c_str(), &status) == 0 && status.st_dev == device && status.st_ino == inode) unlink(path.c_str());
}

Error ReceiveWithFds(int socket, PeerId peer, void* buffer, size_t size, std::vector<PeerFd>* fds, Received* out,
                     int flags) {
  *out = {};
  iovec vector = {buffer, size};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxScmFds * sizeof(int))];
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t count;
  do {
    count = recvmsg(socket, &message, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return Error::Last("recvmsg");
  const size_t before = fds->size();
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t entries = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < entries; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
      fds->emplace_back(fd, peer);
    }
  }
  out->bytes = static_cast<size_t>(count);
  out->truncated = (message.msg_flags & MSG_CTRUNC) != 0;
  if (out->truncated) fds->erase(fds->begin() + static_cast<ptrdiff_t>(before), fds->end());
  return {};
}

Error SendWithFds(int socket, std::span<const uint8_t> bytes, std::span<const int> fds, size_t* sent) {
  *sent = 0;
  if (fds.size() > kMaxScmFds) return Error{E2BIG, "sendmsg"};
  iovec vector = {const_cast<uint8_t*>(bytes.data()), bytes.size()};
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxScmFds * sizeof(int))];
  if (!fds.empty()) {
    memset(control, 0, CMSG_SPACE(fds.size_bytes()));
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(fds.size_bytes());
    memcpy(CMSG_DATA(c), fds.data(), fds.size_bytes());
  }
  ssize_t count;
  do {
    count = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return Error::Last("sendmsg");
  *sent = static_cast<size_t>(count);
  return {};
}

Error GetPeerCredentials(int socket, PeerCredentials* out) {
  ucred found = {};
  socklen_t size = sizeof found;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &found, &size) != 0) return Error::Last("getsockopt");
  *out = {found.pid, found.uid, found.gid};
  return {};
}

Error PeerProcess(int socket, pid_t* pid) {
  PeerCredentials peer;
  if (const Error error = GetPeerCredentials(socket, &peer)) return error;
  *pid = peer.pid;
  return {};
}

bool PeerHungUp(int socket) {
  pollfd entry = {socket, 0, 0};
  return poll(&entry, 1, 0) == 1 && (entry.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace ptnet::os
