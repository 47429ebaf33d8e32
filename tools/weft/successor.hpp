// The program that takes a node's place: how it is started, and asked for.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// Of an option with a value: `--config FILE`, `-cFILE`.
struct found_option {
  std::size_t first = 0; ///< of the words
  std::size_t count = 0; ///< 0: it is not there
  std::string value;
};

/// `letter`: of its short form.
found_option find_option(const std::vector<std::string>& words,
                         const std::string& name, char letter = '\0');

/// What the successor of a weftd with these words is started with.  `program`:
/// its path; `file`: the path of the node's file; empty: it has none.
std::vector<std::string>
words_of_successor(std::vector<std::string> words, const std::string& program,
                   const std::string& file, const std::string& interface);

/// Where a node meets a successor that anybody has started (--replace).
std::string replacement_socket(const std::string& socket_folder,
                               const std::string& interface);

/// Where a node that is a unit is asked to start its successor, and meets it.
/// There is none where it cannot: then the unit is to be restarted.
std::string
upgrade_socket(const std::string& socket_folder, const std::string& interface);

/// What is said there.  The answer is a sentence if the node goes on; else it
/// ends.
inline constexpr std::string_view upgrade_request = "UPGRADE\n";

/// In the environment of a successor that a unit's process has started: nobody
/// else in a unit takes a node's place.
inline constexpr auto successor_variable = "WEFT_SUCCESSOR=1";
bool is_started_as_successor();

} // namespace weft
