// Who stands on a switch: a member without rings gets and sends as a port does, in order, as far as the budget goes,
// with one notification a batch; what a silent station was known for is forgotten in time.
#include "forward/switch_member.h"

#include <algorithm>
#include <thread>

#include "traffic.h"
#include "vale_net.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

using Bytes = std::vector<uint8_t>;

/// A member that keeps what it gets in a list, of `room` packets at most.
class ListMember final : public SwitchMember {
 public:
  explicit ListMember(std::shared_ptr<ValeSwitch> sw, size_t most = SIZE_MAX) : room(most), switch_(std::move(sw)) {
    CHECK_OK(switch_->Attach(this, "list"));
  }
  ~ListMember() { switch_->Detach(this); }

  bool Deliver(MemberPackets* packets, uint32_t lane, const Budget& budget, Used* used) noexcept override {
    SpinGuard guard(lock_);
    lane_ = lane;
    while (!packets->empty() && used->bytes < budget.bytes) {
      const Pieces packet = packets->Take();
      if (got.size() >= room) {
        dropped++;
        continue;
      }
      Bytes bytes;
      for (uint32_t f = 0; f < packet.count; f++)
        bytes.insert(bytes.end(), packet.frags[f].data, packet.frags[f].data + packet.frags[f].len);
      CHECK_EQ(bytes.size(), packet.len);
      used->bytes += packet.len;
      got.push_back(std::move(bytes));
    }
    notified++;
    used->destinations++;
    return packets->empty();
  }
  /// Sends as a tap would: from memory of its own.
  uint64_t Send(const std::vector<Bytes>& packets) {
    auto batch = std::make_unique<SwitchBatch>();
    for (const Bytes& p : packets) batch->Add({const_cast<uint8_t*>(p.data()), static_cast<uint32_t>(p.size())}, 0);
    uint64_t nowhere = batch->Route(*switch_, *this, switch_->lookup(), false);
    Used used;
    CHECK(batch->Deliver(*switch_, 0, kSyncBudget, &used, &nowhere));
    return nowhere;
  }

  std::vector<Bytes> got;
  size_t room;
  uint64_t dropped = 0, notified = 0;
  uint32_t lane_ = 0;

 private:
  std::shared_ptr<ValeSwitch> switch_;
  SpinLock lock_;
};

void AMemberWithoutRingsGetsWhatAPortWould() {
  Net net;
  net.Add({"", 2, 1, 64, 64, 0}), net.Add();
  ListMember list(net.sw);
  net[0].Send(Frame(0xff, 1));
  net[0].Send(Frame(0xff, 1, 900, 1), 5, 0, 1);
  CHECK(net[1].Got(Frame(0xff, 1)) && net[1].Got(Frame(0xff, 1, 900, 1)));
  CHECK(list.got == (std::vector<Bytes>{Frame(0xff, 1), Frame(0xff, 1, 900, 1)}));
  CHECK_EQ(list.lane_, 1u);
  // What it sends is learned for it; then it alone gets the answers, a batch with one notification.
  CHECK_EQ(list.Send({Frame(1, 7), Frame(0xff, 7, 100, 2), Frame(9, 7)}), 0u);
  CHECK(net[0].Got(Frame(1, 7)) && net[0].Got(Frame(0xff, 7, 100, 2)) && net[0].Got(Frame(9, 7)));
  CHECK(net[1].Got(Frame(0xff, 7, 100, 2)) && net[1].Got(Frame(9, 7)) && net[1].Nothing());
  list.got.clear();
  list.notified = 0;
  for (uint32_t i = 0; i < 20; i++) CHECK(net[0].guest.tx().Put(Frame(7, 1, 60, i).data(), 60));
  net[0].Serve();
  CHECK_EQ(list.notified, 1u);
  for (uint32_t i = 0; i < 20; i++) CHECK(list.got[i] == Frame(7, 1, 60, i));
  CHECK(net[1].Nothing());
  // Two members without rings, and one that is full.
  ListMember other(net.sw);
  other.room = 1;
  list.Send({Frame(0xff, 7), Frame(0xff, 7)});
  CHECK_EQ(other.got.size(), 1u);
  CHECK_EQ(other.dropped, 1u);
  CHECK_EQ(other.Send({Frame(7, 8)}), 0u);
  CHECK(list.got.back() == Frame(7, 8));
  CHECK_EQ(list.Send({Frame(7, 7)}), 1u);  // never back to where it came from
}

/// Members come and go while two guests send to all and to each other.
void MembersComeAndGoInTraffic(Random& random) {
  auto engine = MakeEngine(2);
  auto sw = std::make_shared<ValeSwitch>("vale0", engine);
  ValeRig a(engine, sw, 64, Served(Policy::kAdaptive)), b(engine, sw, 64, Served(Policy::kPoll, 1));
  std::atomic<int> running{2};
  constexpr uint64_t kPackets = 5000;
  auto run = [&](ValeRig& rig, uint8_t src) {
    return std::thread([&rig, &running, src, r = random.Split()]() mutable {
      Send(rig.guest.tx(), 0, kPackets, r, {0, 0xff, src});
      Drain(rig.guest.tx());
      running--;
    });
  };
  std::thread threads[] = {run(a, 1), run(b, 2)};
  while (running > 0) {
    ListMember member(sw, 1000);
    member.Send({Frame(0xff, 9), Frame(1, 9)});
  }
  for (std::thread& thread : threads) thread.join();
}

uint32_t now_s = 1000;

void SilentStationsAreFloodedAgain() {
  Net net(SwitchOptions{.age_s = 300, .clock = [] { return now_s; }});
  for (int i = 0; i < 3; i++) net.Add();
  net[1].Send(Frame(0xff, 7));
  net[0].Take(), net[2].Take();
  auto all_get = [&](uint32_t tag) {
    net[0].Send(Frame(7, 5, 60, tag));
    CHECK(net[1].Got(Frame(7, 5, 60, tag)));
    const bool flooded = !net[2].Nothing();
    if (flooded) CHECK(net[2].Got(Frame(7, 5, 60, tag)));
    return flooded;
  };
  now_s += 299;
  CHECK(!all_get(1));
  now_s += 1;
  CHECK(all_get(2));
  // It has moved, without a word; its first packet says where it is.
  net[2].Send(Frame(5, 7));
  CHECK(net[0].Got(Frame(5, 7)));
  net[0].Send(Frame(7, 5, 60, 3));
  CHECK(net[2].Got(Frame(7, 5, 60, 3)) && net[1].Nothing());
}

void WithoutAgeingNobodyIsForgotten() {
  Net net(SwitchOptions{.age_s = 0, .clock = [] { return now_s; }});
  for (int i = 0; i < 3; i++) net.Add();
  net[1].Send(Frame(0xff, 7));
  net[0].Take(), net[2].Take();
  now_s += 1'000'000;
  net[0].Send(Frame(7, 5));
  CHECK(net[1].Got(Frame(7, 5)) && net[2].Nothing());
}

}  // namespace

int main() {
  Random random("switch_member_test");
  AMemberWithoutRingsGetsWhatAPortWould();
  SilentStationsAreFloodedAgain();
  WithoutAgeingNobodyIsForgotten();
  MembersComeAndGoInTraffic(random);
}
