// A command line of the agent: `op --flag value ...`, read by name; what is wrong or unknown is remembered.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ptnet::agent {

class Args {
 public:
  explicit Args(const std::vector<std::string>& words);

  const std::string& op() const { return op_; }
  bool Has(const std::string& name) const;
  /// A flag without a value.
  bool Switch(const std::string& name);
  std::string Text(const std::string& name, const std::string& fallback);
  uint64_t Number(const std::string& name, uint64_t fallback, uint64_t low, uint64_t high);
  double Positive(const std::string& name, double fallback);
  void Mac(const std::string& name, uint8_t into[6]);
  /// Comma-separated numbers; all from 0 to `rings - 1` when the flag is absent.
  std::vector<uint32_t> Rings(const std::string& name, uint32_t rings);
  /// Place of the flag's value among `names`.
  size_t OneOf(const std::string& name, const std::vector<std::string>& names, size_t fallback);
  /// Every value given to a flag that may be repeated.
  std::vector<std::string> All(const std::string& name);

  /// To be asked once everything was read. @return what is wrong, empty when nothing is.
  std::string Finish();
  void Fail(const std::string& text);

 private:
  struct Flag {
    std::string name;
    std::string value;
    bool has_value;
    bool used = false;
  };

  Flag* Find(const std::string& name);

  std::string op_;
  std::vector<Flag> flags_;
  std::string error_;
};

/// A decimal or 0x number, whole. @return false when `text` is none.
bool ParseNumber(const std::string& text, uint64_t& value);

std::vector<std::string> Split(const std::string& text, char separator);

}  // namespace ptnet::agent
