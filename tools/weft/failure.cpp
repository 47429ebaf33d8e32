#include "tools/weft/failure.hpp"

#include "tools/weft/view/format.hpp"
#include "tools/weft/view/json_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ostream>

namespace weft {

namespace {

/// `ENOENT`
std::string errno_name(int code) {
  const char* name = ::strerrorname_np(code);
  return name != nullptr ? name : std::to_string(code);
}

/// Printable, but for the ends of lines.
std::string printable_lines(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    out += (out.empty() ? "" : "\n") + printable(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

} // namespace

int exit_code_of(int code) {
  switch (code) {
    case EPERM:
    case EACCES:
      return exit_forbidden;
    case EEXIST: // a name that another peer has
    case EINVAL:
      return exit_mistaken;
    case ECONNABORTED:
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
    case ENODEV:
    case ENOTCONN:
    case EPIPE:
    case EPROTO:
    case EPROTONOSUPPORT:
    case ETIMEDOUT:
      return exit_unreachable;
    default:
      return exit_failure;
  }
}

failure to_failure(const system_error& error) {
  return {exit_code_of(error.code), error.code, error.message};
}

failure mistake(std::string message, std::string field) {
  return {exit_mistaken, EINVAL, std::move(message), std::move(field)};
}

std::string format_failure(const failure& what, bool json) {
  if (!json)
    return "weft: " + printable_lines(what.message) + '\n';
  nlohmann::ordered_json error;
  error["code"] = null_if_empty(what.code != 0 ? errno_name(what.code) : "");
  error["message"] = what.message;
  error["field"] = null_if_empty(what.field);
  nlohmann::ordered_json out;
  out["error"] = std::move(error);
  return to_line(out);
}

int report(const failure& what, bool json, const streams& io) {
  io.err << format_failure(what, json);
  return what.exit;
}

} // namespace weft
