// Parses the agent's command lines.
#include "args.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace ptnet::agent {

bool ParseNumber(const std::string& text, uint64_t& value) {
  if (text.empty() || text[0] == '-' || text[0] == '+' || text[0] == ' ') return false;
  char* end = nullptr;
  errno = 0;
  value = strtoull(text.c_str(), &end, 0);
  return errno == 0 && *end == '\0';
}

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::string part;
  for (const char c : text) {
    if (c != separator) {
      part += c;
    } else if (!part.empty()) {
      parts.push_back(part);
      part.clear();
    }
  }
  if (!part.empty()) parts.push_back(part);
  return parts;
}

Args::Args(const std::vector<std::string>& words) {
  for (size_t i = 0; i < words.size(); ++i) {
    if (i == 0) {
      op_ = words[0];
    } else if (words[i].rfind("--", 0) != 0) {
      Fail("'" + words[i] + "': flags are written --name value");
    } else {
      const bool has_value = i + 1 < words.size() && words[i + 1].rfind("--", 0) != 0;
      flags_.push_back({words[i].substr(2), has_value ? words[i + 1] : "", has_value});
      if (has_value) ++i;
    }
  }
}

void Args::Fail(const std::string& text) {
  if (error_.empty()) error_ = text;
}

Args::Flag* Args::Find(const std::string& name) {
  Flag* found = nullptr;
  for (Flag& flag : flags_) {
    if (flag.name != name) continue;
    flag.used = true;
    found = &flag;
  }
  return found;
}

bool Args::Has(const std::string& name) const {
  for (const Flag& flag : flags_)
    if (flag.name == name) return true;
  return false;
}

bool Args::Switch(const std::string& name) {
  const Flag* flag = Find(name);
  if (flag != nullptr && flag->has_value) Fail("--" + name + " " + flag->value + ": takes no value");
  return flag != nullptr;
}

std::string Args::Text(const std::string& name, const std::string& fallback) {
  const Flag* flag = Find(name);
  if (flag != nullptr && !flag->has_value) Fail("--" + name + ": needs a value");
  return flag == nullptr ? fallback : flag->value;
}

uint64_t Args::Number(const std::string& name, uint64_t fallback, uint64_t low, uint64_t high) {
  if (!Has(name)) return fallback;
  const std::string text = Text(name, "");
  uint64_t value = 0;
  if (!ParseNumber(text, value) || value < low || value > high)
    Fail("--" + name + " " + text + ": must be a whole number from " + std::to_string(low) + " to " +
         std::to_string(high));
  return value;
}

double Args::Positive(const std::string& name, double fallback) {
  if (!Has(name)) return fallback;
  const std::string text = Text(name, "");
  char* end = nullptr;
  const double value = strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value > 0 && value < 1e12))
    Fail("--" + name + " " + text + ": must be above 0");
  return value;
}

void Args::Mac(const std::string& name, uint8_t into[6]) {
  if (!Has(name)) return;
  const std::string text = Text(name, "");
  unsigned b[6];
  int end = 0;
  if (sscanf(text.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &end) != 6 ||
      static_cast<size_t>(end) != text.size())
    return Fail("--" + name + " " + text + ": must be a MAC address such as 02:00:00:00:01:00");
  for (int i = 0; i < 6; ++i) into[i] = static_cast<uint8_t>(b[i]);
}

std::vector<uint32_t> Args::Rings(const std::string& name, uint32_t rings) {
  std::vector<uint32_t> numbers;
  if (!Has(name)) {
    for (uint32_t i = 0; i < rings; ++i) numbers.push_back(i);
    return numbers;
  }
  const std::string text = Text(name, "");
  for (const std::string& part : Split(text, ',')) {
    uint64_t value = 0;
    if (!ParseNumber(part, value) || value >= rings)
      Fail("--" + name + " " + text + ": must be ring numbers below " + std::to_string(rings) + ", such as 0,1");
    for (const uint32_t earlier : numbers)
      if (earlier == value) Fail("--" + name + " " + text + ": names a ring twice");
    numbers.push_back(static_cast<uint32_t>(value));
  }
  return numbers;
}

size_t Args::OneOf(const std::string& name, const std::vector<std::string>& names, size_t fallback) {
  if (!Has(name)) return fallback;
  const std::string text = Text(name, "");
  std::string all;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == text) return i;
    all += (i == 0 ? "" : ", ") + names[i];
  }
  Fail("--" + name + " " + text + ": must be one of " + all);
  return fallback;
}

std::vector<std::string> Args::All(const std::string& name) {
  std::vector<std::string> values;
  for (Flag& flag : flags_) {
    if (flag.name != name) continue;
    flag.used = true;
    if (!flag.has_value) Fail("--" + name + ": needs a value");
    values.push_back(flag.value);
  }
  return values;
}

std::string Args::Finish() {
  for (const Flag& flag : flags_)
    if (!flag.used) Fail("--" + flag.name + ": '" + op_ + "' has no such flag");
  return error_;
}

}  // namespace ptnet::agent
