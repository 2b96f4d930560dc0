// Observers: each sees every batch that passes its ring while it is there, in order and before the other side does, and
// none is called once it has been removed; a ring without one does not know of them.
#include <algorithm>
#include <thread>

#include "forward/observe.h"
#include "traffic.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

/// Reads what it is shown as a monitor would, and remembers the sequence numbers.
class Watcher final : public RingObserver {
 public:
  void OnBatch(const Kring& k, uint32_t from, uint32_t slots) noexcept override {
    CHECK(!gone);
    for (uint32_t i = from; slots > 0; slots--, i = k.Next(i)) {
      const SlotWord w = ReadSlot(k.slots[i]);
      CHECK(CheckSlot(k, w, k.buf_size) == Drop::kCount);
      const uint32_t n = std::min<uint32_t>(w.len, sizeof header_ - have_);
      memcpy(header_ + have_, k.Buf(w.buf_idx), n);
      have_ += n;
      if (w.flags & NS_MOREFRAG) continue;
      uint64_t seq;
      CHECK_EQ(have_, sizeof header_);
      memcpy(&seq, header_ + 16, sizeof seq);
      CHECK(packets == 0 || seq == last + 1);
      last = seq;
      packets++;
      have_ = 0;
    }
  }

  uint64_t packets = 0, last = 0;
  bool gone = false;

 private:
  uint8_t header_[24];  // the beginning of the packet, up to its sequence number
  uint32_t have_ = 0;
};

void SeesWhatPasses() {
  NullRig rig(MakeEngine(), 16, {.policy = Policy::kInline}, Source(100));
  Watcher tx, rx, second;
  AddObserver(*rig.engine, *rig.port, 0, &tx);
  AddObserver(*rig.engine, *rig.port, 1, &rx);
  for (uint64_t seq = 0; seq < 50; seq++) {
    if (seq == 20) AddObserver(*rig.engine, *rig.port, 0, &second);
    if (seq == 40) {
      RemoveObserver(*rig.engine, *rig.port, 0, &tx);
      tx.gone = true;
    }
    CHECK(rig.guest.tx().Put(Probe(seq).data(), 60));
    rig.guest.tx().Publish();
    rig.guest.Sync(rig.guest.tx());
  }
  CHECK_EQ(tx.packets, 40u);
  CHECK_EQ(second.packets, 30u);
  CHECK_EQ(second.last, 49u);
  RemoveObserver(*rig.engine, *rig.port, 0, &second);
  CHECK(rig.port->tx(0).observers.load() == nullptr);
  Receiver receiver;
  while (receiver.packets < 100) {
    receiver.Take(rig.guest.rx());
    rig.guest.rx().Publish();
    rig.guest.Sync(rig.guest.rx());
  }
  // The first 15 were there before it came.
  CHECK_EQ(rx.packets, 85u);
  CHECK_EQ(rx.last, 99u);
  RemoveObserver(*rig.engine, *rig.port, 1, &rx);
}

/// Both rings of a pipe are watched by observers that come and go while packets pass; one stays all the time.
void ComesAndGoesInTraffic(Random& random) {
  constexpr uint64_t kPackets = 20'000;
  auto engine = MakeEngine(2);
  PipeRig rig(engine, 16, Served(Policy::kAdaptive), Served(Policy::kAdaptive));
  Watcher sent, received;
  AddObserver(*engine, rig.pair->master(), 0, &sent);
  AddObserver(*engine, rig.pair->slave(), 1, &received);
  PipeTraffic traffic(rig, kPackets, random);
  while (!traffic.over()) {
    // On the stack: whoever calls it after its end is found by the sanitizers.
    Watcher guest;
    AddObserver(*engine, rig.pair->master(), 0, &guest);
    RemoveObserver(*engine, rig.pair->master(), 0, &guest);
    guest.gone = true;
  }
  traffic.Join();
  RemoveObserver(*engine, rig.pair->master(), 0, &sent);
  RemoveObserver(*engine, rig.pair->slave(), 1, &received);
  for (Watcher* watcher : {&sent, &received}) {
    CHECK_EQ(watcher->packets, kPackets);
    CHECK_EQ(watcher->last, kPackets - 1);
  }
}

}  // namespace

int main() {
  Random random("observer_test");
  SeesWhatPasses();
  ComesAndGoesInTraffic(random);
}
