// The issuer's service, as tests ask it.
#pragma once

#include "tests/issuer/support.hpp"

#include <map>
#include <optional>
#include <string>
#include <utility>

namespace weft::test {

using role = issuer_service::role;

/// An issuer in a folder, with its clock turned by hand.
struct issuer_home {
  issuer_home() {
    must(
      make_authority(folder, some_root(), some_issuer(), noon, real_random()));
    start();
  }

  void start() {
    service.reset();
    service.emplace(must(issuer_service::open(folder, now, real_random())));
  }
  network_time time() const {
    return std::chrono::floor<std::chrono::seconds>(now.wall);
  }
  void pass(std::chrono::seconds some) {
    now.now += some;
    now.wall += some;
  }

  issuing_answer ask(const issuing_question& question, role by = role::root) {
    service->ask(1, by, question, now);
    auto answers = service->settle(now);
    REQUIRE(answers.size() == 1);
    CHECK(answers.front().to == 1);
    return std::move(answers.front().answer);
  }
  template <class Answer>
  Answer get(const issuing_question& question, role by = role::root) {
    return as<Answer>(ask(question, by));
  }
  std::string
  refusal_of(const issuing_question& question, role by = role::root) {
    return std::string{to_string(get<issuing_refused>(question, by).why.why)};
  }

  join_admission admit(const joiner& who) {
    get<issuing_done>(
      ask_invitation{who.token(time() + std::chrono::hours{1})});
    return get<join_answer_given>(who.admission(), role::directory).admission;
  }
  /// All that a directory has to know, by key.
  std::map<byte_vector, byte_vector> items(std::uint64_t after = 0) {
    std::map<byte_vector, byte_vector> all;
    for (bool more = true; more;) {
      const auto page
        = get<issued_items>(ask_items{after, {}}, role::directory);
      for (const auto& each : page.items)
        all[each.key] = each.content;
      for (const auto& each : page.gone)
        all.erase(each);
      after = place = page.through;
      more = page.more;
    }
    return all;
  }
  revocation_list list() {
    const auto bytes
      = read_list_item(items().at(item_key(item_kind::list, "first")));
    REQUIRE(bytes);
    CHECK(is_signed_by(service->certificate().key, *bytes));
    return must(read_revocation_list(bytes->content));
  }

  temporary_folder around;
  std::string folder = around.path() + "/prod";
  instant now{time_point{std::chrono::hours{1}}, wall_time{noon}};
  std::optional<issuer_service> service;
  std::uint64_t place = 0; ///< after items()
};

/// What a member asks with the key of its certificate, for one with the next
/// key.
inline ask_for_itself
renewal(const member_contents& who, const signing_seed& present,
        const verifying_key& next) {
  return {make_renewal({who.network, who.id, who.generation, who.key, next},
                       present)};
}

} // namespace weft::test
