// weft: keys, configuration files, and control of running nodes.

#include "platform/process.hpp"
#include "tools/weft/command_line.hpp"
#include "tools/weft/secret_output.hpp"
#include "tools/weft/view/live_screen.hpp"

#include <cerrno>
#include <iostream>
#include <system_error>

int main(int argc, char** argv) try {
  using namespace weft;
  complete_standard_descriptors();
  forbid_core_dumps(); // it reads and makes keys
  command_line line;
  const auto code
    = line.run(argc, argv,
               {std::cin, std::cout, std::cerr, standard_output_is_public(),
                standard_output_columns()});
  errno = 0;
  if (!std::cout.flush()) {
    std::cerr << "weft: cannot write to standard output";
    if (errno != 0)
      std::cerr << ": " << std::generic_category().message(errno);
    std::cerr << '\n';
    return exit_failure;
  }
  return code;
} catch (const std::exception& error) {
  std::cerr << "weft: " << error.what() << '\n';
  return weft::exit_failure;
}
