#include "protocol/tunnel/trouble_words.hpp"

#include <cerrno>

namespace weft {

namespace {

struct in_a_word {
  std::string_view operator()(const trouble::no_endpoint&) const {
    return cause::no_endpoint;
  }
  std::string_view operator()(const trouble::no_handshake&) const {
    return cause::no_handshake;
  }
  std::string_view operator()(const trouble::no_answer&) const {
    return cause::no_answer;
  }
  std::string_view operator()(const trouble::refused_by_network& found) const {
    return found.error == ECONNREFUSED ? cause::refused : cause::network_error;
  }
  std::string_view operator()(const trouble::not_sent&) const {
    return cause::not_sent;
  }
  std::string_view operator()(const trouble::answer_not_opened&) const {
    return cause::answer_not_opened;
  }
  std::string_view operator()(const trouble::answers_unused&) const {
    return cause::answers_unused;
  }
  std::string_view operator()(const trouble::clock_behind&) const {
    return cause::clock_behind;
  }
  std::string_view operator()(const trouble::wrong_key_used&) const {
    return cause::wrong_key_used;
  }
  std::string_view operator()(const trouble::key_shared&) const {
    return cause::key_shared;
  }
  std::string_view operator()(const trouble::source_refused&) const {
    return cause::source_refused;
  }
};

} // namespace

std::string_view cause_of(const peer_trouble& what) {
  return std::visit(in_a_word{}, what);
}

std::string same_address_text(const ip_address& source) {
  return "packets from " + to_string(source)
         + " in its tunnel are refused: this host has that address as well; "
           "give each side its own";
}

} // namespace weft
