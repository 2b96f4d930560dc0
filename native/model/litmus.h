// The scenarios that the model checker runs.
#pragma once

#include <vector>

#include "explorer.h"

namespace ptnet::model {

std::vector<Scenario> RingScenarios();
std::vector<Scenario> WorkerScenarios();

}  // namespace ptnet::model
