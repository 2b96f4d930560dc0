// Kick: sessions that another process goes on with when this one has died.
#include <algorithm>

#include "datapath/kick.h"

namespace ptnet {

KickLimits Kick::KeptLimits(KickLimits limits) {
  limits.max_message_bytes = std::min(limits.max_message_bytes, KeptTurn::kMessageMax);
  return limits;
}

void Kick::Keep(std::shared_ptr<KeptArea> area) {
  const std::lock_guard<std::mutex> lock(mutex_);
  kept_ = std::move(area);
}

os::Error Kick::Go(uint32_t id) {
  const std::shared_ptr<KickSession> session = Find(id);
  if (!session) return {EBADF, "go"};
  const auto lock = session->LockFromOutside();
  session->Go();
  if (!session->ended()) UpdateInterest(session.get());
  return {};
}

Kick::KeptSession Kick::KeptOf(uint32_t id) {
  const std::shared_ptr<KickSession> session = Find(id);
  if (!session) return {};
  const auto lock = session->LockFromOutside();
  const KeptTurn* const turn = session->kept();
  if (turn == nullptr || session->ended()) return {};
  return {session->socket(), turn->block(), turn->pipe_read(), turn->pipe_write()};
}

os::Error Kick::AdoptKept(uint32_t listener, const KeptSession& kept, std::optional<AppliedMessage> applied,
                          uint32_t* number) {
  const std::lock_guard<std::mutex> lock(mutex_);
  os::UniqueFd pipe_read(kept.pipe_read), pipe_write(kept.pipe_write);
  const auto found = listeners_.find(listener);
  const bool free = found != listeners_.end() && found->second.session == 0;
  os::PeerFd socket(kept.socket, free ? found->second.peer : 0);
  if (!free) return {EBUSY, "connect"};
  if (!kept_) return {EINVAL, "connect"};
  if (const os::Error error = IsConnected(socket.get())) return error;
  std::unique_ptr<KeptTurn> turn;
  if (const os::Error error = KeptTurn::GoOn(kept_, kept.block, std::move(pipe_read), std::move(pipe_write),
                                             socket.get(), std::move(applied), &turn))
    return error;
  const uint32_t id = next_id_++;
  const KickLimits limits = KeptLimits(found->second.limits);
  auto session = std::make_shared<KickSession>(id, listener, std::move(socket), limits, sink_, &counters_);
  session->Keep(std::move(turn));
  const auto session_lock = session->LockFromOutside();
  session->Go();
  session->Pause(paused_);
  found->second.session = id;
  sessions_.emplace(id, session);
  UpdateInterest(session.get());
  *number = id;
  return {};
}

}  // namespace ptnet
