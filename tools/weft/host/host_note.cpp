#include "tools/weft/host/host_note.hpp"

#include <nlohmann/json.hpp>

namespace weft {

namespace {

constexpr auto resolved_name = "resolved";
constexpr auto resolvconf_name = "resolvconf";

const char* name_of(dns_manager::kind what) {
  switch (what) {
    case dns_manager::kind::resolved:
      return resolved_name;
    case dns_manager::kind::resolvconf:
      return resolvconf_name;
    case dns_manager::kind::none:
      break;
  }
  return "";
}

dns_manager::kind dns_kind_of(const std::string& name) {
  if (name == resolved_name)
    return dns_manager::kind::resolved;
  return name == resolvconf_name ? dns_manager::kind::resolvconf
                                 : dns_manager::kind::none;
}

} // namespace

std::string format_note(const host_note& note) {
  nlohmann::ordered_json out;
  out["interface"] = note.interface;
  out["config"] = note.config;
  out["network"] = note.network;
  out["link"] = note.link;
  out["asked"] = note.asked;
  out["mark"] = note.mark;
  out["marked"] = note.marked;
  out["accepts_marks"] = note.accepts_marks;
  out["dns"] = {{"by", name_of(note.dns.what)},
                {"program", note.dns.program},
                {"prefix", note.dns.record_prefix}};
  out["commands"] = note.commands;
  return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace)
         + '\n';
}

tl::expected<host_note, std::string> parse_note(std::string_view text) try {
  const auto in = nlohmann::json::parse(text);
  host_note note;
  in.at("interface").get_to(note.interface);
  in.at("config").get_to(note.config);
  in.at("network").get_to(note.network);
  note.link = in.value("link", 0);
  note.asked = in.value("asked", std::string{});
  in.at("mark").get_to(note.mark);
  in.at("marked").get_to(note.marked);
  note.accepts_marks = in.value("accepts_marks", false);
  const auto& dns = in.at("dns");
  note.dns = {dns_kind_of(dns.at("by")), dns.at("program"), dns.at("prefix")};
  in.at("commands").get_to(note.commands);
  return note;
} catch (const nlohmann::json::exception& error) {
  return tl::unexpected{std::string{error.what()}};
}

} // namespace weft
