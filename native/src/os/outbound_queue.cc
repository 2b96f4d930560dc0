// What a socket could not take at once: bytes and descriptors, in order, within a limit.
#include "os/outbound_queue.h"

#include <fcntl.h>

#include "os/socket.h"

namespace ptnet::os {

Error OutboundQueue::Send(int socket, std::span<const uint8_t> bytes, std::span<const int> fds) {
  if (bytes.empty()) return {};
  size_t sent = 0;
  if (chunks_.empty()) {
    const Error error = SendWithFds(socket, bytes, fds, &sent);
    if (error && error.number != EAGAIN) return error;
    if (sent == bytes.size()) return {};
  } else if (bytes_ + bytes.size() > max_bytes_) {
    return Error{ENOBUFS, "sendmsg"};
  }
  Chunk chunk;
  if (sent == 0) {
    for (const int fd : fds) {
      if (!MayHoldPeerFd(peer_)) return Error{ENOBUFS, "sendmsg"};
      chunk.fds.emplace_back(fcntl(fd, F_DUPFD_CLOEXEC, 0), peer_);
      if (!chunk.fds.back()) return Error::Last("fcntl");
    }
  }
  chunk.bytes.assign(bytes.begin() + static_cast<ptrdiff_t>(sent), bytes.end());
  bytes_ += chunk.bytes.size();
  chunks_.push_back(std::move(chunk));
  return {};
}

Error OutboundQueue::Flush(int socket) {
  while (!chunks_.empty()) {
    Chunk& chunk = chunks_.front();
    std::vector<int> fds;
    for (const PeerFd& fd : chunk.fds) fds.push_back(fd.get());
    size_t sent;
    const Error error = SendWithFds(socket, std::span<const uint8_t>(chunk.bytes).subspan(chunk.sent), fds, &sent);
    if (error.number == EAGAIN) return {};
    if (error) return error;
    chunk.fds.clear();  // they travelled with the first byte
    chunk.sent += sent;
    bytes_ -= sent;
    if (chunk.sent == chunk.bytes.size()) chunks_.pop_front();
  }
  return {};
}

std::vector<OutboundQueue::Kept> OutboundQueue::kept() const {
  std::vector<Kept> all;
  for (const Chunk& chunk : chunks_) {
    Kept& kept = all.emplace_back();
    kept.bytes.assign(chunk.bytes.begin() + static_cast<ptrdiff_t>(chunk.sent), chunk.bytes.end());
    for (const PeerFd& fd : chunk.fds) kept.fds.push_back(fd.get());
  }
  return all;
}

void OutboundQueue::Keep(std::span<const uint8_t> bytes, std::vector<PeerFd> fds) {
  if (bytes.empty()) return;
  bytes_ += bytes.size();
  chunks_.push_back({{bytes.begin(), bytes.end()}, 0, std::move(fds)});
}

void OutboundQueue::Clear() {
  chunks_.clear();
  bytes_ = 0;
}

}  // namespace ptnet::os
