// SetOffsets: both rings of a pipe's pair get the same, what lies in them stays where it is.
#include "forward/offsets.h"

#include <errno.h>

#include <bit>
#include <string>

namespace ptnet {
namespace {

constexpr uint64_t kRingBytesMost = 64 << 20;

struct Offsets {
  uint64_t mask;
  uint32_t max, gap;
};

/// Where the packets end that begin at hwcur: those that an rx ring shows its client, and those that wait to leave a tx
/// ring, whose program may have been killed.
uint32_t PacketsUpTo(Kring& k) {
  if (k.dir == Dir::kRx) return k.hwtail;
  uint32_t head = k.hwcur;
  return k.attached() && k.TryHead(&head) ? head : k.hwcur;
}

/// `fills`: slots without a packet have `initial` from now on. Nobody serves the ring meanwhile.
void Give(Kring& k, const Offsets& offsets, uint32_t initial, bool fills) {
  SpinGuard guard(k.lock);
  const bool first = !k.has_offsets();
  if (first) k.SetOffsets(offsets.mask, offsets.max, offsets.gap);
  k.ShowOffsetMask();
  const uint32_t packets = k.Distance(k.hwcur, PacketsUpTo(k));
  for (uint32_t i = 0; fills && i < k.num_slots; i++) {
    // What came before offsets begins where its buffer begins.
    if (k.Distance(k.hwcur, i) >= packets)
      k.SetOffset(k.slots[i], initial);
    else if (first)
      k.SetOffset(k.slots[i], 0);
  }
}

void GiveBoth(Port& port, uint32_t ring, const Offsets& offsets, uint32_t initial, bool shared) {
  const bool first = !port.kring(ring).has_offsets();
  Give(port.kring(ring), offsets, initial, !shared && (first || initial > 0));
  const auto [other, joined] = port.JoinedTo(ring);
  // Whoever is there has put nothing elsewhere so far.
  if (other != nullptr) Give(other->kring(joined), offsets, other->attached ? 0 : initial, first);
}

/// Whoever has such a ring, or shares its slots, without offsets so far; and rings so large that to move what lies in
/// them, when their offsets end, would take the host long.
Status CheckOthers(Port& port, const std::vector<bool>& rings, const std::vector<bool>& shared) {
  for (uint32_t i = 0; i < port.rings(); i++) {
    if (!rings[i] || port.kring(i).has_offsets()) continue;
    if (const uint64_t bytes = uint64_t{port.kring(i).num_slots} * port.kring(i).buf_size; bytes > kRingBytesMost)
      return Status::Fail(EOPNOTSUPP, port.name() + ": ring " + std::to_string(i) + ": offsets: its buffers have " +
                                          std::to_string(bytes) + " bytes: up to " + std::to_string(kRingBytesMost) +
                                          " would be right");
    if (shared[i])
      return Status::Fail(EBUSY, port.name() + ": ring " + std::to_string(i) +
                                     ": offsets: somebody has it without: the first one who opens it would be right");
    const Port* const other = port.JoinedTo(i).first;
    if (other != nullptr && other->attached && other->plain)
      return Status::Fail(EOPNOTSUPP, port.name() + ": offsets: " + other->name() +
                                          " has a client that knows nothing of them, as VMs do: none would be right");
  }
  return Status::Ok();
}

}  // namespace

Status SetOffsets(Engine& engine, const std::vector<OffsetRings>& parts, const OffsetsAsked& asked,
                  OffsetsGiven* given) {
  Offsets now{asked.bits < 64 ? (uint64_t{1} << asked.bits) - 1 : UINT64_MAX, asked.max, asked.gap};
  std::vector<std::vector<Offsets>> wanted(parts.size());
  for (size_t p = 0; p < parts.size(); p++) {
    const auto& [port, rings, shared] = parts[p];
    if (Status s = CheckOthers(*port, rings, shared); !s.ok()) return s;
    if (now.gap == 0) now.gap = port->region().bufs().size();
    for (uint32_t i = 0; i < port->rings(); i++) {
      const Kring& k = port->kring(i);
      if (rings[i] && k.has_offsets()) {
        if ((k.offset_mask & now.mask) != now.mask || k.offset_max < now.max)
          return Status::Fail(EBUSY, port->name() + ": ring " + std::to_string(i) + ": offsets of " +
                                         std::to_string(std::bit_width(now.mask)) + " bits up to " +
                                         std::to_string(now.max) + " asked for, and it has " +
                                         std::to_string(std::bit_width(k.offset_mask)) + " bits up to " +
                                         std::to_string(k.offset_max) + " already: those would be right");
        now.mask = k.offset_mask;
        now.max = k.offset_max;
      }
      wanted[p].push_back(now);
    }
  }
  for (size_t p = 0; p < parts.size(); p++) {
    const OffsetRings& part = parts[p];
    for (uint32_t i = 0; i < part.port->rings(); i++) {
      if (!part.rings[i]) continue;
      Flow* const flow = part.port->flow(i);
      const auto give = [&] { GiveBoth(*part.port, i, wanted[p][i], asked.initial, part.shared[i]); };
      flow != nullptr ? engine.WithFlow(flow, give) : give();
    }
  }
  *given = {now.max, static_cast<uint32_t>(std::bit_width(now.mask))};
  return Status::Ok();
}

}  // namespace ptnet
