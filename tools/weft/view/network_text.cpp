#include "tools/weft/view/network_text.hpp"

#include "protocol/base/unix_time.hpp"
#include "protocol/network/revocations.hpp"
#include "tools/weft/view/format.hpp"
#include "tools/weft/view/json_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace weft {

namespace {

/// How long before its end a certificate is told of: the network renews it a
/// month before.
constexpr std::chrono::hours notice{24 * 14};

std::string age_of(wall_time when, wall_time now) {
  return format_age(std::chrono::duration_cast<std::chrono::seconds>(
    now - std::min(when, now)));
}

std::string certificate_words(wall_time end, wall_time now) {
  return end <= now ? "certificate has ended"
                    : "certificate ends in " + age_of(now, end);
}

std::string list_words(wall_time issued, wall_time now) {
  return "list of revocations of " + age_of(issued, now) + " ago";
}

nlohmann::ordered_json seconds_or_null(const std::optional<wall_time>& when) {
  return when ? nlohmann::ordered_json(seconds_since_epoch(*when))
              : nlohmann::ordered_json();
}

/// What is to be put right, or soon will be.
std::vector<std::string>
troubles_of(const network_status& network, wall_time now) {
  std::vector<std::string> troubles;
  if (!network.trouble.empty())
    troubles.push_back(printable(network.trouble));
  const auto is_said = network.trouble.find("clock") != std::string::npos;
  if (network.clock_suspect && !is_said)
    troubles.emplace_back("the clock is not believed: set it right");
  if (network.certificate_ends && *network.certificate_ends < now + notice)
    troubles.push_back(certificate_words(*network.certificate_ends, now));
  if (network.list_issued && *network.list_issued < now - old_revocation_age)
    troubles.push_back(list_words(*network.list_issued, now));
  return troubles;
}

} // namespace

std::vector<std::vector<std::string>>
network_lines(const network_status& network, wall_time now) {
  std::vector<std::string> who{printable(network.name)};
  if (!network.member.empty())
    who.push_back("member " + printable(network.member));
  const auto since = network.since > wall_time{}
                       ? " for " + age_of(network.since, now)
                       : std::string{};
  who.push_back(network.directory.empty()
                  ? "without a directory" + since
                  : "directory " + printable(network.directory) + since);
  std::vector<std::string> counts{format_count(network.members, "member"),
                                  std::to_string(network.peers)
                                    + " of them peers"};
  if (network.certificate_ends)
    counts.push_back(certificate_words(*network.certificate_ends, now));
  if (network.list_issued)
    counts.push_back(list_words(*network.list_issued, now));
  std::vector<std::vector<std::string>> lines{std::move(who),
                                              std::move(counts)};
  if (!network.refused.empty()) {
    std::vector<std::string> refused{"refused"};
    for (const auto& each : network.refused)
      refused.push_back(printable(each.reason) + ' '
                        + std::to_string(each.count));
    lines.push_back(std::move(refused));
  }
  for (auto& trouble : troubles_of(network, now))
    lines.push_back({"trouble: " + std::move(trouble)});
  return lines;
}

nlohmann::ordered_json
network_json(const std::optional<network_status>& network) {
  nlohmann::ordered_json out;
  if (!network)
    return out;
  out["name"] = network->name;
  out["member"] = null_if_empty(network->member);
  out["directory"] = null_if_empty(network->directory);
  out["trouble"] = null_if_empty(network->trouble);
  out["since"] = seconds_since_epoch(network->since);
  out["members"] = network->members;
  out["peers"] = network->peers;
  out["certificate_ends"] = seconds_or_null(network->certificate_ends);
  out["list_issued"] = seconds_or_null(network->list_issued);
  out["clock_suspect"] = network->clock_suspect;
  out["epoch"] = network->epoch;
  out["refused"] = nlohmann::ordered_json::object();
  for (const auto& each : network->refused)
    out["refused"][each.reason] = each.count;
  return out;
}

} // namespace weft
