// Pipes whose process is killed behind any instruction: another one goes on, and nothing is lost, doubled or altered,
// and each buffer is in one place.
#include <algorithm>
#include <numeric>

#include "killed.h"
#include "pipe_fixture.h"

namespace ptnet::test {
namespace {

constexpr RegionShape kShape{{4, 1024}, {8, 1024}, {64, 128}};
constexpr uint32_t kSlots = 16, kExtra = 4, kOffsetMost = 32, kDeaths = 30;

struct Setting {
  uint32_t before = 0;   // slots that have gone round before
  uint32_t held = 0;     // packets that the receiver has been shown, and gives back now
  uint32_t packets = 0;  // that the sender publishes now
  Budget budget = kSyncBudget;
  bool replaces = false;  // the receiver puts other buffers in their place
  bool several = false;   // packets of one to three slots
  bool offsets = false;   // they do not begin where their buffers do
  bool cut = false;       // of the last packet the last slot is not published yet
};

/// Both guests of one direction: a copy of it is what they would do next.
struct Ends {
  GuestRing tx, rx;
  const Setting* setting;
  std::vector<uint32_t> spare;  // the receiver's buffers
  uint32_t sent = 0, taken = 0;

  uint32_t SlotsOf(uint32_t packet) const { return setting->several ? 1 + packet % 3 : 1; }
  static uint32_t LenOf(uint32_t packet, uint32_t slot) { return 20 + (packet * 7 + slot * 13) % 70; }
  static uint8_t Byte(uint32_t packet, uint32_t slot, uint32_t at) {
    return static_cast<uint8_t>(packet * 31 + slot * 7 + at);
  }
  uint32_t OffsetOf(uint32_t packet) const { return setting->offsets ? 8 * (packet % 5) : 0; }

  /// As many of `most` packets as there is room for.
  void Put(uint32_t most) {
    for (; most > 0 && tx.Mine() >= SlotsOf(sent); most--, sent++)
      for (uint32_t s = 0; s < SlotsOf(sent); s++, tx.head = tx.Next(tx.head)) {
        guest::netmap_slot& slot = tx.slot(tx.head);
        if (setting->offsets) slot.ptr = OffsetOf(sent);
        slot.len = static_cast<uint16_t>(LenOf(sent, s));
        // Some leave what they were told of a buffer where it is.
        const uint16_t kept = sent % 4 == 0 ? slot.flags & guest::NS_BUF_CHANGED : 0;
        slot.flags = static_cast<uint16_t>(kept | (s + 1 < SlotsOf(sent) ? guest::NS_MOREFRAG : 0));
        for (uint32_t at = 0; at < slot.len; at++) tx.data(tx.head)[slot.ptr + at] = Byte(sent, s, at);
      }
    tx.Show();
  }
  /// Takes what there is, and looks at each byte of it; Release() gives it back.
  void Take() {
    for (uint32_t first = rx.head; rx.Mine() > 0; taken++, first = rx.head)
      for (uint32_t s = 0; s < SlotsOf(taken); s++, rx.head = rx.Next(rx.head)) {
        CHECK(rx.head == first || rx.Mine() > 0);
        guest::netmap_slot& slot = rx.slot(rx.head);
        CHECK_EQ(slot.len, LenOf(taken, s));
        CHECK_EQ(slot.flags, s + 1 < SlotsOf(taken) ? guest::NS_MOREFRAG : 0);
        CHECK_EQ(slot.ptr, OffsetOf(taken));
        for (uint32_t at = 0; at < slot.len; at++) CHECK_EQ(rx.data(rx.head)[slot.ptr + at], Byte(taken, s, at));
        if (setting->replaces && (taken + s) % 3 != 0) {
          std::swap(slot.buf_idx, spare.front());
          std::rotate(spare.begin(), spare.begin() + 1, spare.end());
          slot.flags |= guest::NS_BUF_CHANGED;
        }
      }
  }
  void Release() { rx.Show(); }
};

struct Killed {
  std::shared_ptr<Engine> engine = MakeEngine();
  std::shared_ptr<Region> region;
  std::shared_ptr<StatsArea> stats;
  std::shared_ptr<PipePair> pair;  // the one that serves now
  std::shared_ptr<PipePair> first = nullptr;
  Guest a, b;
  Shared shared;
  std::vector<uint32_t> bufs;  // all of them that go round

  explicit Killed(const Setting& setting) {
    CHECK_OK(Region::Create(1, kShape, {}, &region));
    CHECK_OK(StatsArea::Create(8, &stats));
    CHECK_OK(PipePair::Create(region, stats, {"p{1", 1, 1, kSlots, kSlots, kExtra}, "p}1", &pair));
    first = pair;
    for (Kring* k : {&pair->master().tx(0), &pair->slave().rx(0)})
      if (setting.offsets) k->SetOffsets(0x3f, kOffsetMost, 128);
    a.Attach(engine, pair->master());
    b.Attach(engine, pair->slave());
    shared.Add(region->base(), region->memsize());
    shared.Add(stats->base(), stats->size());
    for (Guest* guest : {&a, &b}) shared.Add(&guest->csb_word(false, 0, 0), Guest::kSize);
  }
  Ends Begin(const Setting& setting) {
    Ends ends{a.tx(), b.rx(), &setting, {}};
    uint32_t i = reinterpret_cast<NetmapIf*>(region->base() + pair->master().nifp_ofs())->bufs_head;
    for (; i != 0; memcpy(&i, region->Buf(i), sizeof i)) ends.spare.push_back(i);
    CHECK_EQ(ends.spare.size(), kExtra);
    bufs = ends.spare;
    for (uint32_t s = 0; s < kSlots; s++) bufs.push_back(ends.tx.slots[s].buf_idx);
    std::sort(bufs.begin(), bufs.end());
    return ends;
  }
  Flow& flow() { return *pair->master().flow(0); }
  Flow& back() { return *pair->slave().flow(0); }
  uint64_t counted(uint32_t block) const { return reinterpret_cast<RingCounters*>(stats->base())[block].packets; }

  /// A process that has nothing of the one before but what lies in shared memory.
  void Follow() {
    RegionState state = region->State();
    std::shared_ptr<Region> same;
    std::shared_ptr<StatsArea> counters;
    CHECK_OK(Region::Adopt(1, kShape, {}, state, &same));
    CHECK_OK(StatsArea::Adopt(8, stats->fd(), &counters));
    PortShape shape{"p{1", 1, 1, kSlots, kSlots, kExtra};
    shape.places = RecordedPlaces(first->master());
    shape.other_places = RecordedPlaces(first->slave());
    CHECK_OK(PipePair::Create(same, counters, shape, "p}1", &pair));
    ServeClientsOf(first->master(), pair->master());
    ServeClientsOf(first->slave(), pair->slave());
  }
  void Serve() { PollUntilQuiet({&flow(), &back()}); }

  /// Both guests go on until the rings have gone round, and everything has arrived.
  void GoOn(Ends ends) {
    const uint32_t until = ends.sent + 2 * kSlots;
    for (uint32_t rounds = 0; ends.taken < until; rounds++) {
      CHECK(rounds < 100);
      Serve();
      CHECK_EQ(LoadRelaxed(a.tx().hg->hwcur), LoadRelaxed(b.rx().hg->hwtail));
      CHECK_EQ(LoadRelaxed(a.tx().hg->hwtail), a.tx().Prev(LoadRelaxed(b.rx().hg->hwcur)));
      ends.Take();
      ends.Release();
      ends.Put(std::min(rounds + 1, until - ends.sent));
    }
    Serve();
    ends.Take();
    CHECK_EQ(ends.taken, ends.sent);
    CHECK_EQ(ends.tx.Mine(), kSlots - 1);
    CHECK_EQ(ends.rx.Mine(), 0u);
    for (uint32_t block : {0, 3}) CHECK(counted(block) <= ends.sent);
    std::vector<uint32_t> now = ends.spare;
    for (uint32_t s = 0; s < kSlots; s++) {
      CHECK_EQ(ends.rx.slots[s].buf_idx, ends.tx.slots[s].buf_idx);
      now.push_back(ends.tx.slots[s].buf_idx);
    }
    std::sort(now.begin(), now.end());
    CHECK(now == bufs);
  }
};

/// Up to where the turn begins.
Ends Prepare(Killed& f, const Setting& setting) {
  Ends ends = f.Begin(setting);
  for (uint32_t end = 0; end < setting.before; end = std::min<uint32_t>(end + 5, setting.before)) {
    ends.Put(std::min<uint32_t>(5, setting.before - end));
    f.Serve();
    ends.Take();
    ends.Release();
    f.Serve();
  }
  ends.Put(setting.held);
  f.Serve();
  ends.Take();
  ends.Release();
  ends.Put(setting.packets);
  if (setting.cut) ends.tx.WriteHead(ends.tx.Prev(ends.tx.head));
  return ends;
}

enum class Turn { kPoll, kEndRx };

void NothingIsLost(const Setting& setting, Turn kind = Turn::kPoll) {
  Killed f(setting);
  const Ends ends = Prepare(f, setting);
  Flow& dead = f.flow();
  const auto turn = [&] { kind == Turn::kPoll ? (void)dead.Poll(setting.budget) : dead.EndRx(); };
  const auto check = [&] {
    f.Follow();
    f.GoOn(ends);
    f.shared.Restore();
    // Both guests may have done much before anybody goes on.
    Ends now = ends;
    now.Take();
    now.Release();
    now.Put(kSlots);
    f.Follow();
    f.GoOn(now);
  };
  const uint32_t states = AtEachInstant(f.shared, turn, check);
  printf("%u given back, %u published: %u states\n", setting.held, setting.packets, states);
  CHECK(states > (kind == Turn::kPoll ? 3 : 0));
}

/// Killed over and over, while both guests go on.
void ManyDeaths(const Setting& setting, Random& random) {
  Killed f(setting);
  Ends ends = Prepare(f, setting);
  const auto act = [&] {
    if (random.OneIn(2)) ends.Take();
    if (random.OneIn(2)) ends.Release();
    if (random.OneIn(2)) ends.Put(random.Below(kSlots));
  };
  uint32_t ended = 0, most = 3000;  // instructions
  for (uint32_t deaths = 0; deaths < kDeaths; deaths++) {
    Stepped child([&] {
      f.flow().Poll(setting.budget);
      f.back().Poll(setting.budget);
      f.flow().Poll(setting.budget);
    });
    bool goes_on = true;
    for (uint32_t left = random.Below(most); goes_on && left > 0; left--) {
      goes_on = child.Step();
      if (random.OneIn(200)) act();
    }
    child.Kill();
    ended += !goes_on;
    most = goes_on ? most + most / 16 : most - most / 4;
    act();
    f.Follow();
  }
  printf("killed %u times, %u of them too late: %u packets\n", kDeaths, ended, ends.taken);
  CHECK(ends.taken > 0 && ended < kDeaths);
  f.GoOn(ends);
}

constexpr Budget Slots(uint32_t slots) {
  Budget budget = kSyncBudget;
  budget.slots = slots;
  return budget;
}

void Main() {
  const Setting settings[] = {
      {.packets = 9},
      {.before = 3, .held = 6},
      {.before = 12, .held = 4, .packets = 6},
      {.before = 30, .held = 9, .packets = 5, .replaces = true},
      {.before = 2, .held = 9, .packets = 6, .budget = Slots(3), .replaces = true},
      {.before = 4, .held = 3, .packets = 5, .replaces = true, .several = true},
      {.before = 9, .held = 2, .packets = 5, .replaces = true, .several = true, .cut = true},
      {.before = 6, .held = 4, .packets = 3, .replaces = true, .several = true, .offsets = true},
  };
  for (const Setting& setting : settings) {
    NothingIsLost(setting);
    NothingIsLost(setting, Turn::kEndRx);
  }
  Random random("killed_pipe_test");
  for (const uint32_t i : {3, 6}) ManyDeaths(settings[i], random);
}

}  // namespace
}  // namespace ptnet::test

int main() { ptnet::test::Main(); }
