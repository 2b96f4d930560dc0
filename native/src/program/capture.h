// A capture: what passes a port, as a monitor sees it, filtered and written to a file by a thread of its own. The port
// pays for a copy; what the file does not take in time is dropped and counted.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "os/error.h"
#include "os/peer_fd.h"
#include "program/bpf.h"
#include "program/capture_queue.h"
#include "program/pcapng_writer.h"

namespace ptnet {

struct CaptureOptions {
  std::string path = {};  // of the file, which is written anew; empty: `fd`
  os::PeerFd fd = {};
  bool truncate = false;      // what is in `fd` goes first
  uint32_t snaplen = 65536;   // bytes of each packet, at most
  uint64_t count = 0;         // packets after which it ends; 0: none
  uint64_t rotate_bytes = 0;  // a file ends with the packet that brings it there, and the next one begins; 0: never
  uint32_t files = 0;         // older ones are removed; 0: none is
  std::string filter_text = {};
  BpfProgram filter = {};
  uint32_t queue_bytes = 16 << 20;
};

struct CaptureStatistics {
  uint64_t seen = 0;      // packets
  uint64_t dropped = 0;   // of these, for lack of room in the queue
  uint64_t filtered = 0;  // that the filter does not want
  uint64_t written = 0;
  uint64_t bytes = 0;  // of the files
  uint64_t files = 0;
  bool ended = false;  // all is written, or nothing can be any more
  std::string error;
};

class Capture {
 public:
  /// With the errno of what could not be opened; ENOMEM, or EAGAIN when no thread can be had.
  static Status Start(std::shared_ptr<Engine> engine, Watchable watched, Ways ways, CaptureOptions options,
                      std::shared_ptr<Capture>* out);
  ~Capture() { Stop(); }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  /// Sees nothing any more; what it has seen is written in its own time: statistics() says when it has ended.
  void Stop();
  CaptureStatistics statistics() const;

 private:
  class Writer;
  Capture() = default;

  std::shared_ptr<Writer> writer_;
  std::unique_ptr<Watching> watching_;
};

}  // namespace ptnet
