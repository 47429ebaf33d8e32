// A simulated network with the real cores of directories and of members'
// sessions: several directories over one store that fails and cuts them off,
// members that are killed, connections that break.  Virtual time; the same
// seed, the same run.
#pragma once

#include "protocol/network/directory.hpp"
#include "protocol/network/member_session.hpp"
#include "protocol/network/occupancy.hpp"
#include "tests/sim/membership.hpp"
#include "tests/sim/memory_store.hpp"

#include <deque>
#include <functional>
#include <iosfwd>
#include <map>
#include <memory>
#include <set>

namespace weft::test {

/// In the place of an issuer's X.509: its key, name and times, signed by the
/// root.
byte_vector to_bytes(const verified_issuer& issuer, const signing_seed& root);
item_judge judge_of(const verified_issuer& issuer, const signing_seed& root);

inline constexpr auto never = std::chrono::milliseconds::max();
/// Rounded up, so that what is due is due.
inline std::chrono::milliseconds milliseconds_of(time_point when) {
  return std::chrono::ceil<std::chrono::milliseconds>(when.time_since_epoch());
}

/// Chances are out of 1000, each second, of one of those there are.
struct disturbances {
  std::chrono::milliseconds longest{20}; ///< way of a message
  unsigned breaks = 0;                   ///< of a connection
  unsigned member_kills = 0;
  unsigned directory_kills = 0;
  unsigned cuts = 0;           ///< between a directory and the store, for 5 s
  unsigned store_failures = 0; ///< of each call
  unsigned lies = 0;           ///< for each item that a directory sends
  unsigned removals = 0;
  unsigned movements = 0;
  unsigned renewals = 0;
};

class directories_run {
public:
  static constexpr std::size_t everybody = ~std::size_t{0};

  /// So many of the members, the first, make peers of what they are told; of
  /// the others only what they have been told is compared.
  directories_run(std::uint64_t seed, std::size_t directories,
                  std::size_t members, std::size_t with_view = everybody);

  disturbances weather;
  /// What must hold at any time.
  bool sound = true;

  void run_for(std::chrono::milliseconds span);
  /// Cuts end, the dead rise.
  void heal();
  bool all_agree();
  /// Who does not, and how, for a failed test.
  std::string describe();
  std::size_t live() const;
  std::size_t admitted() const;

  // What a test does by itself.
  void kill_directory(std::size_t which);
  void start_directory(std::size_t which);
  /// From the store.
  void cut_off(std::size_t which, bool is_so) {
    directories_.at(which).cut_off = is_so;
  }
  /// How many members are connected there.
  std::size_t members_at(std::size_t which) const;
  void kill_issuer(bool there);
  void move_all();
  void remove(std::size_t member);
  bool renew(std::size_t member);
  memory_store& store() {
    return store_;
  }
  void set_store(memory_store store) {
    store_ = std::move(store);
  }
  directory* directory_at(std::size_t which) {
    return directories_.at(which).core.get();
  }
  /// How many items the issuer has given out.
  std::size_t issued() const {
    return log_.size();
  }
  /// As if its journal had been set back.
  void forget_issued(std::size_t all_but) {
    log_.resize(all_but);
  }
  bool recovering() const;
  void recover();
  std::size_t peers_of(std::size_t member) const;
  bool is_member_connected(std::size_t member) const;

private:
  struct directory_node {
    std::unique_ptr<directory> core; ///< none: it is down
    std::uint64_t life = 0;
    bool cut_off = false;
    store_revision watched = 0; ///< up to it; 0: it does not watch
    std::chrono::milliseconds wakes = never;
    std::optional<std::uint64_t> asks_items;
    std::uint64_t asks = 0;
  };
  struct member_node {
    join_keys keys;
    std::string name;
    std::optional<member_id> id;
    std::uint64_t life = 0;
    std::unique_ptr<member_session> session; ///< none: down, or not let in
    bool has_view = true;
    bool has_news = true;                ///< for the view
    std::chrono::milliseconds updated{}; ///< the view, last
    std::unique_ptr<member_view> view;
    byte_vector certificate;
    byte_vector list;
    std::map<byte_vector, network_item> waiting; ///< for its certificate
    std::uint64_t serial = 0;
    std::optional<member_record> record;
    std::optional<signing_seed> next_seed; ///< of a renewal under way
    std::uint64_t connection = 0;
    std::chrono::milliseconds wakes = never;
  };
  struct wire {
    std::size_t directory = 0;
    std::uint64_t life = 0; ///< the directory's
    std::size_t member = 0;
    std::uint64_t attempt = 0;
    bool broken = false;
    std::chrono::milliseconds to_member{};
    std::chrono::milliseconds to_directory{};
  };

  // Time.
  instant now() const;
  network_time wall() const;
  bool chance(unsigned of_1000);
  std::size_t any(std::size_t count);
  std::chrono::milliseconds delay();
  void every(std::chrono::milliseconds interval, std::function<void()> what);

  // The issuer.
  template <class Answer>
  Answer keep(const decision<Answer>& made);
  void restart_issuer();
  void issue(network_item item);
  void issue(const certificate_terms& terms);
  void issue_list();
  void answer_items(std::size_t which);
  accepted<certified_answer> decide(const byte_vector& request);
  void check_admission(const member_contents& contents);

  // Directories.
  /// One of them has it on its machine.
  static bool has_issuer(std::size_t which) {
    return which == 0;
  }
  void after_call(std::size_t which);
  void do_step(std::size_t which, const directory::list_entries& what);
  void do_step(std::size_t which, const directory::watch_entries& what);
  void do_step(std::size_t which, const directory::change_entries& what);
  void do_step(std::size_t which, const directory::renew_store_id& what);
  void do_step(std::size_t which, const directory::keep_presence& what);
  void do_step(std::size_t which, const directory::ask_for_items& what);
  void do_step(std::size_t which, const directory::ask_for_member& what);
  void do_step(std::size_t which, const directory::send_frame& what);
  void do_step(std::size_t which, const directory::end_connection& what);
  void do_step(std::size_t which, const directory::began_recovering& what);
  void do_step(std::size_t which, const directory::found_twice& what);
  void in_life(std::size_t which, std::chrono::milliseconds when,
               std::function<void(directory&)> what);
  void wake_directory(std::size_t which);
  void store_changed();
  void tell(std::size_t which);

  // Members.
  void step(std::size_t who);
  void ask_to_join(std::size_t who);
  void be_admitted(std::size_t who, const certificate_terms& terms);
  void start_member(std::size_t who, std::vector<network_item> told);
  void kill_member(std::size_t who);
  void after_member(std::size_t who);
  void do_step(std::size_t who, member_session::step& what);
  void believe(member_node& who, const network_item& item);
  void believe(member_node& who, std::vector<network_item> items);
  void use_next_seed(member_node& who, const verified_certificate& own,
                     const byte_vector& bytes);
  void hold(member_node& who);
  void move(std::size_t who);
  void dial(std::size_t who, const member_session::dial_directory& what);
  void break_wire(std::uint64_t number, const std::string& why);
  void wake_member(std::size_t who);
  void update(member_node& who);
  void follow_as_mirror(member_node& who, const network_item& item);
  void remember(const store_change& change);
  void lie(byte_vector& frame);
  void lie(std::vector<network_item>& items);
  void disturb();
  bool is_live(const member_node& who) const;
  std::map<member_id, network_peer> expected_peers() const;
  void describe_view(std::ostream& out, member_node& who,
                     std::map<member_id, network_peer>& all_peers);

  deterministic_random random_;
  event_queue queue_;
  signing_seed root_seed_;
  signing_seed issuer_seed_;
  signing_seed rogue_seed_;
  verified_issuer verified_;
  byte_vector issuer_bytes_;
  std::vector<byte_vector> journal_;
  std::optional<issuer> issuer_;
  std::vector<network_item> log_; ///< what it has issued, in order
  bool issuer_there_ = true;
  std::chrono::milliseconds issuer_present_until_{}; ///< at the store
  signing_seed token_;
  tls_exporter exporter_{};
  private_key ephemeral_;

  memory_store store_;
  std::deque<directory_node> directories_;
  std::deque<member_node> members_;
  std::map<std::uint64_t, wire> wires_;
  std::uint64_t last_wire_ = 0;
  std::vector<network_item> past_;
  std::map<member_id, member_contents> given_;
  prefix_set given_prefixes_;
  std::set<std::uint64_t> given_places_; ///< numbers of allocations
  std::map<std::string, member_id> names_;
  std::map<member_id, std::set<public_key>> keys_;
};

template <class Answer>
Answer directories_run::keep(const decision<Answer>& made) {
  if (made.entry) {
    sound = sound && issuer_->take_over(*made.entry).has_value();
    journal_.push_back(*made.entry);
  }
  return made.answer;
}

} // namespace weft::test
