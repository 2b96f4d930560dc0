// A test runner of a few lines: TEST registers, CHECK_EQ and CHECK report, main() runs all or those named.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <vector>

namespace ptnet::guest::test {

struct Case {
  const char* name;
  void (*run)();
};

inline std::vector<Case>& Cases() {
  static std::vector<Case> cases;
  return cases;
}

inline int failures = 0;

struct Register {
  Register(const char* name, void (*run)()) { Cases().push_back({name, run}); }
};

#define TEST(id, text)                                                 \
  static void id();                                                    \
  static const ::ptnet::guest::test::Register register_##id(text, id); \
  static void id()

#define CHECK(condition)                                                               \
  do {                                                                                 \
    if (!(condition)) {                                                                \
      std::cerr << __FILE__ << ":" << __LINE__ << ": " << #condition << " is false\n"; \
      ++::ptnet::guest::test::failures;                                                \
    }                                                                                  \
  } while (false)

#define CHECK_EQ(actual, wanted)                                                                        \
  do {                                                                                                  \
    const auto actual_value = (actual);                                                                 \
    const decltype(actual_value) wanted_value = (wanted);                                               \
    if (!(actual_value == wanted_value)) {                                                              \
      std::cerr << __FILE__ << ":" << __LINE__ << ": " << #actual << " is " << actual_value << ", not " \
                << wanted_value << "\n";                                                                \
      ++::ptnet::guest::test::failures;                                                                 \
    }                                                                                                   \
  } while (false)

inline int RunAll(int argc, char** argv) {
  int ran = 0;
  for (const Case& test : Cases()) {
    if (argc > 1 && std::strstr(test.name, argv[1]) == nullptr) continue;
    const int before = failures;
    test.run();
    ++ran;
    std::printf("%s %s\n", failures == before ? "ok  " : "FAIL", test.name);
    std::fflush(stdout);
  }
  std::printf("%d tests, %d failed checks\n", ran, failures);
  return ran == 0 || failures != 0;
}

}  // namespace ptnet::guest::test
