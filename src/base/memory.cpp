#include "base/memory.h"

#include <fstream>
#include <limits>
#include <string>

namespace pith {

size_t available_memory() {
  std::ifstream info("/proc/meminfo");
  std::string key;
  size_t kilobytes = 0;
  for (std::string unit; info >> key >> kilobytes; std::getline(info, unit)) {
    if (key == "MemAvailable:") return kilobytes * 1024;
  }
  return std::numeric_limits<size_t>::max();
}

}  // namespace pith
