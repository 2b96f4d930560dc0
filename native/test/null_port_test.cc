// The null port: what is sent arrives at the sink once and checked, the source keeps count, size and pace, and a guest
// that writes rubbish is counted and parked.
#include "forward/null_port.h"

#include <errno.h>

#include "datapath/clock.h"
#include "guest.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

struct Fixture {
  std::shared_ptr<Engine> engine = MakeEngine();
  std::shared_ptr<Region> region = MakeRegion();
  std::shared_ptr<StatsArea> stats = MakeStats();
  std::shared_ptr<NullPort> port;
  Guest guest;

  explicit Fixture(PortShape shape = {"null:t", 1, 1, 64, 64, 0}) {
    CHECK_OK(NullPort::Create(region, stats, shape, &port));
    port->sink(0).set_verify(Payload::kFull);
    guest.Attach(engine, *port);
  }
  RingCounters& tx() { return *port->tx(0).counters; }
  RingCounters& rx() { return *port->rx(0).counters; }
  uint64_t drops(Drop cause) { return tx().drops[static_cast<int>(cause)]; }
};

void SinkSeesEveryPacketOnce() {
  Fixture f;
  uint64_t seq = 0;
  for (int round = 0; round < 200; round++) {
    uint32_t frags = 1 + static_cast<uint32_t>(round) % 5;
    while (f.guest.tx().Put(Probe(seq, 61 + static_cast<uint32_t>(seq % 200)).data(),
                            61 + static_cast<uint32_t>(seq % 200), frags))
      seq++;
    f.guest.tx().Publish();
    f.guest.Sync(f.guest.tx());
  }
  CHECK_EQ(f.tx().packets, seq);
  CHECK_EQ(f.tx().lost + f.tx().late + f.tx().corrupt, 0u);
}

void SinkFindsLossDuplicatesAndCorruption() {
  Fixture f;
  for (uint64_t seq : {0, 1, 3, 4, 4, 5}) CHECK(f.guest.tx().Put(Probe(seq).data(), 60));
  auto bad = Probe(6);
  bad[59] ^= 1;
  CHECK(f.guest.tx().Put(bad.data(), 60));
  f.guest.tx().Publish();
  f.guest.Sync(f.guest.tx());
  CHECK_EQ(f.tx().lost, 1u);
  CHECK_EQ(f.tx().late, 1u);
  CHECK_EQ(f.tx().corrupt, 1u);
}

void BadSlotsAreDroppedByCause() {
  Fixture f;
  auto put = [&](uint32_t seq) {
    CHECK(f.guest.tx().Put(Probe(seq).data(), 60));
    return f.guest.tx().Prev(f.guest.tx().head);
  };
  uint32_t i = put(0), good_buf = f.guest.tx().slot(i).buf_idx;
  f.guest.tx().slot(i).buf_idx = UINT32_MAX;
  i = put(0);
  f.guest.tx().slot(i).buf_idx = 1;
  i = put(0);
  f.guest.tx().slot(i).len = 2049;
  i = put(0);
  f.guest.tx().slot(i).flags = guest::NS_INDIRECT;
  f.guest.tx().slot(i).ptr = 0x41414141;
  put(0);
  f.guest.tx().Publish();
  f.guest.Sync(f.guest.tx());
  CHECK_EQ(f.drops(Drop::kBadBuf), 2u);
  CHECK_EQ(f.drops(Drop::kBadLen), 1u);
  CHECK_EQ(f.drops(Drop::kBadFlags), 1u);
  CHECK_EQ(f.tx().packets, 1u);
  CHECK(good_buf >= kReservedBufs);
}

void EndlessFragmentsAreDropped() {
  Fixture f({"null:t", 1, 1, 256, 64, 0});
  for (int i = 0; i < 100; i++) {
    f.guest.tx().Put(Probe(0).data(), 60);
    f.guest.tx().LastPut().flags = guest::NS_MOREFRAG;
  }
  f.guest.tx().Publish();
  f.guest.Sync(f.guest.tx());
  CHECK_EQ(f.tx().packets, 0u);
  CHECK_EQ(f.drops(Drop::kBadFrags), 0u);  // its end may still come
  f.guest.tx().Put(Probe(0).data(), 60);
  f.guest.tx().Publish();
  f.guest.Sync(f.guest.tx());
  CHECK_EQ(f.drops(Drop::kBadFrags), 1u);
  CHECK_EQ(f.port->tx(0).hwcur, 101u);
  // A ring full of fragments without an end cannot get one.
  while (f.guest.tx().Put(Probe(0).data(), 60)) f.guest.tx().LastPut().flags = guest::NS_MOREFRAG;
  f.guest.tx().Publish();
  f.guest.Sync(f.guest.tx());
  CHECK_EQ(f.drops(Drop::kBadFrags), 2u);
}

void BadIndicesParkTheRingUntilTheNextKick() {
  Fixture f;
  for (auto [head, cur] : {std::pair{64u, 0u}, {UINT32_MAX, UINT32_MAX}, {63u + 1, 63u + 1}, {3u, 64u}}) {
    uint64_t before = f.tx().bad_index;
    f.guest.tx().WriteCur(cur);
    f.guest.tx().WriteHead(head);
    f.guest.Sync(f.guest.tx());
    CHECK_EQ(f.tx().bad_index, before + 1);
    CHECK(f.guest.tx().HostWantsKick());
    CHECK_EQ(f.port->tx(0).hwcur, 0u);
  }
  f.guest.tx().WriteCur(0);
  f.guest.tx().WriteHead(0);
  CHECK(f.guest.tx().Put(Probe(0).data(), 60));
  f.guest.tx().Publish();
  f.guest.Sync(f.guest.tx());
  CHECK_EQ(f.tx().packets, 1u);
}

void RingHeadersAreNeverReadBack() {
  Fixture f;
  memset(static_cast<void*>(f.guest.tx().header()), 0xff, sizeof(guest::netmap_ring));
  memset(f.region->base() + f.port->nifp_ofs(), 0xff, 128);
  CHECK(f.guest.tx().Put(Probe(0).data(), 60));
  f.guest.tx().Publish();
  f.guest.Sync(f.guest.tx());
  CHECK_EQ(f.tx().packets, 1u);
  CHECK_EQ(f.tx().corrupt, 0u);
}

void SourceSendsWhatItWasTold() {
  Fixture f({"null:t", 1, 1, 64, 64, 0});
  for (uint32_t size : {32u, 60u, 2048u, 2049u, 9000u}) {
    SourceConfig c;
    c.packets = 1000;
    c.size = size;
    c.payload = Payload::kFull;
    c.stream = 9;
    CHECK_OK(f.port->CheckSource(c));
    f.port->source(0).Configure(c);
    uint64_t seen = 0;
    for (int idle = 0; idle < 2; idle++) {
      f.guest.Sync(f.guest.rx());
      for (;;) {
        auto packet = f.guest.rx().Take();
        if (packet.empty()) break;
        idle = 0;
        CHECK_EQ(packet.size(), size);
        auto want = Probe(seen++, size, 9);
        CHECK(memcmp(packet.data() + 12, want.data() + 12, size - 12) == 0);
      }
      f.guest.rx().Publish();
    }
    CHECK_EQ(seen, 1000u);
  }
  SourceConfig bad;
  bad.size = 31;
  CHECK_EQ(f.port->CheckSource(bad).err, EINVAL);
  bad.size = 65535;
  bad.stream = 256;
  CHECK_EQ(f.port->CheckSource(bad).err, EINVAL);
}

void EveryBufferIsWrittenOnce() {
  Fixture f;
  f.guest.Detach();
  SourceConfig config;
  config.packets = 126;
  config.payload = Payload::kNone;
  f.port->source(0).Configure(config);
  guest::netmap_slot& slot = f.guest.rx().slot(5);
  const uint32_t good = slot.buf_idx;
  slot.buf_idx = 0;
  f.guest.Attach(f.engine, *f.port);
  uint32_t got = 0;
  for (int i = 0; i < 20; i++) {
    for (auto packet = f.guest.rx().Take(); !packet.empty(); packet = f.guest.rx().Take(), got++) {
      CHECK_EQ(guest::Get<uint16_t>(packet.data() + guest::kEthertypeAt), guest::kEthertypeBytes);
    }
    f.guest.rx().Publish();
    slot.buf_idx = good;  // mended after the first time
    f.guest.Sync(f.guest.rx());
  }
  CHECK_EQ(got, 126u);
}

void PaceBeginsWithTheAttachment() {
  constexpr uint64_t kRate = 1000;
  Fixture f;
  SourceConfig config;
  config.packets = 1000;
  config.rate = kRate;
  f.guest.Detach();
  f.port->source(0).Configure(config);
  usleep(60'000);  // 60 packets that nobody was there for
  const uint64_t start = NowNs();
  f.guest.Attach(f.engine, *f.port);
  f.guest.Sync(f.guest.rx());
  const uint64_t most = (NowNs() - start) * kRate / 1'000'000'000 + 1;
  CHECK(f.rx().packets <= most);
}

void SourceStopsAtABadBuffer() {
  Fixture f;
  SourceConfig c;
  c.packets = 100;
  f.port->source(0).Configure(c);
  f.guest.rx().slot(10).buf_idx = 0;
  f.guest.Sync(f.guest.rx());
  CHECK_EQ(f.rx().packets, 10u);
  CHECK_EQ(f.rx().drops[static_cast<int>(Drop::kBadBuf)], 1u);
  f.guest.rx().slot(10).buf_idx = 5;
  f.guest.Sync(f.guest.rx());
  CHECK_EQ(f.rx().packets, 63u);
}

}  // namespace

int main() {
  SinkSeesEveryPacketOnce();
  SinkFindsLossDuplicatesAndCorruption();
  BadSlotsAreDroppedByCause();
  EndlessFragmentsAreDropped();
  BadIndicesParkTheRingUntilTheNextKick();
  RingHeadersAreNeverReadBack();
  SourceSendsWhatItWasTold();
  EveryBufferIsWrittenOnce();
  PaceBeginsWithTheAttachment();
  SourceStopsAtABadBuffer();
}
