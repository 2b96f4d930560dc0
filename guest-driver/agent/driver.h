// A ptnet driver in user space: finds a device and its memory, negotiates, starts and stops serving.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/application_view.h"
#include "csb_memory.h"
#include "json.h"
#include "pci.h"
#include "registers.h"

namespace ptnet::agent {

/// The memory device of one region, BAR 1 mapped.
class Memdev {
 public:
  static std::vector<PciFunction> FindAll() { return PciFunction::Find(kVendor, kMemdevDevice, kMemdevClass); }

  explicit Memdev(const PciFunction& function) : function_(function) {}
  ~Memdev();
  Memdev(const Memdev&) = delete;
  Memdev& operator=(const Memdev&) = delete;

  std::string Open();
  std::string MapRegion();
  uint32_t memid() const { return registers_.Read(PTNET_MDEV_IO_MEMID); }
  uint64_t memsize() const;
  const guest::Region& region() const { return region_; }
  const PciFunction& function() const { return function_; }
  BarAccess& registers() { return registers_; }
  Json Describe() const;

 private:
  PciFunction function_;
  BarAccess registers_;
  guest::Region region_ = {};
};

/// One network device. The steps are apart so that tests can do them in the wrong order.
class Driver {
 public:
  static std::vector<PciFunction> FindAll() { return PciFunction::Find(kVendor, kPtnetDevice, kPtnetClass); }

  explicit Driver(const PciFunction& function) : function_(function) {}
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  /// Switches the device on and reads what it says of itself.
  std::string Open();
  /// Finds the memdev that holds the rings (or the one with MEMID `memid`, unless 0) and maps it.
  std::string OpenMemory(uint32_t memid);
  /// Open() and OpenMemory(), negotiation, CSB, CREATE and the rings: everything up to the first packet.
  std::string Start(uint32_t memid);
  /// As Start(), with the rings that an application of this machine would find.
  std::string StartAsApplication(uint32_t memid);
  /// Of the virtio-net header that Start() asks for: 0, 10 or 12 bytes.
  void SetVnetHdrLen(uint32_t bytes) { vnet_hdr_len_ = bytes; }
  /// Asks for such a header. @return the length of the one that it gets.
  uint32_t Negotiate(uint32_t vnet_hdr_len);
  void WriteCsb(uint64_t gh, uint64_t hg);
  /// Prepares the CSB and sends CREATE. @return the device's answer, an errno.
  uint32_t Create();
  std::string OpenRings();
  uint32_t Control(uint32_t command);
  /// DELETE alone: the CSB addresses stay, for the next CREATE. @return its answer.
  uint32_t Delete();
  /// DELETE, and the CSB addresses taken back. @return the answer to DELETE.
  uint32_t Stop();
  void Kick(uint32_t index) { registers_.Write(PTNET_IO_KICK_BASE + 4 * index, 0); }

  BarAccess& registers() { return registers_; }
  const PciFunction& function() const { return function_; }
  CsbMemory& csb() { return csb_; }
  guest::Port& port() { return view_.port; }
  /// Rings among them that only an application finds.
  uint32_t host_rings() const { return view_.host_rings; }
  const uint8_t* mac() const { return mac_; }
  uint32_t num_tx_rings() const { return num_tx_rings_; }
  uint32_t num_rx_rings() const { return num_rx_rings_; }
  Json Describe();

 private:
  std::string CreateServing(uint32_t memid);
  guest::PortLayout Layout();

  PciFunction function_;
  BarAccess registers_;
  std::unique_ptr<Memdev> memory_;
  CsbMemory csb_;
  guest::ApplicationView view_;
  bool created_ = false;
  uint32_t vnet_hdr_len_ = 0;
  uint8_t mac_[6] = {};
  uint32_t num_tx_rings_ = 0;
  uint32_t num_rx_rings_ = 0;
};

/// The device that --device names: the `index`-th by PCI address. nullptr with `error` set when there is none.
std::unique_ptr<Driver> OpenDevice(uint64_t index, std::string& error);

}  // namespace ptnet::agent
