// Watching: onlookers as observers of rings and of members.
#include "forward/onlooker.h"

#include "forward/observe.h"

namespace ptnet {

class Watching::RingLane final : public RingObserver {
 public:
  RingLane(uint32_t number, Onlooker& onlooker) : ring(number), onlooker_(onlooker) {}
  void OnBatch(const Kring& k, uint32_t from, uint32_t slots) noexcept override { onlooker_.OnSlots(k, from, slots); }

  const uint32_t ring;  // of the port

 private:
  Onlooker& onlooker_;
};

class Watching::MemberLane final : public MemberObserver {
 public:
  MemberLane(Way way, Onlooker& onlooker) : way(way), onlooker_(onlooker) {}
  void Begin() noexcept override { onlooker_.Begin(); }
  void OnPacket(const Pieces& packet, uint32_t vnet_hdr_len) noexcept override {
    onlooker_.OnPacket(packet, vnet_hdr_len, way);
  }
  void End() noexcept override { onlooker_.End(); }

  const Way way;

 private:
  Onlooker& onlooker_;
};

Watching::Watching(std::shared_ptr<Engine> engine, Watchable watched, Ways ways,
                   const std::function<Onlooker&(uint32_t)>& onlooker_of)
    : engine_(std::move(engine)), watched_(std::move(watched)) {
  if (!watched_.port) {
    for (auto [way, wanted] : {std::pair{Way::kTx, ways.tx}, {Way::kRx, ways.rx}}) {
      if (!wanted) continue;
      member_.push_back(std::make_unique<MemberLane>(way, onlooker_of(0)));
      AddObserver(*engine_, *watched_.member, way == Way::kTx, member_.back().get());
    }
    return;
  }
  Port& port = *watched_.port;
  port.watchers++;
  const uint32_t tx = port.shape().tx_rings, all = port.rings();
  for (uint32_t i = ways.tx ? 0 : tx; i < (ways.rx ? all : tx); i++) {
    rings_.push_back(std::make_unique<RingLane>(i, onlooker_of(i < tx ? i : i - tx)));
    AddObserver(*engine_, port, i, rings_.back().get());
  }
}

Watching::~Watching() {
  if (watched_.port) watched_.port->watchers--;
  for (const auto& lane : rings_) RemoveObserver(*engine_, *watched_.port, lane->ring, lane.get());
  for (const auto& lane : member_) RemoveObserver(*engine_, *watched_.member, lane->way == Way::kTx, lane.get());
}

}  // namespace ptnet
