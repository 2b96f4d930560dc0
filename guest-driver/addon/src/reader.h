// Reads typed fields out of a JavaScript object; the first thing that is wrong becomes a pending JavaScript exception.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

namespace ptnet::guest {

/// After a failure every further read is a no-op: callers check ok() once, at the end.
class Reader {
 public:
  /// `function` is whose argument it is. `path` is how messages name the object: "" for the options themselves, "csb."
  /// for what lies in them.
  Reader(Napi::Env env, const Napi::Value& value, const std::string& function, const std::string& path);

  bool ok() const { return ok_; }
  bool Has(const char* name);
  Napi::Value Field(const char* name);

  void BigInt(const char* name, uint64_t& into);
  /// An integer in [low, high].
  void Integer(const char* name, int64_t low, int64_t high, int64_t& into);
  template <typename T>
  void Integer(const char* name, int64_t low, int64_t high, T& into) {
    int64_t value = static_cast<int64_t>(into);
    Integer(name, low, high, value);
    into = static_cast<T>(value);
  }
  /// Any number in (0, high].
  void Positive(const char* name, double high, double& into);
  void Boolean(const char* name, bool& into);
  /// One of `names`; `into` becomes its place among them.
  void OneOf(const char* name, const std::vector<std::string>& names, size_t& into);
  void Text(const char* name, std::string& into);
  void Mac(const char* name, uint8_t into[6]);
  /// An array of integers in [low, high].
  void Integers(const char* name, int64_t low, int64_t high, std::vector<int64_t>& into);

  void TypeError(const std::string& text);
  void RangeError(const std::string& text);
  Reader Child(const char* name);

 private:
  bool CheckInteger(const std::string& name, const Napi::Value& value, int64_t low, int64_t high, int64_t& into);

  Napi::Env env_;
  Napi::Object object_;
  std::string function_;
  std::string path_;
  bool ok_ = true;
};

}  // namespace ptnet::guest
