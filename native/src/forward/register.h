// A register: what one open file of an application sees of a port. It has a netmap_if of its own, in which only the
// rings that it asked for have a place, and its extra buffers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "forward/port.h"

namespace ptnet {

struct RegisterShape {
  std::vector<bool> rings;       // by ring of the port, tx rings first: those that were asked for
  uint32_t extra_bufs = 0;       // as many as there are, up to this
  std::shared_ptr<Port> host{};  // whose rings are shown as host rings; of the same region
  std::vector<bool> host_rings{};
};

class Register {
 public:
  /// ENOMEM when the region has no netmap_if left, EMSGSIZE when one is too small for so many rings. The port's ring
  /// headers are as the port left them.
  static Status Create(std::shared_ptr<Port> port, const RegisterShape& shape, std::shared_ptr<Register>* out);
  /// Its netmap_if and its buffers are the region's again; those that now lie in somebody's ring stay there.
  ~Register();
  Register(const Register&) = delete;
  Register& operator=(const Register&) = delete;

  /// Bytes from the start of the region.
  uint64_t nifp_ofs() const;
  uint32_t extra_bufs() const { return extra_bufs_; }

 private:
  Register(std::shared_ptr<Port> port, std::shared_ptr<Port> host, Holder holder)
      : port_(std::move(port)), host_(std::move(host)), holder_(holder) {}
  void Show(const RegisterShape& shape);

  const std::shared_ptr<Port> port_, host_;
  const Holder holder_;
  NetmapIf* nifp_ = nullptr;
  uint32_t extra_bufs_ = 0;
};

}  // namespace ptnet
