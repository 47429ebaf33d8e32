#include "actors/network/own_record.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

namespace weft {

namespace {

bool has(const record_content& content, const endpoint& where) {
  return std::any_of(content.endpoints.begin(), content.endpoints.end(),
                     [&](const auto& each) { return each.where == where; });
}

/// Unless a record may not have it, or there is no room.
void add(record_content& content, const published_endpoint& one,
         std::span<const ip_prefix> overlay) {
  if (content.endpoints.size() == most_record_endpoints
      || has(content, one.where))
    return;
  content.endpoints.push_back(one);
  if (find_mistake(content) || find_inside(content, overlay) != nullptr)
    content.endpoints.pop_back();
}

/// A bridge that container engines and libvirt make: nobody outside of this
/// host is on it, as a rule.
bool is_for_guests(const std::string& interface) {
  constexpr std::array<std::string_view, 8> begins{
    "docker", "br-", "virbr", "podman", "cni", "lxcbr", "lxdbr", "incusbr"};
  return std::any_of(begins.begin(), begins.end(),
                     [&](auto each) { return interface.starts_with(each); });
}

} // namespace

record_content
describe_self(const network_config& config, const own_places& places,
              std::span<const ip_prefix> overlay, std::uint64_t epoch) {
  record_content content;
  content.relays = config.relay;
  content.epoch = epoch;
  const auto shows
    = [&](endpoint_source source) { return config.publish.count(source) != 0; };
  if (shows(endpoint_source::file))
    for (const auto& each : config.endpoints)
      add(content, {each, endpoint_source::file}, overlay);
  if (shows(endpoint_source::seen) && places.seen)
    add(content, {*places.seen, endpoint_source::seen}, overlay);
  if (shows(endpoint_source::link) && places.port != 0)
    for (const bool guests : {false, true}) // these only if there is room
      for (const auto& each : places.addresses)
        if (
          each.interface != places.interface && is_for_guests(each.interface) == guests)
          add(content,
              {{each.address.address, places.port, 0}, endpoint_source::link},
              overlay);
  return content;
}

} // namespace weft
