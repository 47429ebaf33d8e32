#include "tools/weft/usage.hpp"

#include "config/strings.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace weft {

namespace {

/// Words that other programs have for weft's commands.
struct synonym {
  std::string_view word;
  std::string_view command; ///< behind `weft`
};

/// Of several commands for a word the likeliest comes first.
constexpr std::array<synonym, 33> synonyms{{
  {"delete", "peer remove"}, {"delete", "allow remove"},
  {"del", "peer remove"},    {"del", "allow remove"},
  {"rm", "peer remove"},     {"rm", "allow remove"},
  {"new", "peer add"},       {"create", "peer add"},
  {"append", "allow add"},   {"change", "peer set"},
  {"edit", "peer set"},      {"update", "peer set"},
  {"modify", "peer set"},    {"list", "peers"},
  {"ls", "peers"},           {"ls", "context list"},
  {"ls", "pki list"},        {"show", "status"},
  {"show", "context list"},  {"show", "pki list"},
  {"info", "status"},        {"dump", "status"},
  {"events", "watch"},       {"monitor", "watch"},
  {"stop", "shutdown"},      {"down", "shutdown"},
  {"quit", "shutdown"},      {"validate", "check"},
  {"verify", "check"},       {"switch", "context use"},
  {"select", "context use"}, {"create", "pki issue"},
  {"version", "--version"},
}};

bool is_flag(const CLI::Option& option) {
  return option.get_items_expected_max() == 0;
}

bool begins_with(std::string_view text, std::string_view beginning) {
  return text.substr(0, beginning.size()) == beginning;
}

/// What weft calls a command: one of this group (`peer `), else one of no
/// group; empty: there is no other word for it.
std::string_view find_synonym(std::string_view word, std::string_view group) {
  std::string_view ungrouped;
  for (const auto& [other, command] : synonyms) {
    if (other != word)
      continue;
    if (begins_with(command, group))
      return command;
    if (ungrouped.empty() && command.find(' ') == std::string_view::npos)
      ungrouped = command;
  }
  return ungrouped;
}

bool is_option(std::string_view word) {
  return word.size() > 1 && word.front() == '-';
}

std::vector<CLI::App*> commands_of(CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

CLI::App* find_command(CLI::App& app, const std::string& name) {
  for (auto* one : commands_of(app))
    if (one->get_name() == name)
      return one;
  return nullptr;
}

CLI::Option* find_option(CLI::App& app, const std::string& name) {
  return app.get_option_no_throw(name);
}

/// In `app`, or in any command below it.
CLI::Option* find_option_below(CLI::App& app, const std::string& name) {
  if (auto* found = find_option(app, name))
    return found;
  for (auto* one : commands_of(app))
    if (auto* found = find_option_below(*one, name))
      return found;
  return nullptr;
}

std::vector<const CLI::Option*> arguments_of(const CLI::App& command) {
  return command.get_options(
    [](const CLI::Option* one) { return one->get_positional(); });
}

std::string joined(const std::vector<std::string_view>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0)
      text += i + 1 < words.size() ? ", " : " or ";
    text += words[i];
  }
  return text;
}

std::string without_dashes(std::string_view name) {
  name.remove_prefix(std::min(name.find_first_not_of('-'), name.size()));
  return std::string{name};
}

/// Takes the words one after the other.
class arranger {
public:
  explicit arranger(CLI::App& app) : command_(&app), name_(app.get_name()) {
  }

  void take(std::span<const std::string> typed);
  outcome<std::vector<std::string>> finish();

private:
  bool is_group() const {
    return !commands_of(*command_).empty();
  }
  void fail(std::string message) {
    if (!mistake_)
      mistake_ = std::move(message);
  }

  void take_command(const std::string& word);
  /// Returns how many words it took.
  std::size_t take_option(std::span<const std::string> words);
  std::size_t take_short(std::span<const std::string> words);
  void add_option(const std::string& name, std::vector<std::string> words);
  std::size_t add_value(const CLI::Option& option, const std::string& name,
                        std::span<const std::string> words);
  void check_arguments();
  void no_such_command(const std::string& word);
  void no_such_option(const std::string& name);
  std::string nearest_option(const std::string& name) const;

  CLI::App* command_;
  std::string name_; ///< `weft peer set`
  std::vector<std::string> path_;
  std::vector<std::string> early_names_; ///< of options before the command
  std::vector<std::string> early_;       ///< with their values
  std::vector<std::string> behind_;
  std::size_t arguments_ = 0;
  bool asks_for_help_ = false;
  bool only_arguments_ = false; ///< behind `--`
  std::optional<std::string> mistake_;
};

void arranger::take(std::span<const std::string> typed) {
  while (!typed.empty() && !mistake_) {
    const auto& word = typed.front();
    std::size_t taken = 1;
    if (!only_arguments_ && word == "--") {
      only_arguments_ = true;
      behind_.push_back(word);
    } else if (!only_arguments_ && is_option(word)) {
      taken = take_option(typed);
    } else if (is_group()) {
      take_command(word);
    } else {
      behind_.push_back(word);
      ++arguments_;
    }
    typed = typed.subspan(taken);
  }
}

void arranger::take_command(const std::string& word) {
  auto* found = find_command(*command_, word);
  if (found == nullptr)
    return no_such_command(word);
  command_ = found;
  path_.push_back(word);
  name_ += ' ' + word;
}

std::size_t arranger::take_option(std::span<const std::string> words) {
  const auto& word = words.front();
  if (!begins_with(word, "--"))
    return take_short(words);
  const auto equals = word.find('=');
  auto name = word.substr(0, equals);
  if (find_option_below(*command_, name) == nullptr)
    std::replace(name.begin(), name.end(), '_', '-');
  const auto* option = find_option_below(*command_, name);
  if (option == nullptr) {
    no_such_option(word.substr(0, equals));
    return 1;
  }
  if (equals != std::string::npos) {
    add_option(name, {name + word.substr(equals)});
    return 1;
  }
  return add_value(*option, name, words);
}

/// `-v`, `-i NAME`, and together `-vi NAME` and `-iNAME`.
std::size_t arranger::take_short(std::span<const std::string> words) {
  const auto& word = words.front();
  for (std::size_t i = 1; i < word.size(); ++i) {
    const std::string name{'-', word[i]};
    const auto* option = find_option_below(*command_, name);
    if (option == nullptr) {
      no_such_option(word.size() == 2 ? name : word);
      return 1;
    }
    if (is_flag(*option)) {
      add_option(name, {name});
    } else if (i + 1 < word.size()) {
      add_option(name, {name, word.substr(i + 1)});
      return 1;
    } else {
      return add_value(*option, name, words);
    }
  }
  return 1;
}

std::size_t
arranger::add_value(const CLI::Option& option, const std::string& name,
                    std::span<const std::string> words) {
  if (is_flag(option)) {
    add_option(name, {name});
    return 1;
  }
  if (words.size() < 2) {
    fail(name + " needs a value; '" + name_ + " --help' says which");
    return 1;
  }
  add_option(name, {name, words[1]});
  return 2;
}

void arranger::add_option(const std::string& name,
                          std::vector<std::string> words) {
  asks_for_help_ = asks_for_help_ || name == "-h" || name == "--help"
                   || name == "-V" || name == "--version";
  const bool is_early = is_group();
  if (is_early)
    early_names_.push_back(name);
  auto& into = is_early ? early_ : behind_;
  into.insert(into.end(), std::make_move_iterator(words.begin()),
              std::make_move_iterator(words.end()));
}

void arranger::check_arguments() {
  std::size_t most = 0;
  const auto known = arguments_of(*command_);
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (known[i]->get_required() && arguments_ <= i)
      return fail(known[i]->get_name()
                  + " is missing: " + usage_of(*command_, name_));
    most += static_cast<std::size_t>(known[i]->get_items_expected_max());
  }
  if (arguments_ > most)
    fail("there are more arguments than '" + name_
         + "' takes: " + usage_of(*command_, name_));
}

outcome<std::vector<std::string>> arranger::finish() {
  for (const auto& name : early_names_)
    if (find_option(*command_, name) == nullptr)
      no_such_option(name);
  if (!asks_for_help_ && is_group()) {
    std::vector<std::string> names;
    for (const auto* one : commands_of(*command_))
      names.push_back(one->get_name());
    fail("a command is missing: " + name_ + ' '
         + (path_.empty()
              ? "--help lists them"
              : joined({names.begin(), names.end()}) + " is expected"));
  } else if (!asks_for_help_) {
    check_arguments();
  }
  if (mistake_)
    return tl::unexpected(mistake(std::move(*mistake_)));
  auto all = std::move(path_);
  all.insert(all.end(), early_.begin(), early_.end());
  all.insert(all.end(), behind_.begin(), behind_.end());
  return all;
}

// -- what may have been meant ------------------------------------------------

void arranger::no_such_command(const std::string& word) {
  std::string group;
  for (const auto& one : path_)
    group += one + ' ';
  // What others call it says more than how it is spelt.
  std::string meant{find_synonym(word, group)};
  if (meant.empty()) {
    std::vector<std::string> names;
    for (const auto* one : commands_of(*command_))
      names.push_back(one->get_name());
    const std::vector<std::string_view> views(names.begin(), names.end());
    if (const auto near = strings::nearest(word, views))
      meant = group + std::string{*near};
  }
  fail("there is no command " + strings::quote(word)
       + (path_.empty() ? "" : " of '" + name_ + "'") + "; "
       + (meant.empty() ? name_ + " --help lists them"
                        : "did you mean 'weft " + meant + "'?"));
}

/// A long name that is spelt nearly so, or begins like a short one.
std::string arranger::nearest_option(const std::string& name) const {
  std::vector<std::string> known;
  for (const auto* one : std::as_const(*command_).get_options())
    for (const auto& text : one->get_lnames())
      known.push_back(text);
  std::sort(known.begin(), known.end());
  const auto word = without_dashes(name);
  if (word.size() == 1) {
    const auto found
      = std::find_if(known.begin(), known.end(), [&](const auto& one) {
          return one.front() == word.front();
        });
    return found == known.end() ? "" : "--" + *found;
  }
  const std::vector<std::string_view> views(known.begin(), known.end());
  const auto near = strings::nearest(word, views);
  return near ? "--" + std::string{*near} : "";
}

void arranger::no_such_option(const std::string& name) {
  const auto meant = nearest_option(name);
  fail("there is no option " + strings::quote(name) + " of '" + name_ + "'; "
       + (meant.empty() ? "'" + name_ + " --help' lists them"
                        : "did you mean '" + meant + "'?"));
}

/// `0.1`, `1000000000`
std::string to_text(double number) {
  std::array<char, 32> digits{};
  const auto [end, wrong]
    = std::to_chars(digits.data(), digits.data() + digits.size(), number,
                    std::chars_format::fixed);
  return {digits.data(), wrong == std::errc{} ? end : digits.data()};
}

} // namespace

std::string usage_of(const CLI::App& command, const std::string& name) {
  auto text = name;
  for (const auto* one : arguments_of(command)) {
    auto word = one->get_name();
    if (one->get_items_expected_max() > 1)
      word += "...";
    text += ' ' + (one->get_required() ? word : '[' + word + ']');
  }
  return text;
}

void add_number(CLI::App& to, const number_option& option,
                std::function<void(double)> take) {
  to.add_option_function<std::string>(
      option.name,
      [option, take = std::move(take)](const std::string& text) {
        double number = 0;
        const auto* end = text.data() + text.size();
        const auto [read_to, wrong] = std::from_chars(text.data(), end, number);
        const bool fits = wrong == std::errc{} && read_to == end
                          && number >= option.least && number <= option.most
                          && (!option.is_whole || number == std::floor(number));
        if (!fits)
          throw CLI::ValidationError(
            option.name, strings::quote(text) + " cannot be used; "
                           + option.what + " from " + to_text(option.least)
                           + " to " + to_text(option.most) + " is expected");
        take(number);
      },
      option.help)
    ->type_name("N");
}

outcome<std::vector<std::string>>
arrange_words(CLI::App& app, std::span<const std::string> typed) {
  arranger words(app);
  words.take(typed);
  return words.finish();
}

} // namespace weft
