// A network of the test's own: namespaces that meet no interface of the machine, and go with the test.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "check.h"

namespace ptnet::test {

using Bytes = std::vector<uint8_t>;

inline void WriteFile(const std::string& path, const std::string& text, bool must = true) {
  int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  const bool done = fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (fd >= 0) close(fd);
  if (must && !done) Fail(__FILE__, __LINE__, path + ": " + strerror(errno));
}

/// In the namespace of this thread the kernel sends nothing by itself: no IPv6, so no router solicitations.
inline void QuietIpv6() { WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1", false); }

/// The process leaves the machine's network, and has a /run of its own. Before any thread is there; without root by a
/// user namespace.
inline void LeaveTheMachine() {
  const auto uid = getuid();
  const auto gid = getgid();
  if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) {
    CHECK(unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) == 0);
    WriteFile("/proc/self/setgroups", "deny");
    WriteFile("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1");
    WriteFile("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1");
  }
  CHECK(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
  CHECK(mount("none", "/run", "tmpfs", 0, nullptr) == 0);
  CHECK(mkdir("/run/netns", 0755) == 0);
  QuietIpv6();
}

/// A further namespace, by a name such as `ip netns` gives.
inline void MakeNetns(const std::string& name) {
  const std::string path = "/run/netns/" + name;
  std::thread([&] {
    CHECK(unshare(CLONE_NEWNET) == 0);
    QuietIpv6();
    const int fd = open(path.c_str(), O_CREAT | O_CLOEXEC, 0444);
    CHECK(fd >= 0);
    close(fd);
    const std::string mine = "/proc/self/task/" + std::to_string(gettid()) + "/ns/net";
    CHECK(mount(mine.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) == 0);
  }).join();
}

/// Runs `work` there.
inline void Within(const std::string& name, const std::function<void()>& work) {
  std::thread([&] {
    const int fd = open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && setns(fd, CLONE_NEWNET) == 0);
    close(fd);
    work();
  }).join();
}

inline bool Exists(const std::string& interface) { return if_nametoindex(interface.c_str()) != 0; }

/// Runs a command, which has to succeed.
inline void Run(const std::string& command) {
  if (std::system(command.c_str()) != 0) Fail(__FILE__, __LINE__, "failed: " + command);
}

/// Whether somebody holds an interface of this namespace in promiscuous mode.
inline bool Promiscuous(const std::string& interface) {
  FILE* f = popen(("ip -d link show " + interface).c_str(), "r");
  char text[2048] = {};
  CHECK(fread(text, 1, sizeof text - 1, f) > 0);
  pclose(f);
  return strstr(text, "promiscuity 0") == nullptr;
}

/// Waits until the kernel sends by an interface that is up and has a carrier: its queues notice that later.
inline void AwaitQueues(const std::string& interface) {
  Run("timeout 60 sh -c 'until ip link show dev " + interface + " | grep -q \"state UP\"; do sleep 0.01; done'");
}

/// An ARP request of station `02:00:00:00:00:07`, 192.0.2.`from`, for 192.0.2.`to`.
inline Bytes ArpRequest(uint8_t to, uint8_t from = 7) {
  return {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0,   0, 0, 0,    7, 8, 6, 0, 1, 8, 0,   6, 4, 0,
          1,    2,    0,    0,    0,    0,    7, 192, 0, 2, from, 0, 0, 0, 0, 0, 0, 192, 0, 2, to};
}
inline bool IsArpReplyFrom(const Bytes& frame, uint8_t host) {
  return frame.size() >= 42 && frame[12] == 8 && frame[13] == 6 && frame[21] == 2 && frame[31] == host;
}

}  // namespace ptnet::test
