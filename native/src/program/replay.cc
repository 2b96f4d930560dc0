// Replay: the thread that reads the file, when each packet is due, and how it gets into the port's ring.
#include "program/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <random>
#include <utility>

#include "datapath/clock.h"
#include "os/event.h"
#include "os/short_slice.h"
#include "os/thread.h"
#include "program/pcap_reader.h"
#include "program/port_client.h"

namespace ptnet {
namespace {

constexpr uint32_t kBatch = 128;          // slots between two publications
constexpr uint64_t kShortNs = 60'000;     // what is due sooner is not slept for
constexpr uint64_t kNapNs = 100'000'000;  // the longest sleep: the thread ends no later than that
constexpr uint64_t kDrainNs = 1'000'000'000;

void Add(std::atomic<uint64_t>& counter, uint64_t n = 1) {
  counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

}  // namespace

/// What the thread has of it: it outlives the replayer when the file keeps it waiting.
class Replay::Player {
 public:
  explicit Player(ReplayOptions options) : options_(std::move(options)), random_(options_.seed) {}

  Status Open(std::shared_ptr<Engine> engine, std::shared_ptr<Port> port, const AttachOptions& options);
  void Run();
  void Stop();
  ReplayStatistics statistics() const;

 private:
  bool OpenFile();
  ssize_t ReadFile(int fd, void* to, size_t most);
  void PlayAll();
  bool Play(uint64_t begin_ns);
  uint64_t DueAt(const FilePacket& packet);
  bool SleepUntil(uint64_t due_ns);
  void Nap(uint64_t ns);
  bool Send(const FilePacket& packet);
  bool AwaitRoom(uint32_t slots);
  void Publish();
  void Drain();
  bool stopped() const { return stop_.load(std::memory_order_relaxed); }

  ReplayOptions options_;
  os::UniqueFd stop_fd_;  // an eventfd that nobody drains
  ClientSleeper sleeper_;
  std::atomic<bool> stop_{false}, ended_{false};
  std::atomic<uint64_t> packets_{0}, bytes_{0}, lost_{0}, skipped_{0}, loops_{0}, late_ns_{0};

  /// The thread has it but while it waits for the file or for a packet's time: then Stop() takes the port away.
  std::mutex port_;
  std::unique_ptr<PortClient> client_;

  // The thread's own.
  std::unique_lock<std::mutex> mine_{port_, std::defer_lock};
  std::unique_ptr<PcapReader> file_;
  std::string error_;
  std::mt19937_64 random_;
  uint64_t begin_ns_ = 0;       // when the loop's first packet goes out, without its delay
  uint64_t first_time_ns_ = 0;  // that it has in the file
  uint64_t last_due_ns_ = 0;
  uint64_t sent_ = 0;  // of the loop, for the rate
  uint32_t unpublished_ = 0;
};

Status Replay::Player::Open(std::shared_ptr<Engine> engine, std::shared_ptr<Port> port, const AttachOptions& options) {
  if (!options_.fd) {
    // A FIFO has a writer when it has one.
    options_.fd.Reset(open(options_.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!options_.fd) return Status::Fail(errno, options_.path + ": " + strerror(errno));
  }
  if (os::Error e = os::CreateEventfd(0, &stop_fd_))
    return Status::Fail(e.number, std::string("eventfd: ") + strerror(e.number));
  if (Status s = sleeper_.Open(); !s.ok()) return s;
  return PortClient::Open(std::move(engine), std::move(port), options, &client_);
}

void Replay::Player::Run() {
  os::KeepToShortSlices();
  mine_.lock();
  if (OpenFile()) PlayAll();
  if (!stopped()) Drain();
  mine_.unlock();
  // Closed here: that may take as long as whoever serves the file likes.
  if (file_ && !stopped()) error_ = file_->error();
  file_ = nullptr;
  ended_.store(true, std::memory_order_release);
}

/// False when it was stopped, or the file is none.
bool Replay::Player::OpenFile() {
  const auto read = [this](int fd, void* to, size_t most) { return ReadFile(fd, to, most); };
  const Status s = PcapReader::Open(options_.path, os::UniqueFd(options_.fd.Release()), read, &file_);
  if (!s.ok() && !stopped()) error_ = s.message;
  return s.ok();
}

/// As read(2), without the port, and ECANCELED when it is stopped while nothing comes.
ssize_t Replay::Player::ReadFile(int fd, void* to, size_t most) {
  if (unpublished_ > 0 && !stopped()) Publish();
  mine_.unlock();
  ssize_t n;
  do {
    pollfd fds[] = {{fd, POLLIN, 0}, {stop_fd_.get(), POLLIN, 0}};
    (void)poll(fds, 2, -1);
    if (fds[1].revents != 0) {
      n = -1;
      errno = ECANCELED;
      break;
    }
    n = read(fd, to, most);
  } while (n < 0 && errno == EAGAIN);
  const int err = errno;
  mine_.lock();
  errno = err;
  return n;
}

void Replay::Player::PlayAll() {
  for (uint64_t loop = 0; (options_.loops == 0 || loop < options_.loops) && !stopped(); loop++) {
    if (loop > 0 && !file_->Rewind()) break;
    // A loop begins where the one before has ended.
    if (!Play(std::max(last_due_ns_, NowNs()))) break;
    Add(loops_);
  }
}

/// The file once. False when it was stopped, or the file is bad, or empty.
bool Replay::Player::Play(uint64_t begin_ns) {
  begin_ns_ = begin_ns;
  sent_ = 0;
  FilePacket packet;
  for (PcapReader::Next next; (next = file_->Read(&packet)) != PcapReader::Next::kEnd;) {
    if (next == PcapReader::Next::kBad || stopped()) return false;
    if (sent_ == 0) first_time_ns_ = packet.time_ns;
    const uint64_t due_ns = DueAt(packet);
    sent_++;
    if (options_.loss > 0 && std::uniform_real_distribution<>(0, 1)(random_) < options_.loss) {
      Add(lost_);
      continue;
    }
    if (due_ns != 0 && !SleepUntil(due_ns)) return false;
    if (!Send(packet)) return false;
  }
  return sent_ > 0;
}

/// CLOCK_MONOTONIC, ns; 0: at once.
uint64_t Replay::Player::DueAt(const FilePacket& packet) {
  uint64_t after_ns = 0;
  if (options_.rate > 0) {
    after_ns = static_cast<uint64_t>(static_cast<unsigned __int128>(sent_) * 1'000'000'000 / options_.rate);
  } else if (options_.speed > 0 && packet.time_ns > first_time_ns_) {
    after_ns = static_cast<uint64_t>(static_cast<double>(packet.time_ns - first_time_ns_) / options_.speed);
  } else if (options_.speed == 0 && options_.delay_ns + options_.jitter_ns == 0) {
    return 0;
  }
  uint64_t delay_ns = options_.delay_ns;
  if (options_.jitter_ns > 0) delay_ns += std::uniform_int_distribution<uint64_t>(0, options_.jitter_ns)(random_);
  last_due_ns_ = std::max(last_due_ns_, begin_ns_ + after_ns + delay_ns);
  return last_due_ns_;
}

/// False when it was stopped.
bool Replay::Player::SleepUntil(uint64_t due_ns) {
  for (uint64_t now = NowNs(); now < due_ns; now = NowNs()) {
    if (stopped()) return false;
    if (unpublished_ > 0) Publish();
    const uint64_t left = due_ns - now;
    if (left <= kShortNs) {
      sched_yield();
      continue;
    }
    Nap(std::min(left - kShortNs, kNapNs));
  }
  const uint64_t late = NowNs() - due_ns;
  if (late > late_ns_.load(std::memory_order_relaxed)) late_ns_.store(late, std::memory_order_relaxed);
  return !stopped();
}

/// Without the port.
void Replay::Player::Nap(uint64_t ns) {
  mine_.unlock();
  const timespec ts{static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
  nanosleep(&ts, nullptr);
  mine_.lock();
}

void Replay::Player::Publish() {
  unpublished_ = 0;
  client_->Publish(client_->tx()[0]);
}

/// False when it was stopped.
bool Replay::Player::AwaitRoom(uint32_t slots) {
  ClientRing& tx = client_->tx()[0];
  tx.Refresh();
  if (tx.Available() >= slots) return true;
  Publish();
  for (uint64_t since = NowNs(); NowNs() - since < kShortNs; sched_yield()) {
    tx.Refresh();
    if (tx.Available() >= slots) return true;
  }
  const std::vector<ClientRing*> rings{&tx};
  while (tx.Available() < slots) {
    if (stopped()) return false;
    sleeper_.Sleep(rings, -1, [&] { return tx.Available() >= slots || stopped(); });
    tx.Refresh();
  }
  return true;
}

/// False when it was stopped. A packet that was cut in the file is sent as far as it is there.
bool Replay::Player::Send(const FilePacket& packet) {
  ClientRing& tx = client_->tx()[0];
  const Kring& k = tx.shape();
  const uint32_t slots = (packet.have + k.buf_size - 1) / k.buf_size;
  if (packet.have == 0 || slots > std::min(kMaxFrags, k.num_slots - 1)) {
    Add(skipped_);
    return true;
  }
  if (tx.Available() < slots && !AwaitRoom(slots)) return false;
  for (uint32_t at = 0, n = 0; n < slots; n++) {
    const SlotWord place = ReadSlot(k.slots[tx.head()]);
    const uint32_t size = std::min(packet.have - at, k.buf_size);
    if (k.ValidBuf(place.buf_idx)) memcpy(k.Buf(place.buf_idx), packet.data + at, size);
    UpdateSlot(k.slots[tx.head()], place,
               {place.buf_idx, static_cast<uint16_t>(size), static_cast<uint16_t>(n + 1 < slots ? NS_MOREFRAG : 0)});
    tx.ClearOffset(tx.head());
    at += size;
    tx.Advance(1);
  }
  Add(packets_);
  Add(bytes_, packet.have);
  unpublished_ += slots;
  if (unpublished_ >= kBatch) Publish();
  return true;
}

/// What is in the ring is taken, or a second is over, or it is stopped.
void Replay::Player::Drain() {
  Publish();
  ClientRing& tx = client_->tx()[0];
  for (const uint64_t since = NowNs(); !tx.Drained() && NowNs() - since < kDrainNs;) {
    Nap(1'000'000);
    if (stopped()) return;
  }
}

void Replay::Player::Stop() {
  stop_ = true;
  (void)os::SignalEventfd(stop_fd_.get());
  sleeper_.Wake();
  const std::lock_guard<std::mutex> lock(port_);
  client_ = nullptr;
}

ReplayStatistics Replay::Player::statistics() const {
  ReplayStatistics s;
  s.ended = ended_.load(std::memory_order_acquire);
  s.packets = packets_.load(std::memory_order_relaxed);
  s.bytes = bytes_.load(std::memory_order_relaxed);
  s.lost = lost_.load(std::memory_order_relaxed);
  s.skipped = skipped_.load(std::memory_order_relaxed);
  s.loops = loops_.load(std::memory_order_relaxed);
  s.late_ns = late_ns_.load(std::memory_order_relaxed);
  if (s.ended) s.error = error_;
  return s;
}

Status Replay::Start(std::shared_ptr<Engine> engine, std::shared_ptr<Port> port, const AttachOptions& options,
                     ReplayOptions replay, std::shared_ptr<Replay>* out) {
  const std::string name = port->name();
  std::shared_ptr<Replay> made(new Replay());
  made->player_ = std::make_shared<Player>(std::move(replay));
  if (Status s = made->player_->Open(std::move(engine), std::move(port), options); !s.ok()) return s;
  // Detached: it may be kept in a read for as long as somebody likes.
  if (!os::StartDetached("ptnet-replay", [player = made->player_] { player->Run(); }))
    return Status::Fail(EAGAIN, name + ": no thread to replay with");
  *out = std::move(made);
  return Status::Ok();
}

void Replay::Stop() { player_->Stop(); }

ReplayStatistics Replay::statistics() const { return player_->statistics(); }

}  // namespace ptnet
