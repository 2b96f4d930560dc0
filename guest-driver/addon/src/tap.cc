// openTap(): a tap in a network namespace, which leaves to us what a virtio-net header can say.
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "reader.h"

namespace ptnet::guest {
namespace {

constexpr unsigned kUdpSegments = 0x20 | 0x40;  // TUN_F_USO4 and TUN_F_USO6; Linux 6.2

struct TapOptions {
  std::string netns;  // a path
  std::string name;
  uint32_t queues = 1;
  uint32_t vnet_hdr_len = 0;
};

/// @return what failed, empty when all went well.
std::string Open(const TapOptions& options, std::vector<int>& queues) {
  const auto failed = [](const std::string& what) { return what + ": " + std::strerror(errno); };
  const int netns = open(options.netns.c_str(), O_RDONLY | O_CLOEXEC);
  if (netns < 0 || setns(netns, CLONE_NEWNET) != 0) return failed(options.netns);
  close(netns);
  for (uint32_t i = 0; i < options.queues; ++i) {
    const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return failed("/dev/net/tun");
    queues.push_back(fd);
    ifreq request = {};
    std::strncpy(request.ifr_name, options.name.c_str(), IFNAMSIZ - 1);
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (options.queues > 1) request.ifr_flags |= IFF_MULTI_QUEUE;
    if (options.vnet_hdr_len > 0) request.ifr_flags |= IFF_VNET_HDR;
    if (ioctl(fd, TUNSETIFF, &request) != 0) return failed("TUNSETIFF " + options.name);
    const int size = static_cast<int>(options.vnet_hdr_len);
    if (size == 0 || i > 0) continue;
    const unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
    if (ioctl(fd, TUNSETVNETHDRSZ, &size) != 0) return failed("TUNSETVNETHDRSZ");
    if (ioctl(fd, TUNSETOFFLOAD, offloads | kUdpSegments) != 0 && ioctl(fd, TUNSETOFFLOAD, offloads) != 0)
      return failed("TUNSETOFFLOAD");
  }
  return {};
}

}  // namespace

Napi::Value OpenTap(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  TapOptions options;
  Reader reader(env, info[0], "openTap", "");
  reader.Text("netns", options.netns);
  reader.Text("name", options.name);
  reader.Integer("queues", 1, 256, options.queues);
  reader.Integer("vnetHdrLen", 0, 12, options.vnet_hdr_len);
  if (!reader.ok()) return env.Undefined();
  std::vector<int> queues;
  std::string error;
  // This thread stays where it is.
  std::thread([&] { error = Open(options, queues); }).join();
  if (!error.empty()) {
    for (const int fd : queues) close(fd);
    Napi::Error::New(env, "openTap: " + error).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  Napi::Array fds = Napi::Array::New(env, queues.size());
  for (uint32_t i = 0; i < queues.size(); ++i) fds.Set(i, queues[i]);
  return fds;
}

}  // namespace ptnet::guest
