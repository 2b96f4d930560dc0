// What a fuzzer is given: read value by value, zeros behind its end; and the count of what was done with all inputs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace ptnet::fuzz {

struct Input {
  const uint8_t* data;
  size_t left;

  bool over() const { return left == 0; }
  uint8_t Byte() { return left == 0 ? 0 : (left--, *data++); }
  template <class T>
  T Take() {
    T value{};
    const size_t n = left < sizeof value ? left : sizeof value;
    memcpy(&value, data, n);
    data += n, left -= n;
    return value;
  }
};

/// Says at the end of the process how many executions there were: what one is, is up to the fuzzer.
class Executions {
 public:
  explicit Executions(const char* what) {
    what_ = what;
    atexit([] { printf("executions: %llu %s\n", static_cast<unsigned long long>(count_), what_); });
  }
  void Add(uint64_t n = 1) { count_ += n; }

 private:
  static inline const char* what_;
  static inline uint64_t count_ = 0;
};

inline void Require(bool condition) {
  if (!condition) abort();
}

}  // namespace ptnet::fuzz
