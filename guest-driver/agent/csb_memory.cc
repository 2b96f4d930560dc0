// Takes a huge page (which the kernel does not migrate) or else locked pages, and looks their addresses up in pagemap.
#include "csb_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "pci.h"

namespace ptnet::agent {
namespace {

constexpr uint64_t kHugePage = 2 << 20;
constexpr char kHugePages[] = "/proc/sys/vm/nr_hugepages";

/// Physical address of a page that is in memory, 0 when the kernel does not tell.
uint64_t PhysicalAddress(const void* address) {
  const int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  uint64_t entry = 0;
  const off_t at = static_cast<off_t>(reinterpret_cast<uintptr_t>(address) / 4096 * sizeof entry);
  const bool got = pread(fd, &entry, sizeof entry, at) == sizeof entry;
  close(fd);
  const bool present = (entry >> 63) != 0;
  return got && present ? (entry & ((uint64_t{1} << 55) - 1)) * 4096 : 0;
}

void* MapPages(uint64_t size, int flags) {
  void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE | flags, -1, 0);
  return at == MAP_FAILED ? nullptr : at;
}

}  // namespace

CsbMemory::~CsbMemory() {
  if (base_ != nullptr) munmap(base_, size_);
}

std::string CsbMemory::Allocate() {
  size_ = kHugePage;
  void* at = MapPages(size_, MAP_HUGETLB);
  if (at == nullptr) {
    const uint64_t have = strtoull(ReadFile(kHugePages).c_str(), nullptr, 10);
    WriteFile(kHugePages, std::to_string(have + 1));
    at = MapPages(size_, MAP_HUGETLB);
  }
  if (at == nullptr) {
    size_ = kPages * kPage;
    at = MapPages(size_, 0);
  }
  if (at == nullptr) return std::string("CSB: mmap: ") + strerror(errno);
  base_ = static_cast<uint8_t*>(at);
  memset(base_, 0, kPages * kPage);
  for (int i = 0; i < kPages; ++i) {
    pages_[i] = base_ + i * kPage;
    addresses_[i] = PhysicalAddress(pages_[i]);
    if (addresses_[i] == 0) return "CSB: /proc/self/pagemap does not tell physical addresses: the agent must be root";
  }
  return {};
}

bool CsbMemory::Moved() const {
  for (int i = 0; i < kPages; ++i)
    if (PhysicalAddress(pages_[i]) != addresses_[i]) return true;
  return false;
}

}  // namespace ptnet::agent
