// Switches whose process is killed behind any instruction of a sender's turn: another one goes on, and no receiver gets
// a packet twice, altered, out of order or that is another one's.
#include <span>

#include "killed.h"
#include "vale_net.h"

namespace ptnet::test {
namespace {

constexpr RegionShape kShape{{4, 1024}, {8, 1024}, {64, 128}};
constexpr uint32_t kSlots = 16, kStations = 3, kSender = 0;
constexpr uint8_t kAll = 0xff;

struct Setting {
  std::vector<uint8_t> to;  // of each packet that the sender publishes
  uint32_t before = 0;      // packets that each receiver has got before
  uint32_t unread = 0;      // and of these not given back
  bool several = false;     // every other packet has two slots
  Budget budget = kSyncBudget;
  uint32_t polls = 1;
  bool ends = false;  // the attachment ends behind them
};

constexpr Budget Destinations(uint32_t most) {
  Budget budget = kSyncBudget;
  budget.destinations = most;
  return budget;
}

/// What stations have sent and got: a copy of it is what they would do next.
struct Clients {
  GuestRing tx;
  std::vector<GuestRing> rx;  // of the receivers, from the second station on
  const Setting* setting;
  std::vector<std::vector<std::vector<uint8_t>>> expected;  // by receiver, in order
  std::vector<size_t> looked_at, got;                       // by receiver
  uint32_t sent = 0;

  void Put(std::span<const uint8_t> to) {
    for (const uint8_t dst : to) {
      const uint32_t frags = setting->several && sent % 2 == 1 ? 2 : 1;
      const auto frame = Frame(dst, kSender, 30 + sent * 11 % 70, sent);
      if (!tx.Put(frame, frags)) break;
      sent++;
      for (size_t r = 0; r < rx.size(); r++)
        if (dst == kAll || dst == r + 1) expected[r].push_back(frame);
    }
    tx.Show();
  }
  /// What there is is among what was sent, in its order.
  void Take(bool gives_back = true) {
    for (size_t r = 0; r < rx.size(); r++) {
      for (auto packet = rx[r].Take(); !packet.empty(); packet = rx[r].Take()) {
        size_t& i = looked_at[r];
        while (i < expected[r].size() && expected[r][i] != packet) i++;
        CHECK(i < expected[r].size());
        i++;
        got[r]++;
      }
      if (gives_back) rx[r].Show();
    }
  }
};

struct Killed {
  struct Station {
    std::shared_ptr<Region> region;
    std::shared_ptr<ValePort> port, first;
    Guest guest;
  };
  std::shared_ptr<Engine> engine = MakeEngine();
  std::shared_ptr<StatsArea> stats;
  std::shared_ptr<ValeSwitch> sw;
  std::vector<Station> stations{kStations};
  Shared shared;

  static PortShape ShapeOf(uint32_t i) { return {"vale0:" + std::to_string(i), 1, 1, kSlots, kSlots, 0}; }

  Killed() {
    CHECK_OK(StatsArea::Create(2 * kStations, &stats));
    shared.Add(stats->base(), stats->size());
    MakeSwitch();
    for (uint32_t i = 0; i < kStations; i++) {
      Station& s = stations[i];
      CHECK_OK(Region::Create(static_cast<uint16_t>(i + 1), kShape, {}, &s.region));
      CHECK_OK(ValePort::Create(s.region, stats, ShapeOf(i), sw, &s.port));
      s.first = s.port;
      s.guest.Attach(engine, *s.port);
      shared.Add(s.region->base(), s.region->memsize());
      shared.Add(&s.guest.csb_word(false, 0, 0), Guest::kSize);
    }
    LearnStations();
  }
  void MakeSwitch() { sw = std::make_shared<ValeSwitch>("vale0", engine, SwitchOptions{}); }
  void LearnStations() {
    for (uint32_t i = 0; i < kStations; i++) {
      const auto frame = Frame(static_cast<uint8_t>(i), 0);
      uint64_t mac = 0;
      memcpy(&mac, frame.data(), 6);
      sw->table().Learn(mac, stations[i].port->number(), sw->now_s());
    }
  }
  Clients Begin(const Setting& setting) {
    Clients clients{stations[kSender].guest.tx(), {}, &setting, {}, {}, {}};
    for (uint32_t i = 1; i < kStations; i++) clients.rx.push_back(stations[i].guest.rx());
    clients.expected.resize(kStations - 1);
    clients.looked_at.resize(kStations - 1);
    clients.got.resize(kStations - 1);
    return clients;
  }
  Flow& flow() { return *stations[kSender].port->flow(0); }
  RingCounters& tx() { return *stations[kSender].first->tx(0).counters; }
  RingCounters& rx(size_t receiver) { return *stations[receiver + 1].first->rx(0).counters; }

  /// A process that has nothing of the one before but what lies in shared memory, and the switch's table. @return
  /// slots that were being dealt with.
  uint32_t Follow() {
    MakeSwitch();
    const auto [done, taken] = PlaceRecord::Of(tx());
    std::shared_ptr<StatsArea> counters;
    CHECK_OK(StatsArea::Adopt(2 * kStations, stats->fd(), &counters));
    for (uint32_t i = 0; i < kStations; i++) {
      Station& s = stations[i];
      std::shared_ptr<Region> region;
      CHECK_OK(Region::Adopt(static_cast<uint16_t>(i + 1), kShape, {}, s.region->State(), &region));
      PortShape shape = ShapeOf(i);
      shape.places = RecordedPlaces(*s.first);
      CHECK_OK(ValePort::Create(region, counters, shape, sw, &s.port));
      ServeClientsOf(*s.first, *s.port);
    }
    LearnStations();
    return Distance(done, taken);
  }
  static uint32_t Distance(uint32_t from, uint32_t to) { return (to + kSlots - from) % kSlots; }

  /// What was published and not taken goes out, and nothing of what comes later is missing.
  void GoOn(Clients clients, uint32_t lost_most) {
    PollUntilQuiet({&flow()});
    clients.Take();
    for (size_t r = 0; r < clients.rx.size(); r++) {
      const size_t full = rx(r).drops[static_cast<int>(Drop::kFull)];
      CHECK(clients.got[r] + full + lost_most >= clients.expected[r].size());
      CHECK(rx(r).packets + full <= clients.expected[r].size());
    }
    CHECK(tx().packets <= clients.sent);
    for (uint32_t round = 0; round < 4; round++) {
      const std::vector<size_t> before = clients.got;
      const uint32_t sent = clients.sent;
      const uint8_t to[] = {1, kAll, 2, 1, 2};
      clients.Put(to);
      CHECK_EQ(clients.sent, sent + 5);
      PollUntilQuiet({&flow()});
      clients.Take();
      for (size_t r = 0; r < clients.rx.size(); r++) CHECK_EQ(clients.got[r], before[r] + 3);
    }
    CHECK_EQ(clients.tx.Mine(), kSlots - 1);
  }
};

/// Up to where the turn begins.
Clients Prepare(Killed& f, const Setting& setting) {
  Clients clients = f.Begin(setting);
  const uint8_t all[] = {kAll};
  for (uint32_t i = 0; i < setting.before; i++) {
    clients.Put(all);
    PollUntilQuiet({&f.flow()});
    clients.Take(i + setting.unread < setting.before);
  }
  clients.Put(setting.to);
  return clients;
}

void OnceAtMost(const char* what, const Setting& setting) {
  Killed f;
  const Clients clients = Prepare(f, setting);
  Flow& dead = f.flow();
  const auto turn = [&] {
    for (uint32_t poll = 0; poll < setting.polls; poll++) dead.Poll(setting.budget);
    if (setting.ends) dead.EndTx();
  };
  uint32_t losing = 0;
  const auto check = [&] {
    for (const bool acts : {false, true}) {
      f.shared.Restore();
      Clients now = clients;
      // Receivers may have looked before anybody goes on.
      if (acts) now.Take(false);
      uint32_t lost_most = f.Follow();
      losing += lost_most > 0;
      // What is under way when an attachment ends is forgotten.
      if (setting.ends) lost_most = kSlots;
      f.GoOn(now, lost_most);
    }
  };
  const uint32_t states = AtEachInstant(f.shared, turn, check);
  printf("%s: %u states, %u of them may lose packets\n", what, states, losing / 2);
  CHECK(states > setting.to.size());
}

void Main() {
  const std::vector<uint8_t> one(9, 1), mixed = {1, 2, 2, kAll, 1, 2, kAll, 1};
  OnceAtMost("run", {.to = one});
  OnceAtMost("run, round the end", {.to = one, .before = 11});
  OnceAtMost("run, without room", {.to = one, .before = 14, .unread = 12, .polls = 2});
  OnceAtMost("batch", {.to = mixed, .polls = 2});
  OnceAtMost("batch, several slots", {.to = mixed, .before = 9, .several = true, .polls = 2});
  OnceAtMost("batch, without room", {.to = mixed, .before = 20, .unread = 13, .polls = 2});
  OnceAtMost("batch in pieces", {.to = mixed, .budget = Destinations(1), .polls = 5});
  OnceAtMost("batch in pieces that ends", {.to = mixed, .budget = Destinations(1), .polls = 2, .ends = true});
}

}  // namespace
}  // namespace ptnet::test

int main() { ptnet::test::Main(); }
