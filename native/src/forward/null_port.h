// The null port: what a guest sends is counted (and checked, when asked), what it receives comes from a source that
// can be told what to send. The stand-in for "the host".
#pragma once

#include <memory>
#include <vector>

#include "forward/port.h"
#include "forward/probe.h"
#include "forward/tx_flow.h"
#include "ring/packet.h"

namespace ptnet {

/// What a null port's rx rings bring. Ring r sends stream `stream + r`.
struct SourceConfig {
  uint64_t packets = 0;  // of each ring; kUnlimited for ever
  uint32_t size = 60;    // bytes; 32 to 65535
  Payload payload = Payload::kNone;
  uint64_t rate = 0;  // packets/s of each ring; 0 as fast as there is room
  uint16_t stream = 0;
  uint8_t dst[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  uint8_t src[6] = {0x02, 0, 0, 0, 0, 0};

  static constexpr uint64_t kUnlimited = UINT64_MAX;
};

/// Consumes a tx ring.
class SinkFlow final : public TxFlow {
 public:
  using TxFlow::TxFlow;
  Used Poll(const Budget& budget) noexcept override;
  /// kNone counts, kStamp checks sequence numbers, kFull all bytes. Starts every stream at 0 again.
  void set_verify(Payload level);

 private:
  struct Consumed {
    uint64_t packets = 0, bytes = 0;
    uint64_t checked = 0;  // bytes that were read
    probe::Tracker::Tally tally;
    HeldDrops drops;
  };
  template <Payload level>
  uint32_t Consume(uint32_t head, const Budget& budget, Consumed* consumed) noexcept;
  const Packet& WithoutVnetHdr() noexcept;
  void Verify(const Packet& p, Payload level, probe::Tracker::Tally* tally) noexcept;

  Payload verify_ = Payload::kNone;
  std::unique_ptr<probe::Tracker> tracker_;
};

/// Fills an rx ring.
class SourceFlow final : public Flow {
 public:
  /// `adopted`: the record of what was sent stays another process's until GoOn().
  SourceFlow(Kring& k, bool adopted) : k_(k), adopted_(adopted) {}
  Used Poll(const Budget& budget) noexcept override;
  bool Arm() noexcept override;
  void Disarm() noexcept override;
  void Unblock() noexcept override { k_.Unblock(); }
  void EndRx() noexcept override;
  uint64_t Due() const noexcept override;
  void Configure(const SourceConfig& config);
  /// Of each ring, since Configure().
  uint64_t sent() const { return sent_; }
  /// After Configure(), before anybody serves it: so many have been sent.
  void GoOn(uint64_t sent) {
    paced_from_ = sent_ = sent;
    adopted_ = false;
  }

 private:
  /// The headers of a probe packet are written in one piece.
  uint32_t SlotsFor(uint32_t len) const {
    return k_.room >= k_.vnet_hdr_len + probe::kHeaderLen ? k_.SlotsFor(len) : UINT32_MAX;
  }
  bool Exhausted() const { return sent_ >= config_.packets; }
  uint32_t Space() const { return k_.FreeSlots(k_.hwtail); }
  void StartPace() noexcept;
  void HeedOffsets() noexcept;
  bool TakeReleased() noexcept;
  bool HasRoom() noexcept;
  uint64_t Allowance() noexcept;
  void RecordSent() noexcept { std::atomic_ref(k_.counters->sent).store(sent_, std::memory_order_relaxed); }
  bool Produce(uint32_t space, const Budget& budget, uint32_t* written) noexcept;
  uint32_t CountReady(uint32_t i, uint64_t most) const noexcept;
  bool MakeUntouched(uint64_t count) noexcept;
  template <Payload level>
  bool MakeRun(uint64_t count) noexcept;
  bool MakeSlots() noexcept;
  template <Payload level>
  void Write(uint8_t* to, uint64_t seq, uint32_t offset, uint32_t n) noexcept;

  Kring& k_;
  SourceConfig config_;
  probe::Header header_{};
  uint64_t sent_ = 0;
  bool adopted_;
  uint32_t slots_per_packet_ = 1;
  bool by_slot_ = false;  // packets of several slots, behind a header, or with offsets
  uint64_t prefilled_ = 0;
  uint32_t prefilled_hdr_ = 0;  // bytes of virtio-net header before what was filled in
  uint64_t started_ns_ = 0;     // 0 before the first poll of an attachment
  uint64_t paced_from_ = 0;     // packets sent before
  double packets_per_ns_ = 0;
};

class NullPort final : public Port, public std::enable_shared_from_this<NullPort> {
 public:
  static Status Create(std::shared_ptr<Region> region, std::shared_ptr<StatsArea> stats, const PortShape& shape,
                       std::shared_ptr<NullPort>* out);
  Flow* flow(uint32_t i) override;
  std::shared_ptr<void> Anchor() override { return shared_from_this(); }
  SinkFlow& sink(uint32_t i) { return *sinks_[i]; }
  SourceFlow& source(uint32_t i) { return *sources_[i]; }
  /// EINVAL, naming what is out of range.
  Status CheckSource(const SourceConfig& config) const;

 private:
  using Port::Port;
  std::vector<std::unique_ptr<SinkFlow>> sinks_;
  std::vector<std::unique_ptr<SourceFlow>> sources_;
};

}  // namespace ptnet
