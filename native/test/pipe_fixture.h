// A pipe whose two ends are driven by guests of the test.
#pragma once

#include "forward/pipe.h"
#include "guest.h"

namespace ptnet::test {

struct PipeFixture {
  std::shared_ptr<Engine> engine = MakeEngine();
  std::shared_ptr<Region> region = MakeRegion();
  std::shared_ptr<StatsArea> stats = MakeStats();
  std::shared_ptr<PipePair> pair;
  Guest a, b;  // master, slave

  explicit PipeFixture(PortShape shape = {"p{1", 1, 1, 64, 64, 0}) {
    CHECK_OK(PipePair::Create(region, stats, shape, "p}1", &pair));
    AttachA();
    AttachB();
  }
  void AttachA() { a.Attach(engine, pair->master()); }
  void AttachB() { b.Attach(engine, pair->slave()); }
  void Sync() { a.Sync(a.tx()); }
  void Put(uint64_t seq, uint32_t len = 60, uint32_t frags = 1) {
    CHECK(a.tx().Put(Probe(seq, len).data(), len, frags));
  }
  /// Publishes what the sender has put, and serves the pipe.
  void Send() {
    a.tx().Publish();
    Sync();
  }
  void Release() {
    b.rx().Publish();
    b.Sync(b.rx());
  }
  void Expect(uint64_t seq, uint32_t len = 60) { CHECK(b.rx().Take() == Probe(seq, len)); }
  RingCounters& tx() { return *pair->master().tx(0).counters; }
  RingCounters& rx() { return *pair->slave().rx(0).counters; }
  uint64_t drops(Drop cause) { return tx().drops[static_cast<int>(cause)]; }
};

}  // namespace ptnet::test
