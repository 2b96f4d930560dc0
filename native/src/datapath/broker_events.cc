// broker: an attachment's eventfds, those of its interrupts and those of its doorbells, and the look at rings that
// stand still because an interrupt or a kick was lost.
#include <errno.h>
#include <string.h>

#include <algorithm>
#include <utility>

#include "datapath/broker.h"
#include "os/event.h"
#include "os/inspect.h"
#include "os/peer_fd.h"
#include "os/unique_fd.h"

namespace ptnet {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kFirstWait = kSecond * 9 / 10;  // looked at about once a second
constexpr int kWatchEventsMax = 32;                // taken at once
constexpr uint64_t kLongestWait = 60 * kSecond;

Status CheckEventfds(const std::string& port, const char* what, const std::vector<int>& fds) {
  os::FdInfo info;
  for (int fd : fds)
    if (fd >= 0 && (os::InspectFd(fd, &info) || info.kind != os::FdKind::kEventfd))
      return Status::Fail(EBADF, port + ": " + what + ": not an eventfd");
  return Status::Ok();
}

/// With errno as a duplication left it.
Status NoDescriptor(const std::string& port, const char* what) {
  const int err = errno;
  const char* why = err == EDQUOT ? "its client holds as many descriptors as its share allows" : strerror(err);
  return Status::Fail(err, port + ": " + what + ": " + why);
}

}  // namespace

Status Attachment::SetInterrupts(uint32_t first, const std::vector<int>& fds) {
  if (first > rings() || fds.size() > rings() - first)
    return Status::Fail(EINVAL, port_->name() + ": interrupts beyond its " + std::to_string(rings()) + " rings");
  if (Status s = CheckEventfds(port_->name(), "interrupt", fds); !s.ok()) return s;
  if (detached_ || fds.empty()) return Status::Ok();
  std::vector<NewInterrupt> interrupts;
  for (int fd : fds) {
    interrupts.push_back({first++, fd >= 0 ? PeerEventfd::Duplicate(fd) : nullptr});
    if (fd >= 0 && !interrupts.back().by) return NoDescriptor(port_->name(), "interrupt");
  }
  Replace(interrupts);
  return Status::Ok();
}

Status Attachment::SetWaker(const std::vector<bool>& rings, std::shared_ptr<PeerEventfd> socket) {
  if (rings.size() != this->rings()) return Status::Fail(EINVAL, port_->name() + ": wakers of other rings");
  if (detached_) return Status::Ok();
  std::vector<NewInterrupt> interrupts;
  for (uint32_t i = 0; i < rings.size(); i++)
    if (rings[i]) interrupts.push_back({i, socket});
  Replace(interrupts);
  return Status::Ok();
}

void Attachment::Replace(const std::vector<NewInterrupt>& interrupts) {
  PeerEventfds old, replaced;
  for (const auto& [ring, by] : interrupts) {
    old.push_back(interrupts_[ring]->Set(by));
    if (old.back()) replaced.push_back(old.back());
  }
  if (interrupts.empty()) return;
  engine_->Synchronize();
  // What the peer has not looked at comes through the new one, when there is one.
  peer_->Drain(replaced, *port_->kring(interrupts[0].ring).counters);
  for (size_t i = 0; i < interrupts.size(); i++) {
    const uint32_t ring = interrupts[i].ring;
    if (old[i] && (!old[i]->taken || old[i]->had_signals)) interrupts_[ring]->Miss();
    interrupts_[ring]->RaiseMissed(*port_->kring(ring).counters);
  }
}

/// Once no worker can raise any: what is still on its way, or not seen yet, would reach a guest that has freed its
/// rings.
void Attachment::EndInterrupts() {
  PeerEventfds left;
  for (auto& interrupt : interrupts_)
    if (auto eventfd = interrupt->End()) left.push_back(std::move(eventfd));
  peer_->Drain(left, *port_->kring(0).counters);
}

void Attachment::Tick(uint64_t now_ns) noexcept {
  const bool resumed = port_->memory().Resume(now_ns);
  for (uint32_t i = 0; i < rings() && resumed; i++) {
    Flow* flow = port_->flow(i);
    if (flow != nullptr) Engine::IsInline(*flow) ? void(Sync(i)) : Engine::Kick(flow);
  }
  for (uint32_t i = 0; i < rings(); i++) interrupts_[i]->RaiseMissed(*port_->kring(i).counters);
  TouchMemory([&] {
    for (uint32_t i = 0; i < rings(); i++) {
      LookAt(i, now_ns);
      LookForLostKick(i, now_ns);
    }
  });
}

bool Standstill::Look(bool waits, const Indices& indices, uint64_t now_ns) noexcept {
  if (!waits || !waits_ || indices != indices_) {
    indices_ = indices;
    waits_ = waits;
    since_ns_ = now_ns;
    wait_ns_ = kFirstWait;
    return false;
  }
  if (now_ns - since_ns_ < wait_ns_) return false;
  since_ns_ = now_ns;
  wait_ns_ = std::min(2 * wait_ns_, kLongestWait);
  return true;
}

/// An interrupt may have come when the guest was not ready for it, and been ignored. If there still is something that
/// it has not seen, and it asks to be told, and nothing has moved, it is told again.
void Attachment::LookAt(uint32_t ring, uint64_t now_ns) noexcept {
  Kring& k = port_->kring(ring);
  const uint32_t head = LoadRelaxed(k.atok->head), cur = LoadRelaxed(k.atok->cur), hwtail = LoadRelaxed(k.ktoa->hwtail);
  // Slots up to cur it has seen, also those that it has not given back; of a tx ring it has room from there.
  const bool unseen = cur != hwtail && LoadRelaxed(k.atok->appl_need_kick) != 0 && interrupts_[ring]->has_eventfd();
  if (!seen_[ring].overlooked.Look(unseen, {head, cur, hwtail}, now_ns)) return;
  Interrupt::Count(k.counters->reraised);
  interrupts_[ring]->Raise(*k.counters);
}

/// A guest whose barrier is none, such as a locked instruction in a VM of one CPU that QEMU emulates, may see
/// kern_need_kick as it was and not kick. What it has published is looked at as if it had.
void Attachment::LookForLostKick(uint32_t ring, uint64_t now_ns) noexcept {
  const Kring& k = port_->kring(ring);
  const uint32_t head = LoadRelaxed(k.atok->head), hwcur = LoadRelaxed(k.ktoa->hwcur),
                 hwtail = LoadRelaxed(k.ktoa->hwtail);
  const auto ahead = [&](uint32_t index) { return index >= hwcur ? index - hwcur : index + k.num_slots - hwcur; };
  // A head that lies elsewhere has stopped the ring until there is a kick indeed.
  const bool untaken = head != hwcur && head < k.num_slots && ahead(head) <= ahead(hwtail);
  const bool waits = untaken && LoadRelaxed(k.ktoa->kern_need_kick) != 0;
  if (!seen_[ring].unkicked.Look(waits, {head, hwcur, hwtail}, now_ns)) return;
  if (Flow* flow = port_->flow(ring)) Engine::Kick(flow);
}

Status Attachment::OpenWatches() {
  os::UniqueFd again;
  if (Status s = watches_.Open(&engine_->watch_errors()); !s.ok()) return s;
  if (os::Error e = os::CreateEventfd(0, &again)) return Status::Fail(e.number, port_->name() + ": eventfd");
  again_fd_ = again.Release();
  unfinished_.assign(rings(), false);
  return watches_.AddOwn(again_fd_) ? Status::Ok() : Status::Fail(errno, port_->name() + ": epoll_ctl");
}

void Attachment::ServeWatched() {
  if (detached_ || watch_fd() < 0) return;
  epoll_event events[kWatchEventsMax];
  const timespec none{};
  uint64_t again;
  for (int i = 0, count = watches_.Wait(events, kWatchEventsMax, &none); i < count; i++) {
    auto* watch = static_cast<Watch*>(events[i].data.ptr);
    if (watch == nullptr)
      (void)os::DrainEventfd(again_fd_, &again);
    else
      watch->OnEvents(events[i].events);
    for (uint32_t ring = 0; watch != nullptr && ring < rings(); ring++)
      if (port_->flow(ring) == watch->flow) unfinished_[ring] = true;
  }
  for (uint32_t ring = 0; ring < rings(); ring++) {
    if (!unfinished_[ring]) continue;
    unfinished_[ring] = false;
    Sync(ring);
  }
}

void Attachment::CloseDoorbells() {
  if (DoorbellWaiter* waiter = std::exchange(doorbells_, nullptr)) waiter->Clear();
}

Status Attachment::SetDoorbells(const std::vector<int>& fds) {
  if (fds.size() != rings()) return Status::Fail(EINVAL, port_->name() + ": one doorbell for each ring");
  if (Status s = CheckEventfds(port_->name(), "doorbell", fds); !s.ok()) return s;
  if (watch_fd() >= 0) return Status::Fail(EINVAL, port_->name() + ": inline has no eventfds for doorbells");
  if (detached_) return Status::Ok();
  std::vector<os::PeerFd> own;
  for (int fd : fds) {
    own.emplace_back(fd < 0 ? -1 : os::DupPeerFd(fd));
    if (fd >= 0 && !own.back()) return NoDescriptor(port_->name(), "doorbell");
  }
  doorbells_ = &engine_->DoorbellsOf(port_->name());
  if (doorbells_->Set(std::move(own), weak_from_this())) return Status::Ok();
  doorbells_ = nullptr;
  return Status::Fail(EAGAIN, port_->name() + ": doorbell: no thread can be had to wait for it");
}

}  // namespace ptnet
