// A machine without libxdp: who asks for AF_XDP is told what to install, who leaves the choice to us gets AF_PACKET.
#include "forward/netif_device.h"
#include "netns.h"

using namespace ptnet;
using namespace ptnet::test;

int main() {
  LeaveTheMachine();
  Run("for f in $(ldconfig -p | sed -n 's/.*libxdp.so.1 .* => //p'); do mount --bind /dev/null $f; done");
  Run("ip link add name near numrxqueues 1 type veth peer name far");
  NetifOptions options;
  options.object = "netmap:near";
  options.name = "near";
  options.access = NetifAccess::kXdp;
  std::shared_ptr<NetifDevice> device;
  const Status s = NetifDevice::Open(options, &device);
  CHECK_EQ(s.err, ENOENT);
  if (s.message != "netmap:near: AF_XDP: libxdp is not installed: on Debian it is in the package libxdp1")
    Fail(__FILE__, __LINE__, s.message);
  options.access = NetifAccess::kAuto;
  CHECK_OK(NetifDevice::Open(options, &device));
  CHECK(std::string(device->facts().access) == "af_packet");
}
