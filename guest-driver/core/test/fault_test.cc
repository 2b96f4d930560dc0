// What a receiver finds when packets are lost, doubled or damaged, and what a loop does with a host that breaks the
// rules.
#include "../application_view.h"
#include "harness.h"

namespace ptnet::guest::test {
namespace {

constexpr uint64_t kCount = 5000;

TEST(loss, "every 100th packet dropped: exactly those are lost") {
  FakeHost host({});
  host.fate = [](uint64_t packet) { return packet % 100 == 50 ? Fate::kDrop : Fate::kPass; };
  const Both both = SendAndReceive(host, ConfigFor(host, Op::kSend, Payload::kFull, kCount),
                                   ConfigFor(host, Op::kReceive, Payload::kFull, kCount - 50));
  CHECK_EQ(both.received.lost, 50);
  CHECK_EQ(both.received.late, 0);
  CHECK_EQ(both.received.corrupt, 0);
}

TEST(duplicates, "every 100th packet doubled: the second ones are late") {
  FakeHost host({});
  host.fate = [](uint64_t packet) { return packet % 100 == 50 ? Fate::kTwice : Fate::kPass; };
  const Both both = SendAndReceive(host, ConfigFor(host, Op::kSend, Payload::kFull, kCount),
                                   ConfigFor(host, Op::kReceive, Payload::kFull, kCount + 50));
  CHECK_EQ(both.received.late, 50);
  CHECK_EQ(both.received.lost, 0);
  CHECK_EQ(both.received.corrupt, 0);
}

/// Sends packets of which every 500th has one byte set to another value.
LoopResult Damage(uint32_t offset, Payload payload) {
  FakeHost host({});
  host.tamper = [offset](uint64_t packet, uint8_t* buffer) {
    if (packet % 500 == 499) buffer[offset] = static_cast<uint8_t>(packet / 500 + 0xa0);
  };
  LoopConfig send = ConfigFor(host, Op::kSend, payload, kCount);
  send.size = 77;
  return SendAndReceive(host, send, ConfigFor(host, Op::kReceive, payload, kCount)).received;
}

TEST(corruption, "a damaged byte anywhere but in the addresses is corruption, and the packet then missing") {
  for (const uint32_t offset : {12u, 15u, 23u, 28u, 32u, 70u, 76u}) {
    const LoopResult result = Damage(offset, Payload::kFull);
    CHECK_EQ(result.corrupt, 10);
    CHECK_EQ(result.lost, 9);  // a missing packet shows when the next one arrives; the last has none after it
  }
}

TEST(stamp_only, "the stamp covers the header's fields and not the payload") {
  CHECK_EQ(Damage(20, Payload::kStamp).corrupt, 10);
  CHECK_EQ(Damage(40, Payload::kStamp).corrupt, 0);
}

TEST(wrong_length, "a packet cut short, too short for a probe, or longer than its buffer is corrupt") {
  FakeHost host({});
  LoopConfig receive = ConfigFor(host, Op::kReceive, Payload::kFull, 4);
  netmap_slot* slots = receive.rx[0].slots;
  const ProbeHeader header = MakeHeader(receive.dst, receive.src, 0);
  for (uint32_t i = 0; i < 4; ++i) {
    uint8_t* packet = receive.rx[0].Buffer(slots[i].buf_idx);
    std::memcpy(packet, header.data(), header.size());
    WriteStamp(packet, i, 0, 64);
    WritePayload(packet, i, 0, 64);
    slots[i].len = 64;
  }
  slots[1].len = 63;
  slots[2].len = 20;
  slots[3].len = 3000;
  Store(host.hg(1).hwtail, 4, std::memory_order_release);
  const LoopResult result = RunLoop(host, receive);
  CHECK_EQ(result.corrupt, 3);
  CHECK_EQ(result.received.packets, 4);
}

TEST(stream_range, "a stream above 255 is corrupt") {
  FakeHost host({});
  LoopConfig send = ConfigFor(host, Op::kSend, Payload::kStamp, 10);
  send.stream = 256;
  const Both both = SendAndReceive(host, send, ConfigFor(host, Op::kReceive, Payload::kStamp, 10));
  CHECK_EQ(both.received.corrupt, 10);
}

TEST(bad_rx_buffer, "a buffer index outside the region is corrupt on receive and never followed") {
  FakeHost host({});
  LoopConfig receive = ConfigFor(host, Op::kReceive, Payload::kFull, 1);
  receive.rx[0].slots[0] = {0x7fffffff, 60, 0, 0};
  Store(host.hg(1).hwtail, 1, std::memory_order_release);
  CHECK_EQ(RunLoop(host, receive).corrupt, 1);
}

TEST(bad_tx_buffer, "a sender given a buffer outside the region ends with an error and publishes nothing after it") {
  FakeHost host({});
  LoopConfig send = ConfigFor(host, Op::kSend, Payload::kStamp, 30);
  send.tx[0].slots[5].buf_idx = 0x7fffffff;
  const LoopResult result = RunLoop(host, send);
  CHECK(result.stopped == Stopped::kError);
  CHECK(result.error.find("buf_idx 2147483647") != std::string::npos);
  CHECK_EQ(host.gh(0).head, 5);
}

TEST(bad_index, "a host index outside the ring ends the loop with an error") {
  for (const Op op : {Op::kSend, Op::kReceive, Op::kEcho}) {
    FakeHost host({});
    LoopConfig config = ConfigFor(host, op, Payload::kStamp, 1000);
    const uint32_t index = op == Op::kSend ? 0 : 1;
    Store(host.hg(index).hwtail, 64, std::memory_order_release);
    const LoopResult result = RunLoop(host, config);
    CHECK(result.stopped == Stopped::kError);
    CHECK(result.error.find("index that is not below num_slots 64") != std::string::npos);
  }
}

TEST(bad_layout, "rings that are not where the port says are refused with a reason") {
  const auto error_after = [](void (*change)(FakeHost&, PortLayout&)) {
    FakeHost host({.rings = 2});
    PortLayout layout = host.layout();
    change(host, layout);
    Port port;
    return OpenPort(layout, port);
  };
  const auto mentions = [&](void (*change)(FakeHost&, PortLayout&), const char* text) {
    const std::string error = error_after(change);
    if (error.find(text) == std::string::npos) std::cerr << "got: " << error << "\n";
    CHECK(error.find(text) != std::string::npos);
  };
  mentions([](FakeHost&, PortLayout& at) { at.nifp_ofs = at.region.size - 8; }, "nifpOfs");
  mentions([](FakeHost&, PortLayout& at) { at.num_tx_rings = 3; }, "the device says 3 and 2");
  mentions([](FakeHost&, PortLayout& at) { at.region.size = 64; }, "ring_ofs reaches beyond");
  mentions([](FakeHost& host, PortLayout&) { host.ring_header(0).num_slots = 1u << 30; }, "do not fit the region");
  mentions([](FakeHost& host, PortLayout&) { host.ring_header(3).buf_ofs = -1; }, "rx ring 1: buf_ofs -1");
  mentions([](FakeHost& host, PortLayout&) { host.ring_header(1).buf_size = 0; }, "buf_size 0");
  mentions([](FakeHost& host, PortLayout&) { host.gh(0).head = 64; }, "was CREATE done?");
  mentions([](FakeHost& host, PortLayout&) { host.hg(3).hwtail = 64; }, "rx ring 1: the CSB");
  CHECK_EQ(error_after([](FakeHost&, PortLayout&) {}), "");
}

TEST(application_view,
     "an application uses every ring with an offset, and what it puts into one that nobody serves stays there") {
  FakeHost host({.tx_slots = 64});
  host.Start();
  ApplicationView none;
  CHECK_EQ(OpenApplicationView(host.layout(), none), "");
  CHECK(none.host_rings == 0 && none.port.tx.size() == 1 && none.port.rx.size() == 1);
  // ring_ofs: NIC tx, host tx, NIC rx, host rx. The host tx ring's place leads to a ring all the same.
  PortLayout layout = host.layout();
  int64_t* ring_ofs = reinterpret_cast<int64_t*>(layout.region.base + layout.nifp_ofs + sizeof(netmap_if));
  ring_ofs[1] = ring_ofs[0];
  host.ring_header(0).tail = 63;
  ApplicationView one;
  CHECK_EQ(OpenApplicationView(layout, one), "");
  CHECK(one.host_rings == 1 && one.port.tx.size() == 2 && one.port.rx.size() == 1);
  Ring& unserved = one.port.tx[1];
  CHECK_EQ(unserved.Available(), 63u);
  unserved.head = 1;
  unserved.Publish();
  CHECK(!unserved.HostWantsKick());
  unserved.Refresh();
  CHECK_EQ(unserved.Pending(), 1u);
  ring_ofs[1] = -8;
  ApplicationView bad;
  CHECK(OpenApplicationView(layout, bad).find("host tx ring 0") == 0);
  host.Stop();
}

TEST(bad_config, "a configuration that cannot run is refused with what would be right") {
  const auto error_after = [](void (*change)(LoopConfig&)) {
    FakeHost host({});
    LoopConfig config = ConfigFor(host, Op::kDuplex, Payload::kStamp, 1);
    change(config);
    return Check(config);
  };
  CHECK_EQ(error_after([](LoopConfig&) {}), "");
  CHECK_EQ(error_after([](LoopConfig& c) { c.size = 31; }), "size 31: must be 32 to 65535");
  CHECK_EQ(error_after([](LoopConfig& c) { c.frags = 65; }), "frags 65: must be 1 to 64");
  CHECK_EQ(error_after([](LoopConfig& c) { c.frags = 0; }), "frags 0: must be 1 to 64");
  CHECK_EQ(error_after([](LoopConfig& c) { c.burst = 0; }), "burst 0: must be 1 to 65536");
  CHECK(error_after([](LoopConfig& c) { c.size = 2049; }).find("add fragments") != std::string::npos);
  CHECK(error_after([](LoopConfig& c) { c.frags = 64; }).find("more than the packet's 60") != std::string::npos);
  CHECK(error_after([](LoopConfig& c) { c.frags = 64, c.size = 64; }).find("ring of 64") != std::string::npos);
  CHECK(error_after([](LoopConfig& c) { c.tx.clear(); }).find("txRings") != std::string::npos);
  CHECK(error_after([](LoopConfig& c) { c.rx.clear(); }).find("rxRings") != std::string::npos);
}

TEST(mix, "the probe functions give the values written down in the contract's formulas") {
  CHECK_EQ(Mix(0), 0u);
  CHECK_EQ(Mix(1), 0x9E3779B97F4A7C15u ^ 0x9E3779B9u);
  CHECK_EQ(CheckOf(5, 2, 60), Mix(5ull ^ (2ull << 48) ^ (60ull << 32)));
  uint8_t packet[43] = {};
  WritePayload(packet, 9, 3, 43);
  const uint64_t first = Mix(9 + 32 + (3ull << 40));
  const uint64_t second = Mix(9 + 40 + (3ull << 40));
  CHECK_EQ(Get<uint64_t>(packet + 32), first);
  CHECK(packet[40] == (second & 0xff) && packet[42] == ((second >> 16) & 0xff));
}

}  // namespace
}  // namespace ptnet::guest::test

int main(int argc, char** argv) { return ptnet::guest::test::RunAll(argc, argv); }
