// broker: an attachment binds a port's rings to a CSB, its doorbells and its interrupts, and says which worker serves
// them under which policy.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "datapath/attachable.h"
#include "datapath/doorbell.h"
#include "datapath/engine.h"
#include "datapath/notify.h"
#include "memory/guest_window.h"
#include "ring/spinlock.h"

namespace ptnet {

struct AttachOptions {
  Policy policy = Policy::kAdaptive;
  uint64_t spin_ns = 100'000;
  uint32_t worker = 0;
  uint8_t vnet_hdr_len = 0;  // bytes of virtio-net header before each packet: 0, 10 or 12
  bool plain = false;        // the client takes it that packets begin where buffers do, as a VM does
  /// The client goes on with what another process, or this one before Suspend(), has served: nothing is written to its
  /// memory, and nothing is served, before Resume().
  bool resumes = false;
};

/// Where a CSB array lies: a descriptor of guest memory and an offset into it.
struct CsbPlace {
  int fd = -1;
  uint64_t offset = 0;
};

/// Indices of a ring that somebody waits for and that do not move: when to lend a hand, after a second and then ever
/// more rarely.
class Standstill {
 public:
  using Indices = std::array<uint32_t, 3>;
  /// A look at the ring. @return whether it is time, again.
  bool Look(bool waits, const Indices& indices, uint64_t now_ns) noexcept;

 private:
  Indices indices_ = {};
  bool waits_ = false;  // as it is now since `since_ns_`
  uint64_t since_ns_ = 0;
  uint64_t wait_ns_ = 0;  // from since_ns_, or from the last time, to the next
};

/// What a ring showed when it was looked at last.
struct RingWatch {
  Standstill overlooked;  // the guest asks for an interrupt and has not seen all that there is
  Standstill unkicked;    // we ask for a kick and have not taken all that the guest has published
};

class Attachment final : public DoorbellTarget, private Ticked, public std::enable_shared_from_this<Attachment> {
 public:
  /// Maps both CSB arrays, writes the port's present indices into them and starts serving. Fails with EBUSY when the
  /// port has an attachment, EINVAL for a worker that is not there, or with what mapping guest memory failed with.
  static Status Create(std::shared_ptr<Engine> engine, Attachable* port, const CsbPlace& guest_to_host,
                       const CsbPlace& host_to_guest, const AttachOptions& options, std::shared_ptr<Attachment>* out);
  ~Attachment();

  /// Processes what the guest has published, then stops serving; the rings' indices stay. Afterwards no interrupt is on
  /// its way to the guest, and none is left in an eventfd that it has not looked at. Idempotent.
  void Detach();

  /// Stops serving between two packets, so that Resume() goes on with nothing lost, doubled or altered, here or in
  /// another process. The client notices nothing. Not with doorbells of eventfds, and not under kInline. Idempotent.
  void Suspend();
  /// Looks at every ring, and tells the client to do so too. Idempotent.
  void Resume();

  uint32_t rings() const noexcept override { return port_->rings(); }
  /// A doorbell; any thread. The ring's number has been checked.
  Worker* Ring(uint32_t ring) noexcept override;
  /// kInline: serves the ring here and now, until there is nothing left to do or a large budget is spent; then
  /// watch_fd() brings the rest. True when something moved.
  bool Sync(uint32_t ring);
  /// kInline: readable when there is something to do that no doorbell tells of, for ServeWatched(); else -1.
  int watch_fd() const { return watches_.fd(); }
  void ServeWatched();

  /// Sets interrupt eventfds (-1: none) of the rings from `first`. Each is duplicated; an old one is closed when no
  /// worker can be using it. EBADF for what is no eventfd, of which nobody could say how long signalling it takes.
  Status SetInterrupts(uint32_t first, const std::vector<int>& fds);
  /// These rings' client is woken by a byte on its socket instead.
  Status SetWaker(const std::vector<bool>& rings, std::shared_ptr<PeerEventfd> socket);
  Status SetPolicy(const AttachOptions& options);
  /// Eventfds (-1: none) that ring the doorbells too, for clients that can signal one; each is duplicated. Not under
  /// kInline.
  Status SetDoorbells(const std::vector<int>& fds);

  bool detached() const { return detached_; }
  /// The guest has taken the memory of its CSB away: nothing it writes arrives any more.
  bool csb_lost() const { return guest_to_host_->lost() || host_to_guest_->lost(); }

 private:
  Attachment(std::shared_ptr<Engine> engine, Attachable* port) : engine_(std::move(engine)), port_(port) {}
  Status CheckOptions(const AttachOptions& options) const;
  void Bind(uint32_t ring, const AttachOptions& options);
  void Rebind(uint32_t ring);
  void Relink();
  void ShowAgain(uint32_t ring);
  void Drain(uint32_t ring, Flow* flow);
  void Unbind(uint32_t ring);
  Status OpenWatches();

  /// Runs what touches the memory of this device, whose client pays for what it takes; not while it is paused.
  template <class Fn>
  void TouchMemory(Fn fn) {
    if (!port_->memory().paused()) port_->memory().Touch(fn);
  }
  void CloseDoorbells();
  struct NewInterrupt {
    uint32_t ring;
    std::shared_ptr<PeerEventfd> by;  // null: none
  };
  void Replace(const std::vector<NewInterrupt>& interrupts);
  void EndInterrupts();
  void Tick(uint64_t now_ns) noexcept override;
  void LookAt(uint32_t ring, uint64_t now_ns) noexcept;
  void LookForLostKick(uint32_t ring, uint64_t now_ns) noexcept;

  std::shared_ptr<Engine> engine_;
  Attachable* port_;
  std::shared_ptr<void> anchor_;  // keeps port_ and its flows
  std::unique_ptr<GuestWindow> guest_to_host_, host_to_guest_;
  std::shared_ptr<InterruptPeer> peer_;
  std::vector<std::shared_ptr<Interrupt>> interrupts_;
  std::vector<RingWatch> seen_;          // the control plane's
  DoorbellWaiter* doorbells_ = nullptr;  // the engine's; null: there are none
  WatchSet watches_;                     // kInline
  int again_fd_ = -1;                    // kInline: an eventfd for rings that a Sync has not finished
  std::vector<bool> unfinished_;
  uint64_t sync_measured_until_ns_ = 0;
  std::shared_ptr<DeviceActivity> activity_ = std::make_shared<DeviceActivity>();
  SpinLock ring_lock_;  // doorbells against Detach
  bool detached_ = true;
  bool suspended_ = false;
  AttachOptions options_;  // for Resume()
};

}  // namespace ptnet
