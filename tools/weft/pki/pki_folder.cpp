#include "tools/weft/pki/pki_folder.hpp"

#include "config/strings.hpp"
#include "platform/files.hpp"
#include "protocol/base/unix_time.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <sstream>

namespace weft {

namespace {

constexpr unsigned secret_mode = 0600;
constexpr unsigned public_mode = 0644;
constexpr auto authority_lifetime = std::chrono::hours{24} * 3650;
constexpr auto not_revoked = "-";

std::string in(const std::string& folder, const std::string& file) {
  return folder + '/' + file;
}

std::optional<wall_time> parse_seconds(const std::string& text) {
  constexpr std::uint64_t last = 9'000'000'000; // nanoseconds end in 2262
  const auto seconds = strings::parse_decimal(text, last);
  if (!seconds)
    return {};
  return wall_time{std::chrono::seconds{*seconds}};
}

std::string format_index(const std::vector<issued_entry>& entries) {
  std::ostringstream text;
  text << "# serial role name end revoked\n";
  for (const auto& one : entries) {
    text << one.serial << ' ' << to_string(one.role) << ' ' << one.name << ' '
         << seconds_since_epoch(one.not_after) << ' ';
    if (one.revoked)
      text << seconds_since_epoch(*one.revoked) << '\n';
    else
      text << not_revoked << '\n';
  }
  return text.str();
}

std::optional<issued_entry> parse_entry(const std::string& line) {
  std::istringstream words{line};
  std::array<std::string, 5> word;
  for (auto& one : word)
    words >> one;
  std::string surplus;
  const auto role = parse_control_role(word[1]);
  const auto end = parse_seconds(word[3]);
  const auto revoked = parse_seconds(word[4]);
  const bool is_serial
    = !word[0].empty()
      && word[0].find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!words || words >> surplus || !is_serial || !role || !end
      || !is_certificate_name(word[2]) || (!revoked && word[4] != not_revoked))
    return {};
  return issued_entry{word[0], *role, word[2], *end, revoked};
}

result<void> write_index(const std::string& folder,
                         const std::vector<issued_entry>& entries) {
  return replace_file(in(folder, "index"), format_index(entries), secret_mode);
}

/// Every certificate that was revoked and would hold otherwise.
std::vector<revocation>
revocations_in(const std::vector<issued_entry>& entries, wall_time now) {
  std::vector<revocation> list;
  for (const auto& one : entries) {
    if (one.revoked && !one.has_expired(now))
      list.push_back({one.serial, *one.revoked});
  }
  return list;
}

result<void>
write_list(const std::string& folder, const certificate_authority& authority,
           const std::vector<issued_entry>& entries, wall_time now) {
  const auto former = load_file(in(folder, "crl.pem"), file_privacy::any);
  const auto list
    = authority.revoke(revocations_in(entries, now), now - clock_allowance,
                       former ? former->view() : std::string_view{});
  if (!list)
    return tl::unexpected(list.error());
  return replace_file(in(folder, "crl.pem"), *list, public_mode);
}

/// Whether an entry, or its name after its end, was revoked: an entry that has
/// expired is not marked then, but the others of its name are.
bool was_revoked(const issued_entry& entry,
                 const std::vector<issued_entry>& all) {
  return entry.revoked
         || std::any_of(all.begin(), all.end(), [&](const issued_entry& other) {
              return other.name == entry.name && other.revoked
                     && *other.revoked >= entry.not_after;
            });
}

std::string make_remedy(const std::string& folder) {
  return "Make an authority first, with 'weft pki init --folder " + folder
         + "', or choose another folder";
}

/// Is there from before the first file of an authority until after the last:
/// what is beside it was begun by somebody who was cut off.
constexpr auto unfinished = "unfinished";

/// What replace_file() had not put in place when it was cut off.
void remove_leftovers(const std::string& folder) {
  std::error_code ignored;
  std::vector<std::filesystem::path> all;
  for (std::filesystem::directory_iterator at{folder, ignored}, end;
       !ignored && at != end; at.increment(ignored)) {
    const auto name = at->path().filename().string();
    if (name.starts_with('.') && name.ends_with(".new"))
      all.push_back(at->path());
  }
  for (const auto& each : all)
    std::filesystem::remove(each, ignored);
}

result<certificate_authority> load_authority(const std::string& path) {
  const auto certificate = load_file(in(path, "ca.pem"), file_privacy::any);
  if (!certificate)
    return tl::unexpected(certificate.error());
  const auto key = load_file(in(path, "ca.key"), file_privacy::owner_only);
  if (!key)
    return tl::unexpected(key.error());
  auto authority
    = certificate_authority::load(certificate->view(), key->view());
  if (!authority)
    authority.error().message += " (in " + path + ')';
  return authority;
}

} // namespace

bool is_reserved_name(const std::string& name) {
  return strings::equal_ignoring_case(name, "ca")
         || strings::equal_ignoring_case(name, "crl");
}

result<std::vector<issued_entry>> read_index(const std::string& folder) {
  const auto path = in(folder, "index");
  const auto text = load_file(path, file_privacy::any);
  if (!text) {
    auto error = text.error();
    if (error.code == ENOENT)
      error.message += ". " + make_remedy(folder);
    return tl::unexpected(std::move(error));
  }
  std::istringstream lines{std::string{text->view()}};
  std::vector<issued_entry> entries;
  std::string line;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    if (line.empty() || line.front() == '#')
      continue;
    auto entry = parse_entry(line);
    if (!entry)
      return tl::unexpected(make_system_error(
        0, path + ':' + std::to_string(number) + ": the line is damaged",
        "Restore the file, or make a new authority: what is not in it cannot "
        "be revoked"));
    entries.push_back(std::move(*entry));
  }
  return entries;
}

result<certificate_info>
make_pki_folder(const std::string& folder, const std::string& name,
                wall_time now) {
  if (auto made = make_private_folder(folder); !made)
    return tl::unexpected(made.error());
  const auto lock = lock_folder(folder);
  if (!lock)
    return tl::unexpected(lock.error());
  remove_leftovers(folder);
  const auto marker = in(folder, unfinished);
  const bool goes_on = identify_file(marker).has_value();
  if (goes_on && identify_file(in(folder, "ca.pem"))) {
    // The last file is there: only the marker was left.
    const auto made = load_authority(folder);
    if (!made)
      return tl::unexpected(made.error());
    std::error_code ignored;
    std::filesystem::remove(marker, ignored);
    return made->info();
  }
  for (const auto* file : {"ca.key", "ca.pem", "index"}) {
    if (!goes_on && identify_file(in(folder, file)))
      return tl::unexpected(
        make_system_error(EEXIST, "Cannot make an authority in " + folder,
                          in(folder, file)
                            + " is there already, and replacing it would end "
                              "all certificates: choose another folder"));
  }
  const auto authority = certificate_authority::make(
    name, {now - clock_allowance, now + authority_lifetime});
  if (!authority)
    return tl::unexpected(authority.error());
  const auto key = authority->key();
  if (!key)
    return tl::unexpected(key.error());
  auto written = replace_file(marker, "", secret_mode);
  if (written)
    written = write_list(folder, *authority, {}, now);
  if (written)
    written = write_index(folder, {});
  if (written)
    written = replace_file(in(folder, "ca.key"), key->view(), secret_mode);
  if (written)
    written = replace_file(in(folder, "ca.pem"), authority->certificate(),
                           public_mode);
  if (!written)
    return tl::unexpected(written.error());
  std::error_code ignored; // who comes next removes it
  std::filesystem::remove(marker, ignored);
  return authority->info();
}

pki_folder::pki_folder(std::string path, file_descriptor lock,
                       certificate_authority authority,
                       std::vector<issued_entry> issued)
  : path_(std::move(path)), lock_(std::move(lock)),
    authority_(std::move(authority)), issued_(std::move(issued)) {
}

result<pki_folder> pki_folder::open(const std::string& path) {
  auto lock = lock_folder(path);
  if (!lock) {
    if (lock.error().code == ENOENT)
      lock.error().message += ". " + make_remedy(path);
    return tl::unexpected(lock.error());
  }
  if (auto fine = check_private_folder(path); !fine)
    return tl::unexpected(fine.error());
  remove_leftovers(path);
  if (const auto marker = in(path, unfinished); identify_file(marker)) {
    if (!identify_file(in(path, "ca.pem")))
      return tl::unexpected(make_system_error(
        0, "The authority in " + path + " was not made to the end",
        "Run 'weft pki init --folder " + path + "' again"));
    std::error_code ignored;
    std::filesystem::remove(marker, ignored);
  }
  auto issued = read_index(path);
  if (!issued)
    return tl::unexpected(issued.error());
  auto authority = load_authority(path);
  if (!authority)
    return tl::unexpected(authority.error());
  return pki_folder{path, std::move(*lock), std::move(*authority),
                    std::move(*issued)};
}

result<issued_entry> pki_folder::issue(const certificate_request& request) {
  if (is_reserved_name(request.name))
    return tl::unexpected(make_system_error(
      0, "Cannot make a certificate for '" + request.name + "'",
      "The authority's own files are called so: choose another name"));
  const auto made = authority_.issue(request);
  if (!made)
    return tl::unexpected(made.error());
  issued_.push_back({made->info.serial, request.role, request.name,
                     made->info.not_after, std::nullopt});
  auto written = write_index(path_, issued_);
  if (written)
    written = replace_file(in(path_, request.name + ".key"), made->key.view(),
                           secret_mode);
  if (written)
    written = replace_file(in(path_, request.name + ".pem"), made->certificate,
                           public_mode);
  if (!written)
    return tl::unexpected(written.error());
  return issued_.back();
}

std::optional<pki_folder::possession>
pki_folder::possession_of(const std::string& name) const {
  const auto newest
    = std::find_if(issued_.rbegin(), issued_.rend(),
                   [&](const issued_entry& one) { return one.name == name; });
  if (newest == issued_.rend() || was_revoked(*newest, issued_))
    return {};
  possession found{newest->role, {}};
  const auto text = load_file(in(path_, name + ".pem"), file_privacy::any);
  if (!text)
    return found;
  auto info = read_certificate(text->view());
  if (!info || info->serial != newest->serial)
    return found;
  std::erase(info->hosts, name);
  found.hosts = std::move(info->hosts);
  return found;
}

result<pki_folder::outcome>
pki_folder::revoke(const std::string& name, wall_time now) {
  outcome done;
  for (auto& one : issued_) {
    if (one.name != name)
      continue;
    done.known = true;
    if (one.revoked || one.has_expired(now))
      continue;
    one.revoked = now;
    done.revoked.push_back(one);
  }
  if (!done.known)
    return done;
  auto written = write_index(path_, issued_);
  if (written)
    written = write_list(path_, authority_, issued_, now);
  if (!written)
    return tl::unexpected(written.error());
  return done;
}

} // namespace weft
