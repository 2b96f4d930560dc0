// What a fence is called in reports: where it stands, and for one that is a function of its own, who calls it.
#include <cxxabi.h>
#include <dlfcn.h>

#include "history.h"

namespace ptnet::model {
namespace {

std::string MakeName(const Site& site, const void* caller) {
  std::string name = site.function;
  // A function that is nothing but a fence stands for where it is called.
  if (name == "FullBarrier") {
    Dl_info info;
    int status = -1;
    char* plain = dladdr(caller, &info) != 0 && info.dli_sname != nullptr
                      ? abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status)
                      : nullptr;
    name = status == 0 ? plain : "?";
    std::free(plain);
    for (size_t open; (open = name.find('<')) != std::string::npos;) {
      size_t close = open + 1;
      for (int depth = 1; depth > 0 && close < name.size(); close++)
        depth += name[close] == '<' ? 1 : name[close] == '>' ? -1 : 0;
      name.erase(open, close - open);
    }
    name.resize(std::min(name.size(), name.find('(')));
    return name.substr(name.rfind(' ') + 1);
  }
  std::string file = std::string("scenario ") + site.file;
  for (const char* root : {"native/", "guest-driver/"})
    if (const size_t at = file.rfind(root); at != std::string::npos) file = file.substr(at);
  return file + ":" + std::to_string(site.line) + " " + name;
}

}  // namespace

const std::string& NameOf(const Site& site, const void* caller) {
  static std::map<std::pair<const void*, int>, std::string> names;
  auto [found, fresh] = names.try_emplace({caller, site.line});
  if (fresh) found->second = MakeName(site, caller);
  return found->second;
}

}  // namespace ptnet::model
