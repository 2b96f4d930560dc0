// Waiting for what another thread, or the kernel, does in its own time.
#pragma once

#include <unistd.h>

#include <source_location>

#include "check.h"
#include "datapath/clock.h"

namespace ptnet::test {

/// Waits for something that must come; the limit only ends a test that hangs.
template <class Condition>
void Eventually(const char* what, Condition condition, std::source_location at = std::source_location::current()) {
  for (uint64_t start = NowNs(); !condition(); usleep(50))
    if (NowNs() - start > 60'000'000'000)
      Fail(at.file_name(), static_cast<int>(at.line()), std::string("never: ") + what);
}

}  // namespace ptnet::test
