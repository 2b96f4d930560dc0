// MSI-X from user space: each vector's message is a write into memory of ours, where it is found by looking.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pci.h"

namespace ptnet::agent {

/// No handler can be installed from here. But an MSI is a write to an address: pointed at ordinary memory instead of an
/// interrupt controller it leaves its data there. Works where nothing routes messages by itself: under software
/// emulation, and on machines without an IOMMU or irqfd.
class Msix {
 public:
  Msix() = default;
  ~Msix();
  Msix(const Msix&) = delete;
  Msix& operator=(const Msix&) = delete;

  /// Switches on MSI-X with these vectors, the others masked; vector i writes to word i of `mailbox`, whose physical
  /// address is given. @return an error text, empty when done.
  std::string Enable(const PciFunction& function, const std::vector<uint32_t>& vectors, uint32_t* mailbox,
                     uint64_t address);
  /// Empties the mailbox. @return how many vectors had been raised.
  uint32_t Take();

 private:
  bool WriteControl(uint16_t bits);

  const PciFunction* function_ = nullptr;
  BarAccess bar_;
  uint64_t capability_ = 0;
  uint32_t* mailbox_ = nullptr;
  std::vector<uint32_t> vectors_;
};

}  // namespace ptnet::agent
