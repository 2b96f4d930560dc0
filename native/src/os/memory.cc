// Anonymous shared memory and mappings of descriptors.
#include "os/memory.h"

#include <fcntl.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>

namespace ptnet::os {

Error CreateMemfd(const char* name, uint64_t size, const MemfdOptions& options, UniqueFd* out) {
  const unsigned flags = MFD_CLOEXEC | (options.seal ? MFD_ALLOW_SEALING : 0) | (options.hugetlb ? MFD_HUGETLB : 0);
  UniqueFd fd(memfd_create(name, flags));
  if (!fd) return Error::Last("memfd_create");
  if (ftruncate(fd.get(), static_cast<off_t>(size)) != 0) return Error::Last("ftruncate");
  if (options.seal && fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return Error::Last("fcntl");
  *out = std::move(fd);
  return {};
}

Error Map(int fd, uint64_t offset, size_t length, bool writable, void** out) {
  const int protection = PROT_READ | (writable ? PROT_WRITE : 0);
  void* address = mmap(nullptr, length, protection, MAP_SHARED, fd, static_cast<off_t>(offset));
  if (address == MAP_FAILED) return Error::Last("mmap");
  *out = address;
  return {};
}

void Unmap(void* address, size_t length) { munmap(address, length); }

Error PreferNode(void* address, size_t length, uint32_t node) {
  // As many nodes as the kernel can be built for. It takes the number of bits that it is given minus one.
  constexpr uint32_t kNodes = 1024;
  constexpr uint32_t kWordBits = CHAR_BIT * sizeof(unsigned long);
  if (node >= kNodes) return Error{EINVAL, "mbind"};
  unsigned long mask[kNodes / kWordBits] = {};
  mask[node / kWordBits] = 1UL << node % kWordBits;
  // The C library has no wrapper; libnuma would be a dependency for this one call.
  if (syscall(SYS_mbind, address, length, MPOL_PREFERRED, mask, kNodes + 1, 0) != 0) return Error::Last("mbind");
  return {};
}

}  // namespace ptnet::os
