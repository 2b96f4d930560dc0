// What a member without a guest's rings sends: batches that come from wherever its packets come from, through the
// switch.
#pragma once

#include <memory>

#include "datapath/flow.h"
#include "forward/switch_batch.h"

namespace ptnet {

/// Fills a batch, looks the destinations up and delivers to each of them once; when the budget ends before that, the
/// next poll goes on with the same batch.
class MemberFlow : public Flow {
 public:
  /// `lane`: what comes by one stays in order; `counters` are of what is sent.
  MemberFlow(ValeSwitch& sw, const SwitchMember& from, uint32_t lane, RingCounters& counters)
      : switch_(sw), from_(from), lane_(lane), counters_(counters), batch_(std::make_unique<SwitchBatch>()) {}
  virtual ~MemberFlow() = default;
  Used Poll(const Budget& budget) noexcept override;
  bool Arm() noexcept override { return batch_open_; }
  void Disarm() noexcept override {}
  void EndTx() noexcept override;
  void Settle() noexcept override;

 protected:
  /// Adds to an empty batch what there is, as far as the budget goes; counts what it drops. The memory stays as it is
  /// until the next call. For packets with a virtio-net header the batch is cleared for that first. @return what it
  /// cost, in bytes of a budget.
  virtual uint64_t Fill(SwitchBatch* batch, const Budget& budget) noexcept = 0;

  RingCounters& counters() const { return counters_; }

 private:
  ValeSwitch& switch_;
  const SwitchMember& from_;
  const uint32_t lane_;
  RingCounters& counters_;
  std::unique_ptr<SwitchBatch> batch_;
  bool batch_open_ = false;  // it is not delivered as a whole yet
};

}  // namespace ptnet
