// Pipes: the pump of one joined pair of rings, and the creation of the two ends.
#include "forward/pipe.h"

#include <errno.h>

#include <algorithm>

#include "datapath/notify.h"
#include "ring/packet.h"
#include "ring/quad.h"

namespace ptnet {

Flow* PipeEnd::flow(uint32_t i) { return flows_[i]; }
std::pair<Port*, uint32_t> PipeEnd::DoneAt(uint32_t ring) {
  if (ring >= shape().tx_rings) return {this, ring};
  return {&Other(), Other().shape().tx_rings + ring};
}
std::pair<Port*, uint32_t> PipeEnd::JoinedTo(uint32_t ring) {
  const uint32_t tx = shape().tx_rings;
  return {&Other(), ring < tx ? Other().shape().tx_rings + ring : ring - tx};
}
bool PipeEnd::KeepsOffsets() { return Other().attached; }
PipeEnd& PipeEnd::Other() const { return this == &pair_->master() ? pair_->slave() : pair_->master(); }
std::shared_ptr<void> PipeEnd::Anchor() { return pair_->shared_from_this(); }

Status PipeEnd::CheckVnetHdr(uint8_t len) {
  const PipeEnd& other = Other();
  const uint32_t theirs = Other().tx(0).vnet_hdr_len;
  if (!other.attached || theirs == len) return Status::Ok();
  auto header = [](uint32_t n) { return n == 0 ? "none" : "one of " + std::to_string(n) + " bytes"; };
  return Status::Fail(EINVAL, name() + ": virtio-net header: " + header(len) + " here, " + header(theirs) + " at " +
                                  other.name() + ": the same at both ends would be right");
}

Status PipePair::Create(std::shared_ptr<Region> region, std::shared_ptr<StatsArea> stats, const PortShape& master,
                        const std::string& slave_name, std::shared_ptr<PipePair>* out) {
  if ((master.places == nullptr) != (master.other_places == nullptr))
    return Status::Fail(EINVAL, master.name + ": taken over: one end without the other");
  std::shared_ptr<PipePair> pair(new PipePair());
  PortShape slave{slave_name, master.rx_rings, master.tx_rings, master.rx_slots, master.tx_slots, master.extra_bufs};
  slave.places = master.other_places;
  pair->master_.reset(new PipeEnd(region, stats, master));
  pair->slave_.reset(new PipeEnd(region, stats, slave));
  // The buffers are the tx rings'; an rx ring shows those of its peer.
  for (PipeEnd* end : {pair->master_.get(), pair->slave_.get()}) {
    if (Status s = end->Build(false); !s.ok()) return s;
    end->pair_ = pair.get();
    end->flows_.resize(end->rings());
  }
  // Whoever pumps touches both CSBs, and one region.
  pair->slave_->memory_ = pair->master_->memory_;
  auto join = [&](PipeEnd& from, PipeEnd& to) {
    for (uint32_t i = 0; i < from.shape().tx_rings; i++) {
      Kring &tx = from.tx(i), &rx = to.rx(i);
      for (uint32_t s = 0; !master.places && s < tx.num_slots; s++) rx.slots[s].buf_idx = tx.slots[s].buf_idx;
      pair->pumps_.push_back(std::make_unique<PumpFlow>(tx, rx));
      from.flows_[i] = to.flows_[to.shape().tx_rings + i] = pair->pumps_.back().get();
    }
  };
  join(*pair->master_, *pair->slave_);
  join(*pair->slave_, *pair->master_);
  *out = std::move(pair);
  return Status::Ok();
}

namespace {

/// A kick matters only of who has slots. Without any, there are guests that kick whenever they look for some.
void EnableKicks(Kring& k) {
  if (k.attached()) StoreRelaxed(k.ktoa->kern_need_kick, k.blocked || k.hwcur != k.hwtail ? 1 : 0);
}

}  // namespace

/// The first slot of [from, to), which does not wrap, whose buffer the receiver has replaced; `to` when there is none.
uint32_t PumpFlow::NextReplaced(uint32_t from, uint32_t to) const noexcept {
  uint32_t i = from;
  while (to - i >= kQuad && !AnyHas(ReadQuad(rx_.slots + i), NS_BUF_CHANGED)) i += kQuad;
  while (i < to && !(ReadSlot(rx_.slots[i]).flags & NS_BUF_CHANGED)) i++;
  return i;
}

/// Hands the buffer that the receiver has put into slot `i` on to the sender; false when it is none. Who is killed
/// between the two stores has recorded nothing: it is done once more.
bool PumpFlow::Replace(uint32_t i) noexcept {
  const SlotWord back = ReadSlot(rx_.slots[i]);
  if (!rx_.ValidBuf(back.buf_idx)) return false;
  const SlotWord mine = ReadSlot(tx_.slots[i]);
  WriteSlot(tx_.slots[i], {back.buf_idx, mine.len, static_cast<uint16_t>(mine.flags | NS_BUF_CHANGED)});
  WriteSlot(rx_.slots[i], {back.buf_idx, back.len, static_cast<uint16_t>(back.flags & ~NS_BUF_CHANGED)});
  return true;
}

/// Where there is news: of what the receiver has given back, up to `most` slots become the sender's again.
void PumpFlow::TakeReleased(uint32_t most, Done* done) noexcept {
  uint32_t head = rx_.hwcur;
  if (!rx_.LoadHead(&head)) return;
  uint32_t released = rx_.Distance(rx_.hwcur, head);
  if (released > most) {
    released = most;
    head = rx_.Advance(rx_.hwcur, most);
  }
  const uint32_t first = rx_.hwcur;
  rx_.TakeBack(head);
  for (uint32_t i = first; i != head;) {
    const uint32_t to = head > i ? head : rx_.num_slots;
    for (i = NextReplaced(i, to); i < to; i = NextReplaced(i + 1, to)) done->bad_bufs += !Replace(i);
    if (i == rx_.num_slots) i = 0;
  }
  for (uint32_t i = first; tx_.has_offsets() && i != head; i = tx_.Next(i))
    tx_.SetOffset(tx_.slots[i], rx_.OffsetOf(rx_.slots[i]));
  tx_.hwtail = tx_.Prev(head);
  done->released = released;
}

/// Passes one-slot packets in slots [from, to), which do not wrap; where it stopped, and their bytes. A slot that
/// already shows in the rx ring what it is to show is not written: then no cache line changes hands.
inline uint32_t PumpFlow::PassSlots(uint32_t from, uint32_t to, uint64_t* bytes) noexcept {
  NetmapSlot* const sent = tx_.slots;
  NetmapSlot* const shown = rx_.slots;
  const uint32_t most = tx_.plain_room, bufs = tx_.num_bufs - kReservedBufs;
  uint32_t i = from;
  for (; i < to; i++) {
    const SlotWord w = ReadSlot(sent[i]);
    // Flags are above the length, so one comparison looks at both.
    const uint32_t len_and_flags = w.len | uint32_t{w.flags} << 16;
    if (len_and_flags > most || w.buf_idx - kReservedBufs >= bufs) [[unlikely]]
      break;
    *bytes += len_and_flags;
    UpdateSlot(shown[i], ReadSlot(shown[i]), w);
  }
  return i;
}

/// The same, four at a time where that can be.
uint32_t PumpFlow::PassRun(uint32_t from, uint32_t to, uint64_t* bytes) noexcept {
  NetmapSlot* const sent = tx_.slots;
  NetmapSlot* const shown = rx_.slots;
  const PlainSlots plain(tx_);
  LengthSum sum;
  uint64_t rest = 0;  // bytes of the slots that went one by one
  uint32_t i = from;
  for (uint32_t stop = i; i == stop && i < to; i = PassSlots(i, stop, &rest)) {
    for (; to - i >= kQuad; i += kQuad) {
      const Quad q = ReadQuad(sent + i);
      if (!plain.All(q) || !Same(q, ReadQuad(shown + i))) break;
      sum.Add(q);
    }
    stop = std::min(to, i + kQuad);
  }
  *bytes += sum.Total() + rest;
  return i;
}

/// Where there is news: whole packets that the sender has published become the receiver's, about `most` slots. A bad
/// slot stops the ring: skipping it would break the slot-by-slot correspondence.
void PumpFlow::PassPublished(uint32_t most, Done* done) noexcept {
  uint32_t head = tx_.hwcur;
  if (!tx_.LoadHead(&head)) return;
  uint64_t packets = 0, bytes = 0, held_bytes = 0;
  uint32_t end = tx_.hwcur, slots = 0;  // end: behind the last whole packet; slots: in the packet being read
  for (uint32_t i = tx_.hwcur; i != head;) {
    if (slots == 0) {
      const uint32_t run = std::min((head > i ? head : tx_.num_slots) - i, most);
      const uint32_t stop = run < kQuad ? PassSlots(i, i + run, &bytes) : PassRun(i, i + run, &bytes);
      packets += stop - i;
      most -= stop - i;
      i = end = stop == tx_.num_slots ? 0 : stop;
      if (i == head || most == 0) break;
    }
    SlotWord w = ReadSlot(tx_.slots[i]);
    const uint32_t offset = tx_.OffsetOf(tx_.slots[i]);
    Drop cause = CheckSlot(tx_, w, tx_.buf_size - offset);
    if (++slots > kMaxFrags) cause = Drop::kBadFrags;
    if (cause != Drop::kCount) [[unlikely]] {
      tx_.Block(&tx_.counters->drops[static_cast<int>(cause)]);
      break;
    }
    held_bytes += w.len;
    const SlotWord passed{w.buf_idx, w.len, static_cast<uint16_t>(w.flags & NS_MOREFRAG)};
    WriteSlot(rx_.slots[i], passed);
    if (tx_.has_offsets()) rx_.SetOffset(rx_.slots[i], offset);
    if (w.flags & NS_BUF_CHANGED) WriteSlot(tx_.slots[i], passed);
    i = tx_.Next(i);
    if (w.flags & NS_MOREFRAG) continue;
    packets++;
    bytes += held_bytes;
    most -= std::min(most, slots);
    held_bytes = slots = 0;
    end = i;
    if (most == 0) break;
  }
  done->passed = tx_.Distance(tx_.hwcur, end);
  done->packets = packets;
  done->bytes = bytes;
  tx_.hwcur = rx_.hwtail = end;
}

/// Both rings' positions in one store, in front of all that shows them. Who is killed before it has moved nothing: the
/// slots that were written are written once more, with the same words.
void PumpFlow::Record(const Done& done) noexcept {
  rx_.Record();
  if (done.bad_bufs > 0) rx_.counters->CountDrop(Drop::kBadBuf, done.bad_bufs);
  if (done.passed == 0) return;
  for (RingCounters* c : {tx_.counters, rx_.counters}) {
    Add(c->packets, done.packets);
    Add(c->bytes, done.bytes);
    Add(c->syncs, 1);
  }
}

Used PumpFlow::Poll(const Budget& budget) noexcept {
  Done done;
  if (rx_.HasNews()) TakeReleased(budget.slots, &done);
  if (tx_.HasNews()) PassPublished(budget.slots, &done);
  if (done.released == 0 && done.passed == 0) return {};
  Record(done);
  // Before the receiver sees them: from then on the buffers are its own.
  tx_.ShowToObservers();
  if (rx_.attached()) {
    rx_.Publish();
    if (done.passed > 0) Notify(rx_);
  }
  if (tx_.attached()) {
    tx_.Publish();
    if (done.released > 0) Notify(tx_);
  }
  // No payload is touched, and both rings are its own.
  return {.moved = true, .slots = std::max(done.released, done.passed)};
}

void PumpFlow::EndRx() noexcept {
  Done done;
  if (rx_.HasNews()) TakeReleased(rx_.num_slots, &done);
  if (done.released == 0) return;
  Record(done);
  if (!tx_.attached()) return;
  tx_.Publish();
  Notify(tx_);
}

bool PumpFlow::HasWork() noexcept {
  uint32_t head = rx_.hwcur;
  if (rx_.HasNews() && rx_.LoadHead(&head) && head != rx_.hwcur) return true;
  head = tx_.hwcur;
  if (!tx_.HasNews() || !tx_.LoadHead(&head)) return false;
  // The beginning of a packet alone is not work: its end comes with a kick.
  for (uint32_t i = tx_.hwcur; i != head; i = tx_.Next(i))
    if (!(ReadSlot(tx_.slots[i]).flags & NS_MOREFRAG)) return true;
  return false;
}

bool PumpFlow::Arm() noexcept {
  EnableKicks(tx_);  // when it can publish some
  EnableKicks(rx_);  // when it holds some that the sender may be waiting for
  // Full barrier: kern_need_kick before both heads; pairs with the guests, which store head before they read the flag.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!HasWork()) return false;
  Disarm();
  return true;
}

void PumpFlow::Disarm() noexcept {
  tx_.DisableKicks();
  rx_.DisableKicks();
}

}  // namespace ptnet
