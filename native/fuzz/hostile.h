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
  static constexpr uint32_t kBufs = 1024;

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
    test::GuestRing& r = *rings_[ring].guest;
    const auto word = static_cast<uint32_t>(value);
    switch (where % 4) {
      case 0:
        return r.WriteHead(word);
      case 1:
        return r.WriteCur(word);
      case 2:
        return r.AskForInterrupt(word & 1);
      default:
        return r.WriteSlot(where / 4 % r.num_slots, word, static_cast<uint16_t>(value >> 32),
                           static_cast<uint16_t>(value >> 48));
    }
  }
  /// A slot as a guest that behaves would leave it: a buffer of the region, a length that fits.
  void WriteGood(uint32_t ring, uint32_t where, uint64_t value) {
    test::GuestRing& r = *rings_[ring].guest;
    const uint32_t buf = 2 + static_cast<uint32_t>(value) % (kBufs - 2);  // the first two are nobody's
    r.WriteSlot(where % r.num_slots, buf, static_cast<uint16_t>((value >> 32) % (r.buf_size + 1)),
                value >> 60 == 0 ? guest::NS_MOREFRAG : 0);
    memcpy(r.Buffer(buf), &value, sizeof value);
  }
  /// Gives the host all that is the guest's, or some of it.
  void Publish(uint32_t ring, uint32_t count) {
    test::GuestRing& r = *rings_[ring].guest;
    r.Refresh();
    const uint32_t owned = r.Distance(r.hwcur, r.tail);
    r.head = r.Advance(r.hwcur, count % (owned + 1));
    r.Publish();
  }
  void Serve(uint32_t ring) {
    Flow* flow = rings_[ring].flow;
    if (flow == nullptr) return;
    flow->Unblock();
    for (int i = 0; i < 4 && flow->Poll(kRoundBudget).moved; i++) {
    }
    if (flow->Arm()) flow->Poll(kRoundBudget);
    test::GuestRing& r = *rings_[ring].guest;
    r.Refresh();
    if (r.bad_index) abort();
    served++;
  }

  uint64_t served = 0;

 private:
  struct Ring {
    test::GuestRing* guest;
    Flow* flow;
  };

  static void Check(const Status& status) {
    if (!status.ok()) abort();
  }
  void Attach(Port& port) {
    guests_.push_back(std::make_unique<test::Guest>());
    guests_.back()->Attach(engine_, port);
    for (test::GuestRing& ring : guests_.back()->rings) rings_.push_back({&ring, port.flow(ring.index)});
  }

  std::shared_ptr<Region> region_ = test::MakeRegion(1, kBufs);
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
