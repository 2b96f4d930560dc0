// What control operations of the data plane return instead of throwing: an errno and a sentence.
#pragma once

#include <string>
#include <utility>

namespace ptnet {

struct [[nodiscard]] Status {
  int err = 0;          // 0 or a positive errno
  std::string message;  // object, what is wrong, what would be right

  bool ok() const { return err == 0; }
  static Status Ok() { return {}; }
  static Status Fail(int err, std::string message) { return {err, std::move(message)}; }
};

}  // namespace ptnet
