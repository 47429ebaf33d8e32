#include "platform/clock.hpp"
#include "protocol/base/unix_time.hpp"
#include "tools/weft/commands/commands.hpp"
#include "tools/weft/failure.hpp"
#include "tools/weft/pki/pki_folder.hpp"
#include "tools/weft/view/format.hpp"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <ostream>

namespace weft {

namespace {

using json = nlohmann::ordered_json;

constexpr auto default_authority_name = "weft";

std::string folder_of(const pki_options& options) {
  return options.folder.empty() ? default_pki_folder() : options.folder;
}

int fail(const pki_options& options, std::string message, const streams& io) {
  return report(mistake(std::move(message)), options.json, io);
}

/// What is not there was named by mistake.
int fail(const pki_options& options, const system_error& error,
         const streams& io) {
  auto what = to_failure(error);
  if (error.code == ENOENT)
    what.exit = exit_mistaken;
  return report(what, options.json, io);
}

/// `2027-11-22`
std::string format_date(wall_time time) {
  const std::chrono::year_month_day date{
    std::chrono::floor<std::chrono::days>(time)};
  const auto digits = [](unsigned number) {
    return (number < 10 ? "0" : "") + std::to_string(number);
  };
  return std::to_string(int{date.year()}) + '-' + digits(unsigned{date.month()})
         + '-' + digits(unsigned{date.day()});
}

const char* state_of(const issued_entry& entry, wall_time now) {
  if (entry.revoked)
    return "revoked";
  return entry.has_expired(now) ? "expired" : "valid";
}

json to_json(const issued_entry& entry, wall_time now) {
  json out;
  out["name"] = entry.name;
  out["role"] = to_string(entry.role);
  out["state"] = state_of(entry, now);
  out["serial"] = entry.serial;
  out["not_after"] = seconds_since_epoch(entry.not_after);
  out["revoked"]
    = entry.revoked ? json(seconds_since_epoch(*entry.revoked)) : json();
  return out;
}

json to_json(const std::vector<issued_entry>& entries, wall_time now) {
  auto all = json::array();
  for (const auto& one : entries)
    all.push_back(to_json(one, now));
  return all;
}

void print(const json& what, std::ostream& out) {
  // Paths need not be UTF-8, and must not throw.
  out << what.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
}

void print_table(const std::vector<issued_entry>& entries, wall_time now,
                 std::ostream& out) {
  using row = std::array<std::string, 5>;
  std::vector<row> rows{{"NAME", "ROLE", "STATE", "END", "SERIAL"}};
  for (const auto& one : entries)
    rows.push_back({one.name, std::string{to_string(one.role)},
                    state_of(one, now), format_date(one.not_after),
                    one.serial});
  std::array<std::size_t, 5> widths{};
  for (const auto& line : rows) {
    for (std::size_t i = 0; i < line.size(); ++i)
      widths[i] = std::max(widths[i], line[i].size());
  }
  for (const auto& line : rows) {
    for (std::size_t i = 0; i + 1 < line.size(); ++i)
      out << line[i] << std::string(widths[i] + 2 - line[i].size(), ' ');
    out << line.back() << '\n';
  }
}

/// The names that were issued, for somebody who mistyped one.
std::string known_names(const std::vector<issued_entry>& entries) {
  std::vector<std::string> names;
  names.reserve(entries.size());
  for (const auto& one : entries)
    names.push_back(one.name);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::string text;
  for (const auto& name : names)
    text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "nothing was issued yet" : "there are: " + text;
}

std::string never_issued(const std::string& name,
                         const std::vector<issued_entry>& entries) {
  return "no certificate was issued to '" + printable(name) + "'; "
         + known_names(entries);
}

/// Of a name without a certificate that could be renewed.
std::string why_not_renewed(const std::string& name,
                            const std::vector<issued_entry>& entries) {
  const bool is_known
    = std::any_of(entries.begin(), entries.end(),
                  [&](const issued_entry& one) { return one.name == name; });
  return is_known ? "the newest certificate of " + name
                      + " was revoked, so that there is nothing to renew: "
                        "'weft pki issue' makes another one"
                  : never_issued(name, entries);
}

/// A renewal changes a role only for the new certificate.
void warn_of_other_roles(const std::vector<issued_entry>& entries,
                         const issued_entry& made, wall_time now,
                         std::ostream& err) {
  for (const auto& one : entries) {
    if (one.name == made.name && one.role != made.role && !one.revoked
        && !one.has_expired(now))
      err << "weft: warning: " << one.name << " has a certificate as "
          << to_string(one.role) << " too, until " << format_date(one.not_after)
          << ": to end it, revoke the name and issue this one again\n";
  }
}

certificate_request request_of(const pki_options& options, control_role role,
                               std::vector<std::string> hosts) {
  const auto now = wall_now();
  return {options.name,
          role,
          std::move(hosts),
          {now - clock_allowance, now + std::chrono::hours{24} * options.days}};
}

std::optional<std::string>
mistake_in_names(const certificate_request& request) {
  if (const auto mistake = mistake_in(request))
    return printable(*mistake);
  if (is_reserved_name(request.name))
    return "the authority's own files are called '" + request.name
           + "': choose another name";
  return {};
}

/// What a new certificate would lose, or let its owner do, without that anybody
/// has asked for it.
std::optional<std::string>
forgets(const pki_options& options, const certificate_request& request,
        const pki_folder::possession& former) {
  const auto renewal = "'weft pki renew " + request.name + "' keeps ";
  if (options.role.empty() && request.role != former.role)
    return request.name + " has a certificate as "
           + std::string{to_string(former.role)} + ": " + renewal
           + "that, and --role changes it";
  if (request.role != control_role::node || former.role != request.role
      || !options.hosts.empty() || !former.hosts || former.hosts->empty())
    return {};
  std::string hosts;
  for (const auto& host : *former.hosts)
    hosts += (hosts.empty() ? "" : ", ") + printable(host);
  return request.name + " is found at " + hosts + " as well: " + renewal
         + "that, and --host changes it";
}

int make(pki_folder& folder, const certificate_request& request,
         const pki_options& options, const streams& io) {
  const auto made = folder.issue(request);
  if (!made)
    return fail(options, made.error(), io);
  const auto now = wall_now();
  warn_of_other_roles(folder.issued(), *made, now, io.err);
  const auto base = folder_of(options) + '/' + made->name;
  if (options.json) {
    auto out = to_json(*made, now);
    out["certificate"] = base + ".pem";
    out["key"] = base + ".key";
    print(out, io.out);
    return exit_fine;
  }
  io.out << made->name << ": " << to_string(made->role) << " until "
         << format_date(made->not_after) << "\ncertificate: " << base
         << ".pem\nkey: " << base << ".key\n";
  return exit_fine;
}

} // namespace

std::string default_pki_folder() {
  // NOLINTBEGIN(concurrency-mt-unsafe): before any thread starts
  if (const char* set = std::getenv("WEFT_PKI"); set != nullptr && *set != '\0')
    return set;
  const char* home = std::getenv("HOME");
  // NOLINTEND(concurrency-mt-unsafe)
  if (::geteuid() == 0 || home == nullptr)
    return "/etc/weft/pki";
  return std::string{home} + "/.config/weft/pki";
}

int make_authority(const pki_options& options, const streams& io) {
  const auto folder = folder_of(options);
  const auto name
    = options.name.empty() ? default_authority_name : options.name;
  const auto made = make_pki_folder(folder, name, wall_now());
  if (!made)
    return fail(options, made.error(), io);
  if (options.json) {
    json out;
    out["folder"] = folder;
    out["name"] = made->name;
    out["fingerprint"] = made->fingerprint;
    out["not_after"] = seconds_since_epoch(made->not_after);
    print(out, io.out);
    return exit_fine;
  }
  io.out << "The authority '" << made->name << "' is in " << folder
         << " and holds until " << format_date(made->not_after)
         << ".\nGive ca.pem and crl.pem to all, and ca.key to nobody: who has "
            "it controls every node.\n";
  return exit_fine;
}

int issue_certificate(const pki_options& options, const streams& io) {
  const auto role = options.role.empty() ? control_role::operate
                                         : parse_control_role(options.role);
  if (!role)
    return fail(options,
                "there is no role '" + printable(options.role)
                  + "': it is operator, viewer or node",
                io);
  const auto request = request_of(options, *role, options.hosts);
  if (const auto why = mistake_in_names(request))
    return fail(options, *why, io);
  auto folder = pki_folder::open(folder_of(options));
  if (!folder)
    return fail(options, folder.error(), io);
  if (const auto former = folder->possession_of(options.name)) {
    if (const auto why = forgets(options, request, *former))
      return fail(options, *why, io);
  }
  return make(*folder, request, options, io);
}

int renew_pki_certificate(const pki_options& options, const streams& io) {
  auto folder = pki_folder::open(folder_of(options));
  if (!folder)
    return fail(options, folder.error(), io);
  const auto name = printable(options.name);
  const auto former = folder->possession_of(options.name);
  if (!former)
    return fail(options, why_not_renewed(options.name, folder->issued()), io);
  if (former->role == control_role::node && !former->hosts)
    return fail(options,
                "the certificate " + name
                  + ".pem is not in the folder, so that nobody knows which "
                    "hosts it was for: make one with 'weft pki issue "
                  + name + " --role node --host ...'",
                io);
  const auto is_node = former->role == control_role::node;
  return make(*folder,
              request_of(options, former->role,
                         is_node ? *former->hosts : std::vector<std::string>{}),
              options, io);
}

int revoke_certificates(const pki_options& options, const streams& io) {
  const auto now = wall_now();
  auto folder = pki_folder::open(folder_of(options));
  if (!folder)
    return fail(options, folder.error(), io);
  const auto done = folder->revoke(options.name, now);
  if (!done)
    return fail(options, done.error(), io);
  if (!done->known)
    return fail(options, never_issued(options.name, folder->issued()), io);
  if (options.json) {
    print(to_json(done->revoked, now), io.out);
    return exit_fine;
  }
  if (done->revoked.empty())
    io.out << options.name << " has no certificate that holds\n";
  else
    io.out << options.name << ": "
           << format_count(done->revoked.size(), "certificate")
           << " revoked; bring " << folder_of(options)
           << "/crl.pem to all nodes\n";
  return exit_fine;
}

int list_certificates(const pki_options& options, const streams& io) {
  auto entries = read_index(folder_of(options));
  if (!entries)
    return fail(options, entries.error(), io);
  std::stable_sort(entries->begin(), entries->end(),
                   [](const auto& a, const auto& b) {
                     return a.name < b.name;
                   });
  const auto now = wall_now();
  if (options.json)
    print(to_json(*entries, now), io.out);
  else
    print_table(*entries, now, io.out);
  return exit_fine;
}

} // namespace weft
