// What a row of the table of control requests says (messages/control.hpp), and
// how a row is found.
#pragma once

#include "messages/inspect.hpp"
#include "protocol/base/control_role.hpp"

#include <caf/all.hpp>

#include <string_view>
#include <tuple>
#include <type_traits>

namespace weft {

/// How much an answer carries.  A client gets few large ones at a time.
enum class answer_size : std::uint8_t { small, large };

/// Whether a request is about a subscriber, to whom messages go later.
enum class streaming : std::uint8_t { no, yes };

/// What can be said of a request without its type.
struct request_traits {
  const char* type; ///< its name in a frame, `weft::add_peer`
  control_role needed = control_role::operate;
  answer_size answers = answer_size::small;
  streaming streams = streaming::no;

  /// For people: `add_peer`.
  constexpr std::string_view name() const {
    return std::string_view{type}.substr(std::string_view{"weft::"}.size());
  }
};

/// `Members` of the request are serialized in this order.
template <class Request, class Answer, auto... Members>
struct request_row : request_traits {
  using request = Request;
  using answer = Answer;
  using signature = typename caf::replies_to<Request>::template with<Answer>;
};

/// Whether a table (a std::tuple of rows) has a row for T.
template <class T, class Table>
struct has_row;
template <class T, class... Rows>
struct has_row<T, const std::tuple<Rows...>>
  : std::bool_constant<(std::is_same_v<T, typename Rows::request> || ...)> {};

/// The row for T, which is there.
template <class T, class... Rows>
constexpr const auto& find_row(const std::tuple<Rows...>& table) {
  constexpr auto index = [] {
    std::size_t at = 0;
    std::ignore
      = ((std::is_same_v<T, typename Rows::request> || (++at, false)) || ...);
    return at;
  }();
  return std::get<index>(table);
}

/// The interface of an actor that answers the requests of a table.
template <class Table>
struct interface_of;
template <class... Rows>
struct interface_of<const std::tuple<Rows...>> {
  using type = caf::typed_actor<typename Rows::signature...>;
};

/// A behavior with one handler for each row of `table`: what `make(row)`
/// returns.  `more` are handlers of other messages.
template <class Behavior, class Table, class Make, class... More>
Behavior handle_all(const Table& table, const Make& make, More... more) {
  return std::apply(
    [&](const auto&... rows) -> Behavior {
      return {make(rows)..., std::move(more)...};
    },
    table);
}

/// Fails if bytes are left behind what was read: a request is all that there is
/// in a message.
caf::error nothing_follows(const caf::deserializer& from);

template <class Inspector, class Request, class Answer, auto... Members>
typename Inspector::result_type
inspect_request(Inspector& f, Request& x,
                const request_row<Request, Answer, Members...>& row) {
  if constexpr (std::is_base_of_v<caf::deserializer, Inspector>)
    return f(caf::meta::type_name(row.type), carried(x.*Members)...,
             caf::meta::load_callback([&f] { return nothing_follows(f); }));
  else
    return f(caf::meta::type_name(row.type), carried(x.*Members)...);
}

} // namespace weft
