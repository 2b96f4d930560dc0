// Four slots at once say what one slot says: what is plain, which flags there are, the same words, the sum of lengths.
#include "ring/quad.h"

#include "forward/null_port.h"
#include "guest.h"
#include "ring/packet.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr uint16_t kFlags[] = {NS_MOREFRAG, NS_INDIRECT, NS_NO_LEARN, NS_BUF_CHANGED, 0x0100, 0x8000};

struct Slots {
  alignas(16) NetmapSlot slots[kQuad] = {};
  Quad Read() { return ReadQuad(slots); }
};

/// Whichever of the four it is, and also next to one that is not plain itself.
void PlainIsWhatOneSlotSays() {
  for (const auto& [num_bufs, buf_size] : {std::pair{3u, 64u}, {2048u, 2048u}, {1'000'000u, 65535u}, {64u, 65536u}}) {
    Kring k{};
    k.num_bufs = num_bufs;
    k.SetBufSize(buf_size);
    const PlainSlots plain(k);
    const uint32_t bufs[] = {0, 1, 2, k.num_bufs - 1, k.num_bufs, k.num_bufs + 1, 0x7fffffff, 0x80000000, UINT32_MAX};
    const uint32_t lens[] = {0, 1, k.buf_size - 1, k.buf_size, k.buf_size + 1, UINT16_MAX};
    for (uint32_t at = 0; at < kQuad; at++) {
      for (const uint32_t buf : bufs) {
        for (const uint32_t len : lens) {
          if (len > UINT16_MAX) continue;
          Slots s;
          for (NetmapSlot& slot : s.slots) slot = {2, 60, 0, 0};
          s.slots[at] = {buf, static_cast<uint16_t>(len), 0, UINT64_MAX};
          const bool want = CheckSlot(k, ReadSlot(s.slots[at]), k.buf_size) == Drop::kCount;
          CHECK_EQ(plain.All(s.Read()), want);
          s.slots[(at + 1) % kQuad].buf_idx = 0;
          CHECK(!plain.All(s.Read()));
        }
      }
      for (const uint16_t flag : kFlags) {
        Slots s;
        for (NetmapSlot& slot : s.slots) slot = {2, 60, 0, 0};
        s.slots[at].flags = flag;
        CHECK(!plain.All(s.Read()));
      }
    }
  }
}

void FlagsAreFoundInEachOfThem() {
  for (uint32_t at = 0; at < kQuad; at++) {
    for (const uint16_t flag : kFlags) {
      Slots s;
      for (NetmapSlot& slot : s.slots) slot = {UINT32_MAX, UINT16_MAX, 0, UINT64_MAX};
      for (const uint16_t asked : kFlags) CHECK(!AnyHas(s.Read(), asked));
      s.slots[at].flags = flag;
      for (const uint16_t asked : kFlags) CHECK_EQ(AnyHas(s.Read(), asked), asked == flag);
      CHECK(AnyHas(s.Read(), UINT16_MAX));
    }
  }
}

void SameMeansEachWord() {
  Slots a, b;
  for (uint32_t i = 0; i < kQuad; i++) a.slots[i] = b.slots[i] = {i + 2, static_cast<uint16_t>(60 + i), 0, i};
  CHECK(Same(a.Read(), b.Read()));
  for (uint32_t at = 0; at < kQuad; at++) {
    for (int field = 0; field < 3; field++) {
      Slots other = b;
      if (field == 0) other.slots[at].buf_idx ^= 1;
      if (field == 1) other.slots[at].len ^= 1;
      if (field == 2) other.slots[at].flags ^= 1;
      CHECK(!Same(a.Read(), other.Read()) && !Same(other.Read(), a.Read()));
    }
    Slots elsewhere = b;
    elsewhere.slots[at].ptr ^= 1;  // is not looked at
    CHECK(Same(a.Read(), elsewhere.Read()));
  }
}

void LengthsAddUp() {
  LengthSum sum;
  CHECK_EQ(sum.Total(), 0u);
  uint64_t want = 0;
  for (uint32_t round = 0; round < 65536; round++) {
    Slots s;
    for (uint32_t i = 0; i < kQuad; i++) {
      s.slots[i].len = static_cast<uint16_t>(round % 2 == 0 ? UINT16_MAX : 60 + i);
      want += s.slots[i].len;
    }
    sum.Add(s.Read());
  }
  CHECK_EQ(sum.Total(), want);
}

/// Counted as one by one: rings whose slots are bad here and there, at a sink that looks at nothing else.
void TheSinkCountsTheSame(Random& random) {
  auto engine = MakeEngine();
  std::shared_ptr<NullPort> port;
  CHECK_OK(NullPort::Create(MakeRegion(), MakeStats(), {"null:t", 1, 1, 64, 64, 0}, &port));
  Guest guest;
  guest.Attach(engine, *port);
  Kring& k = port->tx(0);
  uint64_t packets = 0, bytes = 0, drops[static_cast<int>(Drop::kCount)] = {};
  for (int round = 0; round < 500; round++) {
    for (uint32_t n = random.Below(64); n > 0; n--) {
      const uint32_t at = guest.tx().head;
      if (!guest.tx().Put(Probe(0).data(), 60)) break;
      auto& slot = guest.tx().slot(at);
      slot.buf_idx = 2;
      slot.len = static_cast<uint16_t>(random.Below(2049));
      if (random.OneIn(10)) slot.buf_idx = random.OneIn(2) ? random.Below(2) : k.num_bufs + random.Below(2);
      if (random.OneIn(10)) slot.len = 2049;
      if (random.OneIn(10)) slot.flags = NS_INDIRECT;
      const Drop cause = CheckSlot(k, ReadSlot(k.slots[at]), k.buf_size);
      if (cause == Drop::kCount)
        packets++, bytes += slot.len;
      else
        drops[static_cast<int>(cause)]++;
    }
    guest.tx().Publish();
    guest.Sync(guest.tx());
    CHECK(guest.tx().Drained());
  }
  CHECK_EQ(k.counters->packets, packets);
  CHECK_EQ(k.counters->bytes, bytes);
  for (int cause = 0; cause < static_cast<int>(Drop::kCount); cause++) CHECK_EQ(k.counters->drops[cause], drops[cause]);
}

}  // namespace

int main() {
  Random random("quad");
  PlainIsWhatOneSlotSays();
  FlagsAreFoundInEachOfThem();
  SameMeansEachWord();
  LengthsAddUp();
  TheSinkCountsTheSame(random);
}
