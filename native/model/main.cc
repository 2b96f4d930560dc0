// Runs every scenario as it is, where nothing may go wrong, and then without each fence that it passes: for each fence
// of the product there must be a scenario that fails without it.
#include <filesystem>
#include <fstream>
#include <set>

#include "litmus.h"

namespace {

using ptnet::model::Explore;
using ptnet::model::Outcome;
using ptnet::model::Scenario;

/// The fences of the data path's sources, as they are named in reports.
std::set<std::string> Written(const std::filesystem::path& root) {
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root / "native/src")) {
    std::ifstream file(entry.path());
    std::string text;
    for (int line = 1; std::getline(file, text); line++)
      if (text.find("atomic_thread"
                    "_fence(") != std::string::npos)
        found.insert(std::filesystem::relative(entry.path(), root).string() + ":" + std::to_string(line));
  }
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<Scenario> scenarios = ptnet::model::RingScenarios();
  for (const Scenario& s : ptnet::model::WorkerScenarios()) scenarios.push_back(s);
  const std::string only = argc > 1 ? argv[1] : "";
  std::set<std::string> passed, needed;
  int failures = 0;
  for (const Scenario& scenario : scenarios) {
    if (std::string(scenario.name).find(only) == std::string::npos) continue;
    const Outcome whole = Explore(scenario, "");
    const auto executions = static_cast<unsigned long long>(whole.executions);
    if (whole.violated) {
      failures++;
      printf("%s: goes wrong in execution %llu: %s", scenario.name, executions, whole.story.c_str());
      continue;
    }
    printf("%s: %s %llu executions are well\n", scenario.name, whole.complete ? "all" : "the first", executions);
    for (const std::string& fence : whole.fences) {
      if (fence.starts_with("scenario ")) continue;
      passed.insert(fence);
      const Outcome without = Explore(scenario, fence);
      if (!without.violated) continue;
      needed.insert(fence);
      printf("  without that of %s: goes wrong, found after %llu\n", fence.c_str(),
             static_cast<unsigned long long>(without.executions));
    }
    fflush(stdout);
  }
  for (const std::string& fence : passed) {
    if (needed.contains(fence)) continue;
    failures++;
    printf("%s: a fence that no scenario needs\n", fence.c_str());
  }
  for (const std::string& fence : only.empty() ? Written(ROOT) : std::set<std::string>()) {
    const auto known = passed.lower_bound(fence + " ");
    if (known != passed.end() && known->starts_with(fence + " ")) continue;
    failures++;
    printf("%s: a fence that no scenario passes\n", fence.c_str());
  }
  printf("%zu fences, %zu needed\n", passed.size(), needed.size());
  return failures > 0 ? 1 : 0;
}
