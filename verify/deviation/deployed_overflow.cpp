#include "verify/deviation/deployed_overflow.hpp"

#include <algorithm>

namespace lyap::deviation {

void OverflowRecord::add(const std::string& tensor, const std::string& type, std::size_t channel, std::size_t width,
                         double magnitude) {
  auto entry = std::find_if(entries_.begin(), entries_.end(),
                            [&](const Entry& e) { return e.tensor == tensor && e.type == type; });
  if (entry == entries_.end()) entry = entries_.insert(entries_.end(), {tensor, type, {}, 0.0});
  entry->channels.resize(std::max(entry->channels.size(), width), false);
  entry->channels[channel] = true;
  entry->magnitude = std::max(entry->magnitude, magnitude);
}

std::vector<OverflowFinding> OverflowRecord::findings() const {
  std::vector<OverflowFinding> result;
  for (const Entry& entry : entries_) {
    const auto first = std::find(entry.channels.begin(), entry.channels.end(), true);
    result.push_back({entry.tensor, std::size_t(first - entry.channels.begin()),
                      std::size_t(std::count(first, entry.channels.end(), true)), entry.magnitude, entry.type});
  }
  return result;
}

std::vector<OverflowFinding> merged(std::vector<OverflowFinding> first, const std::vector<OverflowFinding>& second) {
  for (const OverflowFinding& finding : second) {
    const auto same = std::find_if(first.begin(), first.end(), [&](const OverflowFinding& f) {
      return f.tensor == finding.tensor && f.type == finding.type;
    });
    if (same == first.end()) {
      first.push_back(finding);
      continue;
    }
    same->channel = std::min(same->channel, finding.channel);
    same->channels = std::max(same->channels, finding.channels);
    same->magnitude_upper = std::max(same->magnitude_upper, finding.magnitude_upper);
  }
  return first;
}

}  // namespace lyap::deviation
