// Interfaces of the host on a switch without a VM: two kernels speak TCP and UDP through veths, guests and stations
// behind an interface learn of each other, what is large is cut for who takes no header, several workers send by one
// interface, and one that is deleted in traffic comes back.
#include <linux/ethtool.h>
#include <linux/sockios.h>

#include <algorithm>
#include <functional>

#include "forward/netif_member.h"
#include "packet_socket.h"
#include "two_kernels.h"
#include "vale_net.h"
#include "vnet_frames.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

/// AF_XDP takes rights on the machine, which root of a user namespace has not.
bool may_use_xdp = true;

NetifOptions Options(const std::string& name, NetifAccess access = NetifAccess::kAuto, uint32_t queues = 1) {
  NetifOptions options;
  options.object = "netmap:" + name;
  options.name = name;
  options.queues = queues;
  options.access = access;
  return options;
}

std::shared_ptr<NetifMember> Join(Net& net, const NetifOptions& options, Policy policy = Policy::kAdaptive,
                                  uint32_t worker = 0) {
  std::shared_ptr<NetifMember> member;
  CHECK_OK(NetifMember::Create(net.engine, net.stats, net.sw, options, &member));
  member->Start(policy, 20'000, worker);
  return member;
}

/// A counter that a worker is writing.
uint64_t Now(uint64_t& counter) { return std::atomic_ref<uint64_t>(counter).load(std::memory_order_relaxed); }
uint64_t Now(RingCounters& c, Drop cause) { return Now(c.drops[static_cast<int>(cause)]); }

/// A veth pair `near` here and `far` in the namespace, with an address.
void MakeVeth(const std::string& near, const std::string& netns, const std::string& address, uint32_t mtu = 1500) {
  const std::string m = std::to_string(mtu);
  Run("ip link add name " + near + " mtu " + m + " numrxqueues 1 type veth peer name far mtu " + m +
      " numrxqueues 1 netns " + netns);
  Run("ip link set " + near + " up");
  Within(netns, [&] { Run("ip addr add " + address + "/24 dev far && ip link set far up"); });
  AwaitQueues(near);
}
void RemoveVeth(const std::string& near) { Run("ip link del " + near); }

/// Sees frames that a namespace receives on `far`.
class Watcher {
 public:
  explicit Watcher(const std::string& netns) {
    Within(netns, [this] { socket_ = std::make_unique<PacketSocket>("far"); });
  }
  bool SawLongerThan(size_t bytes) {
    for (Bytes frame = socket_->Receive(0); !frame.empty(); frame = socket_->Receive(0))
      if (frame.size() > bytes) return true;
    return false;
  }

 private:
  std::unique_ptr<PacketSocket> socket_;
};

/// Segments and checksums are left to the interfaces on both ends, and pass through the switch as they are.
void TwoKernelsSpeak() {
  for (const uint32_t mtu : {1500u, 9000u}) {
    MakeVeth("near1", "a", "192.0.2.1", mtu);
    MakeVeth("near2", "b", "192.0.2.2", mtu);
    for (const uint32_t queues : {1u, 4u}) {
      Net net;
      auto a = Join(net, Options("near1", NetifAccess::kAuto, queues), Policy::kAdaptive);
      auto b = Join(net, Options("near2", NetifAccess::kAuto, queues), Policy::kNotify);
      Watcher watcher("b");
      Tcp(8 << 20);
      CHECK(watcher.SawLongerThan(14 + mtu));  // whole, as they were sent
      Datagrams();
      uint64_t from = 0, to = 0;
      for (uint32_t q = 0; q < queues; q++) {
        from += Now(a->from_kernel(q).packets), to += Now(b->to_kernel(q).packets);
        CHECK_EQ(Now(b->to_kernel(q), Drop::kBadLen) + Now(a->from_kernel(q), Drop::kBadVnet), 0u);
      }
      CHECK(from > 0 && to > 0);
    }
    RemoveVeth("near1");
    RemoveVeth("near2");
  }
}

void DoOwnChecksums(const char* interface) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ethtool_value off{.cmd = ETHTOOL_STXCSUM, .data = 0};
  ifreq request{};
  strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&off);
  CHECK(ioctl(fd, SIOCETHTOOL, &request) == 0);
  close(fd);
}

/// Two workers, so that frames are sent by one interface by several threads.
void AcrossWorkers(NetifAccess access) {
  MakeVeth("near1", "a", "192.0.2.1");
  MakeVeth("near2", "b", "192.0.2.2");
  // AF_XDP knows of no checksum that is left to the interface.
  if (access == NetifAccess::kXdp)
    for (const char* netns : {"a", "b"}) Within(netns, [] { DoOwnChecksums("far"); });
  {
    Net net;
    net.engine = MakeEngine(2);
    net.sw = std::make_shared<ValeSwitch>("vale0", net.engine);
    auto a = Join(net, Options("near1", access), Policy::kAdaptive, 0);
    auto b = Join(net, Options("near2", access), Policy::kAdaptive, 1);
    Tcp(4 << 20);
  }
  RemoveVeth("near1");
  RemoveVeth("near2");
}

void SeveralSendersShareAnInterface(NetifAccess access) {
  constexpr uint32_t kStations = 4, kFrames = 3000, kWindow = 100;
  Net net;
  net.engine = MakeEngine(kStations);
  net.sw = std::make_shared<ValeSwitch>("vale0", net.engine);
  for (uint32_t i = 0; i < kStations; i++) net.Add({"", 1, 1, 64, 64, 0}, 2048, false);
  auto member = Join(net, Options("near", access), Policy::kNotify);
  PacketSocket far("far");
  std::atomic<uint32_t> received[kStations] = {};
  std::vector<std::thread> senders;
  for (uint32_t s = 0; s < kStations; s++) {
    Guest& guest = net[s].guest;
    guest.Attach(net.engine, *net[s].port, Served(Policy::kAdaptive, s));
    guest.EnableInterrupts();
    senders.emplace_back([&, s] {
      for (uint32_t i = 0; i < kFrames; i++) {
        while (i - received[s].load() >= kWindow) usleep(100);
        if (net[s].guest.tx().Mine() == 0) net[s].guest.tx().Await();
        const Bytes frame = Frame(77, static_cast<uint8_t>(s + 1), 60 + i % 900, i);
        CHECK(net[s].guest.tx().Put(frame.data(), static_cast<uint32_t>(frame.size())));
        net[s].guest.tx().Publish();
      }
    });
  }
  uint32_t next[kStations] = {};
  for (uint32_t n = 0; n < kStations * kFrames; n++) {
    const Bytes got = far.Receive();
    CHECK(got.size() >= 60);
    const uint32_t s = got[11] - 1u;
    CHECK(s < kStations && got == Frame(77, static_cast<uint8_t>(s + 1), 60 + next[s] % 900, next[s]));
    received[s] = ++next[s];
  }
  for (std::thread& sender : senders) sender.join();
  // Counted when a batch has been given to the kernel.
  Eventually("all counted", [&] { return Now(member->to_kernel(0).packets) == kStations * kFrames; });
}

void GuestsAndStationsLearnOfEachOther(NetifAccess access) {
  Net net;
  net.Add(), net.Add();
  auto member = Join(net, Options("near", access), Policy::kNotify);
  auto other = Join(net, Options("near3"), Policy::kNotify);
  PacketSocket far("far"), far3("far3");
  auto got = [](Station& station, const Bytes& frame) {
    Eventually("a frame", [&] { return !station.Nothing(); });
    return station.Take() == frame;
  };
  CHECK(far.Send(Frame(0xff, 7, 900, 1)));
  CHECK(got(net[0], Frame(0xff, 7, 900, 1)) && got(net[1], Frame(0xff, 7, 900, 1)));
  CHECK(far3.Receive() == Frame(0xff, 7, 900, 1));
  // To that station alone, from a guest whose packets lie in one slot or in several.
  net[0].Send(Frame(7, 1, 60, 2));
  net[0].Send(Frame(7, 1, 1300, 3), 3);
  CHECK(far.Receive() == Frame(7, 1, 60, 2) && far.Receive() == Frame(7, 1, 1300, 3));
  CHECK(far3.Receive(50).empty() && net[1].Nothing());
  CHECK_EQ(Now(member->to_kernel(0).packets), 2u);
  CHECK_EQ(Now(member->to_kernel(0).bytes), 1360u);
  // And the answer comes to that guest alone.
  const uint64_t before = Now(member->from_kernel(0).packets);
  CHECK(far.Send(Frame(1, 7, 1514, 4)));
  CHECK(got(net[0], Frame(1, 7, 1514, 4)) && net[1].Nothing() && far3.Receive(50).empty());
  CHECK_EQ(Now(member->from_kernel(0).packets), before + 1);
  // A frame for somebody who is behind the same interface goes nowhere.
  CHECK(far.Send(Frame(7, 8, 60, 5)));
  Eventually("nowhere", [&] { return Now(member->from_kernel(0), Drop::kNoDestination) == 1; });
  // Down: dropped, and counted; up again: it goes on.
  Run("ip link set dev near down");
  member->device().TakeNews();
  net[0].Send(Frame(7, 1, 60, 6));
  CHECK_EQ(Now(member->to_kernel(0), Drop::kDown), 1u);
  Run("ip link set dev near up");
  Eventually("the interface", [&] {
    member->device().TakeNews();
    net[0].Send(Frame(7, 1, 60, 7));
    return far.Receive(10) == Frame(7, 1, 60, 7);
  });
}

/// What a guest with a virtio-net header leaves to others the interface does; what it leaves to us is done on the way
/// to a guest without one.
void LargePacketsPassWhole() {
  Net net;
  Station &with = net.Add({"", 1, 1, 64, 64, 0}, 2048, false), &without = net.Add({"", 1, 1, 64, 64, 0});
  with.guest.Attach(net.engine, *with.port, {.policy = Policy::kInline, .vnet_hdr_len = 12});
  auto member = Join(net, Options("near"), Policy::kNotify);
  PacketSocket far("far");
  FrameSpec spec;
  spec.payload = Noise(30'000, 1);
  Bytes packet = WithHeader(spec.Header(1400), spec.Build(false));
  std::fill_n(packet.begin() + 12, 6, 0xff);
  with.Send(packet, 16);
  Bytes got;
  while (got.size() < spec.payload.size()) {
    const Bytes frame = far.Receive();
    CHECK(frame.size() > spec.payload_at());
    got.insert(got.end(), frame.begin() + spec.payload_at(), frame.end());
  }
  CHECK(got == spec.payload);
  CHECK_EQ(Now(member->to_kernel(0).packets), 1u);
  std::vector<Bytes> segments = spec.Segments(1400);
  for (Bytes& segment : segments) {
    std::fill_n(segment.begin(), 6, 0xff);
    CHECK(without.Take() == segment);
  }
  packet[1] = 0x40;
  with.Send(packet, 16);
  CHECK_EQ(with.tx_drops(Drop::kBadVnet), 2u);  // once for each who would have got it
}

/// Deleted and made again in traffic: the switch, its stations and their rings go on as they were.
void AnInterfaceIsDeletedInTraffic(NetifAccess access) {
  Net net;
  net.engine = MakeEngine(2);
  net.sw = std::make_shared<ValeSwitch>("vale0", net.engine);
  Station& station = net.Add({"", 1, 1, 64, 64, 0}, 2048, false);
  station.guest.Attach(net.engine, *station.port, Served(Policy::kAdaptive, 1));
  station.guest.EnableInterrupts();
  auto make = [] {
    Run("ip link add name near4 numrxqueues 1 type veth peer name far4 numrxqueues 1");
    Run("ip link set near4 up && ip link set far4 up");
    for (const char* end : {"near4", "far4"}) AwaitQueues(end);
  };
  make();
  auto member = Join(net, Options("near4", access), Policy::kAdaptive, 0);
  std::atomic<bool> over{false};
  std::atomic<uint32_t> seen{0};
  std::thread guest([&] {
    for (uint32_t i = 0; !over; i++) {
      if (station.guest.tx().Mine() == 0) station.guest.tx().Await();
      CHECK(station.guest.tx().Put(Frame(7, 1, 200, i).data(), 200));
      station.guest.tx().Publish();
      while (station.guest.rx().Mine() > 0) {
        const Bytes got = station.guest.rx().Take();
        CHECK(got.size() == 100 && got[11] == 7);
        station.guest.rx().Publish();
        seen++;
      }
      usleep(50);
    }
  });
  for (uint32_t round = 0; round < 5; round++) {
    {
      PacketSocket far("far4");
      const uint32_t before = seen;
      Eventually("frames both ways", [&] {
        CHECK(far.Send(Frame(1, 7, 100, round)));
        return far.Receive(10).size() == 200 && seen > before + 3;
      });
    }
    Run("ip link del near4");
    Eventually("the news", [&] {
      member->device().TakeNews();
      return member->device().gone();
    });
    CHECK(!member->Reopen().ok());
    make();
    CHECK_OK(member->Reopen());
    Eventually("its carrier", [&] {
      member->device().TakeNews();
      return member->device().link().carrier;
    });
  }
  over = true;
  guest.join();
  member->Stop();
  member->device().Close();
  Run("ip link del near4");
}

void AMemberThatLeavesIsGone() {
  Net net;
  net.Add();
  for (uint32_t i = 0; i < 3; i++) {
    auto member = Join(net, Options("near"));
    net[0].Send(Frame(0xff, 1));
    member->Stop();
    net[0].Send(Frame(0xff, 1));
    CHECK_EQ(net[0].tx_drops(Drop::kNoDestination), i + 1u);
    member->device().Close();
  }
  std::shared_ptr<NetifMember> member;
  CHECK_EQ(NetifMember::Create(net.engine, net.stats, net.sw, Options("nowhere"), &member).err, ENODEV);
}

/// While it is held nothing passes: what a loop is broken by.
void AMemberThatIsHeldIsQuiet() {
  Net net;
  net.Add();
  auto member = Join(net, Options("near"), Policy::kNotify);
  PacketSocket far("far");
  member->device().SetCarrier(false);
  net[0].Send(Frame(0xff, 1));
  CHECK_EQ(Now(member->to_kernel(0), Drop::kDown), 1u);
  CHECK(far.Send(Frame(0xff, 7, 60, 1)));
  CHECK(far.Receive(50).empty() && net[0].Nothing());
  member->device().SetCarrier(true);
  net[0].Send(Frame(0xff, 1, 60, 2));
  CHECK(far.Receive() == Frame(0xff, 1, 60, 2));
  CHECK(far.Send(Frame(0xff, 7, 60, 3)));
  Eventually("a frame", [&] { return !net[0].Nothing(); });
  CHECK(net[0].Take() == Frame(0xff, 7, 60, 3));
}

/// With two pairs of its own: what one test leaves under way is not seen by the next.
void OnVeths(const std::function<void()>& test) {
  for (const char* end : {"", "3"}) {
    const std::string near = std::string("near") + end, far = std::string("far") + end;
    Run("ip link add name " + near + " numrxqueues 1 type veth peer name " + far + " numrxqueues 1");
    Run("ip link set " + near + " up && ip link set " + far + " up");
    for (const std::string& name : {near, far}) AwaitQueues(name);
  }
  test();
  for (const char* near : {"near", "near3"}) RemoveVeth(near);
}

std::vector<NetifAccess> Accesses() {
  if (may_use_xdp) return {NetifAccess::kAuto, NetifAccess::kXdp};
  return {NetifAccess::kAuto};
}

}  // namespace

int main() {
  may_use_xdp = geteuid() == 0;
  LeaveTheMachine();
  MakeNetns("a");
  MakeNetns("b");
  for (void (*test)() : {LargePacketsPassWhole, AMemberThatLeavesIsGone, AMemberThatIsHeldIsQuiet}) OnVeths(test);
  for (const NetifAccess access : Accesses()) {
    for (void (*test)(NetifAccess) : {GuestsAndStationsLearnOfEachOther, SeveralSendersShareAnInterface})
      OnVeths([&] { test(access); });
    AnInterfaceIsDeletedInTraffic(access);
    AcrossWorkers(access);
  }
  TwoKernelsSpeak();
}
