#include "messages/errors.hpp"

#include <cerrno>

namespace weft {

caf::error make_error(int code, std::string message) {
  return caf::make_error(caf::sec::runtime_error, code, std::move(message));
}

int error_code(const caf::error& error) {
  const auto& context = error.context();
  if (context.match_elements<int, std::string>())
    return context.get_as<int>(0);
  return EIO;
}

std::string error_message(const caf::error& error) {
  const auto& context = error.context();
  if (context.match_elements<int, std::string>())
    return context.get_as<std::string>(1);
  return caf::to_string(error);
}

} // namespace weft
