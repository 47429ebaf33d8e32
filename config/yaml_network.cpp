// The sections `network` and `directory`: the node's part in a network that
// runs itself.
#include "config/network_checks.hpp"
#include "config/strings.hpp"
#include "config/yaml_reader.hpp"
#include "protocol/base/text.hpp"
#include "protocol/network/token.hpp"

#include <array>

namespace weft {

namespace {

template <class T>
value_or_message<T> refusal_of(const accepted<T>& read) {
  if (read)
    return *read;
  return tl::unexpected{read.error().what};
}

value_or_message<directory_address>
read_directory_address(std::string_view text) {
  return refusal_of(parse_directory_address(text));
}

value_or_message<endpoint> read_own_endpoint(std::string_view text) {
  const auto read = parse_endpoint(text);
  if (!read)
    return tl::unexpected{strings::quote(text)
                          + " is no endpoint; ADDRESS:PORT or "
                            "[IPV6-ADDRESS]:PORT is expected"};
  if (auto reason = check_own_endpoint(*read))
    return tl::unexpected{std::move(*reason)};
  return *read;
}

value_or_message<endpoint_source> read_source(std::string_view text) {
  if (const auto source = parse_endpoint_source(text))
    return *source;
  return tl::unexpected{strings::quote(text)
                        + " is no kind of address; some of file, link and seen "
                          "are expected, or [] for none"};
}

} // namespace

void yaml_reader::read_whole_path(const yaml_node& value, const path& at,
                                  std::string& into) {
  read_path(value, at, into);
  if (!into.empty())
    into = std::filesystem::absolute(into).string();
}

template <class Value, class Convert, class Take>
void yaml_reader::read_each(const yaml_node& list, const path& at,
                            Convert convert, Take take) {
  read_list(
    list, at,
    [&](std::string_view text, text_place place, const path& here) {
      value_or_message<Value> read = convert(text);
      if (read)
        take(std::move(*read));
      else
        complain(place, &here, std::move(read.error()));
    },
    "a text");
}

std::span<const yaml_reader::known_key<network_config>>
yaml_reader::network_keys() {
  using self = yaml_reader;
  using node = const yaml_node;
  using into = network_config;
  static constexpr std::array<known_key<into>, 9> keys{{
    {"name",
     [](self& me, node& value, const path& at, into& network) {
       if (const auto* name = me.scalar(value, at, "the name of a network"))
         network.name = *name;
     }},
    {"root",
     [](self& me, node& value, const path& at, into& network) {
       me.read_whole_path(value, at, network.root);
     }},
    {"certificate",
     [](self& me, node& value, const path& at, into& network) {
       me.read_whole_path(value, at, network.certificate);
     }},
    {"key", [](self& me, node& value, const path& at,
               into& network) { me.read_whole_path(value, at, network.key); }},
    {"directories",
     [](self& me, node& value, const path& at, into& network) {
       me.read_each<directory_address>(
         value, at, read_directory_address,
         [&](auto read) { network.directories.push_back(std::move(read)); });
     }},
    {"endpoints",
     [](self& me, node& value, const path& at, into& network) {
       me.read_each<endpoint>(value, at, read_own_endpoint, [&](auto read) {
         network.endpoints.push_back(read);
       });
     }},
    {"publish",
     [](self& me, node& value, const path& at, into& network) {
       network.publish.clear();
       me.read_each<endpoint_source>(value, at, read_source, [&](auto read) {
         network.publish.insert(read);
       });
     }},
    {"accept_prefixes",
     [](self& me, node& value, const path& at, into& network) {
       me.read_prefixes(value, at, false, network.accept_prefixes);
     }},
    {"relay",
     [](self& me, node& value, const path& at, into& network) {
       me.read_value(value, at, "true or false", read_switch, network.relay);
     }},
  }};
  return keys;
}

std::span<const yaml_reader::known_key<store_config>>
yaml_reader::store_keys() {
  using self = yaml_reader;
  using node = const yaml_node;
  using into = store_config;
  static constexpr std::array<known_key<into>, 5> keys{{
    {"file", [](self& me, node& value, const path& at,
                into& store) { me.read_whole_path(value, at, store.file); }},
    {"etcd",
     [](self& me, node& value, const path& at, into& store) {
       me.read_texts(value, at, "a URL", store.etcd);
     }},
    {"user",
     [](self& me, node& value, const path& at, into& store) {
       const auto* name = me.scalar(value, at, "a name of a user");
       if (name == nullptr)
         return;
       constexpr std::size_t longest = 128;
       if (name->size() > longest || has_control_characters(*name))
         return me.complain(value, at, "a name of a user is expected");
       store.user = *name;
     }},
    {"password_file",
     [](self& me, node& value, const path& at, into& store) {
       me.read_whole_path(value, at, store.password_file);
     }},
    {"authority",
     [](self& me, node& value, const path& at, into& store) {
       me.read_whole_path(value, at, store.authority);
     }},
  }};
  return keys;
}

std::span<const yaml_reader::known_key<directory_config>>
yaml_reader::directory_keys() {
  using self = yaml_reader;
  using node = const yaml_node;
  using into = directory_config;
  static constexpr std::array<known_key<into>, 5> keys{{
    {"store",
     [](self& me, node& value, const path& at, into& directory) {
       if (value.kind != yaml_kind::null)
         me.read_map(value, &at, store_keys(), directory.store);
     }},
    {"listen",
     [](self& me, node& value, const path& at, into& directory) {
       me.read_value(value, at, "ADDRESS:PORT", read_directory_listen,
                     directory.listen);
     }},
    {"certificate",
     [](self& me, node& value, const path& at, into& directory) {
       me.read_whole_path(value, at, directory.certificate);
     }},
    {"key",
     [](self& me, node& value, const path& at, into& directory) {
       me.read_whole_path(value, at, directory.key);
     }},
    {"issuer",
     [](self& me, node& value, const path& at, into& directory) {
       me.read_whole_path(value, at, directory.issuer);
     }},
  }};
  return keys;
}

void yaml_reader::read_network(const yaml_node& section, const path& at,
                               network_config& into) {
  if (section.kind == yaml_kind::null)
    return;
  network_place_ = section.place;
  const auto before = errors_.count();
  read_map(section, &at, network_keys(), into);
  network_is_read_ = network_is_read_ && errors_.count() == before;
}

void yaml_reader::read_directory(const yaml_node& section, const path& at,
                                 directory_config& into) {
  if (section.kind == yaml_kind::null)
    return;
  directory_place_ = section.place;
  const auto before = errors_.count();
  read_map(section, &at, directory_keys(), into);
  network_is_read_ = network_is_read_ && errors_.count() == before;
}

void yaml_reader::check_network_sections() {
  if (!network_is_read_) // what was complained of would be missing as well
    return;
  check_network(config_, [this](std::string_view key, std::string message) {
    const auto place
      = key.starts_with("network") ? network_place_ : directory_place_;
    const path here{nullptr, key, 0};
    complain(place, &here, std::move(message));
  });
}

} // namespace weft
