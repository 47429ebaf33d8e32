#include "tools/weft/view/top_view.hpp"

#include "tools/weft/view/status_text.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <tuple>

namespace weft {

namespace {

constexpr char escape = '\x1B';
constexpr std::size_t longest_filter = 64;
constexpr auto very_far = std::numeric_limits<std::size_t>::max() / 2;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool contains(std::string_view text, std::string_view part) {
  return std::search(text.begin(), text.end(), part.begin(), part.end(),
                     [](char a, char b) { return lower(a) == lower(b); })
         != text.end();
}

bool matches(const top_peer& peer, std::string_view filter) {
  return contains(peer.name, filter)
         || contains(to_string(peer.public_key), filter)
         || contains(peer.endpoint, filter)
         || contains(to_string(peer.state.word), filter)
         || contains(peer.state.reason, filter);
}

/// From what needs somebody to what needs nobody.
int urgency(peer_word word) {
  static constexpr std::array worst_first{
    peer_word::failing, peer_word::connecting, peer_word::waiting,
    peer_word::up,      peer_word::idle,       peer_word::disabled};
  return static_cast<int>(
    std::find(worst_first.begin(), worst_first.end(), word)
    - worst_first.begin());
}

bool is_before_by_name(const top_peer& a, const top_peer& b) {
  if (a.name.empty() != b.name.empty())
    return b.name.empty();
  return std::tie(a.name, a.public_key) < std::tie(b.name, b.public_key);
}

auto traffic_rank(const top_peer& peer) {
  const auto& amount = peer.amount;
  return std::pair{amount.rx_rate + amount.tx_rate,
                   amount.rx_bytes + amount.tx_bytes};
}

bool comes_first(const top_peer& a, const top_peer& b, top_order order) {
  switch (order) {
    case top_order::traffic:
      if (traffic_rank(a) != traffic_rank(b))
        return traffic_rank(a) > traffic_rank(b);
      break;
    case top_order::state:
      if (a.state.word != b.state.word)
        return urgency(a.state.word) < urgency(b.state.word);
      break;
    case top_order::handshake:
      if (a.age != b.age)
        return a.age && (!b.age || *a.age < *b.age);
      break;
    case top_order::name:
      break;
  }
  return is_before_by_name(a, b);
}

/// How a key moves the peers: by how many, 0 for a screenful.
struct movement {
  std::string_view sequence; ///< behind the escape character
  std::size_t peers;
  bool down;
};

constexpr std::array<movement, 10> movements{{{"[A", 1, false},
                                              {"OA", 1, false},
                                              {"[B", 1, true},
                                              {"OB", 1, true},
                                              {"[5~", 0, false},
                                              {"[6~", 0, true},
                                              {"[H", very_far, false},
                                              {"OH", very_far, false},
                                              {"[F", very_far, true},
                                              {"OF", very_far, true}}};

} // namespace

std::string_view to_string(top_order order) {
  switch (order) {
    case top_order::traffic:
      return "traffic";
    case top_order::state:
      return "state";
    case top_order::name:
      return "name";
    case top_order::handshake:
      break;
  }
  return "handshake";
}

std::vector<std::string> top_help() {
  return {"s               sort by traffic, state, name or last handshake",
          "/               show only peers with a text in name, key, endpoint,",
          "                state or trouble; Enter ends it, Escape shows all",
          "Up, Down, k, j  scroll by one peer",
          "PageUp, PageDown, b, Space",
          "                scroll by a screenful",
          "Home, End, g, G go to the first and to the last peers",
          "?               this help, and back",
          "q               quit"};
}

top_view::wish top_view::type(std::string_view keys) {
  auto result = wish::nothing;
  while (!keys.empty() && result != wish::quit) {
    auto done = wish::nothing;
    if (keys.front() == escape && keys.size() > 1
        && (keys[1] == '[' || keys[1] == 'O')) {
      const auto end
        = std::min(keys.find_first_of("ABCDFH~", 2), keys.size() - 1);
      done = move(keys.substr(1, end));
      keys.remove_prefix(end + 1);
    } else {
      done = types_filter_ ? filter_key(keys.front()) : press(keys.front());
      keys.remove_prefix(1);
    }
    result = std::max(result, done);
  }
  return result;
}

top_view::wish top_view::move(std::string_view sequence) {
  for (const auto& [known, peers, down] : movements) {
    if (known == sequence) {
      scroll(peers == 0 ? page_ : peers, down);
      return wish::redraw;
    }
  }
  return wish::nothing;
}

void top_view::scroll(std::size_t peers, bool down) {
  first_ = down
             ? first_ + std::min(peers, very_far - std::min(first_, very_far))
             : first_ - std::min(peers, first_);
}

top_view::wish top_view::filter_key(char key) {
  switch (key) {
    case escape:
      filter_.clear();
      [[fallthrough]];
    case '\n':
    case '\r':
      types_filter_ = false;
      break;
    case '\b':
    case '\x7F':
      // A character of UTF-8 is taken back as a whole.
      while (!filter_.empty() && (filter_.back() & '\xC0') == '\x80')
        filter_.pop_back();
      if (!filter_.empty())
        filter_.pop_back();
      break;
    default:
      if (filter_.size() < longest_filter)
        filter_ += key;
  }
  first_ = 0;
  return wish::redraw;
}

top_view::wish top_view::press(char key) {
  constexpr auto orders = 4;
  switch (key) {
    case 'q':
      return wish::quit;
    case 's':
      order_ = static_cast<top_order>((static_cast<int>(order_) + 1) % orders);
      first_ = 0;
      break;
    case '/':
      types_filter_ = true;
      helps_ = false;
      break;
    case '?':
    case 'h':
      helps_ = !helps_;
      break;
    case escape:
      helps_ = false;
      filter_.clear();
      break;
    case 'k':
      scroll(1, false);
      break;
    case 'j':
      scroll(1, true);
      break;
    case 'b':
      scroll(page_, false);
      break;
    case ' ':
      scroll(page_, true);
      break;
    case 'g':
      scroll(very_far, false);
      break;
    case 'G':
      scroll(very_far, true);
      break;
    default:
      return wish::nothing;
  }
  return wish::redraw;
}

std::vector<const top_peer*>
top_view::choose(const std::vector<top_peer>& all) const {
  std::vector<const top_peer*> chosen;
  chosen.reserve(all.size());
  for (const auto& peer : all)
    if (matches(peer, filter_))
      chosen.push_back(&peer);
  std::sort(chosen.begin(), chosen.end(),
            [this](const top_peer* a, const top_peer* b) {
              return comes_first(*a, *b, order_);
            });
  return chosen;
}

std::size_t top_view::scroll_to(std::size_t count, std::size_t room) {
  page_ = std::max<std::size_t>(room, 1);
  first_ = std::min(first_, count - std::min(count, room));
  return first_;
}

std::string top_view::describe() const {
  std::string text;
  if (types_filter_)
    text = "/" + filter_ + "_";
  else if (!filter_.empty())
    text = "only '" + filter_ + "'";
  if (order_ != top_order::traffic)
    text += (text.empty() ? "by " : ", by ") + std::string{to_string(order_)};
  return text;
}

} // namespace weft
