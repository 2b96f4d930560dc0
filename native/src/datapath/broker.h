// broker: an attachment binds a port's rings to a CSB, its doorbells and its interrupts, and says which worker serves
// them under which policy.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "datapath/doorbell.h"
#include "datapath/engine.h"
#include "datapath/notify.h"
#include "forward/port.h"
#include "memory/guest_window.h"
#include "ring/spinlock.h"

namespace ptnet {

struct AttachOptions {
  Policy policy = Policy::kAdaptive;
  uint64_t spin_ns = 100'000;
  uint32_t worker = 0;
};

/// Where a CSB array lies: a descriptor of guest memory and an offset into it.
struct CsbPlace {
  int fd = -1;
  uint64_t offset = 0;
};

class Attachment final : public DoorbellTarget {
 public:
  /// Maps both CSB arrays, writes the port's present indices into them and starts serving. Fails with EBUSY when the
  /// port has an attachment, EINVAL for a worker that is not there, or with what mapping guest memory failed with.
  static Status Create(std::shared_ptr<Engine> engine, Port* port, const CsbPlace& guest_to_host,
                       const CsbPlace& host_to_guest, const AttachOptions& options,
                       std::shared_ptr<Attachment>* out);
  ~Attachment();

  /// Processes what the guest has published, then stops serving; the rings' indices stay. Idempotent.
  void Detach();

  uint32_t rings() const noexcept override { return port_->rings(); }
  /// A doorbell; any thread. The ring's number has been checked.
  Worker* Ring(uint32_t ring) noexcept override;
  /// kInline: serves the ring here and now, until there is nothing left to do. True when something moved.
  bool Sync(uint32_t ring);

  /// Sets interrupt eventfds (-1: none) of the rings from `first`. Each is duplicated; the old ones are closed when no
  /// worker can be using them.
  Status SetInterrupts(uint32_t first, const std::vector<int>& fds);
  Status SetPolicy(const AttachOptions& options);
  /// Eventfds (-1: none) that ring the doorbells too, for clients that can signal one; each is duplicated.
  Status SetDoorbells(const std::vector<int>& fds);

  bool detached() const { return detached_; }
  /// The guest has taken the memory of its CSB away: nothing it writes arrives any more.
  bool csb_lost() const { return guest_to_host_->lost() || host_to_guest_->lost(); }

 private:
  Attachment(std::shared_ptr<Engine> engine, Port* port) : engine_(std::move(engine)), port_(port) {}
  Status CheckOptions(const AttachOptions& options) const;
  void Bind(uint32_t ring, const AttachOptions& options);
  void Drain(uint32_t ring, Flow* flow);
  void Unbind(uint32_t ring);
  void CloseDoorbells();

  std::shared_ptr<Engine> engine_;
  Port* port_;
  std::shared_ptr<void> anchor_;  // keeps port_ and its flows
  std::unique_ptr<GuestWindow> guest_to_host_, host_to_guest_;
  std::vector<Interrupt> interrupts_;
  std::vector<int> doorbell_fds_;
  std::shared_ptr<DeviceActivity> activity_ = std::make_shared<DeviceActivity>();
  SpinLock ring_lock_;  // doorbells against Detach
  bool detached_ = true;
};

}  // namespace ptnet
