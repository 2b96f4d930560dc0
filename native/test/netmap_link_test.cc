// The interface of a port: promiscuous while a client is there, back after it was down, renamed or deleted in traffic,
// left as it was found, and refused when it cannot be one.
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "netmap_rig.h"
#include "temp_folder.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

/// What came while nobody was there is forgotten.
void PromiscuousWhileAClientIsThere() {
  PacketSocket beside("near");  // opened first, it gets each frame last
  Rig rig;
  CHECK(!Promiscuous("near"));
  PacketSocket far("far");
  for (uint32_t i = 0; i < 3; i++) {
    CHECK(far.Send(TestFrame(60, 1)));
    CHECK(beside.Receive() == TestFrame(60, 1));
    rig.Attach();
    CHECK(Promiscuous("near"));
    CHECK(rig.Take().empty());
    CHECK(far.Send(TestFrame(60, 2)));
    CHECK(rig.Await() == TestFrame(60, 2));
    CHECK(beside.Receive() == TestFrame(60, 2));
    rig.guest.Detach();
    CHECK(!Promiscuous("near"));
  }
}

using Lines = std::vector<std::string>;

/// The kernel tells of carriers some time after they have changed.
void CheckNews(HostInterface& device, const Lines& expected) {
  Lines got;
  Eventually("news", [&] {
    for (const std::string& line : device.TakeNews()) got.push_back(line);
    return got.size() >= expected.size();
  });
  CHECK(got == expected);
}

void AwaitCarrier(HostInterface& device) {
  Eventually("its carrier", [&] {
    device.TakeNews();
    return device.link().carrier;
  });
}

/// And its queues notice them later still: until then what the other end sends is lost.
void CheckExchange(Rig& rig, PacketSocket& far, uint32_t tag) {
  CHECK(rig.Send(TestFrame(60, tag)));
  while (far.Receive() != TestFrame(60, tag)) continue;
  Eventually("a frame", [&] {
    CHECK(far.Send(TestFrame(70, tag)));
    usleep(1000);
    return rig.Take() == TestFrame(70, tag);
  });
  while (!rig.Take().empty()) continue;
}

void TheInterfaceComesBack(NetifAccess access) {
  MakeVeth();
  {
    Rig rig({"netmap:near", 1, 1, 64, 64, 0}, By(access));
    rig.Attach();
    auto far = std::make_unique<PacketSocket>("far");
    HostInterface& device = rig.port->device();
    device.TakeNews();  // whatever opening it has changed
    const uint32_t head = rig.guest.tx().head;
    Run("ip link set dev near down");
    CheckNews(device, Lines{"netmap:near: the interface 'near' is down"});
    CHECK(rig.Send(TestFrame(60, 1)));
    CHECK_EQ(rig.drops(rig.port->tx(0), Drop::kDown), 1u);
    Run("ip link set dev near name next && ip link set dev next up");
    CheckNews(device,
              Lines{"netmap:near: the interface is called 'next' now", "netmap:near: the interface 'next' is up"});
    AwaitCarrier(device);
    CheckExchange(rig, *far, 2);
    // Its other end goes down: nobody is there.
    Run("ip link set dev far down");
    CheckNews(device, Lines{"netmap:near: the interface 'next' has no carrier"});
    CHECK(rig.Send(TestFrame(60, 4)));
    CHECK_EQ(rig.drops(rig.port->tx(0), Drop::kDown), 2u);
    Run("ip link set dev far up");
    CheckNews(device, Lines{"netmap:near: the interface 'next' has a carrier"});
    far = std::make_unique<PacketSocket>("far");
    CheckExchange(rig, *far, 5);
    Run("ip link del dev next");
    Eventually("the end", [&] {
      device.TakeNews();
      return device.gone();
    });
    CHECK(rig.Send(TestFrame(60, 6)));
    CHECK_EQ(rig.drops(rig.port->tx(0), Drop::kDown), 3u);
    CHECK(rig.Take().empty());
    CHECK_EQ(device.Reopen().err, ENODEV);
    CHECK(device.gone());
    MakeVeth();
    CHECK_OK(rig.port->Reopen(*rig.engine));
    CHECK(!device.gone());
    CHECK(Promiscuous("near"));
    far = std::make_unique<PacketSocket>("far");
    AwaitCarrier(device);
    CheckExchange(rig, *far, 7);
    CHECK_EQ(rig.guest.tx().head, (head + 6) % 64);
    device.Close();
    CHECK(!Promiscuous("near"));
    CHECK(rig.Send(TestFrame(60, 9)));
    CHECK(rig.Take().empty());
  }
  RemoveVeth();
}

/// Refused by one line; neither a socket nor promiscuous mode nor an mtu stays.
void Refused() {
  auto stats = MakeStats();
  auto try_it = [&](NetifOptions options, PortShape shape = {"netmap:near", 1, 1, 64, 64, 0}) {
    std::shared_ptr<NetifPort> port;
    options.object = "netmap:near";
    if (options.name.empty()) options.name = "near";
    const std::string before = Shown("near");
    const Status s = NetifPort::Create(MakeRegion(), stats, shape, options, &port);
    CHECK(port == nullptr);
    if (Shown("near") != before) Fail(__FILE__, __LINE__, "left behind: " + s.message + Shown("near"));
    return s;
  };
  auto refused = [](const Status& s, int err, const std::string& message) {
    if (s.err != err || s.message != message) Fail(__FILE__, __LINE__, std::to_string(s.err) + " " + s.message);
  };
  refused(try_it({.name = "nowhere"}), ENODEV,
          "netmap:near: there is no interface 'nowhere': one that 'ip link' shows would be right");
  refused(try_it({.name = "lo"}), EINVAL,
          "netmap:near: 'lo' is the loopback, which reaches nobody else: 'tap:lan' would be right for the host's own "
          "network");
  refused(try_it({.name = "near", .netns = "nowhere"}), ENOENT,
          "netmap:near: network namespace 'nowhere' is not there: 'ip netns add nowhere', or another name, would be "
          "right");
  // A file that is none; nobody waits for the other end of a FIFO.
  Folder folder;
  const std::string fifo = folder / "fifo", file = folder / "file";
  CHECK(mkfifo(fifo.c_str(), 0600) == 0);
  os::UniqueFd(open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)).Reset();
  for (const std::string& path : {fifo, file})
    refused(try_it({.name = "near", .netns = path}), EINVAL,
            "netmap:near: network namespace '" + path +
                "' is something else: a name that 'ip netns' shows would be "
                "right");
  refused(try_it({.mtu = 70'000}), EINVAL,
          "netmap:near: mtu 70000 is not for 'near': what 'ip -d link show near' gives as minmtu to maxmtu would be "
          "right");
  refused(try_it({.mtu = 9000}, {"netmap:near", 1, 1, 16, 5, 0}), EINVAL,
          "netmap:near: frames of mtu 9000 do not fit the 4 slots of 2048 bytes that a packet may have: rx-slots of 6, "
          "larger buffers, or an mtu of 8157 would be right");
  refused(try_it({}, {"netmap:near", 2, 1, 16, 16, 0}), EINVAL,
          "netmap:near: 2 tx and 1 rx rings: an interface has as many of each");
  Run("ip link add br0 type bridge mcast_snooping 0 && ip link set near master br0");
  refused(try_it({}), EINVAL,
          "netmap:near: 'near' belongs to the bridge 'br0', which takes its frames: a tap that belongs to it too "
          "('tap:lan', then 'ip link set lan master br0'), or 'ip link set near nomaster', would be right");
  Run("ip link set near nomaster && ip link del br0");
  if (!may_use_xdp) return;
  refused(try_it({.access = NetifAccess::kXdp}, {"netmap:near", 2, 2, 16, 16, 0}), EINVAL,
          "netmap:near: AF_XDP takes frames by queue: 'near' has 1 and there are 2 pairs of rings: 'ethtool -L near "
          "combined 2', or as many rings as queues, would be right");
  refused(try_it({.mtu = 9000, .access = NetifAccess::kXdp}), EMSGSIZE,
          "netmap:near: AF_XDP: an MTU of 9000 is too large: 3498 at most, or AF_PACKET");
  Rig rig({"netmap:near", 1, 1, 64, 64, 0}, By(NetifAccess::kXdp));
  refused(try_it({.access = NetifAccess::kXdp}), EBUSY,
          "netmap:near: AF_XDP: queue 0 of near is in use by another program");
}

/// Without rights: what they are called, and how to give them.
void Unprivileged() {
  std::thread([] {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2] = {};
    CHECK(syscall(SYS_capset, &header, none) == 0);
    auto refused = [](NetifOptions options, const std::string& message) {
      std::shared_ptr<NetifDevice> device;
      options.object = "netmap:near";
      options.name = "near";
      const Status s = NetifDevice::Open(options, &device);
      if (s.err != EPERM || s.message != message) Fail(__FILE__, __LINE__, s.message);
    };
    refused({},
            "netmap:near: not permitted: packets of an interface need CAP_NET_RAW: 'setcap cap_net_raw+ep' for this "
            "program would be right");
    refused({.mtu = 1400},
            "netmap:near: mtu 1400 takes CAP_NET_ADMIN: 'ip link set near mtu 1400' beforehand would be right");
    if (may_use_xdp)
      refused({.access = NetifAccess::kXdp},
              "netmap:near: AF_XDP: not permitted: it needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF: 'setcap "
              "cap_net_admin,cap_net_raw,cap_bpf+ep' for this program, or AF_PACKET, would be right");
  }).join();
}

/// An mtu that was asked for is put back.
void TheMtuIsPutBack() {
  {
    Rig rig({"netmap:near", 1, 1, 64, 64, 0}, By(NetifAccess::kAuto, 4000));
    CHECK(Shown("near").find("mtu 4000") != std::string::npos);
    rig.Attach();
    rig.port->device().Close();
    CHECK(Shown("near").find("mtu 1500") != std::string::npos);
  }
  Rig rig({"netmap:near", 1, 1, 64, 64, 0}, By(NetifAccess::kAuto, 4000));
  Run("ip link set near mtu 3000");
  rig.port->device().Close();
  CHECK(Shown("near").find("mtu 3000") != std::string::npos);
}

}  // namespace

int main() {
  may_use_xdp = geteuid() == 0;
  LeaveTheMachine();
  MakeVeth();
  PromiscuousWhileAClientIsThere();
  Refused();
  Unprivileged();
  TheMtuIsPutBack();
  RemoveVeth();
  TheInterfaceComesBack(NetifAccess::kAuto);
  if (may_use_xdp) TheInterfaceComesBack(NetifAccess::kXdp);
}
