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

}  // namespace

int main() {
  StationsThatAreSilentAreForgotten();
  MacIsReadAsItLies();
  NothingIsKnownAtFirst();
  StationsMoveAndAreForgotten();
  ACrowdedTableNeverLies();
  ReadersSeeWholeEntries();
}
