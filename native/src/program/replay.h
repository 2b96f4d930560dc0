// A replayer: the packets of a capture file, into a port, as its client. The file may be a pipe that nobody writes to,
// or one whose owner answers when he likes: nobody but the replayer's own thread waits for it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "datapath/broker.h"
#include "forward/port.h"
#include "os/peer_fd.h"

namespace ptnet {

struct ReplayOptions {
  std::string path;        // of the file; its name in messages where `fd` is given
  os::PeerFd fd = {};      // it, open
  double speed = 1;        // times the file's pace; 0: as fast as the port takes it
  uint64_t rate = 0;       // packets/s instead of the file's pace; 0: that
  uint64_t loops = 1;      // 0: for ever
  uint64_t delay_ns = 0;   // added to every packet,
  uint64_t jitter_ns = 0;  // and up to so much, evenly; packets stay in their order
  double loss = 0;         // of them, 0 to 1
  uint64_t seed = 1;
};

struct ReplayStatistics {
  uint64_t packets = 0, bytes = 0;  // in the port's hands
  uint64_t lost = 0;                // on purpose
  uint64_t skipped = 0;             // that fit no slots, or were cut in the file
  uint64_t loops = 0;               // that are done
  uint64_t late_ns = 0;             // the most that a packet came later than it should have
  bool ended = false;               // the file is closed
  std::string error;                // what is wrong with the file, once it has ended
};

class Replay {
 public:
  /// With the errno of a path that cannot be opened, or EAGAIN when no thread can be had; else as PortClient::Open.
  static Status Start(std::shared_ptr<Engine> engine, std::shared_ptr<Port> port, const AttachOptions& options,
                      ReplayOptions replay, std::shared_ptr<Replay>* out);
  ~Replay() { Stop(); }
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  /// The port is free again; the thread ends when the file lets it: statistics() says when it has.
  void Stop();
  ReplayStatistics statistics() const;

 private:
  class Player;
  Replay() = default;

  std::shared_ptr<Player> player_;
};

}  // namespace ptnet
