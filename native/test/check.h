// The smallest test framework that does: CHECK ends the program with the place and the values.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

namespace ptnet::test {

[[noreturn]] inline void Fail(const char* file, int line, const std::string& text) {
  std::fprintf(stderr, "%s:%d: %s\n", file, line, text.c_str());
  std::exit(1);
}

template <class A, class B>
void CheckEqual(const char* file, int line, const char* what, const A& have, const B& want) {
  if (have == static_cast<A>(want)) return;
  Fail(file, line, std::string(what) + ": " + std::to_string(have) + ", expected " + std::to_string(want));
}

}  // namespace ptnet::test

#define CHECK(condition) \
  ((condition) ? void() : ::ptnet::test::Fail(__FILE__, __LINE__, "not true: " #condition))
#define CHECK_EQ(have, want) ::ptnet::test::CheckEqual(__FILE__, __LINE__, #have, (have), (want))
#define CHECK_OK(status)                                                        \
  do {                                                                          \
    ::ptnet::Status s_ = (status);                                              \
    if (!s_.ok()) ::ptnet::test::Fail(__FILE__, __LINE__, s_.message);          \
  } while (false)
