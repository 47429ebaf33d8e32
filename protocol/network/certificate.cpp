#include "protocol/network/certificate.hpp"

#include "protocol/network/ranges.hpp"

#include <algorithm>
#include <charconv>

namespace weft {

namespace {

constexpr std::string_view scheme = "weft:";
constexpr std::string_view version = "1";
/// More than any certificate of ours has.
constexpr std::size_t most_uris = 64;
constexpr std::size_t longest_uri = 128;

// -- writing -----------------------------------------------------------------

class uri_writer {
public:
  explicit uri_writer(std::string_view role) {
    add(version, std::string{role});
  }

  uri_writer& add(std::string_view key, const std::string& value) {
    uris_.push_back(std::string{scheme} + std::string{key} + ':' + value);
    return *this;
  }
  uri_writer& add(std::string_view key, std::uint64_t number) {
    return add(key, std::to_string(number));
  }
  uri_writer& add(std::string_view key, const std::vector<ip_prefix>& list) {
    for (const auto& each : list)
      add(key, to_string(each));
    return *this;
  }
  uri_writer& add(std::string_view key, const std::set<std::string>& list) {
    for (const auto& each : list)
      add(key, each);
    return *this;
  }
  std::vector<std::string> take() {
    return std::move(uris_);
  }

private:
  std::vector<std::string> uris_;
};

std::vector<std::string> write(const root_contents& root) {
  return uri_writer("root")
    .add("network", to_string(root.network))
    .add("name", root.name)
    .add("range", root.ranges)
    .add("slice4", root.slice_v4)
    .add("slice6", root.slice_v6)
    .take();
}

std::vector<std::string> write(const issuer_contents& issuer) {
  return uri_writer("issuer")
    .add("network", to_string(issuer.network))
    .add("name", issuer.name)
    .add("range", issuer.ranges)
    .take();
}

std::vector<std::string> write(const directory_contents& directory) {
  return uri_writer("directory")
    .add("network", to_string(directory.network))
    .add("name", directory.name)
    .take();
}

std::vector<std::string> write(const member_contents& member) {
  return uri_writer("member")
    .add("network", to_string(member.network))
    .add("name", member.name)
    .add("id", to_string(member.id))
    .add("key", to_hex(member.key.bytes))
    .add("prefix", member.prefixes)
    .add("group", member.groups)
    .add("generation", member.generation)
    .add("revocation", member.revocation)
    .add("allocation", member.allocation)
    .take();
}

// -- reading -----------------------------------------------------------------

/// Takes values leniently: whether they were canonical shows when they are
/// written again.
class uri_reader {
public:
  explicit uri_reader(std::span<const std::string> uris) : left_(uris) {
  }

  /// The value of the next URI if it has this key.
  std::optional<std::string_view> take(std::string_view key) {
    if (left_.empty())
      return std::nullopt;
    std::string_view next = left_.front();
    if (!next.starts_with(scheme))
      return std::nullopt;
    next.remove_prefix(scheme.size());
    if (next.size() <= key.size() || !next.starts_with(key)
        || next[key.size()] != ':')
      return std::nullopt;
    left_ = left_.subspan(1);
    return next.substr(key.size() + 1);
  }
  std::string text(std::string_view key) {
    return std::string{take(key).value_or("")};
  }
  template <class Number>
  void read(std::string_view key, Number& number) {
    const auto value = take(key).value_or("");
    std::from_chars(value.data(), value.data() + value.size(), number);
  }
  template <std::size_t N>
  void read(std::string_view key, byte_array<N>& bytes) {
    if (!read_hex_text(take(key).value_or(""), bytes))
      bytes = {};
  }
  std::vector<ip_prefix> prefixes(std::string_view key) {
    std::vector<ip_prefix> list;
    while (const auto value = take(key))
      list.push_back(parse_ip_prefix(*value).value_or(ip_prefix{}));
    return list;
  }

private:
  std::span<const std::string> left_;
};

root_contents read_root(uri_reader& from) {
  root_contents root;
  from.read("network", root.network.bytes);
  root.name = from.text("name");
  root.ranges = from.prefixes("range");
  from.read("slice4", root.slice_v4);
  from.read("slice6", root.slice_v6);
  return root;
}

issuer_contents read_issuer(uri_reader& from) {
  issuer_contents issuer;
  from.read("network", issuer.network.bytes);
  issuer.name = from.text("name");
  issuer.ranges = from.prefixes("range");
  return issuer;
}

directory_contents read_directory(uri_reader& from) {
  directory_contents directory;
  from.read("network", directory.network.bytes);
  directory.name = from.text("name");
  return directory;
}

member_contents read_member(uri_reader& from) {
  member_contents member;
  from.read("network", member.network.bytes);
  member.name = from.text("name");
  from.read("id", member.id.bytes);
  from.read("key", member.key.bytes);
  member.prefixes = from.prefixes("prefix");
  while (const auto group = from.take("group"))
    member.groups.emplace(*group);
  from.read("generation", member.generation);
  from.read("revocation", member.revocation);
  from.read("allocation", member.allocation);
  return member;
}

// -- checks ------------------------------------------------------------------

std::optional<refused> malformed(std::string what) {
  return refused{refusal::malformed, std::move(what)};
}

std::optional<refused>
check_list(const std::vector<ip_prefix>& prefixes, const std::string& called) {
  if (auto mistake = mistake_in(prefixes, called))
    return malformed(std::move(*mistake));
  if (prefixes.empty())
    return malformed(called + ": there is none");
  if (!std::is_sorted(prefixes.begin(), prefixes.end()))
    return malformed(called + ": they are not sorted");
  return std::nullopt;
}

std::optional<refused> check_ranges(const std::vector<ip_prefix>& ranges) {
  if (auto wrong = check_list(ranges, "ranges"))
    return wrong;
  for (const auto& range : ranges) {
    if (!is_usable_range(range))
      return malformed("ranges: no network can have " + to_string(range)
                       + "; take some of 10.0.0.0/8 and of fd00::/8");
  }
  return std::nullopt;
}

std::optional<refused> check(const root_contents& root) {
  if (auto wrong = check_ranges(root.ranges))
    return wrong;
  for (const auto& range : root.ranges) {
    const auto slice = range.address.is_v4() ? root.slice_v4 : root.slice_v6;
    if (slice < range.length || slice > range.address.bits())
      return malformed("ranges: a slice of /" + std::to_string(slice)
                       + " is none of " + to_string(range));
  }
  return std::nullopt;
}

std::optional<refused> check(const issuer_contents& issuer) {
  return check_ranges(issuer.ranges);
}

std::optional<refused> check(const directory_contents&) {
  return std::nullopt;
}

std::optional<refused> check(const member_contents& member) {
  if (member.id == member_id{} || member.key.is_zero())
    return malformed("a member without id or key");
  if (auto wrong = check_list(member.prefixes, "prefixes"))
    return wrong;
  if (member.groups.size() > most_groups)
    return malformed("more than " + std::to_string(most_groups) + " groups");
  for (const auto& group : member.groups) {
    if (!is_network_word(group))
      return malformed("a group is 1-32 of a-z, 0-9 and -");
  }
  if (member.generation == 0 || member.allocation == 0)
    return malformed("generations and allocations count from 1");
  return std::nullopt;
}

std::optional<refused> check_same(const network_id& a, const network_id& b) {
  if (a == b)
    return std::nullopt;
  return refused{refusal::wrong_network, "the certificate is of network "
                                           + to_string(b) + ", the root of "
                                           + to_string(a)};
}

std::optional<refused>
check_within(std::span<const ip_prefix> prefixes,
             std::span<const ip_prefix> ranges, const std::string& whose) {
  if (const auto* outside = find_outside(prefixes, ranges))
    return refused{refusal::outside_ranges,
                   to_string(*outside) + " is in none of " + whose + " ranges"};
  return std::nullopt;
}

} // namespace

std::string_view role_of(const certificate_contents& contents) {
  static constexpr std::array<std::string_view, 4> names{"root", "issuer",
                                                         "directory", "member"};
  return names.at(contents.index());
}

std::vector<std::string> to_uris(const certificate_contents& contents) {
  return std::visit([](const auto& each) { return write(each); }, contents);
}

accepted<certificate_contents> read_uris(std::span<const std::string> uris) {
  if (uris.size() > most_uris
      || std::any_of(uris.begin(), uris.end(), [](const auto& each) {
           return each.size() > longest_uri;
         }))
    return refuse(refusal::malformed, "more than a certificate of weft has");
  uri_reader from(uris);
  const auto role = from.text(version);
  certificate_contents contents;
  if (role == "root")
    contents = read_root(from);
  else if (role == "issuer")
    contents = read_issuer(from);
  else if (role == "directory")
    contents = read_directory(from);
  else if (role == "member")
    contents = read_member(from);
  else
    return refuse(refusal::wrong_role,
                  "the certificate names no role in a network of weft");
  const auto canonical = to_uris(contents);
  if (!std::equal(uris.begin(), uris.end(), canonical.begin(), canonical.end()))
    return refuse(refusal::malformed, "the certificate of a " + role
                                        + " does not say what it should in the "
                                          "one form that there is for it");
  if (auto wrong = find_mistake(contents))
    return tl::unexpected(std::move(*wrong));
  return contents;
}

std::optional<refused> find_mistake(const certificate_contents& contents) {
  return std::visit(
    [](const auto& each) -> std::optional<refused> {
      if (each.network == network_id{})
        return malformed("a network without id");
      if (!is_network_word(each.name))
        return malformed("a name is 1-32 of a-z, 0-9 and -");
      return check(each);
    },
    contents);
}

std::optional<refused>
find_breach(const root_contents& root, const issuer_contents& issuer) {
  if (auto wrong = check_same(root.network, issuer.network))
    return wrong;
  return check_within(issuer.ranges, root.ranges, "the root's");
}

std::optional<refused>
find_breach(const root_contents& root, const directory_contents& directory) {
  return check_same(root.network, directory.network);
}

std::optional<refused>
find_breach(const root_contents& root, const issuer_contents& issuer,
            const member_contents& member, std::span<const ip_prefix> wider) {
  if (auto wrong = find_breach(root, issuer))
    return wrong;
  if (auto wrong = check_same(root.network, member.network))
    return wrong;
  std::vector<ip_prefix> ranges(issuer.ranges);
  ranges.insert(ranges.end(), wider.begin(), wider.end());
  return check_within(member.prefixes, ranges, "the issuer's");
}

} // namespace weft
