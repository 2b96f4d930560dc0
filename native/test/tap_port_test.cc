// The tap port: frames of every length arrive whole in both directions, a full ring loses nothing that the tap's queue
// holds, the carrier follows the client, and an interface that goes down, is renamed or deleted in traffic comes back.
#include "forward/tap_port.h"

#include <errno.h>

#include <algorithm>

#include "offsets_frames.h"
#include "packet_socket.h"
#include "traffic.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

struct Rig {
  std::shared_ptr<Engine> engine = MakeEngine();
  std::shared_ptr<StatsArea> stats = MakeStats();
  std::shared_ptr<TapPort> port;
  Guest guest;

  explicit Rig(PortShape shape = {"tap:t", 1, 1, 64, 64, 0}, os::TapOptions tap = {}) {
    tap.object = shape.name;
    tap.name = "t";
    CHECK_OK(TapPort::Create(MakeRegion(), stats, shape, tap, &port));
  }
  void Attach(AttachOptions options = {.policy = Policy::kInline}) { guest.Attach(engine, *port, options); }
  bool Send(const Bytes& frame, uint32_t frags = 1, uint32_t ring = 0) {
    if (!guest.tx(ring).Put(frame.data(), static_cast<uint32_t>(frame.size()), frags)) return false;
    guest.tx(ring).Publish();
    guest.Sync(guest.tx(ring));
    return guest.tx(ring).Drained();
  }
  Bytes Take(uint32_t ring = 0) {
    guest.Sync(guest.rx(ring));
    Bytes frame = guest.rx(ring).Take();
    guest.rx(ring).Publish();
    guest.Sync(guest.rx(ring));
    return frame;
  }
  uint64_t drops(Kring& k, Drop cause) { return k.counters->drops[static_cast<int>(cause)]; }
};

/// The kernel sends once its queues have noticed the carrier: until a frame has come through, and all that were sent
/// before it.
void AwaitCarrier(Rig& rig, PacketSocket& kernel) {
  auto comes = [&](const Bytes& frame) {
    bool found = false;
    for (uint32_t ring = 0; ring < rig.port->shape().rx_rings; ring++) found |= rig.Take(ring) == frame;
    return found;
  };
  Eventually("a carrier", [&] {
    kernel.Send(TestFrame(60, 99));
    return comes(TestFrame(60, 99));
  });
  CHECK(kernel.Send(TestFrame(60, 98)));
  Eventually("the last frame", [&] { return comes(TestFrame(60, 98)); });
}

os::TapOptions Mtu(uint32_t mtu) {
  os::TapOptions options;
  options.mtu = mtu;
  return options;
}

/// Every length from 14 bytes on, then any; a frame that the kernel gets may lie in up to 64 slots.
void EveryFrameArrives(Random& random) {
  constexpr uint32_t kLongest = 9018, kLengths = (kLongest - 14) / kLengthStep + 1,
                     kFrames = kLengths + kFramesOfAnyKind;
  Rig rig({"tap:t", 1, 1, 256, 256, 0}, Mtu(9000));
  rig.Attach();
  PacketSocket kernel("t");
  AwaitCarrier(rig, kernel);
  const uint64_t before = rig.port->rx(0).counters->packets;
  for (uint32_t i = 0; i < kFrames; i++) {
    const uint32_t any = random.OneIn(4) ? 14 + random.Below(kLongest - 13) : 14 + random.Below(200);
    const uint32_t len = i < kLengths ? 14 + i * kLengthStep : any;
    const uint32_t tags = len >= 14 + 4 * 2 && len < 9000 ? random.Below(3) : 0;
    const Bytes frame = TestFrame(len, i, len > 9014 ? 1 : tags);
    const uint32_t least = len / 2048 + 2;  // the last piece takes what the others leave
    const uint32_t frags = len < 2048 && random.OneIn(2) ? 1 : least + random.Below(random.OneIn(8) ? 64 - least : 2);
    CHECK(rig.Send(frame, std::min(len, frags)));
    if (kernel.Receive() != frame)
      Fail(__FILE__, __LINE__, "to the kernel: frame " + std::to_string(i) + " of " + std::to_string(len));
    CHECK(kernel.Send(frame));
    if (rig.Take() != frame)
      Fail(__FILE__, __LINE__, "from the kernel: frame " + std::to_string(i) + " of " + std::to_string(len));
  }
  CHECK_EQ(rig.port->tx(0).counters->packets, kFrames);
  CHECK_EQ(rig.port->rx(0).counters->packets - before, kFrames);
}

void AFullRingLeavesFramesInTheTap() {
  Rig rig({"tap:t", 1, 1, 64, 8, 0});
  rig.Attach();
  PacketSocket kernel("t");
  AwaitCarrier(rig, kernel);
  for (uint32_t i = 0; i < 100; i++) CHECK(kernel.Send(TestFrame(60 + i, i)));
  for (uint32_t i = 0; i < 100; i++) CHECK(rig.Take() == TestFrame(60 + i, i));
  CHECK(rig.Take().empty());
}

/// Both ways, and cut into the room that is left behind the greatest offset.
void PacketsAreWhereSlotsSay(Random& random) {
  Rig rig;
  Offsets(*rig.engine, *rig.port, {.max = 1000, .bits = 16, .initial = 900});
  rig.Attach();
  PacketSocket kernel("t");
  Eventually("a carrier", [&] {
    kernel.Send(TestFrame(60, 99));
    rig.guest.Sync(rig.guest.rx());
    return TakeAt(rig.guest.rx()) == TestFrame(60, 99);
  });
  usleep(1000);
  for (rig.guest.Sync(rig.guest.rx()); !TakeAt(rig.guest.rx()).empty();) rig.guest.Sync(rig.guest.rx());
  rig.guest.rx().Publish();
  FramesWithOffsets(random, rig.guest, kernel);
}

void TheCarrierFollowsTheClient() {
  Rig rig;
  auto carrier = [] {
    os::LinkSocket links;
    os::LinkState link;
    CHECK(!links.Open(false) && !links.Get("t", &link) && link.up);
    return link.carrier;
  };
  CHECK(!carrier());
  for (int i = 0; i < 3; i++) {
    rig.Attach();
    CHECK(carrier());
    rig.guest.Detach();
    CHECK(!carrier());
  }
}

void WhatIsWrongIsCounted() {
  Rig rig;
  rig.Attach();
  PacketSocket kernel("t");
  AwaitCarrier(rig, kernel);
  CHECK(rig.Send(Bytes(13, 1)));
  CHECK_EQ(rig.drops(rig.port->tx(0), Drop::kBadLen), 1u);
  CHECK(rig.Send(TestFrame(63 * 2048, 1), 63));  // no frame is so long
  CHECK_EQ(rig.drops(rig.port->tx(0), Drop::kBadLen), 2u);
  // A bad slot of the receiver holds up its ring, and loses nothing.
  const uint32_t at = rig.guest.rx().head, mine = rig.guest.rx().slot(at).buf_idx;
  rig.guest.rx().slot(at).buf_idx = UINT32_MAX;
  CHECK(kernel.Send(TestFrame(60, 1)) && kernel.Send(TestFrame(60, 2)));
  rig.guest.Sync(rig.guest.rx());
  CHECK_EQ(rig.guest.rx().Mine(), 0u);
  CHECK_EQ(rig.drops(rig.port->rx(0), Drop::kBadBuf), 1u);
  rig.guest.rx().slot(at).buf_idx = mine;
  CHECK(rig.Take() == TestFrame(60, 1) && rig.Take() == TestFrame(60, 2));
  // Longer than the ring was told of: dropped as a whole.
  Run("ip link set dev t mtu 9000");
  CHECK(kernel.Send(TestFrame(5000, 3)) && kernel.Send(TestFrame(60, 4)));
  CHECK(rig.Take() == TestFrame(60, 4));
  CHECK_EQ(rig.drops(rig.port->rx(0), Drop::kBadLen), 1u);
  rig.port->device().TakeNews();
  CHECK(kernel.Send(TestFrame(5000, 5)));
  CHECK(rig.Take() == TestFrame(5000, 5));
}

void BadShapes() {
  auto stats = MakeStats();
  std::shared_ptr<TapPort> port;
  os::TapOptions options{.object = "tap:t", .name = "t"};
  Status s = TapPort::Create(MakeRegion(), stats, {"tap:t", 2, 1, 16, 16, 0}, options, &port);
  CHECK_EQ(s.err, EINVAL);
  CHECK(s.message == "tap:t: 2 tx and 1 rx rings: a tap has as many of each");
  options.mtu = 9000;
  s = TapPort::Create(MakeRegion(), stats, {"tap:t", 1, 1, 16, 5, 0}, options, &port);
  CHECK_EQ(s.err, EINVAL);
  CHECK(s.message ==
        "tap:t: frames of mtu 9000 do not fit the 4 slots of 2048 bytes that a packet may have: rx-slots of 6, larger "
        "buffers, or an mtu of 8169 would be right");
  CHECK(!Exists("t"));
  CHECK_OK(TapPort::Create(MakeRegion(), stats, {"tap:t", 1, 1, 16, 6, 0}, options, &port));
}

void FourQueues() {
  Rig rig({"tap:t", 4, 4, 64, 64, 0});
  rig.Attach();
  PacketSocket kernel("t");
  AwaitCarrier(rig, kernel);
  for (uint32_t ring = 0; ring < 4; ring++) {
    CHECK(rig.Send(TestFrame(100, ring), 1, ring));
    CHECK(kernel.Receive() == TestFrame(100, ring));
    CHECK_EQ(rig.port->tx(ring).counters->packets, 1u);
  }
  // The kernel chooses the queue: each frame comes by one of them.
  for (uint32_t i = 0; i < 50; i++) {
    CHECK(kernel.Send(TestFrame(60 + i, i)));
    uint32_t got = 0;
    for (uint32_t ring = 0; ring < 4; ring++) got += rig.Take(ring) == TestFrame(60 + i, i);
    CHECK_EQ(got, 1u);
  }
}

void TheInterfaceComesBack() {
  using Lines = std::vector<std::string>;
  Rig rig;
  rig.Attach();
  auto kernel = std::make_unique<PacketSocket>("t");
  AwaitCarrier(rig, *kernel);
  HostInterface& device = rig.port->device();
  device.TakeNews();
  const uint32_t head = rig.guest.tx().head;
  Run("ip link set dev t down");
  CHECK(device.TakeNews() == Lines{"tap:t: the interface 't' is down"});
  CHECK(rig.Send(TestFrame(60, 1)));
  CHECK_EQ(rig.drops(rig.port->tx(0), Drop::kDown), 1u);
  Run("ip link set dev t name u && ip link set dev u up");
  CHECK((device.TakeNews() == Lines{"tap:t: the interface is called 'u' now", "tap:t: the interface 'u' is up"}));
  kernel = std::make_unique<PacketSocket>("u");
  AwaitCarrier(rig, *kernel);
  CHECK(rig.Send(TestFrame(60, 2)));
  CHECK(kernel->Receive() == TestFrame(60, 2));
  Run("ip link del dev u");
  CHECK(device.TakeNews() == Lines{"tap:t: the interface 'u' was deleted: it is opened again as soon as it can be"});
  CHECK(device.gone());
  CHECK(rig.Send(TestFrame(60, 3)));
  CHECK_EQ(rig.drops(rig.port->tx(0), Drop::kDown), 2u);
  CHECK(rig.Take().empty());
  Run("ip link add dev t type bridge");
  CHECK_EQ(device.Reopen().err, EINVAL);  // somebody else's
  CHECK(device.gone());
  Run("ip link del dev t");
  CHECK_OK(device.Reopen());
  rig.engine->WatchAnew(rig.port->flow(1));
  CHECK(!device.gone());
  kernel = std::make_unique<PacketSocket>("t");
  AwaitCarrier(rig, *kernel);
  CHECK(rig.Send(TestFrame(60, 4)));
  CHECK(kernel->Receive() == TestFrame(60, 4));
  CHECK_EQ(rig.guest.tx().head, (head + 4) % 64);
  device.Close();
  CHECK(!Exists("t"));
  CHECK(rig.Send(TestFrame(60, 5)));
  CHECK(rig.Take().empty());
}

/// A worker that parks and is woken by the tap; never more on the way than the tap's own queue holds.
void NothingIsLostUnderTraffic(Random& random) {
  for (Policy policy : kPolicies) {
    Rig rig({"tap:t", 1, 1, 32, 16, 0});
    rig.Attach(Served(policy));
    rig.guest.EnableInterrupts();
    PacketSocket kernel("t");
    constexpr uint32_t kFrames = 4000, kWindow = 200;
    std::atomic<uint32_t> received{0};
    std::thread sender([&, r = random.Split()]() mutable {
      for (uint32_t i = 0; i < kFrames; i++) {
        while (i - received.load() >= kWindow) usleep(100);
        // Before the kernel's queues have noticed the carrier, what they get is lost.
        do CHECK(kernel.Send(TestFrame(60 + i % 1400, i)));
        while (i == 0 && (usleep(2000), received.load() == 0));
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
    for (uint32_t i = 0, repeated = 0; i < kFrames;) {
      rig.guest.rx().Await();
      const Bytes frame = rig.guest.rx().Take();
      rig.guest.rx().Publish();
      if (i == 1 && frame == TestFrame(60, 0) && ++repeated < 10'000) continue;
      CHECK(frame == TestFrame(60 + i % 1400, i));
      received = ++i;
    }
    sender.join();
    for (uint32_t i = 0; i < kFrames; i++) CHECK(kernel.Receive() == TestFrame(60 + i % 1400, i));
    from_guest.join();
  }
}

}  // namespace

int main() {
  Random random("tap_port_test");
  LeaveTheMachine();
  TheCarrierFollowsTheClient();
  AFullRingLeavesFramesInTheTap();
  WhatIsWrongIsCounted();
  BadShapes();
  PacketsAreWhereSlotsSay(random);
  FourQueues();
  TheInterfaceComesBack();
  NothingIsLostUnderTraffic(random);
  EveryFrameArrives(random);
}
