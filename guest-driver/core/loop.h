// Runs send, receive, echo or duplex over several rings in one thread until a limit is met; the same code in a VM and
// on the host.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "config.h"
#include "echo.h"
#include "policy.h"
#include "receive.h"
#include "send.h"

namespace ptnet::guest {

template <Kicker K, Waiter W>
class Loop {
 public:
  /// `config` must have passed Check(). All references must outlive the loop.
  Loop(LoopConfig& config, LoopControl& control, K& kicker, W& waiter)
      : config_(config),
        control_(control),
        kicker_(kicker),
        waiter_(waiter),
        inspector_(config.first_seq, MaxBufSize(config.rx), config.vnet_hdr_len),
        sends_(config.op == Op::kSend || config.op == Op::kDuplex),
        receives_(config.op == Op::kReceive || config.op == Op::kDuplex) {
    if (config.op == Op::kEcho) {
      size_t tx = 0;
      for (Ring& ring : config.rx) {
        echoers_.emplace_back(ring, config.tx[tx], config.vnet_hdr_len);
        tx = tx + 1 == config.tx.size() ? 0 : tx + 1;
      }
    }
    if (!sends_) return;
    const uint64_t rings = config.tx.size();
    for (uint64_t r = 0; r < rings; ++r) {
      // The total, dealt to the rings in turn.
      const uint64_t share =
          config.count == kNoLimit ? kNoLimit : config.count / rings + (r < config.count % rings ? 1 : 0);
      senders_.emplace_back(config.tx[r], config, static_cast<uint16_t>(config.stream + r), share);
    }
  }

  LoopResult Run() {
    Start();
    AtLevel([this]<Payload P> {
      while (StepAs<P>()) {
      }
      return false;
    });
    return Finish();
  }

  // Run() in parts, for who has more to do in this thread than one loop.

  /// To be called once, before the first Step().
  void Start() {
    start_ = last_ = NowNs();
    for (Ring& ring : config_.tx) ring.AskForInterrupt(false);
    for (Ring& ring : config_.rx) ring.AskForInterrupt(false);
  }

  /// Serves every ring once, and waits as the waiter does when nothing moved. @return whether the loop goes on.
  bool Step() {
    return AtLevel([this]<Payload P> { return StepAs<P>(); });
  }

  /// To be called once, after the last Step().
  LoopResult Finish() {
    if (result_.stopped == Stopped::kCount) last_ = NowNs();
    if (config_.op != Op::kReceive) Drain();
    // As a driver that went idle: the next packet is announced.
    for (Ring& ring : config_.rx) ring.AskForInterrupt(true);
    Report();
    result_.interrupts = waiter_.interrupts();
    result_.seconds = started_ ? static_cast<double>(last_ - first_) / kNsPerSecond : 0;
    result_.lost = inspector_.tracker().lost();
    result_.late = inspector_.tracker().late();
    result_.corrupt = inspector_.tracker().corrupt();
    return std::move(result_);
  }

 private:
  static constexpr uint64_t kPassesPerClock = 64;  // busy passes between two looks at the clock

  static uint32_t MaxBufSize(const std::vector<Ring>& rings) {
    uint32_t size = 0;
    for (const Ring& ring : rings) size = std::max(size, ring.buf_size);
    return size;
  }

  /// Calls `f` with the payload level as its template argument, so that nothing is decided per packet.
  template <typename F>
  bool AtLevel(F f) {
    switch (config_.payload) {
      case Payload::kNone:
        return f.template operator()<Payload::kNone>();
      case Payload::kStamp:
        return f.template operator()<Payload::kStamp>();
      case Payload::kFull:
        break;
    }
    return f.template operator()<Payload::kFull>();
  }

  template <Payload P>
  bool StepAs() {
    if (control_.stop.load(std::memory_order_relaxed)) [[unlikely]] {
      result_.stopped = Stopped::kStop;
      last_ = NowNs();
      return false;
    }
    if (!Pass<P>()) return result_.error.empty() && Idle();
    fruitless_ = 0;
    if (!started_) {
      started_ = true;
      first_ = last_ = NowNs();
    }
    Report();
    if (Finished()) {
      result_.stopped = Stopped::kCount;
      return false;
    }
    return ++busy_ % kPassesPerClock != 0 || !OutOfTime(NowNs());
  }

  /// Serves every ring once. @return whether a packet moved.
  template <Payload P>
  bool Pass() {
    bool moved = false;
    if (sends_) moved = SendPass<P>();
    if (receives_) {
      for (Ring& ring : config_.rx) {
        const uint32_t before = ring.head;
        Add(result_.received, Take<P>(ring, inspector_, Batch(ring), config_.count - result_.received.packets));
        if (ring.head == before) {
          if (ring.bad_index) [[unlikely]]
            Fail(ring);
          continue;
        }
        moved = true;
        Publish(ring);
      }
    }
    for (Echoer& echoer : echoers_) {
      const uint64_t left = config_.count - result_.received.packets;
      const bool was_starved = echoer.tx().starved;
      const Traffic traffic = echoer.Move<P>(inspector_, config_.burst, left);
      if (!echoer.error().empty()) [[unlikely]]
        Fail(echoer.error());
      if (echoer.tx().starved && !was_starved) ++result_.full;
      if (traffic.packets == 0) {
        if (echoer.rx().bad_index) Fail(echoer.rx());
        if (echoer.tx().bad_index) Fail(echoer.tx());
        continue;
      }
      moved = true;
      Add(result_.received, traffic);
      Add(result_.sent, traffic);
      Publish(echoer.tx());
      Publish(echoer.rx());
    }
    return moved && result_.error.empty();
  }

  /// Slots taken from an RX ring before they are given back.
  uint32_t Batch(const Ring& ring) const { return config_.rhythm == Rhythm::kForeign ? ring.num_slots : config_.burst; }

  template <Payload P>
  bool SendPass() {
    const uint32_t limit = config_.rate > 0 ? Allowance() : config_.burst;
    if (limit == 0) return false;
    bool moved = false;
    uint32_t left = limit;
    for (Sender& sender : senders_) {
      if (sender.left() == 0) continue;
      const bool was_starved = sender.ring().starved;
      const uint32_t done = sender.Fill<P>(config_.rate > 0 ? left : limit);
      if (!sender.error().empty()) [[unlikely]]
        Fail(sender.error());
      if (done == 0) {
        if (!was_starved) ++result_.full;
        if (sender.ring().bad_index) Fail(sender.ring());
        continue;
      }
      moved = true;
      left -= std::min(left, done);
      Add(result_.sent, {done, static_cast<uint64_t>(done) * config_.size});
      Publish(sender.ring());
      if (config_.rate > 0 && left == 0) break;
    }
    return moved;
  }

  /// How many packets the rate allows now, up to a burst; waits a little when it is none.
  uint32_t Allowance() {
    const int64_t now = NowNs();
    const double due = static_cast<double>(now - start_) * config_.rate / kNsPerSecond + 1;
    const double ahead = due - static_cast<double>(result_.sent.packets);
    if (ahead >= 1) return static_cast<uint32_t>(std::min<double>(ahead, config_.burst));
    last_ = now;  // pacing is no idleness
    const int64_t gap = static_cast<int64_t>((1 - ahead) * kNsPerSecond / config_.rate);
    if (gap > 2 * kNapNs && !receives_) waiter_.Nap(std::min(gap - kNapNs, kMaxNapNs));
    return 0;
  }

  void Publish(Ring& ring) {
    ring.Publish();
    ++result_.syncs;
    if (ring.HostWantsKick()) Kick(ring);
  }

  void Kick(Ring& ring) {
    ++result_.kicks;
    if (!kicker_.Kick(ring.index)) [[unlikely]]
      Fail("doorbell " + std::to_string(ring.index) + ": " + kicker_.error());
  }

  /// After a pass in which nothing moved. @return false when the loop is to end.
  bool Idle() {
    ++fruitless_;
    if (config_.rhythm == Rhythm::kForeign && config_.rate == 0) return IdleForeign();
    if (fruitless_ % W::kClockEvery != 0) {
      waiter_.Spin(fruitless_);
      return true;
    }
    const int64_t now = NowNs();
    if (fruitless_ == W::kClockEvery) last_ = now;
    if (OutOfTime(now)) return false;
    if (started_ && config_.idle_ns > 0 && now - last_ >= config_.idle_ns) {
      result_.stopped = Stopped::kIdle;
      return false;
    }
    if (config_.sleep && now - last_ >= config_.spin_ns) Sleep(now);
    waiter_.Spin(fruitless_);
    return true;
  }

  /// Asks, looks once more, kicks where the host wants it, sleeps.
  bool IdleForeign() {
    const int64_t now = NowNs();
    if (fruitless_ == 1) last_ = now;
    if (OutOfTime(now)) return false;
    if (started_ && config_.idle_ns > 0 && now - last_ >= config_.idle_ns) {
      result_.stopped = Stopped::kIdle;
      return false;
    }
    KickStarved();
    if (result_.error.empty()) Sleep(now);
    return result_.error.empty();
  }

  void KickStarved() {
    for (std::vector<Ring>* rings : {&config_.tx, &config_.rx})
      for (Ring& ring : *rings) {
        if (!ring.starved || !ring.HostWantsKick()) continue;
        ++result_.idle_kicks;
        Kick(ring);
      }
  }

  void Sleep(int64_t now) {
    if (!waiter_.CanSleep()) {
      waiter_.Nap(kNapNs);
      return;
    }
    AskForInterrupts(true);
    // Our appl_need_kick before the host's indices: pairs with the host's barrier between hwtail and its look at
    // appl_need_kick, so either it raises the interrupt or we see the index.
    FullBarrier();
    if (!SomethingMoved()) waiter_.Sleep(TimeLeft(now));
    AskForInterrupts(false);
  }

  /// For what the loop waits for: packets in RX rings, room in the TX rings that had none.
  void AskForInterrupts(bool wanted) {
    for (Ring& ring : config_.rx) ring.AskForInterrupt(wanted);
    for (Ring& ring : config_.tx) ring.AskForInterrupt(wanted && ring.starved);
  }

  bool SomethingMoved() {
    bool moved = false;
    if (config_.op != Op::kSend)
      for (Ring& ring : config_.rx) moved = ring.Refresh() || moved;
    for (Ring& ring : config_.tx) moved = (ring.starved && ring.Refresh()) || moved;
    return moved;
  }

  /// Until the next limit, < 0 when there is none.
  int64_t TimeLeft(int64_t now) const {
    int64_t left = -1;
    if (config_.duration_ns > 0) left = std::max<int64_t>(0, start_ + config_.duration_ns - now);
    if (started_ && config_.idle_ns > 0) {
      const int64_t idle = std::max<int64_t>(0, last_ + config_.idle_ns - now);
      left = left < 0 ? idle : std::min(left, idle);
    }
    if (config_.rate > 0) left = left < 0 ? kNapNs : std::min(left, kNapNs);
    return left;
  }

  bool OutOfTime(int64_t now) {
    if (config_.duration_ns <= 0 || now - start_ < config_.duration_ns) return false;
    result_.stopped = Stopped::kSeconds;
    if (fruitless_ == 0) last_ = now;
    return true;
  }

  bool Finished() const {
    const bool sent = !sends_ || result_.sent.packets >= config_.count;
    return sent && (config_.op == Op::kSend || result_.received.packets >= config_.count);
  }

  /// Waits for the host to take what was published; gives up after drain_ns in which it took nothing.
  void Drain() {
    int64_t since = NowNs();
    const bool by_stop = result_.stopped == Stopped::kStop || result_.stopped == Stopped::kError;
    for (uint64_t fruitless = 1;; ++fruitless) {
      result_.pending = 0;
      bool moved = false;
      for (Ring& ring : config_.tx) {
        moved = ring.Refresh() || moved;
        result_.pending += ring.Pending();
      }
      if (result_.pending == 0 || by_stop || control_.stop.load(std::memory_order_relaxed)) return;
      if (moved) {
        fruitless = 0;
        since = NowNs();
      } else if (fruitless % W::kClockEvery == 0) {
        const int64_t idle = NowNs() - since;
        if (idle >= config_.drain_ns) return;
        if (idle > kMaxSpinDrainNs) waiter_.Nap(kNapNs);
      }
      waiter_.Spin(fruitless + 1);
    }
  }

  void Report() {
    control_.sent.store(result_.sent.packets, std::memory_order_relaxed);
    control_.received.store(result_.received.packets, std::memory_order_relaxed);
  }

  void Fail(const std::string& text) {
    if (!result_.error.empty()) return;
    result_.error = text;
    result_.stopped = Stopped::kError;
    last_ = NowNs();
  }

  void Fail(const Ring& ring) { Fail(ring.BadIndexText()); }

  static void Add(Traffic& total, const Traffic& more) {
    total.packets += more.packets;
    total.bytes += more.bytes;
  }

  static constexpr int64_t kNapNs = 50'000;
  static constexpr int64_t kMaxNapNs = 10'000'000;  // so that a stop is soon noticed
  static constexpr int64_t kMaxSpinDrainNs = 1'000'000;

  LoopConfig& config_;
  LoopControl& control_;
  K& kicker_;
  W& waiter_;
  Inspector inspector_;
  const bool sends_;
  const bool receives_;
  std::vector<Sender> senders_;
  std::vector<Echoer> echoers_;
  LoopResult result_;
  bool started_ = false;    // a packet has moved
  uint64_t busy_ = 0;       // passes in which something moved
  uint64_t fruitless_ = 0;  // passes in a row in which nothing moved
  int64_t start_ = 0;
  int64_t first_ = 0;  // when the first packet moved
  int64_t last_ = 0;   // when the last one did, as far as is known
};

}  // namespace ptnet::guest
