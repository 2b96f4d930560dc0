// Anonymous shared memory and mappings of descriptors.
#pragma once

#include <cstddef>
#include <cstdint>

#include "os/error.h"
#include "os/unique_fd.h"

namespace ptnet::os {

struct MemfdOptions {
  bool seal = false;  // the size can never change again, so that no mapping of it can fault
  bool hugetlb = false;
};

/** Creates a close-on-exec memfd of `size` bytes. */
Error CreateMemfd(const char* name, uint64_t size, const MemfdOptions& options, UniqueFd* out);

/** Maps `length` bytes of `fd` at `offset`, shared. */
Error Map(int fd, uint64_t offset, size_t length, bool writable, void** out);
void Unmap(void* address, size_t length);

/**
 * Pages of a shared mapping's file that nobody has touched yet come from NUMA node `node` as long as it has free ones,
 * whoever touches them first and through whatever mapping; hugepages, only if it is through this one.
 */
Error PreferNode(void* address, size_t length, uint32_t node);

}  // namespace ptnet::os
