// A tap on a switch without a VM: two kernels speak TCP and UDP through it, guests and taps learn of each other, what
// cannot be delivered is counted, and a member that leaves is gone.
#include "forward/tap_member.h"

#include <algorithm>
#include <thread>

#include "packet_socket.h"
#include "traffic.h"
#include "two_kernels.h"
#include "vale_net.h"
#include "vnet_frames.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

os::TapOptions Options(const std::string& name, const std::string& netns = "", uint32_t queues = 1, uint32_t mtu = 0,
                       std::vector<std::string> addresses = {}) {
  return {.object = "tap:" + name,
          .name = name,
          .netns = netns,
          .queues = queues,
          .mtu = mtu,
          .addresses = std::move(addresses)};
}

std::shared_ptr<TapMember> Join(Net& net, const os::TapOptions& options, Policy policy = Policy::kAdaptive,
                                uint32_t worker = 0) {
  std::shared_ptr<TapMember> member;
  CHECK_OK(TapMember::Create(net.engine, net.stats, net.sw, options, &member));
  member->Start(policy, 20'000, worker);
  return member;
}

/// A counter that a worker is writing.
uint64_t Now(uint64_t& counter) { return std::atomic_ref<uint64_t>(counter).load(std::memory_order_relaxed); }
uint64_t Now(RingCounters& c, Drop cause) { return Now(c.drops[static_cast<int>(cause)]); }

void TwoKernelsSpeak() {
  for (uint32_t mtu : {1500u, 9000u}) {
    for (uint32_t queues : {1u, 4u}) {
      Net net;
      auto a = Join(net, Options("lan", "a", queues, mtu, {"192.0.2.1/24"}), Policy::kAdaptive);
      auto b = Join(net, Options("lan", "b", queues, mtu, {"192.0.2.2/24"}), Policy::kNotify);
      Tcp(8 << 20);
      Datagrams();
      uint64_t from = 0, to = 0;
      for (uint32_t q = 0; q < queues; q++) from += Now(a->from_kernel(q).packets), to += Now(b->to_kernel(q).packets);
      CHECK(from > 0 && to > 0);
    }
  }
}

/// Two workers, so that a frame may be delivered to a tap by several threads.
void AcrossWorkers() {
  Net net;
  CHECK_OK(Engine::Create(std::vector<CpuList>(2), &net.engine));
  net.sw = std::make_shared<ValeSwitch>("vale0", net.engine);
  auto a = Join(net, Options("lan", "a", 2, 0, {"192.0.2.1/24"}), Policy::kAdaptive, 0);
  auto b = Join(net, Options("lan", "b", 2, 0, {"192.0.2.2/24"}), Policy::kAdaptive, 1);
  Tcp(8 << 20);
}

void GuestsAndTapsLearnOfEachOther() {
  Net net;
  net.Add(), net.Add();
  auto tap = Join(net, Options("t"), Policy::kNotify);
  auto other = Join(net, Options("o"), Policy::kNotify);
  PacketSocket kernel("t"), kernel2("o");
  auto got = [](Station& station, const Bytes& frame) {
    for (Bytes next;;) {
      Eventually("a frame", [&] { return !station.Nothing(); });
      if ((next = station.Take()) == frame) return true;
      CHECK(next == Frame(0xff, 7, 60, 99));  // from before the carrier was noticed
    }
  };
  // The kernel's queues notice the carrier; then everybody has seen station 7.
  Eventually("a carrier", [&] { return kernel.Send(Frame(0xff, 7, 60, 99)) && !net[0].Nothing(); });
  CHECK(kernel.Send(Frame(0xff, 7, 900, 1)));
  CHECK(got(net[0], Frame(0xff, 7, 900, 1)) && got(net[1], Frame(0xff, 7, 900, 1)));
  for (Bytes f; f != Frame(0xff, 7, 900, 1); f = kernel2.Receive()) continue;
  // To that station alone, from a guest whose packets lie in one slot or in several.
  net[0].Send(Frame(7, 1, 60, 2));
  net[0].Send(Frame(7, 1, 3000, 3), 3);
  CHECK(kernel.Receive() == Frame(7, 1, 60, 2) && kernel.Receive() == Frame(7, 1, 3000, 3));
  CHECK(kernel2.Receive(50).empty() && net[1].Nothing());
  CHECK_EQ(Now(tap->to_kernel(0).packets), 2u);
  CHECK_EQ(Now(tap->to_kernel(0).bytes), 3060u);
  // And the answer comes to that guest alone.
  const uint64_t before = Now(tap->from_kernel(0).packets);
  CHECK(kernel.Send(Frame(1, 7, 1514, 4)));
  CHECK(got(net[0], Frame(1, 7, 1514, 4)) && net[1].Nothing() && kernel2.Receive(50).empty());
  CHECK_EQ(Now(tap->from_kernel(0).packets), before + 1);
  // A frame for somebody who is behind the same tap goes nowhere.
  CHECK(kernel.Send(Frame(7, 8, 60, 5)));
  Eventually("nowhere", [&] { return Now(tap->from_kernel(0), Drop::kNoDestination) == 1; });
  // Down: dropped, and counted; up again: it goes on.
  Run("ip link set dev t down");
  net[0].Send(Frame(7, 1, 60, 6));
  CHECK_EQ(Now(tap->to_kernel(0), Drop::kDown), 1u);
  Run("ip link set dev t up");
  Eventually("the tap", [&] {
    net[0].Send(Frame(7, 1, 60, 7));
    return kernel.Receive(10) == Frame(7, 1, 60, 7);
  });
}

/// What a guest with a virtio-net header has left to others is done before the kernel gets its packets.
void TheKernelGetsNoVnetHeader() {
  Net net;
  Station& station = net.Add({"", 1, 1, 64, 64, 0}, 2048, false);
  station.guest.Attach(net.engine, *station.port, {.policy = Policy::kInline, .vnet_hdr_len = 12});
  auto tap = Join(net, Options("t"), Policy::kNotify);
  PacketSocket kernel("t");
  FrameSpec spec;
  spec.payload = Noise(30'000, 1);
  Bytes packet = WithHeader(spec.Header(1400), spec.Build(false));
  std::vector<Bytes> segments = spec.Segments(1400);
  const Bytes plain = Frame(0xff, 1, 900);
  auto to_everybody = [](Bytes& frame, size_t at) { std::fill_n(frame.begin() + static_cast<long>(at), 6, 0xff); };
  to_everybody(packet, 12);
  for (Bytes& segment : segments) to_everybody(segment, 0);
  station.Send(packet, 16);
  station.Send(WithHeader({}, plain));
  for (const Bytes& segment : segments) CHECK(kernel.Receive() == segment);
  CHECK(kernel.Receive() == plain);
  CHECK_EQ(Now(tap->to_kernel(0).packets), segments.size() + 1);
  packet[1] = 0x40;
  station.Send(packet, 16);
  CHECK_EQ(station.tx_drops(Drop::kBadVnet), 1u);
  CHECK(kernel.Receive(50).empty());
}

void AFloodGoesOnWhereItsBudgetEnded() {
  Net net;
  net.Add({"", 1, 1, 512, 64, 0});
  std::vector<std::shared_ptr<TapMember>> taps;
  std::vector<std::unique_ptr<PacketSocket>> kernels;
  for (int i = 0; i < 8; i++) {
    taps.push_back(Join(net, Options("t" + std::to_string(i))));
    kernels.push_back(std::make_unique<PacketSocket>("t" + std::to_string(i)));
  }
  for (uint32_t i = 0; i < 400; i++) CHECK(net[0].guest.tx().Put(Frame(0xff, 1, 200, i).data(), 200));
  net[0].guest.tx().Publish();
  for (int syncs = 0; !net[0].guest.tx().Drained(); syncs++) {
    CHECK(syncs < 10);
    net[0].guest.Sync(net[0].guest.tx());
  }
  for (auto& kernel : kernels)
    for (uint32_t i = 0; i < 400; i++) CHECK(kernel->Receive() == Frame(0xff, 1, 200, i));
}

void AMemberThatLeavesIsGone() {
  Net net;
  net.Add();
  for (int i = 0; i < 3; i++) {
    auto tap = Join(net, Options("t"));
    CHECK(Exists("t"));
    net[0].Send(Frame(0xff, 1));
    tap->Stop();
    net[0].Send(Frame(0xff, 1));
    CHECK_EQ(net[0].tx_drops(Drop::kNoDestination), i + 1u);
    tap->device().Close();
    CHECK(!Exists("t"));
  }
  std::shared_ptr<TapMember> member;
  CHECK_EQ(TapMember::Create(net.engine, net.stats, net.sw, Options("a/b"), &member).err, EINVAL);
}

}  // namespace

int main() {
  LeaveTheMachine();
  MakeNetns("a");
  MakeNetns("b");
  GuestsAndTapsLearnOfEachOther();
  TheKernelGetsNoVnetHeader();
  AFloodGoesOnWhereItsBudgetEnded();
  AMemberThatLeavesIsGone();
  TwoKernelsSpeak();
  AcrossWorkers();
}
