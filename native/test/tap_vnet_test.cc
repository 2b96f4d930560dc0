// Taps with a virtio-net header: what one side leaves to the other arrives as it was sent where that takes it, and done
// where it does not; a guest chooses anew each time it comes; a header that lies reaches nobody.
#include <linux/if_tun.h>

#include <algorithm>

#include "forward/tap_member.h"
#include "forward/tap_port.h"
#include "packet_socket.h"
#include "traffic.h"
#include "vale_net.h"
#include "vnet_frames.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

os::TapOptions WithHeader(const std::string& name, uint32_t mtu = 0) {
  os::TapOptions options{.object = "tap:" + name, .name = name};
  options.mtu = mtu;
  options.vnet_hdr = 12;
  return options;
}

/// A port with a tap `t`, and the kernel's side of it: a socket that sends and sees virtio-net headers.
struct Rig {
  std::shared_ptr<Engine> engine = MakeEngine();
  std::shared_ptr<StatsArea> stats = MakeStats();
  std::shared_ptr<TapPort> port;
  Guest guest;
  std::unique_ptr<PacketSocket> kernel;

  explicit Rig(os::TapOptions tap = WithHeader("t"), PortShape shape = {"tap:t", 1, 1, 128, 128, 0}) {
    CHECK_OK(TapPort::Create(MakeRegion(), stats, shape, tap, &port));
    kernel = std::make_unique<PacketSocket>("t", true);
  }
  /// As a guest with such a header, once the kernel has noticed it.
  void Attach(uint8_t vnet_hdr_len) {
    guest.Detach();
    guest.Attach(engine, *port, {.policy = Policy::kInline, .vnet_hdr_len = vnet_hdr_len});
    const Bytes first = test::WithHeader({}, TestFrame(60, 99), 10), last = test::WithHeader({}, TestFrame(61, 98), 10);
    Eventually("a carrier", [&] {
      CHECK(kernel->Send(first));
      return !Take().empty();
    });
    CHECK(kernel->Send(last));
    Eventually("the last frame", [&] { return Take().size() == vnet_hdr_len + 61u; });
  }
  void Send(const Bytes& packet) {
    // The last one has what the others leave over.
    const auto frags = static_cast<uint32_t>(packet.size() / 1900 + 1);
    CHECK(guest.tx().Put(packet, frags));
    guest.tx().Publish();
    guest.Sync(guest.tx());
    CHECK(guest.tx().Drained());
  }
  Bytes Take() {
    guest.Sync(guest.rx());
    Bytes packet = guest.rx().Take();
    guest.rx().Publish();
    guest.Sync(guest.rx());
    return packet;
  }
  uint64_t drops(Kring& k, Drop cause) { return k.counters->drops[static_cast<int>(cause)]; }
};

FrameSpec Large(int version, bool tcp, uint32_t payload = 60'000) {
  FrameSpec spec;
  spec.version = version;
  spec.tcp = tcp;
  spec.flags = 0x18;
  for (uint32_t i = 0; i < payload; i++) spec.payload.push_back(static_cast<uint8_t>(i * 7 + (i >> 8)));
  return spec;
}

constexpr uint32_t kGsoSize = 1400;

/// What the kernel's header for such a packet says, the hint of its linear part apart.
void CheckHeader(const Bytes& packet, size_t length, const VirtioNetHdr& wanted) {
  CHECK(packet.size() > length);
  VirtioNetHdr header = VirtioNetHdr::Load(packet.data());
  for (size_t i = 10; i < length; i++) CHECK_EQ(packet[i], 0);
  CHECK_EQ(header.flags, wanted.flags);
  CHECK_EQ(header.gso_type, wanted.gso_type);
  CHECK_EQ(header.gso_size, wanted.gso_size);
  CHECK_EQ(header.csum_start, wanted.csum_start);
  CHECK_EQ(header.csum_offset, wanted.csum_offset);
}

Bytes Behind(const Bytes& packet, size_t header) {
  CHECK(packet.size() > header);
  return {packet.begin() + static_cast<long>(header), packet.end()};
}

/// From the kernel: whole to a guest with a header, done for one without. UDP is cut for both.
void FromTheKernel() {
  Rig rig;
  for (uint8_t length : {12, 0, 10, 0, 12}) {
    rig.Attach(length);
    for (int version : {4, 6}) {
      const FrameSpec tcp = Large(version, true), udp = Large(version, false);
      CHECK(rig.kernel->Send(test::WithHeader(tcp.Header(kGsoSize), tcp.Build(false), 10)));
      if (length > 0) {
        const Bytes packet = rig.Take();
        CheckHeader(packet, length, tcp.Header(kGsoSize));
        CHECK(Behind(packet, length) == tcp.Build(false));
      } else {
        for (const Bytes& segment : tcp.Segments(kGsoSize)) CHECK(rig.Take() == segment);
      }
      CHECK(rig.kernel->Send(test::WithHeader(udp.Header(kGsoSize), udp.Build(false), 10)));
      for (const Bytes& segment : udp.Segments(kGsoSize)) {
        const Bytes packet = rig.Take();
        CHECK_EQ(packet.size(), length + segment.size());
        if (length == 0) CHECK(packet == segment);
      }
      const FrameSpec small = Large(version, true, 100);
      CHECK(rig.kernel->Send(test::WithHeader(small.Header(), small.Build(false), 10)));
      const Bytes packet = rig.Take();
      if (length > 0) CheckHeader(packet, length, small.Header());
      CHECK(Behind(packet, length) == small.Build(length == 0));
    }
    CHECK(rig.Take().empty());
  }
  CHECK_EQ(rig.drops(rig.port->rx(0), Drop::kDown), 0u);
}

/// To the kernel: as it was sent, with a header that says what is left to do.
void ToTheKernel() {
  Rig rig;
  for (uint8_t length : {12, 10}) {
    rig.Attach(length);
    for (int version : {4, 6}) {
      for (bool tcp : {true, false}) {
        const FrameSpec spec = Large(version, tcp);
        rig.Send(test::WithHeader(spec.Header(kGsoSize), spec.Build(false), length));
        const Bytes packet = rig.kernel->Receive();
        CheckHeader(packet, 10, spec.Header(kGsoSize));
        CHECK(Behind(packet, 10) == spec.Build(false));
        const FrameSpec small = Large(version, tcp, 100);
        // One that fits a segment is none of several.
        for (uint16_t gso_size : {0, 200}) {
          rig.Send(test::WithHeader(small.Header(gso_size), small.Build(false), length));
          const Bytes frame = rig.kernel->Receive();
          CheckHeader(frame, 10, small.Header());
          CHECK(Behind(frame, 10) == small.Build(false));
        }
      }
      // More than fits a packet of IP, as long as it is still to be cut. Of IPv6 kernels differ in what they take.
      if (version == 6) continue;
      const FrameSpec longer = Large(version, true, 120'000);
      rig.Send(test::WithHeader(longer.Header(kGsoSize), longer.Build(false), length));
      const Bytes packet = rig.kernel->Receive();
      CheckHeader(packet, 10, longer.Header(kGsoSize));
      CHECK(Behind(packet, 10) == longer.Build(false));
    }
    for (uint32_t size : {14u, 60u, 1514u, 65'557u}) {
      rig.Send(test::WithHeader({}, TestFrame(size, size), length));
      CHECK(Behind(rig.kernel->Receive(), 10) == TestFrame(size, size));
    }
  }
  rig.Attach(0);
  rig.Send(TestFrame(1000, 1));
  CHECK(Behind(rig.kernel->Receive(), 10) == TestFrame(1000, 1));
}

/// Headers with every field wrong, and frames that are too short or too long for one.
void LiesReachNobody() {
  Rig rig;
  rig.Attach(12);
  const FrameSpec spec = Large(4, true, 3000);
  std::vector<VirtioNetHdr> lies(9, spec.Header(kGsoSize));
  lies[0].flags |= 0x40;
  lies[1].flags = 0;
  lies[2].gso_type = VIRTIO_NET_HDR_GSO_UDP;
  lies[3].gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
  lies[4].gso_size = 0;
  lies[5].hdr_len = 65'535;
  lies[6].csum_start = 2;
  lies[7].csum_offset = 17;
  lies[8].csum_start = 60'000;
  for (const VirtioNetHdr& lie : lies) rig.Send(test::WithHeader(lie, spec.Build(false)));
  CHECK_EQ(rig.drops(rig.port->tx(0), Drop::kBadVnet), lies.size());
  rig.Send(Bytes(12 + 13, 0));
  rig.Send(test::WithHeader({}, TestFrame(65'558, 1)));
  rig.Send(Bytes(5, 0));
  // Not even to be cut later is a datagram so long, and what is not to be cut is too long anyway.
  for (const FrameSpec& longer : {Large(4, false, 70'000), Large(4, true, 70'000)})
    rig.Send(test::WithHeader(longer.Header(longer.tcp ? 0 : kGsoSize), longer.Build(false)));
  CHECK_EQ(rig.drops(rig.port->tx(0), Drop::kBadLen), 5u);
  rig.Send(test::WithHeader({}, TestFrame(60, 7)));
  CHECK(Behind(rig.kernel->Receive(), 10) == TestFrame(60, 7));
}

/// What waits in the queue for a guest that takes 64 KiB is nothing for one that comes next and does not.
void AnotherGuestComes() {
  Rig rig;
  rig.Attach(12);
  const FrameSpec tcp = Large(4, true), small = Large(4, true, 100);
  CHECK(rig.kernel->Send(test::WithHeader(tcp.Header(kGsoSize), tcp.Build(false), 10)));
  CHECK(rig.kernel->Send(test::WithHeader(small.Header(), small.Build(false), 10)));
  CHECK(rig.kernel->Send(test::WithHeader({}, TestFrame(60, 1), 10)));
  rig.guest.Detach();
  rig.guest.Attach(rig.engine, *rig.port, {.policy = Policy::kInline, .vnet_hdr_len = 0});
  CHECK(rig.Take() == TestFrame(60, 1));
  CHECK_EQ(rig.drops(rig.port->rx(0), Drop::kDown), 2u);
  // Nor is what lies in the ring already, unless it begins as the next one expects.
  rig.Attach(12);
  for (uint8_t next : {12, 0}) {
    CHECK(rig.kernel->Send(test::WithHeader(tcp.Header(kGsoSize), tcp.Build(false), 10)));
    rig.guest.Sync(rig.guest.rx());
    CHECK_EQ(rig.guest.rx().Mine(), 30u);
    rig.guest.Detach();
    rig.guest.Attach(rig.engine, *rig.port, {.policy = Policy::kInline, .vnet_hdr_len = next});
    if (next == 12) CHECK(Behind(rig.Take(), 12) == tcp.Build(false));
  }
  CHECK(rig.kernel->Send(test::WithHeader({}, TestFrame(60, 2), 10)));
  CHECK(rig.Take() == TestFrame(60, 2));
  CHECK(rig.Take().empty());
}

/// A guest whose rings have no room for 64 KiB gets segments, and leaves the checksums to nobody else.
void SmallRings() {
  Rig rig(WithHeader("t"), {"tap:t", 1, 1, 128, 16, 0});
  rig.Attach(12);
  const FrameSpec tcp = Large(4, true);
  CHECK(rig.kernel->Send(test::WithHeader(tcp.Header(kGsoSize), tcp.Build(false), 10)));
  for (const Bytes& segment : tcp.Segments(kGsoSize)) {
    const Bytes packet = rig.Take();
    CHECK_EQ(packet.size(), 12 + segment.size());
    CHECK_EQ(VirtioNetHdr::Load(packet.data()).gso_type, VIRTIO_NET_HDR_GSO_NONE);
  }
}

/// Whoever made it, with or without a header; and what one owner leaves behind is not the next one's.
void TapsOfTheUsers() {
  for (std::string made : {"", "vnet_hdr"}) {
    Run("ip tuntap add keep mode tap " + made);
    for (uint32_t vnet_hdr : {12, 0, 12}) {
      auto options = WithHeader("keep");
      options.vnet_hdr = vnet_hdr;
      std::shared_ptr<TapDevice> device;
      CHECK_OK(TapDevice::Open(options, &device));
      if (vnet_hdr > 0) device->SetVnetHdr(12, os::TapOffloads::kSegments);
      device->SetCarrier(true);
      PacketSocket kernel("keep", true);
      const FrameSpec tcp = Large(4, true, 3000);
      const Bytes packet = test::WithHeader(tcp.Header(kGsoSize), tcp.Build(false), 10);
      Bytes got(70'000);
      Eventually("a packet", [&] {
        CHECK(kernel.Send(packet));
        const ssize_t n = read(device->queue(0), got.data(), got.size());
        if (n > 0) got.resize(static_cast<size_t>(n));
        return n > 0;
      });
      if (vnet_hdr > 0) CHECK(Behind(got, 12) == tcp.Build(false));
      if (vnet_hdr == 0) CHECK(got == tcp.Segments(kGsoSize)[0]);
    }
    Run("ip link del keep");
  }
  // Its queues are shared, and so is what frames begin with.
  Run("ip tuntap add keep mode tap multi_queue");
  auto plain = WithHeader("keep"), wanted = WithHeader("keep");
  plain.vnet_hdr = 0;
  plain.queues = 2;
  os::Tap mine, other;
  CHECK_OK(os::OpenTap(plain, &mine));
  const Status refused = os::OpenTap(wanted, &other);
  CHECK_EQ(refused.err, EBUSY);
  CHECK(refused.message ==
        "tap:keep: 'keep' is in use by another process: stop it, or use another name, such as 'pt%d'");
  Run("ip link del keep");
}

void WithoutOneThereIsNone() {
  auto options = WithHeader("t");
  options.vnet_hdr = 0;
  Rig rig(options);
  const Status s = rig.guest.TryAttach(rig.engine, *rig.port, {.policy = Policy::kInline, .vnet_hdr_len = 12});
  CHECK_EQ(s.err, EINVAL);
  CHECK(s.message == "tap:t: virtio-net header: one of 12 bytes, and the tap was opened without: none would be right");
  rig.Attach(0);
  const FrameSpec tcp = Large(6, true);
  CHECK(rig.kernel->Send(test::WithHeader(tcp.Header(kGsoSize), tcp.Build(false), 10)));
  for (const Bytes& segment : tcp.Segments(kGsoSize)) CHECK(rig.Take() == segment);
}

void ADeletedOneComesBackWithIt() {
  Rig rig;
  rig.Attach(10);
  Run("ip link del dev t");
  rig.port->device().TakeNews();
  CHECK_OK(rig.port->device().Reopen());
  rig.engine->WatchAnew(rig.port->flow(1));
  rig.kernel = std::make_unique<PacketSocket>("t", true);
  const FrameSpec tcp = Large(4, true);
  Bytes packet;
  Eventually("a packet", [&] {
    CHECK(rig.kernel->Send(test::WithHeader(tcp.Header(kGsoSize), tcp.Build(false), 10)));
    return !(packet = rig.Take()).empty();
  });
  CheckHeader(packet, 10, tcp.Header(kGsoSize));
  CHECK(Behind(packet, 10) == tcp.Build(false));
}

/// On a switch: a tap with a header, and a guest with each kind.
void AMemberAndGuests() {
  for (uint8_t length : {0, 10, 12}) {
    Net net;
    Station& station = net.Add({"", 1, 1, 128, 128, 0}, 2048, false);
    station.guest.Attach(net.engine, *station.port, {.policy = Policy::kInline, .vnet_hdr_len = length});
    std::shared_ptr<TapMember> member;
    CHECK_OK(TapMember::Create(net.engine, net.stats, net.sw, WithHeader("m"), &member));
    member->Start(Policy::kNotify, 0, 0);
    PacketSocket kernel("m", true);
    auto next = [&] {
      Bytes packet;
      Eventually("a packet", [&] { return !(packet = station.Take()).empty(); });
      return packet;
    };
    const Bytes first = test::WithHeader({}, Frame(0xff, 7, 60, 99), 10);
    Eventually("a carrier", [&] { return kernel.Send(first) && !station.Nothing(); });
    CHECK(kernel.Send(test::WithHeader({}, Frame(0xff, 7, 61, 98), 10)));
    while (next().size() != length + 61u) continue;
    for (int version : {4, 6}) {
      const FrameSpec tcp = Large(version, true);
      Bytes frame = tcp.Build(false);
      std::fill_n(frame.begin(), 6, 0xff);
      CHECK(kernel.Send(test::WithHeader(tcp.Header(kGsoSize), frame, 10)));
      if (length > 0) {
        const Bytes packet = next();
        CheckHeader(packet, length, tcp.Header(kGsoSize));
        CHECK(Behind(packet, length) == frame);
      } else {
        for (Bytes segment : tcp.Segments(kGsoSize)) {
          std::fill_n(segment.begin(), 6, 0xff);
          CHECK(next() == segment);
        }
      }
      // Back: the kernel is told what is left to do.
      if (length > 0) {
        station.Send(test::WithHeader(tcp.Header(kGsoSize), frame, length), 40);
        const Bytes packet = kernel.Receive();
        CheckHeader(packet, 10, tcp.Header(kGsoSize));
        CHECK(Behind(packet, 10) == frame);
      } else {
        station.Send(tcp.Segments(kGsoSize)[3]);
        CHECK(Behind(kernel.Receive(), 10) == tcp.Segments(kGsoSize)[3]);
      }
    }
    if (length > 0) {
      const FrameSpec spec = Large(4, true, 3000);
      VirtioNetHdr lie = spec.Header(kGsoSize);
      lie.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
      station.Send(test::WithHeader(lie, spec.Build(false), length), 2);
      CHECK_EQ(station.tx_drops(Drop::kBadVnet), 1u);
      CHECK(kernel.Receive(50).empty());
    }
    CHECK_EQ(member->from_kernel(0).drops[static_cast<int>(Drop::kBadVnet)], 0u);
  }
}

}  // namespace

int main() {
  LeaveTheMachine();
  FromTheKernel();
  ToTheKernel();
  LiesReachNobody();
  AnotherGuestComes();
  SmallRings();
  TapsOfTheUsers();
  WithoutOneThereIsNone();
  ADeletedOneComesBackWithIt();
  AMemberAndGuests();
}
