// Bridge: a lane for each rx ring, and the thread that serves all of them.
#include "program/bridge.h"

#include <errno.h>
#include <sched.h>

#include <algorithm>
#include <cstring>

#include "datapath/clock.h"
#include "os/short_slice.h"

namespace ptnet {
namespace {

constexpr uint32_t kBatch = 256;      // slots between two publications
constexpr uint64_t kSpinNs = 50'000;  // without anything to do, before the thread sleeps
constexpr uint32_t kAhead = 8;        // slots between asking for a buffer and copying it

void Add(std::atomic<uint64_t>& counter, uint64_t n) {
  counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

}  // namespace

/// From one rx ring to one tx ring, which other lanes may fill too.
class Bridge::Lane {
 public:
  Lane(bool forth, PortClient& from, ClientRing& rx, PortClient& to, ClientRing& tx, bool copies)
      : forth(forth), rx(rx), tx(tx), from_(from), to_(to), copies_(copies) {}

  const bool forth;
  ClientRing &rx, &tx;
  std::atomic<uint64_t> packets{0}, bytes{0}, dropped{0};

  /// False when nothing could be done.
  bool Serve() noexcept;
  /// Whether Serve() would do something.
  bool Ready() noexcept { return rx.Available() > 0 && (waits_for_ == 0 || tx.Available() >= waits_for_); }

 private:
  uint32_t TakePacket(uint32_t most, uint32_t* len) noexcept;
  uint32_t SlotsFor(uint32_t slots, uint32_t len) const;
  void Swap(uint32_t slots) noexcept;
  void Copy(uint32_t len) noexcept;

  PortClient &from_, &to_;
  const bool copies_;
  SlotWord packet_[kMaxFrags];  // the slots of the packet that was taken last, as they were checked
  uint32_t waits_for_ = 0;      // slots of tx that the next packet takes; 0: it has not been looked at
};

/// Slots of the next packet; 0 when it has no end among so many. `*len` is UINT32_MAX for one that cannot be sent: who
/// shares the region may have written anything there, and may do so later, so each slot is read once.
uint32_t Bridge::Lane::TakePacket(uint32_t most, uint32_t* len) noexcept {
  const Kring& k = rx.shape();
  *len = 0;
  for (uint32_t i = rx.head(), n = 1; n <= most; n++, i = k.Next(i)) {
    const SlotWord w = ReadSlot(k.slots[i]);
    const uint32_t offset = rx.OffsetOf(i);
    const bool good = n <= kMaxFrags && CheckSlot(k, w, k.buf_size - offset) == Drop::kCount;
    if (good) packet_[n - 1] = w;
    if (good && offset > 0) {
      // The other side need not know of offsets.
      memmove(k.Buf(w.buf_idx), k.Buf(w.buf_idx) + offset, w.len);
      rx.ClearOffset(i);
    }
    if (*len != UINT32_MAX) *len = good ? *len + w.len : UINT32_MAX;
    if (!(w.flags & NS_MOREFRAG)) return n;
  }
  return 0;
}

uint32_t Bridge::Lane::SlotsFor(uint32_t slots, uint32_t len) const {
  const uint32_t size = tx.shape().buf_size;
  return copies_ ? std::max((len + size - 1) / size, 1u) : slots;
}

/// The packet's buffers for those of as many slots of tx.
void Bridge::Lane::Swap(uint32_t slots) noexcept {
  const Kring &from = rx.shape(), &to = tx.shape();
  for (uint32_t n = 0, i = rx.head(), o = tx.head(); n < slots; n++, i = from.Next(i), o = to.Next(o)) {
    const SlotWord full = packet_[n], empty = ReadSlot(to.slots[o]);
    const bool more = n + 1 < slots;
    WriteSlot(to.slots[o], {full.buf_idx, full.len, static_cast<uint16_t>(NS_BUF_CHANGED | (more ? NS_MOREFRAG : 0))});
    WriteSlot(from.slots[i], {empty.buf_idx, empty.len, NS_BUF_CHANGED});
    tx.ClearOffset(o);
  }
  tx.Advance(slots);
}

/// The packet's bytes, of which the slots have `len` together.
void Bridge::Lane::Copy(uint32_t len) noexcept {
  const Kring &from = rx.shape(), &to = tx.shape();
  const SlotWord* full = packet_;
  uint32_t o = tx.head(), slots = 0, at = 0, left = len;  // at: bytes taken of *full
  do {
    const SlotWord place = ReadSlot(to.slots[o]);
    const bool valid = to.ValidBuf(place.buf_idx);
    const uint32_t want = std::min(left, to.buf_size);
    for (uint32_t have = 0; have < want;) {
      const uint32_t n = std::min<uint32_t>(want - have, full->len - at);
      if (valid) memcpy(to.Buf(place.buf_idx) + have, from.Buf(full->buf_idx) + at, n);
      have += n, at += n;
      if (at == full->len) full++, at = 0;
    }
    left -= want;
    WriteSlot(to.slots[o],
              {place.buf_idx, static_cast<uint16_t>(want), static_cast<uint16_t>(left > 0 ? NS_MOREFRAG : 0)});
    tx.ClearOffset(o);
    o = to.Next(o), slots++;
  } while (left > 0);
  tx.Advance(slots);
}

bool Bridge::Lane::Serve() noexcept {
  rx.Refresh();
  uint32_t have = rx.Available();
  if (have == 0) return false;
  const Kring& k = rx.shape();
  uint32_t taken = 0;
  uint64_t sent = 0, sum = 0, lost = 0;
  waits_for_ = 0;
  while (taken < kBatch && have > 0) {
    if (copies_ && have > kAhead) __builtin_prefetch(k.BufAhead(k.Advance(rx.head(), kAhead)));
    uint32_t len;
    uint32_t slots = TakePacket(have, &len);
    const bool bad = slots == 0 || len == UINT32_MAX;
    if (slots == 0) slots = have;  // the host shows whole packets only: somebody else has written there
    const uint32_t wanted = bad ? 0 : SlotsFor(slots, len);
    if (bad || wanted > std::min(kMaxFrags, tx.shape().num_slots - 1)) {
      lost++;
    } else {
      if (wanted > tx.Available()) tx.Refresh();
      if (wanted > tx.Available()) {
        waits_for_ = wanted;
        break;
      }
      copies_ ? Copy(len) : Swap(slots);
      sent++;
      sum += len;
    }
    rx.Advance(slots);
    taken += slots;
    have -= slots;
  }
  if (taken == 0) return false;
  if (sent > 0) to_.Publish(tx);
  from_.Publish(rx);
  Add(packets, sent);
  Add(bytes, sum);
  if (lost > 0) Add(dropped, lost);
  return true;
}

Bridge::Bridge() = default;

Bridge::~Bridge() { Stop(); }

Status Bridge::Start(std::shared_ptr<Engine> engine, std::shared_ptr<Port> a, std::shared_ptr<Port> b,
                     const AttachOptions& options, std::shared_ptr<Bridge>* out) {
  if (a == b) return Status::Fail(EINVAL, a->name() + ": both ends of the bridge: another port would be right for one");
  std::shared_ptr<Bridge> bridge(new Bridge());
  bridge->copies_ = &a->region() != &b->region();
  if (Status s = bridge->sleeper_.Open(); !s.ok()) return s;
  if (Status s = PortClient::Open(engine, std::move(a), options, &bridge->a_); !s.ok()) return s;
  if (Status s = PortClient::Open(std::move(engine), std::move(b), options, &bridge->b_); !s.ok()) return s;
  const auto join = [&](bool forth, PortClient& from, PortClient& to) {
    for (size_t i = 0; i < from.rx().size(); i++)
      bridge->lanes_.push_back(
          std::make_unique<Lane>(forth, from, from.rx()[i], to, to.tx()[i % to.tx().size()], bridge->copies_));
  };
  join(true, *bridge->a_, *bridge->b_);
  join(false, *bridge->b_, *bridge->a_);
  if (!bridge->thread_.Start("ptnet-bridge", [raw = bridge.get()] { raw->Run(); }))
    return Status::Fail(EAGAIN, bridge->a_->port().name() + ": no thread to bridge with");
  *out = std::move(bridge);
  return Status::Ok();
}

void Bridge::Run() {
  os::KeepToShortSlices();
  std::vector<ClientRing*> rings;
  for (const auto& lane : lanes_) rings.push_back(&lane->rx), rings.push_back(&lane->tx);
  const auto ready = [this] {
    return stop_.load(std::memory_order_relaxed) ||
           std::any_of(lanes_.begin(), lanes_.end(), [](const auto& lane) { return lane->Ready(); });
  };
  uint64_t idle_since_ns = 0;
  while (!stop_.load(std::memory_order_relaxed)) {
    bool moved = false;
    for (const auto& lane : lanes_) moved |= lane->Serve();
    if (moved) {
      idle_since_ns = 0;
    } else if (idle_since_ns == 0) {
      idle_since_ns = NowNs();
    } else if (NowNs() - idle_since_ns < kSpinNs) {
      sched_yield();
    } else {
      sleeper_.Sleep(rings, -1, ready);
      idle_since_ns = 0;
    }
  }
}

void Bridge::Stop() {
  if (!thread_.started()) return;
  stop_ = true;
  sleeper_.Wake();
  thread_.Join();
  a_ = nullptr;
  b_ = nullptr;
}

BridgeStatistics Bridge::statistics() const {
  BridgeStatistics s;
  s.copies = copies_;
  for (const auto& lane : lanes_) {
    BridgeStatistics::Direction& d = lane->forth ? s.forth : s.back;
    d.packets += lane->packets.load(std::memory_order_relaxed);
    d.bytes += lane->bytes.load(std::memory_order_relaxed);
    d.dropped += lane->dropped.load(std::memory_order_relaxed);
  }
  return s;
}

}  // namespace ptnet
