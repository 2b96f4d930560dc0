// A descriptor whose last close waits until its other end has read what was sent: what a hostile peer passes to us.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "check.h"
#include "os/unique_fd.h"

namespace ptnet::test {

class Lingering {
 public:
  Lingering() {
    os::UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    const int small = 4096;
    setsockopt(listener.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    CHECK(bind(listener.get(), generic, length) == 0 && listen(listener.get(), 1) == 0);
    CHECK(getsockname(listener.get(), generic, &length) == 0);
    fd.Reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    CHECK(connect(fd.get(), generic, length) == 0);
    reader_.Reset(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    // As long as a close can be made to wait.
    const linger for_ever = {1, 3600};
    CHECK(setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &for_ever, sizeof for_ever) == 0);
    const char bytes[4096] = {};
    for (pollfd entry = {fd.get(), POLLOUT, 0}; poll(&entry, 1, 20) == 1;)
      CHECK(send(fd.get(), bytes, sizeof bytes, MSG_DONTWAIT) > 0 || errno == EAGAIN);
  }

  /** Lets the close go on: reads to the end. */
  void Read() {
    char bytes[4096];
    while (recv(reader_.get(), bytes, sizeof bytes, 0) > 0) continue;
  }

  os::UniqueFd fd;  // to be passed on and closed

 private:
  os::UniqueFd reader_;
};

}  // namespace ptnet::test
