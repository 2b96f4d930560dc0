// The status of a system call: which one failed and with what errno; zero is success.
#pragma once

#include <cerrno>

namespace ptnet::os {

struct [[nodiscard]] Error {
  int number = 0;
  const char* syscall = "";

  explicit operator bool() const { return number != 0; }
  static Error Last(const char* syscall) { return Error{errno, syscall}; }
};

}  // namespace ptnet::os
