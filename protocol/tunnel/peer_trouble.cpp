#include "protocol/tunnel/peer_trouble.hpp"

#include "protocol/base/wireguard.hpp"

#include <cerrno>
#include <system_error>

namespace weft {

namespace {

std::string seconds_of(duration time) {
  return std::to_string(
           std::chrono::duration_cast<std::chrono::seconds>(time).count())
         + " s";
}

/// What to look at after an errno, to be appended.
std::string_view advice_for(int error) {
  switch (error) {
    case ECONNREFUSED:
      return ": nothing listens on that port; is the other side running, and "
             "is the port right?";
    case ENETUNREACH:
    case EHOSTUNREACH:
      return ": look at the routes on the way, and whether anybody has that "
             "address";
    case EACCES:
    case EPERM:
      return ": a firewall forbids it";
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
      return ": this host has no address of that family";
    default:
      return "";
  }
}

std::string error_text(int error) {
  if (error == ECONNREFUSED)
    return "refused";
  return std::generic_category().message(error) + " (errno "
         + std::to_string(error) + ")";
}

bool lacks_ipv6(const trouble::not_sent& found) {
  return !found.at.address.is_v4()
         && (found.error == ENETUNREACH || found.error == EAFNOSUPPORT
             || found.error == EADDRNOTAVAIL);
}

struct in_words {
  std::string operator()(const trouble::no_endpoint&) const {
    return "its endpoint is not known: it has to begin, or be given one";
  }
  std::string operator()(const trouble::no_handshake&) const {
    return "no handshake for " + seconds_of(limits::reject_after_time);
  }
  std::string operator()(const trouble::no_answer& found) const {
    return "no answer from " + to_string(found.at) + ", "
           + std::to_string(found.tries)
           + (found.tries == 1 ? " try" : " tries")
           + ": is the other side running, does it know our public key, "
             "do we know its own, and does a firewall let UDP through?";
  }
  std::string operator()(const trouble::refused_by_network& found) const {
    return error_text(found.error) + " at " + to_string(found.at)
           + std::string{advice_for(found.error)};
  }
  std::string operator()(const trouble::not_sent& found) const {
    return "cannot send to " + to_string(found.at) + ": "
           + error_text(found.error)
           + std::string{lacks_ipv6(found)
                           ? ": no IPv6 here, or no route to that address; "
                             "give the peer an IPv4 endpoint"
                           : advice_for(found.error)};
  }
  std::string operator()(const trouble::answer_not_opened& found) const {
    return "the answer from " + to_string(found.from)
           + " cannot be opened: the preshared keys differ, or one side has "
             "none";
  }
  std::string operator()(const trouble::answers_unused& found) const {
    return std::to_string(found.count) + " answers to its handshakes from "
           + to_string(found.to)
           + " were not used: the preshared keys differ, or one side has "
             "none, or our answers do not arrive there";
  }
  std::string operator()(const trouble::clock_behind& found) const {
    return "its handshakes from " + to_string(found.from) + " are "
           + std::to_string(found.by.count())
           + " s older than one before: set its clock, or its key is used by "
             "two machines";
  }
  std::string operator()(const trouble::wrong_key_used& found) const {
    return to_string(found.claimed)
           + " (claimed) uses a wrong public key for this node: give it ours";
  }
  std::string operator()(const trouble::key_shared& found) const {
    return "two machines use its key: the endpoint goes to and fro between "
           + to_string(found.one) + " and " + to_string(found.other)
           + "; give each a key of its own";
  }
  std::string operator()(const trouble::source_refused& found) const {
    return "packets from " + to_string(found.source)
           + " in its tunnel are refused: add the address to its allowed IPs, "
             "or mend what it sends from";
  }
};

} // namespace

std::string to_string(const peer_trouble& what) {
  return std::visit(in_words{}, what);
}

} // namespace weft
