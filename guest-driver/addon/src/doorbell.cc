// Writes doorbells as vfio-user REGION_WRITE messages and reads their replies.
#include "doorbell.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>
#include <map>

#include "core/policy.h"
#include "core/probe.h"

namespace ptnet::guest {
namespace {

constexpr uint16_t kRegionWrite = 10;
constexpr uint32_t kReplyFlag = 0x1;
constexpr uint32_t kNoReply = 0x10;
constexpr uint32_t kErrorFlag = 0x20;
constexpr size_t kHeaderSize = 16;
constexpr size_t kBodySize = 16;  // offset, region, count
constexpr size_t kMessageSize = kHeaderSize + kBodySize + 4;
constexpr size_t kMaxReply = 4096;
constexpr int64_t kTimeoutNs = 5 * kNsPerSecond;

/// The mutex that every loop kicking through `fd` shares; it lives as long as one of them does.
std::shared_ptr<std::mutex> MutexOf(int fd) {
  static std::mutex registry_mutex;
  static std::map<int, std::weak_ptr<std::mutex>> registry;
  const std::lock_guard<std::mutex> lock(registry_mutex);
  std::erase_if(registry, [](const auto& entry) { return entry.second.expired(); });
  std::shared_ptr<std::mutex> mutex = registry[fd].lock();
  if (!mutex) registry[fd] = mutex = std::make_shared<std::mutex>();
  return mutex;
}

std::string Describe(const char* call, int error) {
  return std::string(call) + ": " + std::strerror(error) + ", vfio-user socket";
}

}  // namespace

VfioUserDoorbell::VfioUserDoorbell(const Target& target, int own_fd)
    : target_(target), fd_(own_fd), socket_mutex_(MutexOf(target.fd)) {}

bool VfioUserDoorbell::Kick(uint32_t index) {
  static_assert(kMessageSize == 36);
  const std::lock_guard<std::mutex> lock(*socket_mutex_);
  const uint16_t msg_id = static_cast<uint16_t>(0x8000 | index);
  uint8_t message[kMessageSize] = {};
  Put(message, msg_id);
  Put(message + 2, kRegionWrite);
  Put(message + 4, static_cast<uint32_t>(kMessageSize));
  Put(message + 8, target_.wait ? 0u : kNoReply);
  Put(message + kHeaderSize, target_.base + 4 * static_cast<uint64_t>(index));
  Put(message + kHeaderSize + 8, target_.region);
  Put(message + kHeaderSize + 12, 4u);
  if (!Send(message, sizeof message)) return false;
  return !target_.wait || AwaitReply(msg_id);
}

bool VfioUserDoorbell::Ready(short events, int64_t deadline_ns) {
  for (;;) {
    const int64_t left = deadline_ns - NowNs();
    if (left <= 0) {
      error_ = Describe(events == POLLOUT ? "sendmsg" : "recv", ETIMEDOUT);
      return false;
    }
    pollfd entry = {fd_, events, 0};
    const int n = poll(&entry, 1, static_cast<int>(left / 1'000'000) + 1);
    if (n > 0) return true;
    if (n < 0 && errno != EINTR) {
      error_ = Describe("poll", errno);
      return false;
    }
  }
}

bool VfioUserDoorbell::Send(const uint8_t* bytes, size_t size) {
  const int64_t deadline = NowNs() + kTimeoutNs;
  while (size > 0) {
    const ssize_t n = send(fd_, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      bytes += n;
      size -= static_cast<size_t>(n);
    } else if (errno == EAGAIN) {
      if (!Ready(POLLOUT, deadline)) return false;
    } else if (errno != EINTR) {
      error_ = Describe("send", errno);
      return false;
    }
  }
  return true;
}

bool VfioUserDoorbell::Receive(uint8_t* bytes, size_t size, int64_t deadline_ns) {
  while (size > 0) {
    const ssize_t n = recv(fd_, bytes, size, MSG_DONTWAIT);
    if (n > 0) {
      bytes += n;
      size -= static_cast<size_t>(n);
    } else if (n == 0) {
      error_ = "recv: the peer closed the vfio-user socket";
      return false;
    } else if (errno == EAGAIN) {
      if (!Ready(POLLIN, deadline_ns)) return false;
    } else if (errno != EINTR) {
      error_ = Describe("recv", errno);
      return false;
    }
  }
  return true;
}

bool VfioUserDoorbell::AwaitReply(uint16_t msg_id) {
  const int64_t deadline = NowNs() + kTimeoutNs;
  uint8_t header[kHeaderSize];
  if (!Receive(header, sizeof header, deadline)) return false;
  const uint32_t size = Get<uint32_t>(header + 4);
  const uint32_t flags = Get<uint32_t>(header + 8);
  if (size < kHeaderSize || size > kMaxReply) {
    error_ = "reply of " + std::to_string(size) + " bytes: must be 16 to " + std::to_string(kMaxReply);
    return false;
  }
  uint8_t body[kMaxReply];
  if (!Receive(body, size - kHeaderSize, deadline)) return false;
  if (Get<uint16_t>(header) != msg_id || (flags & 0xf) != kReplyFlag) {
    error_ = "message " + std::to_string(Get<uint16_t>(header)) + " with flags " + std::to_string(flags) +
             ": not the reply to doorbell " + std::to_string(msg_id) +
             " (is somebody else using the socket while the loop runs?)";
    return false;
  }
  if ((flags & kErrorFlag) != 0) {
    error_ = std::string("refused: ") + std::strerror(static_cast<int>(Get<uint32_t>(header + 12)));
    return false;
  }
  return true;
}

}  // namespace ptnet::guest
