// Finding the host's socket and connecting to it.
#include "socket_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "calls.h"

namespace ptnet::preload {
namespace {

const char* Path() {
  const char* path = getenv("PTNETMAP");
  return path != nullptr && *path != '\0' ? path : kUsualPath;
}

const char* LastPart(const char* path) {
  const char* slash = strrchr(path, '/');
  return slash == nullptr ? path : slash + 1;
}

}  // namespace

int Connect(int flags) {
  const char* path = Path();
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
  } else {
    strcpy(address.sun_path, path);
    const int type = SOCK_SEQPACKET | ((flags & O_CLOEXEC) != 0 ? SOCK_CLOEXEC : 0);
    const int fd = socket(AF_UNIX, type, 0);
    if (fd < 0) return -1;
    int error = 0;
    do error = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
    while (error == EINTR);
    // Not before: to connect is not to be refused because somebody else is being let in.
    if (error == 0 && (flags & O_NONBLOCK) != 0) (void)Real().fcntl(fd, F_SETFL, O_NONBLOCK);
    if (error == 0) return fd;
    Real().close(fd);
    errno = error;
  }
  Debug("connect", path, errno);
  return -1;
}

bool IsSocketPath(const char* path, size_t size) {
  const char* last = LastPart(Path());
  const size_t length = strnlen(path, size), wanted = strlen(last);
  if (length <= wanted) return false;
  return memcmp(path + length - wanted, last, wanted) == 0 && path[length - wanted - 1] == '/';
}

void Debug(const char* what, const char* object, int error) {
  if (getenv("PTNETMAP_DEBUG") == nullptr) return;
  char line[256];
  const int length = snprintf(line, sizeof line, "ptnetmap: %s: %s: %s\n", object, what, strerror(error));
  if (length > 0)
    (void)!write(STDERR_FILENO, line,
                 static_cast<size_t>(length) < sizeof line ? static_cast<size_t>(length) : sizeof line - 1);
}

}  // namespace ptnet::preload
