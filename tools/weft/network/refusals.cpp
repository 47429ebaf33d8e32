#include "tools/weft/network/refusals.hpp"

#include "tools/issuer/client.hpp"

namespace weft {

namespace {

/// What somebody who reads it can do.
std::string_view remedy_for(refusal why) {
  switch (why) {
    case refusal::unknown_invitation:
    case refusal::withdrawn:
    case refusal::used_up:
      return "Ask for another token ('weft network invite' makes one)";
    case refusal::taken:
      return "Choose another name (--name), or remove the member that has it";
    case refusal::exhausted:
      return "Remove members that are no more, or make a network with larger "
             "ranges";
    case refusal::not_yet_valid:
    case refusal::expired:
      return "Is the clock of this host right?";
    default:
      return "";
  }
}

} // namespace

system_error to_error(const refused& why) {
  auto message = std::string{to_string(why.why)} + ": " + why.what;
  if (const auto remedy = remedy_for(why.why); !remedy.empty())
    message += ". " + std::string{remedy};
  return {error_code_of(why.why), std::move(message)};
}

failure to_failure(const refused& why) {
  auto failed = to_failure(to_error(why));
  if (why.why == refusal::unknown_member)
    failed.exit = exit_no_peer;
  return failed;
}

} // namespace weft
