// An interface of the host as a port: frames of every length arrive whole both ways, a ring without room loses nothing
// that the socket holds, what is large is cut or passed on, and an interface that goes down, is renamed or deleted in
// traffic comes back; what it cannot be is refused, and leaves nothing behind.
#include <errno.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/syscall.h>

#include <algorithm>

#include "forward/netif_port.h"
#include "packet_socket.h"
#include "traffic.h"
#include "vnet_frames.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

/// AF_XDP takes rights on the machine, which root of a user namespace has not.
bool may_use_xdp = true;

void MakeVeth(const std::string& mtu = "1500") {
  Run("ip link add name near mtu " + mtu + " numrxqueues 1 numtxqueues 1 type veth peer name far mtu " + mtu +
      " numrxqueues 1 numtxqueues 1");
  Run("ip link set near up && ip link set far up");
}
void RemoveVeth() { Run("ip link del near"); }

struct Rig {
  std::shared_ptr<Engine> engine = MakeEngine();
  std::shared_ptr<StatsArea> stats = MakeStats();
  std::shared_ptr<NetifPort> port;
  Guest guest;

  explicit Rig(PortShape shape = {"netmap:near", 1, 1, 64, 64, 0}, NetifOptions options = {}) {
    options.object = shape.name;
    options.name = "near";
    CHECK_OK(NetifPort::Create(MakeRegion(), stats, shape, options, &port));
  }
  void Attach(AttachOptions options = {.policy = Policy::kInline}) { guest.Attach(engine, *port, options); }
  bool Send(const Bytes& packet, uint32_t frags = 1, uint32_t ring = 0) {
    if (!guest.tx(ring).Put(packet.data(), static_cast<uint32_t>(packet.size()), frags)) return false;
    guest.tx(ring).Publish();
    guest.Sync(guest.tx(ring));
    return guest.tx(ring).Drained();
  }
  Bytes Take(uint32_t ring = 0) {
    guest.Sync(guest.rx(ring));
    Bytes packet = guest.rx(ring).Take();
    guest.rx(ring).Publish();
    guest.Sync(guest.rx(ring));
    return packet;
  }
  /// Frames come by another thread of the kernel's when the machine is busy.
  Bytes Await(uint32_t ring = 0) {
    Bytes packet;
    Eventually("a frame", [&] { return !(packet = Take(ring)).empty(); });
    return packet;
  }
  uint64_t drops(Kring& k, Drop cause) { return k.counters->drops[static_cast<int>(cause)]; }
};

NetifOptions By(NetifAccess access, uint32_t mtu = 0) {
  NetifOptions options;
  options.access = access;
  options.mtu = mtu;
  return options;
}

/// Every length from 14 bytes on, then any, in up to 64 slots.
void EveryFrameArrives(Random& random, NetifAccess access, uint32_t mtu, uint32_t frames) {
  MakeVeth(std::to_string(mtu));
  {
    Rig rig({"netmap:near", 1, 1, 256, 256, 0}, By(access));
    rig.Attach();
    PacketSocket far("far");
    const uint32_t longest = mtu + 18;
    for (uint32_t i = 0; i < frames; i++) {
      const uint32_t any = random.OneIn(4) ? 14 + random.Below(longest - 13) : 14 + random.Below(200);
      const uint32_t len = i <= longest - 14 ? 14 + i : any;
      // A veth lets a frame with one tag be 4 bytes longer, and no other.
      const uint32_t tags = len >= 14 + 4 * 2 && len <= mtu + 14 ? random.Below(3) : 0;
      const Bytes frame = TestFrame(len, i, len > mtu + 14 ? 1 : tags);
      const uint32_t least = len / 2048 + 2;  // the last piece takes what the others leave
      const uint32_t frags = len < 2048 && random.OneIn(2) ? 1 : least + random.Below(random.OneIn(8) ? 64 - least : 2);
      CHECK(rig.Send(frame, std::min(len, frags)));
      if (far.Receive() != frame)
        Fail(__FILE__, __LINE__, "sent: frame " + std::to_string(i) + " of " + std::to_string(len));
      CHECK(far.Send(frame));
      if (rig.Await() != frame)
        Fail(__FILE__, __LINE__, "come: frame " + std::to_string(i) + " of " + std::to_string(len));
    }
    CHECK_EQ(rig.port->tx(0).counters->packets, frames);
    CHECK_EQ(rig.port->rx(0).counters->packets, frames);
    const InterfaceFacts facts = rig.port->device().facts();
    CHECK(std::string(facts.access) == (access == NetifAccess::kXdp ? "af_xdp copy" : "af_packet"));
    CHECK_EQ(facts.lost_full + facts.lost_too_large + facts.refused, 0u);
  }
  RemoveVeth();
}

void AFullRingLeavesFramesInTheSocket() {
  Rig rig({"netmap:near", 1, 1, 64, 8, 0});
  rig.Attach();
  PacketSocket far("far");
  for (uint32_t i = 0; i < 300; i++) CHECK(far.Send(TestFrame(60 + i, i)));
  for (uint32_t i = 0; i < 300; i++) CHECK(rig.Await() == TestFrame(60 + i, i));
  CHECK(rig.Take().empty());
}

std::string Shown(const std::string& interface) {
  FILE* f = popen(("ip -d link show " + interface).c_str(), "r");
  char text[4096] = {};
  CHECK(fread(text, 1, sizeof text - 1, f) > 0);
  pclose(f);
  return text;
}
bool Promiscuous() { return Shown("near").find("promiscuity 0") == std::string::npos; }

/// What came while nobody was there is forgotten.
void PromiscuousWhileAClientIsThere() {
  Rig rig;
  CHECK(!Promiscuous());
  PacketSocket far("far");
  for (uint32_t i = 0; i < 3; i++) {
    CHECK(far.Send(TestFrame(60, 1)));
    usleep(2000);
    rig.Attach();
    CHECK(Promiscuous());
    CHECK(rig.Take().empty());
    CHECK(far.Send(TestFrame(60, 2)));
    CHECK(rig.Await() == TestFrame(60, 2));
    rig.guest.Detach();
    CHECK(!Promiscuous());
  }
}

void WhatIsWrongIsCounted() {
  Rig rig;
  rig.Attach();
  PacketSocket far("far");
  CHECK(rig.Send(Bytes(13, 1)));
  CHECK_EQ(rig.drops(rig.port->tx(0), Drop::kBadLen), 1u);
  CHECK(rig.Send(TestFrame(1523, 1)));  // more than the mtu and two tags
  CHECK_EQ(rig.drops(rig.port->tx(0), Drop::kBadLen), 2u);
  CHECK(rig.Send(TestFrame(63 * 2048, 1), 63));
  CHECK_EQ(rig.drops(rig.port->tx(0), Drop::kBadLen), 3u);
  // A bad slot of the receiver holds up its ring, and loses nothing.
  const uint32_t at = rig.guest.rx().head, mine = rig.guest.rx().slot(at).buf_idx;
  rig.guest.rx().slot(at).buf_idx = UINT32_MAX;
  CHECK(far.Send(TestFrame(60, 1)) && far.Send(TestFrame(60, 2)));
  Eventually("the bad slot", [&] {
    rig.guest.Sync(rig.guest.rx());
    return rig.drops(rig.port->rx(0), Drop::kBadBuf) == 1;
  });
  CHECK_EQ(rig.guest.rx().Mine(), 0u);
  rig.guest.rx().slot(at).buf_idx = mine;
  CHECK(rig.Await() == TestFrame(60, 1) && rig.Await() == TestFrame(60, 2));
}

/// TCP of 30,000 bytes that is to be cut.
FrameSpec LargeTcp() {
  FrameSpec spec;
  spec.payload.resize(30'000);
  for (size_t i = 0; i < spec.payload.size(); i++) spec.payload[i] = static_cast<uint8_t>(i * 7 + (i >> 8));
  return spec;
}

/// All bytes of a stream come, however the kernel has cut it: in segments of 1400, whole, or in pieces of several.
void CheckSegments(const FrameSpec& spec, const std::function<Bytes()>& next) {
  Bytes got;
  while (got.size() < spec.payload.size()) {
    const Bytes frame = next();
    CHECK(frame.size() > spec.payload_at());
    got.insert(got.end(), frame.begin() + spec.payload_at(), frame.end());
  }
  CHECK(got == spec.payload);
}

/// A guest with a header leaves the cutting to the interface, and gets what others have left to theirs whole.
void LargePacketsPassWithAHeader() {
  for (const uint8_t header : {uint8_t{10}, uint8_t{12}}) {
    Rig rig;
    rig.Attach({.policy = Policy::kInline, .vnet_hdr_len = header});
    PacketSocket far("far");
    const FrameSpec spec = LargeTcp();
    Bytes packet = WithHeader(spec.Header(1400), spec.Build(false));
    packet.erase(packet.begin() + header, packet.begin() + 12);
    CHECK(rig.Send(packet, 16));
    CheckSegments(spec, [&] { return far.Receive(); });
    // A lie is dropped, not sent.
    packet[1] = 0x40;
    CHECK(rig.Send(packet, 16));
    CHECK_EQ(rig.drops(rig.port->tx(0), Drop::kBadVnet), 1u);
    // Nothing asked for: longer than the interface takes.
    CHECK(rig.Send(WithHeader({}, TestFrame(1600, 1)), 2));
    CHECK_EQ(rig.drops(rig.port->tx(0), Drop::kBadLen), 1u);
    packet = WithHeader({}, TestFrame(500, 1));
    packet.erase(packet.begin() + header, packet.begin() + 12);
    CHECK(rig.Send(packet));
    CHECK(far.Receive() == TestFrame(500, 1));
    CHECK(far.Send(TestFrame(500, 2)));
    Bytes empty(header, 0);
    const Bytes frame = TestFrame(500, 2);
    empty.insert(empty.end(), frame.begin(), frame.end());
    CHECK(rig.Await() == empty);
  }
}

/// The far kernel sends datagrams that its interface is to cut and to sum up.
void SendLargeUdp(uint32_t bytes, int segment) {
  const int udp = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(9);
  inet_pton(AF_INET, "192.0.2.2", &to.sin_addr);
  CHECK(setsockopt(udp, IPPROTO_UDP, 103 /* UDP_SEGMENT */, &segment, sizeof segment) == 0);
  const Bytes payload(bytes, 0x5a);
  CHECK(sendto(udp, payload.data(), payload.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to) > 0);
  close(udp);
}

uint32_t Sum(const Bytes& frame) {
  // The pseudo-header and the datagram: 0xffff when its checksum is right.
  Bytes summed(frame.begin() + 26, frame.begin() + 34);
  Append16(summed, 17);
  Append16(summed, static_cast<uint32_t>(frame.size()) - 34);
  summed.insert(summed.end(), frame.begin() + 34, frame.end());
  return NaiveSum(summed, 0);
}

/// A guest without a header gets frames that are whole, as they would be on the wire.
void WhatTheKernelLeavesUndoneIsDone() {
  Run("ip addr add 192.0.2.1/24 dev far && ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:01 dev far");
  {
    Rig rig({"netmap:near", 1, 1, 64, 128, 0});
    rig.Attach();
    SendLargeUdp(10'500, 1000);
    for (uint32_t i = 0; i < 11; i++) {
      const Bytes frame = rig.Await();
      CHECK_EQ(frame.size(), 42u + (i < 10 ? 1000 : 500));
      CHECK_EQ(Sum(frame), 0xffffu);
    }
    CHECK(rig.Take().empty());
  }
  {
    Rig rig;
    rig.Attach({.policy = Policy::kInline, .vnet_hdr_len = 12});
    SendLargeUdp(10'500, 1000);
    const Bytes packet = rig.Await();
    CHECK_EQ(packet.size(), 12u + 42 + 10'500);
    const VirtioNetHdr header = VirtioNetHdr::Load(packet.data());
    CHECK_EQ(header.gso_type, VIRTIO_NET_HDR_GSO_UDP_L4);
    CHECK_EQ(header.gso_size, 1000u);
    CHECK(header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
  }
  Run("ip addr del 192.0.2.1/24 dev far");
}

/// AF_XDP knows no header: what a guest asks for is done before its frames go out.
void ByXdpAHeaderIsServedHere() {
  Rig rig({"netmap:near", 1, 1, 64, 64, 0}, By(NetifAccess::kXdp));
  rig.Attach({.policy = Policy::kInline, .vnet_hdr_len = 12});
  PacketSocket far("far");
  FrameSpec spec = LargeTcp();
  CHECK(rig.Send(WithHeader(spec.Header(1400), spec.Build(false)), 16));
  for (const Bytes& segment : spec.Segments(1400)) CHECK(far.Receive() == segment);
  CHECK_EQ(rig.port->tx(0).counters->packets, 1u);
}

void FourQueues() {
  Rig rig({"netmap:near", 4, 4, 64, 64, 0});
  rig.Attach();
  PacketSocket far("far");
  for (uint32_t ring = 0; ring < 4; ring++) {
    CHECK(rig.Send(TestFrame(100, ring), 1, ring));
    CHECK(far.Receive() == TestFrame(100, ring));
    CHECK_EQ(rig.port->tx(ring).counters->packets, 1u);
  }
  // The kernel chooses the queue: each frame comes by one of them, and what is sent comes by none.
  for (uint32_t i = 0; i < 50; i++) {
    CHECK(far.Send(TestFrame(60 + i, i)));
    uint32_t got = 0;
    Eventually("a frame", [&] {
      for (uint32_t ring = 0; ring < 4; ring++) got += rig.Take(ring) == TestFrame(60 + i, i);
      return got > 0;
    });
    CHECK_EQ(got, 1u);
  }
  for (uint32_t ring = 0; ring < 4; ring++) CHECK(rig.Take(ring).empty());
}

/// The kernel takes no more frames: they stay in the ring, none is lost, and nobody spins.
void WhatTheKernelHasNoRoomForStays() {
  NetifOptions options;
  options.slots = 16;
  Rig rig({"netmap:near", 1, 1, 256, 64, 0}, options);
  rig.guest.Attach(rig.engine, *rig.port, Served(Policy::kNotify));
  rig.guest.EnableInterrupts();
  PacketSocket far("far");
  Random random("netmap_port_test room");
  for (uint32_t round = 0; round < 20; round++) {
    for (uint32_t i = 0; i < 200; i++) CHECK(rig.guest.tx().Put(TestFrame(1400, i).data(), 1400));
    rig.guest.tx().Publish();
    for (uint32_t i = 0; i < 200; i++) CHECK(far.Receive() == TestFrame(1400, i));
    Drain(rig.guest.tx());
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
    // Whatever opening it has changed.
    usleep(50'000);
    device.TakeNews();
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
    CHECK(Promiscuous());
    far = std::make_unique<PacketSocket>("far");
    AwaitCarrier(device);
    CheckExchange(rig, *far, 7);
    CHECK_EQ(rig.guest.tx().head, (head + 6) % 64);
    device.Close();
    CHECK(!Promiscuous());
    CHECK(rig.Send(TestFrame(60, 9)));
    CHECK(rig.Take().empty());
  }
  RemoveVeth();
}

/// A worker that parks and is woken by the socket, down and up in between.
void NothingIsLostUnderTraffic(Random& random, NetifAccess access) {
  for (Policy policy : kPolicies) {
    Rig rig({"netmap:near", 1, 1, 32, 16, 0}, By(access));
    rig.Attach(Served(policy));
    rig.guest.EnableInterrupts();
    PacketSocket far("far");
    constexpr uint32_t kFrames = 4000, kWindow = 200;
    std::atomic<uint32_t> received{0};
    std::thread sender([&, r = random.Split()]() mutable {
      for (uint32_t i = 0; i < kFrames; i++) {
        while (i - received.load() >= kWindow) usleep(100);
        CHECK(far.Send(TestFrame(60 + i % 1400, i)));
        MaybeNap(r);
      }
    });
    std::thread from_guest([&, r = random.Split()]() mutable {
      for (uint32_t i = 0; i < kFrames; i++) {
        if (rig.guest.tx().Mine() == 0) rig.guest.tx().Publish(), rig.guest.tx().Await();
        CHECK(rig.guest.tx().Put(TestFrame(60 + i % 1400, i).data(), 60 + i % 1400));
        if (r.OneIn(7)) rig.guest.tx().Publish(), MaybeNap(r);
      }
      rig.guest.tx().Publish();
    });
    for (uint32_t i = 0; i < kFrames;) {
      rig.guest.rx().Await();
      const Bytes frame = rig.guest.rx().Take();
      rig.guest.rx().Publish();
      CHECK(frame == TestFrame(60 + i % 1400, i));
      received = ++i;
    }
    sender.join();
    for (uint32_t i = 0; i < kFrames; i++) CHECK(far.Receive() == TestFrame(60 + i % 1400, i));
    from_guest.join();
  }
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
  Random random("netmap_port_test");
  may_use_xdp = geteuid() == 0;
  LeaveTheMachine();
  MakeVeth();
  PromiscuousWhileAClientIsThere();
  WhatIsWrongIsCounted();
  AFullRingLeavesFramesInTheSocket();
  LargePacketsPassWithAHeader();
  WhatTheKernelLeavesUndoneIsDone();
  if (may_use_xdp) ByXdpAHeaderIsServedHere();
  FourQueues();
  WhatTheKernelHasNoRoomForStays();
  Refused();
  Unprivileged();
  TheMtuIsPutBack();
  NothingIsLostUnderTraffic(random, NetifAccess::kAuto);
  if (may_use_xdp) NothingIsLostUnderTraffic(random, NetifAccess::kXdp);
  RemoveVeth();
  TheInterfaceComesBack(NetifAccess::kAuto);
  if (may_use_xdp) TheInterfaceComesBack(NetifAccess::kXdp);
  EveryFrameArrives(random, NetifAccess::kAuto, 9000, 100'000);
  if (may_use_xdp) EveryFrameArrives(random, NetifAccess::kXdp, 3498, 20'000);
}
