// The forwarding table: what is learned is found, a station that moves is found at its new port, a port that leaves is
// forgotten, and a full table answers "unknown" instead of another station's port.
#include "forward/forwarding_table.h"

#include <map>
#include <memory>
#include <thread>

#include "check.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

void MacIsReadAsItLies() {
  const uint8_t bytes[] = {0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 0xff, 0xff};
  CHECK_EQ(ForwardingTable::MacAt(bytes), 0x554433221102u);
  const uint8_t multicast[] = {0x01, 0, 0, 0, 0, 0}, broadcast[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  const uint8_t unicast[] = {0x02, 0xff, 0xff, 0xff, 0xff, 0xff};
  CHECK(ForwardingTable::IsMulticast(ForwardingTable::MacAt(multicast)));
  CHECK(ForwardingTable::IsMulticast(ForwardingTable::MacAt(broadcast)));
  CHECK(!ForwardingTable::IsMulticast(ForwardingTable::MacAt(unicast)));
}

void NothingIsKnownAtFirst() {
  auto table = std::make_unique<ForwardingTable>();
  for (uint64_t mac : {0ul, 2ul, 0xfffffffffffful}) CHECK_EQ(table->Lookup(mac, 0), ForwardingTable::kUnknown);
}

void StationsMoveAndAreForgotten() {
  auto table = std::make_unique<ForwardingTable>();
  for (uint64_t mac : {0ul, 2ul, 0xfffffffffffeul}) {
    table->Learn(mac, 0, 0);
    CHECK_EQ(table->Lookup(mac, 0), 0u);
    table->Learn(mac, 253, 0);
    CHECK_EQ(table->Lookup(mac, 0), 253u);
    table->Forget(0);
    CHECK_EQ(table->Lookup(mac, 0), 253u);
    table->Forget(253);
    CHECK_EQ(table->Lookup(mac, 0), ForwardingTable::kUnknown);
  }
}

/// More stations than entries: an entry is somebody's or nobody's, and the newest of those that share it wins.
void ACrowdedTableNeverLies() {
  Random random("forwarding_table");
  auto table = std::make_unique<ForwardingTable>();
  std::map<uint64_t, uint32_t> truth;
  for (int i = 0; i < 20'000; i++) {
    uint64_t mac = random.Below(5000) * 2 * uint64_t{0x10001};
    uint32_t port = random.Below(254);
    table->Learn(mac, port, 0);
    truth[mac] = port;
    CHECK_EQ(table->Lookup(mac, 0), port);
  }
  uint32_t known = 0;
  for (auto [mac, port] : truth) {
    uint32_t found = table->Lookup(mac, 0);
    CHECK(found == port || found == ForwardingTable::kUnknown);
    known += found == port;
  }
  CHECK(known > ForwardingTable::kEntries / 2 && known <= ForwardingTable::kEntries);
  for (uint32_t port = 0; port < 254; port++) table->Forget(port);
  for (auto [mac, port] : truth) CHECK_EQ(table->Lookup(mac, 0), ForwardingTable::kUnknown);
}

/// Two workers learn the same stations at different ports: a reader sees one of the two, never a mixture.
void ReadersSeeWholeEntries() {
  auto table = std::make_unique<ForwardingTable>();
  constexpr uint64_t kMacs[] = {0x020000000002, 0x040000000002, 0x060000000002};
  auto learn = [&](uint32_t port) {
    for (int i = 0; i < 20'000; i++) table->Learn(kMacs[i % 3], port + static_cast<uint32_t>(i % 3), 0);
  };
  for (uint32_t i = 0; i < 3; i++) table->Learn(kMacs[i], 10 + i, 0);
  std::thread a(learn, 10), b(learn, 200);
  for (int i = 0; i < 20'000; i++) {
    uint32_t which = static_cast<uint32_t>(i % 3), found = table->Lookup(kMacs[which], 0);
    CHECK(found == 10 + which || found == 200 + which || found == ForwardingTable::kUnknown);
  }
  a.join();
  b.join();
}

void StationsThatAreSilentAreForgotten() {
  constexpr uint64_t kMac = 0x020000000002, kOther = 0x040000000002;
  // Before the seconds wrap, across the wrap, and from 0.
  for (uint32_t start : {0u, 1000u, UINT32_MAX - 5}) {
    auto table = std::make_unique<ForwardingTable>(10);
    table->Learn(kMac, 1, start);
    table->Learn(kOther, 2, start);
    CHECK_EQ(table->Lookup(kMac, start + 9), 1u);
    CHECK_EQ(table->Lookup(kMac, start + 10), ForwardingTable::kUnknown);
    // What it sends makes it known for as long again, wherever it is.
    table->Learn(kMac, 3, start + 9);
    CHECK_EQ(table->Lookup(kMac, start + 18), 3u);
    CHECK_EQ(table->Lookup(kOther, start + 18), ForwardingTable::kUnknown);
    // A thread whose clock is a second behind.
    CHECK_EQ(table->Lookup(kMac, start + 8), 3u);
  }
  auto ageless = std::make_unique<ForwardingTable>();
  ageless->Learn(kMac, 1, 5);
  CHECK_EQ(ageless->Lookup(kMac, 2'000'000'000), 1u);
}

/// Whoever learns the same address elsewhere, or one that has the same place, does not move it; it does not age.
void WhatIsPutThereStays() {
  constexpr uint64_t kMac = 0x020000000002;
  auto table = std::make_unique<ForwardingTable>(10);
  CHECK(table->Put(kMac, 7));
  Random random("static");
  uint64_t rival = 0;
  for (int i = 0; i < 200'000; i++) {
    const uint64_t other = random.Below(1 << 20) << 8 | 2;
    table->Learn(other, 9, 5);
    CHECK_EQ(table->Lookup(kMac, 1000), 7u);
    if (other != kMac && table->Lookup(other, 5) == ForwardingTable::kUnknown) rival = other;
  }
  table->Learn(kMac, 9, 5);
  CHECK_EQ(table->Lookup(kMac, 5), 7u);
  CHECK(rival != 0 && !table->Put(rival, 9));
  // The control plane itself may move it.
  CHECK(table->Put(kMac, 8));
  CHECK_EQ(table->Lookup(kMac, 5), 8u);
  uint32_t fixed = 0, learned = 0;
  table->ForEach([&](const ForwardingTable::Station& station) {
    CHECK_EQ(station.is_static, station.mac == kMac);
    CHECK_EQ(station.port, station.is_static ? 8u : 9u);
    ++(station.is_static ? fixed : learned);
  });
  CHECK_EQ(fixed, 1u);
  CHECK(learned > 0);
  CHECK_EQ(table->RemoveIf([](const ForwardingTable::Station& station) { return !station.is_static; }), learned);
  table->Forget(9);
  CHECK_EQ(table->Lookup(kMac, 5), 8u);
  table->Forget(8);
  CHECK_EQ(table->Lookup(kMac, 5), ForwardingTable::kUnknown);
  table->Learn(kMac, 1, 5);
  CHECK_EQ(table->Lookup(kMac, 5), 1u);
}

/// Also when somebody learns it elsewhere at that moment.
void WhatIsPutThereMeanwhileStays() {
  constexpr uint64_t kMac = 0x020000000002;
  auto table = std::make_unique<ForwardingTable>();
  std::atomic<bool> over{false};
  std::thread learner([&] {
    for (uint32_t port = 9; !over; port ^= 1) table->Learn(kMac, port, 0);
  });
  for (int i = 0; i < 100'000; i++) {
    CHECK(table->Put(kMac, 7));
    for (int look = 0; look < 8; look++) CHECK_EQ(table->Lookup(kMac, 0), 7u);
    table->Forget(7);
  }
  over = true;
  learner.join();
}

void TheAgeCanChange() {
  constexpr uint64_t kMac = 0x020000000002;
  auto table = std::make_unique<ForwardingTable>(10);
  table->Learn(kMac, 1, 0);
  CHECK_EQ(table->Lookup(kMac, 20), ForwardingTable::kUnknown);
  table->set_age_s(30);
  CHECK_EQ(table->Lookup(kMac, 20), 1u);
  table->set_age_s(0);
  CHECK_EQ(table->Lookup(kMac, 1000), 1u);
}

}  // namespace

int main() {
  WhatIsPutThereStays();
  WhatIsPutThereMeanwhileStays();
  TheAgeCanChange();
  StationsThatAreSilentAreForgotten();
  MacIsReadAsItLies();
  NothingIsKnownAtFirst();
  StationsMoveAndAreForgotten();
  ACrowdedTableNeverLies();
  ReadersSeeWholeEntries();
}
