// A bridge between two ports: what one receives the other one sends. Between ports of one region buffers change places,
// else packets are copied. Nothing is lost: what one cannot send yet stays in the other's rx ring.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "os/thread.h"
#include "program/port_client.h"

namespace ptnet {

struct BridgeStatistics {
  struct Direction {
    uint64_t packets = 0, bytes = 0;
    uint64_t dropped = 0;  // that never fit the other side's ring, or whose slots are bad
  } forth, back;           // from the first port to the second, and the other way
  bool copies = false;
};

class Bridge {
 public:
  /// EINVAL for one port twice, EAGAIN when no thread can be had; else as PortClient::Open.
  static Status Start(std::shared_ptr<Engine> engine, std::shared_ptr<Port> a, std::shared_ptr<Port> b,
                      const AttachOptions& options, std::shared_ptr<Bridge>* out);
  ~Bridge();
  Bridge(const Bridge&) = delete;
  Bridge& operator=(const Bridge&) = delete;

  /// What has been sent so far is in the ports' hands.
  void Stop();
  BridgeStatistics statistics() const;

 private:
  class Lane;
  Bridge();
  void Run();

  std::unique_ptr<PortClient> a_, b_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  ClientSleeper sleeper_;
  std::atomic<bool> stop_{false};
  bool copies_ = false;
  os::Thread thread_;
};

}  // namespace ptnet
