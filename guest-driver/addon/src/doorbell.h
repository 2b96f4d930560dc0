// Kicks over a vfio-user socket: a doorbell is a REGION_WRITE message, answered for an I/O BAR and posted for memory.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

namespace ptnet::guest {

class VfioUserDoorbell {
 public:
  struct Target {
    int fd = -1;
    uint32_t region = 0;
    uint64_t base = 0;  // of KICK[0] in the region
    bool wait = true;   // the write is answered, and the answer is awaited
  };

  /// `own_fd` is the caller's copy of target.fd; target.fd itself only names the socket among those in use.
  VfioUserDoorbell(const Target& target, int own_fd);

  /// Writes KICK[index]. @return false when the socket is gone or the write was refused: see error().
  bool Kick(uint32_t index);
  const std::string& error() const { return error_; }

 private:
  bool Send(const uint8_t* bytes, size_t size);
  bool Receive(uint8_t* bytes, size_t size, int64_t deadline_ns);
  bool AwaitReply(uint16_t msg_id);
  bool Ready(short events, int64_t deadline_ns);

  Target target_;
  int fd_;
  std::shared_ptr<std::mutex> socket_mutex_;  // one per descriptor: messages and replies of several loops stay whole
  std::string error_;
};

}  // namespace ptnet::guest
