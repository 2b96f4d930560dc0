// Copies between places that overlap: who shares a region with the receiver can name the receiver's buffer, at another
// offset or behind a virtio-net header. The packet arrives as it was, and nobody else's buffer is written to.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "forward/echo.h"
#include "forward/monitor.h"
#include "offsets_rig.h"
#include "ring/copy.h"
#include "vale_net.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr uint32_t kLengths[] = {14, 30, 32, 63, 64, 100, 128, 129, 300, 1300};
const PortShape kShape{"vale0:from", 1, 1, 8, 8, 0}, kOther{"vale0:to", 1, 1, 8, 8, 0};

void ACopyIsThatOfWhatWasThere() {
  Random random("overlap");
  for (uint32_t n = 0; n <= 300; n++) {
    for (const uint32_t shift : {0u, 1u, 7u, 12u, 15u, 16u, 33u, 64u, 127u, n / 2, n}) {
      for (const bool up : {false, true}) {
        std::vector<uint8_t> is(700), wanted;
        for (uint8_t& byte : is) byte = static_cast<uint8_t>(random.Below(256));
        wanted = is;
        const uint32_t from = up ? 0 : shift, to = up ? shift : 0;
        memmove(&wanted[to], &wanted[from], n);
        CopyPacket(&is[to], &is[from], n);
        CHECK(is == wanted);
      }
    }
  }
}

AttachOptions Header(uint32_t len) { return {.policy = Policy::kInline, .vnet_hdr_len = static_cast<uint8_t>(len)}; }

/// A region, and what its buffers have.
struct Shared {
  std::shared_ptr<Region> region = MakeRegion(1, 64);

  std::vector<uint8_t> Buffers() const {
    const uint8_t* const bufs = region->base() + region->bufs().offset();
    return {bufs, bufs + uint64_t{region->bufs().num()} * kBuf};
  }
  /// Of what was there before, all but these buffers is still there.
  void CheckOthers(std::vector<uint8_t> before, const std::vector<uint32_t>& but) const {
    auto now = Buffers();
    for (const uint32_t buf : but)
      for (auto* all : {&before, &now}) std::fill_n(all->begin() + int64_t{buf} * kBuf, kBuf, uint8_t{0});
    CHECK(now == before);
  }
};

/// A packet of so many slots into the buffers that `rx` shows next, for `tx` to send.
void PutInto(GuestRing& rx, GuestRing& tx, const std::vector<uint8_t>& packet, uint32_t offset, uint32_t slots = 1) {
  const auto size = static_cast<uint32_t>(packet.size());
  for (uint32_t n = 0, at = 0, i = rx.head; n < slots; n++, i = rx.Next(i)) {
    const uint32_t end = n + 1 < slots ? at + size / slots : size;
    tx.slot(tx.head).buf_idx = rx.slot(i).buf_idx;
    PutAt(tx, {packet.begin() + at, packet.begin() + end}, offset);
    if (n + 1 < slots) tx.LastPut().flags = NS_MOREFRAG;
    at = end;
  }
  tx.Publish();
}

std::vector<uint8_t> Behind(uint32_t header, const std::vector<uint8_t>& frame) {
  std::vector<uint8_t> packet(header + frame.size());
  std::copy(frame.begin(), frame.end(), packet.begin() + header);
  return packet;
}

/// Two ports of a switch in one region.
struct Neighbours {
  Shared shared;
  Net net;
  std::shared_ptr<ValePort> from, to;
  Guest sender, receiver;

  explicit Neighbours(uint32_t from_hdr = 0, uint32_t to_hdr = 0) {
    CHECK_OK(ValePort::Create(shared.region, net.stats, kShape, net.sw, &from));
    CHECK_OK(ValePort::Create(shared.region, net.stats, kOther, net.sw, &to));
    sender.Attach(net.engine, *from, Header(from_hdr));
    receiver.Attach(net.engine, *to, Header(to_hdr));
  }
  /// What the receiver gets of a packet that is sent from its own buffers.
  std::vector<uint8_t> Pass(const std::vector<uint8_t>& packet, uint32_t offset, uint32_t slots,
                            uint32_t more_bufs = 0) {
    std::vector<uint32_t> bufs;
    for (uint32_t n = 0, i = receiver.rx().head; n < slots + more_bufs; n++, i = receiver.rx().Next(i))
      bufs.push_back(receiver.rx().slot(i).buf_idx);
    PutInto(receiver.rx(), sender.tx(), packet, offset, slots);
    const auto before = shared.Buffers();
    CHECK(sender.Sync(sender.tx()));
    shared.CheckOthers(before, bufs);
    auto got = TakeAt(receiver.rx());
    receiver.rx().Publish();
    return got;
  }
};

/// Whole and in pieces, with an offset on either side or both, with a virtio-net header or without.
void OnASwitch() {
  for (const auto& [sends, receives] : {std::pair{0u, 0u}, {0u, 1u}, {1u, 0u}, {0u, 16u}, {300u, 17u}, {40u, 640u}}) {
    for (const auto& [from_hdr, to_hdr] : {std::pair{0u, 0u}, {0u, 12u}, {12u, 0u}, {10u, 12u}, {12u, 12u}}) {
      Neighbours n(from_hdr, to_hdr);
      if (sends > 0) Offsets(*n.net.engine, *n.from, {.max = sends});
      if (receives > 0) Offsets(*n.net.engine, *n.to, {.max = receives, .initial = receives});
      for (const uint32_t len : kLengths) {
        const auto frame = Frame(0xff, 1, len);
        CHECK(n.Pass(Behind(from_hdr, frame), sends, 1) == Behind(to_hdr, frame));
        // Of several slots a piece may have been written over when its turn comes.
        const auto longer = Behind(from_hdr, Frame(0xff, 1, len + 52));
        CHECK_EQ(n.Pass(longer, sends, 2).size(), longer.size() - from_hdr + to_hdr);
      }
    }
  }
}

/// Into pieces of other sizes: what is read late may have been written over, and no more than that.
void CutIntoSmallerPieces() {
  for (const uint32_t offset : {0u, 1u, 64u, 600u}) {
    Neighbours n;
    Offsets(*n.net.engine, *n.from, {.max = 600});
    Offsets(*n.net.engine, *n.to, {.max = 100, .initial = 100, .gap = 400});
    CHECK_EQ(n.Pass(Frame(0xff, 1, 1400), offset, 1, 3).size(), 1400u);
  }
}

void Echoed() {
  Shared shared;
  const auto engine = MakeEngine();
  std::shared_ptr<EchoPort> port;
  CHECK_OK(EchoPort::Create(shared.region, MakeStats(), kShape, &port));
  Guest guest;
  guest.Attach(engine, *port);
  Offsets(*engine, *port, {.max = 500, .initial = 40});
  for (const uint32_t len : kLengths) {
    for (const uint32_t offset : {0u, 1u, 63u, 500u}) {
      auto packet = Frame(3, 4, len);
      const uint32_t buf = guest.rx().slot(guest.rx().head).buf_idx;
      PutInto(guest.rx(), guest.tx(), packet, offset);
      const auto before = shared.Buffers();
      CHECK(guest.Sync(guest.tx()));
      shared.CheckOthers(before, {buf});
      std::swap_ranges(packet.begin(), packet.begin() + 6, packet.begin() + 6);
      CHECK(TakeAt(guest.rx()) == packet);
      guest.rx().Publish();
    }
  }
}

/// A monitor in the region of its sender, which has offsets or a header, that the copy has not.
void Watched() {
  for (const auto& [offset, mine, header] : {std::array{0u, 0u, 12u}, {50u, 0u, 0u}, {0u, 9u, 0u}, {5u, 70u, 12u}}) {
    Shared shared;
    Net net;
    std::shared_ptr<ValePort> from;
    std::shared_ptr<MonitorPort> monitor;
    CHECK_OK(ValePort::Create(shared.region, net.stats, kShape, net.sw, &from));
    CHECK_OK(MonitorPort::Create(shared.region, net.stats, {"m", 1, 1, 4, 8, 0}, net.engine, {from, nullptr},
                                 {.tx = true}, &monitor));
    Guest sender, watcher;
    sender.Attach(net.engine, *from, Header(header));
    watcher.Attach(net.engine, *monitor);
    if (offset > 0) Offsets(*net.engine, *from, {.max = offset});
    if (mine > 0) Offsets(*net.engine, *monitor, {.max = mine, .initial = mine});
    for (const uint32_t len : kLengths) {
      const auto frame = Frame(0xff, 1, len);
      const uint32_t buf = watcher.rx().slot(watcher.rx().head).buf_idx;
      PutInto(watcher.rx(), sender.tx(), Behind(header, frame), offset);
      const auto before = shared.Buffers();
      sender.Sync(sender.tx());
      shared.CheckOthers(before, {buf});
      CHECK(TakeAt(watcher.rx()) == frame);
      watcher.rx().Publish();
    }
  }
}

}  // namespace

int main() {
  ACopyIsThatOfWhatWasThere();
  OnASwitch();
  CutIntoSmallerPieces();
  Echoed();
  Watched();
}
