// broker: binding and unbinding of rings, doorbells, interrupts, policies.
#include "datapath/broker.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "os/event.h"

namespace ptnet {

// What is only read while packets move is in one cache line of a ring, what the one who serves writes in another. Here,
// because the model checker's atomics, with which it compiles the rings but not this file, are larger.
static_assert(offsetof(Kring, hwcur) == kCacheLine && sizeof(Kring) == 2 * kCacheLine);

namespace {

/// How long it is measured whose memory a Sync waits for, after one took long.
constexpr uint64_t kSyncMeasuredNs = 10'000'000'000;

Status KeptWaiting(const Attachable& port) {
  return Status::Fail(EAGAIN, port.name() + ": its memory has kept others waiting: it is not touched for a while");
}

}  // namespace

Status Attachment::CheckOptions(const AttachOptions& options) const {
  if (options.resumes && options.policy == Policy::kInline)
    return Status::Fail(EINVAL, port_->name() + ": policy inline cannot be gone on with");
  if (options.worker < engine_->workers() || options.policy == Policy::kInline) return Status::Ok();
  return Status::Fail(EINVAL, port_->name() + ": worker " + std::to_string(options.worker) +
                                  " is not there: use 0 to " + std::to_string(engine_->workers() - 1));
}

Status Attachment::Create(std::shared_ptr<Engine> engine, Attachable* port, const CsbPlace& guest_to_host,
                          const CsbPlace& host_to_guest, const AttachOptions& options,
                          std::shared_ptr<Attachment>* out) {
  std::shared_ptr<Attachment> a(new Attachment(std::move(engine), port));
  if (port->attached) return Status::Fail(EBUSY, port->name() + ": in use: detach the other client first");
  if (Status s = a->CheckOptions(options); !s.ok()) return s;
  if (Status s = port->CheckVnetHdr(options.vnet_hdr_len); !s.ok()) return s;
  if (Status s = options.plain ? port->CheckPlain() : Status::Ok(); !s.ok()) return s;
  for (uint32_t i = 0; i < port->rings(); i++) {
    Flow* flow = port->flow(i);
    bool wants_inline = options.policy == Policy::kInline;
    if (flow != nullptr && Engine::InUse(*flow) && Engine::IsInline(*flow) != wants_inline)
      return Status::Fail(EINVAL, port->name() + ": both ends of a pipe must be inline, or none");
    if (flow != nullptr && wants_inline && flow->limited())
      return Status::Fail(EINVAL, port->name() +
                                      ": a rate and policy inline: nobody would wait for a packet's time; "
                                      "another policy would be right");
  }
  PeerMemory& memory = port->memory();
  memory.Resume(NowNs());
  if (memory.paused()) return KeptWaiting(*port);
  uint64_t size = uint64_t{port->rings()} * sizeof(CsbAtok);
  for (auto [place, window] : {std::pair{&guest_to_host, &a->guest_to_host_}, {&host_to_guest, &a->host_to_guest_}})
    if (Status s = GuestWindow::Map(place->fd, place->offset, size, &memory.patience, window); !s.ok()) return s;
  if (options.policy == Policy::kInline)
    if (Status s = a->OpenWatches(); !s.ok()) return s;
  a->anchor_ = port->Anchor();
  a->peer_ = a->engine_->PeerOf(port->name());
  for (uint32_t i = 0; i < port->rings(); i++) a->interrupts_.push_back(std::make_shared<Interrupt>(a->peer_));
  a->seen_.resize(port->rings());
  a->activity_->memory = &memory;
  port->attached = true;
  port->plain = options.plain;
  a->detached_ = false;
  a->options_ = options;
  if (options.resumes) {
    for (uint32_t i = 0; i < port->rings(); i++) a->Rebind(i);
    a->suspended_ = true;
    *out = std::move(a);
    return Status::Ok();
  }
  a->engine_->AddTicked(a.get());
  port->OnVnetHdr(options.vnet_hdr_len);
  for (uint32_t i = 0; i < port->rings(); i++) a->Bind(i, options);
  if (memory.paused()) {
    a->Detach();
    return KeptWaiting(*port);
  }
  // Without a worker nobody else would ask the guest for its first kick.
  for (uint32_t i = 0; options.policy == Policy::kInline && i < port->rings(); i++) a->Sync(i);
  port->OnServed(true);
  *out = std::move(a);
  return Status::Ok();
}

void Attachment::Bind(uint32_t ring, const AttachOptions& options) {
  Kring& k = port_->kring(ring);
  auto* atok = reinterpret_cast<CsbAtok*>(guest_to_host_->data()) + ring;
  auto* ktoa = reinterpret_cast<CsbKtoa*>(host_to_guest_->data()) + ring;
  auto bind = [&] {
    SpinGuard guard(k.lock);
    // What still lies in an rx ring has the header of who was to take it: whoever expects another one has taken it.
    const bool foreign = k.dir == Dir::kRx && k.vnet_hdr_len != options.vnet_hdr_len;
    const uint32_t head = foreign ? k.hwtail : k.hwcur;
    k.atok = atok;
    k.ktoa = ktoa;
    k.interrupt = interrupts_[ring].get();
    k.blocked = false;
    k.vnet_hdr_len = options.vnet_hdr_len;
    k.Record();
    TouchMemory([&] {
      StoreRelaxed(atok->cur, head);
      StoreRelaxed(atok->head, head);
      StoreRelaxed(ktoa->kern_need_kick, 0);
      k.Publish();
    });
  };
  Flow* flow = port_->flow(ring);
  if (flow == nullptr) return bind();
  engine_->WithFlow(flow, bind);
  engine_->Acquire(flow, activity_, options.policy, options.spin_ns, options.worker);
  if (options.policy == Policy::kInline) Engine::WatchHere(flow, &watches_, true);
  Engine::Kick(flow);
}

/// What the guest published before it asked to stop still goes out: that much, and no more than the budget has. Between
/// two pieces the worker serves its other flows.
void Attachment::Drain(uint32_t ring, Flow* flow) {
  Kring& k = port_->kring(ring);
  Budget left = kSyncBudget;
  left.measured = true;
  left.slots = 0;
  auto touch = [&](auto fn) { engine_->WithFlow(flow, [&] { TouchMemory(fn); }); };
  touch([&] { left.slots = std::min(kSyncBudget.slots, k.Published()); });
  for (Used used{.moved = true}; used.moved && !left.spent(); left.Take(used)) {
    used.moved = false;
    touch([&] { used = flow->Serve(Piece(left)); });
  }
}

void Attachment::Unbind(uint32_t ring) {
  Kring& k = port_->kring(ring);
  Flow* flow = port_->flow(ring);
  auto unbind = [&] {
    if (flow != nullptr && k.dir == Dir::kTx) flow->EndTx();
    TouchMemory([&] {
      if (flow != nullptr && k.dir == Dir::kRx) flow->EndRx();
      SpinGuard guard(k.lock);
      if (uint32_t head = k.hwcur; flow == nullptr && k.LoadHead(&head)) k.TakeBack(head);
      StoreRelaxed(k.ktoa->kern_need_kick, 0);
    });
    SpinGuard guard(k.lock);
    // What was taken from this client, the next one is not shown.
    k.Record();
    k.atok = nullptr;
    k.ktoa = nullptr;
    k.interrupt = nullptr;
  };
  if (flow == nullptr) return unbind();
  if (k.dir == Dir::kTx) Drain(ring, flow);
  engine_->WithFlow(flow, unbind);
  if (Engine::IsInline(*flow)) Engine::WatchHere(flow, &watches_, false);
  engine_->ReleaseFlow(flow);
}

Attachment::~Attachment() {
  Detach();
  if (again_fd_ >= 0) close(again_fd_);
}

void Attachment::Detach() {
  {
    SpinGuard guard(ring_lock_);
    if (detached_) return;
    detached_ = true;
  }
  // Through what is served: its flows have a worker then, as those of others.
  if (std::exchange(suspended_, false)) Relink();
  port_->OnServed(false);
  engine_->RemoveTicked(this);
  CloseDoorbells();
  for (uint32_t i = 0; i < rings(); i++) Unbind(i);
  engine_->ForgetReleased();
  EndInterrupts();
  port_->attached = false;
}

Worker* Attachment::Ring(uint32_t ring) noexcept {
  SpinGuard guard(ring_lock_);
  if (detached_) return nullptr;
  std::atomic_ref<uint64_t>(port_->kring(ring).counters->kicks).fetch_add(1, std::memory_order_relaxed);
  Flow* flow = port_->flow(ring);
  return flow != nullptr ? Engine::Mark(flow) : nullptr;
}

bool Attachment::Sync(uint32_t ring) {
  Flow* flow = port_->flow(ring);
  if (detached_ || flow == nullptr || !Engine::IsInline(*flow)) return false;
  bool moved = false, armed = false;
  Budget left = kSyncBudget;
  const auto serve = [&] {
    flow->Unblock();
    do {
      Used used = flow->Serve(left);
      while (!used.moved) {
        armed = !flow->Arm();
        if (armed) return;
        used = flow->Serve(left);
      }
      moved = true;
      left.Take(used);
    } while (!left.spent());
  };
  // To find out why it takes long takes longer than to serve a few slots.
  const uint64_t start = NowNs();
  if (start < sync_measured_until_ns_) {
    TouchMemory(serve);
  } else if (!port_->memory().paused()) {
    serve();
    if (NowNs() - start >= StallTimer::kLongNs) sync_measured_until_ns_ = start + kSyncMeasuredNs;
  }
  if (armed || !moved) return moved;
  unfinished_[ring] = true;
  (void)os::SignalEventfd(again_fd_);
  return moved;
}

Status Attachment::SetPolicy(const AttachOptions& options) {
  if (Status s = CheckOptions(options); !s.ok()) return s;
  for (uint32_t i = 0; i < rings() && !detached_; i++) {
    Flow* flow = port_->flow(i);
    if (flow == nullptr) continue;
    if (Engine::IsInline(*flow) || options.policy == Policy::kInline)
      return Status::Fail(EINVAL, port_->name() + ": inline is chosen when a client attaches, not while it runs");
    if (!suspended_) engine_->Move(flow, options.policy, options.spin_ns, options.worker);
  }
  options_.policy = options.policy;
  options_.spin_ns = options.spin_ns;
  options_.worker = options.worker;
  return Status::Ok();
}

}  // namespace ptnet
