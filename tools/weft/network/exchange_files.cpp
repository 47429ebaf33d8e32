#include "tools/weft/network/exchange_files.hpp"

#include "config/strings.hpp"
#include "platform/files.hpp"
#include "platform/random.hpp"
#include "protocol/network/token.hpp"
#include "tools/weft/network/refusals.hpp"
#include "tools/weft/view/json_text.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cerrno>
#include <filesystem>

namespace weft {

namespace {

using json = nlohmann::ordered_json;

constexpr auto request_kind = "weft request 1";
constexpr auto answer_kind = "weft answer 1";
constexpr std::string_view digits
  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648, section 4.
std::string to_base64_text(const_byte_span bytes) {
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const auto count = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i)
      group
        = group << 8U
          | (i < count ? std::to_integer<std::uint32_t>(bytes[at + i]) : 0U);
    for (std::size_t i = 0; i < 4; ++i)
      text += i <= count ? digits[group >> (18 - 6 * i) & 63U] : '=';
  }
  return text;
}

std::optional<byte_vector> from_base64_text(std::string_view text) {
  byte_vector bytes;
  if (text.size() % 4 != 0)
    return std::nullopt;
  for (std::size_t at = 0; at < text.size(); at += 4) {
    std::uint32_t group = 0;
    std::size_t padding = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const char c = text[at + i];
      const auto digit = digits.find(c);
      const bool pads = c == '=' && i >= 2 && at + 4 == text.size();
      if (!pads && (digit == std::string_view::npos || padding > 0))
        return std::nullopt;
      padding += pads ? 1U : 0U;
      group = group << 6U | (pads ? 0U : static_cast<std::uint32_t>(digit));
    }
    for (std::size_t i = 0; i + padding < 3; ++i)
      bytes.push_back(static_cast<std::byte>(group >> (16 - 8 * i) & 0xffU));
  }
  return bytes;
}

failure not_what(std::string_view what) {
  return mistake("this is no " + std::string{what}
                 + " of a weft network, or not all of it");
}

/// The bytes at a key; nothing: there are none.
std::optional<byte_vector> bytes_at(const json& from, const char* key) {
  const auto found = from.find(key);
  if (found == from.end() || !found->is_string())
    return std::nullopt;
  return from_base64_text(found->get_ref<const std::string&>());
}

/// An object that says that it is of this kind.
std::optional<json> read_kind(std::string_view text, const char* kind) {
  auto read = json::parse(text, nullptr, false);
  if (!read.is_object() || read.value("kind", json{}) != kind)
    return std::nullopt;
  return read;
}

std::string offline_token_file(const node_folder& folder) {
  return folder.path + "/request.key";
}

} // namespace

std::string format_request(const proven_request& request) {
  json out;
  out["kind"] = request_kind;
  out["request"] = to_base64_text(encode(request));
  return to_text(out);
}

outcome<proven_request> read_request(std::string_view text) {
  const auto read = read_kind(text, request_kind);
  const auto bytes = read ? bytes_at(*read, "request") : std::nullopt;
  if (!bytes)
    return tl::unexpected(not_what("request"));
  auto request = read_proven_request(*bytes);
  if (!request)
    return tl::unexpected(to_failure(request.error()));
  return std::move(*request);
}

std::string format_answer(const issued_membership& answer) {
  json out;
  out["kind"] = answer_kind;
  out["root"] = to_base64_text(answer.root);
  out["answer"] = to_base64_text(encode(join_answer{answer.admission}));
  auto directories = json::array();
  for (const auto& each : answer.directories)
    directories.push_back(to_string(each));
  out["directories"] = std::move(directories);
  return to_text(out);
}

outcome<issued_membership> read_answer(std::string_view text) {
  const auto read = read_kind(text, answer_kind);
  const auto root = read ? bytes_at(*read, "root") : std::nullopt;
  const auto bytes = read ? bytes_at(*read, "answer") : std::nullopt;
  if (!root || !bytes)
    return tl::unexpected(not_what("answer"));
  const auto said = read_join_answer(*bytes);
  if (!said)
    return tl::unexpected(to_failure(said.error()));
  if (!*said)
    return tl::unexpected(to_failure(said->error()));
  issued_membership answer{*root, **said, {}};
  const auto directories = read->value("directories", json::array());
  for (const auto& each : directories) {
    const auto where
      = each.is_string()
          ? parse_directory_address(each.get_ref<const std::string&>())
          : accepted<directory_address>{tl::unexpected(refused{})};
    if (!where || answer.directories.size() == most_directories)
      return tl::unexpected(not_what("answer"));
    answer.directories.push_back(*where);
  }
  return answer;
}

outcome<secret_text> load_named(const std::string& file) {
  auto text = load_file(file, file_privacy::any);
  if (text)
    return std::move(*text);
  auto failed = to_failure(text.error());
  if (failed.code == ENOENT)
    failed.exit = exit_mistaken;
  return tl::unexpected(std::move(failed));
}

outcome<network_root> read_root(const std::string& file) {
  const auto text = load_named(file);
  if (!text)
    return tl::unexpected(text.error());
  const auto wrong
    = mistake(file + " holds no certificate of a network's root");
  const auto read = read_pem_certificates(text->view());
  if (!read || read->size() != 1)
    return tl::unexpected(wrong);
  const auto certificate = read_network_certificate(read->front());
  if (!certificate)
    return tl::unexpected(wrong);
  const auto* contents = std::get_if<root_contents>(&certificate->contents);
  if (contents == nullptr)
    return tl::unexpected(wrong);
  return network_root{*contents, certificate->der};
}

result<join_keys> keep_offline_keys(const node_folder& folder) {
  if (auto made = make_private_folder(folder.path); !made)
    return tl::unexpected(std::move(made.error()));
  const auto file = offline_token_file(folder);
  signing_seed token;
  if (identify_file(file)) {
    const auto text = load_file(file, file_privacy::owner_only);
    if (!text)
      return tl::unexpected(text.error());
    auto seed = read_pem_seed(text->view());
    if (!seed)
      return tl::unexpected(std::move(seed.error()));
    token = std::move(*seed);
  } else {
    system_random random;
    token = draw_signing_seed(random);
    if (auto done = write_seed(file, token); !done)
      return tl::unexpected(std::move(done.error()));
  }
  return keep_keys(folder, std::move(token));
}

void forget_offline_token(const node_folder& folder) {
  std::error_code ignored;
  std::filesystem::remove(offline_token_file(folder), ignored);
}

} // namespace weft
