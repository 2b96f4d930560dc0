// HostInterface: news of the link.
#include "forward/host_interface.h"

#include <utility>

namespace ptnet {

void HostInterface::Adopt(os::LinkState link, os::LinkSocket news) {
  link_ = std::move(link);
  news_ = std::move(news);
  missing_.clear();
  SetMtu(link_.mtu);
}

void HostInterface::Miss(os::LinkState link, std::string why) {
  Adopt(std::move(link), {});
  link_.removed = true;
  missing_ = std::move(why);
}

std::vector<std::string> HostInterface::TakeNews() {
  std::vector<std::string> lines;
  std::vector<os::LinkState> news = news_.TakeNews(link_.index);
  if (const auto end = std::ranges::find(news, true, &os::LinkState::removed); end != news.end()) {
    // It went down before, which nobody needs to hear; what comes after is of no interface of ours.
    const os::LinkState before = std::exchange(link_, std::move(*end));
    OnChange(before, &lines);
    lines.push_back(Line("'" + link_.name + "' was deleted: it is opened again as soon as it can be"));
    return lines;
  }
  for (os::LinkState& now : news) {
    const os::LinkState before = std::exchange(link_, std::move(now));
    if (link_.name != before.name) lines.push_back(Line("is called '" + link_.name + "' now"));
    if (link_.up != before.up) lines.push_back(Line("'" + link_.name + "' is " + (link_.up ? "up" : "down")));
    if (link_.mtu != before.mtu) {
      SetMtu(link_.mtu);
      lines.push_back(Line("'" + link_.name + "' has an mtu of " + std::to_string(link_.mtu) + " now"));
    }
    OnChange(before, &lines);
  }
  return lines;
}

}  // namespace ptnet
