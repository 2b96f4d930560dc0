// Interfaces that not every kernel has: ports of a bond and of a team are refused by name, one that merges what it
// receives is told of. They are a bridge and a veth pair, which answer the questions about their kind as those would.
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <sys/syscall.h>

#include "netif/netif.h"
#include "netns.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

std::string driver_of_master = "bridge";
bool merges = false;

/// True when the question was one about a kind.
bool Answered(const ifreq& request) {
  uint32_t question;
  memcpy(&question, request.ifr_data, sizeof question);
  if (question == ETHTOOL_GFLAGS) {
    auto* flags = reinterpret_cast<ethtool_value*>(request.ifr_data);
    flags->data = ETH_FLAG_NTUPLE | (merges && strcmp(request.ifr_name, "near") == 0 ? ETH_FLAG_LRO : 0);
    return true;
  }
  if (question != ETHTOOL_GDRVINFO || strcmp(request.ifr_name, "owner") != 0) return false;
  auto* info = reinterpret_cast<ethtool_drvinfo*>(request.ifr_data);
  strncpy(info->driver, driver_of_master.c_str(), sizeof info->driver - 1);
  return true;
}

}  // namespace

/// In the place of libc's.
extern "C" int ioctl(int fd, unsigned long call, ...) noexcept {
  va_list args;
  va_start(args, call);
  void* const request = va_arg(args, void*);
  va_end(args);
  if (call == SIOCETHTOOL && Answered(*static_cast<const ifreq*>(request))) return 0;
  return static_cast<int>(syscall(SYS_ioctl, fd, call, request));
}

namespace {

Status Open(const std::string& name, Netif* netif) {
  return OpenNetif({.object = "netmap:" + name, .name = name}, netif);
}

void PortsOfOthersAreRefused() {
  Run("ip link add owner type bridge mcast_snooping 0 && ip link set near master owner");
  Netif netif;
  auto refused = [&](const std::string& driver, const std::string& message) {
    driver_of_master = driver;
    const Status s = Open("near", &netif);
    if (s.err != EINVAL || s.message != message) Fail(__FILE__, __LINE__, s.message);
  };
  for (auto [kind, what] : {std::pair{"bonding", "bond"}, {"team", "team"}})
    refused(kind, std::string("netmap:near: 'near' belongs to the ") + what +
                      " 'owner', which takes its frames: 'netmap:owner', or 'ip link set near nomaster', would be "
                      "right");
  refused("openvswitch",
          "netmap:near: 'near' belongs to the interface 'owner', which takes its frames: an interface of its own, or "
          "'ip link set near nomaster', would be right");
  refused("bridge",
          "netmap:near: 'near' belongs to the bridge 'owner', which takes its frames: a tap that belongs to it too "
          "('tap:lan', then 'ip link set lan master owner'), or 'ip link set near nomaster', would be right");
  // What such a one gets is its own as well.
  driver_of_master = "vrf";
  CHECK_OK(Open("near", &netif));
  CHECK_OK(Open("owner", &netif));
  Run("ip link del owner");
}

void MergingIsToldOf() {
  Netif netif;
  for (bool lro : {true, false}) {
    merges = lro;
    CHECK_OK(Open("near", &netif));
    CHECK_EQ(netif.lro, lro);
    CHECK_OK(Open("far", &netif));
    CHECK(!netif.lro);
  }
}

}  // namespace

int main() {
  LeaveTheMachine();
  Run("ip link add name near type veth peer name far");
  PortsOfOthersAreRefused();
  MergingIsToldOf();
}
