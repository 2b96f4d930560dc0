// No thread can be had while one of these is there: a user whose processes are too many, which root never is.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include "check.h"

namespace ptnet::test {

class NoThreads {
 public:
  NoThreads() {
    CHECK(getrlimit(RLIMIT_NPROC, &before_) == 0);
    const rlimit none = {0, before_.rlim_max};
    CHECK(setrlimit(RLIMIT_NPROC, &none) == 0);
    if (uid_ == 0) CHECK(setresuid(kNobody, kNobody, 0) == 0);
  }
  ~NoThreads() {
    if (uid_ == 0) CHECK(setresuid(0, 0, 0) == 0);
    CHECK(setrlimit(RLIMIT_NPROC, &before_) == 0);
  }

 private:
  static constexpr uid_t kNobody = 65534;
  const uid_t uid_ = getuid();
  rlimit before_ = {};
};

}  // namespace ptnet::test
