#include "config/strings.hpp"
#include "config/yaml_reader.hpp"

#include <array>

namespace weft {

std::span<const yaml_reader::field<node_config>>
yaml_reader::document_fields() {
  using self = yaml_reader;
  using node = const yaml_node;
  static constexpr std::array<field<node_config>, 5> fields{{
    {"interface", [](self& me, node& value, const path& at,
                     node_config&) { me.read_interface(value, at); }},
    {"peers", [](self& me, node& value, const path& at,
                 node_config&) { me.read_peers(value, at); }},
    {"log",
     [](self& me, node& value, const path& at, node_config& config) {
       if (value.kind != yaml_kind::null)
         me.read_map(value, &at, log_fields(), config.log);
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
  }};
  return fields;
}

std::span<const yaml_reader::field<log_config>> yaml_reader::log_fields() {
  using self = yaml_reader;
  using node = const yaml_node;
  static constexpr std::array<field<log_config>, 2> fields{{
    {"level",
     [](self& me, node& value, const path& at, log_config& log) {
       me.read_value(value, at, "a log level", read_log_level, log.level);
     }},
    {"format",
     [](self& me, node& value, const path& at, log_config& log) {
       me.read_value(value, at, "text or json", read_log_format, log.format);
     }},
  }};
  return fields;
}

std::span<const yaml_reader::field<yaml_reader::interface_draft>>
yaml_reader::interface_fields() {
  using self = yaml_reader;
  using node = const yaml_node;
  using draft = interface_draft;
  static constexpr std::array<field<draft>, 9> fields{{
    {"name", [](self& me, node& value, const path& at,
                draft&) { me.read_interface_name(value, at); }},
    {"private_key",
     [](self&, node& value, const path&, draft& into) { into.key = &value; }},
    {"private_key_file", [](self&, node& value, const path&,
                            draft& into) { into.key_file = &value; }},
    {"listen",
     [](self& me, node& value, const path& at, draft& into) {
       me.read_value(value, at, "ADDRESS:PORT", read_listen,
                     into.config.listen);
     }},
    {"addresses",
     [](self& me, node& value, const path& at, draft& into) {
       me.read_prefixes(value, at, true, into.config.addresses);
     }},
    {"cluster_networks",
     [](self& me, node& value, const path& at, draft& into) {
       me.read_prefixes(value, at, false, into.config.cluster_networks);
     }},
    {"mtu",
     [](self& me, node& value, const path& at, draft& into) {
       me.read_value(value, at, "576-65535", read_mtu, into.config.mtu);
     }},
    {"fwmark",
     [](self& me, node& value, const path& at, draft& into) {
       me.read_value(value, at, "a firewall mark", read_fwmark,
                     into.config.fwmark);
     }},
    {"socket_folder",
     [](self& me, node& value, const path& at, draft& into) {
       me.read_socket_folder(value, at, into.config.socket_folder);
     }},
  }};
  return fields;
}

std::span<const yaml_reader::field<yaml_reader::peer_draft>>
yaml_reader::peer_fields() {
  using self = yaml_reader;
  using node = const yaml_node;
  using draft = peer_draft;
  static constexpr std::array<field<draft>, 7> fields{{
    {"name",
     [](self& me, node& value, const path& at, draft& into) {
       into.places.name = value.place;
       me.read_value(value, at, "a name", read_peer_name, into.config.name);
     }},
    {"public_key",
     [](self& me, node& value, const path& at, draft& into) {
       into.has_key = true;
       into.places.public_key = value.place;
       me.read_value(value, at, "a public key", read_public_key,
                     into.config.public_key);
     }},
    {"preshared_key",
     [](self&, node& value, const path&, draft& into) { into.psk = &value; }},
    {"preshared_key_file", [](self&, node& value, const path&,
                              draft& into) { into.psk_file = &value; }},
    {"endpoint",
     [](self& me, node& value, const path& at, draft& into) {
       me.read_value(value, at, "ADDRESS:PORT or HOST:PORT", read_endpoint,
                     into.config.endpoint);
     }},
    {"allowed_ips",
     [](self& me, node& value, const path& at, draft& into) {
       into.places.allowed_ips
         = me.read_prefixes(value, at, false, into.config.allowed_ips);
     }},
    {"persistent_keepalive",
     [](self& me, node& value, const path& at, draft& into) {
       me.read_value(value, at, "seconds", read_keepalive,
                     into.config.persistent_keepalive);
     }},
  }};
  return fields;
}

void yaml_reader::read_interface(const yaml_node& section, const path& at) {
  has_interface_ = true;
  interface_draft draft{config_.interface, nullptr, nullptr};
  read_map(section, &at, interface_fields(), draft);
  if (section.kind != yaml_kind::map)
    return;
  if (draft.key == nullptr && draft.key_file == nullptr) {
    if (rule_ == private_key_rule::optional)
      return;
    const path here{&at, "private_key_file", 0};
    return complain(section.place, &here,
                    "the private key is missing; private_key_file (or "
                    "private_key) is expected");
  }
  auto& key = config_.interface.private_key;
  if (!read_secret(at, "private_key", draft.key, draft.key_file, key))
    return;
  if (key.is_zero()) {
    const auto* node = draft.key != nullptr ? draft.key : draft.key_file;
    complain(*node, at, "the private key is zero; 'weft genkey' makes one");
  }
  clamp(key);
}

void yaml_reader::read_interface_name(const yaml_node& value, const path& at) {
  const auto* name = scalar(value, at, "a name of 1-15 characters");
  if (name == nullptr)
    return;
  if (auto problem = check_interface_name(*name))
    return complain(value, at, *problem);
  config_.interface.name = *name;
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

/// Both sockets are called NAME.sock.
void yaml_reader::check_socket_folders() {
  const auto& folder = config_.interface.socket_folder;
  if (folder != config_.control.socket_folder)
    return;
  complain({0, 0}, nullptr,
           "interface.socket_folder and control.socket_folder are one folder, "
             + folder
             + ", and the sockets in it would have one name; two folders are "
               "expected");
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
                              const yaml_node* key, const yaml_node* key_file,
                              secret<key_size>& into) {
  const auto file_name = std::string{name} + "_file";
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
  peer_draft draft;
  draft.places.public_key = section.place;
  read_map(section, &at, peer_fields(), draft);
  if (section.kind == yaml_kind::map && !draft.has_key) {
    const path here{&at, "public_key", 0};
    complain(section, here,
             "the key is missing; the public key of the peer is expected");
  }
  read_secret(at, "preshared_key", draft.psk, draft.psk_file,
              draft.config.preshared_key);
  config_.peers.push_back(std::move(draft.config));
  peers_.push_back(std::move(draft.places));
}

void yaml_reader::check_all_peers() {
  check_peers(
    config_, peers_,
    [](std::size_t peer) { return "peers[" + std::to_string(peer) + "]"; },
    [&](std::size_t peer, peer_part part, text_place place,
        std::string message) {
      constexpr std::array<std::string_view, 3> parts{"public_key", "name",
                                                      "allowed_ips"};
      const path peers{nullptr, "peers", 0};
      const path one{&peers, {}, peer};
      const path here{&one, parts.at(static_cast<std::size_t>(part)), 0};
      complain(place, &here, std::move(message));
    });
}

} // namespace weft
