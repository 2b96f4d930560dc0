// What a client can be attached to: rings, and the flows that serve them. Ports are; the data path knows no more of
// them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "datapath/flow.h"
#include "memory/status.h"
#include "ring/kring.h"

namespace ptnet {

class Attachable {
 public:
  virtual const std::string& name() const = 0;
  virtual uint32_t rings() const = 0;
  /// The i-th ring as a guest counts them: tx rings first.
  virtual Kring& kring(uint32_t i) = 0;
  /// What serves the i-th ring; null where another one's flow does all the work.
  virtual Flow* flow(uint32_t i) = 0;
  /// The memory that the flows need: kept alive by whoever may still run them.
  virtual std::shared_ptr<void> Anchor() = 0;
  /// What its flows touch, with whom it shares it.
  virtual PeerMemory& memory() = 0;
  /// Whether a client may come now whose packets begin with a virtio-net header of so many bytes.
  virtual Status CheckVnetHdr(uint8_t) { return Status::Ok(); }
  /// Whether one may come that takes it that packets begin where buffers do: from now on they do, unless others need
  /// their offsets.
  virtual Status CheckPlain() { return Status::Ok(); }
  /// The control plane: a client with such a header, which was found right, drives the rings next.
  virtual void OnVnetHdr(uint8_t) noexcept {}
  /// The control plane: a client drives the rings from now on, or does no longer.
  virtual void OnServed(bool) noexcept {}

  bool attached = false;  // the control plane's: to one client at a time
  bool plain = false;     // what its client, if it has one, said of itself (AttachOptions)

 protected:
  ~Attachable() = default;
};

}  // namespace ptnet
