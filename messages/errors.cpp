#include "messages/errors.hpp"

#include <cerrno>
#include <cstdint>

namespace weft {

namespace {

/// What make_error() put in, or null.
template <std::size_t Position, class T>
const T* part_of(const caf::error& error) {
  if (!error)
    return nullptr; // none has no context
  const auto& context = error.context();
  if (!context.match_elements<std::int32_t, std::string, std::string>())
    return nullptr;
  return &context.get_as<T>(Position);
}

} // namespace

caf::error make_error(int code, std::string message, std::string field) {
  return caf::make_error(caf::sec::runtime_error, std::int32_t{code},
                         std::move(message), std::move(field));
}

caf::error error_of_exception(std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& error) {
    return make_error(EIO, error.what());
  } catch (...) {
    return make_error(EIO, "unknown exception");
  }
}

int error_code(const caf::error& error) {
  const auto* code = part_of<0, std::int32_t>(error);
  return code != nullptr ? *code : error ? EIO : 0;
}

std::string error_message(const caf::error& error) {
  const auto* message = part_of<1, std::string>(error);
  return message != nullptr ? *message : caf::to_string(error);
}

std::string error_field(const caf::error& error) {
  const auto* field = part_of<2, std::string>(error);
  return field != nullptr ? *field : std::string{};
}

} // namespace weft
