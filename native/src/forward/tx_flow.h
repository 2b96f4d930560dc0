// The tx side that flows have in common: when there is work, and how kicks are enabled before a flow is parked.
#pragma once

#include "datapath/flow.h"
#include "ring/tx_reader.h"

namespace ptnet {

class TxFlow : public Flow {
 public:
  explicit TxFlow(Kring& k) : k_(k) {}
  bool Arm() noexcept override;
  void Disarm() noexcept override { k_.DisableKicks(); }
  void Unblock() noexcept override { k_.Unblock(); }

 protected:
  /// A whole packet: the beginning of one is not work, its end comes with a kick.
  virtual bool HasWork() noexcept;

  Kring& k_;
  Packet packet_;  // the one that is being looked at: too large for a stack
};

}  // namespace ptnet
