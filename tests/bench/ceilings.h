#pragma once

#include <cstdint>

namespace spikeserve::bench {

// What the machine can do at best on some threads, measured with loops that do nothing else.
struct Ceilings {
  std::int64_t threads = 1;
  double fma = 0;                   // float32 multiply-adds per second, operands in registers
  double byte_products = 0;         // products of two bytes, added up, likewise
  double integer_add = 0;           // int32 additions per second, operands in registers
  double l1 = 0, l2 = 0, dram = 0;  // bytes read per second from 16 KiB, 512 KiB and 256 MiB per thread
};

// Takes about `seconds` for each of the six.
Ceilings ProbeCeilings(std::int64_t threads, double seconds);

}  // namespace spikeserve::bench
