// Ports of every kind whose guests write what they like into their CSBs and slots, for the fuzzers.
#pragma once

#include "forward/null_port.h"
#include "forward/pipe.h"
#include "forward/vale.h"
#include "native/test/guest.h"

namespace ptnet::fuzz {

class Hostile {
 public:
  static constexpr uint32_t kSlots = 16;

  Hostile() {
    Check(NullPort::Create(region_, stats_, {"null:n", 2, 2, kSlots, kSlots, 0}, &null_));
    null_->sink(0).set_verify(Payload::kFull);
    null_->source(0).Configure({.packets = SourceConfig::kUnlimited, .size = 60});
    null_->source(1).Configure({.packets = SourceConfig::kUnlimited, .size = 5000, .payload = Payload::kFull});
    Check(PipePair::Create(region_, stats_, {"pipe:p/0", 1, 1, kSlots, kSlots, 0}, "pipe:p/1", &pipe_));
    for (int i = 0; i < 3; i++) {
      Check(ValePort::Create(region_, stats_, {"vale0:" + std::to_string(i), 1, 1, kSlots, kSlots, 0}, switch_,
                             &vale_[i]));
      Attach(*vale_[i]);
    }
    Attach(*null_);
    Attach(pipe_->master());
    Attach(pipe_->slave());
  }

  uint32_t rings() const { return static_cast<uint32_t>(rings_.size()); }

  /// What a guest can write: a word of its CSB entry, a slot, bytes of a buffer.
  void Write(uint32_t ring, uint32_t where, uint64_t value) {
    Kring& k = *rings_[ring].k;
    switch (where % 4) {
      case 0:
        return StoreRelaxed(rings_[ring].csb->head, static_cast<uint32_t>(value));
      case 1:
        return StoreRelaxed(rings_[ring].csb->cur, static_cast<uint32_t>(value));
      case 2:
        return StoreRelaxed(rings_[ring].csb->appl_need_kick, static_cast<uint32_t>(value) & 1);
      default:
        return WriteSlot(k.slots[where / 4 % k.num_slots], std::bit_cast<SlotWord>(value));
    }
  }
  /// A slot as a guest that behaves would leave it: a buffer of the region, a length that fits.
  void WriteGood(uint32_t ring, uint32_t where, uint64_t value) {
    Kring& k = *rings_[ring].k;
    const uint32_t buf = kReservedBufs + static_cast<uint32_t>(value) % (k.num_bufs - kReservedBufs);
    WriteSlot(k.slots[where % k.num_slots], {buf, static_cast<uint16_t>((value >> 32) % (k.buf_size + 1)),
                                             static_cast<uint16_t>(value >> 60 == 0 ? NS_MOREFRAG : 0)});
    memcpy(k.Buf(buf), &value, sizeof value);
  }
  /// Gives the host all that is the guest's, or some of it.
  void Publish(uint32_t ring, uint32_t count) {
    Kring& k = *rings_[ring].k;
    const uint32_t owned = k.Distance(k.hwcur, k.hwtail);
    const uint32_t head = k.Advance(k.hwcur, owned == 0 ? 0 : count % (owned + 1));
    StoreRelaxed(rings_[ring].csb->cur, head);
    StoreRelease(rings_[ring].csb->head, head);
  }
  void Serve(uint32_t ring) {
    Flow* flow = rings_[ring].flow;
    if (flow == nullptr) return;
    flow->Unblock();
    for (int i = 0; i < 4 && flow->Poll(kRoundBudget).moved; i++) {
    }
    if (flow->Arm()) flow->Poll(kRoundBudget);
    const Kring& k = *rings_[ring].k;
    if (k.hwcur >= k.num_slots || k.hwtail >= k.num_slots) abort();
    served++;
  }

  uint64_t served = 0;

 private:
  struct Ring {
    Kring* k;
    CsbAtok* csb;
    Flow* flow;
  };

  static void Check(const Status& status) {
    if (!status.ok()) abort();
  }
  void Attach(Port& port) {
    guests_.push_back(std::make_unique<test::Guest>());
    guests_.back()->Attach(engine_, port);
    for (uint32_t i = 0; i < port.rings(); i++) rings_.push_back({&port.kring(i), port.kring(i).atok, port.flow(i)});
  }

  std::shared_ptr<Region> region_ = test::MakeRegion(1, 1024);
  std::shared_ptr<StatsArea> stats_ = test::MakeStats();
  std::shared_ptr<Engine> engine_ = test::MakeEngine();
  std::shared_ptr<ValeSwitch> switch_ = std::make_shared<ValeSwitch>("vale0", engine_, SwitchOptions{.patience_ns = 0});
  std::shared_ptr<NullPort> null_;
  std::shared_ptr<PipePair> pipe_;
  std::shared_ptr<ValePort> vale_[3];
  std::vector<std::unique_ptr<test::Guest>> guests_;
  std::vector<Ring> rings_;
};

}  // namespace ptnet::fuzz
