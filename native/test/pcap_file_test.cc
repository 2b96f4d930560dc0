// Capture files: what is written is read again, both formats in both byte orders, and what is no such file is told so.
#include "pcap_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "check.h"
#include "program/pcapng_writer.h"
#include "temp_folder.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

using Bytes = std::vector<uint8_t>;

struct TempFile {
  Folder folder;
  std::string path = folder / "a.pcap";
  os::UniqueFd Open() { return os::UniqueFd(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600)); }
  void Write(const Bytes& bytes) {
    CHECK(write(Open().get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
};

struct Expected {
  uint64_t time_ns;
  Bytes data;
  uint32_t len;
};

Bytes Content(uint32_t n, uint32_t len) {
  Bytes bytes(len);
  for (uint32_t i = 0; i < len; i++) bytes[i] = static_cast<uint8_t>(i * 7 + n);
  return bytes;
}

void CheckReads(PcapReader& reader, const std::vector<Expected>& expected) {
  FilePacket packet;
  for (const Expected& e : expected) {
    if (reader.Read(&packet) != PcapReader::Next::kPacket) Fail(__FILE__, __LINE__, "no packet: " + reader.error());
    CHECK_EQ(packet.time_ns, e.time_ns);
    CHECK_EQ(packet.len, e.len);
    CHECK(Bytes(packet.data, packet.data + packet.have) == e.data);
  }
  CHECK(reader.Read(&packet) == PcapReader::Next::kEnd);
}

void ReadsWhatIsWritten(Random& random) {
  TempFile file;
  PcapngWriter writer;
  writer.Begin(file.Open(), {"vale0:1", "udp port 53", 9000});
  std::vector<Expected> expected;
  for (uint32_t n = 0; n < 3000; n++) {
    const uint32_t len = random.OneIn(50) ? 60'000 + random.Below(5000) : random.Below(1500);
    expected.push_back({1'700'000'000'000'000'000u + n * 12'345'678'901u, Content(n, len), len + n % 3});
    const Expected& e = expected.back();
    writer.Add({e.time_ns, e.data.data(), len, e.len, n % 2 == 0});
  }
  writer.Add(PcapngStatistics{1, 2, 3, 4, 5, 6});
  writer.Flush();
  CHECK(!writer.error());
  CHECK_EQ(writer.bytes(),
           static_cast<uint64_t>(lseek(os::UniqueFd(open(file.path.c_str(), O_RDONLY)).get(), 0, SEEK_END)));
  std::unique_ptr<PcapReader> reader;
  CHECK_OK(OpenPcap(file.path, &reader));
  CheckReads(*reader, expected);
  CHECK(reader->Rewind());
  CheckReads(*reader, expected);
}

/// Numbers of either byte order.
struct Builder {
  bool swapped = false;
  Bytes bytes{};

  Builder& U16(uint16_t v) { return Raw(swapped ? __builtin_bswap16(v) : v); }
  Builder& U32(uint32_t v) { return Raw(swapped ? __builtin_bswap32(v) : v); }
  template <class T>
  Builder& Raw(T v) {
    const auto* at = reinterpret_cast<const uint8_t*>(&v);
    bytes.insert(bytes.end(), at, at + sizeof v);
    return *this;
  }
  Builder& Put(const Bytes& more, bool pad = false) {
    bytes.insert(bytes.end(), more.begin(), more.end());
    while (pad && bytes.size() % 4 != 0) bytes.push_back(0);
    return *this;
  }
  Builder& Block(uint32_t type, const Bytes& body) {
    const auto length = static_cast<uint32_t>(body.size() + 12);
    return U32(type).U32(length).Put(body).U32(length);
  }
  Builder Part() const { return {swapped}; }
  Builder& Section() {
    return Block(0x0a0d0d0a, Part().U32(0x1a2b3c4d).U16(1).U16(0).U32(UINT32_MAX).U32(UINT32_MAX).bytes);
  }
  /// Of times in 10^-resolution seconds.
  Builder& Interface(uint8_t resolution, uint16_t linktype = 1, uint32_t snaplen = 0) {
    return Block(1, Part().U16(linktype).U16(0).U32(snaplen).U16(9).U16(1).Put({resolution}, true).U32(0).bytes);
  }
  Builder& Enhanced(uint32_t interface, uint64_t time, const Bytes& data, uint32_t len) {
    return Block(6, Part()
                        .U32(interface)
                        .U32(static_cast<uint32_t>(time >> 32))
                        .U32(static_cast<uint32_t>(time))
                        .U32(static_cast<uint32_t>(data.size()))
                        .U32(len)
                        .Put(data, true)
                        .bytes);
  }
  Builder& PcapHeader(uint32_t magic, uint32_t linktype = 1) {
    return U32(magic).U16(2).U16(4).U32(0).U32(0).U32(65535).U32(linktype);
  }
};

std::string ErrorOf(const Bytes& bytes) {
  TempFile file;
  file.Write(bytes);
  std::unique_ptr<PcapReader> reader;
  const Status s = OpenPcap(file.path, &reader);
  if (!s.ok()) return s.message.substr(file.path.size() + 2);
  FilePacket packet;
  PcapReader::Next next;
  while ((next = reader->Read(&packet)) == PcapReader::Next::kPacket)
    if (packet.have > 0) CHECK(packet.data[0] + packet.data[packet.have - 1] < 1000);
  CHECK(next != PcapReader::Next::kBad || reader->Read(&packet) == PcapReader::Next::kBad);
  return next == PcapReader::Next::kBad ? reader->error().substr(file.path.size() + 2) : "";
}

void ReadsBothByteOrders() {
  for (const bool swapped : {false, true}) {
    for (const bool nano : {false, true}) {
      Builder b{swapped};
      b.PcapHeader(nano ? 0xa1b23c4d : 0xa1b2c3d4);
      b.U32(1000).U32(5).U32(3).U32(60).Put({1, 2, 3}).U32(1001).U32(7).U32(0).U32(0);
      TempFile file;
      file.Write(b.bytes);
      std::unique_ptr<PcapReader> reader;
      CHECK_OK(OpenPcap(file.path, &reader));
      const uint64_t unit = nano ? 1 : 1000;
      CheckReads(*reader, {{1'000'000'000'000u + 5 * unit, {1, 2, 3}, 60}, {1'001'000'000'000u + 7 * unit, {}, 0}});
    }
    Builder b{swapped};
    b.Section().Interface(6).Interface(9).Interface(3).Interface(0x80 | 10);
    b.Block(99, {1, 2, 3, 4});
    b.Enhanced(0, 5'000'001, {1}, 2).Enhanced(1, 5'000'000'001, {2}, 2).Enhanced(2, 5001, {3}, 2);
    b.Enhanced(3, 1024 + 512, {4}, 2);
    // The next section may have another byte order.
    b.swapped = !swapped;
    b.Section().Interface(6, 1, 2);
    b.Enhanced(0, 9'000'000, {5}, 1).Block(3, b.Part().U32(70).Put({6, 7, 8, 9}).bytes);
    TempFile file;
    file.Write(b.bytes);
    std::unique_ptr<PcapReader> reader;
    CHECK_OK(OpenPcap(file.path, &reader));
    const uint64_t s = 1'000'000'000;
    CheckReads(*reader, {{5 * s + 1000, {1}, 2},
                         {5 * s + 1, {2}, 2},
                         {5 * s + 1'000'000, {3}, 2},
                         {s + s / 2, {4}, 2},
                         {9 * s, {5}, 1},
                         {9 * s, {6, 7}, 70}});
  }
}

void SaysWhatIsWrong() {
  const std::string neither = "neither pcap nor pcapng: what tcpdump or Wireshark has written would be right";
  CHECK(ErrorOf({}) == neither && ErrorOf({1, 2, 3}) == neither && ErrorOf(Bytes(100, 7)) == neither);
  CHECK(ErrorOf(Builder().PcapHeader(0xa1b2c3d4, 113).bytes) == "link type 113: Ethernet (1) would be right");
  CHECK(ErrorOf(Builder().U32(0xa1b2c3d4).U32(0).bytes) == "it ends within its header");
  Builder pcap;
  pcap.PcapHeader(0xa1b2c3d4);
  CHECK(ErrorOf(Builder(pcap).U32(1).bytes) == "byte 24: it ends within a packet's header");
  CHECK(ErrorOf(Builder(pcap).U32(1).U32(1).U32(4).U32(4).U16(0).bytes) == "byte 40: it ends within a packet");
  CHECK(ErrorOf(Builder(pcap).U32(1).U32(1).U32(2'000'000).U32(4).bytes) == "byte 40: a packet of 2000000 bytes");
  Builder ng;
  ng.Section();
  CHECK(ErrorOf(Builder(ng).U32(1).bytes) == "byte 28: it ends within a block's header");
  CHECK(ErrorOf(Builder(ng).U32(1).U32(20).bytes) == "byte 28: it ends within a block");
  CHECK(ErrorOf(Builder(ng).U32(1).U32(11).U32(0).bytes) == "byte 28: a block of 11 bytes");
  CHECK(ErrorOf(Builder(ng).U32(1).U32(2'000'000).U32(0).bytes) == "byte 28: a block of 2000000 bytes");
  CHECK(ErrorOf(Builder(ng).U32(9).U32(12).U32(16).bytes) == "byte 28: a block's two lengths differ");
  CHECK(ErrorOf(Builder(ng).Enhanced(0, 1, {1}, 1).bytes) == "byte 28: a packet of interface 0, which is not there");
  CHECK(ErrorOf(Builder(ng).Block(1, {1, 0}).bytes) == "byte 28: a block of 14 bytes");
  CHECK(ErrorOf(Builder(ng).Block(1, {1, 0, 0, 0}).bytes) == "byte 28: an interface that is none");
  CHECK(ErrorOf(Builder(ng).Interface(6, 113).Enhanced(0, 1, {1}, 1).bytes) ==
        "byte 60: a packet of link type 113: Ethernet (1) would be right");
  CHECK(ErrorOf(Builder(ng).Interface(6).Block(6, Bytes(16)).bytes) == "byte 60: a packet without a header");
  CHECK(ErrorOf(Builder(ng).Interface(6).Block(6, Builder().U32(0).U32(0).U32(0).U32(5).U32(5).U32(0).bytes).bytes) ==
        "byte 60: a packet that is longer than its block");
  CHECK(ErrorOf(Builder(ng).Block(3, {0, 0, 0, 0}).bytes) == "byte 28: a simple packet without an interface");
  std::unique_ptr<PcapReader> reader;
  CHECK(!OpenPcap("/tmp", &reader).ok());
}

/// Whatever bytes are changed, the file is read to its end or refused.
void SurvivesWhateverItIs(Random& random) {
  Builder good[2];
  good[0].Section().Interface(6).Enhanced(0, 1, Content(1, 60), 60).Interface(9).Enhanced(1, 2, Content(2, 1500), 1500);
  good[0].Section().Interface(6).Block(3, Builder().U32(8).Put(Content(3, 8)).bytes);
  good[1]
      .PcapHeader(0xa1b2c3d4)
      .U32(1)
      .U32(2)
      .U32(60)
      .U32(60)
      .Put(Content(4, 60))
      .U32(1)
      .U32(2)
      .U32(9)
      .U32(9)
      .Put(Content(5, 9));
  for (int round = 0; round < 4000; round++) {
    Bytes bytes = good[round % 2].bytes;
    for (uint32_t n = 1 + random.Below(4); n > 0; n--)
      bytes[random.Below(static_cast<uint32_t>(std::min<size_t>(bytes.size(), random.OneIn(2) ? 200 : 4000)))] =
          static_cast<uint8_t>(random.OneIn(3) ? 0xff : random.Below(256));
    if (random.OneIn(4)) bytes.resize(random.Below(static_cast<uint32_t>(bytes.size())));
    (void)ErrorOf(bytes);
  }
}

}  // namespace

int main() {
  Random random("pcap_file_test");
  ReadsWhatIsWritten(random);
  ReadsBothByteOrders();
  SaysWhatIsWrong();
  SurvivesWhateverItIs(random);
}
