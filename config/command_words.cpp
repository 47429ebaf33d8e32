#include "config/command_words.hpp"

namespace weft {

namespace {

/// Takes a command apart, character by character.
class splitter {
public:
  explicit splitter(std::string_view command) : rest_(command) {
  }

  value_or_message<std::vector<std::string>> split() {
    while (!rest_.empty()) {
      const char c = take();
      if (c == ' ' || c == '\t')
        end_word();
      else if (c == '\'' || c == '"')
        quoted(c);
      else
        add(c == '\\' ? escaped() : c);
    }
    end_word();
    if (!open_.empty())
      return tl::unexpected{"the command ends " + open_
                            + "; what is opened has to be closed"};
    return std::move(words_);
  }

private:
  char take() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  void add(char c) {
    word_ += c;
    in_word_ = true;
  }
  void end_word() {
    if (in_word_)
      words_.push_back(std::move(word_));
    word_.clear();
    in_word_ = false;
  }
  char escaped() {
    if (!rest_.empty())
      return take();
    open_ = "in a backslash";
    return '\\';
  }
  void quoted(char mark) {
    in_word_ = true; // also if there is nothing in it
    while (!rest_.empty()) {
      const char c = take();
      if (c == mark)
        return;
      const bool escapes = mark == '"' && c == '\\' && !rest_.empty()
                           && (rest_.front() == '"' || rest_.front() == '\\');
      add(escapes ? take() : c);
    }
    open_ = std::string{"within quotation marks ("} + mark + ')';
  }

  std::string_view rest_;
  std::string word_;
  bool in_word_ = false;
  std::vector<std::string> words_;
  std::string open_; ///< what was not closed; empty: nothing
};

} // namespace

value_or_message<std::vector<std::string>>
split_command(std::string_view command) {
  return splitter{command}.split();
}

} // namespace weft
