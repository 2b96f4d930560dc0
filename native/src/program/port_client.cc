// PortClient: its CSB, its attachment and its eventfds.
#include "program/port_client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "os/event.h"
#include "os/memory.h"

namespace ptnet {
namespace {

constexpr uint64_t kHalf = 32768;  // bytes of each CSB array: 512 rings

Status Failed(const Port& port, os::Error error) {
  return Status::Fail(error.number, port.name() + ": " + error.syscall + ": " + strerror(error.number));
}

}  // namespace

Status PortClient::Open(std::shared_ptr<Engine> engine, std::shared_ptr<Port> port, const AttachOptions& options,
                        std::unique_ptr<PortClient>* out) {
  std::unique_ptr<PortClient> client(new PortClient());
  client->engine_ = std::move(engine);
  client->port_ = std::move(port);
  Port& p = *client->port_;
  if (uint64_t{p.rings()} * sizeof(CsbAtok) > kHalf)
    return Status::Fail(EINVAL, p.name() + ": " + std::to_string(p.rings()) + " rings are too many");
  if (os::Error e = os::CreateMemfd("ptnetmap-client", 2 * kHalf, {.seal = true}, &client->memory_))
    return Failed(p, e);
  const int fd = client->memory_.get();
  if (Status s = Attachment::Create(client->engine_, &p, {fd, 0}, {fd, kHalf}, options, &client->attachment_); !s.ok())
    return s;
  std::vector<int> fds;
  for (uint32_t i = 0; i < p.rings(); i++) {
    if (os::Error e = os::CreateEventfd(0, &client->irqs_.emplace_back())) return Failed(p, e);
    fds.push_back(client->irqs_.back().get());
  }
  if (Status s = client->attachment_->SetInterrupts(0, fds); !s.ok()) return s;
  // The CSB as the host has it mapped: one address for both sides, so that ThreadSanitizer sees the order between them.
  for (uint32_t i = 0; i < p.rings(); i++) {
    const Kring& k = p.kring(i);
    (i < p.shape().tx_rings ? client->tx_ : client->rx_).emplace_back(k, i, k.atok, k.ktoa, fds[i]);
  }
  *out = std::move(client);
  return Status::Ok();
}

PortClient::~PortClient() {
  if (attachment_) attachment_->Detach();
}

void PortClient::Publish(ClientRing& ring) noexcept {
  if (!ring.Publish()) return;
  Worker* const worker = attachment_->Ring(ring.number);
  if (worker != nullptr && !worker->ServeHere()) worker->Wake();
}

Status ClientSleeper::Open() {
  os::Error e = os::CreateEventfd(0, &wake_);
  return e ? Status::Fail(e.number, std::string("eventfd: ") + strerror(e.number)) : Status::Ok();
}

void ClientSleeper::Wake() noexcept { (void)os::SignalEventfd(wake_.get()); }

void ClientSleeper::Wait(const std::vector<ClientRing*>& rings, int64_t timeout_ns) noexcept {
  std::vector<pollfd> fds{{wake_.get(), POLLIN, 0}};
  for (const ClientRing* ring : rings) fds.push_back({ring->irq, POLLIN, 0});
  const timespec timeout{timeout_ns / 1'000'000'000, timeout_ns % 1'000'000'000};
  (void)ppoll(fds.data(), fds.size(), timeout_ns < 0 ? nullptr : &timeout, nullptr);
  for (const pollfd& fd : fds)
    if (uint64_t count; (fd.revents & POLLIN) != 0) (void)os::DrainEventfd(fd.fd, &count);
}

}  // namespace ptnet
