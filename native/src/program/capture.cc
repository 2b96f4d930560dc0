// Capture: the thread that writes. Nobody waits for it: the file may be a pipe that nobody reads.
#include "program/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "os/thread.h"

namespace ptnet {
namespace {

// While nothing comes: a queue of 16 MiB takes 2 GB a second that long.
constexpr long kShortestNapNs = 500'000, kLongestNapNs = 8'000'000;
constexpr uint32_t kReleased = 64;      // packets, whose room is given back at once
constexpr uint32_t kFilterSees = 1024;  // bytes of a packet that a filter may look at, at least

uint64_t WallNs() {
  timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  return static_cast<uint64_t>(ts.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(ts.tv_nsec);
}

/// Nobody waits for the reader of a FIFO: without one it is ENXIO.
int OpenFile(const std::string& path) {
  return open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
}

/// `dump.pcapng`, the 2nd: `dump-00002.pcapng`.
std::string NumberedPath(const std::string& path, uint64_t number) {
  char text[24];
  snprintf(text, sizeof text, "-%05llu", static_cast<unsigned long long>(number));
  const size_t slash = path.rfind('/'), dot = path.rfind('.');
  const bool extended = dot != std::string::npos && (slash == std::string::npos ? dot > 0 : dot > slash + 1);
  return extended ? path.substr(0, dot) + text + path.substr(dot) : path + text;
}

}  // namespace

class Capture::Writer {
 public:
  Writer(const std::string& name, CaptureOptions options)
      : first_(std::move(options.fd)),
        options_(std::move(options)),
        interface_{name, options_.filter_text, options_.snaplen},
        queue_(options_.queue_bytes,
               options_.filter.accepts_all() ? options_.snaplen : std::max(options_.snaplen, kFilterSees)) {}

  CaptureQueue& queue() { return queue_; }
  Status Open();
  void Run();
  void Stop() { stop_.store(true, std::memory_order_relaxed); }
  CaptureStatistics statistics() const;

 private:
  std::string PathOf(uint64_t number) const {
    return options_.rotate_bytes > 0 ? NumberedPath(options_.path, number) : options_.path;
  }
  void WriteAll();
  bool WriteSome();
  bool Write(const CapturedPacket& packet);
  void Rotate();
  void EndFile();
  /// The first one counts; the thread ends for it.
  void Fail(int err, const char* call) {
    if (error_.load(std::memory_order_relaxed) != 0) return;
    error_call_ = call;
    error_.store(err, std::memory_order_release);
  }

  os::PeerFd first_;
  const CaptureOptions options_;
  const PcapngInterface interface_;
  CaptureQueue queue_;
  PcapngWriter file_;
  uint64_t start_ns_ = WallNs();
  struct InFile {
    uint64_t seen = 0, dropped = 0, accepted = 0;
  } before_;  // what the files before have counted
  uint64_t accepted_ = 0;
  std::atomic<uint64_t> filtered_{0}, written_{0}, bytes_{0}, files_{0};
  std::atomic<bool> stop_{false}, ended_{false};
  std::atomic<int> error_{0};
  const char* error_call_ = "";
};

Status Capture::Writer::Open() {
  if (!queue_.made()) return Status::Fail(ENOMEM, interface_.name + ": no memory for the queue of a capture");
  if (!options_.path.empty()) {
    const std::string path = PathOf(1);
    first_.Reset(OpenFile(path));
    if (!first_) return Status::Fail(errno, path + ": " + strerror(errno));
  }
  files_ = 1;
  return Status::Ok();
}

void Capture::Writer::Run() {
  // Not of what has none, such as a pipe.
  if (options_.truncate && ftruncate(first_.get(), 0) != 0 && errno != EINVAL) {
    Fail(errno, "ftruncate");
    first_.Reset();
  } else {
    WriteAll();
  }
  queue_.Close();
  ended_.store(true, std::memory_order_release);
}

void Capture::Writer::WriteAll() {
  file_.Begin(os::UniqueFd(first_.Release()), interface_);
  long nap_ns = kShortestNapNs;
  for (;;) {
    // Before the last look: nobody brings anything when it is set.
    const bool ending = stop_.load(std::memory_order_relaxed);
    if (WriteSome()) {
      nap_ns = kShortestNapNs;
      continue;
    }
    const bool full = options_.count > 0 && written_.load(std::memory_order_relaxed) >= options_.count;
    if (ending || full || error_.load(std::memory_order_relaxed) != 0) break;
    file_.Flush();
    bytes_.store(file_.bytes(), std::memory_order_relaxed);
    const timespec nap{0, nap_ns};
    nanosleep(&nap, nullptr);
    nap_ns = std::min(2 * nap_ns, kLongestNapNs);
  }
  queue_.Close();
  EndFile();
  // Closed here: that may take as long as whoever serves the file likes.
  file_ = {};
}

/// Writes what there is, a bounded number of packets. False when there was none, or none is wanted any more.
bool Capture::Writer::WriteSome() {
  bool any = false;
  for (uint32_t n = 0; n < kReleased; n++) {
    if (options_.count > 0 && written_.load(std::memory_order_relaxed) >= options_.count) break;
    const CapturedPacket* const packet = queue_.Next();
    if (packet == nullptr) break;
    any = true;
    if (!Write(*packet)) return false;
  }
  queue_.Release();
  return any;
}

bool Capture::Writer::Write(const CapturedPacket& packet) {
  const uint32_t wanted = options_.filter.Run(packet.data(), packet.have, packet.len);
  if (wanted == 0) {
    filtered_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  accepted_++;
  file_.Add({packet.time_ns, packet.data(), std::min({packet.have, options_.snaplen, wanted}), packet.len,
             packet.outbound != 0});
  written_.fetch_add(1, std::memory_order_relaxed);
  if (options_.rotate_bytes > 0 && file_.bytes() >= options_.rotate_bytes) Rotate();
  if (file_.error()) Fail(file_.error().number, file_.error().syscall);
  return error_.load(std::memory_order_relaxed) == 0;
}

void Capture::Writer::EndFile() {
  const InFile now{queue_.seen(), queue_.dropped(), accepted_};
  file_.Add({start_ns_, WallNs(), now.seen - before_.seen, now.dropped - before_.dropped,
             now.accepted - before_.accepted, now.accepted - before_.accepted});
  file_.Flush();
  before_ = now;
  start_ns_ = WallNs();
  bytes_.store(file_.bytes(), std::memory_order_relaxed);
  if (file_.error()) Fail(file_.error().number, file_.error().syscall);
}

void Capture::Writer::Rotate() {
  const uint64_t number = files_.load(std::memory_order_relaxed) + 1;
  os::UniqueFd fd(OpenFile(PathOf(number)));
  if (!fd) return Fail(errno, "open");
  EndFile();
  files_.store(number, std::memory_order_relaxed);
  file_.Begin(std::move(fd), interface_);
  if (options_.files > 0 && number > options_.files) unlink(PathOf(number - options_.files).c_str());
}

CaptureStatistics Capture::Writer::statistics() const {
  CaptureStatistics s;
  s.ended = ended_.load(std::memory_order_acquire);
  s.seen = queue_.seen();
  s.dropped = queue_.dropped();
  s.filtered = filtered_.load(std::memory_order_relaxed);
  s.written = written_.load(std::memory_order_relaxed);
  s.bytes = bytes_.load(std::memory_order_relaxed);
  s.files = files_.load(std::memory_order_relaxed);
  // Acquire: the call before its errno.
  if (const int err = error_.load(std::memory_order_acquire)) s.error = std::string(error_call_) + ": " + strerror(err);
  return s;
}

Status Capture::Start(std::shared_ptr<Engine> engine, Watchable watched, Ways ways, CaptureOptions options,
                      std::shared_ptr<Capture>* out) {
  std::shared_ptr<Capture> capture(new Capture());
  capture->writer_ = std::make_shared<Writer>(watched.name(), std::move(options));
  if (Status s = capture->writer_->Open(); !s.ok()) return s;
  // Detached: it may be kept in a write for as long as somebody likes.
  if (!os::StartDetached("ptnet-capture", [writer = capture->writer_] { writer->Run(); }))
    return Status::Fail(EAGAIN, watched.name() + ": no thread to write with");
  CaptureQueue& queue = capture->writer_->queue();
  capture->watching_ = std::make_unique<Watching>(std::move(engine), std::move(watched), ways,
                                                  [&queue](uint32_t) -> Onlooker& { return queue; });
  *out = std::move(capture);
  return Status::Ok();
}

void Capture::Stop() {
  watching_ = nullptr;
  if (writer_) writer_->Stop();
}

CaptureStatistics Capture::statistics() const { return writer_->statistics(); }

}  // namespace ptnet
