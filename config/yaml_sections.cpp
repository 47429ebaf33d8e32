#include "config/control_checks.hpp"
#include "config/interface_checks.hpp"
#include "config/strings.hpp"
#include "config/yaml_reader.hpp"

#include <array>

namespace weft {

std::span<const yaml_reader::known_key<node_config>>
yaml_reader::document_keys() {
  using self = yaml_reader;
  using node = const yaml_node;
  static constexpr std::array<known_key<node_config>, 9> keys{{
    {"interface", [](self& me, node& value, const path& at,
                     node_config&) { me.read_interface(value, at); }},
    {"peers", [](self& me, node& value, const path& at,
                 node_config&) { me.read_peers(value, at); }},
    {"log",
     [](self& me, node& value, const path& at, node_config& config) {
       if (value.kind != yaml_kind::null)
         me.read_map(value, &at, log_keys(), config.log);
     }},
    {"control",
     [](self& me, node& value, const path& at, node_config& config) {
       me.read_control(value, at, config.control);
     }},
    {"reload",
     [](self& me, node& value, const path& at, node_config& config) {
       me.read_value(value, at, "manual or watch", read_reload_mode,
                     config.reload);
     }},
    {"metrics",
     [](self& me, node& value, const path& at, node_config& config) {
       me.read_metrics(value, at, config.metrics);
     }},
    {"offloads",
     [](self& me, node& value, const path& at, node_config& config) {
       if (value.kind != yaml_kind::null)
         me.read_map(value, &at, offload_keys(), config.offloads);
     }},
    {"network",
     [](self& me, node& value, const path& at, node_config& config) {
       me.read_network(value, at, config.network);
     }},
    {"directory",
     [](self& me, node& value, const path& at, node_config& config) {
       me.read_directory(value, at, config.directory);
     }},
  }};
  return keys;
}

std::span<const yaml_reader::known_key<log_config>> yaml_reader::log_keys() {
  using self = yaml_reader;
  using node = const yaml_node;
  static constexpr std::array<known_key<log_config>, 2> keys{{
    {"level",
     [](self& me, node& value, const path& at, log_config& log) {
       me.read_value(value, at, "a log level", read_log_level, log.level);
     }},
    {"format",
     [](self& me, node& value, const path& at, log_config& log) {
       me.read_value(value, at, "text or json", read_log_format, log.format);
     }},
  }};
  return keys;
}

std::span<const yaml_reader::known_key<offload_config>>
yaml_reader::offload_keys() {
  using self = yaml_reader;
  using node = const yaml_node;
  using into = offload_config;
  static constexpr std::array<known_key<into>, all_offloads.size()> keys{{
    {all_offloads[0].name,
     [](self& me, node& value, const path& at, into& offloads) {
       me.read_offload(value, at, all_offloads[0], offloads);
     }},
    {all_offloads[1].name,
     [](self& me, node& value, const path& at, into& offloads) {
       me.read_offload(value, at, all_offloads[1], offloads);
     }},
    {all_offloads[2].name,
     [](self& me, node& value, const path& at, into& offloads) {
       me.read_offload(value, at, all_offloads[2], offloads);
     }},
  }};
  return keys;
}

void yaml_reader::read_offload(const yaml_node& value, const path& at,
                               const offload_key& key, offload_config& into) {
  auto& mode = into.*key.mode;
  read_value(value, at, key.is_doubtful ? "auto, off or on" : "auto or off",
             read_offload_mode, mode);
  if (auto reason = check_offload(key, mode))
    complain(value, at, std::move(*reason));
}

template <class Section, class Value>
void yaml_reader::read_row(const field<Section, Value>& row,
                           const yaml_node& value, const path& at,
                           section_draft<Section>& into) {
  auto& target = into.config.*row.member;
  if constexpr (std::is_same_v<Value, prefix_list>) {
    into.list_places.at(number_of(row.member))
      = read_prefixes(value, at, row.keeps_host_bits, target);
  } else if constexpr (std::is_same_v<Value, text_list>) {
    read_texts(value, at, row.expected, target);
    if (auto reason = row.check(target))
      complain(value, at, std::move(*reason));
  } else {
    if constexpr (std::is_same_v<Value, std::string>) {
      if (row.is_folder)
        return read_socket_folder(value, at, target);
    }
    if (row.file_name.empty()) // or else its file may be given as well
      read_value(value, at, row.expected, row.read, target);
  }
}

void yaml_reader::read_texts(const yaml_node& list, const path& at,
                             std::string_view what,
                             std::vector<std::string>& into) {
  if (list.kind == yaml_kind::null)
    return;
  if (list.kind != yaml_kind::sequence) {
    if (const auto* text = scalar(list, at, what))
      into.push_back(*text);
    return;
  }
  std::size_t index = 0;
  for (const auto* item = tree_.first_child(list); item != nullptr;
       item = tree_.next(*item)) {
    const path here{&at, {}, index++};
    if (const auto* text = scalar(*item, here, what))
      into.push_back(*text);
  }
}

template <class Section>
std::span<const yaml_reader::known_key<yaml_reader::section_draft<Section>>>
yaml_reader::section_keys() {
  using self = yaml_reader;
  using node = const yaml_node;
  using draft = section_draft<Section>;
  static const auto all = [] {
    std::vector<known_key<draft>> keys;
    for_each_field<Section>([&](const auto& row, auto number) {
      keys.push_back(
        {row.name, [](self& me, node& value, const path& at, draft& into) {
           constexpr std::size_t i = decltype(number)::value;
           into.values.at(i) = &value;
           me.read_row(std::get<i>(fields_of<Section>()), value, at, into);
         }});
      if (!row.file_name.empty())
        keys.push_back(
          {row.file_name, [](self&, node& value, const path&, draft& into) {
             into.files.at(decltype(number)::value) = &value;
           }});
    });
    return keys;
  }();
  return all;
}

template <class Section>
bool yaml_reader::read_secrets(const path& at, section_draft<Section>& into) {
  const auto before = errors_.count();
  for_each_field<Section>([&](const auto& row, auto number) {
    if constexpr (is_secret_key<value_of<decltype(row)>>)
      read_secret(at, row.name, row.file_name, into.values.at(number),
                  into.files.at(number), into.config.*row.member);
  });
  return errors_.count() == before;
}

void yaml_reader::read_interface(const yaml_node& section, const path& at) {
  has_interface_ = true;
  section_draft<interface_config> draft{config_.interface};
  read_map(section, &at, section_keys<interface_config>(), draft);
  if (section.kind != yaml_kind::map)
    return;
  if (const auto* mtu = draft.value_of(&interface_config::mtu)) {
    if (auto reason = check_ipv6_mtu(config_.interface))
      complain(*mtu, path{&at, "mtu", 0}, std::move(*reason));
  }
  if (const auto* name = draft.value_of(&interface_config::name))
    name_place_ = name->place;
  constexpr auto number = number_of(&interface_config::private_key);
  const auto* const in_text = draft.values.at(number);
  const auto* const in_file = draft.files.at(number);
  if (in_text == nullptr && in_file == nullptr) {
    if (rule_ == private_key_rule::optional)
      return;
    const path here{&at, "private_key_file", 0};
    return complain(section.place, &here,
                    "the private key is missing; private_key_file (or "
                    "private_key) is expected");
  }
  if (!read_secrets(at, draft))
    return;
  auto& key = config_.interface.private_key;
  if (key.is_zero())
    complain(in_text != nullptr ? *in_text : *in_file, at,
             "the private key is zero; 'weft genkey' makes one");
  clamp(key);
}

void yaml_reader::read_socket_folder(const yaml_node& value, const path& at,
                                     std::string& into) {
  const auto* name = scalar(value, at, "a folder");
  if (name == nullptr)
    return;
  std::error_code failed;
  const auto whole = std::filesystem::absolute(folder_ / *name, failed);
  auto folder = whole.lexically_normal().string();
  if (folder.size() > 1 && folder.ends_with('/'))
    folder.pop_back();
  if (name->empty() || failed || check_socket_folder(folder))
    return complain(value, at,
                    strings::quote(*name)
                      + " cannot hold sockets; a folder is expected whose "
                        "name has at most 86 bytes");
  into = std::move(folder);
}

/// A key that stands in the document has no other guard than the document's.
void yaml_reader::check_exposure() {
  if (around_.others_can_write && holds_secrets_)
    complain({0, 0}, nullptr,
             "keys are in this file, and others can change it; run: chmod 600 "
               + file_ + " (as its owner, or root)");
  if (around_.warnings == nullptr)
    return;
  if (around_.others_can_write && !holds_secrets_)
    around_.warnings->push_back(file_
                                + ": others can change this file, and with it "
                                  "whom the node talks to; run: chmod go-w "
                                + file_);
  else if (around_.others_can_read && holds_secrets_)
    around_.warnings->push_back(
      file_ + ": keys are in this file, and others can read it; run: chmod 600 "
      + file_);
}

bool yaml_reader::read_secret(const path& at, std::string_view name,
                              std::string_view file_name, const yaml_node* key,
                              const yaml_node* key_file,
                              secret<key_size>& into) {
  const path at_key{&at, name, 0};
  const path at_file{&at, file_name, 0};
  if (key != nullptr && key_file != nullptr)
    complain(*key_file, at_file,
             std::string{name} + " is given as well, in line "
               + std::to_string(key->place.line)
               + "; one of the two is expected");
  const auto errors_before = errors_.count();
  std::optional<secret<key_size>> read;
  if (key != nullptr) {
    holds_secrets_ = true;
    read_value(*key, at_key, "44 characters of base64", read_key, read);
  }
  if (key_file != nullptr)
    read_value(
      *key_file, at_file, "the name of a file",
      [&](std::string_view file) {
        return read_key_file(file, folder_, around_.files);
      },
      read);
  if (!read || errors_.count() != errors_before)
    return false;
  into = *read;
  return true;
}

void yaml_reader::read_peers(const yaml_node& list, const path& at) {
  if (list.kind == yaml_kind::null)
    return;
  if (list.kind != yaml_kind::sequence)
    return complain(list, at,
                    "there is " + std::string{describe(list.kind)}
                      + "; a list is expected, a dash before each peer");
  std::size_t index = 0;
  for (const auto* item = tree_.first_child(list); item != nullptr;
       item = tree_.next(*item))
    read_peer(*item, path{&at, {}, index++});
}

void yaml_reader::read_peer(const yaml_node& section, const path& at) {
  auto& config = config_.peers.emplace_back();
  section_draft<peer_config> draft{config};
  read_map(section, &at, section_keys<peer_config>(), draft);
  const auto* key = draft.value_of(&peer_config::public_key);
  if (section.kind == yaml_kind::map && key == nullptr) {
    const path here{&at, "public_key", 0};
    complain(section, here,
             "the key is missing; the public key of the peer is expected");
  }
  read_secrets(at, draft);
  auto& places = peers_.emplace_back();
  places.public_key = key != nullptr ? key->place : section.place;
  if (const auto* name = draft.value_of(&peer_config::name))
    places.name = name->place;
  if (const auto* all = draft.value_of(&peer_config::default_route))
    places.default_route = all->place;
  places.allowed_ips
    = std::move(draft.list_places.at(number_of(&peer_config::allowed_ips)));
}

void yaml_reader::check_all_peers() {
  check_peers(
    config_, peers_,
    [](std::size_t peer) { return "peers[" + std::to_string(peer) + "]"; },
    [&](std::size_t peer, peer_part part, text_place place,
        std::string message) {
      constexpr std::array<std::string_view, 4> parts{
        "public_key", "name", "allowed_ips", "default_route"};
      const path peers{nullptr, "peers", 0};
      const path one{&peers, {}, peer};
      const path here{&one, parts.at(static_cast<std::size_t>(part)), 0};
      complain(place, &here, std::move(message));
    });
}

void yaml_reader::check_name() {
  const path section{nullptr, "interface", 0};
  const path here{&section, "name", 0};
  if (auto reason = check_table_name(config_))
    complain(name_place_, &here, std::move(*reason));
}

void yaml_reader::check_control_section() {
  check_control(config_, [this](std::string_view key, std::string message) {
    const path control{nullptr, "control", 0};
    const path here{&control, key, 0};
    if (key.empty())
      complain({0, 0}, nullptr, std::move(message));
    else
      complain(control_place_, &here, std::move(message));
  });
}

} // namespace weft
