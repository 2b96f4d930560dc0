// Register: a netmap_if, and a list of buffers through the first word of each.
#include "forward/register.h"

#include <errno.h>
#include <string.h>

#include <algorithm>

namespace ptnet {

Status Register::Create(std::shared_ptr<Port> port, const RegisterShape& shape, std::shared_ptr<Register>* out) {
  Region& region = port->region();
  if (region.ifs().available() == 0)
    return Status::Fail(ENOMEM, port->name() + ": region " + std::to_string(region.id()) + " has " +
                                    std::to_string(region.ifs().num()) +
                                    " netmap_if objects, and all are in use: a greater if-num would be right");
  const Port* host = shape.host.get();
  if (shape.rings.size() != port->rings() || shape.host_rings.size() != (host ? host->rings() : 0) ||
      (host && &host->region() != &region))
    return Status::Fail(EINVAL, port->name() + ": rings that it does not have");
  const uint32_t places = port->rings() + (host ? host->rings() : 2 * Port::kHostRings);
  if (sizeof(NetmapIf) + places * sizeof(int64_t) > region.ifs().size())
    return Status::Fail(EMSGSIZE, port->name() + ": " + std::to_string(places) + " rings do not fit a netmap_if of " +
                                      std::to_string(region.ifs().size()) + " bytes: a greater if-size would be right");
  std::shared_ptr<Register> r(new Register(port, shape.host, region.NewHolder()));
  NetmapIf* nifp = r->nifp_ = region.AllocIf(r->holder_);
  r->Show(shape);
  r->extra_bufs_ = std::min(shape.extra_bufs, region.bufs().available());
  for (uint32_t i = 0; i < r->extra_bufs_; i++) {
    const uint32_t index = region.AllocExtraBuf(r->holder_);
    *reinterpret_cast<uint32_t*>(region.Buf(index)) = nifp->bufs_head;
    nifp->bufs_head = index;
  }
  *out = std::move(r);
  return Status::Ok();
}

/// In the order NIC tx, host tx, NIC rx, host rx. Host rings have a place even where nobody serves them.
void Register::Show(const RegisterShape& shape) {
  const PortShape& nic = port_->shape();
  strncpy(nifp_->name, port_->name().c_str(), sizeof nifp_->name - 1);
  nifp_->version = kNetmapApi;
  nifp_->tx_rings = nic.tx_rings;
  nifp_->rx_rings = nic.rx_rings;
  nifp_->host_tx_rings = host_ ? host_->shape().tx_rings : Port::kHostRings;
  nifp_->host_rx_rings = host_ ? host_->shape().rx_rings : Port::kHostRings;
  int64_t* place = nifp_->ring_ofs();
  const auto show = [&](Port* port, const std::vector<bool>& asked, uint32_t first, uint32_t count) {
    for (uint32_t i = first; i < first + count; i++, place++)
      if (port != nullptr && asked[i])
        *place = reinterpret_cast<uint8_t*>(port->kring(i).ring) - reinterpret_cast<uint8_t*>(nifp_);
  };
  show(port_.get(), shape.rings, 0, nic.tx_rings);
  show(host_.get(), shape.host_rings, 0, nifp_->host_tx_rings);
  show(port_.get(), shape.rings, nic.tx_rings, nic.rx_rings);
  show(host_.get(), shape.host_rings, nifp_->host_tx_rings, nifp_->host_rx_rings);
}

Register::~Register() { port_->region().Release(holder_); }

uint64_t Register::nifp_ofs() const {
  return static_cast<uint64_t>(reinterpret_cast<uint8_t*>(nifp_) - port_->region().base());
}

}  // namespace ptnet
