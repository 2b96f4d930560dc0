// A pair of interfaces in a network namespace of the test's own, and a plain socket on the far one.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "check.h"
#include "os/unique_fd.h"

namespace ptnet::test {

inline void Run(const std::string& command) {
  if (system(command.c_str()) != 0) Fail(__FILE__, __LINE__, command);
}

/// This process moves to a new namespace, where no packet is that a test has not sent.
inline void EnterOwnNamespace() {
  if (unshare(CLONE_NEWNET) != 0) Fail(__FILE__, __LINE__, "unshare: a network namespace takes root");
  if (FILE* f = fopen("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w")) {
    fputs("1", f);
    fclose(f);
  }
}

/// near - far, both up.
inline void MakeVeth(const std::string& near, const std::string& far, const std::string& more = "") {
  Run("ip link add name " + near + " " + more + " type veth peer name " + far + " " + more);
  Run("ip link set " + near + " up && ip link set " + far + " up");
}

/// A packet socket that sees what comes to an interface, checksums as they are.
class RawSocket {
 public:
  explicit RawSocket(const char* interface) : fd_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL))) {
    CHECK(fd_.get() >= 0);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(if_nametoindex(interface));
    CHECK(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    const int bytes = 64 << 20, one = 1;
    CHECK(setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) == 0);
    CHECK(setsockopt(fd_.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one) == 0);
  }
  void Send(const std::vector<uint8_t>& frame) {
    CHECK_EQ(send(fd_.get(), frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
  }
  /// Empty when nothing comes any more.
  std::vector<uint8_t> Receive(int timeout_ms = 2000) {
    pollfd p{fd_.get(), POLLIN, 0};
    if (poll(&p, 1, timeout_ms) != 1) return {};
    std::vector<uint8_t> frame(70000);
    const ssize_t n = recv(fd_.get(), frame.data(), frame.size(), 0);
    CHECK(n >= 0);
    frame.resize(static_cast<size_t>(n));
    return frame;
  }

 private:
  os::UniqueFd fd_;
};

}  // namespace ptnet::test
