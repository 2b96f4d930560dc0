// NetifDevice: opening it, once and anew, its promiscuous mode, and its losses.
#include "forward/netif_device.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstring>
#include <utility>

namespace ptnet {

bool NetifQueue::Peek(RxFrame** frame) noexcept {
  if (at == count) {
    Release();
    if (socket == nullptr) return false;
    count = socket->Peek(frames.data(), kFrames);
    if (count == 0) return false;
  }
  *frame = &frames[at];
  return true;
}

void NetifQueue::Release() noexcept {
  if (at == 0 || at != count) return;
  socket->Release(count);
  at = count = 0;
}

std::optional<FrameSocketState> NetifQueue::State() {
  SpinGuard rx(rx_lock), tx(tx_lock);
  if (socket == nullptr) return std::nullopt;
  socket->Release(at);
  const uint32_t taken = std::exchange(at, 0), seen = std::exchange(count, 0) - taken;
  return socket->State({frames.data() + taken, seen});
}

Status NetifDevice::Open(const NetifOptions& options, std::shared_ptr<NetifDevice>* out) {
  std::shared_ptr<NetifDevice> device(new NetifDevice(options));
  for (uint32_t i = 0; i < options.queues; i++) device->queues_.push_back(std::make_unique<NetifQueue>());
  if (const auto taken = std::exchange(device->options_.taken, nullptr)) {
    if (Status s = device->Take(options, *taken); !s.ok()) return s;
  } else if (const auto left = std::exchange(device->options_.left, nullptr)) {
    if (Status s = device->OpenLeft(*left); !s.ok()) return s;
  } else if (Status s = static_cast<HostInterface&>(*device).Reopen(); !s.ok()) {
    return s;
  }
  *out = std::move(device);
  return Status::Ok();
}

Status NetifDevice::Take(const NetifOptions& options, const NetifState& state) {
  Netif netif;
  if (Status s = AdoptNetif(options, &netif); !s.ok()) return s;
  if (Status s = Have(std::move(netif), [](uint32_t, const std::function<void()>& fn) { fn(); }); !s.ok()) return s;
  if (state.promiscuous >= 0) {
    promiscuous_ = os::UniqueFd(fcntl(state.promiscuous, F_DUPFD_CLOEXEC, 0));
    if (!promiscuous_) return Status::Fail(errno, object() + ": taken over: " + strerror(errno));
  }
  waits_ = true;
  lost_before_ = state.lost_before;
  served_.store(state.served, std::memory_order_relaxed);
  return Status::Ok();
}

/// Nobody has it any more, so it is opened at once.
Status NetifDevice::OpenLeft(const NetifLeft& left) {
  const Quiet at_once = [](uint32_t, const std::function<void()>& fn) { fn(); };
  waits_ = was_left_ = true;
  lost_before_ = left.losses;
  mtu_before_ = left.mtu_before;
  os::LinkState link;
  link.index = left.index, link.name = options_.name;
  Miss(link, {});
  // Flows wait for numbers of descriptors, whatever is behind them.
  if (Status s = Exchange({}, at_once); !s.ok()) return s;
  if (Status s = Reopen(at_once); !s.ok()) Miss(std::move(link), s.message);
  return Status::Ok();
}

InterfaceState NetifDevice::state() {
  NetifState state{.sockets = {},
                   .promiscuous = promiscuous_.get(),
                   .links = links_.fd(),
                   .news = news_fd(),
                   .link = link(),
                   .lro = lro_,
                   .served = served(),
                   .mtu_before = mtu_before_,
                   .lost_before = lost_before_,
                   .counters = {}};
  for (auto& q : queues_) {
    auto socket = q->State();
    if (!socket) return {};
    state.sockets.push_back(std::move(*socket));
  }
  return state;
}

void NetifDevice::GoOn() {
  if (!std::exchange(waits_, false)) return;
  if (served() && !promiscuous_) HoldPromiscuousMode();
  SetUsable();
}

Status NetifDevice::Reopen(const Quiet& quiet) {
  Netif fresh;
  if (Status s = OpenNetif(options_, &fresh); !s.ok()) return s;
  if (Status s = Have(std::move(fresh), quiet); !s.ok()) return s;
  SetCarrier(served());
  return Status::Ok();
}

Status NetifDevice::Have(Netif netif, const Quiet& quiet) {
  if (Status s = Exchange(std::move(netif.sockets), quiet); !s.ok()) return s;
  links_ = std::move(netif.links);
  lro_ = netif.lro;
  // The same interface with the mtu that it was given before: what it had then stays to be put back.
  const bool as_it_was = netif.link.index == link().index && netif.link.mtu == options_.mtu;
  if (netif.mtu_before != 0 || !as_it_was) mtu_before_ = netif.mtu_before;
  Adopt(netif.link, std::move(netif.news));
  return Status::Ok();
}

Status NetifDevice::Exchange(std::vector<std::unique_ptr<FrameSocket>> sockets, const Quiet& quiet) {
  // Which may be waited for, and never has anything.
  const os::UniqueFd nowhere(eventfd(0, EFD_CLOEXEC));
  for (uint32_t i = 0; i < queues(); i++) {
    NetifQueue& q = queue(i);
    std::unique_ptr<FrameSocket> next = sockets.empty() ? nullptr : std::move(sockets[i]);
    const int from = next == nullptr ? nowhere.get() : next->fd();
    // The number stays, so that whoever waits for it waits for the new one.
    const int fd = q.fd ? dup3(from, q.fd.get(), O_CLOEXEC) : fcntl(from, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return Status::Fail(errno, object() + ": dup: " + strerror(errno));
    if (!q.fd) q.fd = os::UniqueFd(fd);
    quiet(i, [&] {
      SpinGuard rx(q.rx_lock), tx(q.tx_lock);
      q.at = q.count = 0;
      q.unsent.store(next != nullptr && next->unsent(), std::memory_order_relaxed);
      q.socket.swap(next);
    });
    if (next == nullptr) continue;
    const FrameLosses lost = next->losses();
    lost_before_.ring_full += lost.ring_full;
    lost_before_.too_large += lost.too_large;
    lost_before_.refused += lost.refused;
  }
  return Status::Ok();
}

InterfaceFacts NetifDevice::facts() {
  FrameLosses lost = lost_before_;
  const char* access = "";
  for (auto& q : queues_) {
    if (q->socket == nullptr) continue;
    access = q->socket->access();
    const FrameLosses now = q->socket->losses();
    lost.ring_full += now.ring_full;
    lost.too_large += now.too_large;
    lost.refused += now.refused;
  }
  return {.made = false,
          .backpressure = false,
          .access = access,
          .mtu_before = mtu_before_,
          .lro = lro_,
          .lost_full = lost.ring_full,
          .lost_too_large = lost.too_large,
          .refused = lost.refused};
}

void NetifDevice::SetUsable() {
  const os::LinkState& l = link();
  usable_.store(served() && l.up && l.carrier && !l.removed, std::memory_order_relaxed);
}

void NetifDevice::HoldPromiscuousMode() {
  const FrameSocketOptions options{.object = object(), .netns = options_.netns};
  // It fails when the interface is gone; one that comes back gets it then.
  (void)HoldPromiscuous(link(), options, &promiscuous_);
}

void NetifDevice::SetCarrier(bool on) {
  if (waits_) return served_.store(on, std::memory_order_relaxed);
  if (on && !served()) {
    // What has come while nobody was there is of no use any more.
    for (auto& q : queues_) {
      SpinGuard guard(q->rx_lock);
      RxFrame* frame;
      for (uint32_t left = options_.slots; left > 0 && q->Peek(&frame); left--) q->Taken();
    }
  }
  served_.store(on, std::memory_order_relaxed);
  if (on)
    HoldPromiscuousMode();
  else
    promiscuous_ = {};
  SetUsable();
}

void NetifDevice::OnChange(const os::LinkState& before, std::vector<std::string>* lines) {
  SetUsable();
  const os::LinkState& now = link();
  if (now.removed) {
    promiscuous_ = {};
    return;
  }
  if (now.up && before.up && now.carrier != before.carrier)
    lines->push_back(Line("'" + now.name + "' has " + (now.carrier ? "a" : "no") + " carrier"));
  if (now.master != before.master)
    lines->push_back(Line("'" + now.name + "' " +
                          (now.master == 0 ? "belongs to no other one any more"
                                           : "belongs to another one now, a bridge or a bond, which takes its frames "
                                             "too: 'ip link set " +
                                                 now.name + " nomaster' would be right")));
}

void NetifDevice::Close() {
  SetCarrier(false);
  // Only then: where nobody died, those that others have on other queues are not to lose what they share with ours.
  if (was_left_ && queue(0).socket != nullptr) queue(0).socket->GiveBack();
  (void)Exchange({}, [](uint32_t, const std::function<void()>& fn) { fn(); });
  // Unless somebody has changed it since.
  os::LinkState now;
  const uint32_t before = std::exchange(mtu_before_, 0);
  if (before != 0 && !links_.Get(link().name, &now) && now.index == link().index && now.mtu == options_.mtu)
    (void)links_.SetMtu(now, before);
  links_ = {};
  ForgetNews();
}

}  // namespace ptnet
