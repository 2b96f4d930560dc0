// Replayers: what the file has arrives, in its order, as often as asked for; delay and loss are those of the seed.
#include "program/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "no_threads.h"
#include "offsets_rig.h"
#include "program/pcapng_writer.h"
#include "temp_folder.h"
#include "traffic.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr AttachOptions kServed{.policy = Policy::kAdaptive, .spin_ns = 20'000};

/// Probes of a file, so many ns apart.
struct TempFile {
  Folder folder;
  std::string path = folder / "a.pcapng";

  TempFile(uint32_t packets, uint64_t gap_ns, uint32_t len = 60) {
    os::UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    PcapngWriter writer;
    writer.Begin(std::move(fd), {"x", "", 65535});
    for (uint64_t seq = 0; seq < packets; seq++) {
      const auto probe = Probe(seq, len);
      writer.Add(PcapngPacket{1'700'000'000'000'000'000u + seq * gap_ns, probe.data(), len, len, false});
    }
    writer.Flush();
  }
};

/// A pipe: the replayer has the slave end, a guest the other one.
struct ReplayRig {
  std::shared_ptr<Engine> engine = MakeEngine();
  std::shared_ptr<PipePair> pair;
  Guest guest;
  std::shared_ptr<Replay> replay;

  explicit ReplayRig(uint32_t slots = 64) {
    CHECK_OK(PipePair::Create(MakeRegion(), MakeStats(), {"p{1", 1, 1, slots, slots, 0}, "p}1", &pair));
    guest.Attach(engine, pair->master(), kServed);
    guest.EnableInterrupts();
  }
  std::shared_ptr<Port> port() { return {pair, &pair->slave()}; }
  void Start(ReplayOptions options) { CHECK_OK(Replay::Start(engine, port(), kServed, std::move(options), &replay)); }
  /// The sequence numbers of all that comes until it has ended.
  std::vector<uint64_t> All() {
    std::vector<uint64_t> seqs;
    const auto take = [&] {
      for (auto packet = guest.rx().Take(); !packet.empty(); packet = guest.rx().Take()) seqs.push_back(SeqOf(packet));
      guest.rx().Publish();
    };
    Eventually("the end of a replay", [&] {
      take();
      return replay->statistics().ended;
    });
    take();
    return seqs;
  }
};

void AsFastAsThePortTakesIt() {
  TempFile file(3000, 1'000'000'000);
  ReplayRig rig;
  rig.Start({.path = file.path, .speed = 0, .loops = 3});
  const auto seqs = rig.All();
  CHECK_EQ(seqs.size(), 9000u);
  for (size_t i = 0; i < seqs.size(); i++) CHECK_EQ(seqs[i], i % 3000);
  const ReplayStatistics s = rig.replay->statistics();
  CHECK(s.packets == 9000 && s.loops == 3 && s.lost == 0 && s.skipped == 0 && s.error.empty());
  CHECK_EQ(s.bytes, 9000u * 60);
  rig.replay->Stop();
  CHECK(!rig.pair->slave().attached);
}

/// Into a pipe with offsets, where slots say otherwise to begin with and come back with any.
void PacketsBeginWhereBuffersDo() {
  TempFile file(200, 0);
  ReplayRig rig(16);
  Offsets(*rig.engine, rig.pair->slave(), {.max = 500, .initial = 500});
  rig.Start({.path = file.path, .speed = 0});
  for (uint64_t seq = 0; seq < 200; seq++) {
    rig.guest.rx().Await();
    std::vector<uint64_t> offsets;
    CHECK_EQ(SeqOf(TakeAt(rig.guest.rx(), &offsets)), seq);
    CHECK_EQ(offsets[0], 0u);
    rig.guest.rx().LastPut().ptr = seq;
    rig.guest.rx().Publish();
  }
}

/// At the file's pace, at another one, and by a rate: no packet comes before its time.
void KeepsThePace() {
  TempFile file(20, 5'000'000);
  const auto takes = [&](ReplayOptions options, size_t packets, uint64_t least_ns) {
    ReplayRig rig;
    const uint64_t before_ns = NowNs();
    rig.Start(std::move(options));
    CHECK_EQ(rig.All().size(), packets);
    CHECK(NowNs() - before_ns >= least_ns);
  };
  takes({.path = file.path}, 20, 19 * 5'000'000);
  takes({.path = file.path, .speed = 2}, 20, 19 * 2'500'000);
  takes({.path = file.path, .rate = 400, .loops = 2}, 40, 38 * 2'500'000);
}

void SeedsRepeat() {
  TempFile file(2000, 0);
  std::vector<uint64_t> seen[3];
  for (int i = 0; i < 3; i++) {
    ReplayRig rig;
    rig.Start({.path = file.path,
               .speed = 0,
               .delay_ns = 1'000'000,
               .jitter_ns = 2'000'000,
               .loss = 0.25,
               .seed = i == 2 ? 8u : 7u});
    seen[i] = rig.All();
    const ReplayStatistics s = rig.replay->statistics();
    CHECK_EQ(s.packets + s.lost, 2000u);
    CHECK_EQ(seen[i].size(), s.packets);
    CHECK(s.lost > 350 && s.lost < 650);
    CHECK(std::is_sorted(seen[i].begin(), seen[i].end()));
  }
  CHECK(seen[0] == seen[1] && seen[0] != seen[2]);
}

/// Packets of several slots; those that take more than there are are skipped.
void LargePackets() {
  TempFile large(10, 0, 9000), huge(3, 0, 65'000);
  ReplayRig rig(8);
  rig.Start({.path = large.path, .speed = 0});
  for (uint64_t seq = 0; seq < 10; seq++) {
    rig.guest.rx().Await();
    CHECK(rig.guest.rx().Take() == Probe(seq, 9000));
    rig.guest.rx().Publish();
  }
  rig.replay->Stop();
  rig.Start({.path = huge.path, .speed = 0});
  CHECK(rig.All().empty());
  CHECK_EQ(rig.replay->statistics().skipped, 3u);
}

void StopsAtOnce() {
  TempFile slow(2, 3'600'000'000'000), many(5000, 0);
  ReplayRig rig(8);
  rig.Start({.path = slow.path});
  Eventually("the first packet", [&] { return rig.replay->statistics().packets == 1; });
  rig.replay->Stop();
  // Nobody takes them: the ring is full.
  rig.Start({.path = many.path, .speed = 0, .loops = 0});
  Eventually("a full ring", [&] { return rig.replay->statistics().packets >= 6; });
  rig.replay->Stop();
  CHECK(!rig.pair->slave().attached);
  Eventually("the end of the thread", [&] { return rig.replay->statistics().ended; });
  CHECK(rig.replay->statistics().error.empty());
}

/// A pipe: nobody waits for who writes it, and what has come leaves at once.
void WaitsForAPipeAlone() {
  int ends[2];
  CHECK(pipe2(ends, O_CLOEXEC) == 0);
  os::UniqueFd writer(ends[1]);
  ReplayRig rig;
  ReplayOptions options{.path = "a pipe", .speed = 0};
  options.fd.Reset(ends[0]);
  rig.Start(std::move(options));
  TempFile file(3, 0);
  os::UniqueFd whole(open(file.path.c_str(), O_RDONLY | O_CLOEXEC));
  char bytes[4096];
  const ssize_t n = read(whole.get(), bytes, sizeof bytes);
  CHECK(n > 0 && write(writer.get(), bytes, static_cast<size_t>(n)) == n);
  for (uint64_t seq = 0; seq < 3; seq++) {
    rig.guest.rx().Await();
    CHECK(rig.guest.rx().Take() == Probe(seq, 60));
    rig.guest.rx().Publish();
  }
  CHECK(!rig.replay->statistics().ended);
  rig.replay->Stop();
  CHECK(!rig.pair->slave().attached);
  Eventually("the end of the thread", [&] { return rig.replay->statistics().ended; });
  CHECK(rig.replay->statistics().error.empty());
}

/// A FIFO that has no writer yet, before anything of it was read.
void WaitsForAWriterAlone() {
  Folder folder;
  const std::string path = folder / "fifo";
  CHECK(mkfifo(path.c_str(), 0600) == 0);
  ReplayRig rig;
  rig.Start({.path = path});
  rig.replay->Stop();
  Eventually("the end of the thread", [&] { return rig.replay->statistics().ended; });
  CHECK(rig.replay->statistics().error.empty() && !rig.pair->slave().attached);
  TempFile file(2, 0);
  rig.Start({.path = path, .speed = 0});
  os::UniqueFd writer(open(path.c_str(), O_WRONLY | O_CLOEXEC)), whole(open(file.path.c_str(), O_RDONLY | O_CLOEXEC));
  char bytes[4096];
  const ssize_t n = read(whole.get(), bytes, sizeof bytes);
  CHECK(n > 0 && write(writer.get(), bytes, static_cast<size_t>(n)) == n);
  writer.Reset();
  CHECK_EQ(rig.All().size(), 2u);
}

/// The port is nobody's then, and the host lives.
void NeedsAThread() {
  TempFile file(3, 0);
  ReplayRig rig;
  std::shared_ptr<Replay> replay;
  {
    NoThreads none;
    const Status s = Replay::Start(rig.engine, rig.port(), kServed, {.path = "/proc/self/cmdline"}, &replay);
    CHECK(s.err == EAGAIN && s.message == "p}1: no thread to replay with");
  }
  CHECK(!rig.pair->slave().attached);
  rig.Start({.path = file.path, .speed = 0});
  CHECK_EQ(rig.All().size(), 3u);
}

void SaysWhatIsWrong() {
  ReplayRig rig;
  std::shared_ptr<Replay> replay;
  Status s = Replay::Start(rig.engine, rig.port(), kServed, {.path = "/nowhere/a.pcap"}, &replay);
  CHECK(s.err == ENOENT && s.message == "/nowhere/a.pcap: No such file or directory");
  CHECK(!rig.pair->slave().attached);
  TempFile file(3, 0);
  CHECK(truncate(file.path.c_str(), 300) == 0);
  rig.Start({.path = file.path, .speed = 0, .loops = 0});
  CHECK(rig.All().size() < 3);
  CHECK(rig.replay->statistics().error.starts_with(file.path + ": byte "));
  s = Replay::Start(rig.engine, rig.port(), kServed, {.path = file.path}, &replay);
  CHECK_EQ(s.err, EBUSY);
  rig.replay->Stop();
  rig.Start({.path = "/proc/self/cmdline"});
  Eventually("the end of no capture file", [&] { return rig.replay->statistics().ended; });
  CHECK(rig.replay->statistics().error.starts_with("/proc/self/cmdline: neither pcap nor pcapng: "));
}

}  // namespace

int main() {
  AsFastAsThePortTakesIt();
  PacketsBeginWhereBuffersDo();
  KeepsThePace();
  SeedsRepeat();
  LargePackets();
  StopsAtOnce();
  WaitsForAPipeAlone();
  WaitsForAWriterAlone();
  SaysWhatIsWrong();
  NeedsAThread();
}
