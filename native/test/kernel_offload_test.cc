// The same packets through the kernel: what it makes of a virtio-net header for an interface without offloads, and what
// we make of it, are the same to the byte.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "check.h"
#include "packet/vnet_packet.h"
#include "vnet_frames.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

void Must(bool done, const char* what) {
  if (!done) Fail(__FILE__, __LINE__, std::string(what) + ": " + strerror(errno));
}

void WriteFile(const char* path, const char* text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return;  // a kernel without IPv6 sends nothing by itself
  Must(fd >= 0 && write(fd, text, strlen(text)) > 0, path);
  close(fd);
}

/// A tap without offloads in a network namespace of our own, and a packet socket that sends by it.
class Kernel {
 public:
  explicit Kernel(uint32_t mtu) {
    // Without root it takes a user namespace, where we may do as we like.
    Must(unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0,
         "a network namespace (it takes root, or user namespaces)");
    // Else it would send packets of its own.
    WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    tap_ = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    Must(tap_ >= 0, "/dev/net/tun");
    ifreq request{};
    strcpy(request.ifr_name, "t0");
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    Must(ioctl(tap_, TUNSETIFF, &request) == 0, "TUNSETIFF");
    Must(ioctl(tap_, TUNSETOFFLOAD, 0) == 0, "TUNSETOFFLOAD");
    socket_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    Must(socket_ >= 0, "a packet socket");
    request.ifr_mtu = static_cast<int>(mtu);
    Must(ioctl(socket_, SIOCSIFMTU, &request) == 0, "SIOCSIFMTU");
    request.ifr_qlen = 5000;
    Must(ioctl(socket_, SIOCSIFTXQLEN, &request) == 0, "SIOCSIFTXQLEN");
    Must(ioctl(socket_, SIOCGIFFLAGS, &request) == 0, "SIOCGIFFLAGS");
    request.ifr_flags |= IFF_UP;
    Must(ioctl(socket_, SIOCSIFFLAGS, &request) == 0, "SIOCSIFFLAGS");
    const int on = 1, space = 4 << 20;
    Must(setsockopt(socket_, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) == 0, "PACKET_VNET_HDR");
    Must(setsockopt(socket_, SOL_SOCKET, SO_SNDBUF, &space, sizeof space) == 0, "SO_SNDBUF");
    to_.sll_family = AF_PACKET;
    to_.sll_ifindex = static_cast<int>(if_nametoindex("t0"));
    to_.sll_halen = ETH_ALEN;
  }
  ~Kernel() {
    close(socket_);
    close(tap_);
  }
  /// 0, or the errno with which it refused the packet.
  int Send(const Bytes& packet) {
    to_.sll_protocol = 0;
    const ssize_t n =
        sendto(socket_, packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&to_), sizeof to_);
    return n < 0 ? errno : 0;
  }
  /// What comes out, in order; all of it is there when Send() returns.
  std::vector<Bytes> Receive() {
    std::vector<Bytes> frames;
    for (Bytes frame(70000);; frame.resize(70000)) {
      const ssize_t n = read(tap_, frame.data(), frame.size());
      if (n < 0) return frames;
      frame.resize(static_cast<size_t>(n));
      frames.push_back(std::move(frame));
    }
  }

 private:
  int tap_ = -1, socket_ = -1;
  sockaddr_ll to_{};
};

std::vector<Bytes> Ours(const Bytes& packet) {
  VnetPacket vnet;
  const Frag frag{const_cast<uint8_t*>(packet.data()), static_cast<uint32_t>(packet.size())};
  CHECK(vnet.Open({&frag, 1, frag.len}, 10, 0, 0) == Drop::kCount);
  std::vector<Bytes> frames;
  while (const uint32_t len = vnet.NextLen()) {
    Bytes frame(len);
    Places places{.slots = 1, .buf_size = len, .bufs = {frame.data()}, .words = {}};
    vnet.Make(places);
    frames.push_back(std::move(frame));
  }
  return frames;
}

void Compare(Kernel& kernel, const FrameSpec& spec, const Bytes& packet, uint32_t gso_size) {
  const int refused = kernel.Send(packet);
  const std::vector<Bytes> want = kernel.Receive(), have = Ours(packet);
  auto what = [&] {
    return std::string("IPv") + std::to_string(spec.version) + (spec.tcp ? " TCP" : " UDP") + ", " +
           std::to_string(spec.tags.size()) + " tags, options of " + std::to_string(spec.options.size()) +
           ", payload " + std::to_string(spec.payload.size()) + ", gso_size " + std::to_string(gso_size) + ": ";
  };
  if (refused != 0) Fail(__FILE__, __LINE__, what() + "the kernel refuses it: " + strerror(refused));
  if (have.size() != want.size())
    Fail(__FILE__, __LINE__,
         what() + std::to_string(have.size()) + " frames, the kernel has " + std::to_string(want.size()));
  for (size_t i = 0; i < have.size(); i++) {
    CHECK_EQ(have[i].size(), want[i].size());
    const auto at = std::mismatch(have[i].begin(), have[i].end(), want[i].begin()).first - have[i].begin();
    if (have[i] != want[i])
      Fail(__FILE__, __LINE__,
           what() + "frame " + std::to_string(i) + " differs at byte " + std::to_string(at) + " (IP at " +
               std::to_string(spec.l3()) + ", transport at " + std::to_string(spec.l4()) + ")");
  }
}

}  // namespace

int main() {
  Random random("kernel_offload_test");
  Kernel kernel(65521);
  for (int run = 0; run < 3000; run++) {
    const FrameSpec spec = AnyFrame(random, random.OneIn(8) ? 64000 : random.Below(9000));
    const uint32_t gso_size = 500 + random.Below(random.OneIn(2) ? 1000 : 8000);
    // Nobody marks what fits one segment; of some such packets the kernel makes nothing at all.
    const bool segments = random.OneIn(2) && spec.payload.size() > gso_size;
    VirtioNetHdr header = spec.Header(static_cast<uint16_t>(segments ? gso_size : 0));
    if (segments && spec.tcp && random.OneIn(2)) header.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
    Compare(kernel, spec, WithHeader(header, spec.Build(false), 10), segments ? gso_size : 0);
  }
}
