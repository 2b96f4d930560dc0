// Frames between a guest whose slots have offsets and an interface's other side.
#pragma once

#include "eventually.h"
#include "offsets_rig.h"
#include "packet_socket.h"

namespace ptnet::test {

/// Both ways, with a maximum of 1000: each frame arrives whole, wherever slots say, in as many as have room for it.
inline void FramesWithOffsets(Random& random, Guest& guest, PacketSocket& far) {
  for (uint32_t n = 0; n < 200; n++) {
    const Bytes frame = TestFrame(60 + random.Below(1400), n);
    const auto size = static_cast<uint32_t>(frame.size());
    PutAt(guest.tx(), frame, random.Below(std::min(1000u, kBuf - size) + 1));
    guest.tx().Publish();
    guest.Sync(guest.tx());
    CHECK(far.Receive() == frame);
    CHECK(far.Send(frame));
    Bytes got;
    std::vector<uint64_t> offsets;
    Eventually("a frame", [&] {
      guest.Sync(guest.rx());
      return !(got = TakeAt(guest.rx(), &offsets)).empty();
    });
    CHECK(got == frame);
    CHECK_EQ(offsets.size(), size > kBuf - 1000 ? 2u : 1u);
    for (const uint64_t offset : offsets) CHECK(offset <= 1000);
    guest.rx().LastPut().ptr = random.Below(1200);  // of a later packet; what is too much is cut
    guest.rx().Publish();
    guest.Sync(guest.rx());
  }
}

}  // namespace ptnet::test
