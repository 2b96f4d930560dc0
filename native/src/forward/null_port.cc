// The null port's control side: creation, limits, what its flows are told.
#include "forward/null_port.h"

#include <errno.h>

namespace ptnet {

Status NullPort::Create(std::shared_ptr<Region> region, std::shared_ptr<StatsArea> stats, const PortShape& shape,
                        std::shared_ptr<NullPort>* out) {
  std::shared_ptr<NullPort> port(new NullPort(std::move(region), std::move(stats), shape));
  if (Status s = port->Build(true); !s.ok()) return s;
  for (uint32_t i = 0; i < shape.tx_rings; i++) port->sinks_.push_back(std::make_unique<SinkFlow>(port->tx(i)));
  for (uint32_t i = 0; i < shape.rx_rings; i++)
    port->sources_.push_back(std::make_unique<SourceFlow>(port->rx(i), shape.places != nullptr));
  *out = std::move(port);
  return Status::Ok();
}

Flow* NullPort::flow(uint32_t i) {
  uint32_t tx = shape().tx_rings;
  if (i < tx) return sinks_[i].get();
  return sources_[i - tx].get();
}

Status NullPort::CheckSource(const SourceConfig& config) const {
  auto fail = [&](const std::string& text) { return Status::Fail(EINVAL, name() + ": source: " + text); };
  if (config.size < probe::kHeaderLen || config.size > 65535)
    return fail("size " + std::to_string(config.size) + " is out of range: use 32 to 65535");
  uint32_t per_packet = (config.size + region().bufs().size() - 1) / region().bufs().size();
  if (per_packet > kMaxFrags || per_packet >= shape().rx_slots)
    return fail("size " + std::to_string(config.size) + " takes " + std::to_string(per_packet) +
                " buffers: use a smaller packet, larger buffers or more rx-slots");
  if (config.stream + shape().rx_rings > probe::kStreamsMax)
    return fail("stream " + std::to_string(config.stream) + " is out of range: streams go up to 255");
  return Status::Ok();
}

void SinkFlow::set_verify(Payload level) {
  verify_ = level;
  tracker_ = level == Payload::kNone ? nullptr : std::make_unique<probe::Tracker>();
}

void SourceFlow::Configure(const SourceConfig& config) {
  config_ = config;
  sent_ = 0;
  if (!adopted_) RecordSent();
  prefilled_ = 0;
  slots_per_packet_ = SlotsFor(config.size);
  started_ns_ = 0;
  paced_from_ = 0;
  packets_per_ns_ = static_cast<double>(config.rate) / 1e9;
  memcpy(header_.dst, config.dst, 6);
  memcpy(header_.src, config.src, 6);
  header_.ethertype = probe::kEtherTypeLe;
  header_.stream = static_cast<uint16_t>(config.stream + k_.index);
}

}  // namespace ptnet
