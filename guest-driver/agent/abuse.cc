// What no driver does, done to a live device: each deed, what the device answered, and whether it still works
// afterwards.
#include <cstring>
#include <functional>

#include "commands.h"
#include "core/policy.h"

namespace ptnet::agent {
namespace {

using guest::netmap_ring;
using guest::netmap_slot;
using guest::Ring;

/// The device under abuse, started, and one of its rings.
struct Victim {
  Driver& driver;
  Ring& ring;
  Json& json;

  netmap_slot& SlotAt(uint32_t n) { return ring.slots[ring.Advance(ring.head, n)]; }
  netmap_ring& Header() {
    return *reinterpret_cast<netmap_ring*>(reinterpret_cast<uint8_t*>(ring.slots) - sizeof(netmap_ring));
  }
  /// Publishes raw indices and kicks, wanted or not.
  void Publish(uint32_t cur, uint32_t head) {
    guest::Store(ring.gh->cur, cur, std::memory_order_relaxed);
    guest::Store(ring.gh->head, head, std::memory_order_release);
    guest::FullBarrier();
    driver.Kick(ring.index);
  }
  void PublishSlots(uint32_t n) {
    const uint32_t head = ring.Advance(ring.head, n);
    Publish(head, head);
  }
  /// Leaves one slot as described and publishes it.
  void PublishSlot(const netmap_slot& bad) {
    SlotAt(0) = bad;
    PublishSlots(1);
  }
};

struct Deed {
  const char* name;
  void (*run)(Victim&);
};

/// On a device that is running, with its slots and ring header put back afterwards.
constexpr Deed kDeeds[] = {
    {"head-out-of-range", [](Victim& v) { v.Publish(v.ring.head, v.ring.num_slots + 7); }},
    {"cur-out-of-range", [](Victim& v) { v.Publish(v.ring.num_slots + 9, v.ring.Advance(v.ring.head, 1)); }},
    {"bad-buf-idx",
     [](Victim& v) {
       v.PublishSlot({0x7fffffff, 60, 0, 0});
     }},
    {"bad-len",
     [](Victim& v) {
       v.PublishSlot({v.SlotAt(0).buf_idx, 65535, 0, 0});
     }},
    {"indirect-flag",
     [](Victim& v) {
       v.PublishSlot({v.SlotAt(0).buf_idx, 60, guest::NS_INDIRECT, 0xdeadbeef000});
     }},
    {"overwrite-ring-header",
     [](Victim& v) {
       netmap_ring& header = v.Header();
       header.num_slots = 0xffffffff;
       header.buf_size = 0xffffffff;
       header.buf_ofs = -0x7fffffffffff;
       header.head = header.cur = header.tail = 0xfffffff0;
       for (uint32_t i = 0; i < 8; ++i) v.SlotAt(i) = {v.SlotAt(i).buf_idx, 60, 0, 0};
       v.PublishSlots(8);
     }},
    {"bad-doorbell",
     [](Victim& v) {
       BarAccess& registers = v.driver.registers();
       const uint32_t rings = v.driver.num_tx_rings() + v.driver.num_rx_rings();
       for (uint32_t i = rings; i < kDoorbells; ++i) registers.Write(PTNET_IO_KICK_BASE + 4 * i, 0xffffffff);
       for (uint32_t odd = 1; odd < 4; ++odd) registers.Write(PTNET_IO_KICK_BASE + odd, 0, odd == 2 ? 2 : 1);
       registers.Write(registers.size() - 1, 0, 1);
     }},
    {"create-twice", [](Victim& v) { v.json.Set("answer", v.driver.Control(PTCTL_CREATE)); }},
    {"frag-storm",
     [](Victim& v) {
       const uint32_t n = std::min(v.ring.Available(), guest::kMaxFrags + 16);
       for (uint32_t i = 0; i < n; ++i) v.SlotAt(i) = {v.SlotAt(i).buf_idx, 60, guest::NS_MOREFRAG, 0};
       v.json.Set("slots", n);
       v.PublishSlots(n);
     }},
};

/// Before CREATE, with the CSB allocated and nothing told to the device yet.
constexpr struct {
  const char* name;
  void (*run)(Driver&, Json&);
} kEarlyDeeds[] = {
    {"delete-first", [](Driver& driver, Json& json) { json.Set("answer", driver.Control(PTCTL_DELETE)); }},
    {"csb-unaligned",
     [](Driver& driver, Json& json) {
       driver.WriteCsb(driver.csb().gh_address() + 4, driver.csb().hg_address() + 4);
       json.Set("answer", driver.Create());
     }},
    {"csb-outside-ram",
     [](Driver& driver, Json& json) {
       driver.WriteCsb(0xfffff000000, 0xfffff001000);
       json.Set("answer", driver.Create());
     }},
};

Json DescribeCsb(const Ring& ring) {
  const auto load = [](uint32_t& word) { return guest::Load(word, std::memory_order_acquire); };
  return Json()
      .Set("head", load(ring.gh->head))
      .Set("cur", load(ring.gh->cur))
      .Set("hwcur", load(ring.hg->hwcur))
      .Set("hwtail", load(ring.hg->hwtail))
      .Set("kernNeedKick", load(ring.hg->kern_need_kick));
}

Json DescribeRegisters(Driver& driver) {
  BarAccess& registers = driver.registers();
  return Json()
      .Set("ptfeat", registers.Read(PTNET_IO_PTFEAT))
      .Set("ptctl", registers.Read(PTNET_IO_PTCTL))
      .Set("nifpOfs", registers.Read(PTNET_IO_NIFP_OFS))
      .Set("numTxRings", registers.Read(PTNET_IO_NUM_TX_RINGS))
      .Set("numRxRings", registers.Read(PTNET_IO_NUM_RX_RINGS));
}

/// Does the deed on a running device and writes down its CSB before and after.
std::string AbuseRunning(const Deed& deed, Driver& driver, uint32_t memid, uint64_t ring, int64_t settle_ns,
                         Json& json) {
  std::string error = driver.Start(memid);
  if (!error.empty()) return error;
  if (ring >= driver.port().tx.size()) return "--ring " + std::to_string(ring) + ": there is no such tx ring";
  Victim victim = {driver, driver.port().tx[ring], json};
  const std::vector<netmap_slot> slots(victim.ring.slots, victim.ring.slots + victim.ring.num_slots);
  netmap_ring header;
  std::memcpy(&header, &victim.Header(), sizeof header);
  json.Set("numSlots", victim.ring.num_slots).Set("before", DescribeCsb(victim.ring));
  deed.run(victim);
  guest::NapNs(settle_ns);
  json.Set("after", DescribeCsb(victim.ring)).Set("registers", DescribeRegisters(driver));
  json.Set("delete", driver.Stop());
  // The host serves no more: what was damaged in shared memory can be put back for the next start. Slots it took
  // from us by swapping buffers are its own doing and stay.
  std::memcpy(&victim.Header(), &header, sizeof header);
  for (uint32_t i = 0; i < victim.ring.num_slots; ++i) {
    netmap_slot& slot = victim.ring.slots[i];
    if (slot.buf_idx >= victim.ring.buf_count) slot.buf_idx = slots[i].buf_idx;
    slot.len = slots[i].len;
    slot.flags = slots[i].flags;
    slot.ptr = slots[i].ptr;
  }
  return {};
}

/// Starts the device again as a good driver would, and sends a few packets.
Json Recover(Driver& driver, uint32_t memid, uint64_t packets) {
  std::string error = driver.Start(memid);
  guest::LoopResult result;
  if (error.empty() && packets > 0) {
    result = SendSome(driver, packets);
    error = result.error;
  }
  Json json;
  json.Set("ok", error.empty()).Set("sent", result.sent.packets).Set("pending", result.pending);
  if (!error.empty()) json.Set("error", error);
  return json.Set("delete", driver.Stop());
}

std::string KnownNames() {
  std::string names;
  for (const Deed& deed : kDeeds) names += std::string(names.empty() ? "" : ", ") + deed.name;
  for (const auto& deed : kEarlyDeeds) names += std::string(", ") + deed.name;
  return names;
}

}  // namespace

Json Abuse(Args& args) {
  std::string error;
  const uint64_t index = args.Number("device", 0, 0, 255);
  std::unique_ptr<Driver> driver = OpenDevice(index, error);
  if (!driver) return Failure("abuse", error);
  const std::string what = args.Text("what", "");
  const uint32_t memid = static_cast<uint32_t>(args.Number("memdev", 0, 0, 65535));
  const uint64_t ring = args.Number("ring", 0, 0, kDoorbells);
  const int64_t settle_ns = static_cast<int64_t>(args.Number("settle-ms", 200, 0, 10'000)) * 1'000'000;
  const uint64_t packets = args.Number("packets", 10, 0, 1000);
  args.Positive("timeout", kTimeoutSeconds);  // every step here is bounded by far less
  error = args.Finish();
  if (!error.empty()) return Failure("abuse", error);
  Json json;
  json.Set("op", "abuse").Set("what", what);
  bool known = false;
  for (const Deed& deed : kDeeds) {
    if (what != deed.name) continue;
    known = true;
    error = AbuseRunning(deed, *driver, memid, ring, settle_ns, json);
  }
  for (const auto& deed : kEarlyDeeds) {
    if (what != deed.name) continue;
    known = true;
    error = driver->csb().Allocate();
    if (!error.empty()) break;
    deed.run(*driver, json);
    json.Set("registers", DescribeRegisters(*driver)).Set("delete", driver->Stop());
  }
  if (!known) error = "--what " + what + ": must be one of " + KnownNames();
  if (!error.empty()) return Failure("abuse", error);
  driver.reset();
  driver = OpenDevice(index, error);
  if (!driver) return Failure("abuse", error);
  return json.Set("ok", true).Set("recovered", Recover(*driver, memid, packets));
}

}  // namespace ptnet::agent
