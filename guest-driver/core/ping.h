// Times packets: ping sends them with their times in them and waits for their echoes, listen is woken up by them.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "config.h"
#include "policy.h"

namespace ptnet::guest {

/// One TX ring (ping) and one RX ring, in one thread. All times are CLOCK_MONOTONIC, which the processes of a machine
/// share. At a rate, a packet is timed from when it should have been sent: what waited for its turn has waited.
template <Kicker K, Waiter W>
class PingLoop {
 public:
  /// `config` must have passed Check(). All references must outlive the loop.
  PingLoop(LoopConfig& config, LoopControl& control, K& kicker, W& waiter)
      : config_(config),
        control_(control),
        kicker_(kicker),
        waiter_(waiter),
        tx_(config.op == Op::kPing ? &config.tx[0] : nullptr),
        rx_(config.rx[0]),
        header_(MakeHeader(config.dst, config.src, config.stream)),
        tracker_(config.first_seq),
        times_(std::make_unique<Times>()) {}

  LoopResult Run() {
    Start();
    while (Step()) {
    }
    return Finish();
  }

  // Run() in parts, as those of Loop.

  void Start() {
    if (tx_ != nullptr) tx_->AskForInterrupt(false);
    rx_.AskForInterrupt(false);
    start_ = now_ = last_ = NowNs();
  }

  bool Step() {
    if (Ended()) return false;
    Turn();
    return true;
  }

  LoopResult Finish() {
    if (tx_ != nullptr) result_.pending = (tx_->Refresh(), tx_->Pending());
    rx_.AskForInterrupt(true);
    result_.interrupts = waiter_.interrupts();
    result_.seconds = static_cast<double>(last_ - start_) / kNsPerSecond;
    result_.lost = tracker_.lost();
    result_.late = tracker_.late();
    result_.corrupt = tracker_.corrupt();
    result_.latency = {times_->round_trip.Summary(), times_->service.Summary(), times_->kicked.Summary(),
                       times_->wake_up.Summary()};
    return std::move(result_);
  }

 private:
  struct Times {
    Histogram round_trip, service, kicked, wake_up;
  };

  void Turn() {
    now_ = NowNs();
    const bool received = Receive();
    bool moved = received;
    WatchService();
    if (!ending_ && tx_ != nullptr) moved = Send() || moved;
    if (moved) {
      last_ = now_;
      fruitless_ = 0;
      control_.sent.store(result_.sent.packets, std::memory_order_relaxed);
      control_.received.store(result_.received.packets, std::memory_order_relaxed);
      LetAnswer(received);
    } else {
      Wait();
    }
  }

  /// Who always has a packet to send would keep the core from who is to send it back, where the two share one.
  void LetAnswer(bool received) {
    unanswered_ = received ? 0 : unanswered_ + 1;
    if (unanswered_ != 0 && result_.received.packets != 0) waiter_.Spin(unanswered_);
  }

  /// After the last packet echoes are waited for until none has come for a while.
  bool Ended() {
    if (!result_.error.empty()) return true;
    if (control_.stop.load(std::memory_order_relaxed)) {
      result_.stopped = Stopped::kStop;
      return true;
    }
    if (!ending_) {
      const bool all =
          tx_ != nullptr ? result_.sent.packets >= config_.count : result_.received.packets >= config_.count;
      const bool late = config_.duration_ns > 0 && now_ - start_ >= config_.duration_ns;
      ending_ = all || late;
      if (ending_) result_.stopped = all ? Stopped::kCount : Stopped::kSeconds;
    }
    if (!ending_) return false;
    return tx_ == nullptr || result_.received.packets >= result_.sent.packets || now_ - last_ >= kEchoesNs;
  }

  bool Receive() {
    const uint32_t n = std::min(rx_.AvailableOrRefresh(1), config_.burst);
    if (rx_.bad_index) Fail(rx_);
    if (n == 0) return false;
    const int64_t seen = NowNs();
    for (uint32_t i = 0; i < n; ++i, rx_.head = rx_.Next(rx_.head)) {
      const netmap_slot& slot = rx_.slots[rx_.head];
      const uint32_t buf_idx = slot.buf_idx, len = slot.len;
      result_.received.bytes += len;
      if (buf_idx >= rx_.buf_count || len < kMinPing || len > rx_.buf_size) [[unlikely]]
        tracker_.AddCorrupt();
      else
        Take(rx_.Buffer(buf_idx), len, seen);
      woke_ = 0;  // only the first packet ended the sleep
    }
    result_.received.packets += n;
    Publish(rx_);
    return true;
  }

  void Take(const uint8_t* packet, uint32_t len, int64_t seen) {
    const uint64_t corrupt = tracker_.corrupt();
    tracker_.Check<Payload::kStamp>(packet, len);
    if (tracker_.corrupt() != corrupt) return;
    if (WarmingUp()) return;
    if (tx_ != nullptr) {
      times_->round_trip.Record(seen - Get<int64_t>(packet + kIntendedAt));
    } else if (woke_ != 0) {
      const int64_t published = Get<int64_t>(packet + kPublishedAt);
      // What was sent before the sleep began did not end it.
      if (published >= slept_) times_->wake_up.Record(woke_ - published);
    }
  }

  /// The first tenth of a loop with a time limit touches everything for the first time: it is not recorded.
  bool WarmingUp() const { return now_ - start_ < config_.duration_ns / 10; }

  /// Looks whether the host has taken what was sent while it had nothing else of ours.
  void WatchService() {
    if (published_ == 0) return;
    tx_->Refresh();
    // What was sent since may still be there.
    if (tx_->Pending() > result_.sent.packets - watched_) return;
    const int64_t took = NowNs() - published_;
    if (!WarmingUp()) (kicked_ ? times_->kicked : times_->service).Record(took);
    published_ = 0;
  }

  bool Send() {
    const uint32_t limit = Allowance();
    if (limit == 0) return false;
    const uint32_t n = std::min(tx_->AvailableOrRefresh(limit), limit);
    if (tx_->bad_index) Fail(*tx_);
    if (n == 0) return false;
    const bool alone = tx_->Pending() == 0 || (tx_->Refresh(), tx_->Pending() == 0);
    const int64_t now = NowNs();
    for (uint32_t i = 0; i < n; ++i, tx_->head = tx_->Next(tx_->head))
      if (!Write(tx_->slots[tx_->head], now)) return false;
    const bool watch = alone && published_ == 0;
    const uint64_t kicks = result_.kicks;
    if (watch) {
      watched_ = result_.sent.packets;
      published_ = NowNs();
    }
    Publish(*tx_);
    if (watch) kicked_ = result_.kicks != kicks;
    return true;
  }

  /// How many packets are due.
  uint32_t Allowance() const {
    const uint64_t left = std::min<uint64_t>(config_.count - result_.sent.packets, config_.burst);
    if (config_.rate <= 0) return static_cast<uint32_t>(left);
    const double due = static_cast<double>(now_ - start_) * config_.rate / kNsPerSecond + 1;
    const double ahead = due - static_cast<double>(result_.sent.packets);
    return ahead < 1 ? 0 : static_cast<uint32_t>(std::min<double>(ahead, static_cast<double>(left)));
  }

  /// When the next packet is due.
  int64_t Due() const {
    return start_ + static_cast<int64_t>(static_cast<double>(result_.sent.packets) * kNsPerSecond / config_.rate);
  }

  bool Write(netmap_slot& slot, int64_t now) {
    const uint32_t buf_idx = slot.buf_idx;
    if (buf_idx == 0 || buf_idx >= tx_->buf_count) [[unlikely]] {
      Fail("ring " + std::to_string(tx_->index) + ": the host left buf_idx " + std::to_string(buf_idx) + " in a slot");
      return false;
    }
    slot.len = static_cast<uint16_t>(config_.size);
    slot.flags = 0;
    uint8_t* packet = tx_->Buffer(buf_idx);
    std::memcpy(packet, header_.data(), header_.size());
    WriteStamp(packet, config_.first_seq + result_.sent.packets, config_.stream, config_.size);
    Put(packet + kIntendedAt, config_.rate > 0 ? Due() : now);
    Put(packet + kPublishedAt, now);
    ++result_.sent.packets;
    result_.sent.bytes += config_.size;
    return true;
  }

  void Publish(Ring& ring) {
    ring.Publish();
    ++result_.syncs;
    if (!ring.HostWantsKick()) return;
    ++result_.kicks;
    if (!kicker_.Kick(ring.index)) [[unlikely]]
      Fail("doorbell " + std::to_string(ring.index) + ": " + kicker_.error());
  }

  /// Nothing moved: spins, and sleeps or naps when there is time for it.
  void Wait() {
    ++fruitless_;
    if (published_ != 0) return waiter_.Spin(fruitless_);  // to be seen at once
    if (config_.sleep && waiter_.CanSleep() && now_ - last_ >= config_.spin_ns) {
      const int64_t left = TimeLeft();
      if (left < 0 || left > kMinSleepNs) return Sleep(left);
    }
    const bool at_rest = result_.received.packets >= result_.sent.packets;
    if (config_.sleep && tx_ != nullptr && config_.rate > 0 && !ending_ && at_rest &&
        Due() - now_ > kMarginNs + kMinSleepNs)
      return waiter_.Nap(std::min(Due() - now_ - kMarginNs, kMaxNapNs));
    waiter_.Spin(fruitless_);
  }

  /// Until something is to be done on time, < 0 when there is nothing.
  int64_t TimeLeft() const {
    int64_t left = config_.duration_ns > 0 ? start_ + config_.duration_ns - now_ : -1;
    if (ending_) return kMaxNapNs;
    if (tx_ == nullptr || config_.rate <= 0) return left;
    const int64_t due = std::max<int64_t>(0, Due() - now_ - kMarginNs);
    return left < 0 ? due : std::min(left, due);
  }

  void Sleep(int64_t ns) {
    const bool for_room = tx_ != nullptr && !ending_ && tx_->starved;
    rx_.AskForInterrupt(true);
    if (for_room) tx_->AskForInterrupt(true);
    // Our appl_need_kick before the host's indices, as in Loop::Sleep().
    FullBarrier();
    const bool received = rx_.Refresh();
    if (!received && !(for_room && tx_->Refresh())) {
      slept_ = NowNs();
      waiter_.Sleep(ns);
      woke_ = NowNs();
    }
    rx_.AskForInterrupt(false);
    if (for_room) tx_->AskForInterrupt(false);
  }

  void Fail(const std::string& text) {
    if (!result_.error.empty()) return;
    result_.error = text;
    result_.stopped = Stopped::kError;
  }

  void Fail(const Ring& ring) { Fail(ring.BadIndexText()); }

  static constexpr int64_t kMarginNs = 100'000;   // a timer may be so late
  static constexpr int64_t kMinSleepNs = 20'000;  // less is not worth a system call
  static constexpr int64_t kMaxNapNs = 10'000'000;
  // How long echoes are waited for at the end: those that come later, on a busy machine, are in the next loop's counts.
  static constexpr int64_t kEchoesNs = 500'000'000;

  LoopConfig& config_;
  LoopControl& control_;
  K& kicker_;
  W& waiter_;
  Ring* tx_;  // null when listening
  Ring& rx_;
  ProbeHeader header_;
  StreamTracker tracker_;
  std::unique_ptr<Times> times_;
  LoopResult result_;
  uint64_t fruitless_ = 0;   // turns in a row in which nothing moved
  uint64_t unanswered_ = 0;  // turns in a row in which something was sent and nothing came
  bool ending_ = false;
  bool kicked_ = false;    // the packet that is watched needed a doorbell
  int64_t published_ = 0;  // when it was, 0: none is watched
  uint64_t watched_ = 0;   // packets sent up to it
  int64_t slept_ = 0;
  int64_t woke_ = 0;  // 0: a packet has come since
  int64_t start_ = 0;
  int64_t now_ = 0;
  int64_t last_ = 0;  // when something moved
};

}  // namespace ptnet::guest
