// The smallest test framework that does: CHECK ends the program with the place and the values.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

namespace ptnet::test {

[[noreturn]] inline void Fail(const char* file, int line, const std::string& text) {
  std::fprintf(stderr, "%s:%d: %s\n", file, line, text.c_str());
  std::exit(1);
}

// What is checked is checked in thousands of places: texts are put together elsewhere, which compiles faster.

[[noreturn, gnu::cold, gnu::noinline]] inline void FailCheck(const char* file, int line, const char* condition) {
  Fail(file, line, std::string("not true: ") + condition);
}
[[noreturn, gnu::cold, gnu::noinline]] inline void FailEqual(const char* file, int line, const char* what,
                                                             const std::string& have, const std::string& want) {
  Fail(file, line, std::string(what) + ": " + have + ", expected " + want);
}

template <class A, class B>
void CheckEqual(const char* file, int line, const char* what, const A& have, const B& want) {
  if (have == static_cast<A>(want)) return;
  FailEqual(file, line, what, std::to_string(have), std::to_string(want));
}

/// Random numbers of a run that can be repeated: the seed is printed, PTNET_TEST_SEED sets it.
class Random {
 public:
  explicit Random(const char* test) {
    const char* given = std::getenv("PTNET_TEST_SEED");
    uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    std::printf("%s: PTNET_TEST_SEED=%llu\n", test, static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    engine_.seed(seed);
  }
  /// Random numbers for another thread, which follow from this run's seed.
  Random Split() { return Random(engine_()); }
  /// A number below `n`.
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(engine_() % n); }
  /// True once in `n`.
  bool OneIn(uint32_t n) { return Below(n) == 0; }

 private:
  explicit Random(uint64_t seed) : engine_(seed) {}
  std::mt19937_64 engine_;
};

}  // namespace ptnet::test

#define CHECK(condition) ((condition) ? void() : ::ptnet::test::FailCheck(__FILE__, __LINE__, #condition))
#define CHECK_EQ(have, want) ::ptnet::test::CheckEqual(__FILE__, __LINE__, #have, (have), (want))
#define CHECK_OK(status)                                               \
  do {                                                                 \
    ::ptnet::Status s_ = (status);                                     \
    if (!s_.ok()) ::ptnet::test::Fail(__FILE__, __LINE__, s_.message); \
  } while (false)
