// InterfacePort: what the rings have to be like.
#include "forward/interface_port.h"

#include <errno.h>

#include <algorithm>

#include "ring/packet.h"

namespace ptnet {

Status InterfacePort::CheckPairs(const PortShape& shape, const char* kind) {
  if (shape.tx_rings == shape.rx_rings) return Status::Ok();
  return Status::Fail(EINVAL, shape.name + ": " + std::to_string(shape.tx_rings) + " tx and " +
                                  std::to_string(shape.rx_rings) + " rx rings: " + kind + " has as many of each");
}

uint32_t InterfacePort::PacketMax() const {
  return std::min(kMaxFrags, shape().rx_slots - 1) * region().bufs().size() - 1;
}

Status InterfacePort::Take(std::shared_ptr<HostInterface> opened) {
  interface_ = std::move(opened);
  // What has been in use may have another mtu by now, and its longer frames are dropped.
  if (shape().places) return Status::Ok();
  const uint32_t slots = std::min(kMaxFrags, shape().rx_slots - 1), buf_size = region().bufs().size();
  const uint32_t header = interface_->vnet_hdr_max(), most = PacketMax() - header, longest = interface_->frame_max();
  if (longest <= most) return Status::Ok();
  const std::string wanted = std::to_string((header + longest) / buf_size + 2);
  return Status::Fail(EINVAL,
                      name() + ": frames of mtu " + std::to_string(interface_->link().mtu) + " do not fit the " +
                          std::to_string(slots) + " slots of " + std::to_string(buf_size) +
                          " bytes that a packet may have: rx-slots of " + wanted + ", larger buffers, or an mtu of " +
                          std::to_string(most > kFrameHeaderMax ? most - kFrameHeaderMax : 0) + " would be right");
}

Status InterfacePort::Reopen(Engine& engine) {
  if (Status s = interface_->Reopen(); !s.ok()) return s;
  for (Flow* flow : flows_) engine.WatchAnew(flow);
  return Status::Ok();
}

uint32_t SlotsForFrame(const HostInterface& interface, const Kring& k) noexcept {
  if (k.room == 0) return k.num_slots;  // never so many
  return std::min({(k.vnet_hdr_len + interface.frame_max()) / k.room + 1, kMaxFrags, k.num_slots - 1});
}

}  // namespace ptnet
