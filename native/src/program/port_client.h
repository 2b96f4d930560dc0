// A client of a port inside the host's own process: drives its rings by a CSB, as a VM does, from a thread of its own.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "datapath/broker.h"
#include "forward/port.h"
#include "os/unique_fd.h"
#include "ring/packet.h"

namespace ptnet {

/// One ring, as its client sees it: [head, tail) is the client's.
class ClientRing {
 public:
  ClientRing(const Kring& k, uint32_t number, CsbAtok* atok, CsbKtoa* ktoa, int irq)
      : number(number), irq(irq), k_(k), atok_(*atok), ktoa_(*ktoa), head_(LoadRelaxed(atok->head)) {
    Refresh();
  }

  const uint32_t number;  // of the port, tx rings first
  const int irq;          // an eventfd

  /// What neither side changes: slots, buffers, their numbers.
  const Kring& shape() const { return k_; }
  uint32_t head() const { return head_; }
  uint32_t Available() const { return k_.Distance(head_, tail_); }
  /// Learns how far the host is.
  void Refresh() {
    // Acquire: hwtail before the slots; pairs with Kring::Publish(). Sequentially consistent: behind appl_need_kick.
    const uint32_t tail = std::atomic_ref(ktoa_.hwtail).load(std::memory_order_seq_cst);
    tail_ = tail < k_.num_slots ? tail : head_;
    offset_mask_ = std::atomic_ref(k_.ring->offset_mask).load(std::memory_order_relaxed);
  }
  // An application at the other end of a pipe may have offsets: the ring's header says so, which it may write to as
  // well.
  uint32_t OffsetOf(uint32_t i) const {
    if (offset_mask_ == 0) [[likely]]
      return 0;
    const uint64_t ptr = std::atomic_ref(k_.slots[i].ptr).load(std::memory_order_relaxed);
    return static_cast<uint32_t>(std::min(ptr & offset_mask_, uint64_t{k_.buf_size}));
  }
  /// The slot's packet begins where its buffer does.
  void ClearOffset(uint32_t i) {
    if (offset_mask_ != 0) [[unlikely]]
      std::atomic_ref(k_.slots[i].ptr).fetch_and(~offset_mask_, std::memory_order_relaxed);
  }
  /// Whether the host has taken all that was published.
  bool Drained() { return LoadAcquire(ktoa_.hwcur) == head_; }
  void Advance(uint32_t slots) { head_ = k_.Advance(head_, slots); }
  /// Gives the slots before head to the host. @return whether it has to be kicked.
  bool Publish() {
    StoreRelaxed(atok_.cur, head_);
    // Sequentially consistent: slots, payload and cur before head, and head before kern_need_kick; pairs with
    // Kring::TryHead() and with the barrier of Kring::EnableKicks().
    std::atomic_ref(atok_.head).store(head_, std::memory_order_seq_cst);
    return std::atomic_ref(ktoa_.kern_need_kick).load(std::memory_order_seq_cst) != 0;
  }
  /// Before the client sleeps; it has to Refresh() once more after this.
  void AskForInterrupt(bool on) {
    // Sequentially consistent: appl_need_kick before hwtail; pairs with the barrier of Wanted().
    std::atomic_ref(atok_.appl_need_kick).store(on ? 1 : 0, std::memory_order_seq_cst);
  }

 private:
  const Kring& k_;
  CsbAtok& atok_;
  CsbKtoa& ktoa_;
  uint32_t head_;
  uint32_t tail_ = 0;
  uint64_t offset_mask_ = 0;
};

class PortClient {
 public:
  /// The control plane's. As Attachment::Create, or what a memfd or an eventfd fails with.
  static Status Open(std::shared_ptr<Engine> engine, std::shared_ptr<Port> port, const AttachOptions& options,
                     std::unique_ptr<PortClient>* out);
  /// The control plane's, when no thread uses it any more.
  ~PortClient();
  PortClient(const PortClient&) = delete;
  PortClient& operator=(const PortClient&) = delete;

  std::vector<ClientRing>& tx() { return tx_; }
  std::vector<ClientRing>& rx() { return rx_; }
  const Port& port() const { return *port_; }
  /// Any thread: publishes, and rings the doorbell if the host wants it.
  void Publish(ClientRing& ring) noexcept;

 private:
  PortClient() = default;

  std::shared_ptr<Engine> engine_;
  std::shared_ptr<Port> port_;
  std::shared_ptr<Attachment> attachment_;
  os::UniqueFd memory_;
  std::vector<os::UniqueFd> irqs_;
  std::vector<ClientRing> tx_, rx_;
};

/// Waits until the host has done something on one of the rings, or somebody wakes it, or the time is over.
class ClientSleeper {
 public:
  Status Open();
  /// Any thread.
  void Wake() noexcept;
  /// `ready` is asked after the rings have asked for an interrupt: whether there is something to do after all.
  /// @param timeout_ns negative: for ever.
  template <class Ready>
  void Sleep(const std::vector<ClientRing*>& rings, int64_t timeout_ns, Ready ready) {
    for (ClientRing* ring : rings) ring->AskForInterrupt(true);
    for (ClientRing* ring : rings) ring->Refresh();
    if (!ready()) Wait(rings, timeout_ns);
    for (ClientRing* ring : rings) ring->AskForInterrupt(false);
  }

 private:
  void Wait(const std::vector<ClientRing*>& rings, int64_t timeout_ns) noexcept;

  os::UniqueFd wake_;
};

}  // namespace ptnet
