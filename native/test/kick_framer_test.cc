// KickFramer from memory: a stream of every kind of message cut in two at every place, sizes at their limits, doorbells
// that come and go inside a message, and whose the descriptors are.
#include "datapath/kick_framer.h"

#include <cerrno>
#include <cstring>

#include "check.h"

namespace ptnet {
namespace {

using Bytes = std::vector<uint8_t>;
using Found = KickFramer::Found;

constexpr KickLimits kLimits{4096, 4};
constexpr DoorbellWindow kWindow{1, 0x80, 4};
constexpr uint32_t kRings = 3;

Bytes Message(uint16_t command, uint32_t size) {
  Bytes bytes(std::max(size, uint32_t{sizeof(VfioUserHeader)}), static_cast<uint8_t>(command));
  const VfioUserHeader header{1, command, size, 0, 0};
  memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

Bytes Doorbell(uint64_t offset, uint32_t count = 4) {
  Bytes bytes(sizeof(VfioUserRegionAccess) + count);
  const VfioUserRegionAccess access{
      {1, kVfioUserRegionWrite, static_cast<uint32_t>(bytes.size()), 0, 0}, offset, kWindow.region, count};
  memcpy(bytes.data(), &access, sizeof access);
  return bytes;
}

/// What comes out, as text: a ring for each doorbell, size and descriptors for each message.
class Reader {
 public:
  explicit Reader(bool doorbells = true) {
    if (doorbells) framer.SetDoorbells(kWindow, kRings);
  }
  /// `fds` descriptors with the first byte. False when the framer refuses to go on.
  bool Feed(const Bytes& bytes, size_t fds = 0) {
    std::vector<os::PeerFd> with(fds);
    for (size_t at = 0; at < bytes.size();) {
      const std::span<uint8_t> space = framer.Space();
      const size_t n = std::min(space.size(), bytes.size() - at);
      memcpy(space.data(), bytes.data() + at, n);
      framer.Add(n, &with);
      at += n;
      if (!Take()) return false;
    }
    return true;
  }

  KickFramer framer{kLimits};
  std::string seen;

 private:
  bool Take() {
    DoorbellWrite doorbell;
    KickMessage message;
    for (;;) {
      switch (framer.Next(&doorbell, &message)) {
        case Found::kNothing:
          return true;
        case Found::kError:
          return false;
        case Found::kDoorbell:
          seen += "ring" + std::to_string(doorbell.ring) + " ";
          break;
        case Found::kMessage:
          seen += std::to_string(message.bytes.size()) + "+" + std::to_string(message.fds.size()) + " ";
          break;
      }
    }
  }
};

void CutsAnywhere() {
  Bytes stream;
  for (const Bytes& each : {Message(13, 16), Doorbell(0x80), Message(2, 48), Doorbell(0x88, 8), Doorbell(0x8c),
                            Message(kVfioUserRegionWrite, 32), Doorbell(0x84, 1), Message(16, 700), Message(13, 16)})
    stream.insert(stream.end(), each.begin(), each.end());
  for (size_t first = 0; first <= stream.size(); first++) {
    for (size_t second = first; second <= std::min(stream.size(), first + 40); second++) {
      Reader reader;
      const auto begin = stream.begin();
      const auto at = [&](size_t n) { return begin + static_cast<ptrdiff_t>(n); };
      CHECK(reader.Feed({begin, at(first)}) && reader.Feed({at(first), at(second)}));
      CHECK(reader.Feed({at(second), stream.end()}));
      CHECK(reader.seen == "16+0 ring0 48+0 ring2 36+0 32+0 ring1 700+0 16+0 ");
      CHECK(!reader.framer.within());
    }
  }
}

void RefusesSizes() {
  const auto error = [](uint32_t size) {
    Reader reader;
    return reader.Feed(Message(2, size)) ? 0 : reader.framer.error();
  };
  CHECK_EQ(error(15), EPROTO);
  CHECK_EQ(error(16), 0);
  CHECK_EQ(error(kLimits.max_message_bytes), 0);
  CHECK_EQ(error(kLimits.max_message_bytes + 1), EMSGSIZE);
  CHECK_EQ(error(UINT32_MAX), EMSGSIZE);
}

/// A doorbell whose window goes while it is being read is a message; one whose window comes meanwhile is rung or not,
/// but is never lost.
void DoorbellsComeAndGoInsideAMessage() {
  const Bytes doorbell = Doorbell(0x84);
  for (ptrdiff_t cut = 1; cut < static_cast<ptrdiff_t>(doorbell.size()); cut++) {
    Reader goes, comes(false);
    CHECK(goes.Feed({doorbell.begin(), doorbell.begin() + cut}) &&
          comes.Feed({doorbell.begin(), doorbell.begin() + cut}));
    CHECK(goes.framer.within() && comes.framer.within());
    goes.framer.ClearDoorbells();
    comes.framer.SetDoorbells(kWindow, kRings);
    CHECK(goes.Feed({doorbell.begin() + cut, doorbell.end()}) && comes.Feed({doorbell.begin() + cut, doorbell.end()}));
    CHECK(goes.seen == "36+0 ");
    CHECK(comes.seen == (cut < 16 ? "ring1 " : "36+0 "));
  }
}

void GivesDescriptors() {
  Reader reader;
  CHECK(reader.Feed(Message(2, 48), 2) && reader.Feed(Message(13, 16)) && reader.Feed(Doorbell(0x80), 1));
  CHECK(reader.Feed(Message(2, 600), 4));
  CHECK(reader.seen == "48+2 16+0 36+1 600+4 ");
  CHECK(!reader.Feed(Message(2, 48), 5));
  CHECK_EQ(reader.framer.error(), E2BIG);
  // Piece by piece too many.
  Reader pieces;
  const Bytes map = Message(2, 48);
  CHECK(pieces.Feed({map.begin(), map.begin() + 20}, 3));
  CHECK(!pieces.Feed({map.begin() + 20, map.end()}, 2));
  CHECK_EQ(pieces.framer.error(), E2BIG);
  pieces.framer.Clear();
  CHECK(!pieces.framer.within());
}

}  // namespace
}  // namespace ptnet

int main() {
  ptnet::CutsAnywhere();
  ptnet::RefusesSizes();
  ptnet::DoorbellsComeAndGoInsideAMessage();
  ptnet::GivesDescriptors();
}
