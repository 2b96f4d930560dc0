// Captures: what passes is in the file, whole and in its order, as the filter wants it; a file that takes nothing costs
// packets and nobody's time.
#include "program/capture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "no_threads.h"
#include "pcap_file.h"
#include "program/pcap_library.h"
#include "temp_folder.h"
#include "traffic.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr Ways kBoth{.tx = true, .rx = true};

void Finish(Capture& capture) {
  capture.Stop();
  Eventually("the end of a capture", [&] { return capture.statistics().ended; });
}

std::vector<std::vector<uint8_t>> Read(const std::string& path, uint32_t* cut = nullptr) {
  std::unique_ptr<PcapReader> reader;
  CHECK_OK(OpenPcap(path, &reader));
  std::vector<std::vector<uint8_t>> packets;
  FilePacket packet;
  uint64_t last_ns = 0;
  PcapReader::Next next;
  while ((next = reader->Read(&packet)) == PcapReader::Next::kPacket) {
    packets.emplace_back(packet.data, packet.data + packet.have);
    CHECK(packet.time_ns >= last_ns && packet.time_ns > 1'600'000'000'000'000'000u);
    last_ns = packet.time_ns;
    if (cut != nullptr) *cut += packet.have < packet.len;
  }
  CHECK(next == PcapReader::Next::kEnd);
  return packets;
}

/// Sends probes [first, end) through a null port, one sync each.
void SendAll(NullRig& rig, uint64_t first, uint64_t end, uint32_t len = 60) {
  for (uint64_t seq = first; seq < end; seq++) {
    CHECK(rig.guest.tx().Put(Probe(seq, len), 1 + seq % 3));
    rig.guest.tx().Publish();
    rig.guest.Sync(rig.guest.tx());
  }
}

void WritesWhatPasses() {
  Folder folder;
  NullRig rig(MakeEngine(), 64, {.policy = Policy::kInline, .vnet_hdr_len = 0}, Source(70));
  std::shared_ptr<Capture> capture;
  CHECK_OK(Capture::Start(rig.engine, {rig.port, nullptr}, kBoth, {.path = folder / "a.pcapng"}, &capture));
  SendAll(rig, 0, 50, 200);
  for (int i = 0; i < 63; i++) CHECK(!rig.guest.rx().Take().empty());
  rig.guest.rx().Publish();
  rig.guest.Sync(rig.guest.rx());
  Finish(*capture);
  // Nothing of what comes now.
  SendAll(rig, 50, 60);
  const auto packets = Read(folder / "a.pcapng");
  CHECK_EQ(packets.size(), 57u);
  for (uint64_t seq = 0; seq < 50; seq++) CHECK(packets[seq] == Probe(seq, 200));
  for (uint32_t i = 0; i < 7; i++) CHECK(packets[50 + i] == rig.guest.rx().Take());
  const CaptureStatistics s = capture->statistics();
  CHECK(s.seen == 57 && s.written == 57 && s.dropped == 0 && s.filtered == 0 && s.files == 1 && s.error.empty());
  struct stat st;
  CHECK(stat((folder / "a.pcapng").c_str(), &st) == 0);
  CHECK_EQ(s.bytes, static_cast<uint64_t>(st.st_size));
  CHECK_EQ(st.st_mode & 0777, 0600u);
}

void CountsCutsAndFilters() {
  Folder folder;
  NullRig rig(MakeEngine(), 64, {.policy = Policy::kInline});
  CaptureOptions options{.path = folder / "a.pcapng", .snaplen = 40, .count = 5, .filter_text = "ether[24:4] > 9"};
  std::vector<BpfInsn> code;
  // The lower half of a probe's number, which is little-endian there: its first byte.
  CHECK_OK(CompileFilter("ether[16] > 9", 65535, &code));
  CHECK_OK(BpfProgram::Create(code, &options.filter));
  std::shared_ptr<Capture> capture;
  CHECK_OK(Capture::Start(rig.engine, {rig.port, nullptr}, kBoth, std::move(options), &capture));
  SendAll(rig, 0, 100, 300);
  // By itself: five are there.
  Eventually("five packets", [&] { return capture->statistics().ended; });
  uint32_t cut = 0;
  const auto packets = Read(folder / "a.pcapng", &cut);
  CHECK_EQ(packets.size(), 5u);
  CHECK_EQ(cut, 5u);
  for (uint64_t n = 0; n < 5; n++) {
    auto probe = Probe(10 + n, 300);
    probe.resize(40);
    CHECK(packets[n] == probe);
  }
  CHECK_EQ(capture->statistics().filtered, 10u);
}

void RotatesAndKeepsTheLast() {
  Folder folder;
  NullRig rig(MakeEngine(), 64, {.policy = Policy::kInline});
  std::shared_ptr<Capture> capture;
  CHECK_OK(Capture::Start(rig.engine, {rig.port, nullptr}, kBoth,
                          {.path = folder / "a.b.pcapng", .rotate_bytes = 4096, .files = 3}, &capture));
  SendAll(rig, 0, 300, 200);
  Finish(*capture);
  const uint64_t files = capture->statistics().files;
  CHECK(files > 10);
  std::vector<std::vector<uint8_t>> packets;
  char name[40];
  for (uint64_t n = 1; n <= files; n++) {
    snprintf(name, sizeof name, "a.b-%05d.pcapng", static_cast<int>(n));
    const bool there = access((folder / name).c_str(), F_OK) == 0;
    CHECK_EQ(there, n + 3 > files);
    if (there)
      for (auto& packet : Read(folder / name)) packets.push_back(packet);
  }
  // The last ones, without a gap.
  CHECK(packets.size() > 20);
  for (size_t i = 0; i < packets.size(); i++) CHECK(packets[i] == Probe(300 - packets.size() + i, 200));
}

/// What has the next file's name is no file: then it ends with the one before, which is whole.
void EndsWhenTheNextFileCannotBe() {
  Folder folder;
  CHECK(std::filesystem::create_directory(folder / "a-00003.pcapng"));
  NullRig rig(MakeEngine(), 64, {.policy = Policy::kInline});
  std::shared_ptr<Capture> capture;
  CHECK_OK(Capture::Start(rig.engine, {rig.port, nullptr}, kBoth, {.path = folder / "a.pcapng", .rotate_bytes = 4096},
                          &capture));
  SendAll(rig, 0, 300, 200);
  Eventually("its end", [&] { return capture->statistics().ended; });
  const CaptureStatistics s = capture->statistics();
  CHECK(s.error == "open: Is a directory");
  CHECK_EQ(s.files, 2u);
  std::vector<std::vector<uint8_t>> packets = Read(folder / "a-00001.pcapng");
  for (auto& packet : Read(folder / "a-00002.pcapng")) packets.push_back(packet);
  CHECK(s.written == packets.size() && packets.size() < 100);
  for (size_t i = 0; i < packets.size(); i++) CHECK(packets[i] == Probe(i, 200));
  CHECK_EQ(s.bytes, std::filesystem::file_size(folder / "a-00002.pcapng"));
}

/// A pipe that nobody reads: the port goes on, what does not fit the queue is counted.
void NobodyReadsThePipe() {
  int pipe_fds[2];
  CHECK(pipe2(pipe_fds, O_CLOEXEC) == 0);
  NullRig rig(MakeEngine(), 64, {.policy = Policy::kInline});
  CaptureOptions options{.queue_bytes = 1 << 17};
  options.fd.Reset(pipe_fds[1]);
  std::shared_ptr<Capture> capture;
  CHECK_OK(Capture::Start(rig.engine, {rig.port, nullptr}, kBoth, std::move(options), &capture));
  SendAll(rig, 0, 3000, 1500);
  rig.CheckSink(3000);
  CHECK(capture->statistics().dropped > 1000);
  capture->Stop();
  CHECK(!capture->statistics().ended);
  // Somebody comes after all, and goes away.
  std::vector<uint8_t> bytes(1 << 16);
  CHECK(read(pipe_fds[0], bytes.data(), bytes.size()) > 0);
  close(pipe_fds[0]);
  Eventually("the end", [&] { return capture->statistics().ended; });
  CHECK(capture->statistics().error == "write: Broken pipe");
}

void RefusesWhereItCannotWrite() {
  NullRig rig(MakeEngine(), 64, {.policy = Policy::kInline});
  std::shared_ptr<Capture> capture;
  const Status s = Capture::Start(rig.engine, {rig.port, nullptr}, kBoth, {.path = "/nowhere/a.pcapng"}, &capture);
  CHECK_EQ(s.err, ENOENT);
  CHECK(s.message == "/nowhere/a.pcapng: No such file or directory");
  CHECK(rig.port->tx(0).observers.load() == nullptr);
  // Nobody waits for the reader of a FIFO.
  Folder folder;
  const std::string fifo = folder / "fifo";
  CHECK(mkfifo(fifo.c_str(), 0600) == 0);
  CHECK_EQ(Capture::Start(rig.engine, {rig.port, nullptr}, kBoth, {.path = fifo}, &capture).err, ENXIO);
  CHECK(rig.port->tx(0).observers.load() == nullptr);
}

/// The port is not watched then, and the host lives.
void NeedsAThread() {
  NullRig rig(MakeEngine(), 64, {.policy = Policy::kInline});
  std::shared_ptr<Capture> capture;
  CaptureOptions options;
  options.fd.Reset(open("/dev/null", O_WRONLY | O_CLOEXEC));
  {
    NoThreads none;
    const Status s = Capture::Start(rig.engine, {rig.port, nullptr}, kBoth, std::move(options), &capture);
    CHECK(s.err == EAGAIN && s.message == "null:t: no thread to write with");
  }
  CHECK(capture == nullptr && rig.port->tx(0).observers.load() == nullptr);
}

/// A file that is given: what is in it goes only where that is wanted, and a pipe has nothing to go.
void EmptiesWhatIsGiven() {
  Folder folder;
  NullRig rig(MakeEngine(), 64, {.policy = Policy::kInline});
  const auto capture_to = [&](os::UniqueFd fd, bool truncate) {
    CaptureOptions options{.truncate = truncate};
    options.fd.Reset(fd.Release());
    std::shared_ptr<Capture> capture;
    CHECK_OK(Capture::Start(rig.engine, {rig.port, nullptr}, kBoth, std::move(options), &capture));
    SendAll(rig, 0, 10);
    Finish(*capture);
    CHECK(capture->statistics().error.empty());
    return capture->statistics().bytes;
  };
  const auto file = [&] { return os::UniqueFd(open((folder / "a").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)); };
  const auto size = [&] { return std::filesystem::file_size(folder / "a"); };
  CHECK(ftruncate(file().get(), 100'000) == 0);
  (void)capture_to(file(), false);
  CHECK_EQ(size(), 100'000u);
  const uint64_t bytes = capture_to(file(), true);
  CHECK_EQ(bytes, size());
  CHECK_EQ(Read(folder / "a").size(), 10u);
  int ends[2];
  CHECK(pipe2(ends, O_CLOEXEC) == 0);
  const os::UniqueFd reader(ends[0]);
  CHECK(capture_to(os::UniqueFd(ends[1]), true) > 0);
}

/// Captures come and go while a pipe is busy; one that stays has all, or has counted it.
void InTraffic(Random& random) {
  constexpr uint64_t kPackets = 20'000;
  Folder folder;
  auto engine = MakeEngine(2);
  PipeRig rig(engine, 32, Served(Policy::kAdaptive), Served(Policy::kAdaptive, 1));
  const std::shared_ptr<Port> master(rig.pair, &rig.pair->master());
  std::shared_ptr<Capture> stays;
  CHECK_OK(Capture::Start(engine, {master, nullptr}, {.tx = true}, {.path = folder / "stays.pcapng"}, &stays));
  PipeTraffic traffic(rig, kPackets, random);
  for (int n = 0; !traffic.over(); n++) {
    std::shared_ptr<Capture> guest;
    CHECK_OK(Capture::Start(engine, {master, nullptr}, kBoth, {.path = folder / "guest.pcapng"}, &guest));
    if (random.OneIn(2)) usleep(random.Below(2000));
    if (random.OneIn(2)) Finish(*guest);
  }
  traffic.Join();
  engine->Synchronize();
  Finish(*stays);
  const CaptureStatistics s = stays->statistics();
  CHECK_EQ(s.seen, kPackets);
  CHECK_EQ(s.written + s.dropped, kPackets);
  guest::StreamTracker tracker(0);
  for (const auto& packet : Read(folder / "stays.pcapng"))
    tracker.Check<guest::Payload::kFull>(packet.data(), static_cast<uint32_t>(packet.size()));
  CHECK_EQ(tracker.lost(), s.dropped);
  CHECK_EQ(tracker.corrupt() + tracker.late(), 0u);
}

}  // namespace

int main() {
  Random random("capture_test");
  WritesWhatPasses();
  CountsCutsAndFilters();
  RotatesAndKeepsTheLast();
  EndsWhenTheNextFileCannotBe();
  NobodyReadsThePipe();
  RefusesWhereItCannotWrite();
  NeedsAThread();
  EmptiesWhatIsGiven();
  InTraffic(random);
}
