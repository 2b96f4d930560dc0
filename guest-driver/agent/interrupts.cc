// down and overlook: what a driver relies on beyond traffic. No interrupt after DELETE, and a second one when one was
// ignored.
#include <cstring>

#include "commands.h"
#include "core/policy.h"

namespace ptnet::agent {
namespace {

using guest::Ring;

/// Every ring of the device has a vector, as in a driver that serves them all.
std::string EnableAll(Driver& driver, Msix& msix) {
  std::vector<uint32_t> vectors;
  for (uint32_t i = 0; i < driver.num_tx_rings() + driver.num_rx_rings(); ++i) vectors.push_back(i);
  return msix.Enable(driver.function(), vectors, driver.csb().mailbox(), driver.csb().mailbox_address());
}

/// The device that `--device` names, with its driver started, a vector for every ring and no argument left over.
/// @return an error text, empty when all is well.
std::string StartDevice(Args& args, std::unique_ptr<Driver>& driver, Msix& msix) {
  std::string error;
  driver = OpenDevice(args.Number("device", 0, 0, 255), error);
  if (!driver) return error;
  const uint32_t memid = static_cast<uint32_t>(args.Number("memdev", 0, 0, 65535));
  error = args.Finish();
  if (error.empty()) error = driver->Start(memid);
  return error.empty() ? EnableAll(*driver, msix) : error;
}

void KickIfWanted(Driver& driver, Ring& ring) {
  ring.Publish();
  if (ring.HostWantsKick()) driver.Kick(ring.index);
}

/// A driver's rx task: takes all there is, asks to be interrupted for the next packet, looks again.
uint64_t TakeAll(Driver& driver, Ring& ring) {
  uint64_t taken = 0;
  do {
    ring.Refresh();
    taken += ring.Available();
    ring.head = ring.tail;
    KickIfWanted(driver, ring);
    ring.AskForInterrupt(true);
    // Our appl_need_kick before the host's hwtail: either it raises the interrupt or we see the packet.
    guest::FullBarrier();
  } while (ring.Refresh() && ring.Available() > 0);
  return taken;
}

/// Serves the rx rings by interrupts for a while, then DELETE. @return how many vectors were raised after its answer.
uint32_t UpAndDown(Driver& driver, Msix& msix, int64_t up_ns, int64_t quiet_ns, uint64_t& packets,
                   uint64_t& interrupts) {
  const int64_t until = guest::NowNs() + up_ns;
  while (guest::NowNs() < until) {
    for (Ring& ring : driver.port().rx) packets += TakeAll(driver, ring);
    interrupts += msix.Take();
  }
  driver.Delete();
  // What came until here came before DELETE was answered. A driver frees its rings now.
  interrupts += msix.Take();
  guest::NapNs(quiet_ns);
  return msix.Take();
}

constexpr int64_t kSettleNs = 5'000'000;

/// Waits for a message without looking at any ring. @return whether one came.
bool Wait(Msix& msix, int64_t deadline) {
  constexpr int64_t kNapNs = 100'000;
  while (guest::NowNs() < deadline) {
    if (msix.Take() != 0) return true;
    guest::NapNs(kNapNs);
  }
  return false;
}

int64_t Deadline(double seconds) { return guest::NowNs() + static_cast<int64_t>(seconds * guest::kNsPerSecond); }

}  // namespace

Json Down(Args& args) {
  const uint64_t count = args.Number("count", 1, 1, 100'000);
  const int64_t up_ns = static_cast<int64_t>(args.Number("up-ms", 20, 0, 60'000)) * 1'000'000;
  const int64_t quiet_ns = static_cast<int64_t>(args.Number("quiet-ms", 20, 0, 60'000)) * 1'000'000;
  const double timeout = args.Positive("timeout", kTimeoutSeconds);
  std::unique_ptr<Driver> driver;
  Msix msix;
  std::string error = StartDevice(args, driver, msix);
  if (!error.empty()) return Failure("down", error);
  const int64_t deadline = Deadline(timeout);
  uint64_t packets = 0, interrupts = 0, late = 0, done = 0;
  while (error.empty() && done < count) {
    if (guest::NowNs() >= deadline) {
      error = "timeout: not done after " + std::to_string(timeout) + " s";
      break;
    }
    late += UpAndDown(*driver, msix, up_ns, quiet_ns, packets, interrupts);
    if (++done == count) break;
    const uint32_t created = driver->Create();
    error = created == 0 ? driver->OpenRings() : std::string("CREATE: ") + strerror(static_cast<int>(created));
  }
  driver->WriteCsb(0, 0);
  Json json;
  json.Set("op", "down").Set("ok", error.empty()).Set("rounds", done).Set("packets", packets);
  json.Set("interrupts", interrupts).Set("afterDelete", late);
  if (!error.empty()) json.Set("error", error);
  return json;
}

Json Overlook(Args& args) {
  const double timeout = args.Positive("timeout", kTimeoutSeconds);
  std::unique_ptr<Driver> driver;
  Msix msix;
  const std::string error = StartDevice(args, driver, msix);
  if (!error.empty()) return Failure("overlook", error);
  const int64_t deadline = Deadline(timeout);
  Ring& ring = driver->port().rx[0];
  const bool first = Wait(msix, deadline);  // CREATE left appl_need_kick set
  const auto full = [&ring] { return ring.Refresh(), ring.Available() == ring.num_slots - 1; };
  while (!full() && guest::NowNs() < deadline) guest::NapNs(kSettleNs);
  // Whatever the packets raised until here is overlooked; the ring is full, so no packet will raise another.
  guest::NapNs(kSettleNs);
  msix.Take();
  const bool second = first && full() && Wait(msix, deadline);
  const uint64_t waiting = ring.Available();
  const uint64_t taken = second ? TakeAll(*driver, ring) : 0;
  return Json()
      .Set("op", "overlook")
      .Set("ok", true)
      .Set("first", first)
      .Set("full", waiting == ring.num_slots - 1)
      .Set("second", second)
      .Set("taken", taken);
}

}  // namespace ptnet::agent
