// VALE's short way for runs of packets: the same deliveries as packet by packet, and patience with a full destination.

#include <algorithm>

#include "vale_net.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr uint8_t kAll = 0xff;

/// Lets every station be learned: station i has the address i.
void Introduce(Net& net) {
  for (size_t i = 0; i < net.stations.size(); i++) {
    net[i].Send(Frame(kAll, static_cast<uint8_t>(i)));
    for (size_t j = 0; j < net.stations.size(); j++)
      if (j != i) CHECK(net[j].Got(Frame(kAll, static_cast<uint8_t>(i))));
  }
}

/// `count` packets from station 0 to station 1, told apart by their numbers; not published.
void PutFrames(GuestRing& tx, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) CHECK(tx.Put(Frame(1, 0, 60, i).data(), 60));
}

/// Those of them with the numbers [from, to) are what station 1 takes next.
void CheckFrames(Station& station, uint32_t from, uint32_t to) {
  for (uint32_t i = from; i < to; i++) CHECK(station.Got(Frame(1, 0, 60, i)));
}

void MixedTrafficArrivesInOrder() {
  Random random("vale_run");
  Net net;
  for (int i = 0; i < 4; i++) net.Add({"", 1, 1, 128, 256, 0});
  Introduce(net);
  RandomTraffic traffic(net, random);
  for (int batch = 0; batch < 2000; batch++) {
    net[traffic.Put()].Serve();
    traffic.CheckArrived();
  }
}

void AnEndedRunGoesOnWithTheNext() {
  Net net;
  for (int i = 0; i < 3; i++) net.Add();
  Introduce(net);
  GuestRing& tx = net[0].guest.tx();
  for (uint32_t i = 0; i < 40; i++) CHECK(tx.Put(Frame(1 + i / 20, 0, 60, i).data(), 60));
  net[0].Serve();
  for (uint32_t i = 0; i < 40; i++) CHECK(net[1 + i / 20].Got(Frame(static_cast<uint8_t>(1 + i / 20), 0, 60, i)));
  CHECK_EQ(net[0].tx().packets, 41u);
  CHECK_EQ(net[0].tx().bytes, 41u * 60);
}

void ATakingDestinationIsWaitedFor() {
  Net net;
  net.Add(), net.Add({"", 1, 1, 64, 8, 0});
  Introduce(net);
  Flow& flow = *net[0].port->flow(0);
  GuestRing& tx = net[0].guest.tx();
  PutFrames(tx, 10);
  tx.Publish();
  CHECK(flow.Poll(kRoundBudget).moved);
  CHECK_EQ(net[1].rx().packets, 1u + 7u);
  CHECK(!flow.Poll(kRoundBudget).moved);  // no room: the other three wait
  CHECK(!tx.Drained());
  CheckFrames(net[1], 0, 3);
  CHECK(flow.Poll(kRoundBudget).moved);
  CHECK(tx.Drained());
  CheckFrames(net[1], 3, 10);
  CHECK_EQ(net[1].rx_drops(Drop::kFull), 0u);
}

void PatienceEnds() {
  Net net;
  net.Add(), net.Add({"", 1, 1, 64, 8, 0});
  Introduce(net);
  Flow& flow = *net[0].port->flow(0);
  GuestRing& tx = net[0].guest.tx();
  PutFrames(tx, 10);
  net[0].Serve();  // returns when the ring is empty
  CHECK_EQ(net[1].rx_drops(Drop::kFull), 3u);
  // It has taken nothing since: no further packet waits for it.
  for (uint32_t i = 0; i < 5; i++) CHECK(tx.Put(Frame(1, 0).data(), 60));
  tx.Publish();
  CHECK(flow.Poll(kRoundBudget).moved);
  CHECK(tx.Drained());
  CHECK_EQ(net[1].rx_drops(Drop::kFull), 8u);
  // And now it has.
  CheckFrames(net[1], 0, 7);
  PutFrames(tx, 7);
  net[0].Serve();
  CheckFrames(net[1], 0, 7);
  CHECK_EQ(net[1].rx_drops(Drop::kFull), 8u);
}

void ASwitchMayHaveNoPatience() {
  Net net(0);
  net.Add(), net.Add({"", 1, 1, 64, 8, 0});
  Introduce(net);
  Flow& flow = *net[0].port->flow(0);
  GuestRing& tx = net[0].guest.tx();
  PutFrames(tx, 10);
  tx.Publish();
  CHECK(flow.Poll(kRoundBudget).moved);
  CHECK(flow.Poll(kRoundBudget).moved);
  CHECK(tx.Drained());
  CHECK_EQ(net[1].rx_drops(Drop::kFull), 3u);
}

void AWaitEndsWhenThereIsRoomToSpeakOf() {
  Net net(3'600'000'000'000);
  net.Add({"", 1, 1, 128, 64, 0}), net.Add();
  Introduce(net);
  Flow& flow = *net[0].port->flow(0);
  GuestRing& tx = net[0].guest.tx();
  PutFrames(tx, 100);
  tx.Publish();
  CHECK(flow.Poll(kRoundBudget).moved);
  CHECK(!flow.Poll(kRoundBudget).moved);
  CheckFrames(net[1], 0, 15);
  CHECK(!flow.Poll(kRoundBudget).moved);  // a quarter of the ring is wanted
  CHECK(net[1].Got(Frame(1, 0, 60, 15)));
  CHECK(flow.Poll(kRoundBudget).moved);
  CHECK_EQ(net[1].rx().packets, 1u + 63u + 16u);
  CHECK_EQ(net[1].rx_drops(Drop::kFull), 0u);
}

void ASlowReceiverIsNotWaitedForTwice() {
  Net net(1);  // over at the next look
  net.Add({"", 1, 1, 512, 64, 0}), net.Add(), net.Add();
  Introduce(net);
  Flow& flow = *net[0].port->flow(0);
  GuestRing& tx = net[0].guest.tx();
  GuestRing& slow = net[1].guest.rx();
  PutFrames(tx, 400);
  CHECK(tx.Put(Frame(2, 0, 60, 7).data(), 60));
  tx.Publish();
  uint32_t waits = 0;
  for (uint32_t polls = 0; !tx.Drained(); polls++) {
    CHECK(polls < 1000);
    if (!flow.Poll(kRoundBudget).moved) waits++;
    // One slot now and then: never room to speak of.
    if (polls % 3 != 2) continue;
    slow.head = slow.Next(slow.head);
    slow.Publish();
  }
  CHECK_EQ(waits, 1u);
  CHECK(net[1].rx_drops(Drop::kFull) > 300);
  CHECK(net[2].Got(Frame(2, 0, 60, 7)));
}

void AGuestThatTookEverythingIsWaitedForAgain() {
  Net net;
  net.Add(), net.Add({"", 1, 1, 64, 8, 0});
  Introduce(net);
  GuestRing& tx = net[0].guest.tx();
  PutFrames(tx, 8);
  net[0].Serve();
  CHECK_EQ(net[1].rx_drops(Drop::kFull), 1u);
  for (int lap = 0; lap < 8; lap++) {
    for (uint32_t i = 0; i < 7; i++) CHECK(!net[1].Take().empty());
    if (lap == 7) break;
    PutFrames(tx, 7);
    net[0].Serve();
  }
  PutFrames(tx, 8);
  tx.Publish();
  CHECK(net[0].port->flow(0)->Poll(kRoundBudget).moved);
  CHECK(!net[0].port->flow(0)->Poll(kRoundBudget).moved);
  CHECK_EQ(net[1].rx_drops(Drop::kFull), 1u);
}

void DetachWaitsForNobody() {
  Net net;
  net.Add(), net.Add({"", 1, 1, 64, 8, 0}), net.Add();
  Introduce(net);
  GuestRing& tx = net[0].guest.tx();
  for (uint32_t i = 0; i < 30; i++) CHECK(tx.Put(Frame(i < 10 ? 1 : 2, 0, 60, i).data(), 60));
  tx.Publish();
  net[0].guest.Detach();
  CHECK_EQ(net[0].tx().packets, 31u);
  CHECK_EQ(net[1].rx_drops(Drop::kFull), 3u);
  for (uint32_t i = 10; i < 30; i++) CHECK(net[2].Got(Frame(2, 0, 60, i)));
}

void ABadReceiverHarmsItselfAlone() {
  Net net;
  for (int i = 0; i < 3; i++) net.Add();
  Introduce(net);
  GuestRing& rx = net[1].guest.rx();
  const uint32_t mine = rx.slot(rx.head).buf_idx;
  rx.slot(rx.head).buf_idx = 0;  // reserved
  GuestRing& tx = net[0].guest.tx();
  for (uint32_t i = 0; i < 20; i++) CHECK(tx.Put(Frame(i < 10 ? 1 : 2, 0, 60, i).data(), 60));
  net[0].Serve();
  CHECK_EQ(net[1].rx_drops(Drop::kBadBuf), 10u);
  for (uint32_t i = 10; i < 20; i++) CHECK(net[2].Got(Frame(2, 0, 60, i)));
  rx.slot(rx.head).buf_idx = mine;
  net[0].Send(Frame(1, 0));
  CHECK(net[1].Got(Frame(1, 0)));
}

/// Alone, and behind others whose address is somebody's.
void TheAddressOfNobodyIsNotLearned() {
  Net net;
  for (int i = 0; i < 2; i++) net.Add();
  auto nobodys = Frame(0, 0);
  std::fill_n(nobodys.begin(), 12, 0);
  for (int i = 0; i < 2; i++) {
    net[0].Send(nobodys);
    CHECK(net[1].Got(nobodys));
  }
  GuestRing& tx = net[0].guest.tx();
  const auto others = Frame(0xff, 0);
  for (const auto& frame : {others, nobodys, nobodys}) CHECK(tx.Put(frame.data(), 60));
  net[0].Serve();
  for (const auto& frame : {others, nobodys, nobodys}) CHECK(net[1].Got(frame));
  net[0].Send(nobodys);
  CHECK(net[1].Got(nobodys));
}

/// As in a batch, where it was learned that the address is here before it was looked up.
void WhoSendsToHisOwnAddressIsHere() {
  Net net;
  for (int i = 0; i < 2; i++) net.Add();
  net[1].Send(Frame(0xff, 1));
  CHECK(net[0].Got(Frame(0xff, 1)));
  net[0].Send(Frame(1, 1));
  CHECK(net[1].Nothing());
  CHECK_EQ(net[0].tx_drops(Drop::kNoDestination), 1u);
}

}  // namespace

int main() {
  MixedTrafficArrivesInOrder();
  AnEndedRunGoesOnWithTheNext();
  ATakingDestinationIsWaitedFor();
  PatienceEnds();
  ASwitchMayHaveNoPatience();
  AWaitEndsWhenThereIsRoomToSpeakOf();
  ASlowReceiverIsNotWaitedForTwice();
  AGuestThatTookEverythingIsWaitedForAgain();
  DetachWaitsForNobody();
  ABadReceiverHarmsItselfAlone();
  TheAddressOfNobodyIsNotLearned();
  WhoSendsToHisOwnAddressIsHere();
}
