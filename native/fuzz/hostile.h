// Ports of every kind whose guests write what they like into their CSBs and slots, for the fuzzers.
#pragma once

#include <sanitizer/asan_interface.h>

#include <array>

#include "forward/echo.h"
#include "forward/monitor.h"
#include "forward/null_port.h"
#include "forward/observe.h"
#include "forward/pipe.h"
#include "forward/vale.h"
#include "forward/zcopy_monitor.h"
#include "input.h"
#include "native/test/guest.h"
#include "onlookers.h"

#ifdef __SANITIZE_THREAD__
/// Of ThreadSanitizer's run-time library, which has no header for it.
extern "C" void AnnotateBenignRaceSized(const char* file, int line, const volatile void* address, size_t bytes,
                                        const char* why);
#endif

namespace ptnet::fuzz {

/// What a guest puts into `count` slots that follow each other: the same into each, but for the buffers.
struct Burst {
  uint32_t count;
  uint16_t len, flags;
  uint8_t to, from;   // of the addresses, in Ethernet headers
  uint32_t buf_step;  // 0: the buffers that lie there
};

/// How often flows were served, and how often something moved: the others found nothing, or what they refused.
struct Servings {
  uint64_t all = 0, moved = 0;
};

inline void PrintServings(const Servings& servings) {
  printf("executions: %llu servings, in %llu of them something moved\n", static_cast<unsigned long long>(servings.all),
         static_cast<unsigned long long>(servings.moved));
}

class Hostile {
 public:
  /// `workers` threads of an engine that has nothing to do: none makes the control plane's calls cheap.
  explicit Hostile(uint32_t workers = 0) : engine_(test::MakeEngine(workers)) {
    Check(NullPort::Create(region_, stats_, {"null:n", 2, 2, kSlots, kSlots, 0}, &null_));
    Configure(0x32);
    Check(PipePair::Create(region_, stats_, {"pipe:p/0", 1, 1, kSlots, kSlots, 0}, "pipe:p/1", &pipe_));
    Check(EchoPort::Create(region_, stats_, {"echo:e", 1, 1, kManySlots, kSlots, 0}, &echo_));
    for (uint32_t i = 0; i < vale_.size(); i++)
      Check(ValePort::Create(i == kCutting ? small_ : region_, stats_,
                             {"vale:" + std::to_string(i), 1, 1, i < kImpatient ? kSlots : kManySlots, kSlots, 0},
                             i < kImpatient ? switch_ : patient_, &vale_[i]));
    for (Port* port : {static_cast<Port*>(null_.get()), static_cast<Port*>(&pipe_->master()),
                       static_cast<Port*>(&pipe_->slave()), static_cast<Port*>(echo_.get())})
      Attach(*port);
    for (const auto& port : vale_) Attach(*port);
    const std::shared_ptr<Port> watched[] = {{pipe_, &pipe_->master()}, vale_[1]};
    for (size_t i = 0; i < monitors_.size(); i++) {
      Check(MonitorPort::Create(region_, stats_, {"x/rt", 1, 1, kSlots, kSlots, 0}, engine_, {watched[i], nullptr},
                                {.tx = true, .rx = true}, &monitors_[i]));
      Attach(*monitors_[i]);
      monitors_[i]->OnServed(true);
    }
    // Two of them stand on each other.
    const std::shared_ptr<Port> taken_from[] = {watched[0], watched[0], vale_[0]};
    for (size_t i = 0; i < takers_.size(); i++) {
      Check(ZcopyMonitorPort::Create(region_, stats_, {"x/rtz", 1, 1, kSlots, kSlots, 0}, engine_,
                                     {taken_from[i], nullptr}, {.tx = true, .rx = true}, &takers_[i]));
      Attach(*takers_[i]);
    }
    for (Port* port : {static_cast<Port*>(&pipe_->master()), static_cast<Port*>(echo_.get()),
                       static_cast<Port*>(vale_[0].get()), static_cast<Port*>(vale_[1].get())})
      for (uint32_t ring = 0; ring < port->rings(); ring++) AddObserver(*engine_, *port, ring, &watcher_);
    for (Region* region : {region_.get(), small_.get()}) {
      Forbid(*region);
      AllowRaces(*region);
    }
    Reset();
  }

  uint32_t rings() const { return static_cast<uint32_t>(rings_.size()); }

  /// As it was at first: indices, slots, CSBs and what the switches know. Payload stays what it is.
  void Reset() {
    if (visitor_.joined()) switch_->Detach(&visitor_);
    now_s_ += 2;
    // Without what is left of a packet that was taken midway.
    for (const auto& taker : takers_) taker->OnServed(false);
    for (const auto& taker : takers_) taker->OnServed(true);
    // All of them first: the end of one may move another.
    for (Ring& r : rings_) Detach(r);
    for (Ring& r : rings_) {
      memcpy(r.k->slots, r.slots.data(), r.slots.size() * sizeof(NetmapSlot));
      r.k->hwcur = 0;
      r.k->hwtail = r.k->dir == Dir::kTx ? r.k->num_slots - 1 : 0;
      r.k->waited_in_vain = false;
      r.k->observed = r.k->ObservedUpTo();
      Attach(r);
    }
  }
  /// What the null port's rx rings bring, and how its tx rings are checked.
  void Configure(uint8_t what) {
    constexpr uint32_t kSizes[] = {32, 60, 255, 256, 257, 1500};
    constexpr Payload kLevels[] = {Payload::kNone, Payload::kStamp, Payload::kFull};
    for (uint32_t i = 0; i < 2; i++) {
      null_->source(i).Configure({.packets = what & 0x80 ? 20 : SourceConfig::kUnlimited,
                                  .size = kSizes[(what >> (2 * i)) % 6],
                                  .payload = kLevels[(what + i) % 3],
                                  .rate = what & 0x40 ? 1'000'000'000u : 0});
      null_->sink(i).set_verify(kLevels[(what >> 4 & 3) == 3 ? 2 * i : (what >> 4 & 3)]);
    }
  }
  /// Which rings have offsets, and how far they go; both of a pipe's pair do, or none. While nobody serves any.
  void SetOffsets(uint8_t which) {
    constexpr uint32_t kMost[] = {0, 1, 30, 100, 255, 256};
    for (uint32_t i = 0; i < rings_.size(); i++) {
      uint32_t first = i;
      while (rings_[i].joined != nullptr && first > 0 && rings_[first].k != rings_[i].joined) first--;
      if (rings_[first].k != rings_[i].joined) first = i;
      Kring& k = *rings_[i].k;
      const bool has = which >> (first % 8) & 1;
      const uint32_t most = std::min(kMost[(which + first) % 6], k.buf_size);
      k.SetOffsets(!has ? 0 : first % 2 ? UINT64_MAX : 0xfff, has ? most : 0, !has || first % 3 ? k.buf_size : 100);
    }
    for (const auto& taker : takers_) taker->rx(0).SetOffsets(0, 0, taker->rx(0).buf_size);
  }
  /// The attachment of one ring ends, or another one begins.
  void ToggleAttachment(uint32_t ring) { rings_[ring].k->attached() ? Detach(rings_[ring]) : Attach(rings_[ring]); }
  /// A member without rings comes to the switch, or leaves it.
  void Visit() { visitor_.joined() ? switch_->Detach(&visitor_) : Check(switch_->Attach(&visitor_, "visitor")); }
  void PassSecond() { now_s_++; }
  /// A zero-copy monitor goes, from below or above another one, and comes again behind it.
  void Relink(uint32_t which) {
    ZcopyMonitorPort& taker = *takers_[which % takers_.size()];
    taker.OnServed(false);
    taker.OnServed(true);
  }

  // What guests do, in a thread of their own if need be: by their own reading of rings and CSBs, not the host's.
  void WriteCsb(uint32_t ring, uint32_t word, uint32_t value) {
    guest::CsbGuestToHost& csb = *rings_[ring].guest.gh;
    uint32_t& field = word == 0 ? csb.head : word == 1 ? csb.cur : word == 2 ? csb.appl_need_kick : csb.sync_flags;
    guest::Store(field, value, std::memory_order_relaxed);
  }
  /// An index near those that are right.
  void WriteIndex(uint32_t ring, uint32_t word, int8_t distance) {
    const uint32_t tail = guest::Load(rings_[ring].guest.hg->hwtail, std::memory_order_relaxed);
    WriteCsb(ring, word & 1, tail + static_cast<uint32_t>(int32_t{distance}));
  }
  void WriteAnySlot(uint32_t ring, uint32_t where, uint64_t value) {
    const guest::Ring& r = rings_[ring].guest;
    SlotOf(r, where % r.num_slots).store(value, std::memory_order_relaxed);
    // Wherever the offset ends.
    std::atomic_ref<uint64_t>(r.slots[where % r.num_slots].ptr).store(value >> (value & 31), std::memory_order_relaxed);
  }
  /// Fills slots from the guest's head on as one that behaves would do, and gives them to the host.
  void Send(uint32_t ring, const Burst& burst) {
    const guest::Ring& r = rings_[ring].guest;
    uint32_t i = guest::Load(r.gh->head, std::memory_order_relaxed) % r.num_slots;
    const uint32_t count = std::min(burst.count, r.num_slots - 1);
    for (uint32_t n = 0; n < count; n++, i = r.Next(i)) {
      const auto old = static_cast<uint32_t>(SlotOf(r, i).load(std::memory_order_relaxed));
      const bool keeps = burst.buf_step == 0 && old >= kFirstBuf && old < r.buf_count;
      const uint32_t buf = keeps ? old : kFirstBuf + (i * burst.buf_step) % (r.buf_count - kFirstBuf);
      WriteHeader(r.Buffer(buf), burst.to, burst.from);
      SlotOf(r, i).store(buf | uint64_t{burst.len} << 32 | uint64_t{burst.flags} << 48, std::memory_order_relaxed);
    }
    guest::StoreCurThenHead(*r.gh, i);
  }
  /// Gives the host all that is the guest's, or some of it.
  void Publish(uint32_t ring, uint32_t count) {
    const guest::Ring& r = rings_[ring].guest;
    const uint32_t from = guest::Load(r.hg->hwcur, std::memory_order_relaxed);
    const uint32_t to = guest::Load(r.hg->hwtail, std::memory_order_relaxed);
    const uint32_t mine = to >= from ? to - from : to + r.num_slots - from;
    guest::StoreCurThenHead(*r.gh, r.Advance(from, count % (mine + 1)));
  }

  /// Serves the flow of a ring as a worker does that has been kicked, and parks it.
  void Serve(uint32_t ring, const Budget& budget, Servings* servings) {
    const Ring& r = rings_[ring];
    if (r.flow == nullptr) return;
    r.flow->Unblock();
    r.flow->Disarm();
    int polls = 0;
    while (polls < 4 && r.flow->Poll(budget).moved) polls++;
    if (r.flow->Arm()) r.flow->Poll(budget);
    servings->all++;
    servings->moved += polls > 0;
    Require(r.k->hwcur < r.k->num_slots && r.k->hwtail < r.k->num_slots);
    if (r.joined == nullptr) return;
    const Kring &tx = r.k->dir == Dir::kTx ? *r.k : *r.joined, &rx = r.k->dir == Dir::kTx ? *r.joined : *r.k;
    Require(tx.hwcur == rx.hwtail && tx.hwtail == tx.Prev(rx.hwcur));
  }
  /// Which of two threads may serve a ring: a flow, which may have two of them, is served by one. 2: nobody has to.
  uint32_t WorkerOf(uint32_t ring) const {
    const Flow* const flow = rings_[ring].flow;
    uint32_t first = 0;
    while (rings_[first].flow != flow) first++;
    return flow == nullptr ? 2 : first / 2 % 2;
  }

 private:
  static constexpr uint32_t kSlots = 32;
  static constexpr uint32_t kManySlots = 96;  // more than a packet may have
  static constexpr uint32_t kCutting = 2;     // has the smaller buffers
  static constexpr uint32_t kImpatient = 3;   // ports on the first switch
  static constexpr uint64_t kForEver = UINT64_MAX / 2;
  static constexpr uint32_t kFirstBuf = 2;  // those before it are no ring's

  struct Ring {
    Kring* k;
    CsbAtok* csb;
    CsbKtoa* shown;
    Flow* flow;
    const Kring* joined;  // of a pipe
    std::vector<NetmapSlot> slots;
    guest::Ring guest;
  };

  static void Check(const Status& status) { Require(status.ok()); }
  /// Whole, as the host reads it: index, length and flags.
  static std::atomic_ref<uint64_t> SlotOf(const guest::Ring& ring, uint32_t i) {
    return std::atomic_ref<uint64_t>(reinterpret_cast<uint64_t&>(ring.slots[i]));
  }
  static void WriteHeader(uint8_t* packet, uint8_t to, uint8_t from) {
    // A multicast address for numbers from 128 on.
    const uint64_t low = (to & 0x80 ? 1u : 2u) | uint64_t{to} << 40 | uint64_t{2} << 48;
    auto* words = reinterpret_cast<uint64_t*>(packet);
    std::atomic_ref(words[0]).store(low, std::memory_order_relaxed);
    std::atomic_ref(words[1]).store(uint64_t{from} << 24, std::memory_order_relaxed);
  }
  /// What the host must neither read nor write once it is made: only slots and buffers are looked at.
  void Forbid(Region& region) {
    uint8_t* const base = region.base();
    const uint64_t bufs = region.bufs().offset();
    ASAN_POISON_MEMORY_REGION(base, bufs + kReservedBufs * region.bufs().size());
    ASAN_POISON_MEMORY_REGION(base + region.memsize(), region.bar_size() - region.memsize());
    for (const Ring& r : rings_)
      if (auto* slots = reinterpret_cast<uint8_t*>(r.k->slots); slots >= base && slots < base + bufs)
        ASAN_UNPOISON_MEMORY_REGION(slots, r.k->num_slots * sizeof(NetmapSlot));
    // A zero-copy monitor tells its client of offsets there.
    for (const auto& taker : takers_)
      if (&taker->region() == &region)
        ASAN_UNPOISON_MEMORY_REGION(&taker->rx(0).ring->offset_mask, sizeof(NetmapRing::offset_mask));
  }
  /// Payload is read and written by whoever owns its slot, and a hostile guest lets everybody own everything. What
  /// comes of that is in the payload alone, so ThreadSanitizer is to look at all but that.
  static void AllowRaces([[maybe_unused]] Region& region) {
#ifdef __SANITIZE_THREAD__
    AnnotateBenignRaceSized(__FILE__, __LINE__, region.base() + region.bufs().offset(),
                            uint64_t{region.bufs().num()} * region.bufs().size(), "payload");
#endif
  }
  void Attach(Port& port) {
    guests_.push_back(std::make_unique<test::Guest>());
    guests_.back()->Attach(engine_, port);
    for (uint32_t i = 0; i < port.rings(); i++) {
      Kring& k = port.kring(i);
      rings_.push_back(
          {&k, k.atok, k.ktoa, port.flow(i), nullptr, {k.slots, k.slots + k.num_slots}, guests_.back()->rings[i]});
    }
    Join(port, pipe_->master(), pipe_->slave());
    Join(port, pipe_->slave(), pipe_->master());
  }
  void Join(Port& port, PipeEnd& end, PipeEnd& other) {
    if (&port != &end) return;
    rings_[rings_.size() - 2].joined = &other.rx(0);
    rings_[rings_.size() - 1].joined = &other.tx(0);
  }
  static void Detach(Ring& r) {
    if (!r.k->attached()) return;
    if (r.flow != nullptr) r.k->dir == Dir::kTx ? r.flow->EndTx() : r.flow->EndRx();
    SpinGuard guard(r.k->lock);
    r.k->atok = nullptr;
    r.k->ktoa = nullptr;
  }
  static void Attach(Ring& r) {
    SpinGuard guard(r.k->lock);
    StoreRelaxed(r.csb->cur, r.k->hwcur);
    StoreRelaxed(r.csb->head, r.k->hwcur);
    StoreRelaxed(r.csb->appl_need_kick, 0);
    StoreRelaxed(r.shown->kern_need_kick, 0);
    r.k->atok = r.csb;
    r.k->ktoa = r.shown;
    r.k->blocked = false;
    r.k->Publish();
  }

  static inline std::atomic<uint32_t> now_s_{0};
  static uint32_t NowSeconds() { return now_s_.load(std::memory_order_relaxed); }

  std::shared_ptr<Region> region_ = test::MakeRegion(1, 2048, 256), small_ = test::MakeRegion(2, 128, 128);
  std::shared_ptr<StatsArea> stats_ = test::MakeStats();
  std::shared_ptr<Engine> engine_;
  SwitchOptions options_{.patience_ns = 0, .age_s = 2, .clock = NowSeconds};
  std::shared_ptr<ValeSwitch> switch_ = std::make_shared<ValeSwitch>("vale0", engine_, options_);
  std::shared_ptr<ValeSwitch> patient_ =
      std::make_shared<ValeSwitch>("vale1", engine_, SwitchOptions{.patience_ns = kForEver});
  std::shared_ptr<NullPort> null_;
  std::shared_ptr<PipePair> pipe_;
  std::shared_ptr<EchoPort> echo_;
  std::array<std::shared_ptr<ValePort>, 5> vale_;
  std::array<std::shared_ptr<MonitorPort>, 2> monitors_;
  std::array<std::shared_ptr<ZcopyMonitorPort>, 3> takers_;
  Visitor visitor_;
  Watcher watcher_;
  std::vector<std::unique_ptr<test::Guest>> guests_;
  std::vector<Ring> rings_;
};

}  // namespace ptnet::fuzz
